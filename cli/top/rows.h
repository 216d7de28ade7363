/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a look, and how fast each counts: by the difference to the look before. */
#ifndef WEIR_TOP_ROWS_H
#define WEIR_TOP_ROWS_H

#include "cli/top/history.h"
#include "cli/top/look.h"
#include "cli/top/tabs.h"

struct top_row {
	char *key;		      /* what tells it apart */
	const struct weir_json *json; /* of the look */
	uint64_t counters[TOP_COUNTERS];
	double rates[TOP_COUNTERS]; /* a second; NAN: not known */
	bool is_inexact;	    /* of the rates */
	/* Which counters the next rates are told from, of when: those of the last look that lacked
	 * nothing of it; and how many looks have since. */
	uint64_t base[TOP_COUNTERS], base_ns;
	unsigned lacking;
	uint64_t missed; /* what it may have had besides, at most, before it had its place */
	bool is_met;	 /* by the look that follows */
	struct top_history history; /* of the first counters' rate */
};

/* Zero-initialise. */
struct top_rows {
	struct top_row *at; /* by key, until they are sorted */
	size_t count;
	bool is_whole;	   /* all there are, not only the largest */
	uint64_t as_of_ns; /* by the host's clock; 0: not told */
	/* Not among these, and among those of a few looks before. */
	struct top_row *lost;
	size_t lost_count;
};

/* How two looks follow one another. */
struct top_step {
	uint64_t before_ns, at_ns; /* before 0: there was none */
	bool lost_some;		   /* something ended, and its counts are in no row */
	bool has_ended;		   /* what has ended is in the rows: they never count less */
	bool is_unsteady;	   /* counts go from row to row: differences are no rates */
};

void top_rows_done(struct top_rows *rows);
/* Of `answer`, with rates by `before`, whose rows are put in the order of their keys. -ENOMEM. */
int top_rows_read(const struct top_way *way, const struct weir_json *answer,
		  struct top_rows *before, const struct top_step *step, struct top_rows *ret_rows);
/* The member; "device.rx_bytes" is one of a member. NULL: it has none. */
const struct weir_json *top_member(const struct weir_json *object, const char *path);
/* Of a column of numbers; NAN: it is not known. */
double top_row_number(const struct top_row *row, const struct top_column *column);
/* As it is shown, whatever the column; the sparkline has no text. */
void top_row_text(const struct top_row *row, const struct top_column *column, struct weir_buf *out);
/* "192.0.2.1:443", "[2001:db8::1]:8000-8099"; the address alone where it has no port, or every. */
void top_end_add(const struct weir_json *row, const char *key, const char *port_key,
		 struct weir_buf *out);
/* A number in few columns, "12.3M", in the place of what stands in `text`: one that is cut off
 * would be another. */
void top_row_short(const struct top_row *row, const struct top_column *column,
		   struct weir_buf *text);
/* The largest first, texts by the alphabet and numbers in them by their size; ties by the counters,
 * then by key. */
void top_rows_sort(struct top_rows *rows, const struct top_column *column, bool is_reverse);

#endif
