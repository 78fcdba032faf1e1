/* SPDX-License-Identifier: MIT */
#include "mcp/tools.h"

#include "base/escape.h"
#include "base/limits.h"
#include "base/number.h"
#include "mcp/encode.h"
#include "mcp/fixtures.h"
#include "mcp/sandbox_exec.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

/* How much is told; less when the whole would be too long. What does not work comes before what is
 * there: a program can be looked for. */
enum detail { DETAIL_GENERIC, DETAIL_FACTS, DETAIL_CAVEATS, DETAIL_ALL };

/* A fact comes from an image or from the user: nothing in it may hide or reorder text. */
static void append_fact(struct buf *out, const char *before, const char *fact, const char *after)
{
	if (!fact[0])
		return;
	(void)buf_append_string(out, before);
	(void)escape_append(out, fact, strlen(fact), strlen(fact), ESCAPE_TEXT);
	(void)buf_append_string(out, after);
}

/* `known` is NULL as long as nothing is. */
static const char *network_text(const struct exec_facts *known)
{
	if (!known)
		return "";
	return known->has_network ? "; with network access"
				  : "; no network, so downloads and package installs fail";
}

static void append_place(struct buf *out, const struct exec_facts *facts,
			 const struct exec_facts *known)
{
	(void)buf_append_string(out, "Run a command in your own isolated Linux sandbox (");
	append_fact(out, "", facts->system, ", ");
	append_fact(out, "image ", facts->image, ", ");
	append_fact(out, "", facts->user, " inside; ");
	(void)buf_append_string(out, "none of the host's files or secrets");
	(void)buf_append_string(out, network_text(known));
	(void)buf_append_string(out, "). ");
}

static void append_modes(struct buf *out, const char *shell)
{
	if (!shell) {
		(void)buf_append_string(
			out, "Give args (program and arguments): there is no shell, so command is "
			     "refused. ");
		return;
	}
	(void)buf_append_string(out, "Give exactly one of: command (run by ");
	append_fact(out, "", shell, " -c");
	(void)buf_append_string(out, ", so pipes, && and globs work) or args (program and "
				     "arguments, no shell). ");
}

static void append_files(struct buf *out, const struct exec_facts *facts, bool has_shell,
			 enum detail detail)
{
	const char *directory = facts->directory[0] ? facts->directory : "/tmp";

	(void)buf_append_string(out,
				"Files persist between calls; shell variables and cd do not. ");
	append_fact(out, "Commands start in ", facts->directory,
		    " unless working_directory says otherwise. ");
	(void)buf_append_string(out, "There is no terminal, and stdin is empty unless you pass "
				     "stdin. ");
	if (has_shell)
		append_fact(out, "To write a file without quoting trouble: command=\"cat > ",
			    directory, "/a.py\" with the content in stdin. ");
	if (detail >= DETAIL_ALL)
		append_fact(out, "Besides the usual Unix tools there are: ", facts->programs, ". ");
	if (detail >= DETAIL_CAVEATS)
		append_fact(out, "", facts->caveats, " ");
}

static void append_resource(struct buf *out, const char *before, uint64_t bytes, const char *after)
{
	char size[NUMBER_TEXT_BYTES];

	if (bytes == 0)
		return;
	number_format_bytes(size, bytes);
	(void)buf_printf(out, "%s%s%s", before, size, after);
}

static void append_limits(struct buf *out, const struct tools_text *text,
			  const struct exec_facts *facts)
{
	char size[NUMBER_TEXT_BYTES];

	(void)buf_printf(out, "Limits: %" PRIu64 " s per command (", text->timeout_s);
	if (text->max_timeout_s > text->timeout_s)
		(void)buf_printf(out, "pass timeout for more, up to %" PRIu64 "; ",
				 text->max_timeout_s);
	(void)buf_append_string(out, "past it exit_code is 124); ");
	number_format_bytes(size, text->output_limit_bytes);
	(void)buf_append_string(out, size);
	(void)buf_append_string(out, " of output (past it exit_code is 1 and ");
	(void)buf_append_string(out, facts->saves_output
					     ? "the notice in stderr names the file that holds it: "
					       "read it with head, tail or grep)"
					     : "no output is returned: use head, tail or grep)");
	append_resource(out, "; ", facts->disk_bytes, " of files");
	append_resource(out, facts->disk_bytes > 0 ? ", " : "; ", facts->memory_bytes,
			" of memory");
	if (facts->processes > 0)
		(void)buf_printf(out, ", %" PRIu64 " processes", facts->processes);
	(void)buf_append_string(out, ". ");
}

static void append_lasting(struct buf *out, bool has_shell, bool takes_handle)
{
	if (has_shell)
		(void)buf_append_string(out, "To leave a server running: \"server >log 2>&1 &\". ");
	if (takes_handle)
		(void)buf_append_string(
			out, "A call without sandbox_id gets a new sandbox; pass the sandbox_id of "
			     "its result on every later call. If the sandbox dies, its files are "
			     "lost and you are told.");
	else
		(void)buf_append_string(out,
					"If the sandbox dies, its files are lost and you are told; "
					"the next call starts a new one.");
}

/* Sentences end with a space for the next one. */
static void end_paragraph(struct buf *out)
{
	if (out->length > 0 && out->data[out->length - 1] == ' ')
		out->length--;
	(void)buf_append_byte(out, '\n');
}

