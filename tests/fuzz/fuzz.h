/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What every fuzz target defines. A target is small, reads all of its input
 * through one parser, walks whatever the parser accepted, and asserts what must
 * hold then. tests/fuzz/targets.txt names the targets, the room each one links,
 * and the files whose lines its seed corpus must reach.
 */

#include <stddef.h>
#include <stdint.h>

/* Returns 0; libFuzzer owns the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
