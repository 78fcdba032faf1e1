/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/choose.h"
#include "app/config.h"
#include "backend/registry.h"
#include "base/attr.h"
#include "base/limits.h"

#include <string.h>

#define MAX_WORDS 24

/* One command line (flags, NULL, variables) and what became of it. */
struct line {
	struct options options;
	struct config config;
	struct error err;
};

static void parse(struct line *line, enum option_command command, const char *const *words)
{
	static char copies[2 * MAX_WORDS + 1][128];
	static char *argv[MAX_WORDS + 2]; /* the program, and NULL */
	char *environment[MAX_WORDS + 1] = { NULL };
	int copied = 0;
	int argc = 1;
	int count = 0;

	memset(argv, 0, sizeof(argv));
	memset(line, 0, sizeof(*line));
	argv[0] = copies[copied++];
	for (; *words; words++, argc++) {
		assert_true(argc <= MAX_WORDS);
		argv[argc] = copies[copied++];
		(void)snprintf(argv[argc], sizeof(copies[0]), "%s", *words);
	}
	for (words++; *words; words++, count++) {
		assert_true(count < MAX_WORDS);
		environment[count] = copies[copied++];
		(void)snprintf(environment[count], sizeof(copies[0]), "%s", *words);
	}
	assert_int_equal(
		options_parse(&line->options, command, argc, argv, environment, &line->err), 0);
}

static int load(struct line *line, enum option_command command, const char *const *words)
{
	parse(line, command, words);
	return config_load(&line->config, &line->options, command, &line->err);
}

#define LOAD(line, ...)                                                                            \
	load(line, OPTION_COMMAND_SERVE, (const char *const[]){ __VA_ARGS__, NULL, NULL })

static void the_defaults_are_those_of_the_documentation(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(LOAD(&line, NULL), 0);
	assert_string_equal(line.config.backend_name, "auto");
	assert_int_equal(line.config.transport, TRANSPORT_STDIO);
	assert_int_equal(line.config.timeout_s, 120);
	assert_int_equal(line.config.max_timeout_s, 86400);
	assert_int_equal(line.config.protocol, MCP_PROTOCOL_BOTH);
	assert_int_equal(line.config.sandbox_scope, SANDBOX_SCOPE_AUTO);
	assert_int_equal(line.config.log_level, LOG_INFO);
	assert_int_equal(line.config.log_format, LOG_TEXT);
	assert_int_equal(line.config.registry.output_limit_bytes, 2 * MIB);
	assert_int_equal(line.config.registry.max_parallel, 8);
	assert_int_equal(line.config.registry.max_running, 1024);
	assert_int_equal(line.config.registry.max_sandboxes, 1000);
	assert_true(line.config.registry.max_creating >= 2);
	assert_int_equal(line.config.registry.max_creating % 2, 0);
	assert_int_equal(line.config.registry.max_handles, 64);
	assert_int_equal(line.config.registry.pool_size, 0);
	assert_false(line.config.registry.is_pool_early);
	assert_null(line.config.backend.image);
	assert_null(line.config.backend.shell);
	assert_false(line.config.backend.has_network);
	assert_int_equal(line.config.backend.memory_bytes, 0);
	assert_int_equal(line.config.backend.cpu_milli, 0);
	assert_int_equal(line.config.backend.pids, 256);
	assert_int_equal(line.config.backend.disk_bytes, 0);
	assert_int_equal(line.config.backend.total_memory_bytes, 0);
	assert_int_equal(line.config.backend.total_pids, 0);
	assert_false(line.config.backend.allows_unlimited_memory);
	options_finish(&line.options);
}

