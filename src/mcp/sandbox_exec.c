/* SPDX-License-Identifier: MIT */
#include "mcp/sandbox_exec.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/number.h"
#include "mcp/jsonrpc.h"
#include "mcp/scan.h"

#include <inttypes.h>
#include <string.h>

/* What was sent, with empty values gone. Borrowed from the message, but for parsed_args. */
struct arguments {
	const json_t *command;
	const json_t *args;
	const json_t *stdin_text;
	const json_t *working_directory;
	const json_t *handle;
	json_t *parsed_args; /* owned: the array that `args` held as text */
};

static int wrong_type(const char *name, const char *wanted, const char *got, struct error *err)
{
	return error_set(err, ERROR_INVALID, "%s must be %s, got %s.", name, wanted, got);
}

/* NULL for a parameter that is missing or null: clients send both for "not given". */
static const json_t *find(const json_t *arguments, const char *name)
{
	const json_t *value = json_object_get(arguments, name);

	return json_is_null(value) ? NULL : value;
}

static int read_string(const json_t *arguments, const char *name, const json_t **text,
		       struct error *err)
{
	const json_t *value = find(arguments, name);

	if (value && !json_is_string(value))
		return wrong_type(name, "a string", jsonrpc_type_name(value), err);
	*text = json_string_length(value) > 0 ? value : NULL;
	return 0;
}

/* Some clients send `args` as the text of the array that it should have been. */
static json_t *parse_array(const json_t *text)
{
	const char *bytes = json_string_value(text);
	size_t length = json_string_length(text);

	if (scan_json(bytes, length) != SCAN_FINE)
		return NULL;
	return json_loadb(bytes, length, JSON_ALLOW_NUL, NULL);
}

static int read_args(const json_t *object, struct arguments *arguments, struct error *err)
{
	static const char wanted[] = "an array of strings";
	const json_t *value = find(object, "args");
	const json_t *item;
	size_t i;

	if (!value || (json_is_string(value) && json_string_length(value) == 0))
		return 0;
	if (json_is_string(value)) {
		arguments->parsed_args = parse_array(value);
		if (!json_is_array(arguments->parsed_args))
			return wrong_type("args", wanted, "a string", err);
		value = arguments->parsed_args;
	}
	if (!json_is_array(value))
		return wrong_type("args", wanted, jsonrpc_type_name(value), err);
	json_array_foreach((json_t *)(uintptr_t)value, i, item)
	{
		if (!json_is_string(item))
			return error_set(err, ERROR_INVALID,
					 "args must be %s, got %s at position %zu.", wanted,
					 jsonrpc_type_name(item), i);
	}
	arguments->args = json_array_size(value) > 0 ? value : NULL;
	return 0;
}

static int read_values(const json_t *object, const struct sandbox_exec_rules *rules,
		       struct arguments *arguments, struct error *err)
{
	if (read_string(object, "command", &arguments->command, err) < 0 ||
	    read_args(object, arguments, err) < 0 ||
	    read_string(object, "stdin", &arguments->stdin_text, err) < 0 ||
	    read_string(object, "working_directory", &arguments->working_directory, err) < 0)
		return -1;
	/* A stray sandbox_id of a client that was never offered one means nothing. */
	return rules->takes_handle ? read_string(object, "sandbox_id", &arguments->handle, err) : 0;
}

/* One string of the command line: as the kernel will take it. */
static int check_argument(const char *name, const json_t *value, struct error *err)
{
	size_t bytes = json_string_length(value);

	if (memchr(json_string_value(value), '\0', bytes))
		return error_set(err, ERROR_INVALID, "%s must not contain a NUL character.", name);
	if (bytes > LIMIT_ARGUMENT_BYTES)
		return error_set(err, ERROR_INVALID,
				 "%s is %zu bytes; the kernel allows %d in one argument. Put the "
				 "data in stdin, or write a script file with stdin and run that.",
				 name, bytes, LIMIT_ARGUMENT_BYTES);
	return 0;
}

static int check_args(const json_t *args, struct error *err)
{
	const json_t *item;
	size_t total = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)args, i, item)
	{
		char name[32];

		(void)snprintf(name, sizeof(name), "args[%zu]", i);
		if (check_argument(name, item, err) < 0)
			return -1;
		total += json_string_length(item) + 1;
	}
	if (total > LIMIT_ARGUMENTS_BYTES)
		return error_set(err, ERROR_INVALID,
				 "args are %zu bytes in all; the limit is %llu. Put the data in "
				 "stdin, or write a script file with stdin and run that.",
				 total, LIMIT_ARGUMENTS_BYTES);
	return 0;
}

static int check_directory(const json_t *directory, struct error *err)
{
	const char *path = json_string_value(directory);
	size_t bytes = json_string_length(directory);

	if (!directory)
		return 0;
	if (path[0] != '/')
		return error_set(err, ERROR_INVALID,
				 "working_directory must be an absolute path, got: %s", path);
	if (memchr(path, '\0', bytes))
		return error_set(err, ERROR_INVALID,
				 "working_directory must not contain a NUL character.");
	if (bytes >= LIMIT_PATH_BYTES)
		return error_set(err, ERROR_INVALID,
				 "working_directory is %zu bytes; the kernel allows %d.", bytes,
				 LIMIT_PATH_BYTES - 1);
	return 0;
}

