/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Functions of the kernel that core/kfunc.c puts in place of these numbers. */
#ifndef WEIR_BPF_KFUNC_H
#define WEIR_BPF_KFUNC_H

#include "../../abi/kfunc.h"

static long (*kfunc_sk_assign_tcp_reqsk)(struct __sk_buff *skb, void *listener, void *attributes,
					 __u32 size) = (void *)WEIR_KFUNC_SK_ASSIGN_TCP_REQSK;

#endif