static void values_reach_their_places(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(LOAD(&line, "--protocol=legacy", "--sandbox-scope=handle",
			      "--log-level=debug", "--log-format=json", "--max-creating=3",
			      "--max-parallel=1", "--memory=2g", "--cpu=1.5", "--pids-limit=99",
			      "--disk=1g", "--total-memory=8g", "--total-pids=999",
			      "--allow-unlimited-memory", "--shell=ash", "--pool=0",
			      "--image=/srv/root", "--network", "--tool-instruction-override=text"),
			 0);
	assert_int_equal(line.config.protocol, MCP_PROTOCOL_LEGACY);
	assert_int_equal(line.config.sandbox_scope, SANDBOX_SCOPE_HANDLE);
	assert_int_equal(line.config.log_level, LOG_DEBUG);
	assert_int_equal(line.config.log_format, LOG_JSON);
	assert_int_equal(line.config.registry.max_creating, 3);
	assert_int_equal(line.config.backend.memory_bytes, 2048 * MIB);
	assert_int_equal(line.config.backend.cpu_milli, 1500);
	assert_int_equal(line.config.backend.pids, 99);
	assert_int_equal(line.config.backend.disk_bytes, 1024 * MIB);
	assert_int_equal(line.config.backend.total_memory_bytes, 8192 * MIB);
	assert_int_equal(line.config.backend.total_pids, 999);
	assert_true(line.config.backend.allows_unlimited_memory);
	assert_int_equal(line.config.registry.max_parallel, 1);
	assert_true(line.config.registry.is_pool_early);
	assert_string_equal(line.config.backend.shell, "ash");
	assert_string_equal(line.config.backend.image, "/srv/root");
	assert_true(line.config.backend.has_network);
	assert_string_equal(line.config.description_override, "text");
	assert_null(line.config.description_extension);
	options_finish(&line.options);
}

struct refusal {
	const char *words[MAX_WORDS];
	enum error_kind kind;
	const char *message;
};

static const char both_texts[] =
	"Cannot use both --tool-instruction-override and --extended-tool-instruction. Use override "
	"to replace the description entirely, or extended to append to the backend default.";
static const struct refusal refusals[] = {
	{ { "--tool-instruction-override=a", "--extended-tool-instruction=b" },
	  ERROR_USAGE,
	  both_texts },
	{ { "--tool-instruction-override=a", NULL, "KILNTAINERS_EXTENDED_TOOL_INSTRUCTION=b" },
	  ERROR_USAGE,
	  both_texts },
	{ { NULL, "KILNTAINERS_TOOL_INSTRUCTION_OVERRIDE=a",
	    "KILNTAINERS_EXTENDED_TOOL_INSTRUCTION=b" },
	  ERROR_CONFIG,
	  both_texts },
	{ { "--sandbox-scope=principal" },
	  ERROR_USAGE,
	  "--sandbox-scope principal is only valid with --transport http and tokens. In stdio "
	  "mode, there is one client, and it has no name." },
	{ { "--timeout=10", "--max-timeout=9" },
	  ERROR_USAGE,
	  "--timeout (10) must not be above --max-timeout (9)." },
	{ { NULL, "KILNTAINERS_MAX_TIMEOUT=9" },
	  ERROR_CONFIG,
	  "--timeout (120) must not be above --max-timeout (9)." },
	{ { "--transport=http", "--sandbox-scope=principal" },
	  ERROR_USAGE,
	  "--sandbox-scope principal needs tokens, which tell one client from another: give "
	  "--auth-token-file." },
	{ { "--transport=http", NULL, "KILNTAINERS_SANDBOX_SCOPE=principal" },
	  ERROR_CONFIG,
	  "--sandbox-scope principal needs tokens, which tell one client from another: give "
	  "--auth-token-file." },
};

/* --- who may reach a server over http, and what belongs together ------------- */

#define EXPOSED(where)                                                                             \
	where " can be reached from other machines, and without tokens whoever reaches the "       \
	      "server can run commands. Give --auth-token-file (or KILNTAINERS_AUTH_TOKEN), or "   \
	      "--insecure-no-auth if something in front of the server keeps strangers out."

