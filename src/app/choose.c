/* SPDX-License-Identifier: MIT */
#include "app/choose.h"

#include "backend/registry.h"
#include "backend/trace.h"
#include "base/attr.h"
#include "base/limits.h"

#include <string.h>
#include <sys/stat.h>

/* "host" or a path: only native reads these. */
static bool is_local_image(const char *image)
{
	return strcmp(image, "host") == 0 || image[0] == '/' || image[0] == '.';
}

/* Options that only make sense for docker. */
static bool asks_for_docker(const struct options *options, const char **reason)
{
	static const enum option_id ids[] = { OPTION_ENGINE, OPTION_DOCKER_HOST,
					      OPTION_DOCKER_RUN_FLAG };
	static const char *const reasons[] = { "--engine", "--docker-host", "--docker-run-flag" };
	const char *image = option_text(options, OPTION_IMAGE);
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(ids); i++) {
		if (option_is_given(options, ids[i])) {
			*reason = reasons[i];
			return true;
		}
	}
	*reason = "--image";
	return image && !is_local_image(image);
}

static const char *choose_automatically(const struct options *options, const char **reason)
{
	if (asks_for_docker(options, reason))
		return "docker";
	*reason = "auto";
	if (option_is_given(options, OPTION_IMAGE))
		*reason = "--image";
	else if (option_is_given(options, OPTION_DISK))
		*reason = "--disk";
	return "native";
}

static bool reads_option(const struct backend_type *type, const char *name)
{
	size_t i;

	for (i = 0; type->options && type->options[i]; i++) {
		if (strcmp(type->options[i], name) == 0)
			return true;
	}
	return false;
}

/* A sandbox without the limit that was asked for would be a broken promise. */
static int check_limits(const struct backend_type *type, const struct options *options,
			struct error *err)
{
	static const enum option_id limits[] = { OPTION_CPU, OPTION_MEMORY, OPTION_PIDS_LIMIT,
						 OPTION_DISK };
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(limits); i++) {
		const char *name = option_table[limits[i]].name;

		if (option_is_given(options, limits[i]) && !reads_option(type, name))
			return error_set(err, ERROR_CONFIG,
					 "The %s backend does not enforce --%s yet, and a limit is "
					 "never ignored. Leave --%s out.",
					 type->name, name, name);
	}
	return 0;
}

static bool goes_up(const char *path)
{
	while ((path = strstr(path, "/.."))) {
		path += strlen("/..");
		if (*path == '/' || *path == '\0')
			return true;
	}
	return false;
}

static bool is_below_usr(const char *path)
{
	static const char usr[] = "/usr/";
	size_t length = strlen(usr);

	return strncmp(path, usr, length) == 0 && path[length + strspn(path + length, "/")] != '\0';
}

static int check_host_path(enum option_id id, enum error_kind kind, const char *path,
			   struct error *err)
{
	const char *name = option_table[id].name;
	struct stat status;

	if (!is_below_usr(path) || goes_up(path))
		return error_set(err, kind,
				 "--%s takes an absolute path below /usr, without \"..\", got: %s",
				 name, path);
	/* It may be meant for another machine. */
	if (lstat(path, &status) < 0)
		log_event(LOG_WARNING, "host_path_missing", LOG_STRING("option", name),
			  LOG_STRING("path", path));
	return 0;
}

/* What sandboxes see of this machine's /usr. */
static int check_host_paths(const struct options *options, enum option_id id, struct error *err)
{
	const struct option_value *value = &options->values[id];
	const char *image = option_text(options, OPTION_IMAGE);

	if (image && strcmp(image, "host") != 0) {
		if (value->source != OPTION_FROM_FLAG)
			return 0;
		return error_set(err, ERROR_USAGE,
				 "--%s is only valid with --image host: with --image %s, sandboxes "
				 "see nothing of this machine's /usr.",
				 option_table[id].name, image);
	}
	for (size_t i = 0; i < value->count; i++) {
		if (check_host_path(id, option_error_kind(options, id), value->texts[i], err) < 0)
			return -1;
	}
	return 0;
}