static bool is_fraction(double value)
{
	/* From 2^53 on every double is whole, and soon none fits an integer. */
	const double whole = 9007199254740992.0;

	return value > -whole && value < whole && value != (double)(int64_t)value;
}

/* 5, 5.0 and "5" all mean five seconds. */
static int read_timeout(const json_t *object, const struct sandbox_exec_rules *rules,
			uint64_t *timeout_ms, struct error *err)
{
	static const char name[] = "timeout";
	static const char wanted[] = "an integer";
	const json_t *value = find(object, name);
	const char *text = jsonrpc_plain_string(value);
	double seconds = (double)rules->timeout_s;
	int64_t parsed;

	if (json_is_number(value))
		seconds = json_number_value(value);
	else if (text && number_parse_int(text, INT64_MIN, INT64_MAX, name, &parsed, NULL) == 0)
		seconds = (double)parsed;
	else if (value)
		return wrong_type(name, wanted, jsonrpc_type_name(value), err);
	if (is_fraction(seconds))
		return wrong_type(name, wanted, "a fraction", err);
	if (seconds < 1)
		return error_set(err, ERROR_INVALID, "timeout must be at least 1 second.");
	if (seconds > (double)rules->max_timeout_s)
		return error_set(err, ERROR_INVALID, "timeout must be at most %" PRIu64 " seconds.",
				 rules->max_timeout_s);
	*timeout_ms = (uint64_t)seconds * 1000;
	return 0;
}

static int check(const struct arguments *arguments, struct error *err)
{
	if (arguments->command && arguments->args)
		return error_set(err, ERROR_INVALID,
				 "Cannot provide both 'command' and 'args'. Use 'command' for "
				 "shell commands or 'args' for direct execution.");
	if (!arguments->command && !arguments->args)
		return error_set(err, ERROR_INVALID, "Must provide either 'command' or 'args'.");
	if (check_directory(arguments->working_directory, err) < 0)
		return -1;
	if (arguments->args)
		return check_args(arguments->args, err);
	return check_argument("command", arguments->command, err);
}

static int check_stdin(const json_t *text, struct error *err)
{
	size_t bytes = json_string_length(text);

	if (bytes > LIMIT_STDIN_BYTES)
		return error_set(err, ERROR_INVALID,
				 "stdin content exceeds the 2 MiB limit (%zu bytes). Split into "
				 "smaller chunks or use a different approach.",
				 bytes);
	return 0;
}

/* A heap copy with a NUL behind it; NULL for NULL, or with *is_failed without memory. */
static char *copy_text(const json_t *value, bool *is_failed)
{
	struct buf text = BUF_INIT(LIMIT_MESSAGE_BYTES);
	char *copy;

	if (!value)
		return NULL;
	(void)buf_append(&text, json_string_value(value), json_string_length(value));
	copy = buf_take_string(&text);
	buf_finish(&text);
	if (!copy)
		*is_failed = true;
	return copy;
}

static char **copy_args(const json_t *args, bool *is_failed)
{
	char **copy;
	const json_t *item;
	size_t i;

	if (!args)
		return NULL;
	copy = alloc_array(json_array_size(args) + 1, sizeof(*copy));
	json_array_foreach((json_t *)(uintptr_t)args, i, item) copy[i] =
		*is_failed ? NULL : copy_text(item, is_failed);
	return copy;
}

/* A handle of another length cannot be one of ours. It is looked up all the same, as a text that
 * no handle equals, so that there is one answer for everything that is not found. */
static void copy_handle(char handle[CALL_HANDLE_BYTES], const json_t *value)
{
	bool fits = json_string_length(value) == CALL_HANDLE_BYTES - 1;

	(void)snprintf(handle, CALL_HANDLE_BYTES, "%s", fits ? json_string_value(value) : "?");
}

static int fill(const struct arguments *arguments, const struct sandbox_exec_rules *rules,
		struct call_request *request, struct error *err)
{
	bool is_failed = false;

	request->target = rules->target;
	if (rules->takes_handle)
		request->target = arguments->handle ? CALL_TARGET_HANDLE : CALL_TARGET_NEW;
	if (request->target == CALL_TARGET_HANDLE)
		copy_handle(request->handle, arguments->handle);
	request->command = copy_text(arguments->command, &is_failed);
	request->args = copy_args(arguments->args, &is_failed);
	request->working_directory = copy_text(arguments->working_directory, &is_failed);
	request->stdin_data = copy_text(arguments->stdin_text, &is_failed);
	request->stdin_bytes = json_string_length(arguments->stdin_text);
	if (!is_failed)
		return 0;
	call_request_finish(request);
	return error_set(err, ERROR_INTERNAL, "no memory for the arguments of a call");
}

int sandbox_exec_decode(const json_t *object, const struct sandbox_exec_rules *rules,
			struct call_request *request, struct error *err)
{
	struct call_request filled = { 0 };
	struct arguments arguments = { 0 };
	int result = -1;

	if (read_values(object, rules, &arguments, err) == 0 && check(&arguments, err) == 0 &&
	    read_timeout(object, rules, &filled.timeout_ms, err) == 0 &&
	    check_stdin(arguments.stdin_text, err) == 0)
		result = fill(&arguments, rules, &filled, err);
	json_decref(arguments.parsed_args);
	if (result == 0)
		*request = filled;
	return result;
}
