/* SPDX-License-Identifier: MIT */
#include "backend/owner.h"

#include "backend/owner_records.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/hex.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define ID_DIGITS (OWNER_ID_BYTES - 1)
#define MAC_DIGITS (OWNER_MAC_BYTES - 1)
/* What the code in a name stands for. No thing is called so. */
#define NAME_LABEL "/name"

struct owner {
	struct owner_state state;
	char id[OWNER_ID_BYTES];
	char name[OWNER_NAME_BYTES];
	int lock_fd; /* -1: it is not kept */
	unsigned record_count;
};

/* --- labels -------------------------------------------------------------------------- */

static void make_label(const struct owner_state *state, const char *name, const char *id,
		       char mac[OWNER_MAC_BYTES])
{
	unsigned char code[HASH_BYTES];
	size_t name_bytes = strlen(name) + 1;
	size_t id_bytes = strlen(id);
	CLEANUP(cleanup_free) char *text = alloc_zeroed(name_bytes + id_bytes);

	memcpy(text, name, name_bytes);
	memcpy(text + name_bytes, id, id_bytes);
	hash_hmac(code, state->key, sizeof(state->key), text, name_bytes + id_bytes);
	hex_encode(mac, code, sizeof(code));
}

void owner_label(const struct owner *owner, const char *name, char mac[OWNER_MAC_BYTES])
{
	make_label(&owner->state, name, owner->id, mac);
}

bool owner_verify(const struct owner_state *state, const char *name, const char *id,
		  const char *mac)
{
	char expected[OWNER_MAC_BYTES];

	if (strlen(mac) != MAC_DIGITS || strlen(id) != ID_DIGITS)
		return false;
	make_label(state, name, id, expected);
	return hash_equal(mac, expected, MAC_DIGITS);
}

static void make_name(const struct owner_state *state, const char *id, char name[OWNER_NAME_BYTES])
{
	char mac[OWNER_MAC_BYTES];

	make_label(state, NAME_LABEL, id, mac);
	(void)snprintf(name, OWNER_NAME_BYTES, OWNER_NAME_PREFIX "%s-%.*s", id,
		       OWNER_NAME_CODE_DIGITS, mac);
}

static bool is_hex(const char *text, size_t digits)
{
	return strspn(text, "0123456789abcdef") >= digits;
}

enum owner_claim owner_parse_name(const struct owner_state *state, const char *name,
				  char id[OWNER_ID_BYTES])
{
	const size_t prefix = sizeof(OWNER_NAME_PREFIX) - 1;
	const size_t length = prefix + ID_DIGITS + 1 + OWNER_NAME_CODE_DIGITS;
	char expected[OWNER_NAME_BYTES];

	if (strlen(name) < length || memcmp(name, OWNER_NAME_PREFIX, prefix) != 0 ||
	    !is_hex(name + prefix, ID_DIGITS) || name[prefix + ID_DIGITS] != '-' ||
	    !is_hex(name + prefix + ID_DIGITS + 1, OWNER_NAME_CODE_DIGITS) ||
	    (name[length] != '\0' && name[length] != '-' && name[length] != '.'))
		return OWNER_CLAIM_NONE;
	memcpy(id, name + prefix, ID_DIGITS);
	id[ID_DIGITS] = '\0';
	make_name(state, id, expected);
	return hash_equal(name, expected, length) ? OWNER_CLAIM_OURS : OWNER_CLAIM_FOREIGN;
}

/* --- being one ------------------------------------------------------------------------- */

/* A file that a sweep found before it was locked is as good as removed. */
static int lock_new(int fd)
{
	struct stat status;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &status) < 0)
		return -1;
	if (status.st_nlink == 1)
		return 0;
	errno = EWOULDBLOCK;
	return -1;
}

static int try_lock_file(struct owner *owner, struct error *err)
{
	char name[OWNER_LOCK_BYTES];
	CLEANUP(cleanup_fd) int fd = -1;

	random_hex(owner->id, ID_DIGITS / 2);
	owner_lock_name(owner->id, name);
	fd = openat(owner->state.owners_fd, name,
		    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || lock_new(fd) < 0) {
		(void)error_set_kind_errno(err, ERROR_CONFIG,
					   "making and locking %.200s/" OWNERS_DIRECTORY "/%s",
					   owner->state.path, name);
		if (fd >= 0)
			(void)unlinkat(owner->state.owners_fd, name, 0);
		return -1;
	}
	owner->lock_fd = take_fd(&fd);
	return 0;
}

