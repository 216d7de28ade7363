/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill_flows PIN_DIR COUNT: writes so many established TCP flows (from 10.0.0.0 on, port 40000, to
 * 192.0.2.1, port 443) into the pinned table of a daemon, and prints how many found room.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "features/conntrack/conntrack_table.h"

#define LIFE_TICKS (3600u * 60)

static int pinned(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/maps/%s", dir, name);
	return bpf_obj_get(path);
}

/* The values of an array, mapped; NULL when that cannot be. */
static void *values_map(int fd, size_t size, uint32_t *ret_entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return NULL;
	void *at = mmap(NULL, size * info.max_entries, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*ret_entries = info.max_entries;
	return at == MAP_FAILED ? NULL : at;
}

static struct weir_addr mapped(uint32_t address)
{
	struct weir_addr addr = {};

	addr.bytes[10] = addr.bytes[11] = 0xff;
	addr.be32[3] = htonl(address);
	return addr;
}

/* Ends in the order of keys (conntrack_key.bpf.h). */
static struct conntrack_flow flow_of(uint32_t number, uint32_t now)
{
	struct weir_addr from = mapped(0x0a000000 + number), to = mapped(0xc0000201);
	bool later = from.be64[1] > to.be64[1];
	struct conntrack_flow flow = {
		.key = { .proto = CONNTRACK_TCP, .family = 4 },
		.word = (CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH |
			CONNTRACK_ANSWERED | CONNTRACK_PICKED_UP | (later ? CONNTRACK_SECOND : 0),
		.born = now,
		.expires_ticks = now + LIFE_TICKS,
	};

	flow.key.addr[later] = from;
	flow.key.addr[!later] = to;
	flow.key.port[later] = htons(40000);
	flow.key.port[!later] = htons(443);
	return flow;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return fprintf(stderr, "usage: fill_flows PIN_DIR COUNT\n"), 2;
	struct conntrack_table table = { .kind = CONNTRACK_TABLE_PROVEN };
	struct conntrack_shared shared = {};
	uint32_t zero = 0, places = 0, now = conntrack_now(),
		 count = (uint32_t)strtoul(argv[2], NULL, 10);
	uint32_t added = 0;

	table.flows = values_map(pinned(argv[1], "st_flow"), sizeof(*table.flows), &places);
	table.sets =
		values_map(pinned(argv[1], "st_flow_set"), sizeof(*table.sets), &table.set_count);
	if (!table.flows || !table.sets || places != table.set_count * CONNTRACK_WAYS ||
	    bpf_map_lookup_elem(pinned(argv[1], "cfg_conntrack"), &zero, &shared))
		return fprintf(stderr, "fill_flows: no such tables below %s\n", argv[1]), 1;
	for (uint32_t number = 0; number < count; number++) {
		struct conntrack_flow flow = flow_of(number, now);

		added += conntrack_table_add(&table, &flow, shared.seed, now) == 0;
	}
	printf("%u\n", added);
	return 0;
}
