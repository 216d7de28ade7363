/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `limit` share in user space. Nothing outside includes it. */
#ifndef WEIR_LIMIT_STATE_H
#define WEIR_LIMIT_STATE_H

#include "base/units.h"
#include "core/feature.h"
#include "features/limit/limit.h"

#define LIMIT_NAME_MAX 31

/* An entry of `limits:`, as written. */
struct limit_text {
	char *name;
	int proto; /* enum limit_proto */
	char *sport, *dport;
	int flags;     /* enum limit_flags */
	int direction; /* enum weir_direction */
	char *per;
	char *packets, *bytes, *connections; /* a rate of one of them */
	uint32_t burst;			     /* packets or connections; 0: not given */
	struct weir_quantity burst_bytes;
	int action; /* 0: drop, the only one so far */
	bool dry_run;
};

enum limit_proto {
	LIMIT_PROTO_ANY,
	LIMIT_PROTO_ICMP,
	LIMIT_PROTO_TCP,
	LIMIT_PROTO_UDP,
};

enum limit_flags {
	LIMIT_FLAGS_ANY,
	LIMIT_FLAGS_SYN,
};

struct limit_section {
	uint32_t sources;
	struct limit_text *limits;
	unsigned limit_count;
};

/* What an entry means. */
struct limit_meaning {
	struct weir_rate rate; /* of packets or bytes */
	uint64_t burst;	       /* packets or bytes */
	struct limit_row row;  /* without `count` */
	struct limit_ports ports;
};

/* Of a limit since its counters were made. */
struct limit_sums {
	struct limit_count of[LIMITS_MAX];
};

struct limit {
	struct weir_engine *engine;	/* NULL: a look at a configuration */
	struct weir_map *counters;	/* borrowed from the object; NULL before the first */
	struct weir_map_memory buckets; /* st_limit */
	uint32_t lines;			/* of it that are in use; 0: off */
	uint32_t sweep;			/* line that is looked at next */
	uint64_t owing, owing_seen;	/* buckets in this round of the sweep, and in the last */
};

extern const struct weir_feature weir_limit;
extern const struct weir_field limit_fields[];
extern const struct weir_op *const limit_ops[];
extern const char *const limit_proto_names[], *const limit_flag_names[],
						      *const limit_direction_names[];

/* limit_config.c */
int limit_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* limit_read.c: what entry `index` means; -EINVAL: diag (may be NULL) says why not. */
int limit_read(const struct limit_text *text, unsigned index, struct weir_diag *diag,
	       struct limit_meaning *ret_meaning);
/* What is told of a limit: "packets", and its rate as written. */
const char *limit_counts(const struct limit_text *text);
const char *limit_rate(const struct limit_text *text);
/* Whether connection tracking is to say what it is about. */
bool limit_needs_tracking(const struct limit_text *text);
/* limit_compile.c */
uint32_t limit_lines(const struct limit_section *section);
/* Row of the counters of each limit, in the order of the section. */
void limit_count_rows(const struct limit_section *section, uint16_t rows[LIMITS_MAX]);
int limit_compile(struct weir_compile *compile);
/* limit_table.c */
int limit_table_take(struct limit *state, struct weir_object *object);
/* A part of it: words that are past are cleared before they could come round, others counted. */
void limit_table_sweep(struct limit *state, uint64_t now_ns);
/* limit.c */
const struct limit_section *limit_section_of(const struct limit *state);
void limit_sums_read(const struct limit *state, struct limit_sums *ret_sums);

#endif
