/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the benchmark's packet programs, and filling their maps. Times nothing. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "core/object.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_state.h"

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void *map_memory(int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The stack checks the header's checksum before any hook sees the packet. */
static uint32_t header_sum(const unsigned char *frame)
{
	uint32_t sum = 0;

	for (int at = 14; at < 34; at += 2) {
		uint16_t word;

		memcpy(&word, frame + at, sizeof(word));
		sum += word;
	}
	return sum;
}

static void sums_set(struct bench_state *state)
{
	unsigned char frame[BENCH_TUPLE_FRAME_BYTES];

	bench_frame_make(true, frame);
	state->sum4 = header_sum(frame);
	bench_tuple_frame_make(true, frame);
	state->tuple_sum4 = header_sum(frame);
}

static int maps_take(struct bpf_object *object, const struct weir_object *weir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		int fd = weir ? weir_object_map_fd(weir, bpf_map__name(map)) : -1;

		if (fd >= 0 && bpf_map__reuse_fd(map, fd))
			return bench_error("taking over Weir's maps");
	}
	return 0;
}

/* Else the kernel would set memory apart for a million flows that nobody asks for. */
static uint32_t counts_room = 1;

void bench_counts_hold(uint32_t flows)
{
	counts_room = flows;
}

static int counts_size(struct bpf_object *object)
{
	static const char *const maps[] = { "count_hash", "count_percpu", "count_lru" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(maps); i++)
		if (bpf_map__set_max_entries(bpf_object__find_map_by_name(object, maps[i]),
					     counts_room))
			return bench_error(maps[i]);
	return 0;
}

int bench_programs_load(const struct weir_object *weir, struct bench_programs *ret_programs)
{
	struct bench_programs programs = {};

	libbpf_set_print(print_warnings);
	programs.object = bpf_object__open(BENCH_OBJECT);
	if (!programs.object)
		return bench_error(BENCH_OBJECT);
	if (maps_take(programs.object, weir) || counts_size(programs.object))
		return -1;
	if (bpf_object__load(programs.object))
		return bench_error("loading the packet programs");
	programs.keys =
		map_memory(bench_map(&programs, "keys"), BENCH_KEYS * sizeof(struct weir_addr));
	programs.state = map_memory(bench_map(&programs, "state"), sizeof(struct bench_state));
	programs.tuples = map_memory(bench_map(&programs, "tuples"),
				     BENCH_TUPLES_MAX * sizeof(struct bench_tuple));
	programs.rules = map_memory(bench_map(&programs, "rules"), sizeof(struct bench_ruleset));
	if (!programs.keys || !programs.state || !programs.tuples || !programs.rules)
		return bench_error("mapping the keys");
	sums_set(programs.state);
	*ret_programs = programs;
	return 0;
}

void bench_programs_done(struct bench_programs *programs)
{
	bpf_object__close(programs->object);
}

int bench_program(const struct bench_programs *programs, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(programs->object, name));
}

int bench_map(const struct bench_programs *programs, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(programs->object, name));
}

int bench_keys_read(struct bench_programs *programs, const char *file)
{
	_cleanup_fclose_ FILE *in = fopen(file, "re");

	if (!in || fread(programs->keys, sizeof(struct weir_addr), BENCH_KEYS, in) != BENCH_KEYS)
		return bench_error(file);
	programs->state->next = 0;
	return 0;
}

int bench_tuples_read(struct bench_programs *programs, const char *file)
{
	_cleanup_fclose_ FILE *in = fopen(file, "re");
	size_t count =
		in ? fread(programs->tuples, sizeof(struct bench_tuple), BENCH_TUPLES_MAX, in) : 0;

	if (!count || count & (count - 1)) {
		errno = in && !ferror(in) ? EINVAL : errno;
		return bench_error(file);
	}
	programs->state->tuple_mask = (uint32_t)count - 1;
	programs->state->next = 0;
	return 0;
}

