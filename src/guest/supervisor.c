/* SPDX-License-Identifier: MIT */
#include "guest/supervisor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest/disk.h"
#include "guest/kill.h"
#include "guest/receive.h"
#include "guest/save.h"
#include "guest/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A kill that left something is asked for again, a few times within the server's patience. Sooner,
 * it would hold up hundreds of processes that are busy dying of the last one. */
#define KILL_AGAIN_MS 50
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct supervisor {
	const struct supervisor_config *config;
	int status_fd; /* the command's socket; -1 once the server has left */
	pid_t main_pid;
	uint64_t started_us;
	bool has_ended; /* the main process */
	bool has_reported_end;
	bool reports_for_itself; /* what runs below it: a SAVE */
	bool is_killing;
	uint64_t ask_again_ms; /* while it is killing */
	struct guest_wire_exited exited;
};

static void report(const struct supervisor_config *config, enum report_event event)
{
	struct report text = { getpid(), (int32_t)event };

	(void)send(config->report_fd, &text, sizeof(text), MSG_NOSIGNAL);
}

/* Without its guest nothing below it may go on. */
ATTR_NORETURN static void end_without_guest(const struct supervisor_config *config)
{
	struct kill_scope scope = { .root = getpid() };

	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		(void)kill_scope(&scope, config->proc_fd);
		(void)poll(NULL, 0, 1);
	}
	_exit(0);
}

static void wait_for_message(const struct supervisor_config *config)
{
	struct pollfd ready[] = {
		{ config->guest->socket_fd, POLLIN, 0 },
		{ config->report_fd, 0, 0 },
	};

	while (poll(ready, ARRAY_LENGTH(ready), -1) < 0 && errno == EINTR)
		;
	if (ready[1].revents)
		_exit(0);
}

/* Waits as the spare; returns with an EXEC or a SAVE. */
static void take_request(const struct supervisor_config *config, struct guest_wire_message *message,
			 int fds[RECEIVE_FDS])
{
	for (;;) {
		wait_for_message(config);
		switch (receive_message(config->guest->socket_fd, message, fds)) {
		case RECEIVE_NOTHING:
			continue;
		case RECEIVE_END:
			_exit(0);
		case RECEIVE_BROKEN:
			report(config, REPORT_BROKEN);
			_exit(0);
		case RECEIVE_MESSAGE:
			break;
		}
		if (receive_status_place(message) >= 0)
			return;
		report(config,
		       message->type == GUEST_WIRE_SHUTDOWN ? REPORT_SHUTDOWN : REPORT_BROKEN);
		_exit(0);
	}
}

/* Maps the request; nobody can change or cut it any more. NULL if it is not what EXEC said. */
static const char *map_request(int fd, const struct guest_wire_exec *exec)
{
	struct stat status;
	void *data;

	if ((fcntl(fd, F_GET_SEALS) & SEALS) != SEALS || fstat(fd, &status) < 0 ||
	    status.st_size != (off_t)exec->request_bytes)
		return NULL;
	data = mmap(NULL, exec->request_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	return data == MAP_FAILED ? NULL : data;
}

/* By name and only now: before its program runs it cannot be opened, even by itself. One that the
 * guest cannot read either goes together with its supervisor. */
static void put_command_first(const struct supervisor *supervisor)
{
	char text[32];
	CLEANUP(cleanup_fd) int fd = -1;

	if (supervisor->config->command_oom_score == 0)
		return;
	(void)snprintf(text, sizeof(text), "%d/oom_score_adj", (int)supervisor->main_pid);
	fd = openat(supervisor->config->proc_fd, text, O_WRONLY | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), "%d", supervisor->config->command_oom_score);
	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

/* Starts the command and says so; -1 if there is none to supervise. */
static int start_and_tell(struct supervisor *supervisor, const struct guest_wire_exec *exec,
			  int fds[RECEIVE_FDS])
{
	static struct guest_request_strings strings;
	const char *data = map_request(fds[GUEST_WIRE_FD_REQUEST], exec);
	const struct guest_config *guest = supervisor->config->guest;
	struct start start = { .nofile_soft = guest->nofile_soft,
			       .processes = guest->command_processes };
	struct guest_wire_failed failed;

	if (!data || guest_request_read(&start.request, &strings, exec, data) < 0) {
		report(supervisor->config, REPORT_BROKEN);
		return -1;
	}
	memcpy(start.stdio_fds, &fds[GUEST_WIRE_FD_STDIN], sizeof(start.stdio_fds));
	/* Before, not after: the program may be at its end when we get the processor again. */
	supervisor->started_us = clock_now_us();
	supervisor->main_pid = start_command(&start, &failed);
	/* The guest forks the next spare while the command runs. */
	report(supervisor->config, REPORT_TAKEN);
	(void)munmap((void *)(uintptr_t)data, exec->request_bytes);
	close_fds(fds, GUEST_WIRE_FD_STATUS);
	if (supervisor->main_pid < 0) {
		send_failure(supervisor->status_fd, failed.step, (int)failed.errno_value);
		return -1;
	}
	put_command_first(supervisor);
	send_status(supervisor->status_fd,
		    &(struct guest_wire_message){ .type = GUEST_WIRE_STARTED });
	return 0;
}

/* In a child of the supervisor, which waits for its end as for a command's. */
ATTR_NORETURN static void run_save(const struct supervisor *supervisor,
				   const struct guest_wire_save *save, int data_fd)
{
	const char *directory = supervisor->config->guest->save_directory;
	struct guest_wire_message answer = { .type = GUEST_WIRE_SAVED };
	struct guest_wire_failed failed;

	if (save_output(directory ? directory : "/tmp", save, data_fd, &failed) < 0)
		answer = (struct guest_wire_message){ .type = GUEST_WIRE_FAILED, .failed = failed };
	send_status(supervisor->status_fd, &answer);
	_exit(0);
}

/* -1 if there is nothing to supervise. */
static int start_save(struct supervisor *supervisor, const struct guest_wire_save *save,
		      int *data_fd)
{
	supervisor->main_pid = fork();
	if (supervisor->main_pid == 0)
		run_save(supervisor, save, *data_fd);
	if (supervisor->main_pid < 0)
		send_failure(supervisor->status_fd, GUEST_WIRE_STEP_PROCESS, errno);
	report(supervisor->config, REPORT_TAKEN);
	cleanup_fd(data_fd);
	return supervisor->main_pid < 0 ? -1 : 0;
}

static uint64_t to_us(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void note_end(struct supervisor *supervisor, int status, const struct rusage *usage)
{
	supervisor->has_ended = true;
	supervisor->exited = (struct guest_wire_exited){
		.reason = GUEST_WIRE_ENDED,
		.exit_code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0,
		.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0,
		.user_us = to_us(usage->ru_utime),
		.system_us = to_us(usage->ru_stime),
		.max_rss_kib = (uint64_t)usage->ru_maxrss,
		.duration_us = clock_now_us() - supervisor->started_us,
	};
	/* Now, before anything is cleared away; nobody wants to know after success. */
	if (status != 0)
		supervisor->exited.disk = disk_look_around();
}

static void report_end(struct supervisor *supervisor)
{
	if (supervisor->has_reported_end || !supervisor->has_ended)
		return;
	supervisor->has_reported_end = true;
	if (supervisor->is_killing)
		supervisor->exited.reason = GUEST_WIRE_KILLED;
	if (!supervisor->reports_for_itself)
		send_status(supervisor->status_fd,
			    &(struct guest_wire_message){ .type = GUEST_WIRE_EXITED,
							  .exited = supervisor->exited });
}

/* The one place where a supervisor reaps. Ends the process when nothing is left. */
static void reap(struct supervisor *supervisor)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		if (pid == supervisor->main_pid && !supervisor->has_ended)
			note_end(supervisor, status, &usage);
	}
	/* A kill is confirmed only when nothing is left. */
	if (!supervisor->is_killing || pid < 0)
		report_end(supervisor);
	if (pid < 0)
		_exit(0);
}

