/* SPDX-License-Identifier: MIT */
#include "guest/guest.h"

/*
 * Theory of operation.
 *
 *   server ──(sandbox's socket)── guest ─┬─ spare            waits for EXEC or SAVE on it
 *                                        ├─ supervisor ─ command ─ ...
 *                                        └─ supervisor ─ command ─ ...
 *
 * The spare, not the guest, takes an EXEC off the socket, starts the command, and says so
 * (REPORT_TAKEN; that late because the guest's fork would compete with the start). It is a
 * supervisor from then on, and the guest forks the next spare. A SAVE goes the same way, with a
 * process of ours in the command's place. Only if it cannot (the sandbox is
 * out of processes) does the guest read the socket itself, to answer FAILED instead of nothing.
 *
 * The guest alone freezes and kills, whoever asks: so no two freezes overlap, and nobody who can
 * be killed in between holds the sandbox stopped. A supervisor asks with REPORT_KILL.
 *
 * Children of the guest are its supervisors and nobody else, because a supervisor inherits every
 * orphan below it and leaves only when it has none. A child that is no supervisor is therefore
 * the orphan of a supervisor that was murdered by its own command: it is killed.
 *
 * A stopped supervisor or spare (the payload may send SIGSTOP to its own uid) is sent SIGCONT at
 * once. Killing and replacing it would lose an EXEC that it had already taken.
 */

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "guest/kill.h"
#include "guest/receive.h"
#include "guest/supervisor.h"
#include "guest_wire/build_id.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A guest that is not PID 1 takes what is below it along; longer than this it does not wait. */
#define LEAVE_MS 1000
/* From guest to supervisor, and from supervisor to command, in thousandths of the memory that there
 * is: far more than either of them holds. */
#define OOM_SCORE_STEP 50
#define OOM_SCORE_MAX 1000
#define KERNEL_SIGSET_BYTES 8

struct guest {
	const struct guest_config *config;
	int signal_fd;
	int reports[2]; /* ours, the supervisors' */
	int proc_fd;	/* -1 without /proc: then nothing can be killed one by one */
	int oom_score;	/* its own, where it is known */
	pid_t spare;	/* 0: none */
	size_t supervisor_count;
	/* The spare among them, wherever it stands. */
	pid_t supervisors[LIMIT_GUEST_SUPERVISORS];
};

static struct guest guest = { .signal_fd = -1, .reports = { -1, -1 }, .proc_fd = -1 };

static void fail(const char *what)
{
	struct error err = ERROR_INIT;

	(void)error_set_errno(&err, "kilntainers guest: %s", what);
	(void)!write(STDERR_FILENO, err.message, strlen(err.message));
	(void)!write(STDERR_FILENO, "\n", 1);
	_exit(70);
}

/* Ends the guest. PID 1 takes everything along by ending; elsewhere it must be done by hand. */
ATTR_NORETURN static void leave(void)
{
	struct kill_scope scope = { .root = getpid() };
	uint64_t deadline_ms = clock_now_ms() + LEAVE_MS;

	if (getpid() == 1)
		_exit(0);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && clock_now_ms() < deadline_ms) {
		(void)kill_scope(&scope, guest.proc_fd);
		(void)poll(NULL, 0, 1);
	}
	_exit(0);
}

/* Kills what is below `root`. `tagged`: the supervisor whose command it is. */
static void kill_below(pid_t root, pid_t tagged)
{
	struct kill_scope scope = {
		.root = root,
		.spared = guest.supervisors,
		.spared_count = guest.supervisor_count,
		.is_tagged = guest.config->is_tagged,
		.context = guest.config->context,
		.tagged = tagged,
	};

	/* If it fails the supervisor asks again, or the server ends the sandbox. */
	(void)kill_scope(&scope, guest.proc_fd);
}

static bool is_supervisor(pid_t pid)
{
	for (size_t i = 0; i < guest.supervisor_count; i++) {
		if (guest.supervisors[i] == pid)
			return true;
	}
	return false;
}

static void forget_supervisor(pid_t pid)
{
	for (size_t i = 0; i < guest.supervisor_count; i++) {
		if (guest.supervisors[i] == pid) {
			guest.supervisors[i] = guest.supervisors[--guest.supervisor_count];
			return;
		}
	}
}

static int score_above(int score)
{
	return score + OOM_SCORE_STEP < OOM_SCORE_MAX ? score + OOM_SCORE_STEP : OOM_SCORE_MAX;
}

static void set_oom_score(int score)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", score);

	if (guest.config->oom_fd > 0)
		(void)!pwrite(guest.config->oom_fd, text, (size_t)length, 0);
}

/* When memory runs out, the command that took it goes first: only then is what it held in files
 * without a name gone before anyone here needs memory to tell of it. */
static int oom_score_of_commands(void)
{
	return guest.config->oom_fd > 0 ? score_above(score_above(guest.oom_score)) : 0;
}

static void read_oom_score(void)
{
	char text[16] = "";

	if (guest.config->oom_fd > 0 && pread(guest.config->oom_fd, text, sizeof(text) - 1, 0) > 0)
		guest.oom_score = (int)strtol(text, NULL, 10);
}

/* A spare inherits the score that the guest has at that moment: supervisors go before their guest
 * when memory runs out. */
