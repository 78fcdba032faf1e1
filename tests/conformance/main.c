/* SPDX-License-Identifier: MIT */

/*
 * conformance --backend NAME [--image X] [--shell X] [--only WORDS]: runs the
 * suite against one backend and prints TAP. Exits 1 if a case failed.
 * conformance --table: prints what each backend lacks, for docs/conformance.md.
 */

#include "backend/registry.h"
#include "backend/trace.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "tests/conformance/conformance.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough for every case, and soon filled. */
#define DISK_BYTES (64 * MIB)
#define MEMORY_BYTES (192 * MIB)

struct arguments {
	const char *backend;
	const char *only;
	bool is_traced;
	struct backend_config config;
};

static const struct suite_case *const files[] = {
	start_cases, input_cases, output_cases, background_cases,
	kill_cases,  life_cases,  limits_cases, save_cases,
};

void suite_fail(struct suite *suite, const char *file, int line, const char *what)
{
	suite->has_failed = true;
	(void)printf("# %s:%d: failed: %s\n", file, line, what);
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "backend", required_argument, NULL, 'b' },
		{ "image", required_argument, NULL, 'i' },
		{ "shell", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "trace", no_argument, NULL, 't' },
		{ "table", no_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'b':
			arguments->backend = optarg;
			break;
		case 'i':
			arguments->config.image = optarg;
			break;
		case 's':
			arguments->config.shell = optarg;
			break;
		case 'o':
			arguments->only = optarg;
			break;
		case 't':
			arguments->is_traced = true;
			break;
		case 'T':
			lacks_print_table();
			exit(0);
		default:
			exit(2);
		}
	}
}

/* Whether the image has a program is a matter of the image, so it is asked. */
static bool has_program(struct sandbox *sandbox, const char *program)
{
	CLEANUP(run_finish) struct run run = RUN_INIT;
	const char *const args[] = {
		program, "-c", strcmp(program, "python3") == 0 ? "import http.server" : "true", NULL
	};

	run.request.args = args;
	run_in(sandbox, &run);
	return run.status == 0 && run.result.end == EXEC_END_EXIT && run.result.code == 0;
}

static void probe(struct suite *suite)
{
	struct error err = ERROR_INIT;
	struct sandbox *sandbox = sandbox_create(suite->backend, NULL, NULL, &err);

	if (!sandbox) {
		(void)printf("Bail out! no sandbox: %s\n", err.message);
		exit(1);
	}
	for (int need = 0; need < NEED_COUNT; need++)
		suite->skips[need] = lacks_reason(suite->name, (enum need)need);
	if (!suite->skips[NEED_BASH] && !has_program(sandbox, "bash"))
		suite->skips[NEED_BASH] = "bash is not in this image";
	if (!suite->skips[NEED_PYTHON3] && !has_program(sandbox, "python3"))
		suite->skips[NEED_PYTHON3] = "python3 is not in this image";
	sandbox_destroy(sandbox);
}

static const char *skip_reason(const struct suite *suite, const struct suite_case *suite_case)
{
	for (int need = 0; need < NEED_COUNT; need++) {
		if ((suite_case->needs & NEEDS(need)) && suite->skips[need])
			return suite->skips[need];
	}
	return NULL;
}

/* Returns whether it passed or was skipped. */
static bool run_case(struct suite *suite, const struct suite_case *suite_case, unsigned number)
{
	const char *reason = skip_reason(suite, suite_case);
	struct error err = ERROR_INIT;
	uint64_t start_ms = clock_now_ms();

	if (reason) {
		(void)printf("ok %u - %s # SKIP %s\n", number, suite_case->name, reason);
		return true;
	}
	(void)alarm(SUITE_HANG_S);
	suite->has_failed = false;
	suite->skip = NULL;
	suite->sandbox = sandbox_create(suite->backend, NULL, NULL, &err);
	if (suite->sandbox)
		suite_case->run(suite);
	else
		suite_fail(suite, __FILE__, __LINE__, err.message);
	sandbox_destroy(suite->sandbox);
	(void)alarm(0);
	if (suite->skip && !suite->has_failed)
		(void)printf("ok %u - %s # SKIP %s\n", number, suite_case->name, suite->skip);
	else
		(void)printf("%s %u - %s\n# %llu ms\n", suite->has_failed ? "not ok" : "ok", number,
			     suite_case->name, (unsigned long long)(clock_now_ms() - start_ms));
	(void)fflush(stdout);
	return !suite->has_failed;
}

static int run_all(struct suite *suite, const char *only)
{
	unsigned count = 0, failed = 0;

	for (size_t file = 0; file < ARRAY_LENGTH(files); file++) {
		for (const struct suite_case *at = files[file]; at->name; at++) {
			if (only && !strstr(at->name, only))
				continue;
			count++;
			failed += run_case(suite, at, count) ? 0 : 1;
		}
	}
	(void)printf("1..%u\n", count);
	return failed > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .backend = "fake" };
	struct suite suite = { 0 };
	struct error err = ERROR_INIT;
	const struct backend_type *type;
	int result;

	parse(&arguments, argc, argv);
	suite.name = arguments.backend;
	arguments.config.disk_bytes = DISK_BYTES;
	arguments.config.memory_bytes = MEMORY_BYTES;
	arguments.config.allows_unlimited_memory = true;
	arguments.config.nofile_hard = fd_raise_limit(&arguments.config.nofile_soft);
	arguments.config.nofile_soft = LIMIT_NOFILE_SOFT;
	(void)signal(SIGPIPE, SIG_IGN);
	/* Must never be seen inside. */
	(void)setenv("KILNTAINERS_TEST_CANARY", "tweet", 1);
	if (arguments.is_traced)
		log_configure(LOG_DEBUG, LOG_TEXT);
	type = backend_find(arguments.backend);
	suite.backend = type ? backend_open(type, &arguments.config, &err) : NULL;
	if (suite.backend && arguments.is_traced)
		suite.backend = trace_wrap(suite.backend);
	if (!suite.backend) {
		(void)printf("Bail out! %s: %s\n", arguments.backend,
			     type ? err.message : "no such backend");
		return 1;
	}
	if (backend_check(suite.backend, &err) < 0) {
		(void)printf("1..0 # SKIP %s: %s\n", arguments.backend, err.message);
		backend_close(suite.backend);
		return 0;
	}
	probe(&suite);
	result = run_all(&suite, arguments.only);
	backend_close(suite.backend);
	return result;
}
