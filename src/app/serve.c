/* SPDX-License-Identifier: MIT */

/*
 * The server: puts the rooms together, and takes them apart in the right order.
 *
 * The order of a start: the backend first, while there is one thread (what
 * makes sandboxes is started from here), then root's rights are given up, then
 * the log's thread, the loop, the registry, the MCP server, the transport.
 *
 * The order of an end, begun by end-of-file on stdin (running calls may finish
 * for LIMIT_EOF_GRACE_MS), by a signal, or by a client that no longer reads (at
 * once): the transport says no more, the registry ends every sandbox, the loop
 * stops, and all is destroyed from the top down. LIMIT_SHUTDOWN_MS after its
 * beginning the process is gone, whatever hangs.
 */

#include "app/choose.h"
#include "app/command.h"
#include "app/start.h"
#include "app/stop.h"
#include "app/unavailable.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "mcp/server.h"
#include "transport/stdio.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct server {
	struct loop *loop;
	struct registry *registry;
	struct mcp_server *mcp;
	struct stdio_transport *transport;
	struct loop_signal *signals[2];
	struct loop_timer *patience; /* from end-of-file on stdin to the end */
	bool is_ending;
};

static void on_gone(void *context)
{
	struct server *server = context;

	loop_stop(server->loop);
}

/* Loop thread; any number of times. */
static void end(struct server *server)
{
	if (server->is_ending)
		return;
	server->is_ending = true;
	loop_timer_stop(server->patience);
	stdio_transport_end(server->transport);
	registry_shut_down(server->registry, 0, on_gone, server);
}

static void on_patience_over(void *context)
{
	end(context);
}

static void on_end_of_input(void *context)
{
	struct server *server = context;

	log_event(LOG_INFO, "stopping", LOG_STRING("reason", "end of input"));
	stop_after(LIMIT_SHUTDOWN_MS);
	loop_timer_start(server->patience, LIMIT_EOF_GRACE_MS);
}

static void on_drained(void *context)
{
	end(context);
}

static void on_output_lost(void *context)
{
	log_event(LOG_INFO, "stopping", LOG_STRING("reason", "the client no longer reads"));
	stop_after(LIMIT_SHUTDOWN_MS);
	end(context);
}

static void on_signal(void *context)
{
	log_event(LOG_INFO, "stopping", LOG_STRING("reason", "signal"));
	stop_after(LIMIT_SHUTDOWN_MS);
	stop_on_signal(NULL);
	end(context);
}

static int watch_signals(struct server *server, struct error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(numbers); i++) {
		server->signals[i] =
			loop_signal_create(server->loop, numbers[i], on_signal, server, err);
		if (!server->signals[i])
			return -1;
	}
	return 0;
}

static int build(struct server *server, const struct config *config, struct backend *backend,
		 struct error *err)
{
	const struct mcp_server_config *mcp_config;
	const struct stdio_transport_config *transport_config;

	server->loop = loop_create(err);
	if (!server->loop)
		return -1;
	server->registry = registry_create(server->loop, backend, &config->registry);
	mcp_config = &(const struct mcp_server_config){
		.loop = server->loop,
		.registry = server->registry,
		.sandbox_scope = config->sandbox_scope,
		.timeout_s = config->timeout_s,
		.max_timeout_s = config->max_timeout_s,
		.output_limit_bytes = config->registry.output_limit_bytes,
		.description_override = config->description_override,
		.description_extension = config->description_extension,
	};
	server->mcp = mcp_server_create(mcp_config);
	server->patience = loop_timer_create(server->loop, on_patience_over, server);
	if (watch_signals(server, err) < 0)
		return -1;
	transport_config = &(const struct stdio_transport_config){
		.loop = server->loop,
		.server = server->mcp,
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.on_end_of_input = on_end_of_input,
		.on_drained = on_drained,
		.on_output_lost = on_output_lost,
		.context = server,
	};
	server->transport = stdio_transport_start(transport_config, err);
	return server->transport ? 0 : -1;
}

static void take_apart(struct server *server)
{
	size_t i;

	stdio_transport_destroy(server->transport);
	mcp_server_destroy(server->mcp);
	registry_destroy(server->registry);
	for (i = 0; i < ARRAY_LENGTH(server->signals); i++) {
		if (server->signals[i])
			loop_signal_destroy(server->signals[i]);
	}
	/* The loop has put back what was there before it; the end is not over yet. */
	stop_on_signal(NULL);
	if (server->patience)
		loop_timer_destroy(server->patience);
	loop_destroy(server->loop);
}

static int run(const struct config *config, struct backend *backend, struct error *err)
{
	struct server server = { 0 };
	int result;

	log_start();
	result = build(&server, config, backend, err);
	if (result == 0)
		loop_run(server.loop);
	take_apart(&server);
	return result;
}

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

/* Someone typed the program's name to see what it does. */
static void greet(const char *backend_name)
{
	struct buf text = BUF_INIT(2048);

	(void)buf_printf(&text,
			 "kilntainers is an MCP server: it now waits for a client's messages on "
			 "stdin.\nBackend: %s. To try it without a client:\n"
			 "  kilntainers exec -- sh -c 'id; ls /'\n"
			 "  kilntainers doctor\n"
			 "  kilntainers --help\n"
			 "Ctrl-D ends it.\n",
			 backend_name);
	(void)fd_write_all(STDERR_FILENO, text.data, text.length, NULL);
	buf_finish(&text);
}

static int serve(struct start *start, struct error *err)
{
	const struct backend_type *type;
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
	/* Before any byte of a client is read, and before any thread exists. */
	if (rights_settle(&start->config.rights, backend, err) < 0) {
		backend_close(backend);
		return -1;
	}
	if (start->is_bare && isatty(STDIN_FILENO))
		greet(type->name);
	result = run(&start->config, backend, err);
	backend_close(backend);
	log_finish();
	return result;
}

int command_serve(int argc, char **argv, char **environment)
{
	struct error err = ERROR_INIT;
	int exit_code = start_run(OPTION_COMMAND_SERVE, argc, argv, environment, serve, &err);

	return exit_code < 0 ? start_report(&err) : exit_code;
}
