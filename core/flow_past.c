/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_past.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/secret.h"

#define LOOKS 64

/*
 * Rows have numbers, from 1 on, and lie in a ring. A chain leads from each to the one before it: to
 * lower numbers always, so whoever meets one that was overwritten since is through.
 */
struct row {
	struct weir_flow_ends flow;
	struct weir_flow_quality quality;
	uint64_t before; /* of its chain; 0: none */
};

struct weir_flow_past {
	struct row *rows;
	uint64_t *chains; /* the last of each */
	uint64_t made, seed;
	uint32_t most;
};

struct weir_flow_past *weir_flow_past_new(uint32_t most)
{
	struct weir_flow_past *past = calloc(1, sizeof(*past));

	if (!past)
		return NULL;
	past->rows = calloc(most, sizeof(*past->rows));
	past->chains = calloc(most, sizeof(*past->chains));
	past->most = most;
	(void)weir_random_bytes(&past->seed,
				sizeof(past->seed)); /* without: who sends may choose */
	if (past->rows && past->chains)
		return past;
	weir_flow_past_free(past);
	return NULL;
}

void weir_flow_past_free(struct weir_flow_past *past)
{
	if (!past)
		return;
	free(past->rows);
	free(past->chains);
	free(past);
}

static struct row *row_at(const struct weir_flow_past *past, uint64_t number)
{
	return &past->rows[number % past->most];
}

static bool is_there(const struct weir_flow_past *past, uint64_t number)
{
	return number && past->made - number < past->most;
}

static uint64_t *chain_of(const struct weir_flow_past *past, const struct weir_flow_ends *ends)
{
	struct {
		struct weir_addr src, dst;
		uint32_t ports, proto;
	} key = { ends->src, ends->dst, (uint32_t)ends->sport << 16 | ends->dport, ends->proto };

	return &past->chains[weir_hash_bytes(&key, sizeof(key), past->seed) % past->most];
}

static bool is_same(const struct weir_flow_ends *one, const struct weir_flow_ends *other)
{
	return one->sport == other->sport && one->dport == other->dport &&
	       one->proto == other->proto &&
	       memcmp(&one->src, &other->src, sizeof(one->src)) == 0 &&
	       memcmp(&one->dst, &other->dst, sizeof(one->dst)) == 0;
}

void weir_flow_past_add(struct weir_flow_past *past, const struct weir_flow_ends *flow,
			const struct weir_flow_quality *quality)
{
	uint64_t *chain = chain_of(past, flow), number = ++past->made;

	*row_at(past, number) = (struct row){ *flow, *quality, *chain };
	*chain = number;
}

const struct weir_flow_quality *weir_flow_past_find(const struct weir_flow_past *past,
						    const struct weir_flow_ends *flow,
						    uint64_t *ret_apart_ns)
{
	uint64_t number = *chain_of(past, flow), least_ns = UINT64_MAX, apart_ns;
	const struct weir_flow_quality *found = NULL;

	for (int looks = 0; looks < LOOKS && is_there(past, number); looks++) {
		const struct row *row = row_at(past, number);

		number = row->before;
		if (!is_same(&row->flow, flow) ||
		    !weir_flow_may_be(flow, row->flow.first_ns, row->flow.last_ns, &apart_ns) ||
		    apart_ns >= least_ns)
			continue;
		found = &row->quality;
		least_ns = apart_ns;
	}
	if (found)
		*ret_apart_ns = least_ns;
	return found;
}
