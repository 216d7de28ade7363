/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction of a program is, and where it leads. */
#ifndef WEIR_CORE_INSN_H
#define WEIR_CORE_INSN_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two places long. */
static inline bool weir_insn_is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* The address of a function of the program. */
static inline bool weir_insn_is_function(const struct bpf_insn *insn)
{
	return weir_insn_is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC;
}

/* Of that class; calls and ends are, too. */
static inline bool weir_insn_jumps(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;
}

static inline bool weir_insn_is_call(const struct bpf_insn *insn)
{
	return weir_insn_jumps(insn) && BPF_OP(insn->code) == BPF_CALL;
}

/* Always elsewhere. */
static inline bool weir_insn_goes(const struct bpf_insn *insn)
{
	return weir_insn_jumps(insn) && BPF_OP(insn->code) == BPF_JA;
}

/* Elsewhere, or on. */
static inline bool weir_insn_branches(const struct bpf_insn *insn)
{
	return weir_insn_jumps(insn) && BPF_OP(insn->code) != BPF_JA &&
	       BPF_OP(insn->code) != BPF_CALL && BPF_OP(insn->code) != BPF_EXIT;
}

/* Where a jump leads, or which function of the program is called or meant; count where none is. */
size_t weir_insn_target(const struct bpf_insn *insns, size_t at, size_t count);
/* To what is so many places behind the next one. It leads somewhere already. */
void weir_insn_aim(struct bpf_insn *insn, int32_t distance);

#endif
