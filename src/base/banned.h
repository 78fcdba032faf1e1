/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Functions that this program never calls, as compile errors. The build forces
 * this header into every translation unit of ours (-include). Each group says
 * what to use instead.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BANNED(function) sorry_##function##_is_banned_see_base_banned_h

/* base/buf.h, or snprintf into a checked size */
#undef strcpy
#define strcpy(to, from) BANNED(strcpy)
#undef strncpy
#define strncpy(to, from, bytes) BANNED(strncpy)
#undef strcat
#define strcat(to, from) BANNED(strcat)
#undef strncat
#define strncat(to, from, bytes) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(to, format, arguments) BANNED(vsprintf)

/* strtok_r, gmtime_r, ctime_r: one static result is shared by all threads */
#undef strtok
#define strtok(text, separators) BANNED(strtok)
#undef gmtime
#define gmtime(time) BANNED(gmtime)
#undef localtime
#define localtime(time) BANNED(localtime)
#undef ctime
#define ctime(time) BANNED(ctime)
#undef asctime
#define asctime(calendar) BANNED(asctime)

/* base/number.h: strict, and says what was wrong */
#undef atoi
#define atoi(text) BANNED(atoi)
#undef atol
#define atol(text) BANNED(atol)
#undef atof
#define atof(text) BANNED(atof)

/* proc/spawn.h: no shell, no fork in the server */
#undef system
#define system(command) BANNED(system)
#undef popen
#define popen(command, mode) BANNED(popen)

/* memfd_create, mkostemp: names that nobody can guess or race */
#undef mktemp
#define mktemp(template) BANNED(mktemp)
#undef tmpnam
#define tmpnam(name) BANNED(tmpnam)

/* poll with a deadline: whoever waits can be cancelled */
#undef sleep
#define sleep(seconds) BANNED(sleep)
#undef usleep
#define usleep(microseconds) BANNED(usleep)
