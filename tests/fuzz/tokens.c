/* SPDX-License-Identifier: MIT */

/* The first line is a value of Authorization, the rest a file of tokens: whatever is accepted has
 * holders with good names, and what is not is told without what the file holds. */

#include "fuzz.h"

#include "transport/http/auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static char path[64];
static int file_fd = -1;

/* A file without a name, in memory. */
static void make_file(void)
{
	file_fd = memfd_create("tokens", MFD_CLOEXEC);
	assert(file_fd >= 0 && fchmod(file_fd, 0600) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
}

static void judge(const struct tokens *tokens, const char *authorization)
{
	const struct token_holder *holder = NULL;
	enum token_verdict verdict = tokens_judge(tokens, authorization, &holder);

	assert((verdict == TOKEN_KNOWN) == (holder != NULL));
	if (!holder)
		return;
	assert(strlen(authorization) >= strlen("Bearer ") + LIMIT_TOKEN_MIN_BYTES);
	assert(holder->name[0] != '\0' && strlen(holder->name) <= LIMIT_TOKEN_NAME_BYTES);
	assert(strspn(holder->name, NAME_CHARACTERS) == strlen(holder->name));
}

/* Words of our own sentences, and numbers of lines, may well stand in the file too. */
static void check_error(const struct error *err)
{
	size_t i;

	assert(err->kind == ERROR_CONFIG);
	assert(strstr(err->message, path) || strstr(err->message, TOKENS_VARIABLE));
	assert(strlen(err->message) < 200);
	for (i = 0; err->message[i] != '\0'; i++)
		assert(err->message[i] >= ' ' && err->message[i] <= '~');
}

/* A file that holds each token once holds it for one holder, whichever way it is asked for. */
static void ask_for_words(const struct tokens *tokens, const char *text)
{
	char authorization[LIMIT_TOKEN_MAX_BYTES + 16];
	char word[LIMIT_TOKEN_MAX_BYTES + 1];
	int bytes;

	while (sscanf(text, " %1024s%n", word, &bytes) == 1) {
		(void)snprintf(authorization, sizeof(authorization), "bearer  %s", word);
		judge(tokens, authorization);
		text += bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	struct tokens *tokens;
	char *text = malloc(size + 1);
	char *file;

	if (file_fd < 0)
		make_file();
	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	file = memchr(text, '\n', size);
	if (file) {
		size_t bytes = (size_t)(text + size - (file + 1));

		*file++ = '\0';
		assert(ftruncate(file_fd, 0) == 0);
		assert(pwrite(file_fd, file, bytes, 0) == (ssize_t)bytes);
		tokens = tokens_load(path, size % 2 ? "the-token-of-the-variable" : NULL, &err);
		if (tokens) {
			assert(tokens_count(tokens) >= 1);
			judge(tokens, text);
			ask_for_words(tokens, file);
		} else {
			check_error(&err);
		}
		tokens_destroy(tokens);
	}
	free(text);
	return 0;
}
