/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to programs at the last moment before the kernel gets them. */
#ifndef WEIR_CORE_PREPARE_H
#define WEIR_CORE_PREPARE_H

struct bpf_map;

/* From now on, of programs that are opened. Idempotent. */
int weir_prepare_register(void);
/* Programs loaded next read these constants (fold.h); NULL: none. One object at a time. */
void weir_prepare_constants(const struct bpf_map *rodata);

#endif
