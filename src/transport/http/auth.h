/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Bearer tokens (RFC 6750): who may use the server, and by which name. They come
 * from a file of `NAME TOKEN [operator]` lines (`#` begins a comment line) and
 * from one environment variable, whose holder is the operator "default".
 *
 * Of a token only its SHA-256 is kept. A token is compared with all that there
 * are, in a time that tells nothing about them. No error and no log line holds
 * one, nor anything else of the file: what was meant as a name may be a token.
 *
 * Built once and never changed, so any thread may read; a reload makes another.
 */

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct tokens;

struct token_holder {
	char name[LIMIT_TOKEN_NAME_BYTES + 1]; /* [A-Za-z0-9._-]+ */
	bool is_operator;
};

#define TOKENS_VARIABLE "KILNTAINERS_AUTH_TOKEN"

/* What `path` and `environment_token` hold, each of which may be NULL. Fails with ERROR_CONFIG if
 * somebody else may read the file, if it holds no token, or a name or token twice. NULL on failure.
 */
struct tokens *tokens_load(const char *path, const char *environment_token, struct error *err);
/* As tokens_load, of a file's text; `source` names it in errors. `environment_token` may be NULL.
 */
struct tokens *tokens_parse(const char *source, const char *text, size_t bytes,
			    const char *environment_token, struct error *err);
/* Takes NULL. */
void tokens_destroy(struct tokens *tokens);
/* 0 only if neither a file nor the variable was given. */
size_t tokens_count(const struct tokens *tokens);

enum token_verdict {
	TOKEN_ABSENT,	 /* no Authorization, or none of the scheme Bearer: 401 */
	TOKEN_MALFORMED, /* Bearer, and then not one word: 400 */
	TOKEN_UNKNOWN,	 /* nobody's: 401 invalid_token */
	TOKEN_KNOWN,
};

/* Judges the value of an Authorization field (NULL: there was none). *holder is set for TOKEN_KNOWN
 * alone, and lives as long as `tokens`. */
enum token_verdict tokens_judge(const struct tokens *tokens, const char *authorization,
				const struct token_holder **holder);
