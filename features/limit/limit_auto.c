/* SPDX-License-Identifier: Apache-2.0 */
/* How long an offender is blocked: twice as long each time. */
#include "features/limit/limit_state.h"

/* Packets of before the block are told of a little later. */
#define GRACE_NS (3LL * 1000000000)

static struct limit_offender *offender_find(struct limit_auto *autos,
					    const struct weir_range *range)
{
	for (unsigned i = 0; i < LIMIT_OFFENDERS; i++)
		if (autos->at[i].length_ns && weir_range_compare(&autos->at[i].range, range) == 0)
			return &autos->at[i];
	return NULL;
}

/* Whose place another takes sooner: who is free, for the longest time; of those who are blocked,
 * who is for the shortest, since that is the least to forget. */
static bool goes_sooner(const struct limit_offender *one, const struct limit_offender *other,
			int64_t now_ns)
{
	bool is_free = one->until_ns <= now_ns, other_is_free = other->until_ns <= now_ns;

	if (is_free != other_is_free)
		return is_free;
	if (!is_free && one->length_ns != other->length_ns)
		return one->length_ns < other->length_ns;
	return one->until_ns < other->until_ns;
}

/* Who loses the place stays on the list for as long as was said. */
static struct limit_offender *offender_place(struct limit_auto *autos, int64_t now_ns)
{
	struct limit_offender *place = &autos->at[0];

	for (unsigned i = 0; i < LIMIT_OFFENDERS; i++) {
		if (!autos->at[i].length_ns)
			return &autos->at[i];
		if (goes_sooner(&autos->at[i], place, now_ns))
			place = &autos->at[i];
	}
	autos->forgotten += place->until_ns > now_ns;
	return place;
}

/* Who is over it though blocked was let out by hand, and begins anew; as does who was good for
 * long. */
static uint64_t length_after(const struct limit_offender *before, const struct limit_block *block,
			     int64_t now_ns)
{
	bool was_let_out = now_ns < before->until_ns;
	bool was_good = !was_let_out && (uint64_t)(now_ns - before->until_ns) > block->most_ns;

	if (was_let_out || was_good || before->length_ns > block->most_ns / 2)
		return was_let_out || was_good ? block->for_ns : block->most_ns;
	return before->length_ns * 2 > block->for_ns ? before->length_ns * 2 : block->for_ns;
}

uint64_t limit_auto_length(struct limit_auto *autos, const struct weir_range *range,
			   const struct limit_block *block, uint64_t now_ns)
{
	struct limit_offender *offender = offender_find(autos, range);
	int64_t now = (int64_t)now_ns;
	uint64_t length_ns = offender ? length_after(offender, block, now) : block->for_ns;

	if (offender && now < offender->from_ns + GRACE_NS)
		return 0;
	/* A dry run blocks nobody, so all go on; it is told of once. */
	if (offender && block->is_dry && now < offender->until_ns)
		return 0;
	if (!offender)
		offender = offender_place(autos, now);
	*offender = (struct limit_offender){ *range, length_ns, now, now + (int64_t)length_ns };
	autos->is_new = true;
	return length_ns;
}
