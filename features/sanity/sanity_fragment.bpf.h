/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Overlapping fragments (RFC 5722, RFC 8200 4.5, RFC 1858): which parts of a datagram have come.
 * Parts that touch are one piece, so a datagram that comes in order, forwards or backwards, is one
 * piece all the time.
 */
#ifndef WEIR_SANITY_FRAGMENT_BPF_H
#define WEIR_SANITY_FRAGMENT_BPF_H

#include "../../abi/addr_table.h"
#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/endian.h"
#include "../../bpf/lib/pkt.h"
#include "../../bpf/lib/probe.h"
#include "sanity.h"

#define FRAGMENT_WAYS 4
#define FRAGMENT_PIECES 8 /* with more at one time nothing honest arrives: it is refused */
#define FRAGMENT_NO_PIECE 8
#define FRAGMENT_MORE 1
#define FRAGMENT_OFFSET_MASK 0xfff8
#define FRAGMENT_BLOCK 8

/* What receivers wait for the rest: 30 s for IPv4 in Linux, 60 s for IPv6 (RFC 8200). */
#define FRAGMENT_V4_NS 30000000000ULL
#define FRAGMENT_V6_NS 60000000000ULL

/* In blocks of eight bytes, `to` is behind the last; unused: both 0. */
struct fragment_piece {
	__u16 from, to;
};

struct fragment_datagram {
	__be64 src[2], dst[2];
	__u64 id; /* identification, interface */
	__u64 expires_ns;
	struct fragment_piece piece[FRAGMENT_PIECES];
	__u16 end; /* of the whole datagram, in blocks; 0: not known yet */
	__u8 proto;
	__u8 refused;
	/* Found under the lock, in [0]; [1] is for what is not. Volatile, and kept here: so they
	 * are any number to the verifier, which would otherwise walk what follows once for each. */
	volatile __u8 before[2], behind[2], empty[2];
};

struct fragment_set {
	struct bpf_spin_lock lock;
	/* Likewise: the datagram's own place, the one that would expire first, and whether what
	 * is there is forgotten for this one. */
	volatile __u8 own[2], oldest, forgets;
	struct fragment_datagram way[FRAGMENT_WAYS];
};

/*
 * writes: the data path, a set at a time under its lock
 * reads: the data path
 * full: of a set the datagram that would expire first is forgotten, and counted
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SANITY_FRAGMENT_SETS);
	__type(key, __u32);
	__type(value, struct fragment_set);
} st_fragment SEC(".maps");

/*
 * writes: the data path, each CPU its own
 * reads: features/sanity/sanity.c
 * full: cannot be: a row a counter
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SANITY_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ctr_sanity SEC(".maps");

static __always_inline void sanity_count(enum sanity_counter counter)
{
	__u32 row = counter;
	__u64 *count = bpf_map_lookup_elem(&ctr_sanity, &row);

	if (count)
		++*count;
}

enum fragment_verdict {
	FRAGMENT_FITS,
	FRAGMENT_AGAIN, /* nothing new: a copy, or what would be written over the first */
	FRAGMENT_OVERLAPS,
};

/* What is to be noted of a packet; IPv6 datagrams are told apart by addresses and identification,
 * IPv4 ones by the protocol too. */
struct fragment_part {
	__u64 id;
	__u64 now_ns;
	__u64 from, to;
	__u8 proto;
	bool is_last;
};

/* 1 when they do, else 0: arithmetic, hidden from the compiler, which would make it a branch. */
static __always_inline __u32 differ(__u64 a, __u64 b)
{
	__u64 difference = a ^ b, negated = -difference;

	__asm__ volatile("" : "+r"(negated));
	return (difference | negated) >> 63;
}

/* 0 when the part is of that datagram, and it is still waited for; else 1. */
static __always_inline __u32 datagram_differs(const struct fragment_datagram *d,
					      const struct pkt *p, const struct fragment_part *part)
{
	__u64 differs = (d->src[0] ^ p->src.be64[0]) | (d->src[1] ^ p->src.be64[1]) |
			(d->dst[0] ^ p->dst.be64[0]) | (d->dst[1] ^ p->dst.be64[1]) |
			(d->id ^ part->id) | (d->proto ^ part->proto);

	return differ(differs, 0) | (d->expires_ns - part->now_ns) >> 63;
}

static __always_inline void datagram_begin(struct fragment_datagram *d, const struct pkt *p,
					   const struct fragment_part *part)
{
	__builtin_memset(d->piece, 0, sizeof(d->piece));
	d->end = 0;
	d->refused = 0;
	d->src[0] = p->src.be64[0];
	d->src[1] = p->src.be64[1];
	d->dst[0] = p->dst.be64[0];
	d->dst[1] = p->dst.be64[1];
	d->id = part->id;
	d->proto = part->proto;
	d->expires_ns = part->now_ns + (p->seen & PKT_IPV4 ? FRAGMENT_V4_NS : FRAGMENT_V6_NS);
}

/* The datagram's own place, or one for it: an empty one, else the one that would expire first. */
static __always_inline struct fragment_datagram *set_find(struct fragment_set *set,
							  const struct pkt *p,
							  const struct fragment_part *part)
{
	__u64 least_ns = ~0ULL;

	set->own[0] = FRAGMENT_WAYS;
	set->forgets = 0;
	for (__u32 i = 0; i < FRAGMENT_WAYS; i++) {
		set->own[datagram_differs(&set->way[i], p, part)] = i;
		if (set->way[i].expires_ns < least_ns) {
			least_ns = set->way[i].expires_ns;
			set->oldest = i;
		}
	}
	__u32 own = set->own[0];

	if (own < FRAGMENT_WAYS)
		return &set->way[own & (FRAGMENT_WAYS - 1)];
	struct fragment_datagram *d = &set->way[set->oldest & (FRAGMENT_WAYS - 1)];

	set->forgets = (part->now_ns - least_ns) >> 63;
	datagram_begin(d, p, part);
	return d;
}

