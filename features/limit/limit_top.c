/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is over a limit, and by how much. Buckets keep no addresses, but events of packets over a
 * limit have them, and are a sample; how many packets were over each limit is counted exactly. So
 * the excess of a limit since the last look is shared among those whom its events named, by how
 * often. Memory is fixed: docs/design/limits.md has how exact that is.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "features/limit/limit_state.h"

#define NS_PER_S 1e9
/* Who has not been over for so long is not in it any more. */
#define FORGOTTEN_NS (600ULL * 1000000000)
/* Looks to wait for an event of packets that were counted. */
#define QUIET_LOOKS 5
#define PPS_SMOOTH_S 5.0

const struct limit_known *limit_top_known(const struct limit_top *top, uint64_t id)
{
	for (unsigned i = 0; i < top->known_count; i++)
		if (top->known[i].row.id == id)
			return &top->known[i];
	return NULL;
}

static void known_set(struct limit_known *known, const struct limit_text *text, uint16_t count,
		      const struct limit_top *before)
{
	struct limit_meaning meaning;

	if (limit_read(text, "", NULL, &meaning)) /* it has been checked */
		return;
	const struct limit_known *same = limit_top_known(before, meaning.row.id);

	if (same)
		*known = *same;
	snprintf(known->name, sizeof(known->name), "%s", text->name);
	known->row = meaning.row;
	known->block = meaning.block;
	known->row.count = count;
}

/* What was counted in another row is not to be taken for what came since. */
static void guest_set(struct limit_known *known, const struct weir_image_limit *guest,
		      const struct limit_top *before)
{
	const struct limit_known *same = limit_top_known(before, guest->row.id);

	if (same && same->rule == guest->rule)
		*known = *same;
	snprintf(known->name, sizeof(known->name), "%s", guest->name);
	known->row = guest->row;
	known->rule = guest->rule;
}

static void over_forget(struct limit_top *top, unsigned i)
{
	top->keys[i] = 0;
	top->at[i] = (struct limit_over){ 0 };
}

void limit_top_live(struct limit_top *top, const struct limit_list *list,
		    const struct limit_guests *guests)
{
	struct limit_known known[LIMIT_KNOWN_MAX] = {};
	uint16_t rows[LIMITS_MAX];

	limit_count_rows(list, rows);
	for (unsigned i = 0; i < list->count; i++)
		known_set(&known[i], list->at[i].text, rows[i], top);
	for (unsigned i = 0; i < guests->count; i++)
		guest_set(&known[list->count + i], &guests->at[i], top);
	memcpy(top->known, known, sizeof(known));
	top->known_count = list->count + guests->count;
	for (unsigned i = 0; i < LIMIT_TOP_ENTRIES; i++)
		if (top->keys[i] && !limit_top_known(top, top->at[i].limit))
			over_forget(top, i);
}

