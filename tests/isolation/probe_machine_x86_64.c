/* SPDX-License-Identifier: MIT */

/* What only x86-64 has. */

#include "tests/isolation/probe_machine.h"

#include "base/attr.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000L
#define I386_GETPID 20
#define I386_MOUNT 21

const struct probe_call probe_machine_calls[] = {
	{ "iopl", SYS_iopl, { 9 } },
	{ "ioperm", SYS_ioperm, { -1, 1, 0 } },
	{ "modify_ldt", SYS_modify_ldt, { 99, 0, 0 } },
	{ "uselib", SYS_uselib, { 0 } },
	{ "ustat", SYS_ustat, { 0, 0 } },
	{ "sysfs", SYS_sysfs, { 3, 0, 0 } },
	{ "x32-getpid", SYS_getpid | X32_BIT, { 0 } },
	{ "x32-mount", SYS_mount | X32_BIT, { 0 } },
	{ "x32-read", 0 | X32_BIT, { 0 } },
};
const size_t probe_machine_call_count = ARRAY_LENGTH(probe_machine_calls);

static int call_i386(int number)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0), "c"(0) : "memory");
	return result < 0 ? (int)-result : 0;
}

static int get_pid_as_i386(void)
{
	return call_i386(I386_GETPID);
}

static int mount_as_i386(void)
{
	return call_i386(I386_MOUNT);
}

const struct probe_check probe_machine_checks[] = {
	{ "i386-getpid", get_pid_as_i386 },
	{ "i386-mount", mount_as_i386 },
};
const size_t probe_machine_check_count = ARRAY_LENGTH(probe_machine_checks);
