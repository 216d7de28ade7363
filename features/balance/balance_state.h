/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `balance` share in user space. Nothing outside includes it. */
#ifndef WEIR_BALANCE_STATE_H
#define WEIR_BALANCE_STATE_H

#include "base/addr.h"
#include "core/feature.h"
#include "features/balance/balance.h"
#include "features/balance/balance_count.h"

#define BALANCE_NAME_MAX 31
#define BALANCE_SERVICES_MAX 10000
#define BALANCE_WEIGHT_MAX 65535

/* An entry of `backends:`, as written. */
struct balance_backend_text {
	char *address;
	uint32_t port; /* 0: the service's */
	uint32_t weight;
};

/* An entry of `services:`. */
struct balance_text {
	char *name;
	char *address;
	uint32_t port;
	int proto; /* enum balance_proto */
	struct balance_backend_text *backends;
	unsigned backend_count;
};

enum balance_proto {
	BALANCE_TCP,
	BALANCE_UDP,
};

struct balance_section {
	struct balance_text *services;
	unsigned service_count;
};

/* An address and port with its protocol, as packets bear them: compared and hashed as bytes. */
struct balance_end {
	struct weir_addr addr;
	uint16_t port; /* host byte order */
	uint8_t proto; /* IANA's number */
	uint8_t spare[5];
};
_Static_assert(sizeof(struct balance_end) == 24, "no bytes that nobody sets");

struct balance {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_map *counters;  /* borrowed from the object; NULL before the first */
	struct balance_counts counts;
};

extern const struct weir_feature weir_balance;
extern const struct weir_field balance_fields[];
extern const struct weir_op *const balance_ops[];
extern const struct weir_op balance_stats_op; /* balance_stats_ops.c */
extern const char *const balance_proto_names[];

/* balance_config.c */
int balance_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* balance_read.c: where service `index` is; its backend `backend`. -EINVAL: diag (may be NULL) says
 * what is wrong. */
int balance_service_read(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag, struct balance_end *ret_end);
int balance_backend_read(const struct balance_section *section, unsigned index, unsigned backend,
			 struct weir_diag *diag, struct balance_end *ret_end);
/* balance_twice.c: that nothing is two things. */
int balance_twice_check(const struct balance_section *section, struct weir_diag *diag);
/* balance_compile.c */
int balance_compile(struct weir_compile *compile);
/* balance_cells.c: how many lines of cells so many things need, and puts one among them. -ENOSPC:
 * twice as many are needed. */
uint32_t balance_cell_lines(uint32_t count);
int balance_cell_put(struct balance_cell *cells, uint32_t lines, const struct balance_cell *cell);
/* balance_numbers.c: of the backends of a service, from 1: by what each is, so that it keeps its
 * own whoever comes and goes. */
int balance_numbers(const struct balance_end *backends, unsigned count, uint16_t *ret_numbers);
/* balance_count_metrics.c */
int balance_samples_add(const struct balance *state, struct weir_snapshot *snapshot);
/* balance.c: of the live policy; without an engine there are none. */
const struct balance_section *balance_section_of(const struct balance *state);
void balance_sums(const struct balance *state, uint64_t sums[BALANCE_COUNTER_COUNT]);

#endif
