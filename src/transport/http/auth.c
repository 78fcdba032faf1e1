/* SPDX-License-Identifier: MIT */
#include "transport/http/auth.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/hash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define VARIABLE_HOLDER "default"
#define SCHEME "Bearer"
#define MAX_WORDS 3

struct entry {
	unsigned char digest[HASH_BYTES];
	struct token_holder holder;
	size_t line; /* 0: from the environment */
};

struct tokens {
	struct entry *entries;
	size_t count, capacity;
};

struct word {
	const char *text;
	size_t bytes;
};

/* --- reading the file --------------------------------------------------------- */

/* What can stand in a header as one word: visible ASCII. */
static bool is_visible(const char *text, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (text[i] < '!' || text[i] > '~')
			return false;
	}
	return bytes > 0;
}

static void add_entry(struct tokens *tokens, const struct word *name, const struct word *token,
		      size_t line)
{
	struct entry *entry;

	if (tokens->count == tokens->capacity) {
		tokens->capacity = tokens->capacity ? 2 * tokens->capacity : 8;
		tokens->entries =
			alloc_resize(tokens->entries, tokens->capacity, sizeof(*tokens->entries));
	}
	entry = &tokens->entries[tokens->count++];
	*entry = (struct entry){ .line = line };
	hash_bytes(entry->digest, token->text, token->bytes);
	memcpy(entry->holder.name, name->text, name->bytes);
}

/* Up to `max` words of a line, which blanks separate; returns how many there are, `max` at most. */
static size_t split_words(const char *line, size_t bytes, struct word *words, size_t max)
{
	const char *end = line + bytes;
	const char *at = line;
	size_t count = 0;

	while (count < max) {
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at == end)
			break;
		words[count].text = at;
		while (at < end && *at != ' ' && *at != '\t')
			at++;
		words[count].bytes = (size_t)(at - words[count].text);
		count++;
	}
	return count;
}

static bool is_name(const struct word *word)
{
	size_t i;

	for (i = 0; i < word->bytes; i++) {
		if (word->text[i] == '\0' || !strchr(NAME_CHARACTERS, word->text[i]))
			return false;
	}
	return word->bytes <= LIMIT_TOKEN_NAME_BYTES;
}

_Static_assert(LIMIT_TOKEN_MIN_BYTES == 16 && LIMIT_TOKEN_MAX_BYTES == 1024, "sentences say so");

/* What is wrong with a token, as the end of a sentence; NULL: nothing. */
static const char *token_fault(const struct word *token)
{
	if (token->bytes < LIMIT_TOKEN_MIN_BYTES)
		return "is shorter than 16 characters; `openssl rand -hex 32` makes a good one";
	if (token->bytes > LIMIT_TOKEN_MAX_BYTES)
		return "is longer than 1024 characters";
	if (!is_visible(token->text, token->bytes))
		return "may hold only visible ASCII characters and no space";
	return NULL;
}

static int read_line(struct tokens *tokens, const char *source, size_t number,
		     const struct word *line, struct error *err)
{
	struct word words[MAX_WORDS + 1];
	size_t count = split_words(line->text, line->bytes, words, MAX_WORDS + 1);
	const char *fault;

	if (count == 0 || words[0].text[0] == '#')
		return 0;
	if (count < 2 || count > MAX_WORDS)
		return error_set(err, ERROR_CONFIG,
				 "%s, line %zu: a line is NAME TOKEN, or NAME TOKEN operator",
				 source, number);
	if (!is_name(&words[0]))
		return error_set(err, ERROR_CONFIG,
				 "%s, line %zu: a name is 1 to %d characters of A-Z a-z 0-9 . _ -",
				 source, number, LIMIT_TOKEN_NAME_BYTES);
	fault = token_fault(&words[1]);
	if (fault)
		return error_set(err, ERROR_CONFIG, "%s, line %zu: the token %s", source, number,
				 fault);
	if (count == MAX_WORDS && (words[2].bytes != strlen("operator") ||
				   memcmp(words[2].text, "operator", words[2].bytes) != 0))
		return error_set(err, ERROR_CONFIG,
				 "%s, line %zu: what follows the token can only be: operator",
				 source, number);
	if (tokens->count == LIMIT_TOKENS)
		return error_set(err, ERROR_CONFIG, "%s, line %zu: it holds more than %d tokens",
				 source, number, LIMIT_TOKENS);
	add_entry(tokens, &words[0], &words[1], number);
	tokens->entries[tokens->count - 1].holder.is_operator = count == MAX_WORDS;
	return 0;
}

static int read_lines(struct tokens *tokens, const char *source, const char *text, size_t bytes,
		      struct error *err)
{
	const char *end = text + bytes;
	size_t number = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct word line = { text, (size_t)((newline ? newline : end) - text) };

		text = newline ? newline + 1 : end;
		if (line.bytes > 0 && line.text[line.bytes - 1] == '\r')
			line.bytes--;
		if (read_line(tokens, source, ++number, &line, err) < 0)
			return -1;
	}
	if (tokens->count == 0)
		return error_set(err, ERROR_CONFIG,
				 "%s holds no token, so nobody could use the server. A line is "
				 "NAME TOKEN, or NAME TOKEN operator.",
				 source);
	return 0;
}