static const struct refusal http_lines[] = {
	{ { NULL }, ERROR_NONE, NULL },
	{ { "--host=127.0.0.1" }, ERROR_NONE, NULL },
	{ { "--host=127.255.0.1" }, ERROR_NONE, NULL },
	{ { "--host=::1" }, ERROR_NONE, NULL },
	{ { "--host=::ffff:127.0.0.1" }, ERROR_NONE, NULL },
	{ { "--host=0.0.0.0" }, ERROR_CONFIG, EXPOSED("--host 0.0.0.0") },
	{ { "--host=0" }, ERROR_CONFIG, EXPOSED("--host 0") },
	{ { "--host=::" }, ERROR_CONFIG, EXPOSED("--host ::") },
	{ { "--host=::ffff:0.0.0.0" }, ERROR_CONFIG, EXPOSED("--host ::ffff:0.0.0.0") },
	{ { "--host=192.0.2.1" }, ERROR_CONFIG, EXPOSED("--host 192.0.2.1") },
	{ { NULL, "KILNTAINERS_HOST=0.0.0.0" }, ERROR_CONFIG, EXPOSED("--host 0.0.0.0") },
	{ { "--host=0.0.0.0", NULL, "KILNTAINERS_AUTH_TOKEN=" },
	  ERROR_CONFIG,
	  EXPOSED("--host 0.0.0.0") },
	{ { "--host=0.0.0.0", NULL, "KILNTAINERS_AUTH_TOKEN=hunter2" }, ERROR_NONE, NULL },
	{ { "--host=0.0.0.0", "--auth-token-file=t" }, ERROR_NONE, NULL },
	{ { "--host=0.0.0.0", "--insecure-no-auth" }, ERROR_NONE, NULL },
	{ { "--unix-socket=/run/x" }, ERROR_NONE, NULL },
	{ { "--unix-socket=/run/x", NULL, "KILNTAINERS_HOST=0.0.0.0" }, ERROR_NONE, NULL },
	{ { "--unix-socket=/run/x", "--host=0.0.0.0" }, ERROR_CONFIG, EXPOSED("--host 0.0.0.0") },
	{ { "--insecure-no-auth", "--auth-token-file=t" },
	  ERROR_USAGE,
	  "--insecure-no-auth contradicts --auth-token-file: with tokens, everybody needs one. "
	  "Leave one of them out." },
	{ { NULL, "KILNTAINERS_INSECURE_NO_AUTH=1", "KILNTAINERS_AUTH_TOKEN=hunter2" },
	  ERROR_CONFIG,
	  "--insecure-no-auth contradicts KILNTAINERS_AUTH_TOKEN: with tokens, everybody needs "
	  "one. Leave one of them out." },
	{ { "--allow-local-users", "--auth-token-file=t" },
	  ERROR_USAGE,
	  "--allow-local-users is only valid without tokens: with them, a local user needs one "
	  "like everybody else." },
	{ { "--auth-token-file=t", NULL, "KILNTAINERS_ALLOW_LOCAL_USERS=1" }, ERROR_NONE, NULL },
	{ { "--tls-cert=c" },
	  ERROR_USAGE,
	  "--tls-cert needs --tls-key: TLS takes a certificate and its private key." },
	{ { NULL, "KILNTAINERS_TLS_KEY=k" },
	  ERROR_CONFIG,
	  "--tls-key needs --tls-cert: TLS takes a certificate and its private key." },
	{ { "--tls-cert=c", NULL, "KILNTAINERS_TLS_KEY=k" }, ERROR_NONE, NULL },
	{ { "--audit-args=full" }, ERROR_USAGE, "--audit-args is only valid with --audit-log." },
	{ { "--audit-required" }, ERROR_USAGE, "--audit-required is only valid with --audit-log." },
	{ { NULL, "KILNTAINERS_AUDIT_REQUIRED=1" }, ERROR_NONE, NULL },
	{ { "--audit-required", "--audit-args=none", "--audit-log=a" }, ERROR_NONE, NULL },
};

static void over_http_what_would_let_strangers_in_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(http_lines); i++) {
		const char *words[MAX_WORDS + 3] = { "--transport=http" };
		struct http_config http;
		struct line line;

		memcpy(&words[1], http_lines[i].words, sizeof(http_lines[i].words));
		parse(&line, OPTION_COMMAND_SERVE, words);
		assert_int_equal(http_config_load(&http, &line.options, &line.err),
				 http_lines[i].message ? -1 : 0);
		assert_int_equal(line.err.kind, http_lines[i].kind);
		if (http_lines[i].message)
			assert_string_equal(line.err.message, http_lines[i].message);
		options_finish(&line.options);
	}
}

