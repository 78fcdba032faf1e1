/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How sandboxes' files are laid out on this machine (enum zygote_layering). Any
 * thread.
 */

#include "zygote/zygote.h"

#include <stdbool.h>

/* From Linux 6.6 files in memory have user attributes, which an ordinary user's overlay needs to
 * say that a new directory has nothing to do with the image's of that name. */
bool layering_has_attributes(void);

/* For sandboxes of the image that is called `image` (image_is_host). */
enum zygote_layering layering_choose(enum zygote_id_mode id_mode, const char *image);

/* What an agent should know of it, as a sentence; "" if it finds nothing amiss. */
const char *layering_caveat(enum zygote_layering layering);
