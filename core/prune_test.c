/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken out of programs, and that what is left does the same. */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/prune.h"

#define MAX 64

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = c, .dst_reg = d, .src_reg = s, .off = o, .imm = i })
#define SET(reg, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define COPY(to, from) INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define GO(off) INSN(BPF_JMP | BPF_JA, 0, 0, off, 0)
#define IF(op, reg, value, off) INSN(BPF_JMP | op | BPF_K, reg, 0, off, value)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define CALL(distance) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, distance)
#define HELPER(number) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, number)
#define WIDE(reg, kind, value) \
	INSN(BPF_LD | BPF_IMM | BPF_DW, reg, kind, 0, value), INSN(0, 0, 0, 0, 0)
#define LOAD(to, from) INSN(BPF_LDX | BPF_MEM | BPF_DW, to, from, 0, 0)

#define CHECK(insns, wanted)                                                    \
	do {                                                                    \
		uint32_t where[MAX + 1];                                        \
		size_t left = weir_prune(insns, WEIR_ARRAY_SIZE(insns), where); \
                                                                                \
		assert_int_equal(left, WEIR_ARRAY_SIZE(wanted));                \
		assert_int_equal(where[WEIR_ARRAY_SIZE(insns)], left);          \
		assert_memory_equal(insns, wanted, sizeof(wanted));             \
	} while (0)

/* The branch, and what it would have led to. */
static void test_never(void **state)
{
	struct bpf_insn insns[] = { SET(1, 0), IF(BPF_JNE, 1, 0, 2), SET(0, 1), EXIT, SET(0, 2),
				    EXIT };
	const struct bpf_insn wanted[] = { SET(1, 0), SET(0, 1), EXIT };

	CHECK(insns, wanted);
}

/* What lies between goes, and the jump, as it leads to the next. */
static void test_always(void **state)
{
	struct bpf_insn insns[] = { SET(1, 4), IF(BPF_JSET, 1, 6, 2), SET(0, 1), EXIT, SET(0, 2),
				    EXIT };
	const struct bpf_insn wanted[] = { SET(1, 4), SET(0, 2), EXIT };

	CHECK(insns, wanted);
}

/* A branch leads over one that never is taken: it is nearer now. */
static void test_jumps_are_shorter(void **state)
{
	struct bpf_insn insns[] = {
		SET(2, 7), IF(BPF_JEQ, 1, 0, 2), IF(BPF_JEQ, 2, 8, 1), GO(1), SET(0, 9), SET(0, 1),
		EXIT
	};
	const struct bpf_insn wanted[] = { SET(2, 7), IF(BPF_JEQ, 1, 0, 1),
					   GO(1),     SET(0, 9),
					   SET(0, 1), EXIT };

	CHECK(insns, wanted);
}

/* Two ways: another number each, and the same. */
static void test_what_ways_agree_in_is_known(void **state)
{
	struct bpf_insn insns[] = { SET(2, 5),
				    SET(3, 1),
				    IF(BPF_JEQ, 1, 0, 1),
				    SET(3, 2),
				    IF(BPF_JEQ, 3, 1, 2), /* either */
				    IF(BPF_JGT, 2, 5, 1), /* never */
				    EXIT,
				    SET(0, 1),
				    EXIT };
	const struct bpf_insn wanted[] = {
		SET(2, 5), SET(3, 1), IF(BPF_JEQ, 1, 0, 1), SET(3, 2), IF(BPF_JEQ, 3, 1, 1), EXIT,
		SET(0, 1), EXIT
	};

	CHECK(insns, wanted);
}

/* Known at first, and no more when it is come to again. */
static void test_a_loop_counts(void **state)
{
	struct bpf_insn insns[] = { SET(1, 0), INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1),
				    IF(BPF_JLT, 1, 9, -2), EXIT };
	const struct bpf_insn wanted[] = { insns[0], insns[1], insns[2], insns[3] };

	CHECK(insns, wanted);
}

/* The first is called in vain, the second not at all, the third by its address. */
static void test_functions_nobody_calls_go(void **state)
{
	struct bpf_insn insns[] = { SET(6, 0),
				    IF(BPF_JEQ, 6, 0, 1),
				    CALL(5),			 /* the first */
				    WIDE(1, BPF_PSEUDO_FUNC, 8), /* the third */
				    HELPER(181),
				    CALL(7), /* the fourth */
				    EXIT,
				    SET(0, 1),
				    EXIT,
				    SET(0, 2),
				    EXIT,
				    SET(0, 3),
				    EXIT,
				    SET(0, 4),
				    EXIT };
	const struct bpf_insn wanted[] = { SET(6, 0),	WIDE(1, BPF_PSEUDO_FUNC, 4),
					   HELPER(181), CALL(3),
					   EXIT,	SET(0, 3),
					   EXIT,	SET(0, 4),
					   EXIT };

	CHECK(insns, wanted);
}