static void a_host_that_cannot_be_found_is_refused(void **state)
{
	const char *const words[] = { "--transport=http", "--host=no.such.host.invalid", NULL,
				      NULL };
	struct http_config http;
	struct line line;

	(void)state;
	parse(&line, OPTION_COMMAND_SERVE, words);
	assert_int_equal(http_config_load(&http, &line.options, &line.err), -1);
	assert_int_equal(line.err.kind, ERROR_CONFIG);
	assert_non_null(strstr(line.err.message, "--host no.such.host.invalid"));
	options_finish(&line.options);
}

static void values_for_http_reach_their_places(void **state)
{
	const char *const words[] = { "--transport=http",
				      "--port=0",
				      "--allow-host=a",
				      "--allow-host=b",
				      "--max-sessions=5",
				      "--max-sandboxes-per-client=6",
				      "--max-connections=7",
				      "--max-buffered=64m",
				      "--status-page",
				      "--audit-log=l",
				      "--audit-args=full",
				      "--session-timeout=9",
				      NULL,
				      "KILNTAINERS_ALLOW_ORIGIN=https://x\nhttps://y",
				      "KILNTAINERS_AUTH_TOKEN=hunter2",
				      NULL };
	struct http_config http;
	struct line line;

	(void)state;
	parse(&line, OPTION_COMMAND_SERVE, words);
	assert_int_equal(http_config_load(&http, &line.options, &line.err), 0);
	assert_string_equal(http.host, "127.0.0.1");
	assert_int_equal(http.port, 0);
	assert_true(http.has_tcp);
	assert_string_equal(http.allowed_hosts[1], "b");
	assert_null(http.allowed_hosts[2]);
	assert_string_equal(http.allowed_origins[0], "https://x");
	assert_string_equal(http.allowed_origins[1], "https://y");
	assert_int_equal(http.max_sessions, 5);
	assert_int_equal(http.max_sandboxes_per_client, 6);
	assert_int_equal(http.max_connections, 7);
	assert_int_equal(http.max_buffered_bytes, 64 * MIB);
	assert_int_equal(http.session_timeout_s, 9);
	assert_true(http.has_status_page);
	assert_string_equal(http.audit_log, "l");
	assert_int_equal(http.audit_args, AUDIT_ARGS_FULL);
	assert_false(http.is_audit_required);
	assert_true(http.has_tokens);
	assert_string_equal(http.auth_token, "hunter2");
	assert_null(http.token_file);
	options_finish(&line.options);
}

static void what_does_not_fit_together_is_refused_with_its_text(void **state)
{
	struct line line;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(refusals); i++) {
		assert_int_equal(load(&line, OPTION_COMMAND_SERVE, refusals[i].words), -1);
		assert_string_equal(line.err.message, refusals[i].message);
		assert_int_equal(line.err.kind, refusals[i].kind);
		options_finish(&line.options);
	}
}

static void a_scope_for_http_in_the_environment_is_ignored_on_stdio(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(LOAD(&line, NULL, "KILNTAINERS_SANDBOX_SCOPE=principal"), 0);
	assert_int_equal(line.config.sandbox_scope, SANDBOX_SCOPE_AUTO);
	options_finish(&line.options);
}

static void a_long_default_timeout_raises_the_maximum_that_nobody_set(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(LOAD(&line, "--timeout=90000"), 0);
	assert_int_equal(line.config.max_timeout_s, 90000);
	options_finish(&line.options);
}

static void exec_and_doctor_log_warnings_only(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(load(&line, OPTION_COMMAND_EXEC, (const char *[]){ "ls", NULL, NULL }), 0);
	assert_int_equal(line.config.log_level, LOG_WARNING);
	options_finish(&line.options);
	assert_int_equal(load(&line, OPTION_COMMAND_EXEC,
			      (const char *[]){ "--log-level=info", "ls", NULL, NULL }),
			 0);
	assert_int_equal(line.config.log_level, LOG_INFO);
	options_finish(&line.options);
}

