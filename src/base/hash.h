/* SPDX-License-Identifier: MIT */
#pragma once

/* SHA-256 (libmd), and HMAC by it (RFC 2104). Any thread. Cannot fail. */

#include <stdbool.h>
#include <stddef.h>

#define HASH_BYTES 32
#define HASH_HEX_BYTES (2 * HASH_BYTES + 1)

void hash_bytes(unsigned char digest[HASH_BYTES], const void *data, size_t bytes);
void hash_hex(char text[HASH_HEX_BYTES], const void *data, size_t bytes);
/* The same piece by piece; hash_finish frees it, with or without a digest to fill in. */
struct hash;
struct hash *hash_create(void);
void hash_update(struct hash *hash, const void *data, size_t bytes);
void hash_finish(struct hash *hash, unsigned char *digest);
/* Who does not know the key can neither make the code nor tell it from chance. */
void hash_hmac(unsigned char code[HASH_BYTES], const void *key, size_t key_bytes, const void *data,
	       size_t bytes);
/* Time depends on `bytes` alone, so that a secret cannot be found byte by byte. */
bool hash_equal(const void *a, const void *b, size_t bytes);
