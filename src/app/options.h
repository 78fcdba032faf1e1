/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Every option of the program, described once: the command line, the
 * environment, --help, the shell completions and the checks of man page and
 * documentation all read option_table.
 *
 * Parsing gives raw values, checked one by one; what depends on several of them
 * is app/config.c's. A value comes from the flag, else from the environment
 * variable KILNTAINERS_<NAME>, else from the table's fallback. Main thread only:
 * getopt_long keeps global state.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTION_ENVIRONMENT_PREFIX "KILNTAINERS_"
/* The one secret that has no flag. */
#define OPTION_AUTH_TOKEN_VARIABLE "KILNTAINERS_AUTH_TOKEN"
#define OPTION_ENVIRONMENT_BYTES 64 /* the longest variable name and a NUL */

/* In the order of --help. */
enum option_id {
	OPTION_HELP,
	OPTION_HELP_JSON,
	OPTION_VERSION,
	OPTION_SHOW_POLICY,
	OPTION_OLDER_THAN,
	OPTION_DRY_RUN,
	OPTION_BACKEND,
	OPTION_TRANSPORT,
	OPTION_HOST,
	OPTION_PORT,
	OPTION_SESSION_TIMEOUT,
	OPTION_TIMEOUT,
	OPTION_MAX_TIMEOUT,
	OPTION_OUTPUT_LIMIT,
	OPTION_SHELL,
	OPTION_NETWORK,
	OPTION_PROTOCOL,
	OPTION_SANDBOX_SCOPE,
	OPTION_MAX_PARALLEL,
	OPTION_MAX_RUNNING,
	OPTION_MAX_CREATING,
	OPTION_MAX_SANDBOXES,
	OPTION_POOL,
	OPTION_RUN_AS,
	OPTION_LOG_LEVEL,
	OPTION_LOG_FORMAT,
	OPTION_UNIX_SOCKET,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
	OPTION_AUTH_TOKEN_FILE,
	OPTION_INSECURE_NO_AUTH,
	OPTION_ALLOW_LOCAL_USERS,
	OPTION_ALLOW_HOST,
	OPTION_ALLOW_ORIGIN,
	OPTION_MAX_SESSIONS,
	OPTION_MAX_SANDBOXES_PER_CLIENT,
	OPTION_MAX_CONNECTIONS,
	OPTION_MAX_BUFFERED,
	OPTION_STATUS_PAGE,
	OPTION_AUDIT_LOG,
	OPTION_AUDIT_ARGS,
	OPTION_AUDIT_REQUIRED,
	OPTION_TOOL_INSTRUCTION_OVERRIDE,
	OPTION_EXTENDED_TOOL_INSTRUCTION,
	OPTION_IMAGE,
	OPTION_CPU,
	OPTION_MEMORY,
	OPTION_PIDS_LIMIT,
	OPTION_DISK,
	OPTION_TOTAL_MEMORY,
	OPTION_TOTAL_PIDS,
	OPTION_ALLOW_UNLIMITED_MEMORY,
	OPTION_HOST_EXCLUDE,
	OPTION_HOST_INCLUDE,
	OPTION_ENGINE,
	OPTION_DOCKER_HOST,
	OPTION_DOCKER_RUN_FLAG,
	OPTION_MODAL_TOKEN_ID,
	OPTION_MODAL_TOKEN_SECRET,
	OPTION_MODAL_APP_NAME,
	OPTION_MODAL_CPU,
	OPTION_MODAL_MEMORY,
	OPTION_GPU,
	OPTION_REGION,
	OPTION_SANDBOX_TIMEOUT,
	OPTION_E2B_API_KEY,
	OPTION_E2B_TEMPLATE,
	OPTION_E2B_SANDBOX_TIMEOUT,
	OPTION_E2B_METADATA,
	OPTION_E2B_ENV,
	OPTION_WASM_PATH,
	OPTION_WASM_MAX_MEMORY,
	OPTION_WASM_FUEL,
	OPTION_COUNT,
};

enum option_kind {
	OPTION_KIND_ACTION,   /* no value, not in the environment: --help */
	OPTION_KIND_SWITCH,   /* no value as a flag; 1, 0, true or false in the environment */
	OPTION_KIND_TEXT,     /* not empty */
	OPTION_KIND_CHOICE,   /* one of `choices` */
	OPTION_KIND_INTEGER,  /* min..max */
	OPTION_KIND_BYTES,    /* 512m; number in bytes, min..max */
	OPTION_KIND_DURATION, /* 90s, 15m, 2h, 7d; number in seconds, min..max */
	OPTION_KIND_FRACTION, /* 1.5; number in thousandths, up to max */
	OPTION_KIND_PAIR,     /* NAME=VALUE */
};