/* Nothing is known of arguments, though they are the same wherever it is called. */
static void test_a_function_may_be_called_with_anything(void **state)
{
	struct bpf_insn insns[] = {
		SET(1, 3), CALL(1), EXIT, IF(BPF_JEQ, 1, 3, 1), SET(0, 0), EXIT
	};
	const struct bpf_insn wanted[] = { insns[0], insns[1], insns[2],
					   insns[3], insns[4], insns[5] };

	CHECK(insns, wanted);
}

/* A function keeps its first instruction, though it does nothing. */
static void test_first_of_a_function_stays(void **state)
{
	struct bpf_insn insns[] = { CALL(1), EXIT, GO(0), GO(0), EXIT };
	const struct bpf_insn wanted[] = { CALL(1), EXIT, GO(0), EXIT };

	CHECK(insns, wanted);
}

static bool is_decided(struct bpf_insn *insns, size_t count)
{
	uint32_t where[MAX + 1];

	return weir_prune(insns, count, where) < count;
}

#define DECIDED(...)                                                                          \
	is_decided((struct bpf_insn[]){ __VA_ARGS__, IF(BPF_JEQ, 7, 1, 1), SET(0, 1), EXIT }, \
		   WEIR_ARRAY_SIZE(((struct bpf_insn[]){ __VA_ARGS__, EXIT, EXIT, EXIT })))

static void test_what_is_known_of_a_number(void **state)
{
	assert_true(DECIDED(SET(7, 1)));
	assert_true(DECIDED(SET(6, 1), COPY(7, 6)));
	assert_true(DECIDED(SET(7, 1), HELPER(5)));
	assert_true(DECIDED(WIDE(7, 0, 1)));
	assert_true(DECIDED(SET(7, 1), INSN(BPF_STX | BPF_MEM | BPF_DW, 10, 7, -8, 0)));
	assert_true(DECIDED(SET(7, 1), LOAD(6, 1)));
}

static void test_what_is_not_known(void **state)
{
	const int atomic = BPF_STX | BPF_ATOMIC | BPF_DW, move = BPF_MOV | BPF_X;

	assert_false(DECIDED(COPY(7, 6)));
	assert_false(DECIDED(SET(7, 1), LOAD(7, 1)));
	assert_false(DECIDED(WIDE(7, BPF_PSEUDO_MAP_FD, 1)));
	assert_false(DECIDED(WIDE(7, BPF_PSEUDO_MAP_VALUE, 1)));
	assert_false(DECIDED(SET(0, 1), HELPER(5), COPY(7, 0)));
	assert_false(DECIDED(SET(7, 1), INSN(atomic, 10, 7, -8, BPF_ADD | BPF_FETCH)));
	assert_false(DECIDED(SET(0, 1), INSN(atomic, 10, 7, -8, BPF_CMPXCHG), COPY(7, 0)));
	assert_false(DECIDED(SET(7, 1), INSN(BPF_ALU | BPF_END | BPF_TO_BE, 7, 0, 0, 16)));
	assert_false(DECIDED(SET(6, 1), INSN(BPF_ALU64 | move, 7, 6, 8, 0))); /* signed */
	assert_false(DECIDED(SET(7, 1), INSN(BPF_ALU64 | BPF_MUL | BPF_K, 7, 0, 0, 1)));
	assert_false(DECIDED(COPY(7, 10)));
}

/* One that a later kernel has. */
static void test_other_branches_are_either(void **state)
{
	struct bpf_insn insns[] = { SET(0, 1), INSN(BPF_JMP | 0xe0, 0, 0, 1, 0), SET(0, 2), EXIT };
	const struct bpf_insn wanted[] = { insns[0], insns[1], insns[2], insns[3] };

	CHECK(insns, wanted);
}

/* --- records ---------------------------------------------------------------------------------- */

struct record {
	uint32_t at, what;
};

/* Of eight instructions 2, 3, 6 and 7 have gone; a function begins at each even one. */
static const uint32_t places[] = { 0, 1, 2, 2, 2, 3, 4, 4, 4 };

static void test_records_of_functions(void **state)
{
	struct record records[] = { { 0, 'a' }, { 2, 'b' }, { 4, 'c' }, { 6, 'd' } };
	const struct record wanted[] = { { 0, 'a' }, { 2, 'c' } };

	assert_int_equal(weir_prune_records(records, 4, sizeof(*records), places, 4, true), 2);
	assert_memory_equal(records, wanted, sizeof(wanted));
}

/* Of lines what comes to an instruction has, if nothing is its own, the last before it. */
static void test_records_of_lines(void **state)
{
	struct record records[] = { { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 5 }, { 7, 6 } };
	const struct record wanted[] = { { 0, 1 }, { 1, 2 }, { 2, 5 } };

	assert_int_equal(weir_prune_records(records, 6, sizeof(*records), places, 4, false), 3);
	assert_memory_equal(records, wanted, sizeof(wanted));
	assert_int_equal(weir_prune_records(NULL, 0, 8, places, 4, false), 0);
}

