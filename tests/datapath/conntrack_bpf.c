/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills flow tables of one set each and has the kernel take a step. Reads commands, a line each,
 * and answers each with a line; conntrack_bpf_test.py knows what must come of them.
 *
 *   KIND TABLE PLACE             somebody else's flow, of a kind in `kinds`; `held`: of nobody yet
 *   flow TABLE PLACE PROTO MARKS the flow that steps are about
 *   run STEP PROTO FOUND MARKS   takes a step; prints what it gives
 *   count COUNTER                of enum conntrack_counter
 *   lives TABLE                  how many flows are there
 *   marks TABLE PLACE            of the flow there
 *   race TABLE LET_IN ROUNDS     both sides of a flow that has proven itself send at once, on two
 *                                CPUs; prints how many rounds it moved in, in how many it is not
 *                                in one place with the numbers of both, and in how many a
 *                                segment was not taken for one of it
 *
 * TABLE: 0 proven, 1 half-open, 2 and 3 the same of before a reload; numbers in any base.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/datapath/conntrack_ask.bpf.h"

#define TABLES 4
#define LATER (CONNTRACK_QUESTION_NOW + 1000)
#define EARLIER (CONNTRACK_QUESTION_NOW - 1)
#define CPUS_MOST 1024

static const char *const flow_maps[TABLES] = { "st_flow", "st_half", "st_old_flow", "st_old_half" };
static const char *const set_maps[TABLES] = { "st_flow_set", "st_half_set", "st_old_flow_set",
					      "st_old_half_set" };
static const char *const sum_maps[TABLES] = { "st_flow_sum", "st_half_sum", "st_old_flow_sum",
					      "st_old_half_sum" };
static struct conntrack_flow *flows[TABLES];
static struct conntrack_sum *sums_of[TABLES]; /* by place, from 1 on */
static struct conntrack_set *sets[TABLES];

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static struct bpf_map *map_of(struct bpf_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		fatal(name);
	return map;
}

static char constants[4096]; /* of the object, to be changed */

static size_t constants_read(struct bpf_object *object)
{
	size_t bytes;
	const void *from = bpf_map__initial_value(map_of(object, ".rodata"), &bytes);

	if (!from || bytes > sizeof(constants))
		fatal(".rodata");
	memcpy(constants, from, bytes);
	return bytes;
}

static void *constant_of(struct bpf_object *object, const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *section = btf__type_by_id(
		btf, (__u32)btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC));

	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *info = btf_var_secinfos(section) + i;
		const struct btf_type *type = btf__type_by_id(btf, info->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) == 0)
			return constants + info->offset;
	}
	fatal(name);
	return NULL;
}

/* A table that kept its size: the map is the old one as well. */
static void map_share(struct bpf_object *object, const char *name, const char *old)
{
	struct bpf_map *map = map_of(object, name);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(map));
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, bpf_map__value_size(map),
				bpf_map__max_entries(map), &opts);

	if (fd < 0 || bpf_map__reuse_fd(map, fd) || bpf_map__reuse_fd(map_of(object, old), fd))
		fatal(name);
}