static int make_lock_file(struct owner *owner, struct error *err)
{
	int tries = 0;
	int result;

	if (owner_state_make(&owner->state, err) < 0)
		return -1;
	do {
		result = try_lock_file(owner, err);
	} while (result < 0 && err->errno_value == EWOULDBLOCK && ++tries < LIMIT_OWNER_TRIES);
	if (result < 0)
		owner_state_finish(&owner->state);
	return result;
}

struct owner *owner_create(void)
{
	struct owner *owner = alloc_zeroed(sizeof(*owner));
	struct error err = ERROR_INIT;

	owner->lock_fd = -1;
	if (make_lock_file(owner, &err) < 0) {
		log_event(LOG_WARNING, "owner_not_kept", LOG_STRING("error", err.message),
			  LOG_STRING("meaning",
				     "what this server leaves behind if it is killed must be "
				     "removed by hand: kilntainers cleanup lists it"));
		owner_state_pretend(&owner->state);
		random_hex(owner->id, ID_DIGITS / 2);
	}
	make_name(&owner->state, owner->id, owner->name);
	return owner;
}

static int is_still_there(void *context, enum owner_kind kind, const char *path)
{
	struct stat status;

	(void)context;
	(void)kind;
	return lstat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void owner_destroy(struct owner *owner)
{
	char name[OWNER_LOCK_BYTES];

	if (!owner)
		return;
	owner_lock_name(owner->id, name);
	if (owner->lock_fd >= 0 &&
	    owner_records_each(owner->lock_fd, is_still_there, NULL, NULL) == 0)
		(void)unlinkat(owner->state.owners_fd, name, 0);
	cleanup_fd(&owner->lock_fd);
	owner_state_finish(&owner->state);
	free(owner);
}

bool owner_is_kept(const struct owner *owner)
{
	return owner->lock_fd >= 0;
}

const char *owner_id(const struct owner *owner)
{
	return owner->id;
}

const char *owner_name(const struct owner *owner)
{
	return owner->name;
}

int owner_lock_file(const struct owner *owner, char name[OWNER_LOCK_BYTES])
{
	owner_lock_name(owner->id, name);
	return owner->lock_fd < 0 ? -1 : owner->state.owners_fd;
}

int owner_record(struct owner *owner, enum owner_kind kind, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *line = NULL;
	const char *last = strrchr(path, '/');

	assert(path[0] == '/' && strncmp(last + 1, owner->name, strlen(owner->name)) == 0);
	if (owner->lock_fd < 0)
		return 0;
	if (strlen(path) >= LIMIT_PATH_BYTES || strchr(path, '\n'))
		return error_set(err, ERROR_CONFIG,
				 "%.200s cannot be written down: it is too long, or two lines",
				 path);
	if (owner->record_count >= LIMIT_OWNER_RECORDS)
		return error_set(err, ERROR_QUOTA, "no more than %d things can be written down",
				 LIMIT_OWNER_RECORDS);
	owner->record_count++;
	line = alloc_printf("%s %s\n", owner_kind_names[kind], path);
	return fd_write_all(owner->lock_fd, line, strlen(line), err);
}

/* --- looking at others ------------------------------------------------------------------- */

enum owner_life owner_look(const struct owner_state *state, const char *id)
{
	char name[OWNER_LOCK_BYTES];
	struct stat status;
	CLEANUP(cleanup_fd) int fd = -1;

	if (strlen(id) != ID_DIGITS || !is_hex(id, ID_DIGITS))
		return OWNER_UNKNOWN;
	owner_lock_name(id, name);
	fd = owner_state_open_file(state->owners_fd, name, O_RDWR, &status);
	if (fd < 0)
		return OWNER_UNKNOWN;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? OWNER_DEAD : OWNER_LIVES;
}
