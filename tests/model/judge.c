/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge INTERFACE...: the real programs on many frames, for model/judge.py. Standard input, over
 * and over, in this machine's byte order: a kind and a length (32 bits each), then
 *   'c'  that many bytes of weir.yaml; answered by a length and the refusal, empty when it is live
 *   'p'  that many frames, each after struct head; answered by a struct told each
 *   'f'  that many frames, each after struct head and before the key of the flow it may be of,
 *        with the ends in either order; answered by a struct followed each
 *   'h'  nothing; answered by packets and bytes of counters 0 to length
 * A frame of 'p' runs twice: as a probe, which tells why, and as a packet, which is counted. One of
 * 'f' runs once, as a probe that leaves behind what a packet would.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/maps.h"
#include "abi/reason.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/commit.h"
#include "core/compile.h"
#include "core/iface_rows.h"
#include "core/near.h"
#include "core/object.h"
#include "core/patch.h"
#include "features/conntrack/conntrack.h"

#define INTERFACES_MAX 16
#define FRAME_MAX 2048
#define COUNTERS_MAX 16384

enum program {
	IN_XDP,
	IN_TC,
	OUT_TC
};

struct question {
	uint32_t kind, length;
};

struct head {
	uint8_t program;   /* enum program */
	uint8_t interface; /* by the order of the arguments */
	uint16_t length;
};

struct told {
	char reason[16];
	uint32_t rule, mark;
	uint32_t dropped; /* by the run that is counted */
};

struct followed {
	char reason[16];
	char flow[16];	/* the name of its state; empty: there is none */
	uint32_t state; /* enum weir_conn_state */
};

/* Flows, proven or half-open. */
struct table {
	struct weir_map_memory flow_memory, set_memory;
	const struct conntrack_flow *flows;
	const struct conntrack_set *sets;
	uint32_t set_count;
};

struct judge {
	struct weir_object *object;
	struct weir_commit *commit;
	uint32_t ifindexes[INTERFACES_MAX];
	uint32_t interface_count;
	uint32_t near_lines;
	uint32_t counters; /* that were asked for, and are zero again with the next policy */
	uint64_t revision;
	struct table proven, half;
	struct conntrack_shared shared;
};

static const char *const state_names[] = {
#define X(identifier, name, timeout, help) [identifier] = name,
	CONNTRACK_STATES(X)
#undef X
};

static const enum weir_program programs[] = {
	[IN_XDP] = WEIR_PROGRAM_XDP,
	[IN_TC] = WEIR_PROGRAM_TC_IN,
	[OUT_TC] = WEIR_PROGRAM_TC_OUT,
};

static void must_read(void *bytes, size_t size)
{
	if (fread(bytes, 1, size, stdin) != size)
		exit(1);
}

static void table_done(struct table *table)
{
	weir_map_memory_done(&table->flow_memory);
	weir_map_memory_done(&table->set_memory);
}

static int table_open(struct weir_object *object, const char *flows, const char *sets,
		      struct table *ret_table)
{
	struct weir_map *flow_map = weir_object_map(object, flows);
	struct weir_map *set_map = weir_object_map(object, sets);

	if (!flow_map || !set_map)
		return -ENOENT;
	int r = weir_map_memory_open(flow_map, &ret_table->flow_memory);
	if (!r)
		r = weir_map_memory_open(set_map, &ret_table->set_memory);
	ret_table->flows = ret_table->flow_memory.at;
	ret_table->sets = ret_table->set_memory.at;
	ret_table->set_count = weir_map_capacity(set_map);
	return r;
}

static void object_drop(struct judge *judge)
{
	table_done(&judge->proven);
	table_done(&judge->half);
	weir_commit_free(judge->commit);
	weir_object_free(judge->object);
	judge->commit = NULL;
	judge->object = NULL;
}

static int tables_open(struct judge *judge)
{
	struct weir_map *shared = weir_object_map(judge->object, "cfg_conntrack");
	uint32_t zero = 0;
	int r = shared ? weir_map_get(shared, &zero, &judge->shared) : -ENOENT;

	if (!r)
		r = table_open(judge->object, "st_flow", "st_flow_set", &judge->proven);
	if (!r)
		r = table_open(judge->object, "st_half", "st_half_set", &judge->half);
	return r;
}

