/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the command line and the environment ask for, checked against each other
 * and defaulted. Read-only once the program runs. Strings are borrowed from the
 * options that it was made of, which must outlive it.
 */

#include "app/http_config.h"
#include "app/options.h"
#include "app/rights.h"
#include "backend/backend.h"
#include "base/log.h"
#include "mcp/server.h"
#include "session/registry.h"

#include <stdbool.h>
#include <stddef.h>

enum transport { TRANSPORT_STDIO, TRANSPORT_HTTP };

struct config {
	const char *backend_name; /* "auto" until app/choose.h chose */
	enum transport transport;
	struct http_config http; /* with TRANSPORT_HTTP only */
	uint64_t timeout_s;	 /* --timeout */
	uint64_t max_timeout_s;	 /* --max-timeout */
	enum mcp_protocol protocol;
	enum sandbox_scope sandbox_scope;
	enum log_level log_level;
	enum log_format log_format;
	const char *description_override; /* --tool-instruction-override; NULL if not given */
	const char *description_extension;
	struct rights rights;
	struct registry_config registry;
	struct backend_config backend; /* nofile_*: config_fit_descriptors */
};

/* USAGE or CONFIG, by where the values came from. */
int config_load(struct config *config, const struct options *options, enum option_command command,
		struct error *err);

/* Raises this process's descriptor limit to the hard one and notes both for the backend. */
void config_raise_descriptors(struct config *config);
/* After that: lowers the caps that need more descriptors than there are, and logs it. */
void config_fit_descriptors(struct config *config, const struct options *options);
