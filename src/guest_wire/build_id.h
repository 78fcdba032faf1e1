/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which build the guest is of: a hash over everything compiled into the static
 * executable but itself, made by the build. Server and guest hold the same
 * constant; a guest that announces another one is refused.
 */

#include "guest_wire/guest_wire.h"

extern const unsigned char guest_build_id[GUEST_WIRE_BUILD_ID_BYTES];
