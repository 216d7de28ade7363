/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Handing a connection to its listener on this host. */
#ifndef WEIR_SYNPROXY_HAND_BPF_H
#define WEIR_SYNPROXY_HAND_BPF_H

#include "../../bpf/lib/cookie.h"
#include "../../bpf/lib/kfunc.h"
#include "synproxy_service.bpf.h"

/* As the kernel has it since Linux 6.9 (include/net/tcp.h). */
struct bpf_tcp_req_attrs {
	__u32 rcv_tsval, rcv_tsecr;
	__u16 mss;
	__u8 rcv_wscale, snd_wscale;
	__u8 ecn_ok, wscale_ok, sack_ok, tstamp_ok, usec_ts_ok;
	__u8 reserved[3];
};

static __always_inline void synproxy_attributes(const struct cookie_work *work,
						struct bpf_tcp_req_attrs *attributes)
{
	const struct tcp_told *told = &work->told;
	bool scales = told->scale != WEIR_COOKIE_NO_SCALE;

	*attributes = (struct bpf_tcp_req_attrs){
		.rcv_tsval = told->stamp,
		.rcv_tsecr = told->echo,
		.mss = told->mss,
		.rcv_wscale = scales ? cookie_constants.scale : 0,
		.snd_wscale = scales ? told->scale : 0,
		.wscale_ok = scales,
		.sack_ok = told->sack,
		.tstamp_ok = told->time,
	};
}

/* The kernel makes the connection of it when it comes to the listener, as it does of its own
 * cookies. Where it refuses, the packet is one of no connection, and its sender is told so. */
__noinline int synproxy_hand_over(struct __sk_buff *skb, const struct pkt *p)
{
	const struct cookie_work *work = cookie_work();
	struct bpf_tcp_req_attrs attributes;
	long result = -1;

	if (!cookie_constants.hands || !p || !work)
		return 0;
	struct bpf_sock *sk = synproxy_socket(skb, p);

	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_LISTEN) {
		void *listener = bpf_skc_to_tcp_sock(sk);

		synproxy_attributes(work, &attributes);
		if (listener)
			result = kfunc_sk_assign_tcp_reqsk(skb, listener, &attributes,
							   sizeof(attributes));
	}
	bpf_sk_release(sk);
	synproxy_count(p, result ? SYNPROXY_FAILED : SYNPROXY_HANDED);
	return 0;
}

#endif
