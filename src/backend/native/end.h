/* SPDX-License-Identifier: MIT */
#pragma once

/* The end of a sandbox's PID 1, with which all its processes end. Any thread. */

#include <stdbool.h>

/* Harmless after its death. */
void end_kill(int pidfd);
/* Waits until it is dead; false if the kernel did not manage within some seconds. */
bool end_wait(int pidfd);
/* After its death: why, as a phrase. */
const char *end_cause(int pidfd);
