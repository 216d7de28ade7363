/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which service a packet is for, whether its SYNs are answered now, and the sockets there are. */
#ifndef WEIR_SYNPROXY_SERVICE_BPF_H
#define WEIR_SYNPROXY_SERVICE_BPF_H

#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/pkt.h"
#include "../../bpf/lib/socket.h"
#include "synproxy.h"

const volatile struct synproxy_constants synproxy_constants = {};

/*
 * writes: the data path; features/synproxy/synproxy.c, when services change places
 * reads: the data path, features/synproxy/synproxy.c
 * full: cannot be: a row a service
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SYNPROXY_SERVICES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct synproxy_state);
} st_synproxy SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/synproxy/synproxy.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SYNPROXY_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_synproxy SEC(".maps");

static __always_inline void synproxy_count(const struct pkt *p, enum synproxy_counter counter)
{
	__u32 row = counter;
	__u64 *count = bpf_map_lookup_elem(&ctr_synproxy, &row);

	if (count && !p->probe)
		++*count;
}

/* Without a branch a span or a prefix, as limits are: the sign says it. */
static __always_inline __u64 service_has_port(const struct synproxy_service *service, __u64 port)
{
	__u64 inside = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < SYNPROXY_SPANS; i++)
		inside |= ~((port - service->port[i].from) | (service->port[i].to - port));
	return inside;
}

static __always_inline __u64 destination_is(const struct synproxy_destination *to,
					    const struct weir_addr *addr)
{
	__u64 other = ((addr->be64[0] ^ to->addr.be64[0]) & to->mask.be64[0]) |
		      ((addr->be64[1] ^ to->addr.be64[1]) & to->mask.be64[1]);

	return ~(other | -other);
}

/* Whether the service that begins at this near line is about the packet. */
__noinline int synproxy_is_of(const struct pkt *p, __u32 line)
{
	const struct synproxy_service *service = p ? near_at(line) : NULL;
	const struct synproxy_destination *a = near_at(line + 1), *b = near_at(line + 2);

	if (!p || !service || !a || !b)
		return 0;
	__u64 found = destination_is(&a[0], &p->dst) | destination_is(&a[1], &p->dst) |
		      destination_is(&b[0], &p->dst) | destination_is(&b[1], &p->dst);

	return (service_has_port(service, be16(p->dport)) & found) >> 63;
}

static __always_inline __u32 synproxy_first_line(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);
	__u32 first = head ? head->header.first_line[WEIR_SECTION_SYNPROXY] : 0;

	return first ? near_lines(p) + first : 0;
}

/* The number of the service a packet is for, or -1. */
__noinline int synproxy_find(const struct pkt *p)
{
	__u32 first = p ? synproxy_first_line(p) : 0;

	if (!first)
		return -1;
	LOOP_ROLLED
	for (__u32 i = 0; i < SYNPROXY_SERVICES_MAX && i < synproxy_constants.services; i++)
		if (synproxy_is_of(p, first + i * SYNPROXY_LINES_EACH))
			return i;
	return -1;
}

/*
 * A SYN more in its window; the SYN that makes it as many as it takes sets the time up to which
 * they are answered. So it ends by itself, whether or not anybody comes, and one word is all there
 * is to know. Two processors may both begin a window: then some SYNs of it are not counted.
 */
static __always_inline void state_count(struct synproxy_state *state,
					const struct synproxy_service *service, __u64 now)
{
	__u64 window = now >> SYNPROXY_WINDOW_SHIFT, seen = *(volatile __u64 *)&state->window;

	if (seen != window && __sync_val_compare_and_swap(&state->window, seen, window) == seen)
		*(volatile __u64 *)&state->count = 0;
	__u64 count = __sync_fetch_and_add(&state->count, 1) + 1;

	if (count == service->on || (count == service->off && now < state->on_until_ns))
		*(volatile __u64 *)&state->on_until_ns = now + service->hold_ns;
}

/* Whose connections the service is for: SYNPROXY_HERE, SYNPROXY_BEHIND. */
__noinline int synproxy_where(const struct pkt *p, __u32 number)
{
	__u32 first = p ? synproxy_first_line(p) : 0;
	const struct synproxy_service *service =
		first ? near_at(first + number * SYNPROXY_LINES_EACH) : NULL;

	return service ? service->where : 0;
}

enum synproxy_phase {
	SYNPROXY_OFF,
	SYNPROXY_DRAINING, /* the last cookies are still under way */
	SYNPROXY_ON,
};

__noinline int synproxy_phase(const struct pkt *p, __u32 number)
{
	__u32 first = p ? synproxy_first_line(p) : 0;
	const struct synproxy_service *service =
		first ? near_at(first + number * SYNPROXY_LINES_EACH) : NULL;
	struct synproxy_state *state = bpf_map_lookup_elem(&st_synproxy, &number);

	if (!service || !state)
		return SYNPROXY_OFF;
	if (!service->on)
		return SYNPROXY_ON;
	__u64 now = clock_ns();

	if (p->tcp_flags & TCP_SYN && !p->probe)
		state_count(state, service, now);
	__u64 until = *(volatile __u64 *)&state->on_until_ns;

	if (!until || now >= until + SYNPROXY_COOKIE_NS)
		return SYNPROXY_OFF;
	return now < until ? SYNPROXY_ON : SYNPROXY_DRAINING;
}

static __always_inline struct bpf_sock *synproxy_socket(void *ctx, const struct pkt *p)
{
	struct bpf_sock_tuple tuple = {};

	if (socket_tuple(p, &tuple) == sizeof(tuple.ipv4))
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

#endif
