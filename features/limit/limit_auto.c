/* SPDX-License-Identifier: Apache-2.0 */
/* How long an offender is blocked: twice as long each time. */
#include "features/limit/limit_state.h"

/* Packets of before the block are told of a little later. */
#define GRACE_NS (3ULL * 1000000000)

static struct limit_offender *offender_find(struct limit_auto *autos,
					    const struct weir_range *range)
{
	for (unsigned i = 0; i < LIMIT_OFFENDERS; i++)
		if (autos->at[i].length_ns && weir_range_compare(&autos->at[i].range, range) == 0)
			return &autos->at[i];
	return NULL;
}

/* A place that is nobody's, else of who is free again for the longest time; NULL: all are blocked.
 */
static struct limit_offender *offender_place(struct limit_auto *autos, uint64_t now_ns)
{
	struct limit_offender *oldest = NULL;

	for (unsigned i = 0; i < LIMIT_OFFENDERS; i++) {
		struct limit_offender *offender = &autos->at[i];

		if (!offender->length_ns)
			return offender;
		if (offender->until_ns <= now_ns &&
		    (!oldest || offender->until_ns < oldest->until_ns))
			oldest = offender;
	}
	return oldest;
}

/* Who is over it though blocked was let out by hand, and begins anew; as does who was good for
 * long. */
static uint64_t length_after(const struct limit_offender *before, const struct limit_block *block,
			     uint64_t now_ns)
{
	bool was_let_out = now_ns < before->until_ns;
	bool was_good = !was_let_out && now_ns - before->until_ns > block->most_ns;

	if (was_let_out || was_good || before->length_ns > block->most_ns / 2)
		return was_let_out || was_good ? block->for_ns : block->most_ns;
	return before->length_ns * 2 > block->for_ns ? before->length_ns * 2 : block->for_ns;
}

uint64_t limit_auto_length(struct limit_auto *autos, const struct weir_range *range,
			   const struct limit_block *block, uint64_t now_ns, bool *ret_is_full)
{
	struct limit_offender *offender = offender_find(autos, range);
	uint64_t length_ns = offender ? length_after(offender, block, now_ns) : block->for_ns;

	*ret_is_full = false;
	if (offender && now_ns < offender->from_ns + GRACE_NS)
		return 0;
	/* A dry run blocks nobody, so all go on; it is told of once. */
	if (offender && block->is_dry && now_ns < offender->until_ns)
		return 0;
	if (!offender)
		offender = offender_place(autos, now_ns);
	if (!offender) {
		*ret_is_full = true;
		return 0;
	}
	*offender = (struct limit_offender){ *range, length_ns, now_ns, now_ns + length_ns };
	return length_ns;
}