static void *map_memory(struct bpf_object *object, const char *name)
{
	struct bpf_map *map = map_of(object, name);
	void *at = mmap(NULL, (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map),
			PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		fatal(name);
	return at;
}

static void constants_set(struct bpf_object *object, bool is_asymmetric)
{
	size_t bytes = constants_read(object);
	struct conntrack_constants *values = constant_of(object, "conntrack_constants");
	struct conntrack_timeouts *timeouts = constant_of(object, "conntrack_timeouts");

	values->enabled = values->helps = values->checks_windows = values->accounts = 1;
	values->is_asymmetric = is_asymmetric;
	for (int i = 0; i < CONNTRACK_TIMEOUT_COUNT; i++)
		timeouts->ticks[i] = 1000;
	*(__u32 *)constant_of(object, "old_state") = 1;
	if (bpf_map__set_initial_value(map_of(object, ".rodata"), constants, bytes))
		fatal(".rodata");
}

static struct bpf_object *object_new(const char *path, const char *shared, bool is_asymmetric)
{
	struct bpf_object *object = bpf_object__open(path);

	if (!object)
		fatal(path);
	constants_set(object, is_asymmetric);
	for (int i = 0; i < TABLES; i++)
		if (bpf_map__set_max_entries(map_of(object, sum_maps[i]),
					     CONNTRACK_SUM_ROW(CONNTRACK_WAYS)))
			fatal(sum_maps[i]);
	for (int i = 0; i < 2; i++) {
		if (strcmp(shared, flow_maps[i]))
			continue;
		map_share(object, sum_maps[i], sum_maps[i + 2]);
		map_share(object, flow_maps[i], flow_maps[i + 2]);
		map_share(object, set_maps[i], set_maps[i + 2]);
	}
	if (bpf_object__load(object))
		fatal(path);
	for (int i = 0; i < TABLES; i++) {
		/* By libbpf a map that is reused has its own name. */
		bool is_shared = i >= 2 && strcmp(shared, flow_maps[i - 2]) == 0;

		flows[i] = is_shared ? flows[i - 2] : map_memory(object, flow_maps[i]);
		sets[i] = is_shared ? sets[i - 2] : map_memory(object, set_maps[i]);
		sums_of[i] = is_shared ? sums_of[i - 2] : map_memory(object, sum_maps[i]);
		sets[i]->sets = 1;
	}
	return object;
}

static struct conntrack_key key_of(unsigned proto, unsigned number)
{
	struct conntrack_key key = { .proto = (__u8)proto, .family = 4 };

	key.port[0] = (__be16)number;
	return key;
}

static void place_fill(unsigned table, unsigned place, struct conntrack_flow flow)
{
	__u64 tag = conntrack_tag(conntrack_hash(&flow.key, 0));

	flows[table][place] = flow;
	sets[table]->tags[place / 4] &= ~(0xffffULL << place % 4 * 16);
	sets[table]->tags[place / 4] |= tag << place % 4 * 16;
}

static const struct {
	const char *name;
	__u32 marks, expires_ticks;
} kinds[] = {
	{ "live", CONNTRACK_SYN, LATER },
	{ "gone", CONNTRACK_SYN, EARLIER },
	{ "busy", CONNTRACK_MOVING, EARLIER },
	{ "reset", CONNTRACK_RESET, LATER },
	{ "closing", CONNTRACK_FIN_ACKED, LATER },
	{ "ending", CONNTRACK_FIN_ACKED << 1, LATER }, /* by the other side */
	{ "closed", CONNTRACK_FIN_ACKED *CONNTRACK_BOTH, LATER },
};

static void other_put(const char *what, unsigned table, unsigned place)
{
	if (strcmp(what, "held") == 0) {
		flows[table][place].word = CONNTRACK_TURN | CONNTRACK_MOVING;
		return;
	}
	size_t i = 0;

	while (i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].name, what))
		i++;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		fatal(what);
	place_fill(table, place,
		   (struct conntrack_flow){
			   .key = key_of(CONNTRACK_TCP, place + 1),
			   .word = CONNTRACK_TURN | CONNTRACK_LIVE | kinds[i].marks,
			   .expires_ticks = kinds[i].expires_ticks,
		   });
}

static void flow_put(unsigned table, unsigned place, unsigned proto, unsigned marks)
{
	place_fill(table, place,
		   (struct conntrack_flow){ .key = key_of(proto, 0),
					    .word = CONNTRACK_LIVE | marks,
					    .expires_ticks = LATER });
}

static int step(struct bpf_object *object, const char *name, unsigned proto, unsigned found,
		unsigned marks)
{
	struct conntrack_question question = { .key = key_of(proto, 0),
					       .found = CONNTRACK_LIVE | found,
					       .marks = CONNTRACK_LIVE | marks };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &question, .data_size_in = sizeof(question),
		    .repeat = 1);
	const struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program || bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
		fatal(name);
	return (int)opts.retval;
}

static unsigned long counted(struct bpf_object *object, __u32 counter)
{
	static __u64 counts[CPUS_MOST];
	unsigned long sum = 0;

	memset(counts, 0, sizeof(counts));
	if (libbpf_num_possible_cpus() > CPUS_MOST ||
	    bpf_map_lookup_elem(bpf_map__fd(map_of(object, "ctr_conntrack")), &counter, counts))
		fatal("ctr_conntrack");
	for (int i = 0; i < CPUS_MOST; i++)
		sum += counts[i];
	return sum;
}

static unsigned lives(unsigned table)
{
	unsigned count = 0;

	for (int i = 0; i < CONNTRACK_WAYS; i++)
		count += !!(flows[table][i].word & CONNTRACK_LIVE);
	return count;
}

/* --- both sides at once --------------------------------------------------------------------- */

#define SEGMENT_BYTES 10u
#define ROOM 1000000u
#define LOOPS_MOST 2000
#define PACKETS_BEFORE 5
#define BYTES_BEFORE 500

