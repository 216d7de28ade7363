/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who went up or down becomes a policy. What comes within JOIN_MS is one change; the set that the
 * policy is compiled by is replaced only when no change is under way, for a worker reads it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/health.h"

#define JOIN_MS 50
#define AGAIN_MS 1000 /* behind a change that was refused, as for want of memory */

struct health_change {
	struct weir_change change;
	struct health *health;
};

static struct health_set *set_new(const struct health *health)
{
	struct health_set *set = calloc(1, sizeof(*set) + health->count * sizeof(set->keys[0]));

	for (unsigned i = 0; set && i < health->count; i++)
		if (!health_machine_is_up(&health->targets[i]->machine))
			set->keys[set->count++] = health->targets[i]->key;
	return set;
}

static bool set_is(const struct health_set *set, const struct health_set *other)
{
	if (!other)
		return !set->count;
	return set->count == other->count &&
	       !memcmp(set->keys, other->keys, set->count * sizeof(set->keys[0]));
}

static void change_accepted(struct weir_change *change, void *state)
{
	struct health *health = ((struct health_change *)change)->health;

	(void)state;
	health->is_changing = false;
	health->is_own = true;
	health->changes++;
}

static void change_free(struct weir_change *change)
{
	free(change);
}

static int change_begin(struct health *health)
{
	struct health_change *change = calloc(1, sizeof(*change));

	health->is_changing = true; /* until it is accepted */
	if (!change)
		return -ENOMEM;
	change->health = health;
	change->change = (struct weir_change){
		.feature = &weir_balance,
		.what = "service.health",
		.accept = change_accepted,
		.free = change_free,
	};
	return weir_engine_change(health->engine, &change->change);
}

static void join_again(struct health *health, uint64_t wait_ms)
{
	health->is_joining = true;
	health->loop->rearm(health->join, wait_ms, 0);
}

/* A change that ended without being accepted leaves is_changing: the same set is tried again. */
static void joined(void *arg)
{
	struct health *health = arg;

	health->is_joining = false;
	if (!weir_engine_is_idle(health->engine)) {
		join_again(health, JOIN_MS);
		return;
	}
	_cleanup_free_ struct health_set *set = set_new(health);

	if (set && set_is(set, health->downs) && !health->is_changing)
		return;
	if (set) {
		free(health->downs);
		health->downs = weir_take(set);
	}
	bool is_again = health->is_changing;

	if (change_begin(health) < 0 || is_again)
		join_again(health, AGAIN_MS);
	else
		join_again(health, JOIN_MS);
}

void health_change_ask(struct health *health)
{
	if (health->is_joining)
		return;
	if (!health->join)
		health->join = health->loop->timer(health->loop, JOIN_MS, 0, joined, health);
	else
		health->loop->rearm(health->join, JOIN_MS, 0);
	health->is_joining = health->join != NULL;
}

const struct health_set *health_downs(const struct balance *state)
{
	return state && state->health ? state->health->downs : NULL;
}

void health_change_done(struct health *health)
{
	if (health->join)
		health->loop->forget(health->join);
	free(health->downs);
}
