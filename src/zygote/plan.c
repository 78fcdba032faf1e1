/* SPDX-License-Identifier: MIT */
#include "zygote/plan.h"

#include "base/attr.h"
#include "base/limits.h"

#include <stdbool.h>
#include <string.h>

/* Both ends are the same build on the same machine: fields have the machine's byte order.
 * The last byte changes with the format, so that a mix-up of files is noticed. */
static const char plan_magic[8] = { 'K', 'I', 'L', 'N', 'P', 'L', 'N', '1' };

/* Before the strings and the data of each step, unaligned. */
struct plan_record {
	uint32_t op;
	uint32_t mode;
	uint32_t path_bytes;   /* with the NUL; 0: no path */
	uint32_t source_bytes; /* with the NUL; 0: no source */
	uint32_t data_bytes;
};

#define PLAN_MODE_MASK 01777u

enum plan_source { SOURCE_NONE, SOURCE_DIRECTORY, SOURCE_TARGET };

static const struct plan_rule {
	bool has_path;
	bool has_mode;
	bool has_data;
	enum plan_source source;
} plan_rules[] = {
	[PLAN_ROOT] = { false, false, false, SOURCE_DIRECTORY },
	[PLAN_OVERLAY] = { true, false, false, SOURCE_DIRECTORY },
	[PLAN_DIRECTORY] = { true, true, false, SOURCE_NONE },
	[PLAN_EMPTY] = { true, true, false, SOURCE_NONE },
	[PLAN_LINK] = { true, false, false, SOURCE_TARGET },
	[PLAN_FILE] = { true, true, true, SOURCE_NONE },
};

static bool is_component(const char *name, size_t length)
{
	if (length == 0 || length > LIMIT_NAME_BYTES)
		return false;
	if (length == 1 && name[0] == '.')
		return false;
	return !(length == 2 && name[0] == '.' && name[1] == '.');
}

static bool is_zygotes_own(const char *top, size_t length)
{
	static const char *const names[] = { "proc", "dev", "sys" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strlen(names[i]) == length && memcmp(names[i], top, length) == 0)
			return true;
	}
	return false;
}

/* "usr/lib/x": relative, and nothing in it that the kernel would not take as a plain name. */
static bool is_inner_path(const char *path)
{
	const char *component = path;

	if (strlen(path) >= LIMIT_PATH_BYTES)
		return false;
	if (is_zygotes_own(path, strcspn(path, "/")))
		return false;
	for (;;) {
		size_t length = strcspn(component, "/");

		if (!is_component(component, length))
			return false;
		if (component[length] == '\0')
			return true;
		component += length + 1;
	}
}

static bool is_source(const char *source, enum plan_source kind)
{
	size_t length = strlen(source);

	if (length == 0 || length >= LIMIT_PATH_BYTES)
		return false;
	return kind == SOURCE_TARGET || source[0] == '/';
}

static int check_step(const struct plan_step *step, struct error *err)
{
	const struct plan_rule *rule = &plan_rules[step->op];

	if (rule->has_path != (step->path != NULL))
		return error_set(err, ERROR_PROTOCOL, "plan step of kind %d and its path",
				 step->op);
	if (step->path && !is_inner_path(step->path))
		return error_set(err, ERROR_PROTOCOL,
				 "plan step with a path it may not have: %.100s", step->path);
	if ((rule->source != SOURCE_NONE) != (step->source != NULL))
		return error_set(err, ERROR_PROTOCOL, "plan step of kind %d and its source",
				 step->op);
	if (step->source && !is_source(step->source, rule->source))
		return error_set(err, ERROR_PROTOCOL,
				 "plan step with a source it may not have: %.100s", step->source);
	if (step->mode & ~(rule->has_mode ? PLAN_MODE_MASK : 0u))
		return error_set(err, ERROR_PROTOCOL, "plan step with mode %o", step->mode);
	if (step->bytes > 0 && !rule->has_data)
		return error_set(err, ERROR_PROTOCOL, "plan step of kind %d with data", step->op);
	return 0;
}

void plan_begin(struct buf *plan)
{
	buf_init(plan, PLAN_MAX_BYTES);
	(void)buf_append(plan, plan_magic, sizeof(plan_magic));
}

