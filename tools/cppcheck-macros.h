/* SPDX-License-Identifier: MIT */

/* What cppcheck needs to know of libraries whose headers it does not read. */
#define DL_FOREACH(head, each) for (each = head; each; each = (each)->next)
#define DL_FOREACH2(head, each, following) for (each = head; each; each = (each)->following)
#define DL_FOREACH_SAFE(head, each, kept) for (each = head; each; each = kept)
#define HASH_ITER(handle, head, each, kept) for (each = head; each; each = kept)
#define LL_FOREACH(head, each) for (each = head; each; each = (each)->next)
