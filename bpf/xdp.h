/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The XDP entry: context to cursor, pipeline, verdict. Glue only. */
#ifndef WEIR_BPF_XDP_H
#define WEIR_BPF_XDP_H

#include "lib/parse.h"
#include "pipeline.h"

static __always_inline struct pkt xdp_packet(const struct xdp_md *ctx, __u32 len)
{
	return (struct pkt){ .len = len,
			     .ifindex = ctx->ingress_ifindex,
			     .direction = WEIR_INGRESS };
}

static __always_inline void xdp_probe(struct xdp_md *ctx, struct pkt *p)
{
	struct weir_probe_mark *mark = (void *)(long)ctx->data_meta;

	if ((void *)(mark + 1) > (void *)(long)ctx->data || !probe_is_marked(mark->secret))
		return;
	p->probe = true;
	p->ifindex = mark->ifindex;
}

/* Whether a limit is against it: a reason, or LIMIT_KNOWN_ALL. */
static __always_inline int xdp_known_held(struct xdp_md *ctx, struct pkt *p)
{
	if (!limit_constants.enabled)
		return WEIR_PASS;
	microflow_tell_ends(ctx, p);
	return limit_known(p);
}

/* What becomes of a packet as of the one before it in its flow. XDP_PASS: it is to be judged, and
 * *p is as it was. */
static __always_inline int xdp_known(struct xdp_md *ctx, struct pkt *p)
{
	if (!microflow_constants.enabled || !balance_microflow_find(ctx, p))
		return XDP_PASS;
	int held = xdp_known_held(ctx, p);

	if (held == LIMIT_KNOWN_ALL) {
		*p = xdp_packet(ctx, p->len);
		return XDP_PASS;
	}
	attack_note(p, HOOK_XDP);
	if (held) {
		pipeline_dropped(p, held);
		return XDP_DROP;
	}
	int sent = balance_microflow_send(ctx, p);

	conntrack_account_known(p);
	return sent == MICROFLOW_DIRECT ? balance_direct_put(ctx, p) : sent;
}

static __always_inline int xdp_run(struct xdp_md *ctx, __u32 len)
{
	struct pkt p = xdp_packet(ctx, len);
	int sent = xdp_known(ctx, &p);

	if (sent != XDP_PASS)
		return sent;
	struct cursor c = cursor_init((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	xdp_probe(ctx, &p);
	parse_packet(&c, &p);
	if (p.seen & PKT_CUT_SHORT && (__u32)(ctx->data_end - ctx->data) < len)
		p.seen |= PKT_UNREADABLE; /* in another buffer: drivers put headers in the first */
	if (pipeline_holds(&p, ctx, HOOK_XDP))
		return XDP_DROP;
	p.iface_slot = iface_slot(p.ifindex);
	bool drop = pipeline_run(&p, ctx, HOOK_XDP);

	if (reject_is_wanted(&p))
		return reject_xdp(ctx, &p) ? XDP_TX : XDP_DROP;
	if (drop)
		return XDP_DROP;
	if (balance_directs(ctx, &p))
		return balance_direct_send(ctx, &p);
	if (!balance_shortcuts(ctx, &p) || !conntrack_lets_out(&p))
		return XDP_PASS;
	int reason = pipeline_holds_back(&p);

	if (reason)
		pipeline_dropped(&p, reason);
	return reason ? XDP_DROP : balance_shortcut_put(ctx, &p);
}

SEC("xdp")
int weir_xdp(struct xdp_md *ctx)
{
	return xdp_run(ctx, ctx->data_end - ctx->data);
}

/* The same where packets may lie in several buffers (jumbo frames); needs Linux 5.18. */
SEC("xdp.frags")
int weir_xdp_frags(struct xdp_md *ctx)
{
	return xdp_run(ctx, bpf_xdp_get_buff_len(ctx));
}

#endif
