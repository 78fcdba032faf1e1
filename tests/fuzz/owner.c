/* SPDX-License-Identifier: MIT */

/* The input is the lock file of a dead server: whatever stands in it, what is removed is named
 * after that server and stands where the path says. */

#include "fuzz.h"

#include "backend/owner.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEAD "00112233445566778899aabbccddeeff"

static struct owner_state state = { .owners_fd = -1 };
static char place[64];

static void remove_place(void)
{
	(void)unlinkat(state.owners_fd, DEAD ".lock", 0);
	(void)rmdir(place);
}

/* With a key that the corpus can know. */
static void make_place(void)
{
	const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(place, sizeof(place), "%s/kilntainers-fuzz-XXXXXX", parent);
	assert(mkdtemp(place));
	assert(atexit(remove_place) == 0);
	state.owners_fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(state.owners_fd >= 0);
}

static int remove_nothing(void *context, enum owner_kind kind, const char *path, struct error *err)
{
	char id[OWNER_ID_BYTES];

	(void)context;
	assert(kind == OWNER_CGROUP || kind == OWNER_DIRECTORY);
	assert(path[0] == '/' && !strstr(path, "//") && !strstr(path, "/./"));
	assert(!strstr(path, "/../") && !strchr(path, '\n'));
	assert(owner_parse_name(&state, strrchr(path, '/') + 1, id) == OWNER_CLAIM_OURS);
	assert(strcmp(id, DEAD) == 0);
	return strstr(path, "busy") ? error_set(err, ERROR_BUSY, "it is busy") : 0;
}

static void note_kept(void *context, const char *id, const char *reason)
{
	(void)context;
	assert(strcmp(id, DEAD) == 0 && reason[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct owner_remover remover = { remove_nothing, note_kept, NULL };
	int fd;

	if (place[0] == '\0')
		make_place();
	fd = openat(state.owners_fd, DEAD ".lock", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	assert(close(fd) == 0);
	owner_sweep(&state, &remover);
	return 0;
}
