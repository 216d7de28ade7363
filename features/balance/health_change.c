/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who went up or down becomes a policy. What comes within JOIN_MS is one change, and so is what
 * comes while that waits for its turn: the set is made when it begins, the one moment at which no
 * worker reads the set before. There is never more than one, and JOIN_MS go by behind it, so that
 * backends that flap leave the edits of people their turn.
 */
#include <errno.h>
#include <stdio.h>
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
	struct health_set *set = health_set_new(health->count);

	for (unsigned i = 0; set && i < health->count; i++) {
		const struct health_target *target = health->targets[i];
		struct health_note *note = &set->notes[set->count];

		if (health_machine_is_up(&target->machine))
			continue;
		set->keys[set->count++] = target->key;
		note->check = target->text_hash;
		snprintf(note->reason, sizeof(note->reason), "%s", target->machine.reason);
	}
	return set;
}

/* By what they are checked, too: what is written down is to be known again. */
static bool set_is(const struct health_set *set, const struct health_set *other)
{
	if (!other)
		return !set->count;
	bool is = set->count == other->count &&
		  !memcmp(set->keys, other->keys, set->count * sizeof(set->keys[0]));

	for (uint32_t i = 0; is && i < set->count; i++)
		is = set->notes[i].check == other->notes[i].check;
	return is;
}

/* Without memory it is the set before once more, and the look behind it finds the difference. */
static void change_begun(struct weir_change *change, void *state)
{
	struct health *health = ((struct health_change *)change)->health;
	struct health_set *set = set_new(health);

	(void)state;
	health->is_refused = true; /* until it is accepted */
	if (!set)
		return;
	free(health->downs);
	health->downs = set;
}

/* Before it is live, so that whoever starts next, however this daemon ends, knows who is out. That
 * it cannot be written is no reason to send anybody to who is down. */
static int change_persist(struct weir_change *change, void *state, struct weir_diag *diag)
{
	struct health *health = ((struct health_change *)change)->health;

	(void)state, (void)diag;
	health->kept_error =
		health_kept_save(weir_engine_options(health->engine)->run_dir, health->downs);
	return 0;
}

static void change_accepted(struct weir_change *change, void *state)
{
	struct health *health = ((struct health_change *)change)->health;

	(void)state;
	if (health->kept_error)
		weir_engine_warn(health->engine, "balance",
				 "cannot write " HEALTH_FILE " in %s: %s; after a restart who is "
				 "down is sent connections until it is found again",
				 weir_engine_options(health->engine)->run_dir,
				 strerror(-health->kept_error));
	health->is_refused = false;
	health->is_own = true;
	health->changes++;
}

static void join_again(struct health *health, uint64_t wait_ms)
{
	health->is_joining = true;
	health->loop->rearm(health->join, wait_ms, 0);
}

/* Whatever became of it, it is looked once more at who is down. */
static void change_free(struct weir_change *change)
{
	struct health *health = ((struct health_change *)change)->health;

	free(change);
	health->is_changing = false;
	join_again(health, health->is_refused ? AGAIN_MS : JOIN_MS);
}

static int change_ask(struct health *health)
{
	struct health_change *change = calloc(1, sizeof(*change));

	if (!change)
		return -ENOMEM;
	change->health = health;
	change->change = (struct weir_change){
		.feature = &weir_balance,
		.what = "service.health",
		.begin = change_begun,
		.persist = change_persist,
		.accept = change_accepted,
		.free = change_free,
	};
	health->is_changing = true;
	return weir_engine_change(health->engine, &change->change);
}

/* A change that is refused leaves the set that it was made with, which any other takes along. */
static void joined(void *arg)
{
	struct health *health = arg;

	health->is_joining = false;
	if (health->is_changing)
		return; /* its end comes back here */
	_cleanup_free_ struct health_set *set = set_new(health);

	if (set && set_is(set, health->downs) && !health->is_refused)
		return;
	if (change_ask(health) < 0 && !health->is_joining)
		join_again(health, AGAIN_MS);
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