/* One of both who send; the second has a thread. */
struct racer {
	int program;
	struct conntrack_segment segment;
	unsigned state;
	unsigned loops; /* behind the start */
};

static struct racer racers[2];
static atomic_uint starts[2], ends[2]; /* of each: rounds it has come to, and has done */

static void racer_stay(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		fatal("sched_setaffinity");
}

static void wait_until(atomic_uint *count, unsigned least)
{
	while (atomic_load(count) < least)
		;
}

static void racer_run(int i, unsigned round)
{
	struct racer *racer = &racers[i];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &racer->segment,
		    .data_size_in = sizeof(racer->segment), .repeat = 1);

	atomic_store(&starts[i], round);
	wait_until(&starts[!i], round);
	for (volatile unsigned n = 0; n < racer->loops; n++)
		;
	if (bpf_prog_test_run_opts(racer->program, &opts))
		fatal("pass");
	racer->state = opts.retval;
	atomic_store(&ends[i], round);
}

struct second {
	int cpu;
	unsigned rounds;
};

static void *second_run(void *arg)
{
	const struct second *second = arg;

	racer_stay(second->cpu);
	for (unsigned round = 1; round <= second->rounds; round++) {
		wait_until(&starts[0], round);
		racer_run(1, round);
	}
	return NULL;
}

static __u32 tick_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u32)(((__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec) >>
		       CONNTRACK_TICK_SHIFT);
}

static const struct conntrack_key raced = { .proto = CONNTRACK_TCP, .family = 4, .port = { 1, 2 } };

static void race_prepare(unsigned table, bool is_let_in, const __u32 at[2])
{
	__u64 place = CONNTRACK_PLACE | 1;
	struct conntrack_flow flow = {
		.key = raced,
		.word = CONNTRACK_LIVE | CONNTRACK_ANSWERED |
			(CONNTRACK_SYN | CONNTRACK_SYN_ACKED) * CONNTRACK_BOTH,
		.expires_ticks = tick_now() + 100000,
		.let_in = is_let_in ? place << CONNTRACK_PLACE_IN : 0,
	};

	for (int i = 0; i < TABLES; i++) {
		memset(flows[i], 0, CONNTRACK_WAYS * sizeof(flows[i][0]));
		memset(sets[i]->tags, 0, sizeof(sets[i]->tags));
		memset(sums_of[i], 0, CONNTRACK_SUM_ROW(CONNTRACK_WAYS) * sizeof(*sums_of[i]));
	}
	for (int i = 0; i < 2; i++)
		flow.side[i] = (struct conntrack_side){
			.end = at[i],
			.max_end = at[i] + ROOM,
			.max_win = ROOM,
			.flags = CONNTRACK_SIDE_SEEN | CONNTRACK_SIDE_LIMIT,
		};
	place_fill(table, 3, flow);
	for (int i = 0; i < 2; i++) {
		__u64 *words = sums_of[table][CONNTRACK_SUM_ROW(3)].words;

		words[CONNTRACK_SUM_PACKETS + i] = conntrack_sum_turn(flow.word) | PACKETS_BEFORE;
		words[CONNTRACK_SUM_BYTES + i] = conntrack_sum_turn(flow.word) | BYTES_BEFORE;
	}
}

/* Each side's packet and its bytes, and what was carried before, in the place where the flow is. */
static bool is_counted(const struct conntrack_flow *flow, unsigned table)
{
	const __u64 *words = sums_of[table][CONNTRACK_SUM_ROW(flow - flows[table])].words;
	bool is_right = true;

	for (__u32 i = 0; i < CONNTRACK_SUM_WORDS; i++) {
		__u64 wanted = i < CONNTRACK_SUM_BYTES ? PACKETS_BEFORE + 1 :
							 BYTES_BEFORE + CONNTRACK_SEGMENT_LEN;

		is_right &= conntrack_sum_is_of(words[i], conntrack_sum_turn(flow->word)) &&
			    conntrack_sum_number(words, i) == wanted;
	}
	return is_right;
}

/* The flow, where it is in one place alone. */
static const struct conntrack_flow *raced_find(unsigned *ret_table)
{
	const struct conntrack_flow *found = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < TABLES * CONNTRACK_WAYS; i++) {
		const struct conntrack_flow *flow = &flows[i / CONNTRACK_WAYS][i % CONNTRACK_WAYS];

		if (!(flow->word & CONNTRACK_LIVE) || memcmp(&flow->key, &raced, sizeof(raced)))
			continue;
		found = flow;
		*ret_table = i / CONNTRACK_WAYS;
		count++;
	}
	return count == 1 ? found : NULL;
}