static pid_t fork_spare(void)
{
	pid_t pid;

	set_oom_score(score_above(guest.oom_score));
	pid = fork();
	if (pid != 0)
		set_oom_score(guest.oom_score);
	else if (guest.config->oom_fd > 0)
		(void)close(guest.config->oom_fd);
	return pid;
}

static void ensure_spare(void)
{
	struct supervisor_config config = { guest.config, guest.signal_fd, guest.reports[1],
					    guest.proc_fd, oom_score_of_commands() };
	pid_t pid;

	if (guest.spare > 0 || guest.supervisor_count == LIMIT_GUEST_SUPERVISORS)
		return;
	pid = fork_spare();
	if (pid == 0) {
		cleanup_fd(&guest.reports[0]);
		supervisor_run(&config);
	}
	if (pid < 0)
		return;
	guest.spare = pid;
	guest.supervisors[guest.supervisor_count++] = pid;
}

static void handle_report(const struct report *report)
{
	switch (report->event) {
	case REPORT_TAKEN:
		if (guest.spare == report->pid)
			guest.spare = 0;
		return;
	case REPORT_KILL:
		if (is_supervisor(report->pid))
			kill_below(report->pid, report->pid);
		return;
	default:
		leave();
	}
}

static void handle_reports(void)
{
	struct report report;

	while (recv(guest.reports[0], &report, sizeof(report), MSG_DONTWAIT) == sizeof(report)) {
		handle_report(&report);
		ensure_spare();
	}
}

static void handle_child(pid_t pid, int status)
{
	if (!is_supervisor(pid))
		return;
	if (WIFSTOPPED(status)) {
		(void)kill(pid, SIGCONT);
		return;
	}
	forget_supervisor(pid);
	if (guest.spare == pid)
		guest.spare = 0;
	if (WIFSIGNALED(status))
		kill_below(getpid(), pid);
}

/* The one place where the guest reaps. */
static void handle_signals(void)
{
	struct signalfd_siginfo signal;
	int status;
	pid_t pid;

	while (read(guest.signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
		if (signal.ssi_signo == SIGTERM)
			leave();
	}
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
		handle_child(pid, status);
}

/* Without a spare: takes one message and refuses what it asks. */
static void refuse_request(void)
{
	struct guest_wire_message message;
	int fds[RECEIVE_FDS];
	int status_place;

	switch (receive_message(guest.config->socket_fd, &message, fds)) {
	case RECEIVE_NOTHING:
		return;
	case RECEIVE_END:
	case RECEIVE_BROKEN:
		leave();
	case RECEIVE_MESSAGE:
		break;
	}
	status_place = receive_status_place(&message);
	if (status_place < 0)
		leave();
	send_failure(fds[status_place], GUEST_WIRE_STEP_PROCESS, EAGAIN);
	close_fds(fds, RECEIVE_FDS);
}

ATTR_NORETURN static void serve(void)
{
	for (;;) {
		struct pollfd ready[] = {
			{ guest.config->socket_fd, guest.spare > 0 ? 0 : POLLIN, 0 },
			{ guest.signal_fd, POLLIN, 0 },
			{ guest.reports[0], POLLIN, 0 },
		};

		if (poll(ready, ARRAY_LENGTH(ready), clock_poll_timeout(kill_settle_ms())) < 0)
			continue;
		if (clock_now_ms() >= kill_settle_ms())
			kill_settle(guest.proc_fd);
		if (ready[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			leave();
		/* Reports first: what a dead supervisor still said counts. */
		handle_reports();
		if (ready[1].revents)
			handle_signals();
		ensure_spare();
		if ((ready[0].revents & POLLIN) && guest.spare == 0)
			refuse_request();
	}
}

static void say_ready(void)
{
	struct guest_wire_message message = { .type = GUEST_WIRE_READY };
	unsigned char packet[GUEST_WIRE_MAX_BYTES];
	size_t bytes;

	memcpy(message.ready.build_id, guest_build_id, sizeof(guest_build_id));
	bytes = guest_wire_encode(packet, &message);
	if (send(guest.config->socket_fd, packet, bytes, MSG_NOSIGNAL) < 0)
		fail("announcing itself to the server");
}

/* Descriptors 0 to 2 must be taken, or a command's pipe could arrive as one of them. */
static void fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			fd = open("/", O_PATH);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/* By the system call, because the C library keeps its own signals (32 to 34) from us: a server
 * that inherited one as ignored would pass it on to every command. */
static void reset_dispositions(void)
{
	/* The kernel's struct sigaction is no longer than this, and all zero is SIG_DFL. */
	static const char default_action[64];

	for (int number = 1; number < NSIG; number++)
		(void)syscall(SYS_rt_sigaction, number, default_action, NULL, KERNEL_SIGSET_BYTES);
}

static void take_signals(void)
{
	sigset_t handled;

	reset_dispositions();
	(void)sigemptyset(&handled);
	(void)sigaddset(&handled, SIGCHLD);
	(void)sigaddset(&handled, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &handled, NULL);
	guest.signal_fd = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
	if (guest.signal_fd < 0)
		fail("waiting for signals");
}

void guest_run(const struct guest_config *config)
{
	guest.config = config;
	fill_stdio();
	(void)fcntl(config->socket_fd, F_SETFD, FD_CLOEXEC);
	take_signals();
	read_oom_score();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guest.reports) < 0)
		fail("creating a socket pair");
	guest.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Nothing inside may trace it or read its memory, though it has the same uid. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	ensure_spare();
	say_ready();
	serve();
}
