/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge INTERFACE...: the real programs on many frames, for model/judge.py. Standard input, over
 * and over, in this machine's byte order: a kind and a length (32 bits each), then
 *   'c'  that many bytes of weir.yaml; answered by a length and the refusal, empty when it is live
 *   'p'  that many frames, each after struct head; answered by a struct told each
 *   'h'  nothing; answered by packets and bytes of counters 0 to length
 * Each frame runs twice: as a probe, which tells why, and as a packet, which is counted.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/maps.h"
#include "abi/reason.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "core/commit.h"
#include "core/compile.h"
#include "core/iface_rows.h"
#include "core/near.h"
#include "core/object.h"
#include "core/patch.h"

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

struct judge {
	struct weir_object *object;
	struct weir_commit *commit;
	uint32_t ifindexes[INTERFACES_MAX];
	uint32_t interface_count;
	uint32_t near_lines;
	uint32_t counters; /* that were asked for, and are zero again with the next policy */
	uint64_t revision;
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

static void object_drop(struct judge *judge)
{
	weir_commit_free(judge->commit);
	weir_object_free(judge->object);
	judge->commit = NULL;
	judge->object = NULL;
}

static int object_load(struct judge *judge, struct weir_constants *constants,
		       struct weir_diag *diag)
{
	object_drop(judge);
	int r = weir_object_new(NULL, NULL, constants, diag, &judge->object);
	if (r) {
		weir_constants_free(constants);
		return r;
	}
	r = weir_commit_new(judge->object, NULL, diag, &judge->commit);
	for (uint32_t i = 0; i < judge->interface_count && !r; i++) {
		uint32_t row;

		r = weir_iface_row_take(judge->object, judge->ifindexes[i], &row);
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

static void frame_answer(const struct judge *judge)
{
	struct weir_probe_result result = {};
	unsigned char frame[FRAME_MAX];
	struct told told = {};
	struct head head;

	must_read(&head, sizeof(head));
	if (head.length > sizeof(frame))
		exit(1);
	must_read(frame, head.length);
	int r = weir_object_probe(judge->object, programs[head.program], frame, head.length,
				  judge->ifindexes[head.interface], &result);
	if (!r)
		r = run_counted(judge, &head, frame, &told.dropped);
	if (r) {
		fprintf(stderr, "judge: program %u, %u bytes: %s\n", head.program, head.length,
			strerror(-r));
		exit(1);
	}
	snprintf(told.reason, sizeof(told.reason), "%s", weir_reason_name(result.reason));
	told.rule = result.rule;
	told.mark = result.mark;
	fwrite(&told, sizeof(told), 1, stdout);
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
