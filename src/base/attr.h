/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Compiler attributes under one spelling each. This is the only place (with
 * backend/registry.c) where #if may ask what the compiler is: everything else
 * uses these names and reads the same on gcc 12, clang 14 and clang 19.
 */

#define ATTR_PRINTF(format_index, first_argument)                                                  \
	__attribute__((format(printf, format_index, first_argument)))
#define ATTR_NODISCARD __attribute__((warn_unused_result))
#define ATTR_NORETURN __attribute__((noreturn))
#define ATTR_UNUSED __attribute__((unused))
#define ATTR_FALLTHROUGH __attribute__((fallthrough))

/* gcc checks that what this function returns reaches `release`; clang refuses the form. */
#if defined(__GNUC__) && !defined(__clang__)
#define ATTR_RELEASED_BY(release) __attribute__((malloc, malloc(release, 1)))
#else
#define ATTR_RELEASED_BY(release) __attribute__((malloc))
#endif

/* Ties a flexible array to its length where -fsanitize=bounds can use it. */
#if defined(__has_attribute)
#if __has_attribute(counted_by)
#define ATTR_COUNTED_BY(member) __attribute__((counted_by(member)))
#endif
#endif
#ifndef ATTR_COUNTED_BY
#define ATTR_COUNTED_BY(member)
#endif

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The object of type `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
	((type *)((char *)(pointer) - __builtin_offsetof(type, member)))
