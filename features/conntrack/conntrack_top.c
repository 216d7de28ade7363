/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_top.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define ROOM_FIRST 1024

void conntrack_groups_done(struct conntrack_groups *groups)
{
	tdestroy(groups->names_found, free);
	free(groups->names);
	free(groups->at);
	*groups = (struct conntrack_groups){ .kind = groups->kind };
}

static bool is_same(const struct conntrack_group *a, const struct conntrack_group *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key)) == 0;
}

static size_t place_of(const struct conntrack_groups *groups, const struct conntrack_group *group)
{
	size_t i = weir_hash_bytes(&group->key, sizeof(group->key), 0) & (groups->room - 1);

	while (groups->at[i].is_used && !is_same(&groups->at[i], group))
		i = (i + 1) & (groups->room - 1);
	return i;
}

/* Half of the places stay free, so that looking is short. */
static int room_make(struct conntrack_groups *groups)
{
	struct conntrack_groups grown = *groups;

	if (groups->count * 2 < groups->room)
		return 0;
	grown.room = groups->room ? groups->room * 2 : ROOM_FIRST;
	grown.at = calloc(grown.room, sizeof(*grown.at));
	if (!grown.at)
		return -ENOMEM;
	for (size_t i = 0; i < groups->room; i++)
		if (groups->at[i].is_used)
			grown.at[place_of(&grown, &groups->at[i])] = groups->at[i];
	free(groups->at);
	*groups = grown;
	return 0;
}

static int group_add(struct conntrack_groups *groups, const struct conntrack_group *added)
{
	if (groups->count < CONNTRACK_GROUPS_MOST && room_make(groups))
		return -ENOMEM;
	struct conntrack_group *group = &groups->at[place_of(groups, added)];

	if (!group->is_used && groups->count == CONNTRACK_GROUPS_MOST) {
		conntrack_totals_add(&groups->crowded, &added->totals);
		return 0;
	}
	if (!group->is_used) {
		*group = *added;
		group->is_used = true;
		groups->count++;
		return 0;
	}
	conntrack_totals_add(&group->totals, &added->totals);
	return 0;
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

int conntrack_groups_put(struct conntrack_groups *groups, const struct conntrack_share *share,
			 uint64_t missed)
{
	struct conntrack_group group = { share->key, share->totals, missed, false };
	int r = is_named(groups->kind) ? key_name(groups, &group.key) : 0;

	return r ? r : group_add(groups, &group);
}

int conntrack_groups_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	struct conntrack_totals whole = {
		.flows = 1,
		.packets = { view->carried.packets[0], view->carried.packets[1] },
		.bytes = { view->carried.bytes[0], view->carried.bytes[1] },
	};
	struct conntrack_share shares[CONNTRACK_SHARES_MAX];
	unsigned count = conntrack_shares_of(groups->kind, groups->length, view, shares);
	int r = 0;

	groups->engine = view->engine;
	conntrack_totals_add(&groups->total, &whole);
	for (unsigned i = 0; i < count && !r; i++)
		r = conntrack_groups_put(groups, &shares[i], groups->missed);
	return r;
}

static int group_compare(const void *a, const void *b, void *arg)
{
	const struct conntrack_group *x = a, *y = b;
	enum conntrack_measure by = *(enum conntrack_measure *)arg;
	uint64_t one = conntrack_totals_of(&x->totals, by),
		 other = conntrack_totals_of(&y->totals, by);

	if (one != other)
		return one < other ? 1 : -1;
	int order = memcmp(&x->key.addr, &y->key.addr, sizeof(x->key.addr));

	return order ? order : (x->key.number > y->key.number) - (x->key.number < y->key.number);
}

void conntrack_groups_sort(struct conntrack_groups *groups, enum conntrack_measure by)
{
	size_t count = 0;

	for (size_t i = 0; i < groups->room; i++)
		if (groups->at[i].is_used)
			groups->at[count++] = groups->at[i];
	qsort_r(groups->at, count, sizeof(*groups->at), group_compare, &by);
}

struct conntrack_totals conntrack_groups_rest(const struct conntrack_groups *groups, size_t shown)
{
	struct conntrack_totals rest = groups->crowded;

	conntrack_totals_add(&rest, &groups->gone);
	for (size_t i = shown; i < groups->count; i++)
		conntrack_totals_add(&rest, &groups->at[i].totals);
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
