/* SPDX-License-Identifier: Apache-2.0 */
#include "fold.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "insn.h"

static const struct bpf_insn nothing = { .code = BPF_JMP | BPF_JA };

/* True for each instruction that is come to from elsewhere than the one before it. */
static void targets_mark(const struct bpf_insn *insns, size_t count, bool *targets)
{
	for (size_t at = 0; at < count; at++) {
		targets[weir_insn_target(insns, at, count)] = true;
		at += weir_insn_is_wide(&insns[at]);
	}
}

/* In the machine's order of bytes, as the program would find it; wider than 32 bits where it is of
 * no such size. */
static uint64_t value_of(const unsigned char *at, unsigned size)
{
	uint16_t half;
	uint32_t word;

	switch (size) {
	case BPF_B:
		return *at;
	case BPF_H:
		return *(uint16_t *)memcpy(&half, at, sizeof(half));
	case BPF_W:
		return *(uint32_t *)memcpy(&word, at, sizeof(word));
	default:
		return UINT64_MAX;
	}
}

static size_t size_bytes(unsigned size)
{
	return size == BPF_B ? 1 : size == BPF_H ? 2 : size == BPF_W ? 4 : 8;
}

/* False where what is read there is none of ours, or does not fit. */
static bool value_read(const struct bpf_insn *address, const struct bpf_insn *load,
		       const struct weir_folded *from, uint32_t *ret_value)
{
	unsigned size = BPF_SIZE(load->code);
	int64_t offset = (int64_t)address[1].imm + load->off;

	if (load->code != (BPF_LDX | BPF_MEM | size) || offset < 0 ||
	    (uint64_t)offset + size_bytes(size) > from->size)
		return false;
	uint64_t value = value_of(from->bytes + offset, size);

	*ret_value = (uint32_t)value;
	return value <= UINT32_MAX;
}

/* The upper half becomes zero by it, as by a load. */
static struct bpf_insn number_put(unsigned reg, uint32_t value)
{
	return (struct bpf_insn){ .code = BPF_ALU | BPF_MOV | BPF_K,
				  .dst_reg = reg,
				  .imm = (int32_t)value };
}

static bool pair_fold(struct bpf_insn *address, const struct weir_folded *from)
{
	struct bpf_insn *load = address + 2;
	uint32_t value = 0;

	if (address->src_reg != BPF_PSEUDO_MAP_VALUE || address->imm != from->fd ||
	    load->src_reg != address->dst_reg || !value_read(address, load, from, &value))
		return false;
	if (load->dst_reg == address->dst_reg)
		address[0] = address[1] = nothing;
	*load = number_put(load->dst_reg, value);
	return true;
}

size_t weir_fold(struct bpf_insn *insns, size_t count, const struct weir_folded *from)
{
	_cleanup_free_ bool *targets = calloc(count + 1, sizeof(*targets));
	size_t folded = 0;

	if (!targets)
		return 0;
	targets_mark(insns, count, targets);
	for (size_t at = 0; at + 2 < count; at++) {
		if (!weir_insn_is_wide(&insns[at]))
			continue;
		if (!targets[at + 2] && pair_fold(&insns[at], from))
			folded++;
		at++;
	}
	return folded;
}