static void append_description(struct buf *out, const struct tools_text *text, enum detail detail)
{
	static const struct exec_facts nothing;
	bool is_known = detail > DETAIL_GENERIC && text->facts;
	const struct exec_facts *facts = is_known ? text->facts : &nothing;
	bool has_shell = !text->facts || text->facts->shell[0];
	const char *shell = is_known ? facts->shell : "the shell";

	append_place(out, facts, text->facts);
	append_modes(out, has_shell ? shell : NULL);
	(void)buf_append_string(out, "Returns JSON: stdout, stderr, exit_code, exec_duration_ms.");
	end_paragraph(out);
	append_files(out, facts, has_shell, detail);
	end_paragraph(out);
	append_limits(out, text, facts);
	append_lasting(out, has_shell, text->takes_handle);
}

void tools_describe(struct buf *out, const struct tools_text *text)
{
	int detail = DETAIL_ALL;

	if (text->override) {
		(void)buf_append_string(out, text->override);
		return;
	}
	for (;;) {
		struct buf description = BUF_INIT(LIMIT_DESCRIPTION_BYTES);
		bool fits;

		append_description(&description, text, (enum detail)detail);
		fits = !description.failed || detail == DETAIL_GENERIC;
		if (fits)
			(void)buf_append(out, description.data, description.length);
		buf_finish(&description);
		if (fits)
			break;
		detail--;
	}
	if (text->extension) {
		(void)buf_append_string(out, "\n\n");
		(void)buf_append_string(out, text->extension);
	}
}

static void append_property(struct buf *out, const char *name, const char *type,
			    const char *description)
{
	(void)buf_printf(out, "\"%s\":{\"type\":%s,", name, type);
	encode_member(out, "description", description);
	(void)buf_append_string(out, "}");
}

static void append_input_schema(struct buf *out, const struct tools_text *text)
{
	char timeout[128];

	(void)snprintf(timeout, sizeof(timeout),
		       "Seconds the command may run; %" PRIu64 " if absent, at most %" PRIu64 ".",
		       text->timeout_s, text->max_timeout_s);
	(void)buf_append_string(out, "\"inputSchema\":{\"type\":\"object\",\"properties\":{");
	append_property(out, "command", "\"string\"",
			"Shell command line. Give exactly one of command and args.");
	(void)buf_append_byte(out, ',');
	append_property(out, "args", "\"array\",\"items\":{\"type\":\"string\"}",
			"Program and its arguments, run without a shell.");
	(void)buf_append_byte(out, ',');
	append_property(out, "stdin", "\"string\"", "Text for the command's standard input.");
	(void)buf_append_byte(out, ',');
	append_property(out, "working_directory", "\"string\"",
			"Absolute path of the directory to run in.");
	(void)buf_append_byte(out, ',');
	append_property(out, "timeout", "\"integer\",\"minimum\":1", timeout);
	if (text->takes_handle) {
		(void)buf_append_byte(out, ',');
		append_property(out, "sandbox_id", "\"string\"",
				"Handle from an earlier result. Omit on the first call to get a "
				"new sandbox, then pass it on every call.");
	}
	(void)buf_append_string(out, "}}");
}

static void append_output_schema(struct buf *out, const struct tools_text *text, bool is_modern)
{
	(void)buf_append_string(out, ",\"outputSchema\":{\"type\":\"object\",\"properties\":{");
	if (text->takes_handle)
		(void)buf_append_string(out, "\"sandbox_id\":{\"type\":\"string\"},");
	(void)buf_append_string(out, "\"stdout\":{\"type\":\"string\"},"
				     "\"stderr\":{\"type\":\"string\"},"
				     "\"exit_code\":{\"type\":\"integer\"},"
				     "\"exec_duration_ms\":{\"type\":\"integer\"}");
	if (is_modern)
		(void)buf_append_string(out, ",\"ended_by\":{\"type\":\"string\"}");
	(void)buf_append_string(out, "},\"required\":[");
	if (text->takes_handle)
		(void)buf_append_string(out, "\"sandbox_id\",");
	(void)buf_append_string(out, "\"stdout\",\"stderr\",\"exit_code\",\"exec_duration_ms\"");
	(void)buf_append_string(out, is_modern ? ",\"ended_by\"]}" : "]}");
}

static void append_annotations(struct buf *out, const struct tools_text *text)
{
	/* Unknown counts as open: hosts ask before they let such a tool run. */
	bool is_open = !text->facts || text->facts->has_network;

	(void)buf_printf(out,
			 ",\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":true,"
			 "\"idempotentHint\":false,\"openWorldHint\":%s}",
			 is_open ? "true" : "false");
}

void tools_append_list(struct buf *out, const struct tools_text *text, enum mcp_version version)
{
	struct buf description = BUF_INIT(LIMIT_MESSAGE_BYTES);

	tools_describe(&description, text);
	(void)buf_append_byte(&description, '\0');
	(void)buf_append_string(out, "\"tools\":[{\"name\":\"" SANDBOX_EXEC_NAME "\",");
	if (version >= MCP_2025_06_18)
		(void)buf_append_string(out, "\"title\":\"Run a command in a sandbox\",");
	encode_member(out, "description", description.failed ? "" : description.data);
	(void)buf_append_byte(out, ',');
	append_input_schema(out, text);
	if (version >= MCP_2025_06_18)
		append_output_schema(out, text, version >= MCP_2026_07_28);
	if (version >= MCP_2025_03_26)
		append_annotations(out, text);
	(void)buf_append_byte(out, '}');
	fixtures_append_list(out);
	(void)buf_append_byte(out, ']');
	buf_finish(&description);
}
