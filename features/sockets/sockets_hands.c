/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that are another's at one look than they were at the look before: handed on, inherited,
 * or of nobody until the files were looked at. Totals have them whole with the last who had them;
 * here is what each of the two has of it, so that differences of totals are what somebody carried.
 */
#include <stdlib.h>
#include <string.h>

#include "features/sockets/sockets_state.h"

void sockets_hands_done(struct sockets_hands *hands)
{
	free(hands->held);
	free(hands->rows);
	*hands = (struct sockets_hands){ 0 };
}

static int held_compare(const void *a, const void *b)
{
	const struct sockets_held *one = a, *other = b;

	return (one->cookie > other->cookie) - (one->cookie < other->cookie);
}

void sockets_hands_note(struct sockets_hands *hands, const struct sockets_view *view)
{
	size_t count = sockets_count(view);
	struct sockets_held *held = reallocarray(hands->held, count + 1, sizeof(*held));

	hands->turn = view->turn;
	hands->held_count = 0;
	if (!held)
		return;
	hands->held = held;
	for (size_t i = 0; i < count; i++) {
		const struct sockets_entry *entry = sockets_at(view, i);
		struct sockets_total total;

		sockets_total_of_live(entry, &total);
		held[i] = (struct sockets_held){ .cookie = entry->cookie,
						 .sent = (int64_t)total.bytes_sent,
						 .received = (int64_t)total.bytes_received };
		sockets_key_of(entry, &held[i].key);
	}
	hands->held_count = count;
	qsort(held, count, sizeof(*held), held_compare);
}

static struct sockets_hand *row_of(struct sockets_hands *hands, const struct sockets_total_key *key)
{
	for (size_t i = 0; i < hands->count; i++)
		if (memcmp(&hands->rows[i].key, key, sizeof(*key)) == 0)
			return &hands->rows[i];
	if (!hands->rows)
		hands->rows = calloc(SOCKETS_HANDS_MAX, sizeof(*hands->rows));
	if (!hands->rows || hands->count == SOCKETS_HANDS_MAX)
		return NULL;
	struct sockets_hand *row = &hands->rows[hands->count++];

	*row = (struct sockets_hand){ .key = *key };
	return row;
}

/* With both or with neither: else it would be somebody's rate, or cut it, who has nothing of it. */
static void hand_on(struct sockets_hands *hands, const struct sockets_total_key *from,
		    const struct sockets_total_key *to, const struct sockets_held *held)
{
	bool is_some = held->sent || held->received;
	struct sockets_hand *giver = is_some ? row_of(hands, from) : NULL,
			    *taker = giver ? row_of(hands, to) : NULL;

	if (!taker)
		return;
	giver->sent -= held->sent;
	giver->received -= held->received;
	taker->sent += held->sent;
	taker->received += held->received;
}

static void hand_on_whole(struct sockets_hands *hands, const struct sockets_total_key *from,
			  const struct sockets_total *total)
{
	static const struct sockets_total_key rest;
	const struct sockets_held whole = { .sent = (int64_t)total->bytes_sent,
					    .received = (int64_t)total->bytes_received };

	hand_on(hands, from, &rest, &whole);
}

void sockets_hands_merge(struct sockets_hands *hands, const struct sockets_total_row *row)
{
	hand_on_whole(hands, &row->key, &row->total);
}

static const struct sockets_held *held_find(const struct sockets_hands *hands, uint64_t cookie)
{
	const struct sockets_held wanted = { .cookie = cookie };

	return hands->held_count ? bsearch(&wanted, hands->held, hands->held_count, sizeof(wanted),
					   held_compare) :
				   NULL;
}

static void entry_compare(struct sockets_hands *hands, const struct sockets_entry *entry)
{
	const struct sockets_held *held = held_find(hands, entry->cookie);
	struct sockets_total_key key;

	if (!held)
		return;
	sockets_key_of(entry, &key);
	if (memcmp(&key, &held->key, sizeof(key)) != 0)
		hand_on(hands, &held->key, &key, held);
}

/*
 * Where no row of totals had room, they have the whole of it in the row of the rest, and who had it
 * lived on it until then. What nobody was told to have before is left to the rest.
 */
static void ended_compare(struct sockets_hands *hands, const struct sockets_entry *entry)
{
	struct sockets_total total;
	struct sockets_total_key key;

	entry_compare(hands, entry);
	sockets_key_of(entry, &key);
	if (!held_find(hands, entry->cookie) || !(entry->marks & SOCKETS_MARK_UNSUMMED))
		return;
	sockets_total_of_live(entry, &total);
	hand_on_whole(hands, &key, &total);
}

/* Who gave all away and is in no total has nothing any more: without it, less is told of his user
 * and cgroup at one look, which is no rate. */
static void rows_weed(struct sockets_hands *hands, const struct sockets_view *view)
{
	size_t kept = 0;

	for (size_t i = 0; i < hands->count; i++) {
		const struct sockets_hand *row = &hands->rows[i];

		if (row->sent > 0 || row->received > 0 || sockets_total_row(view, &row->key))
			hands->rows[kept++] = *row;
	}
	hands->count = kept;
}

void sockets_hands_compare(struct sockets_hands *hands, const struct sockets *state)
{
	const struct sockets_view *view = state->view;
	uint64_t from = hands->turn;

	if (hands->count > SOCKETS_HANDS_MAX - 2 * SOCKETS_LEAVING_MAX)
		rows_weed(hands, view);
	if (view->turn - from > SOCKETS_ENDED_MAX)
		from = view->turn - SOCKETS_ENDED_MAX;
	for (; from < view->turn; from++)
		ended_compare(hands, &state->ended[from % SOCKETS_ENDED_MAX]);
	for (size_t i = 0; i < sockets_count(view); i++)
		entry_compare(hands, sockets_at(view, i));
}
