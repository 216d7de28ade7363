/* SPDX-License-Identifier: Apache-2.0 */
/* How balance_live.c finds what it has added so far; for others there is balance_live.h. */
#ifndef WEIR_BALANCE_LIVE_FIND_H
#define WEIR_BALANCE_LIVE_FIND_H

#include "features/balance/balance_live.h"

/* Somebody has this address, port and protocol. */
struct balance_use {
	struct balance_end end, key; /* the key: balance_end_in() */
	unsigned service;
	bool is_service; /* else it is a backend: */
	uint32_t row;	 /* 1 + the row that adds it; 0: it is the configuration's */
	unsigned at;	 /* … where it stands among its service's */
	bool is_leaving; /* … for what lives alone */
};

/* Of an index, for who adds: 0, or 1 + where it stands. */
uint32_t *balance_live_name_cell(const struct balance_live *live, const char *name);
uint32_t *balance_live_end_cell(const struct balance_live *live, const struct balance_end *end);
/* NULL: nobody has it. */
const struct balance_use *balance_live_use(const struct balance_live *live,
					   const struct balance_end *end);
struct balance_span balance_live_span(const struct balance_live *live,
				      const struct balance_use *use);

#endif
