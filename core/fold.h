/* SPDX-License-Identifier: Apache-2.0 */
/* Constants put into the code that reads them, before the kernel gets it. */
#ifndef WEIR_CORE_FOLD_H
#define WEIR_CORE_FOLD_H

#include <stddef.h>

struct bpf_insn;

/* A frozen map of one value, whose bytes are known. */
struct weir_folded {
	int fd; /* as relocated instructions name it */
	const unsigned char *bytes;
	size_t size;
};

/*
 * A program reads a constant by its address and a load: the kernel drops the branches that depend
 * on it, and keeps those two. Each load right behind its address, of a value of up to 32 bits,
 * becomes a number; the address goes where the load is into the same register. As many
 * instructions as before: what is left over does nothing, and the kernel takes it out. Gives how
 * many loads are none any more.
 */
size_t weir_fold(struct bpf_insn *insns, size_t count, const struct weir_folded *from);

#endif
