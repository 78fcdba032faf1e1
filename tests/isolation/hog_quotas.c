/* SPDX-License-Identifier: MIT */
#include "hog.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The kernel's SCM_MAX_FD. */
#define PACKET_FDS 250
#define LOCKED_BYTES (64 << 10)
#define MEMORY_BYTES (1 << 20)
#define BUFFER_BYTES (32 << 10)

/* Of everything that has a name: host and sandbox must not meet by chance. */
static unsigned next_number;

static int take_in_flight(void)
{
	static int sockets[2] = { -1, -1 };
	int fds[PACKET_FDS];
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr header;
	} control = { 0 };
	static char byte[] = "x";
	struct iovec data = { byte, 1 };
	struct msghdr header = { .msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };

	memset(fds, 0, sizeof(fds));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	if (sockets[0] >= 0 && sendmsg(sockets[0], &header, MSG_DONTWAIT) > 0)
		return 0;
	if (sockets[0] >= 0 && errno != EAGAIN)
		return -1;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) < 0)
		return -1;
	return sendmsg(sockets[0], &header, MSG_DONTWAIT) > 0 ? 0 : -1;
}

static int take_pipe(void)
{
	int pair[2];

	return pipe(pair);
}

static int take_inotify(void)
{
	return inotify_init1(0) < 0 ? -1 : 0;
}

static int take_watch(void)
{
	static int fd = -1;
	char name[64];

	if (fd < 0)
		fd = inotify_init1(0);
	(void)snprintf(name, sizeof(name), "/tmp/hog-%d-%u", (int)getpid(), next_number++);
	if (fd < 0 || mkdir(name, 0700) < 0)
		return -1;
	if (inotify_add_watch(fd, name, IN_CREATE) < 0)
		return -1;
	/* The watch goes with the directory, so it stays; except outside of a sandbox. */
	return access("/workspace", F_OK) < 0 ? rmdir(name) : 0;
}

static int take_epoll(void)
{
	static int event = -1;
	int fd = epoll_create1(0);
	struct epoll_event interest = { .events = EPOLLIN };

	if (event < 0)
		event = eventfd(0, 0);
	return fd < 0 ? -1 : epoll_ctl(fd, EPOLL_CTL_ADD, event, &interest);
}

static int take_key(void)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "hog-%u", next_number++);
	/* -1: the keyring of this thread. */
	return syscall(SYS_add_key, "user", name, "x", 1, -1) < 0 ? -1 : 0;
}

static int take_terminal(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0 ? -1 : 0;
}

static int take_process(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	if (pid > 0 && access("/workspace", F_OK) < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return pid < 0 ? -1 : 0;
}

static int take_segment(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	/* The host's outlive their maker. */
	if (id >= 0 && access("/workspace", F_OK) < 0)
		return shmctl(id, IPC_RMID, NULL);
	return id < 0 ? -1 : 0;
}

static int take_messages(void)
{
	int id = msgget(IPC_PRIVATE, 0600);

	if (id >= 0 && access("/workspace", F_OK) < 0)
		return msgctl(id, IPC_RMID, NULL);
	return id < 0 ? -1 : 0;
}

static int take_semaphores(void)
{
	int id = semget(IPC_PRIVATE, 1, 0600);

	if (id >= 0 && access("/workspace", F_OK) < 0)
		return semctl(id, 0, IPC_RMID);
	return id < 0 ? -1 : 0;
}

static int take_queue(void)
{
	char name[48];
	mqd_t queue;

	(void)snprintf(name, sizeof(name), "/hog-%d-%u", (int)getpid(), next_number++);
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	if (queue == (mqd_t)-1)
		return -1;
	return mq_unlink(name);
}

static int take_locked(void)
{
	void *memory = mmap(NULL, LOCKED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	return memory == MAP_FAILED ? -1 : mlock(memory, LOCKED_BYTES);
}

static int take_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	return timer_create(CLOCK_MONOTONIC, &event, &timer);
}

static int take_signal(void)
{
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGRTMIN);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	return sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 });
}

/* Old asynchronous input and output: the whole machine has one number of requests. */
static int take_requests(void)
{
	unsigned long context = 0;

	return syscall(SYS_io_setup, 1024, &context) < 0 ? -1 : 0;
}

/* A file of the host that every sandbox sees. */
static int take_lock(void)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd = open("/usr/bin/env", O_RDONLY);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return fcntl(fd, F_SETLK, &lock);
}

static int take_memory_file(void)
{
	static const char zeros[MEMORY_BYTES];
	int fd = memfd_create("hog", 0);

	if (fd < 0)
		return -1;
	return write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros) ? 0 : -1;
}

/* The same without touching it: what is written by the kernel adds nothing to a process's size. */
static int take_allocated_file(void)
{
	int fd = memfd_create("hog", 0);

	return fd < 0 ? -1 : fallocate(fd, 0, 0, MEMORY_BYTES);
}

/* What was sent and is not read yet. */
static int take_buffers(void)
{
	static const char zeros[BUFFER_BYTES];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	while (send(pair[0], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
		;
	return 0;
}

const struct hog_quota hog_quotas[] = {
	{ "in-flight", take_in_flight, 1000 },
	{ "pipes", take_pipe, 1800 },
	{ "inotify", take_inotify, 1000 },
	{ "watches", take_watch, 20000 },
	{ "epoll", take_epoll, 4000 },
	{ "keys", take_key, 1000 },
	{ "terminals", take_terminal, 1000 },
	{ "processes", take_process, 20000 },
	{ "segments", take_segment, 5000 },
	{ "messages", take_messages, 40000 },
	{ "semaphores", take_semaphores, 40000 },
	{ "queues", take_queue, 10000 },
	{ "locked-memory", take_locked, 10000 },
	{ "timers", take_timer, 1000000 },
	{ "signals", take_signal, 1000000 },
	{ "requests", take_requests, 1000 },
	{ "locks", take_lock, 1 },
	{ "memory-files", take_memory_file, 300 },
	{ "allocated-files", take_allocated_file, 300 },
	{ "buffers", take_buffers, 1000 },
	{ NULL, NULL, 0 },
};
