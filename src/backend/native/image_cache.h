/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where unpacked images are kept: $XDG_CACHE_HOME/kilntainers/images, by default
 * ~/.cache/kilntainers/images, or /var/cache/kilntainers/images for root. Below
 * it, for the SHA-256 of an archive:
 *
 *   DIGEST           the root file system; it is whole if it is there
 *   DIGEST.partial   being unpacked, or left by a server that died meanwhile
 *   DIGEST.lock      flock'ed by whoever unpacks or looks
 *   seen-HASH        the digest of a file of this device, inode, size and times
 *
 * What is partial and not locked is removed by the next who unpacks, and by image_cache_sweep.
 *
 * Only its owner may enter the directory. Removing anything in it is safe while
 * no server runs. One thread per object; servers share by the lock.
 */

#include "base/error.h"
#include "base/hash.h"
#include "exec/cancel.h"

#include <stdbool.h>
#include <sys/stat.h>

struct image_cache;

/* Makes the directory if need be, and refuses one that others may write into. */
struct image_cache *image_cache_create(struct error *err);
/* NULL if there is none. Makes nothing. */
struct image_cache *image_cache_find(void);
/* Takes NULL. Gives up the lock; what is partial is removed by the next who asks for it. */
void image_cache_destroy(struct image_cache *cache);

struct image_cache_visitor {
	/* Of a partial image; false: it is left as it is, and counts as removed. */
	bool (*found)(void *context, const char *path, bool is_in_use);
	void (*removed)(void *context, const char *path, const struct error *err);
	void *context;
};
/* Removes what is partial and nobody works on. */
void image_cache_sweep(struct image_cache *cache, const struct image_cache_visitor *visitor);

/* The digest of a file that was hashed before and has not changed since. */
bool image_cache_recall(struct image_cache *cache, const struct stat *file,
			char digest[HASH_HEX_BYTES]);
/* A failure to note it costs time only, so none is reported. */
void image_cache_remember(struct image_cache *cache, const struct stat *file,
			  const char digest[HASH_HEX_BYTES]);

/* Waits until no one else unpacks `digest`. Then 1 if it is there, 0 if it is to be unpacked. */
int image_cache_lock(struct image_cache *cache, const char *digest, const struct cancel *cancel,
		     struct error *err);
/* Between lock and commit: an empty directory to unpack into (the caller closes it), or -1. */
int image_cache_begin(struct image_cache *cache, struct error *err);
/* It is whole now. */
int image_cache_commit(struct image_cache *cache, struct error *err);
/* Removes what image_cache_begin made. */
void image_cache_abandon(struct image_cache *cache);
/* Where the image is, absolute (free()). */
char *image_cache_path(const struct image_cache *cache);
