/* SPDX-License-Identifier: MIT */
#include "backend/native/image_probe.h"

#include "backend/native/image_hidden.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* In the order of the PATH that commands in a native sandbox get. */
static const char *const program_directories[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
						   "/usr/bin",	      "/sbin",		"/bin" };

static const char *const known_programs[] = { "python3", "node", "git",	 "gcc", "go",  "java",
					      "perl",	 "ruby", "curl", "jq",	"make" };

static bool is_hidden(const struct image_probe *probe, const char *path)
{
	return probe->hidden && image_hidden_covers(probe->hidden, path + 1);
}

static bool is_visible(const struct image_probe *probe, int fd)
{
	char link[64];
	char path[LIMIT_PATH_BYTES];
	ssize_t length;

	if (!probe->visible)
		return true;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	for (const char *const *directory = probe->visible; *directory; directory++) {
		size_t prefix = strlen(*directory);

		if (strncmp(path, *directory, prefix) == 0 && path[prefix] == '/')
			return !is_hidden(probe, path);
	}
	return false;
}

static bool is_program(const struct image_probe *probe, const char *path)
{
	CLEANUP(cleanup_fd) int fd = -1;
	const mode_t executable = probe->visible ? S_IXOTH : S_IXUSR | S_IXGRP | S_IXOTH;
	struct stat status;

	/* What is hidden may be of a file system that hangs. */
	if (is_hidden(probe, path))
		return false;
	fd = path_open_in_root(probe->root_fd, path, O_PATH);
	return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       (status.st_mode & executable) != 0 && is_visible(probe, fd);
}

bool image_probe_program(const struct image_probe *probe, const char *name, char *path,
			 size_t path_bytes)
{
	if (strchr(name, '/')) {
		int length = snprintf(path, path_bytes, "%s", name);

		return name[0] == '/' && (size_t)length < path_bytes && is_program(probe, path);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(program_directories); i++) {
		int length = snprintf(path, path_bytes, "%s/%s", program_directories[i], name);

		if ((size_t)length < path_bytes && is_program(probe, path))
			return true;
	}
	return false;
}

int image_probe_shell(const struct image_probe *probe, const char *wanted, char *shell,
		      size_t shell_bytes, struct error *err)
{
	static const char *const usual[] = { "/bin/bash", "/bin/sh" };

	if (wanted) {
		if (image_probe_program(probe, wanted, shell, shell_bytes))
			return 0;
		shell[0] = '\0';
		return error_set(err, ERROR_CONFIG,
				 "--shell %.100s: no such program in the image. Leave --shell out "
				 "to have the first of /bin/bash and /bin/sh",
				 wanted);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(usual); i++) {
		if (image_probe_program(probe, usual[i], shell, shell_bytes))
			return 0;
	}
	shell[0] = '\0';
	return 0;
}

void image_probe_programs(const struct image_probe *probe, char *programs, size_t bytes)
{
	size_t used = 0;

	programs[0] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(known_programs); i++) {
		char path[LIMIT_NAME_BYTES];
		int added;

		if (!image_probe_program(probe, known_programs[i], path, sizeof(path)))
			continue;
		added = snprintf(programs + used, bytes - used, "%s%s", used > 0 ? ", " : "",
				 known_programs[i]);
		if ((size_t)added >= bytes - used) {
			programs[used] = '\0';
			return;
		}
		used += (size_t)added;
	}
}

static bool has_program_in(const struct image_probe *probe, const char *directory)
{
	int fd = is_hidden(probe, directory)
			 ? -1
			 : path_open_in_root(probe->root_fd, directory, O_RDONLY | O_DIRECTORY);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	bool has_program = false;
	struct dirent *found;

	if (!stream) {
		cleanup_fd(&fd);
		return false;
	}
	/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!has_program && (found = readdir(stream))) {
		char path[LIMIT_PATH_BYTES];

		(void)snprintf(path, sizeof(path), "%s/%s", directory, found->d_name);
		has_program = is_program(probe, path);
	}
	(void)closedir(stream);
	return has_program;
}

bool image_probe_has_programs(const struct image_probe *probe)
{
	/* An image of a single static program often has it at the top. */
	if (has_program_in(probe, "/"))
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(program_directories); i++) {
		if (has_program_in(probe, program_directories[i]))
			return true;
	}
	return false;
}

/* The text goes to the model: nothing but what a distribution's name is made of. */
static bool is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr(" .+-_", text[i]))
			return false;
	}
	return length > 0;
}

/* Finds KEY=value or KEY="value" at the start of a line. */
static bool find_value(const char *text, size_t text_bytes, const char *key, const char **value,
		       size_t *length)
{
	const char *end = text + text_bytes;
	size_t key_length = strlen(key);

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;

		if ((size_t)(line_end - text) > key_length && memcmp(text, key, key_length) == 0 &&
		    text[key_length] == '=') {
			*value = text + key_length + 1;
			*length = (size_t)(line_end - *value);
			if (*length >= 2 && (**value == '"' || **value == '\'') &&
			    (*value)[*length - 1] == **value) {
				(*value)++;
				*length -= 2;
			}
			return true;
		}
		text = newline ? newline + 1 : end;
	}
	return false;
}

void image_probe_os_release(const char *text, size_t text_bytes, char *system, size_t bytes)
{
	static const char *const suffixes[] = { " GNU/Linux", " Linux" };
	const char *name, *version = "";
	size_t name_length, version_length = 0;
	int length;

	system[0] = '\0';
	if (!find_value(text, text_bytes, "NAME", &name, &name_length))
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (name_length > suffix &&
		    memcmp(name + name_length - suffix, suffixes[i], suffix) == 0)
			name_length -= suffix;
	}
	if (!is_plain(name, name_length))
		return;
	if (!find_value(text, text_bytes, "VERSION_ID", &version, &version_length) ||
	    !is_plain(version, version_length))
		version_length = 0;
	length = snprintf(system, bytes, "%.*s%s%.*s userland", (int)name_length, name,
			  version_length > 0 ? " " : "", (int)version_length, version);
	if ((size_t)length >= bytes)
		system[0] = '\0';
}

void image_probe_system(const struct image_probe *probe, char *system, size_t bytes)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };

	system[0] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(files) && system[0] == '\0'; i++) {
		CLEANUP(cleanup_fd)
		int fd = path_open_in_root(probe->root_fd, files[i], O_RDONLY | O_NONBLOCK);
		char text[LIMIT_OS_RELEASE_BYTES];
		struct stat status;
		ssize_t got;

		if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
			continue;
		got = fd_read_full(fd, text, sizeof(text), NULL);
		if (got > 0)
			image_probe_os_release(text, (size_t)got, system, bytes);
	}
}
