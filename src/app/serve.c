/* SPDX-License-Identifier: MIT */

/*
 * The server: chooses the backend and the transport.
 *
 * The order of a start: the backend first, while there is one thread (what
 * makes sandboxes is started from here), then all that takes root's rights, then
 * these are given up, then the log's thread and what speaks to clients. How it
 * ends: life.h.
 */

#include "app/serve.h"

#include "app/choose.h"
#include "app/command.h"
#include "app/start.h"
#include "app/unavailable.h"

#include <signal.h>

/* What cannot work here and now is told by every call; what can never work ends the start. */
static struct backend *open_backend(const struct backend_type *type, const struct config *config,
				    struct error *err)
{
	struct backend *backend = choose_open(config, type, err);

	if (backend || err->kind == ERROR_CONFIG || err->kind == ERROR_USAGE)
		return backend;
	log_event(LOG_ERROR, "backend_unavailable", LOG_STRING("backend", type->name),
		  LOG_STRING("error", err->message));
	return unavailable_open(&config->backend, err);
}

static int serve_over(const struct serve_request *request, struct error *err)
{
	return request->config->transport == TRANSPORT_HTTP ? serve_http(request, err)
							    : serve_stdio(request, err);
}

static int serve_with(struct start *start, struct service *service, struct error *err)
{
	const struct backend_type *type;
	struct serve_request request;
	struct backend *backend;
	const char *reason;
	int result;

	type = choose_backend(&start->config, &start->options, &reason, err);
	if (!type)
		return -1;
	config_raise_descriptors(&start->config);
	config_fit_descriptors(&start->config, &start->options);
	log_event(LOG_INFO, "backend_chosen", LOG_STRING("backend", type->name),
		  LOG_STRING("reason", reason));
	backend = open_backend(type, &start->config, err);
	if (!backend)
		return -1;
	request = (struct serve_request){
		.config = &start->config,
		.backend = backend,
		.backend_name = type->name,
		.service = service,
		.is_bare = start->is_bare,
	};
	result = serve_over(&request, err);
	backend_close(backend);
	log_finish();
	return result;
}

static int serve(struct start *start, struct error *err)
{
	struct service service = SERVICE_INIT;
	int result = 0;

	if (start->config.transport == TRANSPORT_HTTP) {
		/* Who asks for files to be read again must not end us, neither before there is
		 * somebody to do it nor after. */
		(void)signal(SIGHUP, SIG_IGN);
		/* Before anything is started that could inherit what was handed over. */
		result = service_open(&service, err);
	}
	if (result == 0)
		result = serve_with(start, &service, err);
	service_close(&service);
	return result;
}

int command_serve(int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	int exit_code = start_run(OPTION_COMMAND_SERVE, argc, argv, environment, serve, &err);

	return exit_code < 0 ? start_report(&err) : exit_code;
}