static uint32_t string_bytes(const char *text)
{
	return text ? (uint32_t)strlen(text) + 1 : 0;
}

int plan_append(struct buf *plan, const struct plan_step *step, struct error *err)
{
	struct plan_record record;

	if (check_step(step, err) < 0)
		return -1;
	if (step->bytes > PLAN_MAX_BYTES)
		return error_set(err, ERROR_QUOTA, "%s is too large for a sandbox's plan",
				 step->path);
	record = (struct plan_record){
		.op = (uint32_t)step->op,
		.mode = step->mode,
		.path_bytes = string_bytes(step->path),
		.source_bytes = string_bytes(step->source),
		.data_bytes = (uint32_t)step->bytes,
	};
	(void)buf_append(plan, &record, sizeof(record));
	(void)buf_append(plan, step->path, record.path_bytes);
	(void)buf_append(plan, step->source, record.source_bytes);
	(void)buf_append(plan, step->data, step->bytes);
	if (plan->failed)
		return error_set(err, ERROR_QUOTA, "the plan of a sandbox's files exceeds %u bytes",
				 PLAN_MAX_BYTES);
	return 0;
}

int plan_open(struct plan_reader *reader, const void *plan, size_t bytes, struct error *err)
{
	if (bytes > PLAN_MAX_BYTES || bytes < sizeof(plan_magic) ||
	    memcmp(plan, plan_magic, sizeof(plan_magic)) != 0)
		return error_set(err, ERROR_PROTOCOL, "these %zu bytes are no plan", bytes);
	*reader = (struct plan_reader){
		.next = (const unsigned char *)plan + sizeof(plan_magic),
		.left = bytes - sizeof(plan_magic),
	};
	return 0;
}

static const unsigned char *take_bytes(struct plan_reader *reader, size_t bytes)
{
	const unsigned char *taken = reader->next;

	if (bytes > reader->left)
		return NULL;
	reader->next += bytes;
	reader->left -= bytes;
	return taken;
}

/* Exactly one NUL, and that at the end. */
static int take_string(struct plan_reader *reader, size_t bytes, const char **text)
{
	const unsigned char *taken;

	*text = NULL;
	if (bytes == 0)
		return 0;
	taken = take_bytes(reader, bytes);
	if (!taken || memchr(taken, '\0', bytes) != taken + bytes - 1)
		return -1;
	*text = (const char *)taken;
	return 0;
}

static int take_step(struct plan_reader *reader, struct plan_step *step)
{
	const unsigned char *bytes = take_bytes(reader, sizeof(struct plan_record));
	struct plan_record record;

	if (!bytes)
		return -1;
	memcpy(&record, bytes, sizeof(record));
	if (record.op >= ARRAY_LENGTH(plan_rules))
		return -1;
	step->op = (enum plan_op)record.op;
	step->mode = record.mode;
	if (take_string(reader, record.path_bytes, &step->path) < 0 ||
	    take_string(reader, record.source_bytes, &step->source) < 0)
		return -1;
	step->bytes = record.data_bytes;
	step->data = take_bytes(reader, record.data_bytes);
	return step->data ? 0 : -1;
}

static int check_counts(struct plan_reader *reader, enum plan_op op, struct error *err)
{
	if (op == PLAN_ROOT && reader->steps > 0)
		return error_set(err, ERROR_PROTOCOL,
				 "plan with a root that is not its first step");
	if (op == PLAN_OVERLAY && ++reader->overlays > PLAN_MAX_OVERLAYS)
		return error_set(err, ERROR_PROTOCOL, "plan with more than %u overlays",
				 PLAN_MAX_OVERLAYS);
	if (++reader->steps > PLAN_MAX_STEPS)
		return error_set(err, ERROR_PROTOCOL, "plan with more than %u steps",
				 PLAN_MAX_STEPS);
	return 0;
}

int plan_next(struct plan_reader *reader, struct plan_step *step, struct error *err)
{
	struct plan_step taken;

	if (reader->left == 0)
		return 0;
	if (take_step(reader, &taken) < 0)
		return error_set(err, ERROR_PROTOCOL, "plan step %u is cut off or garbled",
				 reader->steps);
	if (check_step(&taken, err) < 0 || check_counts(reader, taken.op, err) < 0)
		return -1;
	*step = taken;
	return 1;
}
