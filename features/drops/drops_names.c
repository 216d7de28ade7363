/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices are called that rows have by their number: as they are now while they are there,
 * then as they were last. A row itself has what its device was called when it began, if anything.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/drops/drops_state.h"

/* There is room: names are no more than rows, and rows do not go. */
static struct drops_name *name_find(struct drops_names *names, uint32_t ifindex)
{
	size_t room = WEIR_ARRAY_SIZE(names->at), i = ifindex % room;

	while (names->at[i].ifindex && names->at[i].ifindex != ifindex)
		i = (i + 1) % room;
	return &names->at[i];
}

/* A number that is known no more is asked after again when there is more of it. */
static void row_heed(struct drops_names *names, const struct drops_seen_row *row)
{
	struct drops_name *name = name_find(names, row->key.ifindex);

	name->ifindex = row->key.ifindex;
	name->is_asked |= name->is_there || row->more.packets;
	if (!row->row.device[0] || row->row.first_ns <= name->since_ns)
		return;
	memcpy(name->text, row->row.device, sizeof(name->text));
	name->since_ns = row->row.first_ns;
}

void drops_names_follow(struct drops_names *names, const struct drops_view *view)
{
	_Static_assert(DROPS_DEVICE_BYTES == IF_NAMESIZE, "a name fits");
	char text[IF_NAMESIZE];

	for (size_t i = 0; i < view->row_count; i++)
		if (view->rows[i].key.ifindex)
			row_heed(names, &view->rows[i]);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(names->at); i++) {
		struct drops_name *name = &names->at[i];

		if (!name->is_asked)
			continue;
		name->is_asked = false;
		name->is_there = if_indextoname(name->ifindex, text) != NULL;
		if (!name->is_there)
			continue;
		memccpy(name->text, text, '\0', sizeof(name->text));
		name->since_ns = view->read_ns;
	}
}

const char *drops_device_name(struct drops_names *names, const struct drops_seen_row *row,
			      char text[DROPS_DEVICE_BYTES])
{
	const struct drops_name *name = name_find(names, row->key.ifindex);

	if (!row->key.ifindex || name->text[0])
		return row->key.ifindex ? name->text : "";
	snprintf(text, DROPS_DEVICE_BYTES, "#%u", row->key.ifindex);
	return text;
}
