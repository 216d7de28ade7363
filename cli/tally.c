/* SPDX-License-Identifier: Apache-2.0 */
/* A table of sources that doubles when it is half full, up to a ceiling: a capture of a spoofed
 * flood must not eat the memory. */
#include "cli/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define ROOM_FIRST 1024

void weir_tally_done(struct weir_tally *tally)
{
	free(tally->sources);
	*tally = (struct weir_tally){ 0 };
}

static size_t slot_find(const struct weir_tally_source *sources, size_t room,
			const struct weir_addr *addr)
{
	size_t slot = weir_hash_bytes(addr, sizeof(*addr), 0) & (room - 1);

	while (sources[slot].used && memcmp(&sources[slot].addr, addr, sizeof(*addr)) != 0)
		slot = (slot + 1) & (room - 1);
	return slot;
}

static int sources_grow(struct weir_tally *tally)
{
	size_t room = tally->source_room ? tally->source_room * 2 : ROOM_FIRST;
	struct weir_tally_source *sources = calloc(room, sizeof(*sources));

	if (!sources)
		return -ENOMEM;
	for (size_t i = 0; i < tally->source_room; i++)
		if (tally->sources[i].used)
			sources[slot_find(sources, room, &tally->sources[i].addr)] =
				tally->sources[i];
	free(tally->sources);
	tally->sources = sources;
	tally->source_room = room;
	return 0;
}

static int source_add(struct weir_tally *tally, const struct weir_tally_packet *packet)
{
	if (tally->source_count * 2 >= tally->source_room &&
	    tally->source_room < WEIR_TALLY_SOURCES_MAX * 2 && sources_grow(tally) < 0)
		return -ENOMEM;
	struct weir_tally_source *source =
		&tally->sources[slot_find(tally->sources, tally->source_room, packet->source)];
	if (!source->used && tally->source_count >= WEIR_TALLY_SOURCES_MAX) {
		tally->other_packets++;
		return 0;
	}
	if (!source->used) {
		source->used = true;
		source->addr = *packet->source;
		tally->source_count++;
	}
	source->passed += !packet->dropped;
	source->dropped += packet->dropped;
	source->bytes += packet->bytes;
	return 0;
}

int weir_tally_add(struct weir_tally *tally, const struct weir_tally_packet *packet)
{
	uint32_t reason = packet->reason < WEIR_REASONS_MAX ? packet->reason : 0;

	tally->packets++;
	tally->bytes += packet->bytes;
	tally->reason_packets[reason]++;
	tally->reason_bytes[reason] += packet->bytes;
	return packet->source ? source_add(tally, packet) : 0;
}

static bool is_before(const struct weir_tally_source *a, const struct weir_tally_source *b)
{
	uint64_t a_packets = a->passed + a->dropped;
	uint64_t b_packets = b->passed + b->dropped;

	if (a_packets != b_packets)
		return a_packets > b_packets;
	return weir_addr_compare(&a->addr, &b->addr) < 0;
}

size_t weir_tally_top(const struct weir_tally *tally, const struct weir_tally_source **ret_top,
		      size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < tally->source_room; i++) {
		const struct weir_tally_source *source = &tally->sources[i];

		if (!source->used || (count == room && !is_before(source, ret_top[count - 1])))
			continue;
		size_t at = count < room ? count++ : count - 1;
		for (; at > 0 && is_before(source, ret_top[at - 1]); at--)
			ret_top[at] = ret_top[at - 1];
		ret_top[at] = source;
	}
	return count;
}
