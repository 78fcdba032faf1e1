/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The contract between the server and whatever makes sandboxes.
 *
 * A backend type is a const table in backend/registry.c. Opening one (on the
 * main thread, before any other thread exists) gives a backend; a backend makes
 * sandboxes; a sandbox runs commands, and keeps output that was not returned.
 * Callers use the backend_ and sandbox_ functions below, which check and default;
 * nobody else calls through the table.
 *
 * Backends know nothing of MCP, sessions or the loop. Their functions block and
 * run on worker threads, many at once, except open and close. None may fork.
 * No backend counts output, measures time or words a notice: the sink
 * (exec/exec.h) and exec/notice.h do.
 */

#include "base/error.h"
#include "exec/exec.h"
#include "exec/facts.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_ID_BYTES 13 /* 12 hex digits and a NUL: public, for labels, logs and errors */
#define BACKEND_CAUSE_BYTES 256

struct backend;
struct sandbox;

/* What the command line says to backends. Strings are borrowed and live as long
 * as the backend; NULL means not given. */
struct backend_config {
	const char *image;
	const char *shell;
	bool has_network;
	/* Of this machine's /usr: NULL-terminated absolute paths below it, without "..". */
	const char *const *host_excluded;
	const char *const *host_included; /* although left out by default */
	/* Limits of one sandbox; 0: not given. */
	uint64_t memory_bytes;
	uint64_t cpu_milli; /* thousandths of a processor */
	uint64_t pids;
	uint64_t disk_bytes; /* files that it writes */
	/* Of all sandboxes of this server together; 0: not given. */
	uint64_t total_memory_bytes;
	uint64_t total_pids;
	bool allows_unlimited_memory; /* where memory_bytes or cpu_milli cannot be held */
	/* Many clients share the machine: its memory is to be limited, asked for or not. */
	bool is_for_many;
	unsigned long nofile_soft; /* soft RLIMIT_NOFILE before we raised it, for children */
	unsigned long nofile_hard; /* in force now */
	/* Whom the server becomes once the backend is open, if that can do without root
	 * (kept_paths): what it is to reach later must be theirs. Else who we are. */
	uid_t server_uid;
	gid_t server_gid;
};

/* Told to whoever waits for a sandbox: "Pulling alpine: 3 of 8 MB". May be
 * called on any thread, often; `report` must not block. */
struct backend_progress {
	void (*report)(void *context, const char *message);
	void *context;
};

enum diagnosis_level { DIAGNOSIS_OK, DIAGNOSIS_WARNING, DIAGNOSIS_FAILED };

/* Receives what `doctor` prints: one line per thing looked at. `fix` is the exact
 * command or setting that helps, NULL if nothing is wrong. */
struct diagnosis {
	void (*line)(void *context, enum diagnosis_level level, const char *what, const char *found,
		     const char *fix);
	void *context;
};

enum cleanup_fate {
	CLEANUP_REMOVED, /* or would be, in a dry run */
	CLEANUP_KEPT,	 /* as it should be */
	CLEANUP_FAILED,	 /* it should go, but could not be removed */
};

/* What `cleanup` asks for. What servers of this user have left that are surely dead is removed;
 * everything else that looks like ours is only told, unless it is old enough. */
struct cleanup_request {
	int64_t older_than_s; /* -1: nothing is old enough */
	bool is_dry_run;
	void (*found)(void *context, enum cleanup_fate fate, const char *what, const char *why);
	void *context;
};

struct backend_type {
	const char *name;    /* as in --backend */
	const char *summary; /* one line for --help and doctor */
	/* NULL-terminated long option names that it reads, beyond the core ones. */
	const char *const *options;
	/* Why this build lacks it, and how to get it; then every function below is NULL. */
	const char *missing;
	/* Sandboxes that a server keeps ready unless --pool says otherwise, with one client and
	 * with many: none where one costs money, or much of the machine. */
	unsigned default_pool;
	unsigned default_pool_of_many;

	/* Main thread, before threads exist. Takes little time: what is slow (probing an
	 * engine, reading an image) waits for check, unless it takes rights that the server gives
	 * up next (kept_paths). NULL on failure. */
	struct backend *(*open)(const struct backend_config *config, struct error *err);
	/* Main thread, after every sandbox was destroyed. Leaves nothing behind. */
	void (*close)(struct backend *backend);
	/* Main thread, right after open. A server of root gives up its rights if the backend can
	 * do without: it then is config's server_uid, with CAP_KILL alone, and reaches no file by
	 * name but what is below these paths (NULL-terminated, the backend's own; empty: none).
	 * NULL, also for the member: it needs root's rights, or there are none. */
	const char *const *(*kept_paths)(struct backend *backend);

