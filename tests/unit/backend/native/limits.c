/* SPDX-License-Identifier: MIT */
#include "backend/native/limits.h"

#include "tests/unit/unit.h"

#include <string.h>

static const struct cgroups_facts nothing = { .reason = "why" };
static const struct cgroups_facts everything = { .holds = { true, true, true },
						 .layer = "cgroup v2" };

static void what_was_not_asked_for_need_not_be_held(void **state)
{
	const struct backend_config config = { 0 };

	(void)state;
	assert_int_equal(limits_check(&config, &nothing, NULL), 0);
	assert_int_equal(limits_check(&config, &everything, NULL), 0);
}

static void a_limit_that_cannot_be_held_is_refused(void **state)
{
	const struct backend_config memory = { .memory_bytes = 1 };
	const struct backend_config cpu = { .cpu_milli = 1 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(limits_check(&memory, &nothing, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "--memory cannot be held here"));
	assert_int_equal(limits_check(&cpu, &nothing, &err), -1);
	assert_non_null(strstr(err.message, "--cpu cannot be held here"));
	assert_int_equal(limits_check(&memory, &everything, NULL), 0);
	assert_int_equal(limits_check(&cpu, &everything, NULL), 0);
}

static void many_clients_need_a_limit_of_memory_unless_it_is_waived(void **state)
{
	struct backend_config config = { .is_for_many = true };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(limits_check(&config, &everything, NULL), 0);
	assert_int_equal(limits_check(&config, &nothing, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "(why)"));
	assert_non_null(strstr(err.message, "--allow-unlimited-memory"));
	config.allows_unlimited_memory = true;
	assert_int_equal(limits_check(&config, &nothing, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_asked_for_need_not_be_held),
		cmocka_unit_test(a_limit_that_cannot_be_held_is_refused),
		cmocka_unit_test(many_clients_need_a_limit_of_memory_unless_it_is_waived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