enum option_group {
	OPTION_GROUP_GENERAL,
	OPTION_GROUP_CLEANUP,
	OPTION_GROUP_CORE,
	OPTION_GROUP_HTTP,
	OPTION_GROUP_DESCRIPTION,
	OPTION_GROUP_SANDBOX,
	OPTION_GROUP_NATIVE,
	OPTION_GROUP_DOCKER,
	OPTION_GROUP_MODAL,
	OPTION_GROUP_E2B,
	OPTION_GROUP_WASM,
	OPTION_GROUP_COUNT,
};

enum option_flags {
	OPTION_REPEATABLE = 1 << 0, /* may be given often; newlines separate in the environment */
	OPTION_SECRET = 1 << 1,	    /* the value appears in no message and no log */
	OPTION_FILE = 1 << 2,	    /* completed as a file name */
	OPTION_CHECKED_LATER = 1 << 3, /* choices are for display; the reader checks */
	OPTION_SERVE_ONLY = 1 << 4,    /* means nothing to `exec` and is refused there */
	OPTION_CLEANUP_ONLY = 1 << 5,  /* means something to `cleanup` only */
};

struct option_spec {
	const char *name;
	enum option_kind kind;
	enum option_group group;
	unsigned flags;
	const char *argument;	   /* the value's name in --help */
	const char *fallback;	   /* the default, parsed as if given; NULL: unset */
	const char *fallback_note; /* what --help says about the default instead */
	const char *help;	   /* sentences, without the default */
	int64_t min, max;
	const char *at_least;	    /* "--x must be at least AT_LEAST." below min */
	const char *const *choices; /* NULL-terminated */
	/* Needs --transport http: the rest of the refusal, a sentence. NULL: any transport. */
	const char *stdio_refusal;
};

extern const struct option_spec option_table[OPTION_COUNT];
extern const char *const option_group_titles[OPTION_GROUP_COUNT];

/* Writes the variable's name: "max-timeout" -> "KILNTAINERS_MAX_TIMEOUT". */
void option_environment_name(const struct option_spec *spec, char name[OPTION_ENVIRONMENT_BYTES]);

/* Who parses: `exec` refuses what only a server can use, and reads operands. */
enum option_command {
	OPTION_COMMAND_SERVE,
	OPTION_COMMAND_EXEC,
	OPTION_COMMAND_DOCTOR,
	OPTION_COMMAND_CLEANUP,
};

enum option_source {
	OPTION_FROM_NOWHERE, /* not given and no fallback */
	OPTION_FROM_FALLBACK,
	OPTION_FROM_ENVIRONMENT,
	OPTION_FROM_FLAG,
};

struct option_value {
	enum option_source source;
	char **texts; /* NULL-terminated; the last one counts unless repeatable */
	size_t count;
	int64_t number; /* INTEGER, BYTES, DURATION, FRACTION; SWITCH: 0 or 1; CHOICE: index */
};

struct options {
	/* Set: --help or its like was asked for, and nothing was checked. */
	enum option_id action;
	bool has_action;
	struct option_value values[OPTION_COUNT];
	char **operands;	  /* borrowed from argv, NULL-terminated: the command of `exec` */
	char *auth_token;	  /* KILNTAINERS_AUTH_TOKEN, not empty; wiped at the end; or NULL */
	char **unknown_variables; /* names of KILNTAINERS_ variables that mean nothing */
	size_t unknown_count;
};

/*
 * argv[0] is skipped; argv stays the caller's and must outlive the options.
 * ERROR_USAGE for what is wrong with a flag, ERROR_CONFIG for a variable. On
 * failure nothing needs finishing.
 */
int options_parse(struct options *options, enum option_command command, int argc, char **argv,
		  char *const *environment, struct error *err);
void options_finish(struct options *options);

/* By flag or environment. */
bool option_is_given(const struct options *options, enum option_id id);
/* The value as text (the last one), or NULL. */
const char *option_text(const struct options *options, enum option_id id);
int64_t option_number(const struct options *options, enum option_id id);
/* USAGE if the value came from a flag, CONFIG if from the environment. */
enum error_kind option_error_kind(const struct options *options, enum option_id id);
/* Raises "--NAME must be one of A, B, got: VALUE" for an option with choices; returns -1. */
int option_refuse_choice(const struct options *options, enum option_id id, struct error *err);
