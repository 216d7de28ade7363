/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Writes what nat.h has found: one end of a packet becomes another. The other file beside rewrite.h
 * that writes packet bytes. All is read, and all that can be refused is refused, before the first
 * byte is written; *p is left as it was. Where both ends change, it is called twice.
 *
 * At TC the kernel keeps checksums right that are still to be computed (CHECKSUM_PARTIAL: what a
 * socket, a veth, a virtual machine or GSO leaves to the device) or that a device has computed of
 * all of the packet (CHECKSUM_COMPLETE). What it cannot tell is the sum of the outer UDP header of
 * a tunnel whose inner sum is still to be computed. At XDP no program can tell either, and such a
 * packet leaves with a wrong checksum: XDP is for what comes from a wire.
 */
#ifndef WEIR_BPF_REWRITE_NAT_H
#define WEIR_BPF_REWRITE_NAT_H

#include "nat.h"

/* --- XDP ---------------------------------------------------------------------------------- */

/* No write fails here, since all was read before: the verifier alone does not know it. */
static __always_inline bool nat_xdp_put_16(struct cursor *c, __u32 at, __u16 value)
{
	if (!at)
		return true;
	if (!nat_reaches(c, at, sizeof(value)))
		return false;
	*(__u16 *)c->at = value;
	return true;
}

static __always_inline bool nat_xdp_put_address(struct cursor *c, const struct nat_place *place,
						const struct weir_addr *to)
{
	if (place->is_v4) {
		if (!nat_reaches(c, place->address, sizeof(to->be32[3])))
			return false;
		*(__be32 *)c->at = to->be32[3];
		return true;
	}
	if (!nat_reaches(c, place->address, sizeof(*to)))
		return false;
	*(struct weir_addr *)c->at = *to;
	return true;
}

static __always_inline bool nat_xdp_put(struct cursor *c, const struct nat_work *work,
					const struct nat_change *change)
{
	const struct nat_place *place = &work->place;

	return nat_xdp_put_address(c, place, &change->to) &&
	       nat_xdp_put_16(c, place->ip_sum, work->ip_sum) &&
	       nat_xdp_put_16(c, place->port, change->to_port) &&
	       nat_xdp_put_16(c, place->sum, work->sum);
}

static __always_inline bool nat_xdp_put_sctp(struct cursor *c, const struct pkt *p,
					     const struct nat_work *work, __be16 to_port)
{
	__u32 at = p->l4_offset + NAT_SCTP_SUM;

	if (!nat_reaches(c, at, sizeof(__u32)))
		return false;
	__u32 sum = nat_sctp_sum(p, work, to_port, *(const __u32 *)c->at);

	if (!nat_reaches(c, at, sizeof(__u32)))
		return false;
	*(__u32 *)c->at = sum;
	return true;
}

/* Changes one end of the packet. enum nat_end. Global, as the steps of rewrite.h are, so that the
 * verifier walks it once. */
__noinline int rewrite_xdp_nat(struct xdp_md *ctx, const struct pkt *p,
			       const struct nat_change *change)
{
	struct cursor c = xdp_cursor(ctx);
	struct nat_work work = {};

	if (!p || !change || !nat_knows(p))
		return NAT_FAILED;
	int end = nat_prepare(&c, p, p->l3_offset, p->l4_offset, change, &work);

	if (end != NAT_DONE)
		return end;
	if (nat_is_sctp(p, &work) && p->seen & PKT_FRAGMENT)
		return NAT_CANNOT;
	if (nat_is_sctp(p, &work) && !nat_xdp_put_sctp(&c, p, &work, change->to_port))
		return NAT_FAILED;
	return nat_xdp_put(&c, &work, change) ? NAT_DONE : NAT_FAILED;
}

static __always_inline bool nat_xdp_put_quote(struct cursor *c, const struct pkt *p,
					      const struct nat_work *work,
					      const struct nat_change *change)
{
	__u32 at = nat_icmp_sum(p);
	__u16 old;

	return nat_read_16(c, at, &old) && nat_xdp_put(c, work, change) &&
	       nat_xdp_put_16(c, at, nat_sum(old, nat_quote_difference(work), false));
}

/* The packet in it alone. */
__noinline int rewrite_xdp_nat_held(struct xdp_md *ctx, const struct pkt *p, struct pkt *inner,
				    const struct nat_change *change)
{
	struct cursor c = xdp_cursor(ctx);
	struct nat_work work = {};

	if (!p || !inner || !change)
		return NAT_FAILED;
	int end = nat_prepare_quote(&c, p, inner, change, &work);

	if (end != NAT_DONE)
		return end;
	return nat_xdp_put_quote(&c, p, &work, change) ? NAT_DONE : NAT_FAILED;
}

/*
 * Changes one end of the packet that an ICMP error holds, and one of the error itself unless
 * `outer` is NULL. *inner, for the packet in it, is zeroed. NAT_FAILED also where no 8 bytes behind
 * its IP header are quoted, or it is a later fragment.
 */
static __always_inline int rewrite_xdp_nat_quote(struct xdp_md *ctx, const struct pkt *p,
						 struct pkt *inner, const struct nat_change *outer,
						 const struct nat_change *embedded)
{
	int end = rewrite_xdp_nat_held(ctx, p, inner, embedded);

	return end == NAT_DONE && outer ? rewrite_xdp_nat(ctx, p, outer) : end;
}

/* --- TC ----------------------------------------------------------------------------------- */

/* As bpf_l4_csum_replace() takes a difference. */
static __always_inline __u32 nat_fold_32(__u64 difference)
{
	difference = (difference & 0xffffffff) + (difference >> 32);
	return (difference & 0xffffffff) + (difference >> 32);
}

