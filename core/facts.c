/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include "insn.h"

static bool fact_get(const struct weir_facts *facts, unsigned reg, uint64_t *ret)
{
	if (reg >= WEIR_FACTS_REGISTERS || !(facts->known & 1u << reg))
		return false;
	*ret = facts->values[reg];
	return true;
}

static void fact_set(struct weir_facts *facts, unsigned reg, uint64_t value)
{
	facts->values[reg] = value;
	facts->known |= (uint16_t)(1u << reg);
}

static void fact_drop(struct weir_facts *facts, unsigned reg)
{
	facts->known &= (uint16_t) ~(1u << reg);
}

/* The other side of a comparison or sum. */
static bool operand_get(const struct weir_facts *facts, const struct bpf_insn *insn, uint64_t *ret)
{
	if (BPF_SRC(insn->code) == BPF_X)
		return fact_get(facts, insn->src_reg, ret);
	*ret = (uint64_t)(int64_t)insn->imm;
	return true;
}

static bool sum_of(unsigned op, uint64_t a, uint64_t b, unsigned bits, uint64_t *ret)
{
	switch (op) {
	case BPF_ADD:
		*ret = a + b;
		return true;
	case BPF_SUB:
		*ret = a - b;
		return true;
	case BPF_AND:
		*ret = a & b;
		return true;
	case BPF_OR:
		*ret = a | b;
		return true;
	case BPF_XOR:
		*ret = a ^ b;
		return true;
	case BPF_LSH:
		*ret = a << (b & (bits - 1));
		return true;
	case BPF_RSH:
		*ret = a >> (b & (bits - 1));
		return true;
	default:
		return false;
	}
}

static void sum_step(struct weir_facts *facts, const struct bpf_insn *insn)
{
	bool is_narrow = BPF_CLASS(insn->code) == BPF_ALU, is_known;
	uint64_t a = 0, b = 0;

	is_known = BPF_OP(insn->code) != BPF_END && !insn->off && operand_get(facts, insn, &b);
	if (is_known && BPF_OP(insn->code) == BPF_MOV)
		a = b;
	else
		is_known = is_known && fact_get(facts, insn->dst_reg, &a) &&
			   sum_of(BPF_OP(insn->code), is_narrow ? (uint32_t)a : a,
				  is_narrow ? (uint32_t)b : b, is_narrow ? 32 : 64, &a);
	if (is_known)
		fact_set(facts, insn->dst_reg, is_narrow ? (uint32_t)a : a);
	else
		fact_drop(facts, insn->dst_reg);
}

void weir_facts_step(struct weir_facts *facts, const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		sum_step(facts, insn);
		return;
	case BPF_LD:
		if (weir_insn_is_wide(insn) && !insn->src_reg)
			fact_set(facts, insn->dst_reg,
				 (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32);
		else if (weir_insn_is_wide(insn))
			fact_drop(facts, insn->dst_reg);
		else
			facts->known = 0;
		return;
	case BPF_LDX:
		fact_drop(facts, insn->dst_reg);
		return;
	case BPF_STX: /* an atomic one may give what was there, to either */
		if (BPF_MODE(insn->code) != BPF_MEM) {
			fact_drop(facts, insn->src_reg);
			fact_drop(facts, insn->dst_reg);
			fact_drop(facts, BPF_REG_0);
		}
		return;
	case BPF_ST:
		return;
	default: /* a call; r6 to r9 are the caller's */
		facts->known &= 0xf << BPF_REG_6;
	}
}

static enum weir_decision decided(bool is_taken)
{
	return is_taken ? WEIR_ALWAYS : WEIR_NEVER;
}

static enum weir_decision signed_compare(unsigned op, int64_t a, int64_t b)
{
	switch (op) {
	case BPF_JSGT:
		return decided(a > b);
	case BPF_JSGE:
		return decided(a >= b);
	case BPF_JSLT:
		return decided(a < b);
	case BPF_JSLE:
		return decided(a <= b);
	default:
		return WEIR_EITHER;
	}
}

static enum weir_decision unsigned_compare(unsigned op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_JEQ:
		return decided(a == b);
	case BPF_JNE:
		return decided(a != b);
	case BPF_JSET:
		return decided(a & b);
	case BPF_JGT:
		return decided(a > b);
	case BPF_JGE:
		return decided(a >= b);
	case BPF_JLT:
		return decided(a < b);
	case BPF_JLE:
		return decided(a <= b);
	default:
		return WEIR_EITHER;
	}
}

enum weir_decision weir_facts_decide(const struct weir_facts *facts, const struct bpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);
	bool is_narrow = BPF_CLASS(insn->code) == BPF_JMP32;
	uint64_t a, b;

	if (!fact_get(facts, insn->dst_reg, &a) || !operand_get(facts, insn, &b))
		return WEIR_EITHER;
	enum weir_decision is = is_narrow ? unsigned_compare(op, (uint32_t)a, (uint32_t)b) :
					    unsigned_compare(op, a, b);

	if (is != WEIR_EITHER)
		return is;
	return is_narrow ? signed_compare(op, (int32_t)a, (int32_t)b) :
			   signed_compare(op, (int64_t)a, (int64_t)b);
}

bool weir_facts_meet(struct weir_facts *there, const struct weir_facts *facts)
{
	uint16_t known = there->known & facts->known;

	for (unsigned left = known; left; left &= left - 1) {
		int reg = __builtin_ctz(left);

		if (there->values[reg] != facts->values[reg])
			known &= (uint16_t) ~(1u << reg);
	}
	bool is_less = known != there->known;

	there->known = known;
	return is_less;
}
