/* SPDX-License-Identifier: Apache-2.0 */
/* Flows drawn at random, and written into Weir's tables as if their packets had come by. Times
 * nothing. */
#include "tests/bench/flows.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/reason.h"
#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/ruleset.h"

#define SEQ 0x01000000u
#define ACK 0x02000000u
#define SYN_BYTES (1u + BENCH_TUPLE_FRAME_BYTES - 74) /* it, and what an IPv4 frame has behind it */
#define ROOM 65536u				      /* bytes each side takes */
#define SECOND_TICKS 60u
#define LIFETIME_TICKS (SECOND_TICKS * 3600) /* longer than any run */

#define TCP_MARKS ((CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH | CONNTRACK_ANSWERED)
#define DENY "rules: {rules: [{proto: tcp, action: deny}]}\n"

static const struct bench_flow_kind kinds[] = {
	{ "udp", CONNTRACK_UDP, BENCH_ACK, BENCH_PLAIN_OFFSET, CONNTRACK_TABLE_PROVEN,
	  CONNTRACK_ANSWERED | CONNTRACK_AGAIN, "", WEIR_PASS_ESTABLISHED, -1 },
	{ "tcp", CONNTRACK_TCP, BENCH_ACK, BENCH_PLAIN_OFFSET, CONNTRACK_TABLE_PROVEN, TCP_MARKS,
	  "", WEIR_PASS_ESTABLISHED, -1 },
	{ "new-udp", CONNTRACK_UDP, BENCH_ACK, BENCH_PLAIN_OFFSET, CONNTRACK_TABLES, 0, "",
	  WEIR_PASS_POLICY, CONNTRACK_COUNT_NEW },
	{ "new-tcp", CONNTRACK_TCP, BENCH_SYN, BENCH_SYN_OFFSET, CONNTRACK_TABLES, 0, "",
	  WEIR_PASS_POLICY, CONNTRACK_COUNT_NEW },
	{ "miss", CONNTRACK_TCP, BENCH_ACK, BENCH_PLAIN_OFFSET, CONNTRACK_TABLES, 0, "",
	  WEIR_PASS_POLICY, CONNTRACK_COUNT_INVALID },
	{ "refused", CONNTRACK_TCP, BENCH_SYN, BENCH_SYN_OFFSET, CONNTRACK_TABLES, 0, DENY,
	  WEIR_DROP_RULE, -1 },
	{ "prove", CONNTRACK_UDP, BENCH_ACK, BENCH_PLAIN_OFFSET, CONNTRACK_TABLE_HALF,
	  CONNTRACK_ANSWERED, "", WEIR_PASS_POLICY, CONNTRACK_COUNT_PROVEN },
};

const struct bench_flow_kind *bench_flow_kind_find(const char *name)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static __be16 port_draw(void)
{
	return htons((uint16_t)(1 + ruleset_below(65535)));
}

struct bench_tuple bench_flow_draw(const struct bench_flow_kind *kind, bool is_v4)
{
	struct bench_tuple tuple = { .src = ruleset_address(is_v4),
				     .dst = ruleset_address(is_v4),
				     .sport = port_draw(),
				     .dport = port_draw(),
				     .proto = kind->proto,
				     .passes = 1 };

	bench_tuple_set(is_v4, &tuple);
	tuple.tcp_offset = kind->tcp_offset;
	tuple.tcp_flags = kind->tcp_flags;
	if (kind->proto != CONNTRACK_TCP)
		return tuple;
	tuple.tcp_seq = htonl(SEQ);
	tuple.tcp_ack = kind->tcp_flags & BENCH_ACK ? htonl(ACK) : 0;
	return tuple;
}

struct bench_tuple bench_tuple_turn(const struct bench_tuple *tuple)
{
	struct bench_tuple turned = *tuple;

	turned.src = tuple->dst;
	turned.dst = tuple->src;
	turned.sport = tuple->dport;
	turned.dport = tuple->sport;
	return turned;
}

struct bench_tuple bench_flow_handshake(const struct bench_tuple *syn, enum bench_handshake step)
{
	struct bench_tuple tuple = step == BENCH_HANDSHAKE_ANSWER ? bench_tuple_turn(syn) : *syn;

