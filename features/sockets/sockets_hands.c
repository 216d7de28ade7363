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

static void key_of(const struct sockets_entry *entry, struct sockets_total_key *ret_key)
{
	const struct sockets_process *owner = sockets_owner(entry);

	*ret_key = (struct sockets_total_key){ .proto = entry->proto };
	if (!owner)
		return;
	ret_key->cgroup = owner->cgroup;
	ret_key->uid = owner->uid;
	memcpy(ret_key->comm, owner->comm, sizeof(ret_key->comm));
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
		key_of(entry, &held[i].key);
	}
	hands->held_count = count;
	qsort(held, count, sizeof(*held), held_compare);
}

static struct sockets_hand *row_of(struct sockets_hands *hands, const struct sockets_total_key *key)
{
	for (size_t i = 0; i < hands->count; i++)
		if (memcmp(&hands->rows[i].key, key, sizeof(*key)) == 0)
			return &hands->rows[i];
	if (hands->count == SOCKETS_TOTALS_MAX)
		return NULL;
	struct sockets_hand *rows =
		reallocarray(hands->rows, hands->count + 1, sizeof(*hands->rows));

	if (!rows)
		return NULL;
	hands->rows = rows;
	rows[hands->count] = (struct sockets_hand){ .key = *key };
	return &rows[hands->count++];
}

static void hand_add(struct sockets_hands *hands, const struct sockets_total_key *key, int sign,
		     const struct sockets_held *held)
{
	struct sockets_hand *row = held->sent || held->received ? row_of(hands, key) : NULL;

	if (!row)
		return;
	row->sent += sign * held->sent;
	row->received += sign * held->received;
}

static void entry_compare(struct sockets_hands *hands, const struct sockets_entry *entry)
{
	const struct sockets_held wanted = { .cookie = entry->cookie },
				  *held = hands->held_count ?
						  bsearch(&wanted, hands->held, hands->held_count,
							  sizeof(wanted), held_compare) :
						  NULL;
	struct sockets_total_key key;

	if (!held)
		return;
	key_of(entry, &key);
	if (memcmp(&key, &held->key, sizeof(key)) == 0)
		return;
	hand_add(hands, &held->key, -1, held);
	hand_add(hands, &key, 1, held);
}

void sockets_hands_compare(struct sockets_hands *hands, const struct sockets *state)
{
	const struct sockets_view *view = state->view;
	uint64_t from = hands->turn;

	if (view->turn - from > SOCKETS_ENDED_MAX)
		from = view->turn - SOCKETS_ENDED_MAX;
	for (; from < view->turn; from++)
		entry_compare(hands, &state->ended[from % SOCKETS_ENDED_MAX]);
	for (size_t i = 0; i < sockets_count(view); i++)
		entry_compare(hands, sockets_at(view, i));
}
