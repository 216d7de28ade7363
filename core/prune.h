/* SPDX-License-Identifier: Apache-2.0 */
/* What a program never does is taken out of it, before the kernel gets it. */
#ifndef WEIR_CORE_PRUNE_H
#define WEIR_CORE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

/*
 * The kernel takes out what cannot be come to, too, but range by range, and moves all that is
 * behind each: for a program with hundreds of branches that constants decide (fold.h) it takes
 * longer than to verify what is left. Branches that known numbers decide are taken or go; what
 * nobody comes to then, functions included, and jumps to the next instruction go. Gives how many
 * instructions are left, and in where[0 … count] which of these each became, or the next one that
 * stayed. Functions keep their first. Without memory nothing is taken out.
 */
size_t weir_prune(struct bpf_insn *insns, size_t count, uint32_t *where);

/*
 * Records of which each begins with the number of an instruction, ascending (func_info and
 * line_info of bpf(2)): of what is left. Of those that come to the same instruction the last one
 * stays, which is its own; with is_whole a record goes with its instruction. Gives how many are
 * left. No record may begin with a number of `count` of weir_prune() or above.
 */
size_t weir_prune_records(void *records, size_t count, size_t size, const uint32_t *where,
			  uint32_t left, bool is_whole);

#endif