	if (step == BENCH_HANDSHAKE_SYN)
		return tuple;
	if (step == BENCH_HANDSHAKE_ANSWER) {
		tuple.tcp_flags = BENCH_SYN | BENCH_ACK;
		tuple.tcp_seq = htonl(ACK);
		tuple.tcp_ack = htonl(SEQ + SYN_BYTES);
		return tuple;
	}
	tuple.tcp_flags = BENCH_ACK;
	tuple.tcp_offset = BENCH_PLAIN_OFFSET;
	tuple.tcp_seq = htonl(SEQ + SYN_BYTES);
	tuple.tcp_ack = htonl(ACK + SYN_BYTES);
	return tuple;
}

/* As the packet programs order ends: by the numbers their bytes make in this machine. */
static bool is_later(const struct bench_tuple *tuple)
{
	if (tuple->src.be64[0] != tuple->dst.be64[0])
		return tuple->src.be64[0] > tuple->dst.be64[0];
	if (tuple->src.be64[1] != tuple->dst.be64[1])
		return tuple->src.be64[1] > tuple->dst.be64[1];
	return tuple->sport > tuple->dport;
}

struct conntrack_key bench_flow_key(const struct bench_tuple *tuple, bool is_v4,
				    bool *ret_is_second)
{
	struct bench_tuple first = is_later(tuple) ? bench_tuple_turn(tuple) : *tuple;

	*ret_is_second = is_later(tuple);
	return (struct conntrack_key){ .addr = { first.src, first.dst },
				       .port = { first.sport, first.dport },
				       .proto = tuple->proto,
				       .family = is_v4 ? 4 : 6 };
}

static const char *const names[CONNTRACK_TABLES][2] = { { "st_flow", "st_flow_set" },
							{ "st_half", "st_half_set" } };

/* The seed is 0: nobody has set one. */
int bench_tables_open(struct weir_object *object, struct bench_tables *ret_tables)
{
	struct bench_tables tables = {};

	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		int r = conntrack_table_open(weir_object_map(object, names[i][0]),
					     weir_object_map(object, names[i][1]), i,
					     &tables.at[i]);

		if (r) {
			errno = -r;
			bench_tables_done(&tables);
			return bench_error(names[i][0]);
		}
	}
	*ret_tables = tables;
	return 0;
}

/* As weir_map_memory_open() does; the map is not an object's. */
static int pinned_map(const char *pin_dir, const char *name, struct weir_map_memory *ret_memory,
		      uint32_t *ret_entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[200];

	snprintf(path, sizeof(path), "%s/maps/%s", pin_dir, name);

	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return bench_error(path);
	ret_memory->bytes = (size_t)info.max_entries * info.value_size;
	ret_memory->at = mmap(NULL, ret_memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*ret_entries = info.max_entries;
	if (ret_memory->at != MAP_FAILED)
		return 0;
	ret_memory->at = NULL;
	return bench_error(path);
}

static int pinned_seed(const char *pin_dir, uint64_t *ret_seed)
{
	struct conntrack_shared shared;
	uint32_t zero = 0;
	char path[200];

	snprintf(path, sizeof(path), "%s/maps/cfg_conntrack", pin_dir);

	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &shared))
		return bench_error(path);
	*ret_seed = shared.seed;
	return 0;
}

int bench_tables_open_pinned(const char *pin_dir, struct bench_tables *ret_tables)
{
	struct bench_tables tables = {};
	int r = pinned_seed(pin_dir, &tables.seed);

	for (int i = 0; i < CONNTRACK_TABLES && !r; i++) {
		struct conntrack_table *table = &tables.at[i];
		uint32_t flows;

		table->kind = i;
		r = pinned_map(pin_dir, names[i][0], &table->flow_memory, &flows);
		if (!r)
			r = pinned_map(pin_dir, names[i][1], &table->set_memory, &table->set_count);
		table->flows = table->flow_memory.at;
		table->sets = table->set_memory.at;
	}
	if (r)
		bench_tables_done(&tables);
	else
		*ret_tables = tables;
	return r;
}

