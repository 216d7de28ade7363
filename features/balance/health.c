/* SPDX-License-Identifier: Apache-2.0 */
/* Which backends are checked: those of the services that packets meet. Who stays keeps what is
 * known of him, and so does who is down and is not checked for a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "features/balance/health.h"

int health_new(struct weir_engine *engine, struct weir_diag *diag, struct health **ret_health)
{
	struct health_set *downs = NULL;

	*ret_health = NULL;
	if (!engine)
		return 0;
	int r = health_kept_load(weir_engine_options(engine)->run_dir, diag, &downs);
	struct health *health = r ? NULL : calloc(1, sizeof(*health));

	if (!health) {
		free(downs);
		return -ENOMEM;
	}
	health->engine = engine;
	health->loop = weir_engine_loop(engine);
	health->epoll_fd = -1;
	health->downs = downs;
	*ret_health = health;
	return 0;
}

static void target_free(struct health_target *target)
{
	health_run_del(target);
	free(target);
}

void health_free(struct health *health)
{
	if (!health)
		return;
	for (unsigned i = 0; i < health->count; i++)
		target_free(health->targets[i]);
	free(health->targets);
	health_run_done(health);
	health_tls_forget(health);
	health_change_done(health);
	free(health);
}

static int by_key(const void *a, const void *b)
{
	const struct health_target *const *x = a, *const *y = b;

	return memcmp(&(*x)->key, &(*y)->key, sizeof((*x)->key));
}

struct health_target *health_find(const struct health *health, const struct health_key *key)
{
	const struct health_target *wanted = (const void *)key; /* its first member */
	struct health_target **found = health->count ?
					       bsearch(&wanted, health->targets, health->count,
						       sizeof(struct health_target *), by_key) :
					       NULL;

	return found ? *found : NULL;
}

static uint64_t str_hash(const char *text, uint64_t hash)
{
	return text ? weir_hash_bytes(text, strlen(text) + 1, hash) : weir_hash_mix(hash + 1);
}

static uint64_t text_hash(const struct health_text *text)
{
	const uint64_t numbers[] = {
		(uint64_t)text->type,
		text->interval.value,
		text->timeout.value,
		text->rise,
		text->fall,
		text->jitter,
		(uint64_t)text->record,
		text->port,
		(uint64_t)text->through,
		text->verify,
	};
	const char *const words[] = {
		text->path, text->host,	  text->status, text->body,
		text->send, text->expect, text->query,	text->ca,
	};
	uint64_t hash = weir_hash_bytes(numbers, sizeof(numbers), 0);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++)
		hash = str_hash(words[i], hash);
	for (unsigned i = 0; i < text->command_count; i++)
		hash = str_hash(text->command[i], hash);
	return hash;
}

/* What is to be checked, as it is read from the services. */
struct wanted {
	struct health_key key;
	const struct balance_text *text;
	enum health_duty duty;
};

/* Packets went past him while no daemon ran, and go on so until this one's checks are good. Another
 * check than found him down knows nothing of him. */
static void kept_take(struct health_target *target, uint64_t now_ns)
{
	const struct health *health = target->health;
	const struct health_key *key =
		health->has_begun ? NULL : health_set_find(health->downs, &target->key);
	const struct health_note *note =
		key ? &health->downs->notes[key - health->downs->keys] : NULL;

	if (note && note->check == target->text_hash)
		health_machine_init_down(&target->machine, note->reason, now_ns);
}

static struct health_target *target_new(struct health *health, const struct wanted *wanted)
{
	struct health_target *target = calloc(1, sizeof(*target));
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (!target)
		return NULL;
	target->health = health;
	target->key = wanted->key;
	target->text = wanted->text;
	target->text_hash = text_hash(&wanted->text->health);
	target->duty = wanted->duty;
	target->fd = -1;
	/* Who begins where others are refused is not believed to be there at once. */
	target->silence.refused_ns = now_ns;
	health_machine_init(&target->machine, now_ns);
	kept_take(target, now_ns);
	if (target->duty == HEALTH_CHECKED)
		health_run_add(target);
	return target;
}

/* What its check goes by lies elsewhere now; where that says something else, it begins anew. */
static struct health_target *target_stay(struct health_target *target,
					 const struct balance_text *text)
{
	uint64_t hash = text_hash(&text->health);

	target->text = text;
	if (hash != target->text_hash) {
		health_run_del(target);
		health_run_add(target);
		target->text_hash = hash;
	}
	return target;
}

/* He is checked again, and stays down until that finds him up. */
static struct health_target *target_wake(struct health_target *target,
					 const struct balance_text *text)
{
	target->text = text;
	target->duty = HEALTH_CHECKED;
	target->silence.refused_ns = weir_clock_monotonic_ns();
	health_run_add(target);
	return target;
}

/* He is not checked any more. Was he down, that is known for as long as he has connections, or
 * clients who come again by a port of theirs would be sent to him once more; and for as long as his
 * service is disabled, or it would begin with sending clients to him. */
