/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The status page (docs/status-page.md), embedded: status_page.html, byte for
 * byte, and the Content-Security-Policy that it has to be sent with. Both are
 * made by the build (make-status-page), the policy from the bytes, so that its
 * hashes are always theirs. Constant; any thread.
 */

#include <stddef.h>

struct status_page {
	const char *html;		     /* UTF-8, and a NUL behind it */
	size_t bytes;			     /* without the NUL */
	const char *content_security_policy; /* the header's value */
};

extern const struct status_page status_page;
