/* SPDX-License-Identifier: Apache-2.0 */
/* From the section, and what flows there are, to what the policy asks for and the data path's
 * constants. */
#include "base/cleanup.h"
#include "features/conntrack/conntrack_state.h"

uint32_t conntrack_sets(uint32_t capacity)
{
	uint64_t places = (uint64_t)capacity + capacity / 4;

	uint32_t sets = (uint32_t)((places + CONNTRACK_WAYS - 1) / CONNTRACK_WAYS);

	return sets > CONNTRACK_SETS_OFF ? sets : CONNTRACK_SETS_OFF + 1;
}

static int relayed_is(const struct conntrack_flow *flow, uint32_t index, void *arg)
{
	(void)index, (void)arg;
	return !!(flow->word & CONNTRACK_RELAYED);
}

/* Whether there are flows whose packets the live programs translate. */
static bool has_relayed(const struct conntrack *state)
{
	uint32_t now = conntrack_now();

	for (int i = 0; i < CONNTRACK_TABLES && state->relays; i++)
		if (conntrack_table_each(&state->tables[i], now, relayed_is, NULL) ||
		    conntrack_table_each(&state->old[i], now, relayed_is, NULL))
			return true;
	return false;
}

int conntrack_compile(struct weir_compile *compile)
{
	const struct conntrack_section *section = compile->section;

	if (section->enabled == CONNTRACK_ON)
		weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	return 0;
}

/* What translates flows stays as long as there are any, when nobody else asks for it any more. */
int conntrack_classes(struct weir_compile *compile)
{
	const struct conntrack_section *section = compile->section;
	const struct conntrack *state = compile->state;

	if (!state || section->enabled == CONNTRACK_OFF ||
	    weir_image_asks(compile->image, WEIR_ASK_RELAYS) || !has_relayed(state))
		return 0;
	weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	weir_image_ask(compile->image, WEIR_ASK_ANSWERS);
	weir_image_ask(compile->image, WEIR_ASK_RELAYS);
	return 0;
}

static bool is_wanted(const struct conntrack_section *section, const struct weir_image *image)
{
	return section->enabled != CONNTRACK_OFF && weir_image_asks(image, WEIR_ASK_CONNECTIONS);
}

/* Rows beside so many sets; without them the one that is nobody's. */
static uint32_t sum_rows(uint32_t sets, bool accounts)
{
	return accounts ? CONNTRACK_SUM_ROW(sets * CONNTRACK_WAYS) : CONNTRACK_SUM_ROW(0);
}

static int capacities_set(const struct conntrack_sizes *sizes,
			  const struct conntrack_constants *values,
			  struct weir_constants *constants)
{
	const struct {
		const char *map;
		uint32_t entries;
	} maps[] = {
		{ "st_flow", sizes->proven * CONNTRACK_WAYS },
		{ "st_flow_set", sizes->proven },
		{ "st_half", sizes->half * CONNTRACK_WAYS },
		{ "st_half_set", sizes->half },
		{ "st_flow_sum", sum_rows(sizes->proven, values->accounts) },
		{ "st_half_sum", sum_rows(sizes->half, values->accounts) },
		{ "st_ports", values->enabled ? CONNTRACK_FRAGMENTS : 1 },
		{ "st_pair", values->enabled ? CONNTRACK_PAIRS : 1 },
		{ "set_expect", values->helps ? CONNTRACK_EXPECTED : 1 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(maps) && !r; i++)
		r = weir_constants_capacity(constants, maps[i].map, maps[i].entries);
	return r;
}

int conntrack_constants_set(const void *data, const struct weir_image *image,
			    struct weir_constants *constants)
{
	const struct conntrack_section *section = data;
	bool is_on = is_wanted(section, image);
	struct conntrack_constants values = {
		.enabled = is_on,
		.checks_windows = section->window_check,
		.picks_up = section->pick_up,
		.is_asymmetric = section->asymmetric,
		.accounts = is_on && section->account,
		.records = is_on && section->account && section->records,
	};
	struct conntrack_sizes sizes = { CONNTRACK_SETS_OFF, CONNTRACK_SETS_OFF };
	struct conntrack_helpers helpers = {};
	struct conntrack_timeouts timeouts = conntrack_timeouts_of(section);

	values.helps = is_on && conntrack_helpers_fill(section, &helpers);

	if (is_on)
		sizes = (struct conntrack_sizes){ conntrack_sets(section->capacity),
						  conntrack_sets(section->half_open) };
	int r = weir_constants_set(constants, "conntrack_constants", &values, sizeof(values));

	if (!r)
		r = weir_constants_set(constants, "conntrack_timeouts", &timeouts,
				       sizeof(timeouts));
	if (!r)
		r = weir_constants_set(constants, "conntrack_sizes", &sizes, sizeof(sizes));
	if (!r)
		r = weir_constants_set(constants, "conntrack_helpers", &helpers, sizeof(helpers));
	return r ? r : capacities_set(&sizes, &values, constants);
}
