/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A tar of a root file system as an image. Only kilntainers-full can read one
 * (image_tar.c, with libarchive); in the small executable image_tar_missing.c
 * stands in its place.
 */

#include "backend/native/image.h"

/* Unpacks what request->name names into the cache, or finds it there. *directory gets its
 * absolute path (free()). ERROR_CONFIG if it is no such tar, ERROR_CANCELLED. */
int image_tar_unpack(const struct image_request *request, char **directory, struct error *err);
