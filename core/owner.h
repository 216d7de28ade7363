/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a flow is: one feature follows flows, another knows this host's sockets, and the one asks
 * the other here. */
#ifndef WEIR_CORE_OWNER_H
#define WEIR_CORE_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/packet.h"
#include "../base/clock.h"
#include "../base/json.h"

struct weir_engine;

/* Packets are stamped by a clock that goes by ticks, of so much at the most. */
#define WEIR_FLOW_TICK_NS (10 * WEIR_NS_PER_MS)

struct weir_flow_ends {
	struct weir_addr src, dst;
	uint16_t sport, dport; /* host byte order */
	uint8_t proto;
	bool is_over; /* how it gets on is no question any more */
	/* When packets of it came, CLOCK_MONOTONIC: others may have had the same ends before, and
	 * since. 0: not known. */
	uint64_t first_ns, last_ns;
};

/* Adds to an open object whose the ends are that are sockets of this host; nothing where none is,
 * or nobody knows. Loop, or a worker in its turn. */
void weir_owner_put(struct weir_engine *engine, const struct weir_flow_ends *ends,
		    struct weir_json_out *json);

/* Of one end, as far as it is known; "" else. */
struct weir_owner {
	char process[17];   /* its name, as the kernel has it */
	char container[65]; /* its identifier */
};

/* Of source and destination: two. False: neither is known. Likewise. */
bool weir_owner_get(struct weir_engine *engine, const struct weir_flow_ends *ends,
		    struct weir_owner *ret_owners);

#endif
