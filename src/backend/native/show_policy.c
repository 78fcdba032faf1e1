/* SPDX-License-Identifier: MIT */
#include "backend/native/show_policy.h"

#include "backend/native/image_hidden.h"
#include "base/attr.h"
#include "base/limits.h"
#include "zygote/policy.h"
#include "zygote/seccomp_summary.h"

#include <stdbool.h>
#include <string.h>

#define COLUMNS 80

/* Words one after another, in lines of their own. */
struct list {
	struct buf *out;
	size_t column;
	bool is_empty;
};

static void begin_list(struct list *list, struct buf *out)
{
	*list = (struct list){ .out = out, .is_empty = true };
}

static void append_word(struct list *list, const char *word)
{
	if (list->is_empty || list->column + 1 + strlen(word) > COLUMNS) {
		(void)buf_printf(list->out, "%s    ", list->is_empty ? "" : "\n");
		list->column = 3;
	} else {
		(void)buf_append_byte(list->out, ' ');
	}
	(void)buf_append_string(list->out, word);
	list->column += 1 + strlen(word);
	list->is_empty = false;
}

static void end_list(struct list *list)
{
	(void)buf_append_string(list->out, list->is_empty ? "    -\n" : "\n");
}

static void append_list(struct buf *out, const char *const *words)
{
	struct list list;

	begin_list(&list, out);
	for (; *words; words++)
		append_word(&list, *words);
	end_list(&list);
}

/* --- system calls -------------------------------------------------------------- */

static bool depends_on_arguments(size_t i)
{
	return seccomp_summary[i].when[0] != '\0';
}

static size_t count_calls(const char *verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(seccomp_summary); i++)
		count += !depends_on_arguments(i) &&
			 strcmp(seccomp_summary[i].verdict, verdict) == 0;
	return count;
}

static void append_calls(struct buf *out, const char *verdict)
{
	struct list list;

	begin_list(&list, out);
	for (size_t i = 0; i < ARRAY_LENGTH(seccomp_summary); i++) {
		if (!depends_on_arguments(i) && strcmp(seccomp_summary[i].verdict, verdict) == 0)
			append_word(&list, seccomp_summary[i].call);
	}
	end_list(&list);
}

static void append_rule(struct buf *out, size_t i)
{
	const char *verdict = seccomp_summary[i].verdict;
	bool is_allowed = strcmp(verdict, "allow") == 0;
	bool is_last = strcmp(seccomp_summary[i].when, "otherwise") == 0;

	if (i == 0 || strcmp(seccomp_summary[i].call, seccomp_summary[i - 1].call) != 0)
		(void)buf_printf(out, "    %s\n", seccomp_summary[i].call);
	(void)buf_printf(out, "      %s%s%s%s\n", is_allowed ? "allowed" : "refused with ",
			 is_allowed ? "" : verdict, is_last ? " " : " if ",
			 seccomp_summary[i].when);
}

static void append_system_calls(struct buf *out)
{
	(void)buf_printf(out,
			 "System calls (" SECCOMP_ARCHITECTURE
			 "), %zu allowed with any arguments; refused with EPERM:\n",
			 count_calls("allow"));
	append_calls(out, "EPERM");
	(void)buf_append_string(out,
				"  refused with ENOSYS, and so is whatever has no name here:\n");
	append_calls(out, "ENOSYS");
	(void)buf_append_string(out, "  answered as done, without being done:\n");
	append_calls(out, "0");
	(void)buf_append_string(out, "  by their arguments, the first line that fits:\n");
	for (size_t i = 0; i < ARRAY_LENGTH(seccomp_summary); i++) {
		if (depends_on_arguments(i))
			append_rule(out, i);
	}
}

/* --- files ----------------------------------------------------------------------- */

static void append_nodes(struct buf *out)
{
	struct list list;

	begin_list(&list, out);
	for (size_t i = 0; i < POLICY_NODES; i++)
		append_word(&list, policy_nodes[i].name);
	end_list(&list);
}

static void append_hidden(struct buf *out)
{
	for (size_t i = 0; image_hidden_defaults[i]; i++)
		(void)buf_printf(out, "    /%s\n", image_hidden_defaults[i]);
	(void)buf_append_string(out, "    any .git near the top of the trees\n");
}

static void append_files(struct buf *out)
{
	static const char sys_and_dev[] =
		"\n/sys is an empty directory.\n\n"
		"/dev is read-only and holds, beside terminals, shared memory and message queues\n"
		"of the sandbox's own:\n";
	static const char host[] =
		"\nWith --image host a sandbox sees of this machine /usr (with /bin, /sbin and\n"
		"/lib*), what its programs need of /etc, and nothing else. These look empty:\n";

	(void)buf_append_string(out, "\n/proc, files that read as empty:\n");
	append_list(out, policy_masked_files);
	(void)buf_append_string(out, "  directories that look empty:\n");
	append_list(out, policy_masked_directories);
	(void)buf_append_string(out, "  read-only:\n");
	append_list(out, policy_read_only_directories);
	(void)buf_append_string(out, sys_and_dev);
	append_nodes(out);
	(void)buf_append_string(out, host);
	append_hidden(out);
}

/* --- rights ---------------------------------------------------------------------- */

static void append_rights(struct buf *out)
{
	struct list list;

	(void)buf_append_string(out,
				"\nCapabilities of root in a sandbox, over the sandbox alone; no "
				"others can be had:\n");
	begin_list(&list, out);
	for (size_t i = 0; policy_capabilities[i].name; i++)
		append_word(&list, policy_capabilities[i].name);
	end_list(&list);
	(void)buf_append_string(out, "\nKernel settings of a sandbox's own namespaces:\n");
	for (size_t i = 0; policy_settings[i].path; i++)
		(void)buf_printf(out, "    %s = %s\n", policy_settings[i].path,
				 policy_settings[i].value);
	(void)buf_append_string(out,
				"\nLimits of each process, where they were not lower already:\n");
	for (size_t i = 0; policy_limits[i].name; i++)
		(void)buf_printf(out, "    %s %lu\n", policy_limits[i].name,
				 policy_limits[i].value);
	(void)buf_printf(out, "    open files %d, and %d unless raised\n", (int)LIMIT_NOFILE_HARD,
			 (int)LIMIT_NOFILE_SOFT);
}

void show_policy(struct buf *out)
{
	append_system_calls(out);
	append_files(out);
	append_rights(out);
}
