/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_top.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/hash.h"

#define ROOM_FIRST 1024
#define V4_AS_V6 96 /* bits before an IPv4 address */

void conntrack_groups_done(struct conntrack_groups *groups)
{
	tdestroy(groups->names_found, free);
	free(groups->names);
	free(groups->at);
	*groups = (struct conntrack_groups){ .kind = groups->kind };
}

static void totals_add(struct conntrack_totals *totals, const struct conntrack_carried *carried,
		       bool is_turned)
{
	totals->flows++;
	for (int i = 0; i < 2; i++) {
		totals->packets[i] += carried->packets[i ^ is_turned];
		totals->bytes[i] += carried->bytes[i ^ is_turned];
	}
}

static bool is_same(const struct conntrack_group *a, const struct conntrack_group *b)
{
	return a->number == b->number && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

static size_t place_of(const struct conntrack_groups *groups, const struct conntrack_group *key)
{
	uint64_t hash = weir_hash_mix(weir_hash_mix(key->addr.be64[0]) ^ key->addr.be64[1] ^
				      (uint64_t)key->number << 32);
	size_t i = hash & (groups->room - 1);

	while (groups->at[i].is_used && !is_same(&groups->at[i], key))
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

static int group_add(struct conntrack_groups *groups, const struct conntrack_group *key,
		     const struct conntrack_carried *carried, bool is_turned)
{
	if (groups->count < CONNTRACK_GROUPS_MOST && room_make(groups))
		return -ENOMEM;
	struct conntrack_group *group = &groups->at[place_of(groups, key)];

	if (!group->is_used && groups->count == CONNTRACK_GROUPS_MOST) {
		totals_add(&groups->crowded, carried, is_turned);
		return 0;
	}
	if (!group->is_used) {
		*group = *key;
		group->is_used = true;
		groups->count++;
	}
	totals_add(&group->totals, carried, is_turned);
	return 0;
}

/* Of a prefix its first address. */
static void prefix_cut(struct weir_addr *addr, const unsigned length[2])
{
	unsigned bits = weir_addr_is_v4(addr) ? V4_AS_V6 + length[0] : length[1];

	for (unsigned i = 0; i < sizeof(addr->bytes); i++, bits -= bits < 8 ? bits : 8)
		if (bits < 8)
			addr->bytes[i] &= (uint8_t)(0xff00 >> bits);
}

static int end_add(struct conntrack_groups *groups, const struct conntrack_view *view, unsigned end)
{
	struct conntrack_group key = { .addr = view->flow->key.addr[end] };

	prefix_cut(&key.addr, groups->length);
	return group_add(groups, &key, &view->carried, end != conntrack_initiator(view->flow));
}

/* Both ends may be of one prefix: it has the flow once. */
static int ends_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	unsigned src = conntrack_initiator(view->flow);
	struct weir_addr ends[2] = { view->flow->key.addr[0], view->flow->key.addr[1] };

	prefix_cut(&ends[0], groups->length);
	prefix_cut(&ends[1], groups->length);
	int r = end_add(groups, view, src);

	if (r || memcmp(&ends[0], &ends[1], sizeof(ends[0])) == 0)
		return r;
	return end_add(groups, view, !src);
}

static int port_add(struct conntrack_groups *groups, const struct conntrack_view *view,
		    unsigned end)
{
	const struct conntrack_flow *flow = view->flow;
	struct conntrack_group key = { .number = (uint32_t)flow->key.proto << 16 |
						 ntohs(flow->key.port[end]) };

	if (!conntrack_has_ports(flow))
		return 0;
	return group_add(groups, &key, &view->carried, false);
}

static int number_add(struct conntrack_groups *groups, const struct conntrack_view *view,
		      uint32_t number)
{
	struct conntrack_group key = { .number = number };

	return group_add(groups, &key, &view->carried, false);
}

static int places_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	uint32_t in = conntrack_place_index(view->flow, CONNTRACK_PLACE_IN),
		 out = conntrack_place_index(view->flow, CONNTRACK_PLACE_OUT);
	int r = in ? number_add(groups, view, in) : 0;

	return !r && out && out != in ? number_add(groups, view, out) : r;
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

static int backend_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	const char *backend = conntrack_backend_name(view);
	char name[CONNTRACK_BACKEND_TEXT];
	uint32_t number;

	if (!backend)
		return 0;
	snprintf(name, sizeof(name), "%s", backend);
	if (groups->kind == CONNTRACK_GROUP_SERVICE)
		name[strcspn(name, "/")] = '\0';
	int r = name_find(groups, name, &number);

	return r ? r : number_add(groups, view, number);
}

