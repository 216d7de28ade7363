/* SPDX-License-Identifier: Apache-2.0 */
#include "insn.h"

/* False: it has its distance in `off`, of 16 bits. */
static bool is_far(const struct bpf_insn *insn)
{
	return weir_insn_is_function(insn) || weir_insn_is_call(insn) ||
	       (BPF_CLASS(insn->code) == BPF_JMP32 && BPF_OP(insn->code) == BPF_JA);
}

static bool leads(const struct bpf_insn *insn)
{
	if (weir_insn_is_call(insn))
		return insn->src_reg == BPF_PSEUDO_CALL;
	return weir_insn_is_function(insn) || weir_insn_goes(insn) || weir_insn_branches(insn);
}

size_t weir_insn_target(const struct bpf_insn *insns, size_t at, size_t count)
{
	const struct bpf_insn *insn = &insns[at];

	if (!leads(insn))
		return count;
	int64_t target = (int64_t)at + 1 + (is_far(insn) ? insn->imm : insn->off);

	return target >= 0 && target < (int64_t)count ? (size_t)target : count;
}

void weir_insn_aim(struct bpf_insn *insn, int32_t distance)
{
	if (is_far(insn))
		insn->imm = distance;
	else
		insn->off = (int16_t)distance;
}
