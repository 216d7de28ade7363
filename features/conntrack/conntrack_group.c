/* SPDX-License-Identifier: Apache-2.0 */
#include "features/conntrack/conntrack_group.h"

#include <arpa/inet.h>
#include <endian.h>
#include <net/if.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "core/owner.h"
#include "core/served.h"

#define V4_AS_V6 96 /* bits before an IPv4 address */

uint64_t conntrack_totals_of(const struct conntrack_totals *totals, enum conntrack_measure by)
{
	return by == CONNTRACK_BY_FLOWS	  ? totals->flows :
	       by == CONNTRACK_BY_PACKETS ? totals->packets[0] + totals->packets[1] :
					    totals->bytes[0] + totals->bytes[1];
}

static uint64_t first_bits(unsigned bits)
{
	return bits >= 64 ? UINT64_MAX : bits ? htobe64(UINT64_MAX << (64 - bits)) : 0;
}

/* Field by field: who reads as a whole what was just written in parts waits until that is in the
 * cache, and a million flows are summed up by this. */
static void totals_put(const struct conntrack_view *view, bool is_turned,
		       struct conntrack_share *share)
{
	const struct conntrack_carried *carried = &view->carried;

	share->totals.flows = 1;
	share->totals.packets[0] = carried->packets[is_turned];
	share->totals.packets[1] = carried->packets[!is_turned];
	share->totals.bytes[0] = carried->bytes[is_turned];
	share->totals.bytes[1] = carried->bytes[!is_turned];
}

/* Of a prefix its first address. */
static unsigned end_share(const struct conntrack_view *view, unsigned end, const unsigned length[2],
			  struct conntrack_share *share)
{
	const struct weir_addr *addr = &view->flow->key.addr[end];
	unsigned bits = weir_addr_is_v4(addr) ? V4_AS_V6 + length[0] : length[1];

	share->key.addr.be64[0] = addr->be64[0] & first_bits(bits);
	share->key.addr.be64[1] = addr->be64[1] & first_bits(bits > 64 ? bits - 64 : 0);
	share->key.number = 0;
	share->key.backend = 0;
	totals_put(view, end != conntrack_initiator(view->flow), share);
	return 1;
}

/* Both ends may be of one prefix: it has the flow once. */
static unsigned ends_share(const struct conntrack_view *view, const unsigned length[2],
			   struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX])
{
	unsigned src = conntrack_initiator(view->flow);

	end_share(view, src, length, &ret_shares[0]);
	end_share(view, !src, length, &ret_shares[1]);
	return conntrack_key_is(&ret_shares[0].key, &ret_shares[1].key) ? 1 : 2;
}

static unsigned number_share(const struct conntrack_view *view, uint32_t number,
			     struct conntrack_share *share)
{
	share->key.addr.be64[0] = share->key.addr.be64[1] = 0;
	share->key.number = number;
	share->key.backend = 0;
	totals_put(view, false, share);
	return 1;
}

static uint32_t port_number(const struct conntrack_flow *flow, unsigned end)
{
	return (uint32_t)flow->key.proto << 16 | ntohs(flow->key.port[end]);
}

static unsigned port_share(const struct conntrack_view *view, unsigned end,
			   struct conntrack_share *ret_share)
{
	if (!conntrack_has_ports(view->flow))
		return 0;
	return number_share(view, port_number(view->flow, end), ret_share);
}

static unsigned ports_share(const struct conntrack_view *view,
			    struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX])
{
	const struct conntrack_flow *flow = view->flow;
	unsigned src = conntrack_initiator(flow), count = port_share(view, src, ret_shares);

	if (!count || flow->key.port[0] == flow->key.port[1])
		return count;
	port_share(view, !src, &ret_shares[1]);
	return 2;
}

static unsigned places_share(const struct conntrack_view *view,
			     struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX])
{
	uint32_t in = conntrack_place_index(view->flow, CONNTRACK_PLACE_IN),
		 out = conntrack_place_index(view->flow, CONNTRACK_PLACE_OUT);
	unsigned count = in ? number_share(view, in, ret_shares) : 0;

	if (out && out != in)
		count += number_share(view, out, &ret_shares[count]);
	return count;
}

/* By its number, since names may only be asked for at some times; whoever shows it asks. */
static unsigned backend_share(const struct conntrack_view *view, struct conntrack_share *ret_share)
{
	const struct conntrack_flow *flow = view->flow;
	unsigned service = !conntrack_initiator(flow);

	if (!flow->backend)
		return 0;
	number_share(view, port_number(flow, service), ret_share);
	ret_share->key.addr = flow->key.addr[service];
	ret_share->key.backend = flow->backend;
	return 1;
}

/* As long as Docker prints it: 48 bits. */
#define CONTAINER_DIGITS 12

/* Both ends may be of one process, or container: it has the flow once. */
static unsigned owners_share(enum conntrack_group_kind kind, const struct conntrack_view *view,
			     struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX])
{
	struct weir_owner owners[2];
	unsigned count = 0;

	if (!conntrack_owner_get(view, owners))
		return 0;
	for (int end = 0; end < 2; end++) {
		const char *name = kind == CONNTRACK_GROUP_PROCESS ? owners[end].process :
								     owners[end].container;
		size_t most = kind == CONNTRACK_GROUP_PROCESS ? sizeof(struct weir_addr) :
								CONTAINER_DIGITS;
		struct conntrack_share *share = &ret_shares[count];

		number_share(view, 0, share);
		totals_put(view, end, share);
		memcpy(share->key.addr.bytes, name, strnlen(name, most));
		if (name[0] && (!count || !conntrack_key_is(&share->key, &ret_shares[0].key)))
			count++;
	}
	return count;
}

