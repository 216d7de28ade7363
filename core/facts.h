/* SPDX-License-Identifier: Apache-2.0 */
/* Which registers of a program hold known numbers. */
#ifndef WEIR_CORE_FACTS_H
#define WEIR_CORE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_insn;

#define WEIR_FACTS_REGISTERS 10 /* but the frame's, which is no number */

/* What is known where an instruction begins, of all ways to it. */
struct weir_facts {
	uint64_t values[WEIR_FACTS_REGISTERS];
	uint16_t known; /* a bit a register */
	bool is_reached;
};

enum weir_decision {
	WEIR_NEVER,
	WEIR_ALWAYS,
	WEIR_EITHER
};

/* Behind an instruction that leads on, a call too: whatever is not known to leave a register as it
 * is changes it. */
void weir_facts_step(struct weir_facts *facts, const struct bpf_insn *insn);
/* Whether a branch is taken. */
enum weir_decision weir_facts_decide(const struct weir_facts *facts, const struct bpf_insn *insn);
/* What is known there is what all ways there know, this one too. True where that is less now. */
bool weir_facts_meet(struct weir_facts *there, const struct weir_facts *facts);

#endif
