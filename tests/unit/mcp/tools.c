/* SPDX-License-Identifier: MIT */
#include "mcp/tools.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct exec_facts native = {
	.system = "Debian 12 userland",
	.shell = "/bin/bash",
	.user = "root",
	.directory = "/workspace",
	.programs = "python3, git, node",
	.caveats = "Files cannot change their owner here.",
	.disk_bytes = 512 * MIB,
};

static struct tools_text text_of(const struct exec_facts *facts)
{
	return (struct tools_text){
		.facts = facts,
		.timeout_s = 120,
		.max_timeout_s = 86400,
		.output_limit_bytes = 2 * MIB,
	};
}

static char *describe(const struct tools_text *text)
{
	struct buf out = BUF_INIT(65536);
	char *description;

	tools_describe(&out, text);
	description = buf_take_string(&out);
	assert_non_null(description);
	return description;
}

static void assert_says(const struct tools_text *text, const char *part, bool is_said)
{
	char *description = describe(text);

	if ((strstr(description, part) != NULL) != is_said)
		fail_msg("\"%s\" in: %s", part, description);
	assert_true(strlen(description) <= LIMIT_DESCRIPTION_BYTES);
	free(description);
}

static void the_description_is_made_of_facts(void **state)
{
	struct tools_text text = text_of(&native);

	(void)state;
	assert_says(&text, "Debian 12 userland, root inside;", true);
	assert_says(&text, "no network, so", true);
	assert_says(&text, "run by /bin/bash -c", true);
	assert_says(&text, "Commands start in /workspace unless", true);
	assert_says(&text, "cat > /workspace/a.py", true);
	assert_says(&text, "there are: python3, git, node.", true);
	assert_says(&text, "Files cannot change their owner here.", true);
	assert_says(&text, "Limits: 120 s per command (pass timeout for more, up to 86400;", true);
	assert_says(&text, "; 2 MiB of output", true);
	assert_says(&text, "; 512 MiB of files", true);
	assert_says(&text, "sandbox_id", false);
	text.takes_handle = true;
	assert_says(&text, "sandbox_id", true);
}

static void nothing_is_promised_that_is_not_built(void **state)
{
	static const char *const words[] = { "memory", "processes", "saved", "holds it" };
	struct tools_text text = text_of(&native);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(words); i++)
		assert_says(&text, words[i], false);
}

static void where_output_is_kept_is_said_where_it_is_kept(void **state)
{
	struct exec_facts facts = native;
	struct tools_text text = text_of(&facts);

	(void)state;
	assert_says(&text, "no output is returned: use head, tail or grep", true);
	facts.saves_output = true;
	assert_says(&text, "no output is returned", false);
	assert_says(&text,
		    "the notice in stderr names the file that holds it: read it with head, tail "
		    "or grep",
		    true);
}

static void without_facts_the_text_is_general(void **state)
{
	struct tools_text text = text_of(NULL);

	(void)state;
	assert_says(&text, "isolated Linux sandbox", true);
	assert_says(&text, "run by the shell -c", true);
	assert_says(&text, "userland", false);
	assert_says(&text, "network", false);
}

static void an_image_is_named_and_a_missing_shell_too(void **state)
{
	struct exec_facts facts = native;
	struct tools_text text = text_of(&facts);

	(void)state;
	(void)snprintf(facts.image, sizeof(facts.image), "%s", "alpine:3.20");
	facts.shell[0] = '\0';
	facts.has_network = true;
	facts.disk_bytes = 0;
	assert_says(&text, "image alpine:3.20", true);
	assert_says(&text, "there is no shell, so command is refused", true);
	assert_says(&text, "cat >", false);
	assert_says(&text, "with network access", true);
	assert_says(&text, "of files.", false);
}

static void the_longest_facts_still_fit(void **state)
{
	struct exec_facts facts = native;
	struct tools_text text = text_of(&facts);

	(void)state;
	memset(facts.system, 's', sizeof(facts.system) - 1);
	memset(facts.image, 'i', sizeof(facts.image) - 1);
	memset(facts.programs, 'p', sizeof(facts.programs) - 1);
	memset(facts.caveats, 'c', sizeof(facts.caveats) - 1);
	memset(facts.directory, '\x01', sizeof(facts.directory) - 1);
	text.takes_handle = true;
	assert_says(&text, "isolated Linux sandbox", true);
}

static void facts_cannot_hide_text(void **state)
{
	struct exec_facts facts = native;
	struct tools_text text = text_of(&facts);

	(void)state;
	(void)snprintf(facts.system, sizeof(facts.system), "a\nb\xE2\x80\xAE");
	assert_says(&text, "a\\u000ab\\u202e", true);
}

static void the_user_may_replace_or_extend_it(void **state)
{
	struct tools_text text = text_of(&native);
	char *plain = describe(&text);
	char *description;

	(void)state;
	text.extension = "Be brief.";
	description = describe(&text);
	assert_memory_equal(description, plain, strlen(plain));
	assert_string_equal(description + strlen(plain), "\n\nBe brief.");
	free(description);
	text.extension = NULL;
	text.override = "Only this.";
	description = describe(&text);
	assert_string_equal(description, "Only this.");
	free(description);
	free(plain);
}

