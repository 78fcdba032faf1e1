/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox's processes may not do: capabilities, resource limits, Landlock
 * and system call filters, for the guest itself and, narrower, for each command.
 * All of it is inherited and none can be undone. Single-threaded processes only.
 */

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct zygote_request;

/* Resource limits (the guest itself needs all descriptors that it may have; it lowers the soft
 * limit for commands). */
int confine_limits(const struct zygote_request *request, struct error *err);

/* The guest: a command's capabilities plus what tagging and scanning take, no new
 * privileges, Landlock where the kernel has it, the guest's filter. */
int confine_guest(struct error *err);

/*
 * Which command a process belongs to is told by its UTS namespace: nobody can
 * leave one without SYS_ADMIN, and all that a command starts inherits it. The
 * guest cannot look up a supervisor's own (non-dumpable, and of a program that
 * was not started inside), so each spare writes its own down, in memory that is
 * shared with the guest and gone from a command once it runs.
 */
struct confine_tags;
struct confine_tags *confine_tags_create(struct error *err);

/* struct guest_config.confine_spare, with the tags as context: tags the process, then takes
 * away what only the guest needs. */
int confine_spare(void *context, struct error *err);
/* struct guest_config.is_tagged, likewise. */
bool confine_is_tagged(void *context, pid_t supervisor, pid_t pid);
