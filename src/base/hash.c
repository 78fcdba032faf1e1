/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include "base/alloc.h"
#include "base/hex.h"

#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 64
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

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

/* The hash of the key, as a block with every byte changed by `pad`, and the data. */
static void hash_padded(unsigned char digest[HASH_BYTES], const unsigned char key[BLOCK_BYTES],
			unsigned char pad, const void *data, size_t bytes)
{
	unsigned char block[BLOCK_BYTES];
	SHA2_CTX context;
	size_t i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	SHA256Init(&context);
	SHA256Update(&context, block, sizeof(block));
	SHA256Update(&context, data, bytes);
	SHA256Final(digest, &context);
	explicit_bzero(block, sizeof(block));
}

void hash_hmac(unsigned char code[HASH_BYTES], const void *key, size_t key_bytes, const void *data,
	       size_t bytes)
{
	unsigned char block[BLOCK_BYTES] = { 0 };
	unsigned char inner[HASH_BYTES];

	if (key_bytes > sizeof(block))
		hash_bytes(block, key, key_bytes);
	else
		memcpy(block, key, key_bytes);
	hash_padded(inner, block, INNER_PAD, data, bytes);
	hash_padded(code, block, OUTER_PAD, inner, sizeof(inner));
	explicit_bzero(block, sizeof(block));
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