static void racers_place(int cpus[2])
{
	cpu_set_t all;
	int count = 0;

	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE && count < 2; i++)
		if (CPU_ISSET(i, &all))
			cpus[count++] = i;
	if (count < 2)
		fatal("two CPUs");
}

struct race {
	unsigned moved, lost, refused, miscounted;
};

static void race_round(unsigned table, bool is_let_in, unsigned round, struct race *sums)
{
	const __u32 at[2] = { 5000, 900000 };
	unsigned where = table;

	race_prepare(table, is_let_in, at);
	for (unsigned i = 0; i < 2; i++) {
		racers[i].segment = (struct conntrack_segment){ at[i], at[!i], SEGMENT_BYTES, i };
		racers[i].loops = (unsigned)random() % LOOPS_MOST;
	}
	racer_run(0, round);
	wait_until(&ends[1], round);
	const struct conntrack_flow *flow = raced_find(&where);

	sums->moved += where != table;
	sums->lost += !flow || flow->side[0].end != at[0] + SEGMENT_BYTES ||
		      flow->side[1].end != at[1] + SEGMENT_BYTES;
	sums->miscounted += !flow || !is_counted(flow, where);
	sums->refused += racers[0].state != WEIR_CONN_ESTABLISHED ||
			 racers[1].state != WEIR_CONN_ESTABLISHED;
}

static void race(struct bpf_object *object, unsigned table, bool is_let_in, unsigned rounds)
{
	struct conntrack_shared shared = { .is_turned = 1 };
	int cpus[2], program = bpf_program__fd(bpf_object__find_program_by_name(object, "pass"));
	struct race sums = {};
	pthread_t thread;
	__u32 zero = 0;

	racers_place(cpus);
	if (bpf_map_update_elem(bpf_map__fd(map_of(object, "cfg_conntrack")), &zero, &shared, 0))
		fatal("cfg_conntrack");
	struct second second = { cpus[1], rounds };

	racers[0].program = racers[1].program = program;
	if (pthread_create(&thread, NULL, second_run, &second))
		fatal("pthread_create");
	racer_stay(cpus[0]);
	for (unsigned round = 1; round <= rounds; round++)
		race_round(table, is_let_in, round, &sums);
	pthread_join(thread, NULL);
	printf("%u\n%u\n%u\n%u\n", sums.moved, sums.lost, sums.refused, sums.miscounted);
}

static void obey(struct bpf_object *object, const char *line)
{
	char word[16], name[16];
	int n[4], read = sscanf(line, "%15s %i %i %i %i", word, &n[0], &n[1], &n[2], &n[3]);

	if (strcmp(word, "run") == 0 &&
	    sscanf(line, "%*s %15s %i %i %i", name, &n[0], &n[1], &n[2]) == 4)
		printf("%d\n", step(object, name, (unsigned)n[0], (unsigned)n[1], (unsigned)n[2]));
	else if (strcmp(word, "count") == 0 && read == 2)
		printf("%lu\n", counted(object, (__u32)n[0]));
	else if (read < 2 || n[0] < 0 || n[0] >= TABLES)
		fatal(line);
	else if (strcmp(word, "race") == 0 && read == 4)
		race(object, (unsigned)n[0], n[1], (unsigned)n[2]);
	else if (strcmp(word, "lives") == 0)
		printf("%u\n", lives((unsigned)n[0]));
	else if (strcmp(word, "marks") == 0 && read == 3)
		printf("%u\n", flows[n[0]][n[1] % CONNTRACK_WAYS].word & CONNTRACK_MARKS);
	else if (strcmp(word, "flow") == 0 && read == 5)
		flow_put((unsigned)n[0], (unsigned)n[1] % CONNTRACK_WAYS, (unsigned)n[2],
			 (unsigned)n[3]);
	else
		other_put(word, (unsigned)n[0], (unsigned)n[1] % CONNTRACK_WAYS);
}

/* conntrack_bpf OBJECT SHARED ASYMMETRIC: the map that is the old one too, or `none`; 0 or 1. */
int main(int argc, char **argv)
{
	char line[80];

	if (argc != 4) {
		fputs("usage: conntrack_bpf OBJECT SHARED ASYMMETRIC\n", stderr);
		return 2;
	}
	struct bpf_object *object = object_new(argv[1], argv[2], argv[3][0] == '1');

	while (fgets(line, sizeof(line), stdin))
		obey(object, line);
	bpf_object__close(object);
	return 0;
}
