/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a router changes of a packet that XDP sends on (shortcut.h), and whether that may leave as
 * it is. Beside rewrite.h, writes packet bytes. */
#ifndef WEIR_BPF_REWRITE_SHORTCUT_H
#define WEIR_BPF_REWRITE_SHORTCUT_H

#include "shortcut.h"
#include "nat.h"

/*
 * Whether the checksum is still to be computed: then it is the sum of the pseudo header, which a
 * whole one is by chance once in 65,536. `src`, `dst`: as on the wire.
 */
static __always_inline bool shortcut_is_partial(struct xdp_md *ctx, const struct pkt *p,
						const struct weir_addr *src,
						const struct weir_addr *dst)
{
	struct cursor c = xdp_cursor(ctx);
	struct pkt ends = { .src = *src, .dst = *dst };

	c.offset = (p->l4_offset + nat_sum_offset(p->proto, true)) & CURSOR_OFFSET_MASK;
	if (cursor_peek(&c, sizeof(__u16)) != CURSOR_WHOLE)
		return true;
	__u16 sum =
		~sum_fold(sum_pseudo(&ends, p->proto, p->ip_len - (p->l4_offset - p->l3_offset)));

	return *(const __u16 *)c.at == sum;
}

static __always_inline bool shortcut_put_link(struct xdp_md *ctx, const struct route_way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	if (data + sizeof(struct eth_header) > data_end)
		return false;
	__builtin_memcpy(data, way->link, sizeof(way->link));
	return true;
}

/* What a router changes: link addresses, and what is left of its life. */
static __always_inline bool shortcut_put(struct xdp_md *ctx, const struct pkt *p,
					 const struct route_way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct eth_header *link = data;
	struct ipv4_header *v4 = (void *)(link + 1);
	struct ipv6_header *v6 = (void *)(link + 1);

	if ((void *)(v4 + 1) > data_end)
		return false;
	__builtin_memcpy(link, way->link, sizeof(way->link));
	if (p->seen & PKT_IPV4) {
		v4->ttl--;
		v4->checksum = nat_sum(v4->checksum, NAT_HOP, false);
		return true;
	}
	if ((void *)(v6 + 1) > data_end)
		return false;
	v6->hop_limit--;
	return true;
}

#endif
