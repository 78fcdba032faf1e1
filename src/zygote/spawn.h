/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One sandbox's process, made by the zygote: a clone into fresh namespaces, its
 * ids mapped from outside, and the mounts that only the zygote can make for it.
 */

#include "zygote/template.h"
#include "zygote/zygote.h"

/* Answers on `report_fd` with STARTED and the pidfd, or FAILED; the child goes on by itself.
 * The descriptors are the caller's to close. */
void spawn_sandbox(const struct zygote_request *request, const struct template *template,
		   enum zygote_id_mode id_mode, int report_fd, int guest_fd);
