/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The remote end of a packet: its source where it arrives, its destination where it leaves. Its address is looked up once;
 * every feature indexes its own section by the class that comes of it.
 */
#ifndef WEIR_BPF_REMOTE_H
#define WEIR_BPF_REMOTE_H

#include "classify.h"
#include "generation.h"
#include "pkt.h"

static __always_inline const struct weir_addr *remote_addr(const struct pkt *p)
{
	return p->direction == WEIR_INGRESS ? &p->src : &p->dst;
}

static __always_inline __u32 remote_class(const struct pkt *p)
{
	__u32 section = policy_section(p, WEIR_SECTION_ADDRESSES);
	const struct weir_addr_root *root = section ? image_line(p->image, section) : NULL;

	return root ? classify_addr_root(p->image, root, remote_addr(p), p->seen & PKT_IPV4) : 0;
}

#endif
