/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted of backends, in user space. A backend keeps its row of ctr_backend while it is in
 * the policy: through applies, reloads and restarts. Which row is whose is in a file of the state
 * directory, since a policy is compiled before there is a map to ask.
 */
#ifndef WEIR_BALANCE_COUNT_H
#define WEIR_BALANCE_COUNT_H

#include "core/map.h"
#include "core/served.h"
#include "features/balance/balance.h"

struct balance_end;

/* Whose a row is. Sorted by identity; row 0 is nobody's. */
struct balance_tally_row {
	uint64_t identity; /* of the service and the backend, by what they are */
	uint32_t row;
	uint16_t number;  /* its own in the service; 0: the one that it asks for */
	uint64_t gone_ns; /* of one that rests: since when */
};

struct balance_rows {
	struct balance_tally_row *at;
	uint32_t count;
	uint32_t room; /* the map is made for: no fewer than are in use */
};

void balance_rows_done(struct balance_rows *rows);
#define _cleanup_balance_rows_ __attribute__((cleanup(balance_rows_done)))
/* NULL: it has none; valid as long as `rows`. */
const struct balance_tally_row *balance_rows_row(const struct balance_rows *rows,
						 uint64_t identity);
/* 0: it has none. */
uint32_t balance_rows_find(const struct balance_rows *rows, uint64_t identity);
/* Behind the last row. */
uint32_t balance_rows_end(const struct balance_rows *rows);
bool balance_rows_equal(const struct balance_rows *a, const struct balance_rows *b);
uint64_t balance_identity(const struct balance_end *service, const struct balance_end *backend);
/*
 * Gives each identity the row it had before, else the lowest that nobody has and that does not
 * rest; in their order. ret_numbers[count]. -ENOMEM.
 */
int balance_rows_number(const struct balance_rows *before, const struct balance_rows *resting,
			const uint64_t *identities, uint32_t count, uint32_t *ret_numbers,
			struct balance_rows *ret_rows);
/* Rows of `before` that are not in `now` rest from now_ns on, those that have rested long enough
 * no longer. -ENOMEM: none of them rests. */
int balance_rows_rest(struct balance_rows *resting, const struct balance_rows *before,
		      const struct balance_rows *now, uint64_t now_ns);

#define BALANCE_ROWS_FILE "balance-rows.json"

/* balance_count_store.c: that file in the state directory, or nothing where that is NULL. One that
 * cannot be read is kept aside, and said in diag. */
int balance_rows_load(const char *dir, struct weir_diag *diag, struct balance_rows *ret_rows);
int balance_rows_save(const char *dir, const struct balance_rows *rows);

/*
 * balance_count_book.c: a map of rows of `each` lines of words, shared with the data path. Where a
 * reload makes it larger, what was counted in the one before stays in the sums, and is brought
 * over once no packet can be in its program.
 */
struct balance_book {
	struct weir_map_memory now, before;
	uint32_t each;	/* parts of a row; user space's is the first */
	uint32_t words; /* of a part, 64 bits each */
	uint32_t waits; /* ticks until what was before is brought over */
};

void balance_book_done(struct balance_book *book);
/* Both: a worker, while the loop reads. */
int balance_book_open(struct balance_book *book, const struct weir_map *map);
/* Takes the memory over, whose first word names its map. */
void balance_book_take(struct balance_book *book, struct weir_map_memory *memory);
/* Adds a row's parts to sums[words], of which the last means nothing. */
void balance_book_sum(const struct balance_book *book, uint32_t row, __u64 *sums);
/* The row is this one's from now on. What another has counted in it goes. */
void balance_book_own(struct balance_book *book, uint32_t row, uint64_t identity);
/* Its backend is gone: should it come back, it begins at zero. */
void balance_book_disown(struct balance_book *book, uint32_t row);
/* Once a tick, while no change is under way. */
void balance_book_tick(struct balance_book *book);

/* A backend of the policy, and where it is counted. */
struct balance_place {
	struct weir_addr service;
	uint16_t port, last; /* the service's, as struct balance_end has them */
	uint16_t number;
	uint8_t proto;
	unsigned service_index, backend_index; /* in the section */
	uint32_t row;
	uint64_t identity;
};

/* Backends by their number within a service; NULL: nobody has asked yet. */
struct balance_by_number {
	const struct balance_place **sorted;
};

/* Of a policy: its backends in the order of the file. */
struct balance_spans;
struct balance_plan {
	struct balance_place *at;
	struct balance_spans *wide; /* services of several ports; NULL: there are none */
	struct balance_by_number *by_number;
	const struct balance_place **by_row; /* NULL in it: the row is nobody's */
	uint32_t count, rows_end;
	struct balance_rows rows;
	struct balance_rows places; /* of slots (balance_slots.h), by what they follow from */
	uint32_t slots_base;
};

/* What was counted of a backend, and what of it in the last second or so. */
struct balance_sums {
	struct balance_tally total, last;
};

struct balance_counts {
	char *dir; /* of state files; NULL: nothing is kept */
	struct balance_book tallies, latencies;
	struct balance_plan live, next; /* next: compiled, not live yet */
	bool has_next;
	bool is_saved;	  /* the file has the rows of `next` */
	bool is_attached; /* to maps whose rows are to be owned anew */
	struct balance_rows resting;
	struct balance_sums *sums;		 /* of `live`, as read last */
	uint64_t read_ns, next_read_ns, span_ns; /* span_ns: how long `last` is; 0: not known */
};

/* balance_count_plan.c */
void balance_plan_done(struct balance_plan *plan);
/* What is compiled: ends and numbers of all services' backends in a row. The rows of `before` and
 * those that rest are as they are. -ENOMEM. */
struct balance_section;
int balance_plan_new(const struct balance_section *section, const struct balance_end *services,
		     const struct balance_end *backends, const uint16_t *numbers,
		     const struct balance_counts *counts, struct balance_plan *ret_plan);
/* NULL: there is none. */
const struct balance_place *balance_plan_row(const struct balance_plan *plan, uint32_t row);
/* By number, at the service that packets to this address, port and protocol are of. Loop: it may be
 * the first to ask. */
const struct balance_place *balance_plan_number(const struct balance_plan *plan,
						const struct balance_place *key);
const struct balance_place *balance_plan_flow(const struct balance_plan *plan,
					      const struct weir_served_flow *flow);

/* balance_count.c */
void balance_counts_done(struct balance_counts *counts);
int balance_counts_attach(struct balance_counts *counts, struct weir_object *object);
/* Worker: the plan is taken over, to be live with the policy that was compiled. */
void balance_counts_next(struct balance_counts *counts, struct balance_plan *plan);
/* Worker: writes the file, so that the loop need not when it is live. One that is not taken by
 * then names rows that nobody has, or has again. */
void balance_counts_save(struct balance_counts *counts);
/* -errno: the file cannot be written. */
int balance_counts_live(struct balance_counts *counts, uint64_t now_ns);
void balance_counts_tick(struct balance_counts *counts, uint64_t now_ns);
void balance_tally_add(struct balance_tally *to, const struct balance_tally *from);
/* What a backend has counted now. */
void balance_latency_add(struct balance_latency *to, const struct balance_latency *from);
struct balance_latency balance_latency_of(const struct balance_counts *counts,
					  const struct balance_place *place);
struct balance_tally balance_counts_of(const struct balance_counts *counts,
				       const struct balance_place *place);

#endif
