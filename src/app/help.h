/* SPDX-License-Identifier: MIT */
#pragma once

/* What the option table looks like to people (--help), to tools (--help-json) and to shells
 * (completions). All of it is made from option_table, so none of it can drift. Appends to `out`,
 * whose failed flag tells whether it fitted. */

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

#define HELP_MAX_BYTES (64 * KIB)

/* Wrapped at 80 columns. */
void help_append(struct buf *out);
void help_append_json(struct buf *out);
/* "bash", "zsh" or "fish"; ERROR_USAGE for anything else (also NULL). */
int completion_append(struct buf *out, const char *shell, struct error *err);
