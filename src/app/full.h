/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Two executables from the same sources: `kilntainers` links little and starts in
 * a millisecond; `kilntainers-full` also has what most runs never need, such as
 * the archive reader. The small one becomes the full one at once when the options
 * ask for that, so nobody has to know. full_here.c is linked into the full one,
 * full_elsewhere.c into the small one. Main thread, before anything was started.
 */

#include "app/options.h"

/* 0: this executable has what is asked for. -1: another has it and could not be started
 * (CONFIG). Does not return if it could: `argv` is what main got. */
int full_take_over(const struct options *options, char **argv, char *const *environment,
		   struct error *err);
