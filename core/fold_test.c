/* SPDX-License-Identifier: Apache-2.0 */
/* Which loads of constants become numbers, and which must not. */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/fold.h"

#define FD 7

static const unsigned char bytes[8] = { 0x81, 0, 0xff, 0xff, 0xff, 0xff, 2, 3 };
static const struct weir_folded constants = { .fd = FD, .bytes = bytes, .size = sizeof(bytes) };

#define ADDRESS(reg, fd, offset)             \
	{ .code = BPF_LD | BPF_IMM | BPF_DW, \
	  .dst_reg = reg,                    \
	  .src_reg = BPF_PSEUDO_MAP_VALUE,   \
	  .imm = fd },                       \
	{                                    \
		.imm = offset                \
	}
#define LOAD(bits, to, from, offset)                                                            \
	{                                                                                       \
		.code = BPF_LDX | BPF_MEM | bits, .dst_reg = to, .src_reg = from, .off = offset \
	}
#define NUMBER(reg, value)                                                      \
	{                                                                       \
		.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = reg, .imm = value \
	}
#define NOTHING                          \
	{                                \
		.code = BPF_JMP | BPF_JA \
	}
#define EXIT                               \
	{                                  \
		.code = BPF_JMP | BPF_EXIT \
	}

static void check(struct bpf_insn *insns, const struct bpf_insn *wanted, size_t count, size_t folds)
{
	assert_int_equal(weir_fold(insns, count, &constants), folds);
	for (size_t i = 0; i < count; i++)
		assert_memory_equal(&insns[i], &wanted[i], sizeof(*insns));
}

/* A byte that is not a negative number, and all the ones of a word, whose upper half is zero. */
static void test_load_becomes_a_number(void **state)
{
	struct bpf_insn insns[] = { ADDRESS(1, FD, 0),
				    LOAD(BPF_B, 1, 1, 0),
				    ADDRESS(2, FD, 1),
				    LOAD(BPF_W, 2, 2, 1),
				    ADDRESS(3, FD, 6),
				    LOAD(BPF_H, 3, 3, 0),
				    EXIT };
	const struct bpf_insn wanted[] = { NOTHING, NOTHING, NUMBER(1, 0x81),
					   NOTHING, NOTHING, NUMBER(2, -1),
					   NOTHING, NOTHING, NUMBER(3, 0x0302),
					   EXIT };

	check(insns, wanted, WEIR_ARRAY_SIZE(insns), 3);
}

static void test_address_that_others_may_need_stays(void **state)
{
	struct bpf_insn insns[] = { ADDRESS(1, FD, 0), LOAD(BPF_B, 4, 1, 6), EXIT };
	const struct bpf_insn wanted[] = { ADDRESS(1, FD, 0), NUMBER(4, 2), EXIT };

	check(insns, wanted, WEIR_ARRAY_SIZE(insns), 1);
}

/* Another map's, another register's, past the end, before the beginning, of 64 bits. */
static void test_what_is_left_alone(void **state)
{
	struct bpf_insn insns[] = { ADDRESS(1, FD + 1, 0),
				    LOAD(BPF_B, 1, 1, 0),
				    ADDRESS(1, FD, 0),
				    LOAD(BPF_B, 1, 2, 0),
				    ADDRESS(1, FD, 6),
				    LOAD(BPF_W, 1, 1, 0),
				    ADDRESS(1, FD, 0),
				    LOAD(BPF_B, 1, 1, -1),
				    ADDRESS(1, FD, 0),
				    LOAD(BPF_DW, 1, 1, 0),
				    EXIT };
	struct bpf_insn wanted[WEIR_ARRAY_SIZE(insns)];

	memcpy(wanted, insns, sizeof(insns));
	check(insns, wanted, WEIR_ARRAY_SIZE(insns), 0);
}

/* By a jump forward, one back, and a call: the register may hold another address then. */
static void test_load_that_is_jumped_to_stays(void **state)
{
	const struct bpf_insn into[] = {
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 2, .off = 2 },
		{ .code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = 2 },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(into); i++) {
		struct bpf_insn insns[] = { into[i], ADDRESS(1, FD, 0), LOAD(BPF_B, 1, 1, 0),
					    EXIT };
		struct bpf_insn wanted[WEIR_ARRAY_SIZE(insns)];

		memcpy(wanted, insns, sizeof(insns));
		check(insns, wanted, WEIR_ARRAY_SIZE(insns), 0);
	}
	struct bpf_insn back[] = { ADDRESS(1, FD, 0),
				   LOAD(BPF_B, 1, 1, 0),
				   { .code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = 2, .off = -2 },
				   EXIT };
	struct bpf_insn wanted[WEIR_ARRAY_SIZE(back)];

	memcpy(wanted, back, sizeof(back));
	check(back, wanted, WEIR_ARRAY_SIZE(back), 0);
}

/* A helper's number is no way to go, though it looks like one. */
static void test_call_of_the_kernel_is_no_jump(void **state)
{
	struct bpf_insn insns[] = { { .code = BPF_JMP | BPF_CALL, .imm = 2 },
				    ADDRESS(1, FD, 0),
				    LOAD(BPF_B, 1, 1, 7),
				    EXIT };
	const struct bpf_insn wanted[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = 2 }, NOTHING, NOTHING, NUMBER(1, 3), EXIT
	};

	check(insns, wanted, WEIR_ARRAY_SIZE(insns), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_becomes_a_number),
		cmocka_unit_test(test_address_that_others_may_need_stays),
		cmocka_unit_test(test_what_is_left_alone),
		cmocka_unit_test(test_load_that_is_jumped_to_stays),
		cmocka_unit_test(test_call_of_the_kernel_is_no_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
