/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One sandbox: a process in its namespaces and control groups that dies as a whole,
 * and the guest in it. These are the functions of struct backend_type
 * (backend/backend.h), which says who may call them when.
 */

#include "backend/native/native.h"

/* What is the directory of commands that name none. */
#define NATIVE_COMMAND_DIRECTORY "/workspace"

struct sandbox *native_sandbox_create(struct backend *backend, const char *id,
				      const struct cancel *cancel,
				      const struct backend_progress *progress, struct error *err);
int native_sandbox_exec(struct sandbox *sandbox, const struct exec_request *request,
			struct exec_sink *sink, struct exec_result *result, struct error *err);
int native_sandbox_save(struct sandbox *sandbox, const struct exec_output *output,
			const struct cancel *cancel, struct exec_saved *saved, struct error *err);
void native_sandbox_destroy(struct sandbox *sandbox);
int native_sandbox_death_fd(const struct sandbox *sandbox);
void native_sandbox_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES]);