int bench_rules_read(struct bench_programs *programs, const char *file)
{
	_cleanup_fclose_ FILE *in = fopen(file, "re");
	struct bench_ruleset *rules = programs->rules;

	if (!in)
		return bench_error(file);
	rules->count = (uint32_t)fread(rules->at, sizeof(rules->at[0]), BENCH_RULES_MAX, in);
	return ferror(in) ? bench_error(file) : 0;
}

int bench_trie_fill(const struct bench_programs *programs, const struct bench_list *list,
		    bool is_v4)
{
	int fd = bench_map(programs, is_v4 ? "lpm4" : "lpm6");
	uint32_t one = 1;

	for (size_t i = 0; i < list->count; i++) {
		const struct bench_prefix *prefix = &list->prefixes[i];
		struct bench_trie4_key key4 = { prefix->length, prefix->addr.be32[3] };
		struct bench_trie6_key key6 = { .length = prefix->length };

		memcpy(key6.addr, &prefix->addr, sizeof(key6.addr));
		if (bpf_map_update_elem(fd, is_v4 ? (void *)&key4 : &key6, &one, BPF_ANY))
			return bench_error("filling the LPM trie");
	}
	return 0;
}

void bench_frame_make(bool is_v4, unsigned char *frame)
{
	static const unsigned char link[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	static const unsigned char ip4[28] = {
		[0] = 0x45, [3] = 50, [8] = 64,	   [9] = 17,	[16] = 203,
		[18] = 113, [19] = 1, [20] = 0x10, [22] = 0x20, [25] = 30
	};
	static const unsigned char ip6[48] = {
		[0] = 0x60,  [5] = 10,	  [6] = 17, [7] = 64,	 [24] = 0x20, [25] = 1,
		[26] = 0x0d, [27] = 0xb8, [39] = 1, [40] = 0x10, [42] = 0x20, [45] = 10
	};

	memset(frame, 0, BENCH_FRAME_BYTES);
	memcpy(frame, link, sizeof(link));
	frame[12] = is_v4 ? 0x08 : 0x86;
	frame[13] = is_v4 ? 0x00 : 0xdd;
	if (is_v4)
		memcpy(frame + 14, ip4, sizeof(ip4));
	else
		memcpy(frame + 14, ip6, sizeof(ip6));
}

static uint16_t tuple_payload_bytes(bool is_v4)
{
	return BENCH_TUPLE_FRAME_BYTES - 14 - (is_v4 ? 20 : 40);
}

void bench_tuple_frame_make(bool is_v4, unsigned char *frame)
{
	static const unsigned char link[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	const unsigned char ip4[20] = { [0] = 0x45, [3] = BENCH_TUPLE_FRAME_BYTES - 14, [8] = 64 };
	const unsigned char ip6[40] = {
		[0] = 0x60, [5] = (unsigned char)tuple_payload_bytes(false), [7] = 64
	};
	static const unsigned char options[20] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0,
						   0, 1, 0, 0,	 0, 0, 1, 3,  3, 7 };
	unsigned char *tcp = frame + BENCH_TUPLE_FRAME_BYTES - tuple_payload_bytes(is_v4);

	memset(frame, 0, BENCH_TUPLE_FRAME_BYTES);
	memcpy(frame, link, sizeof(link));
	frame[12] = is_v4 ? 0x08 : 0x86;
	frame[13] = is_v4 ? 0x00 : 0xdd;
	memcpy(frame + 14, is_v4 ? ip4 : ip6, is_v4 ? sizeof(ip4) : sizeof(ip6));
	tcp[14] = 0x10; /* a window of 4,096 */
	memcpy(tcp + 20, options, sizeof(options));
}

void bench_tuple_set(bool is_v4, struct bench_tuple *tuple)
{
	tuple->tcp_offset = BENCH_PLAIN_OFFSET;
	tuple->tcp_flags = BENCH_SYN;
	tuple->tcp_seq = htonl((uint32_t)tuple_payload_bytes(is_v4) << 16);
	tuple->tcp_ack = 0;
}
