/* SPDX-License-Identifier: MIT */
#include "app/options.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdio.h>

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

static const char *const backends[] = { "auto", "native", "docker", "go_busybox",
					"wasm", "e2b",	  "modal",  NULL };
static const char *const transports[] = { "stdio", "http", NULL };
/* In the order of enum mcp_protocol and enum sandbox_scope. */
static const char *const protocols[] = { "both", "legacy", "modern", NULL };
static const char *const scopes[] = { "auto", "session", "handle", "principal", NULL };
/* In the order of enum log_level and enum log_format. */
static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

/* In the order of enum audit_args. */
static const char *const audit_args[] = { "none", "program", "full", NULL };

static const char no_network[] =
	"In stdio mode, the client that started kilntainers is the only one.";
static const char no_http_pages[] = "In stdio mode, there is no HTTP server to ask.";
static const char no_audit[] = "In stdio mode, the client sees every call itself.";
static const char no_http_server[] = "In stdio mode, there is no HTTP server to bind.";

const char *const option_group_titles[OPTION_GROUP_COUNT] = {
	[OPTION_GROUP_GENERAL] = "options",
	[OPTION_GROUP_CLEANUP] = "cleanup options",
	[OPTION_GROUP_CORE] = "core options",
	[OPTION_GROUP_HTTP] = "http options",
	[OPTION_GROUP_DESCRIPTION] = "tool description",
	[OPTION_GROUP_SANDBOX] = "image and limits",
	[OPTION_GROUP_NATIVE] = "native backend options",
	[OPTION_GROUP_DOCKER] = "docker backend options",
	[OPTION_GROUP_MODAL] = "modal backend options",
	[OPTION_GROUP_E2B] = "e2b backend options",
	[OPTION_GROUP_WASM] = "wasm backend options",
};

