/* SPDX-License-Identifier: MIT */
#include "backend/native/limits.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#define FOUND_BYTES 512
#define FIX_BYTES 768
/* What helps where control groups are missing. */
#define CURE                                                                                       \
	"let a systemd manager of this user run (loginctl enable-linger), or start kilntainers "   \
	"where a control group is delegated to it, or as root"

static uint64_t read_number(const char *path, uint64_t fallback)
{
	FILE *file = fopen(path, "re");
	char text[24];
	uint64_t number = 0;

	if (file && fgets(text, sizeof(text), file))
		number = strtoull(text, NULL, 10);
	if (file)
		(void)fclose(file);
	return number > 0 ? number : fallback;
}

/* Threads take a number each, and memory of the kernel besides. */
static uint64_t machine_pids(void)
{
	uint64_t numbers = read_number("/proc/sys/kernel/pid_max", 32768);
	uint64_t threads = read_number("/proc/sys/kernel/threads-max", numbers);

	return threads < numbers ? threads : numbers;
}

static uint64_t machine_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

static uint64_t or_else(uint64_t given, uint64_t fallback)
{
	return given > 0 ? given : fallback;
}

void limits_load(struct limits *limits, const struct backend_config *config)
{
	uint64_t memory = or_else(config->memory_bytes, LIMIT_DEFAULT_MEMORY_BYTES);
	uint64_t disk =
		memory / 2 < LIMIT_DEFAULT_DISK_BYTES ? memory / 2 : LIMIT_DEFAULT_DISK_BYTES;

	*limits = (struct limits){
		.each = { .memory_bytes = memory,
			  .pids = or_else(config->pids, LIMIT_DEFAULT_PIDS),
			  .cpu_milli = config->cpu_milli },
		.disk_bytes = or_else(config->disk_bytes, disk),
		.sum = { .memory_bytes = or_else(config->total_memory_bytes,
						 machine_memory() / MIB *
							 LIMIT_TOTAL_MEMORY_PERCENT / 100 * MIB),
			 .pids = or_else(config->total_pids,
					 machine_pids() * LIMIT_TOTAL_PIDS_PERCENT / 100) },
	};
}

static int refuse(const char *flag, const char *controller, const struct cgroups_facts *facts,
		  struct error *err)
{
	return error_set(
		err, ERROR_CONFIG,
		"%s cannot be held here: there is no %s control group (%s). Leave it out, " CURE
		", or accept that with --allow-unlimited-memory.",
		flag, controller, facts->reason);
}

int limits_check(const struct backend_config *config, const struct cgroups_facts *facts,
		 struct error *err)
{
	if (config->allows_unlimited_memory)
		return 0;
	if (config->memory_bytes > 0 && !facts->holds[CGROUP_MEMORY])
		return refuse("--memory", "memory", facts, err);
	if (config->is_for_many && !facts->holds[CGROUP_MEMORY])
		return error_set(
			err, ERROR_CONFIG,
			"With many clients each sandbox needs a limit of memory, and none "
			"can be held here: there is no memory control group (%s). Either " CURE
			", or accept that with --allow-unlimited-memory.",
			facts->reason);
	if (config->cpu_milli > 0 && !facts->holds[CGROUP_CPU])
		return refuse("--cpu", "cpu", facts, err);
	return 0;
}

void limits_held(const struct limits *limits, const struct cgroups_facts *facts,
		 struct exec_limits *held)
{
	*held = (struct exec_limits){
		.memory_bytes = facts->holds[CGROUP_MEMORY] ? limits->each.memory_bytes : 0,
		.pids = facts->holds[CGROUP_PIDS] ? limits->each.pids : 0,
		.disk_bytes = limits->disk_bytes,
		.disk_is_memory = true,
	};
}

bool limits_hold_sums(const struct cgroups_facts *facts)
{
	return facts->holds[CGROUP_MEMORY] && facts->holds[CGROUP_PIDS];
}

/* --- telling ------------------------------------------------------------------ */

static const char *layer_of(const struct cgroups_facts *facts, enum cgroup_controller controller,
			    const char *otherwise)
{
	return facts->holds[controller] ? facts->layer : otherwise;
}

