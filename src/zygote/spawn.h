/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One sandbox's process, made by a cradle: a clone into fresh namespaces, its ids
 * mapped from outside, and the mounts that only the zygote's rights can make for
 * it. And the means of that, for the zygote's own trials.
 */

#include "zygote/template.h"
#include "zygote/zygote.h"

#include <stdbool.h>

/* In a cradle. Answers on `report_fd` with STARTED and the pidfd, or FAILED; the child goes on by
 * itself. The descriptors are the caller's to close. */
void spawn_sandbox(const struct zygote_request *request, const struct template *template,
		   enum zygote_id_mode id_mode, int report_fd, int guest_fd);

/* A user namespace with these ids mapped, and nobody in it. */
int spawn_user_namespace(uint32_t id_base, uint32_t id_count, struct error *err);
/* Can the owners in the mount at `path` be shown through it? Its file system or this kernel may
 * be unable to. */
bool spawn_can_map(const char *path, int user_namespace_fd);
/* Acts as id `id` of the host, capabilities kept: what is made then is its own. */
int spawn_act_as(uid_t id, struct error *err);