static void ask_for_kill(struct supervisor *supervisor)
{
	supervisor->ask_again_ms = clock_now_ms() + KILL_AGAIN_MS;
	report(supervisor->config, REPORT_KILL);
}

static void begin_kill(struct supervisor *supervisor)
{
	supervisor->is_killing = true;
	ask_for_kill(supervisor);
}

static void handle_server(struct supervisor *supervisor)
{
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	struct guest_wire_message message;
	ssize_t got = recv(supervisor->status_fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0 && guest_wire_decode(&message, packet, (size_t)got) == 0 &&
	    message.type == GUEST_WIRE_KILL) {
		begin_kill(supervisor);
		return;
	}
	/* The server has left, or talks nonsense. */
	cleanup_fd(&supervisor->status_fd);
	if (!supervisor->has_reported_end)
		begin_kill(supervisor);
}

ATTR_NORETURN static void supervise(struct supervisor *supervisor)
{
	for (;;) {
		struct pollfd ready[] = {
			{ supervisor->config->signal_fd, POLLIN, 0 },
			{ supervisor->config->report_fd, 0, 0 },
			{ supervisor->status_fd, POLLIN, 0 },
		};
		struct signalfd_siginfo signal;

		(void)poll(ready, ARRAY_LENGTH(ready),
			   supervisor->is_killing ? clock_poll_timeout(supervisor->ask_again_ms)
						  : -1);

		if (ready[1].revents)
			end_without_guest(supervisor->config);
		while (ready[0].revents && read(supervisor->config->signal_fd, &signal,
						sizeof(signal)) == sizeof(signal))
			;
		reap(supervisor);
		if (ready[2].revents)
			handle_server(supervisor);
		/* Whatever else happens: what escaped may keep us busy with its dead. */
		if (supervisor->is_killing && clock_now_ms() >= supervisor->ask_again_ms)
			ask_for_kill(supervisor);
	}
}

static void confine(const struct supervisor_config *config)
{
	const struct guest_config *guest = config->guest;
	struct error err = ERROR_INIT;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (guest->confine_spare && guest->confine_spare(guest->context, &err) < 0) {
		(void)!write(STDERR_FILENO, err.message, strlen(err.message));
		(void)!write(STDERR_FILENO, "\n", 1);
		report(config, REPORT_BROKEN);
		_exit(0);
	}
	/* Changing credentials makes a process dumpable again. */
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static int begin(struct supervisor *supervisor, const struct guest_wire_message *message,
		 int fds[RECEIVE_FDS])
{
	if (message->type == GUEST_WIRE_SAVE)
		return start_save(supervisor, &message->save, &fds[GUEST_WIRE_SAVE_FD_DATA]);
	return start_and_tell(supervisor, &message->exec, fds);
}

void supervisor_run(const struct supervisor_config *config)
{
	struct supervisor supervisor = { .config = config, .status_fd = -1 };
	struct guest_wire_message message;
	int fds[RECEIVE_FDS];

	confine(config);
	take_request(config, &message, fds);
	(void)close(config->guest->socket_fd);
	supervisor.status_fd = fds[receive_status_place(&message)];
	supervisor.reports_for_itself = message.type == GUEST_WIRE_SAVE;
	if (begin(&supervisor, &message, fds) < 0)
		_exit(0);
	reap(&supervisor);
	supervise(&supervisor);
}