static void caps_shrink_to_the_descriptors_there_are(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(LOAD(&line, "--log-level=error"), 0);
	log_configure(LOG_ERROR, LOG_TEXT);

	line.config.backend.nofile_hard = 1048576;
	config_fit_descriptors(&line.config, &line.options);
	assert_int_equal(line.config.registry.max_running, 1024);
	assert_int_equal(line.config.registry.max_sandboxes, 1000);

	line.config.backend.nofile_hard = 1024;
	config_fit_descriptors(&line.config, &line.options);
	assert_in_range(line.config.registry.max_running, 1, 88);
	assert_in_range(line.config.registry.max_sandboxes, 1, 127);
	assert_true(line.config.registry.max_running * LIMIT_DESCRIPTORS_PER_CALL +
			    line.config.registry.max_sandboxes * LIMIT_DESCRIPTORS_PER_SANDBOX <=
		    1024 - LIMIT_DESCRIPTORS_RESERVED);

	line.config.http.max_connections = 4096;
	line.config.registry.max_running = 1024;
	line.config.registry.max_sandboxes = 1000;
	line.config.backend.nofile_hard = 4096;
	config_fit_descriptors(&line.config, &line.options);
	assert_int_equal(line.config.http.max_connections, (4096 - 128) / 8);
	assert_true(line.config.http.max_connections +
			    line.config.registry.max_running * LIMIT_DESCRIPTORS_PER_CALL +
			    line.config.registry.max_sandboxes * LIMIT_DESCRIPTORS_PER_SANDBOX <=
		    4096 - LIMIT_DESCRIPTORS_RESERVED);

	line.config.http.max_connections = 4096;
	line.config.registry.max_running = 1024;
	line.config.registry.max_sandboxes = 1000;
	line.config.backend.nofile_hard = 20000;
	config_fit_descriptors(&line.config, &line.options);
	assert_int_equal(line.config.http.max_connections, 20000 - 128 - 10240 - 7000);
	assert_int_equal(line.config.registry.max_running, 1024);
	assert_int_equal(line.config.registry.max_sandboxes, 1000);

	line.config.backend.nofile_hard = 16;
	config_fit_descriptors(&line.config, &line.options);
	assert_true(line.config.registry.max_running >= 1);
	assert_true(line.config.registry.max_sandboxes >= 1);
	options_finish(&line.options);
}

/* --- the choice of a backend ------------------------------------------------ */

/* What the registry of this test has; the real one depends on the build. */
static const char *const native_options[] = { "image", "cpu",	       "memory",       "pids-limit",
					      "disk",  "host-exclude", "host-include", NULL };
static const struct backend_type native = {
	.name = "native", .options = native_options, .default_pool = 1, .default_pool_of_many = 4
};
static const struct backend_type docker = { .name = "docker", .missing = "Build it." };
static const struct backend_type bare = { .name = "modal" };

const struct backend_type *backend_find(const char *name)
{
	static const struct backend_type *const types[] = { &native, &docker, &bare };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(types); i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}

struct choice {
	const char *words[MAX_WORDS];
	const char *name; /* NULL: refused */
	const char *text; /* the reason, or the refusal */
	enum error_kind kind;
};

