/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Keeping what a command printed: a pair of files that the sandbox's own
 * programs can read later. Runs in a process with the rights of a command and
 * nothing more (a child of a supervisor), so that whatever a hostile command
 * plants in the way leads only where it could have written itself. No program is
 * run, no symbolic link followed, nothing that is there already written to.
 */

#include "guest_wire/guest_wire.h"

/*
 * Reads both streams from `data_fd` and writes them below GUEST_WIRE_SAVE_DIRECTORY in
 * `directory` (absolute, without "..", and no part of it a symbolic link). On failure -1 with
 * *failed, and what was made is removed again. May wait for data, and for a hostile sandbox: who
 * asked for it has a deadline and kills it.
 */
int save_output(const char *directory, const struct guest_wire_save *save, int data_fd,
		struct guest_wire_failed *failed);
