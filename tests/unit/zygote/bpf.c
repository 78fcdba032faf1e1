/* SPDX-License-Identifier: MIT */
#include "tests/unit/zygote/bpf.h"

#include <string.h>

uint32_t bpf_run(const struct sock_filter *code, size_t count, const struct seccomp_data *data)
{
	uint32_t accumulator = 0;

	/* Jumps only go forward, so this ends. */
	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *now = &code[at];

		switch (now->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (now->k % 4 != 0 || now->k > sizeof(*data) - 4)
				return BPF_MALFORMED;
			memcpy(&accumulator, (const char *)data + now->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			accumulator &= now->k;
			break;
		case BPF_JMP | BPF_JA:
			if (now->k >= count)
				return BPF_MALFORMED;
			at += now->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += accumulator == now->k ? now->jt : now->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += accumulator >= now->k ? now->jt : now->jf;
			break;
		case BPF_RET | BPF_K:
			return now->k;
		default:
			return BPF_MALFORMED;
		}
	}
	return BPF_MALFORMED;
}
