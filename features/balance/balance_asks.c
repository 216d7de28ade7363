/* SPDX-License-Identifier: Apache-2.0 */
/* What the services of a policy ask for: what none of them needs is left out of the programs. */
#include "features/balance/balance_state.h"

/* NULL: it has no services. */
static const struct balance_head *head_in(const struct weir_image *image)
{
	uint32_t count;
	const struct weir_line *lines = image ? weir_image_lines(image, &count) : NULL;
	const struct weir_policy_head *head = (const void *)lines;
	uint32_t first = head ? head->header.first_line[WEIR_SECTION_BALANCE] : 0;

	return first ? (const void *)&lines[first] : NULL;
}

bool balance_is_in(const struct weir_image *image)
{
	return head_in(image);
}

bool balance_is_direct(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool is = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		is = is || services[i].forward != WEIR_FORWARD_NAT;
	return is;
}

static bool some_choose_by(const struct weir_image *image, enum balance_choice_flags flag)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool some = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		some = some || services[i].choice & flag;
	return some;
}

bool balance_counts_active(const struct weir_image *image)
{
	return some_choose_by(image, BALANCE_BY_ACTIVE);
}

bool balance_remembers(const struct weir_image *image)
{
	return some_choose_by(image, BALANCE_REMEMBERS);
}

bool balance_tunnels_checks(const struct weir_image *image)
{
	return some_choose_by(image, BALANCE_TUNNELS_CHECKS);
}

bool balance_takes_turns(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool takes = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		takes = takes || services[i].takes_turns;
	return takes;
}

bool balance_hides_clients(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool hides = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		hides = hides || services[i].source.be64[0] || services[i].source.be64[1];
	return hides;
}

/* Its cells say so: a line of theirs is that of a table, and no row. */
bool balance_is_wide(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_cell *cells =
		head ? (const void *)((const struct weir_line *)head + head->cells) : NULL;
	bool is = false;

	for (uint32_t i = 0; head && i < head->lines * BALANCE_CELLS; i++)
		is = is || cells[i].kind == BALANCE_WIDE_SERVICE;
	return is;
}
