/* SPDX-License-Identifier: MIT */

/*
 * One client, which started us and holds our stdin and stdout. The end begins
 * with end-of-file on stdin (running calls may finish), with a signal, or with
 * a client that no longer reads (at once).
 */

#include "app/life.h"
#include "app/serve.h"
#include "base/fd.h"
#include "transport/stdio.h"

#include <unistd.h>

struct stdio_server {
	struct life life;
	struct stdio_transport *transport;
};

static void on_signal(void *context)
{
	struct stdio_server *server = context;

	life_end(&server->life);
}

static void on_end(void *context)
{
	struct stdio_server *server = context;

	stdio_transport_end(server->transport);
}

static void on_end_of_input(void *context)
{
	struct stdio_server *server = context;

	life_announce_end(&server->life, "end of input");
	life_be_patient(&server->life);
}

static void on_drained(void *context)
{
	struct stdio_server *server = context;

	life_end(&server->life);
}

static void on_output_lost(void *context)
{
	struct stdio_server *server = context;

	life_announce_end(&server->life, "the client no longer reads");
	life_end(&server->life);
}

static int build(struct stdio_server *server, const struct serve_request *request,
		 struct error *err)
{
	const struct life_events events = { on_signal, on_end, server };
	const struct stdio_transport_config *transport;

	if (life_begin(&server->life, request->config, request->backend, &events, err) < 0)
		return -1;
	transport = &(const struct stdio_transport_config){
		.loop = server->life.loop,
		.server = server->life.mcp,
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.on_end_of_input = on_end_of_input,
		.on_drained = on_drained,
		.on_output_lost = on_output_lost,
		.context = server,
	};
	server->transport = stdio_transport_start(transport, err);
	return server->transport ? 0 : -1;
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

int serve_stdio(const struct serve_request *request, struct error *err)
{
	struct stdio_server server = { 0 };
	int result;

	if (rights_settle(&request->config->rights, request->backend, NULL, err) < 0)
		return -1;
	if (request->is_bare && isatty(STDIN_FILENO))
		greet(request->backend_name);
	log_start();
	result = build(&server, request, err);
	if (result == 0)
		life_run(&server.life);
	stdio_transport_destroy(server.transport);
	life_finish(&server.life);
	return result;
}