static const char pids_otherwise[] = "resource limit and pid_max of each sandbox";
static const char sum_otherwise[] = "no new sandbox while it is exceeded";

void limits_log(const struct limits *limits, const struct backend_config *config,
		const struct cgroups_facts *facts)
{
	char memory[NUMBER_TEXT_BYTES], disk[NUMBER_TEXT_BYTES], total[NUMBER_TEXT_BYTES];

	number_format_bytes(memory, limits->each.memory_bytes);
	number_format_bytes(disk, limits->disk_bytes);
	number_format_bytes(total, limits->sum.memory_bytes);
	log_event(LOG_INFO, "limits", LOG_STRING("memory", memory),
		  LOG_STRING("memory_by", layer_of(facts, CGROUP_MEMORY, "NOT limited")),
		  LOG_NUMBER("pids", limits->each.pids),
		  LOG_STRING("pids_by", layer_of(facts, CGROUP_PIDS, pids_otherwise)),
		  LOG_STRING("cpu_by", layer_of(facts, CGROUP_CPU, "nothing")),
		  LOG_STRING("disk", disk), LOG_STRING("total_memory", total),
		  LOG_NUMBER("total_pids", limits->sum.pids));
	if (!facts->holds[CGROUP_MEMORY])
		log_event(config->allows_unlimited_memory ? LOG_INFO : LOG_WARNING,
			  "memory_not_limited", LOG_STRING("reason", facts->reason),
			  LOG_STRING("see", "kilntainers doctor"));
}

static void say(const struct diagnosis *diagnosis, bool is_held, const char *what,
		const char *found, const struct cgroups_facts *facts)
{
	char fix[FIX_BYTES];

	(void)snprintf(fix, sizeof(fix), "%s: " CURE, facts->reason);
	diagnosis->line(diagnosis->context, is_held ? DIAGNOSIS_OK : DIAGNOSIS_WARNING, what, found,
			is_held ? NULL : fix);
}

static void diagnose_cpu(const struct limits *limits, const struct cgroups_facts *facts,
			 const struct diagnosis *diagnosis)
{
	char found[FOUND_BYTES];
	bool is_held = facts->holds[CGROUP_CPU];

	if (limits->each.cpu_milli == 0)
		(void)snprintf(found, sizeof(found), "no limit was asked for; others go first: %s",
			       layer_of(facts, CGROUP_CPU, "no"));
	else
		(void)snprintf(found, sizeof(found), "%" PRIu64 ".%03u processors: %s",
			       limits->each.cpu_milli / 1000,
			       (unsigned)(limits->each.cpu_milli % 1000),
			       layer_of(facts, CGROUP_CPU, "NOT limited"));
	say(diagnosis, is_held, "limit of cpu", found, facts);
}

void limits_diagnose(const struct limits *limits, const struct cgroups_facts *facts,
		     const struct diagnosis *diagnosis)
{
	char found[FOUND_BYTES], size[NUMBER_TEXT_BYTES];
	bool holds_memory = facts->holds[CGROUP_MEMORY];

	number_format_bytes(size, limits->each.memory_bytes);
	(void)snprintf(
		found, sizeof(found), "%s: %s", size,
		layer_of(facts, CGROUP_MEMORY, "NOT limited; each process by resource limits"));
	say(diagnosis, holds_memory, "limit of memory", found, facts);
	(void)snprintf(found, sizeof(found), "%" PRIu64 ": %s", limits->each.pids,
		       layer_of(facts, CGROUP_PIDS, pids_otherwise));
	say(diagnosis, true, "limit of processes", found, facts);
	diagnose_cpu(limits, facts, diagnosis);
	number_format_bytes(size, limits->disk_bytes);
	(void)snprintf(found, sizeof(found), "%s: size of the file system", size);
	say(diagnosis, true, "limit of files", found, facts);
	number_format_bytes(size, limits->sum.memory_bytes);
	(void)snprintf(found, sizeof(found), "%s: %s; %" PRIu64 " processes: %s", size,
		       layer_of(facts, CGROUP_MEMORY, sum_otherwise), limits->sum.pids,
		       layer_of(facts, CGROUP_PIDS, sum_otherwise));
	say(diagnosis, limits_hold_sums(facts), "limits of all sandboxes", found, facts);
}