const struct option_spec option_table[OPTION_COUNT] = {
	[OPTION_HELP] = {
		.name = "help",
		.kind = OPTION_KIND_ACTION,
		.group = OPTION_GROUP_GENERAL,
		.help = "Show this help and exit.",
	},
	[OPTION_HELP_JSON] = {
		.name = "help-json",
		.kind = OPTION_KIND_ACTION,
		.group = OPTION_GROUP_GENERAL,
		.help = "Print the table of options as JSON, for tools, and exit.",
	},
	[OPTION_VERSION] = {
		.name = "version",
		.kind = OPTION_KIND_ACTION,
		.group = OPTION_GROUP_GENERAL,
		.help = "Print the version and exit.",
	},
	[OPTION_SHOW_POLICY] = {
		.name = "show-policy",
		.kind = OPTION_KIND_ACTION,
		.group = OPTION_GROUP_GENERAL,
		.help = "Print what a native sandbox is denied and what is hidden from it, and "
			"exit.",
	},

	[OPTION_OLDER_THAN] = {
		.name = "older-than",
		.kind = OPTION_KIND_DURATION,
		.group = OPTION_GROUP_CLEANUP,
		.flags = OPTION_CLEANUP_ONLY,
		.argument = "DURATION",
		.help = "Remove also what looks like a server's but cannot be proved to be a dead "
			"one's, if it is at least so old (90s, 15m, 2h, 7d); processes in it are "
			"killed. What a living server of this user holds stays.",
		.min = 0,
		.max = LIMIT_MAX_AGE_S,
		.at_least = "0",
	},
	[OPTION_DRY_RUN] = {
		.name = "dry-run",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_CLEANUP,
		.flags = OPTION_CLEANUP_ONLY,
		.help = "Say what would be removed, and remove nothing.",
	},

	[OPTION_BACKEND] = {
		.name = "backend",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_CHECKED_LATER,
		.argument = "BACKEND",
		.fallback = "auto",
		.help = "What makes the sandboxes. auto takes what fits the other options and "
			"works here; a backend that is named is never replaced by another. "
			"`kilntainers doctor` says which ones this build has.",
		.choices = backends,
	},
	[OPTION_TRANSPORT] = {
		.name = "transport",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "TRANSPORT",
		.fallback = "stdio",
		.help = "How MCP clients reach the server: one that started it by stdin and stdout, or "
			"any number over HTTP.",
		.choices = transports,
	},
	[OPTION_HOST] = {
		.name = "host",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "HOST",
		.fallback = "127.0.0.1",
		.help = "Address that the HTTP server binds.",
		.stdio_refusal = no_http_server,
	},
	[OPTION_PORT] = {
		.name = "port",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "PORT",
		.fallback = "8435",
		.help = "Port that the HTTP server listens on; 0 takes a free one.",
		.min = 0,
		.max = 65535,
		.stdio_refusal = no_http_server,
	},
	[OPTION_SESSION_TIMEOUT] = {
		.name = "session-timeout",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "SESSION_TIMEOUT",
		.fallback = "300",
		.help = "Seconds without a call after which a session's sandbox is removed.",
		.min = 1,
		.max = LIMIT_MAX_TIMEOUT_S,
		.at_least = "1 second",
		.stdio_refusal = "In stdio mode, the session lives as long as the process.",
	},
	[OPTION_TIMEOUT] = {
		.name = "timeout",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.argument = "TIMEOUT",
		.fallback = TEXT_OF(LIMIT_DEFAULT_TIMEOUT_S),
		.help = "Seconds that a command may run when its call does not say. With exec: "
			"no limit unless this flag is given.",
		.min = 1,
		.max = LIMIT_MAX_TIMEOUT_S,
		.at_least = "1 second",
	},
	[OPTION_MAX_TIMEOUT] = {
		.name = "max-timeout",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_TIMEOUT",
		.fallback = TEXT_OF(LIMIT_DEFAULT_MAX_TIMEOUT_S),
		.help = "The longest timeout, in seconds, that a call may ask for.",
		.min = 1,
		.max = LIMIT_MAX_TIMEOUT_S,
		.at_least = "1 second",
	},
	[OPTION_OUTPUT_LIMIT] = {
		.name = "output-limit",
		.kind = OPTION_KIND_BYTES,
		.group = OPTION_GROUP_CORE,
		.argument = "OUTPUT_LIMIT",
		.fallback = "2097152",
		.fallback_note = "2097152 = 2 MiB",
		.help = "Bytes of stdout and stderr together that one command may print "
			"(1048576, 512k, 4m). With exec: no limit unless this flag is given.",
		.min = 1,
		.max = LIMIT_MAX_OUTPUT_BYTES,
		.at_least = "1 byte",
	},
	[OPTION_SHELL] = {
		.name = "shell",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_CORE,
		.argument = "SHELL",
		.fallback_note = "/bin/bash if the image has it, else /bin/sh",
		.help = "Shell in the sandbox that runs `command` (/bin/bash, ash, ...).",
	},
	[OPTION_NETWORK] = {
		.name = "network",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_CORE,
		.fallback_note = "no network",
		.help = "Let sandboxes reach the network. The native backend cannot do that yet "
			"and says so.",
	},
	[OPTION_PROTOCOL] = {
		.name = "protocol",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "PROTOCOL",
		.fallback = "both",
		.help = "Which revisions of MCP are served: those with sessions (legacy: 2024-11-05 "
			"to 2025-11-25), those without (modern: 2026-07-28), or both. With one of "
			"them, clients that speak both use that one.",
		.choices = protocols,
	},
	[OPTION_SANDBOX_SCOPE] = {
		.name = "sandbox-scope",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "SANDBOX_SCOPE",
		.fallback = "auto",
		.help = "Which calls share a sandbox: those of one session, those with the same "
			"sandbox_id (handle), or those of one named client (principal; needs "
			"tokens, so not with stdio). auto: the session for clients that have "
			"one, a handle for the others.",
		.choices = scopes,
	},
	[OPTION_MAX_PARALLEL] = {
		.name = "max-parallel",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_PARALLEL",
		.fallback = TEXT_OF(LIMIT_DEFAULT_PARALLEL),
		.help = "Commands that may run at once in one sandbox; with 1 they run one after "
			"another, in the order of arrival.",
		.min = 1,
		.max = LIMIT_MAX_PARALLEL,
		.at_least = "1",
	},
	[OPTION_MAX_RUNNING] = {
		.name = "max-running",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_RUNNING",
		.fallback = TEXT_OF(LIMIT_DEFAULT_RUNNING),
		.help = "Commands that may run at once in all sandboxes together.",
		.min = 1,
		.max = LIMIT_MAX_RUNNING,
		.at_least = "1",
	},
	[OPTION_MAX_CREATING] = {
		.name = "max-creating",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_CREATING",
		.fallback_note = "2 per processor",
		.help = "Sandboxes that may be in the making at once; further ones wait.",
		.min = 1,
		.max = LIMIT_MAX_CREATING,
		.at_least = "1",
	},
	[OPTION_MAX_SANDBOXES] = {
		.name = "max-sandboxes",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_SANDBOXES",
		.fallback = TEXT_OF(LIMIT_DEFAULT_SANDBOXES),
		.help = "Sandboxes that may live at once; more are refused, none is removed for "
			"a new one.",
		.min = 1,
		.max = LIMIT_MAX_SANDBOXES,
		.at_least = "1",
	},
	[OPTION_POOL] = {
		.name = "pool",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_CORE,
		.flags = OPTION_SERVE_ONLY,
		.argument = "POOL",
		.fallback_note = "native: 1, over http 4; others: 0",
		.help = "Sandboxes that are kept ready, so that a first call need not wait for "
			"one. Given, they are made as soon as a client has come. They count "
			"among --max-sandboxes, but keep no client from its own.",
		.min = 0,
		.max = LIMIT_MAX_POOL,
		.at_least = "0",
	},
	[OPTION_RUN_AS] = {
		.name = "run-as",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_CORE,
		.argument = "USER[:GROUP]",
		.fallback_note = "whoever ran sudo, else nobody",
		.help = "Whom a server started by root becomes once the backend is open, names "
			"or numbers; of root's rights it keeps the one to kill sandboxes. root "
			"keeps them all.",
	},
	[OPTION_LOG_LEVEL] = {
		.name = "log-level",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.argument = "LOG_LEVEL",
		.fallback_note = "info; with exec, doctor and cleanup: warning",
		.help = "The least important lines that are logged to stderr.",
		.choices = log_levels,
	},
	[OPTION_LOG_FORMAT] = {
		.name = "log-format",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_CORE,
		.argument = "LOG_FORMAT",
		.fallback = "text",
		.help = "How log lines are written.",
		.choices = log_formats,
	},

	[OPTION_UNIX_SOCKET] = {
		.name = "unix-socket",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_FILE,
		.argument = "PATH",
		.help = "Listen on a unix socket that only this user and root can connect to, instead "
			"of --host and --port; with one of these flags given too, on both.",
		.stdio_refusal = no_http_server,
	},
	[OPTION_TLS_CERT] = {
		.name = "tls-cert",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_FILE,
		.argument = "FILE",
		.help = "Serve HTTPS with this certificate chain (PEM); needs --tls-key. SIGHUP reads "
			"it anew.",
		.stdio_refusal = no_http_server,
	},
	[OPTION_TLS_KEY] = {
		.name = "tls-key",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_FILE,
		.argument = "FILE",
		.help = "The private key of --tls-cert (PEM), which nobody else may be able to read.",
		.stdio_refusal = no_http_server,
	},
	[OPTION_AUTH_TOKEN_FILE] = {
		.name = "auth-token-file",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_FILE,
		.argument = "FILE",
		.help = "Only clients with a token of this file are served. A line is NAME TOKEN, or "
			"NAME TOKEN operator for one who may see and end everything. SIGHUP reads it "
			"anew.",
		.stdio_refusal = no_network,
	},
	[OPTION_INSECURE_NO_AUTH] = {
		.name = "insecure-no-auth",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.fallback_note = "tokens, or loopback only",
		.help = "Listen beyond loopback without tokens: whoever reaches the server can run "
			"commands. For servers behind something that asks for tokens itself.",
		.stdio_refusal = no_network,
	},
	[OPTION_ALLOW_LOCAL_USERS] = {
		.name = "allow-local-users",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.fallback_note = "the server's user and root",
		.help = "Without tokens, serve every user of this machine over loopback.",
		.stdio_refusal = no_network,
	},
	[OPTION_ALLOW_HOST] = {
		.name = "allow-host",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_REPEATABLE,
		.argument = "NAME",
		.fallback_note = "loopback names and --host; with tokens beyond loopback, any",
		.help = "A further name under which clients may reach the server (their Host "
			"header).",
		.stdio_refusal = no_http_server,
	},
	[OPTION_ALLOW_ORIGIN] = {
		.name = "allow-origin",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_REPEATABLE,
		.argument = "ORIGIN",
		.fallback_note = "loopback",
		.help = "A web page's origin (https://app.example) whose requests are served.",
		.stdio_refusal = no_http_server,
	},
	[OPTION_MAX_SESSIONS] = {
		.name = "max-sessions",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_SESSIONS",
		.fallback = TEXT_OF(LIMIT_DEFAULT_SESSIONS),
		.help = "Sessions that are remembered; beyond it the one that was idle longest is "
			"ended.",
		.min = 1,
		.max = LIMIT_MAX_SESSIONS,
		.at_least = "1",
		.stdio_refusal = no_network,
	},
	[OPTION_MAX_SANDBOXES_PER_CLIENT] = {
		.name = "max-sandboxes-per-client",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_SANDBOXES",
		.fallback = TEXT_OF(LIMIT_DEFAULT_SANDBOXES_PER_CLIENT),
		.help = "Sandboxes that may live at once for one name of --auth-token-file.",
		.min = 1,
		.max = LIMIT_MAX_SANDBOXES,
		.at_least = "1",
		.stdio_refusal = no_network,
	},
	[OPTION_MAX_CONNECTIONS] = {
		.name = "max-connections",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_CONNECTIONS",
		.fallback = TEXT_OF(LIMIT_DEFAULT_CONNECTIONS),
		.help = "Connections that may be open at once.",
		.min = 1,
		.max = LIMIT_MAX_CONNECTIONS,
		.at_least = "1",
		.stdio_refusal = no_http_server,
	},
	[OPTION_MAX_BUFFERED] = {
		.name = "max-buffered",
		.kind = OPTION_KIND_BYTES,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.argument = "MAX_BUFFERED",
		.fallback = "512m",
		.help = "Memory for requests, output of commands and answers on their way, in all, "
			"and half of it for one named client; past it requests are refused with "
			"503 and commands end with an error.",
		.min = LIMIT_MIN_BUFFERED_BYTES,
		.max = INT64_MAX,
		.at_least = "32m",
		.stdio_refusal = no_network,
	},
	[OPTION_STATUS_PAGE] = {
		.name = "status-page",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.fallback_note = "no page",
		.help = "Serve a page at / that shows sessions, sandboxes and calls: its own to each "
			"token, all of them to an operator, who can also end a sandbox there.",
		.stdio_refusal = no_http_pages,
	},
	[OPTION_AUDIT_LOG] = {
		.name = "audit-log",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY | OPTION_FILE,
		.argument = "FILE",
		.help = "Append a line of JSON for each call: who, which sandbox, how it ended; never "
			"its input or output.",
		.stdio_refusal = no_audit,
	},
	[OPTION_AUDIT_ARGS] = {
		.name = "audit-args",
		.kind = OPTION_KIND_CHOICE,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.argument = "AUDIT_ARGS",
		.fallback = "program",
		.help = "What --audit-log tells of a command: nothing, its first word, or all of it.",
		.choices = audit_args,
		.stdio_refusal = no_audit,
	},
	[OPTION_AUDIT_REQUIRED] = {
		.name = "audit-required",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_HTTP,
		.flags = OPTION_SERVE_ONLY,
		.fallback_note = "such lines are counted and lost",
		.help = "Run no command whose beginning cannot be written to --audit-log, such as when "
			"the disk is full.",
		.stdio_refusal = no_audit,
	},

	[OPTION_TOOL_INSTRUCTION_OVERRIDE] = {
		.name = "tool-instruction-override",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_DESCRIPTION,
		.flags = OPTION_SERVE_ONLY,
		.argument = "TOOL_INSTRUCTION_OVERRIDE",
		.help = "Describe sandbox_exec to the model with this text alone.",
	},
	[OPTION_EXTENDED_TOOL_INSTRUCTION] = {
		.name = "extended-tool-instruction",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_DESCRIPTION,
		.flags = OPTION_SERVE_ONLY,
		.argument = "EXTENDED_TOOL_INSTRUCTION",
		.help = "Append this text to the description that is made for the backend.",
	},

	[OPTION_IMAGE] = {
		.name = "image",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_SANDBOX,
		.flags = OPTION_FILE,
		.argument = "IMAGE",
		.fallback_note = "native: host; docker: debian:bookworm-slim; modal: its own Debian",
		.help = "The sandbox's root file system. For native: host (this machine's own "
			"programs, none of its files), or a path (it begins with / or .) of a "
			"directory or a tar of a root file system. For docker and modal: the "
			"name of an image.",
	},
	[OPTION_CPU] = {
		.name = "cpu",
		.kind = OPTION_KIND_FRACTION,
		.group = OPTION_GROUP_SANDBOX,
		.argument = "CPU",
		.fallback_note = "no limit",
		.help = "Processors that one sandbox may use (1.5).",
		.max = INT64_C(1000) * 4096,
	},
	[OPTION_MEMORY] = {
		.name = "memory",
		.kind = OPTION_KIND_BYTES,
		.group = OPTION_GROUP_SANDBOX,
		.argument = "MEMORY",
		.fallback_note = "native: 1g",
		.help = "Memory that one sandbox may use (512m, 2g). A native sandbox's files live "
			"in memory and count.",
		.min = LIMIT_MIN_MEMORY_BYTES,
		.max = INT64_MAX,
		.at_least = "16m",
	},
	[OPTION_PIDS_LIMIT] = {
		.name = "pids-limit",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_SANDBOX,
		.argument = "PIDS_LIMIT",
		.fallback = TEXT_OF(LIMIT_DEFAULT_PIDS),
		.help = "Processes and threads that may be in one sandbox.",
		.min = LIMIT_MIN_PIDS,
		.max = LIMIT_MAX_PIDS,
		.at_least = TEXT_OF(LIMIT_MIN_PIDS),
	},
	[OPTION_DISK] = {
		.name = "disk",
		.kind = OPTION_KIND_BYTES,
		.group = OPTION_GROUP_SANDBOX,
		.argument = "DISK",
		.fallback_note = "512m, or half of --memory if that is less",
		.help = "Bytes of files that one native sandbox may write; they live in memory. "
			"With --backend auto this chooses native.",
		.min = LIMIT_MIN_DISK_BYTES,
		.max = LIMIT_MAX_DISK_BYTES,
		.at_least = "1m",
	},

	[OPTION_TOTAL_MEMORY] = {
		.name = "total-memory",
		.kind = OPTION_KIND_BYTES,
		.group = OPTION_GROUP_NATIVE,
		.argument = "TOTAL_MEMORY",
		.fallback_note = "60 % of the machine's memory",
		.help = "Memory that all native sandboxes of this server may use together.",
		.min = LIMIT_MIN_MEMORY_BYTES,
		.max = INT64_MAX,
		.at_least = "16m",
	},
	[OPTION_TOTAL_PIDS] = {
		.name = "total-pids",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_NATIVE,
		.argument = "TOTAL_PIDS",
		.fallback_note = "half of what the machine can have",
		.help = "Processes and threads that may be in all native sandboxes of this server "
			"together.",
		.min = LIMIT_MIN_PIDS,
		.max = LIMIT_MAX_PIDS,
		.at_least = TEXT_OF(LIMIT_MIN_PIDS),
	},
	[OPTION_ALLOW_UNLIMITED_MEMORY] = {
		.name = "allow-unlimited-memory",
		.kind = OPTION_KIND_SWITCH,
		.group = OPTION_GROUP_NATIVE,
		.fallback_note = "--memory must hold",
		.help = "Accept --memory and --cpu where no control group holds them: each process "
			"is then limited to --memory, the sandbox is not. Over http, without it such a "
			"machine is refused.",
	},
	[OPTION_HOST_EXCLUDE] = {
		.name = "host-exclude",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_NATIVE,
		.flags = OPTION_REPEATABLE | OPTION_FILE,
		.argument = "PATH",
		.help = "A file or directory below /usr of this machine that looks empty in "
			"sandboxes. Only with --image host.",
	},
	[OPTION_HOST_INCLUDE] = {
		.name = "host-include",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_NATIVE,
		.flags = OPTION_REPEATABLE | OPTION_FILE,
		.argument = "PATH",
		.help = "A directory below /usr of this machine that sandboxes see although it "
			"is left out by default, such as /usr/src. Only with --image host.",
	},

	[OPTION_ENGINE] = {
		.name = "engine",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_DOCKER,
		.flags = OPTION_FILE,
		.argument = "ENGINE",
		.fallback_note = "docker",
		.help = "The container engine's command line program: docker, podman, or a path.",
	},
	[OPTION_DOCKER_HOST] = {
		.name = "docker-host",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_DOCKER,
		.argument = "DOCKER_HOST",
		.help = "The engine's address, given to it as -H (ssh://user@host, "
			"tcp://host:2375).",
	},
	[OPTION_DOCKER_RUN_FLAG] = {
		.name = "docker-run-flag",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_DOCKER,
		.flags = OPTION_REPEATABLE,
		.argument = "DOCKER_RUN_FLAGS",
		.help = "A further flag for the engine's run command (--docker-run-flag "
			"\"--pids-limit=256\").",
	},

	[OPTION_MODAL_TOKEN_ID] = {
		.name = "modal-token-id",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_MODAL,
		.flags = OPTION_SECRET,
		.argument = "MODAL_TOKEN_ID",
		.fallback_note = "what `modal setup` wrote",
		.help = "Modal token id. Better in the environment: flags show in process lists.",
	},
	[OPTION_MODAL_TOKEN_SECRET] = {
		.name = "modal-token-secret",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_MODAL,
		.flags = OPTION_SECRET,
		.argument = "MODAL_TOKEN_SECRET",
		.fallback_note = "what `modal setup` wrote",
		.help = "Modal token secret. Better in the environment: flags show in process "
			"lists.",
	},
	[OPTION_MODAL_APP_NAME] = {
		.name = "modal-app-name",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_MODAL,
		.argument = "MODAL_APP_NAME",
		.fallback = "kilntainers",
		.help = "Modal app that the sandboxes belong to.",
	},
	[OPTION_MODAL_CPU] = {
		.name = "modal-cpu",
		.kind = OPTION_KIND_FRACTION,
		.group = OPTION_GROUP_MODAL,
		.argument = "MODAL_CPU",
		.fallback = "1.0",
		.help = "Processors of one sandbox, also in fractions.",
		.max = INT64_C(1000) * 4096,
	},
	[OPTION_MODAL_MEMORY] = {
		.name = "modal-memory",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_MODAL,
		.argument = "MODAL_MEMORY",
		.fallback = "512",
		.help = "Memory of one sandbox in MiB.",
		.min = 1,
		.max = INT32_MAX,
		.at_least = "1 MiB",
	},
	[OPTION_GPU] = {
		.name = "gpu",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_MODAL,
		.argument = "GPU",
		.fallback_note = "none",
		.help = "Kind of GPU (A10G, H100).",
	},
	[OPTION_REGION] = {
		.name = "region",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_MODAL,
		.argument = "REGION",
		.fallback_note = "Modal's choice",
		.help = "Where the sandboxes run (us-east).",
	},
	[OPTION_SANDBOX_TIMEOUT] = {
		.name = "sandbox-timeout",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_MODAL,
		.argument = "SANDBOX_TIMEOUT",
		.fallback = "3600",
		.help = "Seconds that a sandbox lives at most; Modal allows up to 86400.",
		.min = 1,
		.max = 86400,
		.at_least = "1 second",
	},

	[OPTION_E2B_API_KEY] = {
		.name = "e2b-api-key",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_E2B,
		.flags = OPTION_SECRET,
		.argument = "E2B_API_KEY",
		.fallback_note = "the environment variable E2B_API_KEY",
		.help = "E2B API key. Better in the environment: flags show in process lists.",
	},
	[OPTION_E2B_TEMPLATE] = {
		.name = "e2b-template",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_E2B,
		.argument = "E2B_TEMPLATE",
		.fallback = "base",
		.help = "E2B template that the sandboxes are made from.",
	},
	[OPTION_E2B_SANDBOX_TIMEOUT] = {
		.name = "e2b-sandbox-timeout",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_E2B,
		.argument = "E2B_SANDBOX_TIMEOUT",
		.fallback = "3600",
		.help = "Seconds that a sandbox lives at most.",
		.min = 1,
		.max = 86400,
		.at_least = "1 second",
	},
	[OPTION_E2B_METADATA] = {
		.name = "e2b-metadata",
		.kind = OPTION_KIND_PAIR,
		.group = OPTION_GROUP_E2B,
		.flags = OPTION_REPEATABLE,
		.argument = "NAME=VALUE",
		.help = "Metadata of the sandboxes.",
	},
	[OPTION_E2B_ENV] = {
		.name = "e2b-env",
		.kind = OPTION_KIND_PAIR,
		.group = OPTION_GROUP_E2B,
		.flags = OPTION_REPEATABLE | OPTION_SECRET,
		.argument = "NAME=VALUE",
		.help = "Environment variable in the sandboxes.",
	},

	[OPTION_WASM_PATH] = {
		.name = "wasm-path",
		.kind = OPTION_KIND_TEXT,
		.group = OPTION_GROUP_WASM,
		.flags = OPTION_FILE,
		.argument = "WASM_PATH",
		.help = "The .wasm file to run; required for the wasm backend.",
	},
	[OPTION_WASM_MAX_MEMORY] = {
		.name = "wasm-max-memory",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_WASM,
		.argument = "WASM_MAX_MEMORY",
		.fallback = "256",
		.help = "Memory of one module in MiB; WebAssembly itself ends at 4096.",
		.min = 1,
		.max = 4096,
		.at_least = "1 MiB",
	},
	[OPTION_WASM_FUEL] = {
		.name = "wasm-fuel",
		.kind = OPTION_KIND_INTEGER,
		.group = OPTION_GROUP_WASM,
		.argument = "WASM_FUEL",
		.fallback_note = "unlimited",
		.help = "Instructions that one call may execute.",
		.min = 1,
		.max = INT64_MAX,
		.at_least = "1",
	},
};

void option_environment_name(const struct option_spec *spec, char name[OPTION_ENVIRONMENT_BYTES])
{
	char *at;

	(void)snprintf(name, OPTION_ENVIRONMENT_BYTES, OPTION_ENVIRONMENT_PREFIX "%s", spec->name);
	for (at = name; *at != '\0'; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

bool option_is_given(const struct options *options, enum option_id id)
{
	return options->values[id].source >= OPTION_FROM_ENVIRONMENT;
}

const char *option_text(const struct options *options, enum option_id id)
{
	const struct option_value *value = &options->values[id];

	return value->count > 0 ? value->texts[value->count - 1] : NULL;
}

int64_t option_number(const struct options *options, enum option_id id)
{
	return options->values[id].number;
}

enum error_kind option_error_kind(const struct options *options, enum option_id id)
{
	return options->values[id].source == OPTION_FROM_ENVIRONMENT ? ERROR_CONFIG : ERROR_USAGE;
}
