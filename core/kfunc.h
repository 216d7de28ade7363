/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the kernel that programs call by abi/kfunc.h. */
#ifndef WEIR_CORE_KFUNC_H
#define WEIR_CORE_KFUNC_H

#include <stdbool.h>
#include <stddef.h>

#include "../abi/kfunc.h"

struct bpf_insn;

/* Whether the running kernel has it. The first question reads the kernel's BTF, some 50 ms; what it
 * found holds for this run. */
bool weir_kfunc_is_there(enum weir_kfunc kfunc);
/* The program calls what has been asked for, and is there. */
void weir_kfunc_put(struct bpf_insn *insns, size_t count);

#endif
