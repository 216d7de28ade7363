/* SPDX-License-Identifier: Apache-2.0 */
/* A flow as people see it: what a filter can ask of it, and its words in JSON. */
#ifndef WEIR_CONNTRACK_VIEW_H
#define WEIR_CONNTRACK_VIEW_H

#include <net/if.h>

#include "base/filter.h"
#include "base/json.h"
#include "core/owner.h"
#include "features/conntrack/conntrack_carried.h"

struct weir_engine;
struct weir_served_flow;

#define CONNTRACK_NAMES_KNOWN 16

/* Names of interfaces that were asked for, by where flows were let in or out: who looks at a
 * million flows asks the kernel once for each. */
struct conntrack_place_names {
	struct {
		uint32_t index; /* 0: none */
		char name[IF_NAMESIZE];
	} known[2][CONNTRACK_NAMES_KNOWN];
};

struct conntrack_view {
	const struct conntrack_flow *flow;
	enum conntrack_table_kind table;
	uint32_t now;
	const struct conntrack_past *past;
	struct weir_engine *engine;	     /* who is asked for names of backends; NULL: nobody */
	struct conntrack_place_names *names; /* NULL: the kernel is asked each time */
	bool is_replayed;		     /* its times are a capture's, since 1970 */
	bool is_over;			     /* a record of one that ended */
	bool is_counted;		     /* flows are, and this one has `carried` so much */
	struct conntrack_carried carried;
};

#define CONNTRACK_BACKEND_TEXT 128

/* conntrack_served.c: service/address:port, NULL for a flow to no service; good until the next of
 * this thread. */
const char *conntrack_backend_name(const struct conntrack_view *view);
void conntrack_served_each(void *state,
			   void (*each)(const struct weir_served_flow *flow, void *arg), void *arg);

extern const struct weir_filter_field conntrack_filter_fields[];
/* For weir_filter_matches(); the item is a struct conntrack_view. */
size_t conntrack_filter_get(const void *item, size_t field,
			    union weir_filter_value ret_values[WEIR_FILTER_EITHER_MAX]);
/* conntrack_served.c: whose its ends are, where they are sockets of this host. */
void conntrack_owner_put(const struct conntrack_view *view, struct weir_json_out *json);
bool conntrack_owner_get(const struct conntrack_view *view, struct weir_owner *ret_owners);
/* … and which they are: who began it is the source. */
struct weir_flow_ends conntrack_ends_of(const struct conntrack_view *view);
/* Members of the open object. */
void conntrack_view_members(const struct conntrack_view *view, struct weir_json_out *json);
/* An object of the open array. */
void conntrack_view_put(const struct conntrack_view *view, struct weir_json_out *json);
/* A tick as a time of CLOCK_MONOTONIC. */
uint64_t conntrack_tick_ns(uint32_t tick);
/* Whether it asks for what the second line of a flow has, or for what flows carried. */
bool conntrack_filter_asks_rest(const struct weir_filter *filter);
bool conntrack_filter_asks_carried(const struct weir_filter *filter);
/* Whether a flow that passes the filter once does so for all its life. */
bool conntrack_filter_is_steady(const struct weir_filter *filter);
/* conntrack_account.c: likewise, of a flow that is counted, what it carried; and TCP flags. */
void conntrack_carried_put(const struct conntrack_view *view, struct weir_json_out *json);
/* What it has as a time of CLOCK_MONOTONIC, as a time of day, which may have been set since. */
uint64_t conntrack_view_real_ns(const struct conntrack_view *view, uint64_t at_ns);
void conntrack_flags_put(const struct conntrack_view *view, struct weir_json_out *json);
/* The initiator's end (0) and the responder's (1), as numbers of the key. */
unsigned conntrack_initiator(const struct conntrack_flow *flow);
bool conntrack_has_ports(const struct conntrack_flow *flow); /* of ICMP and fragments: none */
/* Of the interface by which it was let in (CONNTRACK_PLACE_IN) or out; 0: none. */
uint32_t conntrack_place_index(const struct conntrack_flow *flow, unsigned bit);
/* A name, or the number as a text in `number`. */
const char *conntrack_proto_name(uint8_t proto, char number[4]);
const char *conntrack_state_name(enum conntrack_state state);
/* The four names of the overview; NULL for protocols that have no such stages. */
const char *conntrack_stage_name(enum conntrack_state state);

#endif
