/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_top.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define TOLD_FIRST 64

void conntrack_groups_done(struct conntrack_groups *groups)
{
	conntrack_tally_done(&groups->tally);
	weir_rank_done(&groups->rank);
	tdestroy(groups->names_found, free);
	free(groups->names);
	free(groups->told);
	*groups = (struct conntrack_groups){ .kind = groups->kind };
}

/* What a tree of names has for a node: begins with the text, by which it is found. */
struct named {
	char text[CONNTRACK_BACKEND_TEXT];
	uint32_t number;
};

static int name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int name_add(struct conntrack_groups *groups, const char *name, uint32_t *ret_number)
{
	const char **grown = reallocarray(groups->names, groups->name_count + 1, sizeof(*grown));
	_cleanup_free_ struct named *named = calloc(1, sizeof(*named));

	groups->names = grown ? grown : groups->names;
	if (!grown || !named)
		return -ENOMEM;
	snprintf(named->text, sizeof(named->text), "%s", name);
	named->number = (uint32_t)groups->name_count;
	if (!tsearch(named, &groups->names_found, name_compare))
		return -ENOMEM;
	*ret_number = named->number;
	groups->names[groups->name_count++] = weir_take(named)->text;
	return 0;
}

static int name_find(struct conntrack_groups *groups, const char *name, uint32_t *ret_number)
{
	struct named *const *found = tfind(name, &groups->names_found, name_compare);

	if (!found)
		return name_add(groups, name, ret_number);
	*ret_number = (*found)->number;
	return 0;
}

static bool is_named(enum conntrack_group_kind kind)
{
	return kind == CONNTRACK_GROUP_SERVICE || kind == CONNTRACK_GROUP_BACKEND;
}

/* Several keys may have one name, as backends of a service have: that is what they are told by. */
static int key_name(struct conntrack_groups *groups, struct conntrack_group_key *key)
{
	_cleanup_buf_ struct weir_buf name = { 0 };
	uint32_t number;

	conntrack_group_key_name(groups->kind, groups->length, groups->engine, key, &name);
	int r = name.failed ? -ENOMEM : name_find(groups, weir_buf_str(&name), &number);

	if (!r)
		*key = (struct conntrack_group_key){ .number = number };
	return r;
}

static int told_add(struct conntrack_groups *groups, uint32_t row, uint64_t flows, uint64_t missed)
{
	if (row == CONNTRACK_TALLY_NONE)
		return 0;
	if (row < groups->told_count) {
		groups->told[row].flows += flows;
		groups->told[row].missed += missed;
		return 0;
	}
	if (groups->told_count == groups->told_room) {
		size_t room = groups->told_room ? groups->told_room * 2 : TOLD_FIRST;
		struct conntrack_told_group *grown =
			reallocarray(groups->told, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		groups->told = grown;
		groups->told_room = room;
	}
	groups->told[groups->told_count++] = (struct conntrack_told_group){ flows, missed };
	return 0;
}

int conntrack_groups_put(struct conntrack_groups *groups, const struct conntrack_share *share,
			 uint64_t missed)
{
	uint32_t row;
	int r = conntrack_tally_add(&groups->tally, share, &row);

	return r ? r : told_add(groups, row, share->totals.flows, missed);
}

int conntrack_groups_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	const struct conntrack_carried *carried = &view->carried;

	groups->engine = view->engine;
	groups->total.flows++;
	for (int side = 0; side < 2; side++) {
		groups->total.packets[side] += carried->packets[side];
		groups->total.bytes[side] += carried->bytes[side];
	}
	return conntrack_tally_take(&groups->tally,
				    conntrack_shares_of(groups->kind, groups->length, view,
							conntrack_tally_next(&groups->tally)));
}

/* One group of all that have its name. Rows of ended flows are the first here, too. */
static int row_name(struct conntrack_groups *named, const struct conntrack_groups *groups,
		    uint32_t from)
{
	struct conntrack_share share = groups->tally.at[from];
	uint32_t row;
	int r = key_name(named, &share.key);

	if (!r)
		r = conntrack_tally_add(&named->tally, &share, &row);
	if (!r && from < groups->told_count)
		r = told_add(named, row, groups->told[from].flows, groups->told[from].missed);
	return r;
}

/* Names are asked for once a key, and not once a flow. */
static int groups_name(struct conntrack_groups *groups)
{
	struct conntrack_groups named = *groups;
	int r = 0;

	named.tally = (struct conntrack_tally){ .none = groups->tally.none };
	named.told = NULL;
	named.told_count = named.told_room = 0;
	for (uint32_t row = 0; row < groups->tally.count && !r; row++)
		r = row_name(&named, groups, row);
	conntrack_tally_done(&groups->tally);
	free(groups->told);
	*groups = named;
	return r;
}

static bool comes_first(uint32_t item, uint32_t other, const void *arg)
{
	const struct conntrack_groups *groups = arg;
	const struct conntrack_group_key *x = &groups->tally.at[item].key,
					 *y = &groups->tally.at[other].key;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order < 0 : x->number < y->number;
}

int conntrack_groups_rank(struct conntrack_groups *groups, enum conntrack_measure by, size_t most)
{
	struct weir_rank *rank = &groups->rank;
	int r = conntrack_tally_settle(&groups->tally);

	if (!r && is_named(groups->kind))
		r = groups_name(groups);
	if (!r)
		r = weir_rank_init(rank, most < groups->tally.count ? most : groups->tally.count);
	if (r)
		return r;
	rank->comes_first = comes_first;
	rank->arg = groups;
	for (uint32_t row = 0; row < groups->tally.count; row++) {
		const struct conntrack_totals *totals = &groups->tally.at[row].totals;

		conntrack_totals_add(&groups->listed, totals);
		weir_rank_add(rank,
			      &(struct weir_ranked){ conntrack_totals_of(totals, by), row, 0 });
	}
	weir_rank_sort(rank);
	return 0;
}

size_t conntrack_groups_count(const struct conntrack_groups *groups)
{
	return groups->tally.count;
}

const struct conntrack_totals *conntrack_groups_crowded(const struct conntrack_groups *groups)
{
	return &groups->tally.none;
}

struct conntrack_group conntrack_groups_at(const struct conntrack_groups *groups, size_t place)
{
	uint32_t row = groups->rank.at[place].item;
	const struct conntrack_share *share = &groups->tally.at[row];
	struct conntrack_told_group told = { 0, groups->missed };

	if (row < groups->told_count)
		told = groups->told[row];
	return (struct conntrack_group){ share->key, share->totals,
					 share->totals.flows - told.flows, told.missed };
}

static void totals_take(struct conntrack_totals *totals, const struct conntrack_totals *less)
{
	totals->flows -= less->flows;
	for (int side = 0; side < 2; side++) {
		totals->packets[side] -= less->packets[side];
		totals->bytes[side] -= less->bytes[side];
	}
}

struct conntrack_totals conntrack_groups_rest(const struct conntrack_groups *groups)
{
	struct conntrack_totals rest = groups->listed;

	for (size_t i = 0; i < groups->rank.count; i++)
		totals_take(&rest, &groups->tally.at[groups->rank.at[i].item].totals);
	conntrack_totals_add(&rest, &groups->tally.none);
	conntrack_totals_add(&rest, &groups->gone);
	return rest;
}

void conntrack_group_name(const struct conntrack_groups *groups,
			  const struct conntrack_group *group, struct weir_buf *text)
{
	if (is_named(groups->kind))
		weir_buf_add_str(text, groups->names[group->key.number]);
	else
		conntrack_group_key_name(groups->kind, groups->length, groups->engine, &group->key,
					 text);
}
