/* SPDX-License-Identifier: MIT */
#include "zygote/seccomp_compile.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

/* Every jump lands inside, and the last instruction returns. */
static void check_program(const struct seccomp_program *program)
{
	assert(program->count > 0 && program->count <= SECCOMP_MAX_INSTRUCTIONS);
	assert(program->code[program->count - 1].code == (BPF_RET | BPF_K));
	for (size_t i = 0; i < program->count; i++) {
		const struct sock_filter *code = &program->code[i];

		if (code->code == (BPF_JMP | BPF_JA))
			assert(i + 1 + code->k < program->count);
		else if (BPF_CLASS(code->code) == BPF_JMP)
			assert(i + 1 + code->jt < program->count &&
			       i + 1 + code->jf < program->count);
		else if (BPF_CLASS(code->code) == BPF_LD)
			assert(code->k % 4 == 0 && code->k < sizeof(struct seccomp_data));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char headers[] = "#define __NR_read 0\n#define __NR_write 1\n"
				      "#define __NR_socket 41\n#define __NR_clone 56\n";
	static struct seccomp_numbers numbers;
	static struct seccomp_numbers hostile;
	static struct seccomp_policy policy;
	static struct seccomp_program program;

	if (seccomp_numbers_parse((const char *)data, size, &hostile, NULL) == 0)
		for (size_t i = 0; i < hostile.count; i++)
			assert(hostile.calls[i].number <= SECCOMP_MAX_NUMBER);
	assert(seccomp_numbers_parse(headers, sizeof(headers) - 1, &numbers, NULL) == 0);
	if (seccomp_policy_parse((const char *)data, size, &numbers, &policy, NULL) < 0)
		return 0;
	for (enum seccomp_audience audience = SECCOMP_FOR_GUEST; audience <= SECCOMP_FOR_COMMAND;
	     audience++)
		if (seccomp_compile(&policy, AUDIT_ARCH_X86_64, audience, &program, NULL) == 0)
			check_program(&program);
	return 0;
}