static const struct choice choices[] = {
	{ { NULL }, "native", "auto", ERROR_NONE },
	{ { "--backend=auto" }, "native", "auto", ERROR_NONE },
	{ { "--backend=native" }, "native", "--backend", ERROR_NONE },
	{ { NULL, "KILNTAINERS_BACKEND=native" }, "native", "--backend", ERROR_NONE },
	{ { "--image=host" }, "native", "--image", ERROR_NONE },
	{ { "--image=/srv/root" }, "native", "--image", ERROR_NONE },
	{ { "--image=./root.tar" }, "native", "--image", ERROR_NONE },
	{ { "--image=../root" }, "native", "--image", ERROR_NONE },
	{ { "--disk=1023m" }, "native", "--disk", ERROR_NONE },
	{ { "--memory=4g", "--disk=2g" }, "native", "--disk", ERROR_NONE },
	{ { "--memory=64m", "--cpu=0.5", "--pids-limit=99" }, "native", "auto", ERROR_NONE },
	{ { "--host-exclude=/usr/bin/x..y", "--host-include=/usr/src/" },
	  "native",
	  "auto",
	  ERROR_NONE },
	{ { "--image=host", "--host-exclude=/usr/bin" }, "native", "--image", ERROR_NONE },
	{ { "--image=./root", NULL, "KILNTAINERS_HOST_EXCLUDE=/opt" },
	  "native",
	  "--image",
	  ERROR_NONE },
	{ { NULL, "KILNTAINERS_NETWORK=0" }, "native", "auto", ERROR_NONE },
	{ { "--backend=modal" }, "modal", "--backend", ERROR_NONE },

	{ { "--host-exclude=local/bin" },
	  NULL,
	  "--host-exclude takes an absolute path below /usr, without \"..\", got: local/bin",
	  ERROR_USAGE },
	{ { "--host-exclude=/usr" },
	  NULL,
	  "--host-exclude takes an absolute path below /usr, without \"..\", got: /usr",
	  ERROR_USAGE },
	{ { "--host-exclude=/usr//" },
	  NULL,
	  "--host-exclude takes an absolute path below /usr, without \"..\", got: /usr//",
	  ERROR_USAGE },
	{ { "--host-exclude=/usrlocal/x" },
	  NULL,
	  "--host-exclude takes an absolute path below /usr, without \"..\", got: /usrlocal/x",
	  ERROR_USAGE },
	{ { "--host-include=/etc/ssl/private" },
	  NULL,
	  "--host-include takes an absolute path below /usr, without \"..\", got: /etc/ssl/private",
	  ERROR_USAGE },
	{ { "--host-include=/usr/../etc" },
	  NULL,
	  "--host-include takes an absolute path below /usr, without \"..\", got: /usr/../etc",
	  ERROR_USAGE },
	{ { "--host-include=/usr/lib/.." },
	  NULL,
	  "--host-include takes an absolute path below /usr, without \"..\", got: /usr/lib/..",
	  ERROR_USAGE },
	{ { NULL, "KILNTAINERS_HOST_EXCLUDE=/usr/bin\n/opt/x" },
	  NULL,
	  "--host-exclude takes an absolute path below /usr, without \"..\", got: /opt/x",
	  ERROR_CONFIG },
	{ { "--image=./root", "--host-exclude=/usr/bin" },
	  NULL,
	  "--host-exclude is only valid with --image host: with --image ./root, sandboxes see "
	  "nothing of this machine's /usr.",
	  ERROR_USAGE },
	{ { "--image=./root", "--host-include=/usr/src" },
	  NULL,
	  "--host-include is only valid with --image host: with --image ./root, sandboxes see "
	  "nothing of this machine's /usr.",
	  ERROR_USAGE },
	{ { "--engine=podman" },
	  NULL,
	  "The docker backend (chosen by --engine) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { "--docker-host=tcp://h:1" },
	  NULL,
	  "The docker backend (chosen by --docker-host) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { "--docker-run-flag=-q", "--disk=1g" },
	  NULL,
	  "The docker backend (chosen by --docker-run-flag) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { "--image=node:22" },
	  NULL,
	  "The docker backend (chosen by --image) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { NULL, "KILNTAINERS_IMAGE=node:22" },
	  NULL,
	  "The docker backend (chosen by --image) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { "--backend=docker" },
	  NULL,
	  "The docker backend (chosen by --backend) is not in this build: Build it.",
	  ERROR_CONFIG },
	{ { "--backend=nonsense" },
	  NULL,
	  "--backend must be one of auto, native, docker, go_busybox, wasm, e2b, modal, got: "
	  "nonsense",
	  ERROR_USAGE },
	{ { NULL, "KILNTAINERS_BACKEND=nonsense" },
	  NULL,
	  "KILNTAINERS_BACKEND must be one of auto, native, docker, go_busybox, wasm, e2b, "
	  "modal, got: "
	  "nonsense",
	  ERROR_CONFIG },
	{ { "--memory=256m", "--disk=256m" },
	  NULL,
	  "--disk (256m) must be below --memory (256m): the files of a native sandbox live in "
	  "memory and count. Raise --memory, or lower --disk.",
	  ERROR_USAGE },
	{ { NULL, "KILNTAINERS_DISK=2g" },
	  NULL,
	  "--disk (2g) must be below --memory (1g): the files of a native sandbox live in "
	  "memory and count. Raise --memory, or lower --disk.",
	  ERROR_CONFIG },
	{ { "--backend=modal", "--memory=1g" },
	  NULL,
	  "The modal backend does not enforce --memory yet, and a limit is never ignored. Leave "
	  "--memory out.",
	  ERROR_CONFIG },
	{ { "--backend=modal", NULL, "KILNTAINERS_CPU=2" },
	  NULL,
	  "The modal backend does not enforce --cpu yet, and a limit is never ignored. Leave "
	  "--cpu out.",
	  ERROR_CONFIG },
	{ { "--backend=modal", "--disk=1g" },
	  NULL,
	  "The modal backend does not enforce --disk yet, and a limit is never ignored. Leave "
	  "--disk out.",
	  ERROR_CONFIG },
	{ { "--network" },
	  NULL,
	  "The native backend has no network yet: its sandboxes reach nothing, not even this "
	  "machine. Leave --network out.",
	  ERROR_CONFIG },
	{ { "--backend=native", "--image=alpine" },
	  NULL,
	  "The native backend takes for --image host, or a path that begins with / or . (a "
	  "directory or a tar of a root file system), got: alpine",
	  ERROR_CONFIG },
};