static struct health_target *target_put_by(struct health_target *target,
					   const struct wanted *wanted)
{
	if (health_machine_is_up(&target->machine)) {
		target_free(target);
		return NULL;
	}
	if (target->duty == HEALTH_CHECKED)
		health_run_del(target);
	/* How he was checked matters to nobody once he leaves. */
	if (wanted->duty == HEALTH_LEAVING)
		target->text_hash = text_hash(&wanted->text->health);
	target->text = wanted->text;
	target->duty = wanted->duty;
	return target;
}

/* Whether what is known of him is of somebody else: who left and comes back is new, and so is who
 * has another check than before he rested. */
static bool target_is_other(const struct health_target *target, const struct wanted *wanted)
{
	if (wanted->duty == HEALTH_LEAVING)
		return false;
	return target->duty == HEALTH_LEAVING ||
	       (target->duty == HEALTH_RESTING &&
		target->text_hash != text_hash(&wanted->text->health));
}

/* `target` NULL: it is new. */
static struct health_target *target_next(struct health *health, struct health_target *target,
					 const struct wanted *wanted)
{
	if (target && target_is_other(target, wanted)) {
		target_free(target);
		target = NULL;
	}
	if (!target)
		target = target_new(health, wanted);
	if (!target)
		return NULL;
	if (wanted->duty != HEALTH_CHECKED)
		return target_put_by(target, wanted);
	return target->duty == HEALTH_RESTING ? target_wake(target, wanted->text) :
						target_stay(target, wanted->text);
}

static int wanted_by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct health_key));
}

static unsigned service_want(const struct balance_live *live, unsigned index, struct wanted *wanted)
{
	const struct balance_section *section = &live->all;
	const struct balance_text *text = &section->services[index];
	/* Where the balancer is off nobody acts. */
	bool is_met = live->services[index].is_enabled && live->acting.service_count;
	struct balance_end service;

	if (text->health.type == HEALTH_NONE ||
	    balance_service_read(section, index, NULL, &service))
		return 0;
	for (unsigned i = 0; i < text->backend_count; i++) {
		wanted[i] = (struct wanted){
			.key.service = service,
			.text = text,
			.duty = i >= balance_staying(text) ? HEALTH_LEAVING :
				is_met			   ? HEALTH_CHECKED :
							     HEALTH_RESTING,
		};
		balance_backend_read(section, index, i, NULL, &wanted[i].key.backend);
	}
	return text->backend_count;
}

static struct wanted *wanted_new(const struct balance_live *live, unsigned *ret_count)
{
	struct wanted *wanted = calloc(live->backend_count + 1ul, sizeof(*wanted));
	unsigned count = 0;

	for (unsigned i = 0; wanted && i < live->all.service_count; i++)
		count += service_want(live, i, &wanted[count]);
	if (wanted)
		qsort(wanted, count, sizeof(*wanted), wanted_by_key);
	*ret_count = count;
	return wanted;
}

/* Both are in the order of keys. */
static unsigned targets_merge(struct health *health, const struct wanted *wanted, unsigned count,
			      struct health_target **targets)
{
	unsigned old = 0, made = 0;

	for (unsigned i = 0; i < count; i++) {
		int order = -1;

		while (old < health->count &&
		       (order = memcmp(&health->targets[old]->key, &wanted[i].key,
				       sizeof(wanted[i].key))) < 0)
			target_free(health->targets[old++]);
		bool is_there = old < health->count && order == 0;

		targets[made] =
			target_next(health, is_there ? health->targets[old++] : NULL, &wanted[i]);
		made += targets[made] != NULL;
	}
	while (old < health->count)
		target_free(health->targets[old++]);
	return made;
}

static int targets_set(struct health *health, const struct wanted *wanted, unsigned count)
{
	struct health_target **targets = calloc(count + 1ul, sizeof(struct health_target *));
	unsigned room = count + health->count; /* who goes leaves while others come */
	int r = targets ? 0 : -ENOMEM;

	if (!r && count)
		r = health_run_init(health);
	if (!r)
		r = health_heap_reserve(&health->starts, room);
	if (!r)
		r = health_heap_reserve(&health->deadlines, room);
	if (r) {
		free(targets);
		return r;
	}
	count = targets_merge(health, wanted, count, targets);
	free(health->targets);
	health->targets = targets;
	health->count = count;
	return 0;
}

/* The texts that targets go by are gone: without memory for new ones nobody is checked. */
static void targets_drop(struct health *health, int error)
{
	for (unsigned i = 0; i < health->count; i++)
		target_free(health->targets[i]);
	health->count = 0;
	weir_engine_warn(health->engine, "balance",
			 "backends are not checked, and count as up, until the next change: %s",
			 strerror(-error));
}

void health_live(struct health *health, const struct balance_live *live)
{
	static const struct balance_live none;

	if (!health || health->is_own) {
		if (health)
			health->is_own = false;
		return;
	}
	unsigned count = 0;
	_cleanup_free_ struct wanted *wanted = wanted_new(live ? live : &none, &count);

	int r = wanted ? targets_set(health, wanted, count) : -ENOMEM;

	health->has_begun = true;
	balance_sources_read(live ? &live->acting : &none.acting, health->sources);
	health_tls_forget(health);
	if (r)
		targets_drop(health, r);
	if (!health->timer)
		return;
	health_run_due(health);
	health_change_ask(health);
}
