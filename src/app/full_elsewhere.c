/* SPDX-License-Identifier: MIT */
#include "app/full.h"

#include "backend/native/image.h"
#include "base/attr.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From the folder of this executable: beside it (where it was built), or where it was
 * installed. FULL_FROM_BINDIR is the way from bindir to libexecdir. */
static const char *const folders[] = { ".", FULL_FROM_BINDIR };

/* What asks for it, as words for the error; NULL: nothing does. */
static const char *wanted_for(const struct options *options)
{
	const char *backend = option_text(options, OPTION_BACKEND);
	const char *image = option_text(options, OPTION_IMAGE);
	bool may_be_native =
		!backend || strcmp(backend, "auto") == 0 || strcmp(backend, "native") == 0;

	if (may_be_native && image && image_is_archive(image))
		return "reading the archive that --image names";
	/* With stdio the variable is not there any more, and the flag was refused. */
	if (option_is_given(options, OPTION_TLS_CERT) || option_is_given(options, OPTION_TLS_KEY))
		return "TLS";
	return NULL;
}

static int own_folder(char folder[LIMIT_PATH_BYTES], struct error *err)
{
	ssize_t length = readlink("/proc/self/exe", folder, LIMIT_PATH_BYTES - 1);
	char *slash;

	if (length < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "reading /proc/self/exe");
	folder[length] = '\0';
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

int full_take_over(const struct options *options, char **argv, char *const *environment,
		   struct error *err)
{
	const char *purpose = wanted_for(options);
	char folder[LIMIT_PATH_BYTES];

	if (!purpose)
		return 0;
	if (own_folder(folder, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
		char program[2 * LIMIT_PATH_BYTES];

		if (folders[i][0] == '/')
			(void)snprintf(program, sizeof(program), "%s/kilntainers-full", folders[i]);
		else
			(void)snprintf(program, sizeof(program), "%s/%s/kilntainers-full", folder,
				       folders[i]);
		(void)execve(program, argv, environment);
		if (errno != ENOENT && errno != ENOTDIR)
			return error_set_kind_errno(err, ERROR_CONFIG, "starting %.300s", program);
	}
	return error_set(err, ERROR_CONFIG,
			 "%s needs the program kilntainers-full, which is neither in %.200s nor in "
			 "%s from there. Install it too, or unpack the archive and name the "
			 "directory",
			 purpose, folder, FULL_FROM_BINDIR);
}
