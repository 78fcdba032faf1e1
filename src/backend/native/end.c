/* SPDX-License-Identifier: MIT */
#include "backend/native/end.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From Linux 6.15 a pidfd tells how its process ended, also one that others have reaped; older
 * headers lack it (<linux/pidfd.h>). */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_code; /* as waitpid gives it */
};
#define EXIT_INFO_REQUEST _IOWR(0xFF, 11, struct exit_info)
#define EXIT_INFO_HAS_EXIT (1u << 3)

void end_kill(int pidfd)
{
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

bool end_wait(int pidfd)
{
	uint64_t deadline = clock_now_ms() + LIMIT_DESTROY_MS;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int ready;

	do {
		ready = poll(&ended, 1, clock_poll_timeout(deadline));
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

const char *end_cause(int pidfd)
{
	struct exit_info info = { .mask = EXIT_INFO_HAS_EXIT };

	if (ioctl(pidfd, EXIT_INFO_REQUEST, &info) < 0 || !(info.mask & EXIT_INFO_HAS_EXIT))
		return "killed from outside";
	if (WIFSIGNALED(info.exit_code) && WTERMSIG(info.exit_code) != SIGKILL)
		return "its guest crashed";
	if (WIFEXITED(info.exit_code))
		return "its guest ended by itself";
	return "killed from outside";
}