unsigned conntrack_shares_of(enum conntrack_group_kind kind, const unsigned length[2],
			     const struct conntrack_view *view,
			     struct conntrack_share ret_shares[CONNTRACK_SHARES_MAX])
{
	const struct conntrack_flow *flow = view->flow;
	unsigned src = conntrack_initiator(flow);

	switch (kind) {
	case CONNTRACK_GROUP_SRC:
		return end_share(view, src, length, ret_shares);
	case CONNTRACK_GROUP_DST:
		return end_share(view, !src, length, ret_shares);
	case CONNTRACK_GROUP_HOST:
	case CONNTRACK_GROUP_PREFIX:
		return ends_share(view, length, ret_shares);
	case CONNTRACK_GROUP_SPORT:
		return port_share(view, src, ret_shares);
	case CONNTRACK_GROUP_DPORT:
		return port_share(view, !src, ret_shares);
	case CONNTRACK_GROUP_PORT:
		return ports_share(view, ret_shares);
	case CONNTRACK_GROUP_PROTO:
		return number_share(view, flow->key.proto, ret_shares);
	case CONNTRACK_GROUP_INTERFACE:
		return places_share(view, ret_shares);
	case CONNTRACK_GROUP_VLAN:
		return number_share(view, view->carried.vlan, ret_shares);
	case CONNTRACK_GROUP_STATE:
		return number_share(view, conntrack_state_of(flow->key.proto, flow->word),
				    ret_shares);
	case CONNTRACK_GROUP_PROCESS:
	case CONNTRACK_GROUP_CONTAINER:
		return owners_share(kind, view, ret_shares);
	default:
		return backend_share(view, ret_shares);
	}
}

static void prefix_name(const unsigned length[2], const struct conntrack_group_key *key,
			struct weir_buf *text)
{
	char addr[WEIR_ADDR_TEXT];
	bool is_v4 = weir_addr_is_v4(&key->addr);
	unsigned bits = length[!is_v4];

	weir_buf_add_str(text, weir_addr_to_string(&key->addr, addr));
	if (bits < (is_v4 ? 32 : 128))
		weir_buf_addf(text, "/%u", bits);
}

static void interface_name(uint32_t index, struct weir_buf *text)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name))
		weir_buf_add_str(text, name);
	else
		weir_buf_addf(text, "#%u", index); /* it went since */
}

/* "10", "10.20", or that there is no tag. */
static void vlan_name(uint32_t vlan, struct weir_buf *text)
{
	uint32_t inner = vlan >> CONNTRACK_VLAN_INNER_SHIFT;

	if (!(vlan & CONNTRACK_VLAN_TAGGED)) {
		weir_buf_add_str(text, vlan & CONNTRACK_VLAN_KNOWN ? "none" : "unknown");
		return;
	}
	weir_buf_addf(text, "%u", vlan & CONNTRACK_VLAN_ID);
	if (inner & CONNTRACK_VLAN_TAGGED)
		weir_buf_addf(text, ".%u", inner & CONNTRACK_VLAN_ID);
}

static void backend_name(enum conntrack_group_kind kind, struct weir_engine *engine,
			 const struct conntrack_group_key *key, struct weir_buf *text)
{
	const struct weir_served_flow served = {
		.service = key->addr,
		.port = (uint16_t)key->number,
		.number = (uint16_t)key->backend,
		.proto = (uint8_t)(key->number >> 16),
	};
	_cleanup_buf_ struct weir_buf name = { 0 };

	if (!weir_served_name(engine, &served, &name))
		weir_buf_addf(&name, "#%u", key->backend); /* it went since */
	weir_buf_add(text, weir_buf_str(&name),
		     kind == CONNTRACK_GROUP_SERVICE ? strcspn(weir_buf_str(&name), "/") :
						       name.len);
}

void conntrack_group_key_name(enum conntrack_group_kind kind, const unsigned length[2],
			      struct weir_engine *engine, const struct conntrack_group_key *key,
			      struct weir_buf *text)
{
	char number[4];

	switch (kind) {
	case CONNTRACK_GROUP_SRC:
	case CONNTRACK_GROUP_DST:
	case CONNTRACK_GROUP_HOST:
	case CONNTRACK_GROUP_PREFIX:
		prefix_name(length, key, text);
		break;
	case CONNTRACK_GROUP_SPORT:
	case CONNTRACK_GROUP_DPORT:
	case CONNTRACK_GROUP_PORT:
		weir_buf_addf(text, "%u/%s", key->number & 0xffff,
			      conntrack_proto_name((uint8_t)(key->number >> 16), number));
		break;
	case CONNTRACK_GROUP_PROTO:
		weir_buf_add_str(text, conntrack_proto_name((uint8_t)key->number, number));
		break;
	case CONNTRACK_GROUP_STATE:
		weir_buf_add_str(text, conntrack_state_name((enum conntrack_state)key->number));
		break;
	case CONNTRACK_GROUP_VLAN:
		vlan_name(key->number, text);
		break;
	case CONNTRACK_GROUP_INTERFACE:
		interface_name(key->number, text);
		break;
	case CONNTRACK_GROUP_PROCESS:
	case CONNTRACK_GROUP_CONTAINER:
		weir_buf_add(text, (const char *)key->addr.bytes,
			     strnlen((const char *)key->addr.bytes, sizeof(key->addr)));
		break;
	default:
		backend_name(kind, engine, key, text);
	}
}
