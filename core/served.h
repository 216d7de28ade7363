/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that belong to a backend of a service: one feature follows flows, another knows backends,
 * and each asks the other here. */
#ifndef WEIR_CORE_SERVED_H
#define WEIR_CORE_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/packet.h"
#include "../base/buf.h"

struct weir_engine;

struct weir_served_flow {
	struct weir_addr service;
	uint16_t port;	 /* host byte order, as the next */
	uint16_t number; /* of the backend in its service */
	uint8_t proto;
	bool is_answered; /* the backend was seen */
	bool is_over;	  /* closed or reset, and kept for what is still under way */
	bool has_ended;	  /* … by both sides, who know it, or reset */
};

/* Appends service/address:port to name. False: there is no such backend, or nobody who knows. */
bool weir_served_name(struct weir_engine *engine, const struct weir_served_flow *flow,
		      struct weir_buf *name);
/* Looks at every flow that is tracked, so it is for a worker's turn. */
void weir_served_each(struct weir_engine *engine,
		      void (*each)(const struct weir_served_flow *flow, void *arg), void *arg);

#endif
