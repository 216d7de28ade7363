/* SPDX-License-Identifier: Apache-2.0 */
/* The first policy of a run: compiled, then loaded for, on the caller's thread. */
#include "adopt.h"
#include "base/cleanup.h"
#include "change_private.h"
#include "compile.h"
#include "near.h"

void weir_policy_remember(struct weir_engine *engine, const struct weir_image *image)
{
	engine->policy_bytes = weir_image_bytes(image);
	engine->policy_classes = weir_image_class_count(image);
}

void weir_features_live(struct weir_engine *engine)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->live)
			weir_features[i]->live(engine->states[i], engine->config);
}

static void pins_tell(const struct weir_object *object, const char *pin_dir, struct weir_diag *diag)
{
	static const char *const whose[] = {
		[WEIR_PINS_OTHER] =
			"were made by a version of Weir that lays them out in another way",
		[WEIR_PINS_UNFINISHED] = "were made by a start that did not come to its end",
		[WEIR_PINS_OURS] = NULL,
	};
	const char *why = whose[weir_object_pins(object)];

	if (why)
		weir_diag_warning(diag, NULL,
				  "the maps below %s %s: connections are taken over from what the "
				  "kernel knows of them, lists from their files, counters and the "
				  "buckets of limits begin anew",
				  pin_dir, why);
}

/* The maps pinned before are taken over, where they still fit what was compiled. */
static int first_load(struct weir_engine *engine, const struct weir_image *image,
		      struct weir_diag *diag)
{
	const char *pin_dir = engine->options.pin_dir;
	uint32_t count = 0, lines = weir_object_pinned_capacity(pin_dir, "tab_near");
	struct weir_constants *constants = NULL;

	weir_image_near(image, &count);
	int r = weir_compile_constants(engine->config, image,
				       weir_near_capacity_for(count, lines / WEIR_POLICY_SLOTS),
				       &constants);

	if (!r)
		r = weir_object_new(pin_dir, NULL, constants, diag, &engine->object);
	if (r) {
		weir_constants_free(constants);
		return r;
	}
	pins_tell(engine->object, pin_dir, diag);
	r = weir_commit_new(engine->object, pin_dir, diag, &engine->commit);
	if (!r)
		r = weir_engine_attach_features(engine, engine->object, diag);
	if (!r)
		r = weir_object_has_old(engine->object) ?
			    weir_state_fits(engine, engine->config, true, diag) :
			    0;
	return r;
}

static int first_stage(struct weir_engine *engine, const struct weir_image *image,
		       struct weir_diag *diag)
{
	int r = first_load(engine, image, diag);

	if (r || weir_commit_is_live(engine->commit, image))
		return r;
	uint64_t live = weir_commit_revision(engine->commit), file = engine->policy.revision;

	r = weir_commit_stage(engine->commit, image, diag);
	if (!r)
		weir_policy_flip(engine->commit, engine->object, (live > file ? live : file) + 1);
	return r;
}

int weir_changes_first(struct weir_engine *engine, struct weir_diag *diag)
{
	struct weir_compile_input input = { .config = engine->config, .states = engine->states };
	_cleanup_image_ struct weir_image *image = NULL;
	int r = weir_compile_input(&input, diag, &image);

	if (!r)
		r = first_stage(engine, image, diag);
	if (!r)
		r = weir_object_try(engine->object, diag);
	/* Late, but before the pins: a start that finds tables takes them for whole. */
	if (!r)
		engine->adopted =
			weir_adopt(engine->states, engine->config, WEIR_ADOPTED_GRANTED, diag);
	if (!r)
		r = weir_object_pin(
			engine->object, engine->options.pin_dir,
			weir_object_has_old(engine->object) ? WEIR_PIN_ALL : WEIR_PIN_NEW, diag);
	if (r)
		return r;
	engine->holds_old = weir_object_has_old(engine->object);
	engine->follows = weir_image_follows(image, engine->config);
	weir_policy_remember(engine, image);
	weir_features_live(engine);
	return 0;
}
