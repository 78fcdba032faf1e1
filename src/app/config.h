/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the command line and the environment ask for, checked and defaulted.
 * Filled in by app/options.c; read-only afterwards. Strings are borrowed from
 * argv and environ, or owned by the config where a default was computed.
 */

#include "backend/backend.h"
#include "base/log.h"
#include "session/registry.h"

#include <stdbool.h>
#include <stddef.h>

enum transport { TRANSPORT_STDIO, TRANSPORT_HTTP };

struct config {
	const char *backend_name; /* "auto" until chosen */
	enum transport transport;
	const char *host;
	uint16_t port;
	uint64_t session_timeout_s;
	uint64_t timeout_s;	/* --timeout */
	uint64_t max_timeout_s; /* --max-timeout */
	enum sandbox_scope sandbox_scope;
	enum log_level log_level;
	enum log_format log_format;
	const char *description_override; /* --tool-instruction-override; NULL if not given */
	const char *description_extension;
	struct registry_config registry;
	struct backend_config backend;
	/* Options of backends that this build may lack, as given. */
	const char *engine, *docker_host, *cpu, *memory;
	const char **docker_run_flags; /* NULL-terminated; owned */
};