static int read_variable(struct tokens *tokens, const char *value, struct error *err)
{
	const struct word name = { VARIABLE_HOLDER, strlen(VARIABLE_HOLDER) };
	const struct word token = { value, strlen(value) };
	const char *fault = token_fault(&token);

	if (fault)
		return error_set(err, ERROR_CONFIG, TOKENS_VARIABLE ": the token %s", fault);
	add_entry(tokens, &name, &token, 0);
	tokens->entries[tokens->count - 1].holder.is_operator = true;
	return 0;
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(((const struct entry *)a)->digest, ((const struct entry *)b)->digest,
		      HASH_BYTES);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->holder.name,
		      ((const struct entry *)b)->holder.name);
}

/* Sorts by `compare`, and fails if two are equal then. */
static int refuse_twins(struct tokens *tokens, const char *source, const char *what,
			int (*compare)(const void *, const void *), struct error *err)
{
	size_t i;

	qsort(tokens->entries, tokens->count, sizeof(*tokens->entries), compare);
	for (i = 1; i < tokens->count; i++) {
		size_t a = tokens->entries[i - 1].line;
		size_t b = tokens->entries[i].line;

		if (compare(&tokens->entries[i - 1], &tokens->entries[i]) != 0)
			continue;
		if (a == 0 || b == 0)
			return error_set(err, ERROR_CONFIG,
					 "%s, line %zu: the %s is that of " TOKENS_VARIABLE, source,
					 a + b, what);
		return error_set(err, ERROR_CONFIG,
				 "%s, line %zu: the %s stands in line %zu already", source,
				 a > b ? a : b, what, a > b ? b : a);
	}
	return 0;
}

struct tokens *tokens_parse(const char *source, const char *text, size_t bytes,
			    const char *environment_token, struct error *err)
{
	struct tokens *tokens = alloc_zeroed(sizeof(*tokens));

	if (read_lines(tokens, source, text, bytes, err) < 0 ||
	    (environment_token && read_variable(tokens, environment_token, err) < 0) ||
	    refuse_twins(tokens, source, "token", compare_digests, err) < 0 ||
	    refuse_twins(tokens, source, "name", compare_names, err) < 0) {
		tokens_destroy(tokens);
		return NULL;
	}
	return tokens;
}

static int check_file(int fd, const char *path, size_t *bytes, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "looking at the token file %s",
					    path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, ERROR_CONFIG, "the token file %s is not a regular file",
				 path);
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(err, ERROR_CONFIG,
				 "the token file %s is open to others than its owner (mode %04o). "
				 "Close it: chmod 600 %s",
				 path, (unsigned)(status.st_mode & 07777), path);
	if (status.st_size > (off_t)LIMIT_TOKEN_FILE_BYTES)
		return error_set(err, ERROR_CONFIG, "the token file %s is larger than %llu bytes",
				 path, LIMIT_TOKEN_FILE_BYTES);
	*bytes = (size_t)status.st_size;
	return 0;
}

static struct tokens *load_file(const char *path, const char *environment_token, struct error *err)
{
	/* O_NONBLOCK: a FIFO would wait for somebody to write. */
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP(cleanup_free) char *text = NULL;
	struct tokens *tokens = NULL;
	size_t bytes = 0;
	ssize_t got;

	if (fd < 0) {
		(void)error_set_kind_errno(err, ERROR_CONFIG, "opening the token file %s", path);
		return NULL;
	}
	if (check_file(fd, path, &bytes, err) < 0)
		return NULL;
	text = alloc_zeroed(bytes + 1);
	got = fd_read_full(fd, text, bytes + 1, err);
	if (got < 0)
		(void)error_wrap(err, "the token file %s", path);
	else if ((size_t)got != bytes)
		(void)error_set(err, ERROR_CONFIG,
				"the token file %s was changed while it was read; try again", path);
	else
		tokens = tokens_parse(path, text, bytes, environment_token, err);
	explicit_bzero(text, bytes + 1);
	return tokens;
}

struct tokens *tokens_load(const char *path, const char *environment_token, struct error *err)
{
	struct tokens *tokens;

	if (path)
		return load_file(path, environment_token, err);
	tokens = alloc_zeroed(sizeof(*tokens));
	if (environment_token && read_variable(tokens, environment_token, err) < 0) {
		tokens_destroy(tokens);
		return NULL;
	}
	return tokens;
}

void tokens_destroy(struct tokens *tokens)
{
	if (!tokens)
		return;
	free(tokens->entries);
	free(tokens);
}

size_t tokens_count(const struct tokens *tokens)
{
	return tokens->count;
}

/* --- judging a request -------------------------------------------------------- */

static const struct token_holder *find_holder(const struct tokens *tokens, const char *token,
					      size_t bytes)
{
	unsigned char digest[HASH_BYTES];
	const struct token_holder *found = NULL;
	size_t i;

	hash_bytes(digest, token, bytes);
	/* All of them, also after the right one: the time tells nothing. */
	for (i = 0; i < tokens->count; i++) {
		if (hash_equal(tokens->entries[i].digest, digest, HASH_BYTES))
			found = &tokens->entries[i].holder;
	}
	return found;
}

enum token_verdict tokens_judge(const struct tokens *tokens, const char *authorization,
				const struct token_holder **holder)
{
	const struct token_holder *found;
	const char *token;

	if (!authorization || strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
		return TOKEN_ABSENT;
	token = authorization + strlen(SCHEME);
	if (*token != ' ' && *token != '\0')
		return TOKEN_ABSENT;
	token += strspn(token, " ");
	if (!is_visible(token, strlen(token)))
		return TOKEN_MALFORMED;
	found = find_holder(tokens, token, strlen(token));
	if (!found)
		return TOKEN_UNKNOWN;
	*holder = found;
	return TOKEN_KNOWN;
}