int bench_sums_open_pinned(const char *pin_dir, struct bench_tables *tables)
{
	struct conntrack_table *table = &tables->at[CONNTRACK_TABLE_PROVEN];
	uint32_t rows = 0;

	if (pinned_map(pin_dir, "st_flow_sum", &table->sum_memory, &rows))
		return -1;
	table->sums = table->sum_memory.at;
	errno = ENOENT;
	return rows < CONNTRACK_SUM_ROW(table->set_count * CONNTRACK_WAYS) ?
		       bench_error("st_flow_sum") :
		       0;
}

void bench_tables_done(struct bench_tables *tables)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++)
		conntrack_table_done(&tables->at[i]);
}

void bench_tables_clear(struct bench_tables *tables)
{
	for (int i = 0; i < CONNTRACK_TABLES; i++) {
		memset(tables->at[i].flow_memory.at, 0, tables->at[i].flow_memory.bytes);
		memset(tables->at[i].set_memory.at, 0, tables->at[i].set_memory.bytes);
	}
}

static struct conntrack_side side_at(uint32_t end)
{
	return (struct conntrack_side){ .end = end,
					.first = end,
					.max_end = end + ROOM,
					.max_win = ROOM,
					.flags = CONNTRACK_SIDE_SEEN | CONNTRACK_SIDE_SCALES |
						 CONNTRACK_SIDE_LIMIT };
}

bool bench_flow_add(struct bench_tables *tables, const struct bench_flow_kind *kind, bool is_v4,
		    const struct bench_tuple *tuple, uint16_t backend)
{
	uint32_t now = conntrack_now();
	bool is_second;
	struct conntrack_flow flow = { .key = bench_flow_key(tuple, is_v4, &is_second) };

	flow.word = kind->marks | CONNTRACK_LIVE | (is_second ? CONNTRACK_SECOND : 0);
	flow.expires_ticks = now + LIFETIME_TICKS;
	flow.born = now;
	flow.side[0] = side_at(SEQ);
	flow.side[1] = side_at(ACK);
	flow.backend = backend;
	return conntrack_table_add(&tables->at[kind->table], &flow, tables->seed, now) == 0;
}

void bench_tables_fill(struct bench_tables *tables, const struct bench_flow_kind *kind, bool is_v4,
		       uint32_t count, struct bench_tuple *ret_tuples)
{
	for (uint32_t i = 0; i < count; i++) {
		do {
			ret_tuples[i] = bench_flow_draw(kind, is_v4);
		} while (!bench_flow_add(tables, kind, is_v4, &ret_tuples[i], 0));
	}
}

void bench_tables_end(struct bench_tables *tables, enum conntrack_table_kind kind, uint32_t seconds)
{
	const struct conntrack_table *table = &tables->at[kind];
	uint32_t now = conntrack_now();

	for (uint32_t i = 0; i < table->set_count * CONNTRACK_WAYS; i++)
		if (table->flows[i].word & CONNTRACK_LIVE)
			table->flows[i].expires_ticks = now + ruleset_below(seconds * SECOND_TICKS);
}

uint32_t bench_tables_taken(const struct bench_tables *tables, enum conntrack_table_kind kind)
{
	const struct conntrack_table *table = &tables->at[kind];
	uint32_t taken = 0;

	for (uint32_t i = 0; i < table->set_count * CONNTRACK_WAYS; i++)
		taken += (table->flows[i].word & CONNTRACK_LIVE) != 0;
	return taken;
}

uint32_t bench_tables_known(const struct bench_tables *tables, enum conntrack_table_kind kind,
			    bool is_v4, const struct bench_tuple *tuples, uint32_t count)
{
	uint32_t known = 0, now = conntrack_now();

	for (uint32_t i = 0; i < count; i++) {
		bool is_second;
		struct conntrack_key key = bench_flow_key(&tuples[i], is_v4, &is_second);

		known += conntrack_table_has(&tables->at[kind], &key, tables->seed, now);
	}
	return known;
}