	/* Begins what check will need, so that the first call need not wait for it: milliseconds
	 * of work that nobody outside of this process sees. NULL: there is nothing. What fails
	 * here is told by check. */
	void (*prepare_early)(struct backend *backend);
	/* Can sandboxes be made here, as far as can be told without making one? Called once before
	 * the first create. ERROR_CONFIG or ERROR_UNAVAILABLE with the fix in the sentence. */
	int (*check)(struct backend *backend, struct error *err);
	/* Fills in what the tool description needs; may make and destroy a sandbox. */
	int (*describe)(struct backend *backend, struct exec_facts *facts, struct error *err);
	/* What works here and what does not, without side effects that outlive it. */
	void (*diagnose)(const struct backend_config *config, const struct diagnosis *diagnosis);

	/* Finds and removes what killed servers left, while others may run. NULL: servers of
	 * this type leave nothing. */
	void (*cleanup)(const struct backend_config *config, const struct cleanup_request *request);

	/* A sandbox that can run commands, or NULL with nothing left behind. Ends early when
	 * `cancel` (may be NULL) is raised: ERROR_CANCELLED. `id` names it in labels. */
	struct sandbox *(*create)(struct backend *backend, const char *id,
				  const struct cancel *cancel,
				  const struct backend_progress *progress, struct error *err);
	/* Blocks until the command ended or was killed, and its result is known. 0 with
	 * *result, or -1: ERROR_LOST if the sandbox is dead, ERROR_BUSY, ERROR_INVALID.
	 * Background processes of a command that ended by itself live on. */
	int (*exec)(struct sandbox *sandbox, const struct exec_request *request,
		    struct exec_sink *sink, struct exec_result *result, struct error *err);
	/* Keeps what a command printed (at least a byte) as files in the sandbox that later
	 * commands can read. Takes at most LIMIT_SAVE_MS, and a kill. 0 with *saved, or -1 with
	 * the reason as a phrase for "output not saved: REASON". NULL: it cannot. */
	int (*save)(struct sandbox *sandbox, const struct exec_output *output,
		    const struct cancel *cancel, struct exec_saved *saved, struct error *err);
	/* Kills everything inside and frees. No exec or save may be running. */
	void (*destroy)(struct sandbox *sandbox);

	/* Readable once the sandbox is dead; -1 if the backend cannot tell. Borrowed. */
	int (*death_fd)(const struct sandbox *sandbox);
	/* After death, while no exec runs, at most once: why, as a phrase for "... died: CAUSE; its
	 * files are gone." */
	void (*death_cause)(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES]);
};

/* Embedded first in every backend's own struct. */
struct backend {
	const struct backend_type *type;
	const struct backend_config *config;
};

/* Embedded first in every backend's own sandbox. */
struct sandbox {
	struct backend *backend;
	char id[SANDBOX_ID_BYTES];
};

struct backend *backend_open(const struct backend_type *type, const struct backend_config *config,
			     struct error *err);
/* Takes NULL. */
void backend_close(struct backend *backend);
const char *const *backend_kept_paths(struct backend *backend);
void backend_prepare_early(struct backend *backend);
int backend_check(struct backend *backend, struct error *err);
int backend_describe(struct backend *backend, struct exec_facts *facts, struct error *err);
/* Of a type that this build has; says nothing for one that cannot diagnose itself. */
void backend_diagnose(const struct backend_type *type, const struct backend_config *config,
		      const struct diagnosis *diagnosis);

void backend_cleanup(const struct backend_type *type, const struct backend_config *config,
		     const struct cleanup_request *request);

/* Chooses the id. */
struct sandbox *sandbox_create(struct backend *backend, const struct cancel *cancel,
			       const struct backend_progress *progress, struct error *err);
int sandbox_exec(struct sandbox *sandbox, const struct exec_request *request,
		 struct exec_sink *sink, struct exec_result *result, struct error *err);
/* 0 with *saved; its paths are empty if this backend cannot save, or there is nothing to. */
int sandbox_save(struct sandbox *sandbox, const struct exec_output *output,
		 const struct cancel *cancel, struct exec_saved *saved, struct error *err);
/* Takes NULL. */
void sandbox_destroy(struct sandbox *sandbox);
int sandbox_death_fd(const struct sandbox *sandbox);
/* False as well if the backend cannot tell. */
bool sandbox_is_dead(const struct sandbox *sandbox);
/* Never empty. */
void sandbox_death_cause(struct sandbox *sandbox, char cause[BACKEND_CAUSE_BYTES]);