int conntrack_groups_add(struct conntrack_groups *groups, const struct conntrack_view *view)
{
	const struct conntrack_flow *flow = view->flow;
	unsigned src = conntrack_initiator(flow);

	totals_add(&groups->total, &view->carried, false);
	switch (groups->kind) {
	case CONNTRACK_GROUP_SRC:
		return end_add(groups, view, src);
	case CONNTRACK_GROUP_DST:
		return end_add(groups, view, !src);
	case CONNTRACK_GROUP_HOST:
		return ends_add(groups, view);
	case CONNTRACK_GROUP_SPORT:
		return port_add(groups, view, src);
	case CONNTRACK_GROUP_DPORT:
		return port_add(groups, view, !src);
	case CONNTRACK_GROUP_PROTO:
		return number_add(groups, view, flow->key.proto);
	case CONNTRACK_GROUP_STATE:
		return number_add(groups, view, conntrack_state_of(flow->key.proto, flow->word));
	case CONNTRACK_GROUP_INTERFACE:
		return places_add(groups, view);
	default:
		return backend_add(groups, view);
	}
}

uint64_t conntrack_totals_of(const struct conntrack_totals *totals, enum conntrack_measure by)
{
	return by == CONNTRACK_BY_FLOWS	  ? totals->flows :
	       by == CONNTRACK_BY_PACKETS ? totals->packets[0] + totals->packets[1] :
					    totals->bytes[0] + totals->bytes[1];
}

static int group_compare(const void *a, const void *b, void *arg)
{
	const struct conntrack_group *x = a, *y = b;
	enum conntrack_measure by = *(enum conntrack_measure *)arg;
	uint64_t one = conntrack_totals_of(&x->totals, by),
		 other = conntrack_totals_of(&y->totals, by);

	if (one != other)
		return one < other ? 1 : -1;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order : (x->number > y->number) - (x->number < y->number);
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

	for (size_t i = shown; i < groups->count; i++) {
		const struct conntrack_totals *totals = &groups->at[i].totals;

		rest.flows += totals->flows;
		for (int side = 0; side < 2; side++) {
			rest.packets[side] += totals->packets[side];
			rest.bytes[side] += totals->bytes[side];
		}
	}
	return rest;
}

static void prefix_name(const struct conntrack_groups *groups, const struct conntrack_group *group,
			struct weir_buf *text)
{
	char addr[WEIR_ADDR_TEXT];
	bool is_v4 = weir_addr_is_v4(&group->addr);
	unsigned length = groups->length[!is_v4];

	weir_buf_add_str(text, weir_addr_to_string(&group->addr, addr));
	if (length < (is_v4 ? 32 : 128))
		weir_buf_addf(text, "/%u", length);
}

static void interface_name(uint32_t index, struct weir_buf *text)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name))
		weir_buf_add_str(text, name);
	else
		weir_buf_addf(text, "#%u", index); /* it went since */
}

void conntrack_group_name(const struct conntrack_groups *groups,
			  const struct conntrack_group *group, struct weir_buf *text)
{
	char number[4];

	switch (groups->kind) {
	case CONNTRACK_GROUP_SRC:
	case CONNTRACK_GROUP_DST:
	case CONNTRACK_GROUP_HOST:
		prefix_name(groups, group, text);
		break;
	case CONNTRACK_GROUP_SPORT:
	case CONNTRACK_GROUP_DPORT:
		weir_buf_addf(text, "%u/%s", group->number & 0xffff,
			      conntrack_proto_name((uint8_t)(group->number >> 16), number));
		break;
	case CONNTRACK_GROUP_PROTO:
		weir_buf_add_str(text, conntrack_proto_name((uint8_t)group->number, number));
		break;
	case CONNTRACK_GROUP_STATE:
		weir_buf_add_str(text, conntrack_state_name((enum conntrack_state)group->number));
		break;
	case CONNTRACK_GROUP_INTERFACE:
		interface_name(group->number, text);
		break;
	default:
		weir_buf_add_str(text, groups->names[group->number]);
	}
}
