/* SPDX-License-Identifier: MIT */
#pragma once

/* Why no sandbox can be made here, and what the reader can do about it. Any thread. */

#include "base/error.h"
#include "zygote/zygote.h"

/* The exact command or setting that helps, or NULL if none is known. */
const char *explain_fix(enum zygote_area area, int error_number);
/* The settings that explain_fix reads, NULL at the end: to be kept open by who closes files. */
const char *const *explain_paths(void);
/* Raises what the zygote or a sandbox reported, with the fix in the sentence. -1. */
int explain_failure(const struct zygote_report *report, struct error *err);
