/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A one-way flag that a blocking call can poll(2) beside its other descriptors.
 * Any thread may raise it, once or often; it never goes down. Its owner must
 * outlive everyone who polls it.
 */

#include "base/error.h"

#include <stdbool.h>

struct cancel {
	int fd; /* an eventfd; readable once raised */
};

int cancel_init(struct cancel *cancel, struct error *err);
void cancel_finish(struct cancel *cancel);
void cancel_raise(struct cancel *cancel);
/* `cancel` may be NULL: then never. */
bool cancel_is_raised(const struct cancel *cancel);