/* --- the schema ------------------------------------------------------------ */

static json_t *list(enum mcp_version version, bool takes_handle)
{
	struct tools_text text = text_of(&native);
	struct buf out = BUF_INIT(65536);
	json_t *value;

	text.takes_handle = takes_handle;
	(void)buf_append_byte(&out, '{');
	tools_append_list(&out, &text, version);
	(void)buf_append_byte(&out, '}');
	value = json_loadb(out.data, out.length, 0, NULL);
	assert_non_null(value);
	buf_finish(&out);
	return value;
}

static json_t *tool_of(const json_t *value)
{
	return json_array_get(json_object_get(value, "tools"), 0);
}

/* What some client is known to choke on, anywhere in the value. */
static void assert_dull(json_t *value)
{
	static const char *const banned[] = { "anyOf", "oneOf", "allOf", "$ref",
					      "$defs", "not",	"if",	 "x-mcp-header" };
	const char *key;
	json_t *member;
	size_t i;

	if (!json_is_object(value))
		return;
	for (i = 0; i < ARRAY_LENGTH(banned); i++)
		assert_null(json_object_get(value, banned[i]));
	member = json_object_get(value, "type");
	if (json_is_string(member) && strcmp(json_string_value(member), "array") == 0)
		assert_true(json_is_object(json_object_get(value, "items")));
	json_object_foreach(value, key, member)
	{
		assert_false(json_is_null(member));
		if (strcmp(key, "type") == 0)
			assert_false(json_is_array(member));
		if (strcmp(key, "required") == 0)
			assert_true(json_is_array(member) && json_array_size(member) > 0);
		assert_dull(member);
	}
}

static void assert_schema(json_t *schema)
{
	assert_string_equal(json_string_value(json_object_get(schema, "type")), "object");
	assert_dull(schema);
}

static void every_schema_is_dull(void **state)
{
	int version;

	(void)state;
	for (version = MCP_2024_11_05; version <= MCP_2026_07_28; version++) {
		json_t *value = list((enum mcp_version)version, version == MCP_2026_07_28);
		json_t *tool = tool_of(value);

		assert_int_equal(json_array_size(json_object_get(value, "tools")), 1);
		assert_schema(json_object_get(tool, "inputSchema"));
		if (version >= MCP_2025_06_18)
			assert_schema(json_object_get(tool, "outputSchema"));
		json_decref(value);
	}
}

static void assert_keys(const json_t *object, const char *expected)
{
	struct buf keys = BUF_INIT(1024);
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)object, key, member)(void)
		buf_printf(&keys, "%s ", key);
	(void)buf_append_byte(&keys, '\0');
	assert_string_equal(keys.data, expected);
	buf_finish(&keys);
}

static void each_revision_is_shown_what_it_knows(void **state)
{
	static const struct {
		enum mcp_version version;
		const char *tool, *input;
	} rows[] = {
		{ MCP_2024_11_05, "name description inputSchema ",
		  "command args stdin working_directory timeout " },
		{ MCP_2025_03_26, "name description inputSchema annotations ",
		  "command args stdin working_directory timeout " },
		{ MCP_2025_06_18, "name title description inputSchema outputSchema annotations ",
		  "command args stdin working_directory timeout " },
		{ MCP_2025_11_25, "name title description inputSchema outputSchema annotations ",
		  "command args stdin working_directory timeout " },
		{ MCP_2026_07_28, "name title description inputSchema outputSchema annotations ",
		  "command args stdin working_directory timeout sandbox_id " },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		json_t *value = list(rows[i].version, rows[i].version == MCP_2026_07_28);
		json_t *schema = json_object_get(tool_of(value), "inputSchema");

		assert_keys(tool_of(value), rows[i].tool);
		assert_keys(schema, "type properties ");
		assert_keys(json_object_get(schema, "properties"), rows[i].input);
		json_decref(value);
	}
}

static void the_open_world_hint_follows_the_network(void **state)
{
	json_t *value = list(MCP_2025_11_25, false);
	json_t *hints = json_object_get(tool_of(value), "annotations");

	(void)state;
	assert_true(json_is_false(json_object_get(hints, "openWorldHint")));
	assert_true(json_is_true(json_object_get(hints, "destructiveHint")));
	assert_true(json_is_false(json_object_get(hints, "readOnlyHint")));
	assert_true(json_is_false(json_object_get(hints, "idempotentHint")));
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_description_is_made_of_facts),
		cmocka_unit_test(nothing_is_promised_that_is_not_built),
		cmocka_unit_test(where_output_is_kept_is_said_where_it_is_kept),
		cmocka_unit_test(without_facts_the_text_is_general),
		cmocka_unit_test(an_image_is_named_and_a_missing_shell_too),
		cmocka_unit_test(the_longest_facts_still_fit),
		cmocka_unit_test(facts_cannot_hide_text),
		cmocka_unit_test(the_user_may_replace_or_extend_it),
		cmocka_unit_test(every_schema_is_dull),
		cmocka_unit_test(each_revision_is_shown_what_it_knows),
		cmocka_unit_test(the_open_world_hint_follows_the_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
