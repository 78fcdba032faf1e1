/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include "base/alloc.h"
#include "base/hex.h"

#include <sha2.h>
#include <stdlib.h>

struct hash {
	SHA2_CTX context;
};

void hash_bytes(unsigned char digest[HASH_BYTES], const void *data, size_t bytes)
{
	SHA2_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, data, bytes);
	SHA256Final(digest, &context);
}

void hash_hex(char text[HASH_HEX_BYTES], const void *data, size_t bytes)
{
	unsigned char digest[HASH_BYTES];

	hash_bytes(digest, data, bytes);
	hex_encode(text, digest, sizeof(digest));
}

struct hash *hash_create(void)
{
	struct hash *hash = alloc_zeroed(sizeof(*hash));

	SHA256Init(&hash->context);
	return hash;
}

void hash_update(struct hash *hash, const void *data, size_t bytes)
{
	SHA256Update(&hash->context, data, bytes);
}

void hash_finish(struct hash *hash, unsigned char *digest)
{
	if (digest)
		SHA256Final(digest, &hash->context);
	free(hash);
}

bool hash_equal(const void *a, const void *b, size_t bytes)
{
	const volatile unsigned char *left = a;
	const volatile unsigned char *right = b;
	unsigned difference = 0;
	size_t i;

	for (i = 0; i < bytes; i++)
		difference |= (unsigned)(left[i] ^ right[i]);
	return difference == 0;
}