/* Where the part goes among the pieces: behind one, before one, or apart. */
static __always_inline enum fragment_verdict pieces_find(struct fragment_datagram *d,
							 const struct fragment_part *part)
{
	__u64 overlaps = 0, is_within = 0, is_beyond = 0;

	d->before[0] = d->behind[0] = d->empty[0] = FRAGMENT_NO_PIECE;
	LOOP_ROLLED
	for (__u32 i = 0; i < FRAGMENT_PIECES; i++) {
		__u64 from = d->piece[i].from, to = d->piece[i].to;

		/* The sign of a difference is the comparison: no path of the verifier forks. */
		overlaps |= (part->from - to) & (from - part->to);
		is_within |= ~((part->from - from) | (to - part->to));
		is_beyond |= part->to - to;
		d->before[differ(to, part->from)] = i;
		d->behind[differ(from, part->to)] = i;
		d->empty[differ(to, 0)] = i;
	}
	if (part->is_last && is_beyond >> 63)
		return FRAGMENT_OVERLAPS;
	if (!(overlaps >> 63))
		return FRAGMENT_FITS;
	return is_within >> 63 ? FRAGMENT_AGAIN : FRAGMENT_OVERLAPS;
}

static __always_inline struct fragment_piece *piece_at(struct fragment_datagram *d, __u32 number)
{
	return &d->piece[number & (FRAGMENT_PIECES - 1)];
}

/* Notes the part; false: there would be one piece too many. */
static __always_inline bool pieces_add(struct fragment_datagram *d,
				       const struct fragment_part *part)
{
	struct fragment_piece *piece;

	if (d->before[0] != FRAGMENT_NO_PIECE) {
		piece = piece_at(d, d->before[0]);
		piece->to = part->to;
		if (d->behind[0] != FRAGMENT_NO_PIECE) {
			struct fragment_piece *behind = piece_at(d, d->behind[0]);

			piece->to = behind->to;
			behind->from = behind->to = 0;
		}
	} else if (d->behind[0] != FRAGMENT_NO_PIECE) {
		piece = piece_at(d, d->behind[0]);
		piece->from = part->from;
	} else if (d->empty[0] != FRAGMENT_NO_PIECE) {
		piece = piece_at(d, d->empty[0]);
		piece->from = part->from;
		piece->to = part->to;
	} else {
		return false;
	}
	/* Whole: forgotten, since its identification may come again at once. */
	if (!piece->from && piece->to == d->end)
		d->expires_ns = 0;
	return true;
}

/* What contradicts the datagram refuses all that is still to come of it. */
static __always_inline enum fragment_verdict datagram_add(struct fragment_datagram *d,
							  const struct fragment_part *part)
{
	enum fragment_verdict verdict;

	if (d->refused)
		return FRAGMENT_OVERLAPS;
	verdict = pieces_find(d, part);
	if (d->end && (part->to > d->end || (part->is_last && part->to != d->end)))
		verdict = FRAGMENT_OVERLAPS;
	if (part->is_last)
		d->end = part->to;
	if (verdict == FRAGMENT_FITS && !pieces_add(d, part))
		verdict = FRAGMENT_OVERLAPS;
	d->refused = verdict == FRAGMENT_OVERLAPS;
	return verdict;
}

static __always_inline struct fragment_part part_of(const struct pkt *p)
{
	__u32 offset = p->fragment & FRAGMENT_OFFSET_MASK;

	return (struct fragment_part){
		.id = (__u64)p->fragment_id << 32 | p->ifindex,
		.now_ns = clock_ns(),
		.from = offset / FRAGMENT_BLOCK,
		.to = (offset + p->fragment_bytes + FRAGMENT_BLOCK - 1) / FRAGMENT_BLOCK,
		.proto = p->seen & PKT_IPV4 ? p->proto : 0,
		.is_last = !(p->fragment & FRAGMENT_MORE),
	};
}

/* Keyed, so that nobody outside can tell which datagrams share a set; by words that stay from load
 * to load, as what is in the sets does. */
static __always_inline __u32 part_set(const struct pkt *p, const struct fragment_part *part)
{
	__u64 seed = (__u64)probe_constants.secret[2] << 32 | probe_constants.secret[3];
	__u64 hash = weir_addr_hash6(p->src.be64[0], p->src.be64[1], seed);

	hash = weir_addr_hash6(p->dst.be64[0], p->dst.be64[1], hash);
	return weir_addr_hash6(part->id, part->proto, hash) & (SANITY_FRAGMENT_SETS - 1);
}

/* A global function: the verifier walks it once. */
__noinline int fragment_note(struct pkt *p)
{
	if (!p)
		return FRAGMENT_FITS;
	struct fragment_part part = part_of(p);
	__u32 row = part_set(p, &part);
	struct fragment_set *set = bpf_map_lookup_elem(&st_fragment, &row);

	if (!set)
		return FRAGMENT_FITS;
	bpf_spin_lock(&set->lock);
	enum fragment_verdict verdict = datagram_add(set_find(set, p, &part), &part);
	bool forgets = set->forgets;

	bpf_spin_unlock(&set->lock);
	if (forgets)
		sanity_count(SANITY_FRAGMENTS_FORGOTTEN);
	return verdict;
}

#endif
