/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a native sandbox is denied and what is hidden from it, in words, for
 * `doctor --show-policy`. All of it is read from what applies it: zygote/policy.c,
 * zygote/seccomp.policy and image_hidden.c.
 */

#include "base/buf.h"

void show_policy(struct buf *out);
