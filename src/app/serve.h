/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Serving, one function for each transport. Called with the backend open and
 * nothing else; each gives up root's rights once it has what takes them, and
 * before the first byte of a client is read. Main thread.
 */

#include "app/config.h"
#include "app/service.h"

#include <stdbool.h>

struct serve_request {
	const struct config *config;
	struct backend *backend;
	const char *backend_name; /* as chosen, also if it is unavailable */
	struct service *service;
	bool is_bare; /* nothing was said on the command line */
};

int serve_stdio(const struct serve_request *request, struct error *err);
int serve_http(const struct serve_request *request, struct error *err);