static unsigned bits_of(__be64 mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* Whom the limit has a bucket for, of this packet. */
static void over_name(struct limit_over *over, const struct limit_row *row,
		      const struct weir_event *event)
{
	const struct weir_addr *addr =
		row->end == LIMIT_PER_DESTINATION ? &event->dst : &event->src;
	bool is_v4 = !addr->be64[0] && addr->be32[2] == htonl(0xffff);

	over->limit = row->id;
	if (row->end != LIMIT_PER_TOTAL) {
		over->has_addr = true;
		over->length = (uint8_t)(is_v4 ? 64 + bits_of(row->mask4) :
						 bits_of(row->mask6[0]) + bits_of(row->mask6[1]));
		over->addr.be64[0] = addr->be64[0] & row->mask6[0];
		over->addr.be64[1] = addr->be64[1] & (is_v4 ? row->mask4 : row->mask6[1]);
	}
	if (row->service) {
		over->has_service = true;
		over->proto = event->proto;
		over->port = ntohs(event->dport);
	}
}

static uint64_t key_of(const struct limit_over *over)
{
	uint64_t service =
		(uint64_t)over->proto << 16 | over->port | (uint64_t)over->has_service << 32;
	uint64_t key = weir_hash_bytes(&over->addr, sizeof(over->addr), over->limit ^ service);

	return key ? key : 1;
}

/* An event is a packet at least, so both can be added where only an order is wanted. */
static double weight_of(const struct limit_over *over)
{
	return over->over + over->told_now;
}

/* The place of a key: its own, a free one, or that of who is over least. */
static unsigned place_find(const struct limit_top *top, uint64_t key)
{
	unsigned least = 0, unused = LIMIT_TOP_ENTRIES;

	for (unsigned i = 0; i < LIMIT_TOP_ENTRIES; i++) {
		if (top->keys[i] == key)
			return i;
		if (!top->keys[i])
			unused = i;
		else if (weight_of(&top->at[i]) < weight_of(&top->at[least]))
			least = i;
	}
	return unused < LIMIT_TOP_ENTRIES ? unused : least;
}

/* Whoever takes the place of another takes over what that one had, as what may be wrong with it. */
static void place_take(struct limit_top *top, unsigned at, uint64_t key,
		       const struct limit_over *name, uint64_t now_ns)
{
	struct limit_over *over = &top->at[at];
	double inherited = over->over;
	uint32_t inherited_now = over->told_now;

	top->keys[at] = key;
	*over = *name;
	over->since_ns = now_ns;
	over->over = over->error = inherited;
	over->told_now = over->error_now = inherited_now;
}

static struct limit_known *known_of(struct limit_top *top, const struct weir_event *event)
{
	bool is_drop = event->kind == WEIR_EVENT_DROP;
	bool is_over =
		event->kind == WEIR_EVENT_OVER || (is_drop && event->reason == WEIR_DROP_LIMIT);
	bool is_of_rule = is_drop && event->reason == WEIR_DROP_RULE_LIMIT;

	for (unsigned i = 0; (is_over || is_of_rule) && i < top->known_count; i++) {
		struct limit_known *known = &top->known[i];

		if (is_of_rule ? known->rule && known->rule == event->rule :
				 !known->rule && event->list == (LIMIT_LIST | known->row.count))
			return known;
	}
	return NULL;
}

void limit_top_event(struct limit_top *top, const struct weir_event *event)
{
	struct limit_known *known = known_of(top, event);
	struct limit_over name = {};

	if (!known)
		return;
	over_name(&name, &known->row, event);
	uint64_t key = key_of(&name);
	unsigned at = place_find(top, key);

	if (top->keys[at] != key)
		place_take(top, at, key, &name, event->time_ns);
	top->at[at].told_now++;
	top->at[at].last_ns = event->time_ns;
	known->told++;
}

/* Packets that an event of this limit stands for. */
static double known_settle(struct limit_known *known, uint64_t over)
{
	double each = 1;

	known->pending += known->is_looked_at && over > known->over ? over - known->over : 0;
	known->over = over;
	known->is_looked_at = true;
	if (known->told) {
		/* An event may be here before its packet is counted, never the other way round. */
		each = (double)known->pending / known->told;
		known->pending = 0;
		known->quiet = 0;
	} else if (known->pending && ++known->quiet > QUIET_LOOKS) {
		known->untold += known->pending;
		known->pending = 0;
		known->quiet = 0;
	}
	known->told = 0;
	return each > 1 ? each : 1;
}

/* Each event is a packet, which is sure; an estimate of n events is when it is two standard errors
 * (over / sqrt(n) each) above `after`. */
static bool is_sure(double over, double told, double after)
{
	double above = over - after;

	return told >= after || (above > 0 && above * above * told >= 4 * over * over);
}

static void offence_weigh(struct limit_over *over, const struct limit_block *block, double each,
			  uint64_t now_ns)
{
	uint32_t own = over->told_now - over->error_now;

	if (!block->after || !own)
		return;
	if (!over->window_ns || now_ns > over->window_ns + block->within_ns) {
		over->window_ns = now_ns;
		over->window_over = 0;
		over->window_told = 0;
	}
	over->window_over += own * each;
	over->window_told += own;
	over->offends = is_sure(over->window_over, (double)over->window_told, (double)block->after);
}

static void over_settle(struct limit_over *over, double each, double seconds)
{
	double now = over->told_now * each;

	over->over += now;
	over->error += over->error_now * each;
	over->told += over->told_now - over->error_now;
	over->told_now = over->error_now = 0;
	over->pps += (now / seconds - over->pps) * (seconds / (seconds + PPS_SMOOTH_S));
}

void limit_top_look(struct limit_top *top, const uint64_t over[LIMIT_KNOWN_MAX], uint64_t now_ns)
{
	double each[LIMIT_KNOWN_MAX];
	double seconds = (double)(now_ns - top->looked_ns) / NS_PER_S;

	for (unsigned i = 0; i < top->known_count; i++)
		each[i] = known_settle(&top->known[i], over[i]);
	for (unsigned i = 0; i < LIMIT_TOP_ENTRIES; i++) {
		const struct limit_known *known =
			top->keys[i] ? limit_top_known(top, top->at[i].limit) : NULL;

		if (known)
			offence_weigh(&top->at[i], &known->block, each[known - top->known], now_ns);
		if (known && now_ns > top->looked_ns)
			over_settle(&top->at[i], each[known - top->known], seconds);
		if (known && now_ns > top->at[i].last_ns + FORGOTTEN_NS)
			over_forget(top, i);
	}
	top->looked_ns = now_ns;
}