/* --- what is left does the same --------------------------------------------------------------- */

static uint64_t result_of(unsigned op, uint64_t a, uint64_t b, unsigned bits)
{
	switch (op) {
	case BPF_MOV:
		return b;
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b % bits);
	case BPF_RSH:
		return a >> (b % bits);
	default:
		return a * b;
	}
}

static bool holds(unsigned op, uint64_t a, uint64_t b)
{
	int64_t c = (int64_t)a, d = (int64_t)b;

	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return (a & b) != 0;
	case BPF_JSGT:
		return c > d;
	case BPF_JSGE:
		return c >= d;
	case BPF_JSLT:
		return c < d;
	default:
		return c <= d;
	}
}

/* Of a program without loads, calls and loops: what it leaves in its registers. */
static void interpret(const struct bpf_insn *insn, uint64_t *regs)
{
	for (; insn->code != (BPF_JMP | BPF_EXIT); insn++) {
		bool is_narrow =
			     BPF_CLASS(insn->code) == BPF_ALU || BPF_CLASS(insn->code) == BPF_JMP32,
		     is_sum =
			     BPF_CLASS(insn->code) == BPF_ALU || BPF_CLASS(insn->code) == BPF_ALU64;
		uint64_t a = regs[insn->dst_reg], b = BPF_SRC(insn->code) == BPF_X ?
							      regs[insn->src_reg] :
							      (uint64_t)(int64_t)insn->imm;

		if (is_narrow && is_sum)
			regs[insn->dst_reg] = (uint32_t)result_of(BPF_OP(insn->code), (uint32_t)a,
								  (uint32_t)b, 32);
		else if (is_sum)
			regs[insn->dst_reg] = result_of(BPF_OP(insn->code), a, b, 64);
		else if (insn->code == (BPF_JMP | BPF_JA) ||
			 (is_narrow ? holds(BPF_OP(insn->code), (uint64_t)(int64_t)(int32_t)a,
					    (uint64_t)(int64_t)(int32_t)b) :
				      holds(BPF_OP(insn->code), a, b)))
			insn += insn->off;
	}
}

static const unsigned sums[] = { BPF_MOV, BPF_MOV, BPF_ADD, BPF_SUB, BPF_AND,
				 BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_MUL };
static const unsigned branches[] = { BPF_JEQ,  BPF_JNE,	 BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
				     BPF_JSET, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE };

static struct bpf_insn drawn(size_t at, size_t count)
{
	static const int values[] = { 0, 1, -1, 2, 7, INT32_MIN, INT32_MAX, 0x100 };
	unsigned kind = (unsigned)rand();
	struct bpf_insn insn = { .dst_reg = (unsigned)rand() % 5 & 0xf,
				 .src_reg = (unsigned)rand() % 5 & 0xf,
				 .imm = values[rand() % 8] };

	if (at + 2 >= count || kind % 2) {
		insn.code = (__u8)((kind & 4 ? BPF_ALU : BPF_ALU64) | sums[rand() % 10]);
	} else {
		insn.code = (__u8)((kind & 4 ? BPF_JMP32 : BPF_JMP) | branches[rand() % 11]);
		insn.off = (__s16)((size_t)rand() % (count - at - 2));
	}
	insn.code |= kind & 8 ? BPF_X : BPF_K;
	return insn;
}

static void test_what_is_left_does_the_same(void **state)
{
	struct bpf_insn before[MAX], after[MAX];
	uint32_t where[MAX + 1];
	size_t taken_out = 0;

	srand(1);
	for (int round = 0; round < 100000; round++) {
		for (size_t at = 0; at < MAX - 1; at++)
			before[at] = drawn(at, MAX);
		before[MAX - 1] = EXIT;
		memcpy(after, before, sizeof(after));
		taken_out += MAX - weir_prune(after, MAX, where);
		for (uint64_t input = 0; input < 4; input++) {
			uint64_t regs[2][11] = { { 3, input, ~input, input << 31, 1 } };

			memcpy(regs[1], regs[0], sizeof(regs[1]));
			interpret(before, regs[0]);
			interpret(after, regs[1]);
			assert_memory_equal(regs[0], regs[1], sizeof(regs[0]));
		}
	}
	assert_true(taken_out > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_jumps_are_shorter),
		cmocka_unit_test(test_what_ways_agree_in_is_known),
		cmocka_unit_test(test_a_loop_counts),
		cmocka_unit_test(test_functions_nobody_calls_go),
		cmocka_unit_test(test_a_function_may_be_called_with_anything),
		cmocka_unit_test(test_first_of_a_function_stays),
		cmocka_unit_test(test_what_is_known_of_a_number),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_other_branches_are_either),
		cmocka_unit_test(test_records_of_functions),
		cmocka_unit_test(test_records_of_lines),
		cmocka_unit_test(test_what_is_left_does_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