static void many_clients_find_more_sandboxes_ready_and_need_limits(void **state)
{
	static const struct {
		const char *words[MAX_WORDS];
		unsigned pool;
		bool is_for_many;
	} rows[] = {
		{ { NULL }, 1, false },
		{ { "--transport=http" }, 4, true },
		{ { "--transport=http", "--pool=2" }, 2, true },
		{ { "--transport=http", "--auth-token-file=t", "--sandbox-scope=principal" },
		  4,
		  true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const char *reason;
		struct line line;

		assert_int_equal(load(&line, OPTION_COMMAND_SERVE, rows[i].words), 0);
		assert_non_null(choose_backend(&line.config, &line.options, &reason, &line.err));
		assert_int_equal(line.config.registry.pool_size, rows[i].pool);
		assert_int_equal(line.config.backend.is_for_many, rows[i].is_for_many);
		options_finish(&line.options);
	}
}

static void the_backend_follows_from_the_options(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(choices); i++) {
		const struct backend_type *type;
		const char *reason = NULL;
		struct line line;

		assert_int_equal(load(&line, OPTION_COMMAND_SERVE, choices[i].words), 0);
		type = choose_backend(&line.config, &line.options, &reason, &line.err);
		if (choices[i].name) {
			assert_non_null(type);
			assert_string_equal(type->name, choices[i].name);
			assert_string_equal(line.config.backend_name, choices[i].name);
			assert_string_equal(reason, choices[i].text);
		} else {
			assert_null(type);
			assert_string_equal(line.err.message, choices[i].text);
			assert_int_equal(line.err.kind, choices[i].kind);
		}
		options_finish(&line.options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_documentation),
		cmocka_unit_test(values_reach_their_places),
		cmocka_unit_test(what_does_not_fit_together_is_refused_with_its_text),
		cmocka_unit_test(over_http_what_would_let_strangers_in_is_refused),
		cmocka_unit_test(a_host_that_cannot_be_found_is_refused),
		cmocka_unit_test(values_for_http_reach_their_places),
		cmocka_unit_test(a_scope_for_http_in_the_environment_is_ignored_on_stdio),
		cmocka_unit_test(a_long_default_timeout_raises_the_maximum_that_nobody_set),
		cmocka_unit_test(exec_and_doctor_log_warnings_only),
		cmocka_unit_test(caps_shrink_to_the_descriptors_there_are),
		cmocka_unit_test(many_clients_find_more_sandboxes_ready_and_need_limits),
		cmocka_unit_test(the_backend_follows_from_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