/*
 * The kernel keeps a device's sum over all of the packet. IPv4: what the address adds to it, the
 * header's own checksum takes away. IPv6: nothing does but the transport's checksum, whose part of
 * it the kernel counts as for IPv4 (before BPF_F_IPV6, which older kernels refuse), so the address
 * has to be counted too.
 */
static __always_inline bool nat_skb_put_address(struct __sk_buff *skb, const struct nat_work *work,
						const struct weir_addr *to)
{
	const struct nat_place *place = &work->place;

	if (!place->is_v4)
		return !bpf_skb_store_bytes(skb, place->address, to, sizeof(*to),
					    BPF_F_RECOMPUTE_CSUM);
	return !bpf_skb_store_bytes(skb, place->address, &to->be32[3], sizeof(to->be32[3]), 0) &&
	       !bpf_skb_store_bytes(skb, place->ip_sum, &work->ip_sum, sizeof(work->ip_sum), 0);
}

/*
 * In two steps: of a checksum still to be computed, what is there already is the sum of the pseudo
 * header, so the address goes into it, and the port must not. Where no checksum takes the port back
 * out of the device's sum, it is counted.
 */
static __always_inline bool nat_skb_put_transport(struct __sk_buff *skb,
						  const struct nat_work *work, __be16 to_port)
{
	const struct nat_place *place = &work->place;
	__u64 mark = place->zero_is_none ? BPF_F_MARK_MANGLED_0 : 0;

	if (place->sum && bpf_l4_csum_replace(skb, place->sum, 0, nat_fold_32(work->address),
					      BPF_F_PSEUDO_HDR | mark))
		return false;
	if (!place->port)
		return true;
	if (bpf_skb_store_bytes(skb, place->port, &to_port, sizeof(to_port),
				place->sum ? 0 : BPF_F_RECOMPUTE_CSUM))
		return false;
	return !place->sum || !bpf_l4_csum_replace(skb, place->sum, work->old.port, to_port,
						   sizeof(to_port) | mark);
}

static __always_inline bool nat_skb_put_sctp(struct __sk_buff *skb, const struct pkt *p,
					     const struct nat_work *work, __be16 to_port)
{
	__u32 at = p->l4_offset + NAT_SCTP_SUM, sum;

	if (bpf_skb_load_bytes(skb, at, &sum, sizeof(sum)))
		return false;
	sum = nat_sctp_sum(p, work, to_port, sum);
	return !bpf_skb_store_bytes(skb, at, &sum, sizeof(sum), BPF_F_RECOMPUTE_CSUM);
}

/* As rewrite_xdp_nat(). After the first write a failure is want of memory, and the packet is to be
 * dropped. */
__noinline int rewrite_skb_nat(struct __sk_buff *skb, const struct pkt *p,
			       const struct nat_change *change)
{
	struct cursor c = skb_cursor(skb);
	struct nat_work work = {};

	if (!p || !change || !nat_knows(p))
		return NAT_FAILED;
	int end = nat_prepare(&c, p, p->l3_offset, p->l4_offset, change, &work);

	if (end != NAT_DONE)
		return end;
	if (nat_is_sctp(p, &work) && p->seen & PKT_FRAGMENT)
		return NAT_CANNOT;
	if (nat_is_sctp(p, &work) && !nat_skb_put_sctp(skb, p, &work, change->to_port))
		return NAT_FAILED;
	return nat_skb_put_address(skb, &work, &change->to) &&
			       nat_skb_put_transport(skb, &work, change->to_port) ?
		       NAT_DONE :
		       NAT_FAILED;
}

static __always_inline bool nat_skb_put_16(struct __sk_buff *skb, __u32 at, __u16 value)
{
	return !at || !bpf_skb_store_bytes(skb, at, &value, sizeof(value), 0);
}

/* Plain bytes to the kernel, all of them: it knows of the error's own checksum only. */
static __always_inline bool nat_skb_put_quote(struct __sk_buff *skb, const struct pkt *p,
					      const struct nat_work *work,
					      const struct nat_change *change)
{
	const struct nat_place *place = &work->place;
	long r = place->is_v4 ? bpf_skb_store_bytes(skb, place->address, &change->to.be32[3],
						    sizeof(__be32), 0) :
				bpf_skb_store_bytes(skb, place->address, &change->to,
						    sizeof(struct weir_addr), 0);

	return !r && nat_skb_put_16(skb, place->ip_sum, work->ip_sum) &&
	       nat_skb_put_16(skb, place->port, change->to_port) &&
	       nat_skb_put_16(skb, place->sum, work->sum) &&
	       !bpf_l4_csum_replace(skb, nat_icmp_sum(p), 0,
				    nat_fold_32(nat_quote_difference(work)), 0);
}

/* The packet in it alone. */
__noinline int rewrite_skb_nat_held(struct __sk_buff *skb, const struct pkt *p, struct pkt *inner,
				    const struct nat_change *change)
{
	struct cursor c = skb_cursor(skb);
	struct nat_work work = {};

	if (!p || !inner || !change)
		return NAT_FAILED;
	int end = nat_prepare_quote(&c, p, inner, change, &work);

	if (end != NAT_DONE)
		return end;
	return nat_skb_put_quote(skb, p, &work, change) ? NAT_DONE : NAT_FAILED;
}

/* As rewrite_xdp_nat_quote(). */
static __always_inline int rewrite_skb_nat_quote(struct __sk_buff *skb, const struct pkt *p,
						 struct pkt *inner, const struct nat_change *outer,
						 const struct nat_change *embedded)
{
	int end = rewrite_skb_nat_held(skb, p, inner, embedded);

	return end == NAT_DONE && outer ? rewrite_skb_nat(skb, p, outer) : end;
}

#endif