static int object_load(struct judge *judge, struct weir_constants *constants,
		       struct weir_diag *diag)
{
	object_drop(judge);
	weir_constants_learn(constants);
	int r = weir_object_new(NULL, NULL, constants, diag, &judge->object);
	if (r) {
		weir_constants_free(constants);
		return r;
	}
	r = tables_open(judge);
	if (!r)
		r = weir_commit_new(judge->object, NULL, diag, &judge->commit);
	for (uint32_t i = 0; i < judge->interface_count && !r; i++) {
		uint32_t row;

		r = weir_iface_row_take(judge->object, judge->ifindexes[i], false, &row);
	}
	return r;
}

/* Loading takes the verifier long: done only where constants ask for another program. */
static int object_fit(struct judge *judge, const struct weir_config *config,
		      const struct weir_image *image, struct weir_diag *diag)
{
	struct weir_constants *constants = NULL;
	uint32_t lines = 0;

	weir_image_near(image, &lines);
	judge->near_lines = weir_near_capacity_for(lines, judge->near_lines);
	int r = weir_compile_constants(config, image, judge->near_lines, &constants);
	if (r)
		return r;
	if (judge->object &&
	    weir_constants_equal(weir_object_constants(judge->object), constants)) {
		weir_constants_free(constants);
		return 0;
	}
	return object_load(judge, constants, diag);
}

static int counters_clear(struct judge *judge)
{
	struct weir_map *counters = weir_object_map(judge->object, "ctr_rule");
	int r = 0;

	for (uint32_t row = 0; row < judge->counters && !r; row++)
		r = weir_map_zero(counters, row);
	return r;
}

static int config_take(struct judge *judge, const char *text, size_t len, struct weir_diag *diag)
{
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_image_ struct weir_image *image = NULL;
	int r = weir_config_parse(text, len, "random", diag, &config);

	if (!r)
		r = weir_compile(config, diag, &image);
	if (!r)
		r = object_fit(judge, config, image, diag);
	if (!r)
		r = weir_commit_stage(judge->commit, image, diag);
	if (r)
		return r;
	weir_patch_staged(judge->commit, judge->object);
	weir_commit_flip(judge->commit, ++judge->revision);
	return counters_clear(judge);
}

static void config_answer(struct judge *judge, uint32_t len)
{
	_cleanup_free_ char *text = malloc(len + 1);
	_cleanup_diag_ struct weir_diag diag = {};
	_cleanup_buf_ struct weir_buf said = {};

	if (!text)
		exit(1);
	must_read(text, len);
	text[len] = '\0';
	int r = config_take(judge, text, len, &diag);
	if (r) {
		weir_diag_format(&diag, &said);
		weir_buf_addf(&said, "(%s)", strerror(-r));
	}
	uint32_t told = (uint32_t)said.len;

	fwrite(&told, sizeof(told), 1, stdout);
	fwrite(said.data ? said.data : "", 1, told, stdout);
}

/* As a packet from a wire: counted. */
static int run_counted(const struct judge *judge, const struct head *head, const void *frame,
		       uint32_t *ret_dropped)
{
	uint32_t ifindex = judge->ifindexes[head->interface];
	struct xdp_md xdp = { .data_end = head->length, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = head->length,
		    .ctx_in = head->program == IN_XDP ? (void *)&xdp : (void *)&skb,
		    .ctx_size_in = head->program == IN_XDP ? sizeof(xdp) : sizeof(skb),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(weir_object_program_fd(judge->object, programs[head->program]),
				   &opts))
		return -errno;
	*ret_dropped = opts.retval == (head->program == IN_XDP ? 1 : 2); /* XDP_DROP, SHOT */
	return 0;
}

/* Ends the program when the frame cannot be had. */
static void frame_read(struct head *head, unsigned char frame[FRAME_MAX])
{
	must_read(head, sizeof(*head));
	if (head->length > FRAME_MAX)
		exit(1);
	must_read(frame, head->length);
}

static void frame_fails(const struct head *head, int r)
{
	fprintf(stderr, "judge: program %u, %u bytes: %s\n", head->program, head->length,
		strerror(-r));
	exit(1);
}

static int frame_probe(const struct judge *judge, const struct head *head, const void *frame,
		       struct weir_probe_result *ret_result)
{
	return weir_object_probe(judge->object, programs[head->program], frame, head->length,
				 judge->ifindexes[head->interface], ret_result);
}

