/* SPDX-License-Identifier: Apache-2.0 */
/* Services of more than one port, and the backends that have as many. */
#ifndef WEIR_BALANCE_WIDE_H
#define WEIR_BALANCE_WIDE_H

#include "base/json.h"
#include "base/ports.h"
#include "features/balance/balance_index.h"
#include "features/balance/balance_state.h"

/* The ports of a service, or of a backend that packets are translated to. */
struct balance_span {
	struct balance_end end;
	struct weir_addr vip; /* its service's */
	bool is_backend;
	bool keeps;	 /* the service's ports are the backend's */
	bool is_leaving; /* it gives way to who comes */
	unsigned service;
	int backend; /* -1: the service itself */
	uint32_t row;
	uint32_t next; /* 1 + where the next one of this address and protocol stands */
};

/* Those that have more than one port, by address and protocol. */
struct balance_spans {
	struct balance_index index;
	struct balance_span *at;
	uint32_t count;
};

/* As lists show it; of every port WEIR_PORTS_ALL. */
uint32_t balance_end_ports(const struct balance_end *end);
static inline bool balance_end_is_wide(const struct balance_end *end)
{
	return end->last;
}
/* Of one address and protocol, the more exact one has a port. */
int balance_end_exactness(const struct balance_end *end);
/* A number, or a text where there are several. */
void balance_ports_put(struct weir_json_out *json, const char *key, uint32_t ports);
/* Of a backend as it is written, at its service. */
uint32_t balance_backend_ports(const struct balance_text *service,
			       const struct balance_backend_text *backend);
/* "10.0.0.10:80", "[2001:db8::10]:8000-8099"; of every port the address alone. */
void balance_backend_name(const struct balance_text *service,
			  const struct balance_backend_text *backend, struct weir_buf *name);
struct balance_span balance_span_of(unsigned service, int backend,
				    const struct balance_end *service_end,
				    const struct balance_end *end);

/* Room for so many. -ENOMEM. */
int balance_spans_init(struct balance_spans *spans, uint32_t room);
void balance_spans_done(struct balance_spans *spans);
void balance_spans_add(struct balance_spans *spans, const struct balance_span *span);
/* Whether packets could not tell which of the two they are of. Both have the same protocol and
 * address. */
bool balance_span_clashes(const struct balance_span *a, const struct balance_span *b);
/* The one leaves, and the other does not. */
bool balance_span_gives_way(const struct balance_span *span, const struct balance_span *to);
/* One of them that clashes, and does not give way; NULL: none does. */
const struct balance_span *balance_spans_clash(const struct balance_spans *spans,
					       const struct balance_span *span);
/* The service that has the port beside others; NULL: none has. */
const struct balance_span *balance_spans_service(const struct balance_spans *spans,
						 const struct balance_end *end);
/* Its address and protocol have as many ranges as the data path can look through. */
bool balance_spans_are_full(const struct balance_spans *spans, const struct balance_span *span);
/* What is wrong with those of a section. */
int balance_wide_check(const struct balance_section *section, struct weir_diag *diag);

/* balance_tables.c: as packets find them, in the order of addresses, protocols and ports. */
struct balance_tables {
	struct balance_span *spans;
	uint32_t count, tables, lines;
};

/* Ends of services and backends in a row, as they are compiled. -ENOMEM. */
int balance_tables_new(const struct balance_section *section, const struct balance_end *services,
		       const struct balance_end *backends, struct balance_tables *ret_tables);
void balance_tables_done(struct balance_tables *tables);
/* Into the cells, where the lines will begin at `line`. -ENOSPC. */
int balance_tables_put(const struct balance_tables *tables, uint32_t line,
		       struct balance_cell *cells, uint32_t cell_lines);
/* The lines themselves. */
void balance_tables_write(const struct balance_tables *tables, uint32_t line,
			  struct weir_line *lines);

#endif
