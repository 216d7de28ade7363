/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of one dimension: bit vectors, each once, in the form of struct rules_row. */
#ifndef WEIR_RULES_ROWS_H
#define WEIR_RULES_ROWS_H

#include "features/rules/rules_bits.h"

/* Lines of the section, as they are made. */
struct rules_lines {
	struct weir_line *at;
	uint32_t count, capacity;
};

/* The number of the first of `count` zeroed lines; -ENOMEM. */
int rules_lines_add(struct rules_lines *lines, uint32_t count, uint32_t *ret_line);
void rules_lines_done(struct rules_lines *lines);

struct rules_rows {
	const __u64 *wild; /* words in which no rule asks */
	uint32_t words;
	struct rules_packed *row;
	uint32_t count, capacity;
	__u64 *pool; /* stored words of all rows, one after the other */
	size_t pool_count, pool_capacity;
	uint32_t *slots; /* rows by hash, open addressing, 0 = free */
	uint32_t slot_count;
};

struct rules_packed {
	__u64 aggregate[RULES_AGGREGATES];
	size_t first; /* in the pool */
	uint32_t stored;
};

/* Lines a row of so many words takes in rules_root.dimension[].rows. */
uint32_t rules_row_lines(uint32_t words);
void rules_rows_init(struct rules_rows *rows, const __u64 *wild, uint32_t words);
void rules_rows_done(struct rules_rows *rows);
/* The number of the row that has these words: an old one, where there is one. */
int rules_rows_get(struct rules_rows *rows, const __u64 *words, uint32_t *ret_row);
/* Writes all rows; row 0 is at *ret_line, the others follow. */
int rules_rows_write(const struct rules_rows *rows, struct rules_lines *lines, uint32_t *ret_line);

/* Sets a row whose words stand on the lines right behind it: `stored`. */
void rules_row_fill(struct rules_row *row, const __u64 *words, uint32_t count, const __u64 *wild,
		    __u64 *stored);

#endif
