/* SPDX-License-Identifier: MIT */
#include "backend/native/image.h"

#include "backend/native/image_build.h"
#include "backend/native/image_tar.h"
#include "base/cleanup.h"
#include "zygote/plan.h"

#include <string.h>
#include <sys/stat.h>

bool image_is_host(const char *name)
{
	return !name || strcmp(name, "host") == 0;
}

bool image_is_path(const char *name)
{
	return name[0] == '/' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0;
}

bool image_is_archive(const char *name)
{
	struct stat status;

	return image_is_path(name) && stat(name, &status) == 0 && S_ISREG(status.st_mode);
}

static int prepare_path(const struct image_request *request, struct image *image, struct error *err)
{
	CLEANUP(cleanup_free) char *directory = NULL;
	struct stat status;

	if (stat(request->name, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "--image %.200s", request->name);
	if (S_ISREG(status.st_mode)) {
		if (image_tar_unpack(request, &directory, err) < 0)
			return -1;
	} else if (S_ISDIR(status.st_mode)) {
		directory = realpath(request->name, NULL);
		if (!directory)
			return error_set_kind_errno(err, ERROR_CONFIG, "--image %.200s",
						    request->name);
	} else {
		return error_set(err, ERROR_CONFIG,
				 "--image %.200s is neither a directory nor a file; give the "
				 "directory or the tar of a root file system",
				 request->name);
	}
	return image_directory(directory, request, image, err);
}

struct image_reading *image_begin(const char *name)
{
	return image_is_host(name) ? image_host_begin() : NULL;
}

int image_prepare(const struct image_request *request, struct image *image, struct error *err)
{
	int result;

	*image = (struct image){ .system = "" };
	plan_begin(&image->plan);
	if (image_is_host(request->name))
		result = image_host(request, image, err);
	else if (image_is_path(request->name))
		result = prepare_path(request, image, err);
	else
		result = error_set(err, ERROR_CONFIG,
				   "--image %.200s: the native backend takes \"host\", or a path "
				   "that begins with / ./ or ../",
				   request->name);
	if (result < 0)
		image_finish(image);
	return result;
}

void image_finish(struct image *image)
{
	buf_finish(&image->plan);
}
