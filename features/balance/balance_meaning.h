/* SPDX-License-Identifier: Apache-2.0 */
/* What balance_compile.c writes, and nobody else reads. */
#ifndef WEIR_BALANCE_MEANING_H
#define WEIR_BALANCE_MEANING_H

#include "features/balance/balance_maglev.h"
#include "features/balance/balance_slots.h"
#include "features/balance/balance_state.h"
#include "features/balance/balance_wide.h"

struct health_set;

/* What the section means: those of all services in a row. */
struct balance_meaning {
	const struct balance_section *section;
	const struct health_set *downs;
	uint32_t backend_count;
	struct balance_end *services, *backends;
	uint16_t *numbers; /* of backends */
	struct balance_maglev_backend *shares;
	struct balance_spreads spreads; /* of services */
	struct balance_plan plan;
	uint32_t address_lines; /* of bits of addresses */
	uint32_t cell_lines;
	struct balance_cell *cells;
	struct balance_tables tables;
};

/* -ENOMEM, as those below. */
int balance_meaning_new(const struct balance_section *section, struct balance_meaning *meaning);
void balance_meaning_done(struct balance_meaning *meaning);
int balance_meaning_read(struct balance_meaning *meaning, struct weir_diag *diag);
/* Of `before` who is there keeps the number that it has. */
int balance_meaning_number(struct balance_meaning *meaning, const struct balance_rows *before);
/* Shares, by weights and who is down, and how many slots they take. */
int balance_meaning_spread(struct balance_meaning *meaning);
/* Once tables are there. */
int balance_meaning_cells(struct balance_meaning *meaning);
/* Sets the bits of all addresses that are met, in lines that are zero. */
void balance_meaning_addresses(const struct balance_meaning *meaning, struct weir_line *lines);
/* Where the lines of services begin … */
uint32_t balance_meaning_services_at(const struct balance_meaning *meaning);
/* … and those of what has several ports. */
uint32_t balance_meaning_tables_at(const struct balance_meaning *meaning);

#endif
