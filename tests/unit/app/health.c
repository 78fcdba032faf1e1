/* SPDX-License-Identifier: MIT */
#include "../unit.h"

#include "app/health.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A backend whose sandboxes can be made or not, and are counted. */
static struct {
	atomic_bool works;
	atomic_int made, removed, tried;
	pthread_mutex_t gate; /* held: making one takes that long */
} world = { .gate = PTHREAD_MUTEX_INITIALIZER };

static struct backend *open_world(const struct backend_config *config, struct error *err)
{
	(void)config;
	(void)err;
	return alloc_zeroed(sizeof(struct backend));
}

static void close_world(struct backend *backend)
{
	free(backend);
}

static int check_world(struct backend *backend, struct error *err)
{
	(void)backend;
	(void)err;
	return 0;
}

static struct sandbox *make(struct backend *backend, const char *id, const struct cancel *cancel,
			    const struct backend_progress *progress, struct error *err)
{
	(void)backend;
	(void)id;
	(void)cancel;
	(void)progress;
	atomic_fetch_add(&world.tried, 1);
	(void)pthread_mutex_lock(&world.gate);
	(void)pthread_mutex_unlock(&world.gate);
	if (!atomic_load(&world.works)) {
		(void)error_set(err, ERROR_UNAVAILABLE, "not today");
		return NULL;
	}
	atomic_fetch_add(&world.made, 1);
	return alloc_zeroed(sizeof(struct sandbox));
}

static void remove_sandbox(struct sandbox *sandbox)
{
	atomic_fetch_add(&world.removed, 1);
	free(sandbox);
}

static const struct backend_type type = {
	.name = "world",
	.open = open_world,
	.close = close_world,
	.check = check_world,
	.create = make,
	.destroy = remove_sandbox,
};

struct scene {
	struct backend_config config;
	struct backend *backend;
	struct loop *loop;
	struct health *health;
	unsigned awaited; /* answers */
	unsigned answers[2];
	int askers[LIMIT_HEALTH_ASKERS + 1];
};

static void set_scene(struct scene *scene, bool works)
{
	*scene = (struct scene){ 0 };
	log_configure(LOG_ERROR, LOG_TEXT);
	atomic_store(&world.works, works);
	atomic_store(&world.made, 0);
	atomic_store(&world.removed, 0);
	atomic_store(&world.tried, 0);
	scene->backend = backend_open(&type, &scene->config, NULL);
	scene->loop = loop_create(NULL);
	scene->health = health_create(scene->loop, scene->backend);
}

static void strike_scene(struct scene *scene)
{
	health_destroy(scene->health);
	loop_destroy(scene->loop);
	backend_close(scene->backend);
}

static void take_answer(void *context, void *asker, bool is_ok)
{
	struct scene *scene = context;

	(void)asker;
	scene->answers[is_ok]++;
	if (scene->answers[0] + scene->answers[1] == scene->awaited)
		loop_stop(scene->loop);
}

static void ask(struct scene *scene, int *asker)
{
	health_ask(scene->health, take_answer, scene, asker);
}

static void what_was_just_seen_is_answered_at_once(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, false);
	health_note(scene.health, true);
	ask(&scene, &scene.askers[0]);
	assert_int_equal(scene.answers[true], 1);
	health_note(scene.health, false);
	ask(&scene, &scene.askers[0]);
	assert_int_equal(scene.answers[false], 1);
	assert_int_equal(atomic_load(&world.tried), 0);
	strike_scene(&scene);
}

static void what_nobody_knows_is_tried_once_for_all_who_ask(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, true);
	scene.awaited = 3;
	(void)pthread_mutex_lock(&world.gate);
	for (int i = 0; i < 3; i++)
		ask(&scene, &scene.askers[i]);
	assert_int_equal(scene.answers[true], 0);
	(void)pthread_mutex_unlock(&world.gate);
	loop_run(scene.loop);
	assert_int_equal(scene.answers[true], 3);
	assert_int_equal(scene.answers[false], 0);
	/* And is known then. */
	ask(&scene, &scene.askers[0]);
	assert_int_equal(scene.answers[true], 4);
	assert_int_equal(atomic_load(&world.tried), 1);
	assert_int_equal(atomic_load(&world.made), 1);
	assert_int_equal(atomic_load(&world.removed), 1);
	strike_scene(&scene);
}

static void a_sandbox_that_cannot_be_made_is_the_answer_no(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, false);
	scene.awaited = 1;
	ask(&scene, &scene.askers[0]);
	loop_run(scene.loop);
	assert_int_equal(scene.answers[false], 1);
	assert_int_equal(scene.answers[true], 0);
	strike_scene(&scene);
}

static void whoever_has_gone_is_not_answered(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, true);
	scene.awaited = 1;
	(void)pthread_mutex_lock(&world.gate);
	ask(&scene, &scene.askers[0]);
	ask(&scene, &scene.askers[1]);
	health_forget(scene.health, &scene.askers[0]);
	health_forget(scene.health, &scene.askers[2]);
	(void)pthread_mutex_unlock(&world.gate);
	loop_run(scene.loop);
	assert_int_equal(scene.answers[true], 1);
	strike_scene(&scene);
}

static void a_crowd_is_not_waited_with(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, true);
	scene.awaited = LIMIT_HEALTH_ASKERS + 1;
	(void)pthread_mutex_lock(&world.gate);
	for (size_t i = 0; i < LIMIT_HEALTH_ASKERS; i++)
		ask(&scene, &scene.askers[i]);
	assert_int_equal(scene.answers[false], 0);
	ask(&scene, &scene.askers[LIMIT_HEALTH_ASKERS]);
	assert_int_equal(scene.answers[false], 1);
	(void)pthread_mutex_unlock(&world.gate);
	loop_run(scene.loop);
	assert_int_equal(scene.answers[true], LIMIT_HEALTH_ASKERS);
	strike_scene(&scene);
}

static void an_end_in_the_middle_of_a_try_waits_for_it(void **state)
{
	struct scene scene;

	(void)state;
	set_scene(&scene, true);
	ask(&scene, &scene.askers[0]);
	strike_scene(&scene);
	assert_int_equal(atomic_load(&world.made), atomic_load(&world.removed));
	assert_int_equal(scene.answers[true], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_just_seen_is_answered_at_once),
		cmocka_unit_test(what_nobody_knows_is_tried_once_for_all_who_ask),
		cmocka_unit_test(a_sandbox_that_cannot_be_made_is_the_answer_no),
		cmocka_unit_test(whoever_has_gone_is_not_answered),
		cmocka_unit_test(a_crowd_is_not_waited_with),
		cmocka_unit_test(an_end_in_the_middle_of_a_try_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