/* Files live in memory and count: a disk that large would be memory's end before it is full, and
 * the command killed instead of told. */
static int check_disk(const struct options *options, struct error *err)
{
	uint64_t memory = option_is_given(options, OPTION_MEMORY)
				  ? (uint64_t)option_number(options, OPTION_MEMORY)
				  : LIMIT_DEFAULT_MEMORY_BYTES;

	if (!option_is_given(options, OPTION_DISK) ||
	    (uint64_t)option_number(options, OPTION_DISK) < memory)
		return 0;
	return error_set(err, option_error_kind(options, OPTION_DISK),
			 "--disk (%s) must be below --memory (%s): the files of a native sandbox "
			 "live in memory and count. Raise --memory, or lower --disk.",
			 option_text(options, OPTION_DISK),
			 option_is_given(options, OPTION_MEMORY)
				 ? option_text(options, OPTION_MEMORY)
				 : "1g");
}

static int check_native(const struct options *options, struct error *err)
{
	const char *image = option_text(options, OPTION_IMAGE);

	if (option_number(options, OPTION_NETWORK) != 0)
		return error_set(err, ERROR_CONFIG,
				 "The native backend has no network yet: its sandboxes reach "
				 "nothing, not even this machine. Leave --network out.");
	if (image && !is_local_image(image))
		return error_set(
			err, ERROR_CONFIG,
			"The native backend takes for --image host, or a path that begins "
			"with / or . (a directory or a tar of a root file system), got: %s",
			image);
	if (check_disk(options, err) < 0 || check_host_paths(options, OPTION_HOST_EXCLUDE, err) < 0)
		return -1;
	return check_host_paths(options, OPTION_HOST_INCLUDE, err);
}

/* Flags for a backend that was not chosen are no error: they may stand in a shared start script.
 * But nobody should believe that they do something. */
static void warn_of_unused(const struct backend_type *type, const struct options *options)
{
	int i;

	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *spec = &option_table[i];

		if (spec->group < OPTION_GROUP_SANDBOX || reads_option(type, spec->name) ||
		    options->values[i].source != OPTION_FROM_FLAG)
			continue;
		log_event(LOG_WARNING, "option_unused", LOG_STRING("option", spec->name),
			  LOG_STRING("backend", type->name));
	}
}

static int check_type(const struct backend_type *type, const char *name,
		      const struct options *options, const char *reason, struct error *err)
{
	if (!type)
		return option_refuse_choice(options, OPTION_BACKEND, err);
	if (type->missing)
		return error_set(err, ERROR_CONFIG,
				 "The %s backend (chosen by %s) is not in this build: %s", name,
				 reason, type->missing);
	if (check_limits(type, options, err) < 0)
		return -1;
	return strcmp(name, "native") == 0 ? check_native(options, err) : 0;
}

const struct backend_type *choose_backend(struct config *config, const struct options *options,
					  const char **reason, struct error *err)
{
	const char *name = config->backend_name;
	const char *why = "--backend";
	const struct backend_type *type;

	if (strcmp(name, "auto") == 0)
		name = choose_automatically(options, &why);
	type = backend_find(name);
	if (check_type(type, name, options, why, err) < 0)
		return NULL;
	warn_of_unused(type, options);
	config->backend_name = type->name;
	if (!option_is_given(options, OPTION_POOL))
		config->registry.pool_size = config->transport == TRANSPORT_HTTP
						     ? type->default_pool_of_many
						     : type->default_pool;
	*reason = why;
	return type;
}

struct backend *choose_open(const struct config *config, const struct backend_type *type,
			    struct error *err)
{
	struct backend *backend = backend_open(type, &config->backend, err);

	return backend && config->log_level == LOG_DEBUG ? trace_wrap(backend) : backend;
}
