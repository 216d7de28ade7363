/* SPDX-License-Identifier: Apache-2.0 */
/* Asks every feature, in pipeline order, for its ranges, then for what the classes mean to it. */
#include "compile.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <time.h>

#include "abi/event.h"
#include "abi/maps.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "object.h"
#include "services.h"

#define EMIT_WINDOW_NS \
	(100 * WEIR_NS_PER_MS) /* at least: long enough for a burst, short enough to be fair */

size_t weir_feature_index(const struct weir_feature *feature)
{
	size_t i = 0;

	while (weir_features[i] && weir_features[i] != feature)
		i++;
	return i;
}

bool weir_config_denies_by_default(const struct weir_config *config)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->denies_by_default &&
		    weir_features[i]->denies_by_default(config->sections[i]))
			return true;
	return false;
}

bool weir_config_tracks(const struct weir_config *config)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->tracks && weir_features[i]->tracks(config->sections[i]))
			return true;
	return false;
}

bool weir_config_names_xdp(const struct weir_config *config)
{
	for (unsigned i = 0; i < config->interface_count; i++)
		if (config->interfaces[i].hook == WEIR_HOOK_XDP ||
		    config->interfaces[i].hook == WEIR_HOOK_XDP_GENERIC)
			return true;
	return false;
}

bool weir_config_alarms(const struct weir_config *config)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->alarms && weir_features[i]->alarms(config->sections[i]))
			return true;
	return false;
}

bool weir_image_follows(const struct weir_image *image, const struct weir_config *config)
{
	return weir_image_asks(image, WEIR_ASK_CONNECTIONS) && weir_config_tracks(config);
}

/* What of it is the feature's, by its index; without an image. */
static struct weir_compile compile_of(const struct weir_compile_input *input, size_t feature)
{
	return (struct weir_compile){
		.config = input->config,
		.section = input->config->sections[feature],
		.state = input->states ? input->states[feature] : NULL,
		.draft = weir_features[feature] == input->changing ? input->draft : NULL,
		.input = input,
		.is_unasked = input->is_unasked,
	};
}

int weir_compile_services(const struct weir_compile_input *input,
			  struct weir_services *ret_services)
{
	_cleanup_services_ struct weir_services services = {};
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++) {
		struct weir_compile compile = compile_of(input, i);

		if (weir_features[i]->services)
			r = weir_features[i]->services(&compile, &services);
	}
	if (r)
		return r;
	weir_services_sort(&services);
	*ret_services = services;
	services = (struct weir_services){};
	return 0;
}

/* What all features are compiled into. */
struct compiled {
	const struct weir_compile_input *input;
	struct weir_image *image;
	struct weir_diag *diag;
	const char *base_dir;
};

static int features_each(const struct compiled *into,
			 int (*step)(const struct weir_feature *, struct weir_compile *))
{
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++) {
		struct weir_compile compile = compile_of(into->input, i);

		compile.image = into->image;
		compile.diag = into->diag;
		compile.base_dir = into->base_dir;
		r = step(weir_features[i], &compile);
	}
	return r;
}

static int step_compile(const struct weir_feature *feature, struct weir_compile *compile)
{
	return feature->compile ? feature->compile(compile) : 0;
}

static int step_classes(const struct weir_feature *feature, struct weir_compile *compile)
{
	return feature->classes ? feature->classes(compile) : 0;
}

int weir_compile_input(const struct weir_compile_input *input, struct weir_diag *diag,
		       struct weir_image **ret_image)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(input->config->memory.value);
	_cleanup_free_ char *file = strdup(input->config->file ? input->config->file : "./-");
	struct compiled into = { .input = input, .image = image, .diag = diag };

	if (!image || !file)
		return -ENOMEM;
	into.base_dir = dirname(file);
	int r = features_each(&into, step_compile);

	if (!r)
		r = weir_image_classify(image, diag);
	if (!r)
		r = features_each(&into, step_classes);
	if (!r)
		r = weir_image_seal(image, diag);
	if (r) {
		if (!diag->errors)
			weir_diag_error(diag, NULL, "the policy cannot be compiled: %s",
					strerror(-r));
		weir_config_locate(input->config, diag);
		return r;
	}
	*ret_image = weir_take(image);
	return 0;
}

int weir_compile(const struct weir_config *config, struct weir_diag *diag,
		 struct weir_image **ret_image)
{
	return weir_compile_input(&(struct weir_compile_input){ .config = config }, diag,
				  ret_image);
}

/* The data path counts windows in ticks; how long one is, the coarse clock's resolution says.
 * Rounded down, so that the rate is not exceeded, but to no less than one event a window. */
static struct weir_emit_constants emit_constants(const struct weir_events_config *events)
{
	struct weir_emit_constants emit = { .sample = events->sample };
	struct timespec tick = {};

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || !tick.tv_nsec)
		tick.tv_nsec = 4 * WEIR_NS_PER_MS;
	while (((uint64_t)tick.tv_nsec << emit.window_shift) < EMIT_WINDOW_NS)
		emit.window_shift++;
	uint64_t window_ns = (uint64_t)tick.tv_nsec << emit.window_shift;

	emit.per_window =
		(uint64_t)((double)events->rate.value * (double)window_ns / (double)WEIR_NS_PER_S);
	if (!emit.per_window && events->rate.value)
		emit.per_window = 1;
	return emit;
}

static int near_constants_set(uint32_t capacity, struct weir_constants *constants)
{
	struct weir_near_constants near = { .lines = capacity };
	int r = weir_constants_set(constants, "near_constants", &near, sizeof(near));

	return r ? r : weir_constants_capacity(constants, "tab_near", WEIR_POLICY_SLOTS * capacity);
}

int weir_compile_constants(const struct weir_config *config, const struct weir_image *image,
			   uint32_t near_capacity, struct weir_constants **ret_constants)
{
	_cleanup_(weir_constants_freep) struct weir_constants *constants = weir_constants_new();
	struct weir_emit_constants emit = emit_constants(&config->events);

	if (!constants)
		return -ENOMEM;
	int r = weir_constants_set(constants, "emit_constants", &emit, sizeof(emit));

	if (!r)
		r = near_constants_set(near_capacity, constants);

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->constants)
			r = weir_features[i]->constants(config->sections[i], image, constants);
	if (!r)
		*ret_constants = weir_take(constants);
	return r;
}