static void frame_answer(const struct judge *judge)
{
	struct weir_probe_result result = {};
	unsigned char frame[FRAME_MAX];
	struct told told = {};
	struct head head;

	frame_read(&head, frame);
	int r = frame_probe(judge, &head, frame, &result);
	if (!r)
		r = run_counted(judge, &head, frame, &told.dropped);
	if (r)
		frame_fails(&head, r);
	snprintf(told.reason, sizeof(told.reason), "%s", weir_reason_name(result.reason));
	told.rule = result.rule;
	told.mark = result.mark;
	fwrite(&told, sizeof(told), 1, stdout);
}

static const struct conntrack_flow *set_find(const struct table *table, uint32_t set,
					     const struct conntrack_key *key, uint32_t now)
{
	const struct conntrack_flow *flows = &table->flows[set * CONNTRACK_WAYS];

	for (uint32_t way = 0; way < CONNTRACK_WAYS; way++)
		if (table->sets[set].tags[way / 4] >> way % 4 * 16 & 0xffff &&
		    !memcmp(&flows[way].key, key, sizeof(*key)) &&
		    flows[way].word & CONNTRACK_LIVE &&
		    (int32_t)(flows[way].expires_ticks - now) >= 0)
			return &flows[way];
	return NULL;
}

static uint32_t now_ticks(void)
{
	struct timespec now = {};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * WEIR_NS_PER_S + (uint64_t)now.tv_nsec) >>
			  CONNTRACK_TICK_SHIFT);
}

static const struct conntrack_flow *flow_find(const struct judge *judge,
					      const struct conntrack_key *key)
{
	const struct table *proven = &judge->proven;
	const struct table *half = &judge->half;
	uint64_t hash = conntrack_hash(key, judge->shared.seed);
	uint32_t now = now_ticks();
	const struct conntrack_flow *flow =
		set_find(proven, conntrack_first_set(hash, proven->set_count), key, now);

	if (!flow)
		flow = set_find(proven, conntrack_second_set(hash, proven->set_count), key, now);
	if (!flow)
		flow = set_find(half, conntrack_first_set(hash, half->set_count), key, now);
	return flow;
}

static struct conntrack_key turned(const struct conntrack_key *key)
{
	struct conntrack_key other = *key;

	other.addr[0] = key->addr[1];
	other.addr[1] = key->addr[0];
	other.port[0] = key->port[1];
	other.port[1] = key->port[0];
	other.requester = key->requester ? 3 - key->requester : 0;
	return other;
}

static void followed_answer(const struct judge *judge)
{
	struct weir_probe_result result = {};
	struct followed followed = {};
	unsigned char frame[FRAME_MAX];
	struct conntrack_key key;
	struct head head;

	frame_read(&head, frame);
	must_read(&key, sizeof(key));
	int r = frame_probe(judge, &head, frame, &result);
	if (r)
		frame_fails(&head, r);
	struct conntrack_key other = turned(&key);
	const struct conntrack_flow *flow = flow_find(judge, &key) ?: flow_find(judge, &other);

	if (flow)
		snprintf(followed.flow, sizeof(followed.flow), "%s",
			 state_names[conntrack_state_of(key.proto, flow->word)]);
	snprintf(followed.reason, sizeof(followed.reason), "%s", weir_reason_name(result.reason));
	followed.state = result.state;
	fwrite(&followed, sizeof(followed), 1, stdout);
}

static void hits_answer(struct judge *judge, uint32_t count)
{
	static struct weir_count sums[COUNTERS_MAX];

	if (count >= COUNTERS_MAX || weir_map_sum(weir_object_map(judge->object, "ctr_rule"), 0,
						  count + 1, 2, (uint64_t *)sums))
		exit(1);
	fwrite(sums, sizeof(*sums), count + 1, stdout);
	judge->counters = count + 1;
}

static void answer(struct judge *judge, const struct question *question)
{
	if (question->kind == 'c')
		config_answer(judge, question->length);
	for (uint32_t i = 0; question->kind == 'p' && i < question->length; i++)
		frame_answer(judge);
	for (uint32_t i = 0; question->kind == 'f' && i < question->length; i++)
		followed_answer(judge);
	if (question->kind == 'h')
		hits_answer(judge, question->length);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct judge judge = {};
	struct question question;

	for (int i = 1; i < argc && i <= INTERFACES_MAX; i++) {
		judge.ifindexes[i - 1] = if_nametoindex(argv[i]);
		judge.interface_count++;
		if (!judge.ifindexes[i - 1]) {
			fprintf(stderr, "judge: no interface %s\n", argv[i]);
			return 1;
		}
	}
	while (fread(&question, sizeof(question), 1, stdin) == 1)
		answer(&judge, &question);
	object_drop(&judge);
	return 0;
}
