/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The search. For each dimension in use a packet's value leads to a row, a bit vector over all
 * rules; what all rows have in common is what matches. Rows say first which of their words are not
 * zero, so that nearly all words are never looked at (rules.h, docs/design/classify.md).
 */
#ifndef WEIR_RULES_SEARCH_BPF_H
#define WEIR_RULES_SEARCH_BPF_H

#include "../../bpf/lib/clock.h"
#include "../../bpf/lib/generation.h"
#include "../../bpf/lib/remote.h"
#include "rules.h"

/*
 * writes: features/rules/rules.c, about once a second
 * reads: packets that meet rules with a schedule
 * full: cannot be: one row
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rules_clock);
} cfg_clock SEC(".maps");

/* What is known of a packet's search, between its functions. */
struct rules_search {
	__u32 row[RULES_DIMENSIONS];	    /* near lines */
	__u32 rank;			    /* of the best that decides, RULES_NO_RANK for none */
	__u32 mark_rank;		    /* of the last that marked */
	__u64 candidates[RULES_AGGREGATES]; /* words that may hold a match */
	__u64 left[RULES_AGGREGATES];	    /* of these, the ones still to be visited */
	__u32 position;			    /* of that best */
	__u64 word;			    /* of search_visit() */
};

static __always_inline const struct rules_root *rules_root(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);

	return head ? (const struct rules_root *)head->roots[WEIR_ROOT_RULES] : NULL;
}

static __always_inline __u32 rules_first(const struct pkt *p, enum weir_section section)
{
	const struct weir_policy_head *head = policy_head(p);

	return head ? head->header.first_line[section] : 0;
}

/* Bits that are set; BPF has no instruction for it. */
static __always_inline __u32 rules_popcount(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (x * 0x0101010101010101ULL) >> 56;
}

static __always_inline __u32 rules_lowest(__u64 x)
{
	return rules_popcount((x & -x) - 1);
}

static __always_inline __u32 minute_of_week(void)
{
	__u32 zero = 0;
	const struct rules_clock *clock = bpf_map_lookup_elem(&cfg_clock, &zero);
	__u64 now_ns = clock ? clock_ns() + clock->offset_ns : 0;

	return now_ns / 60000000000ULL % RULES_FIELD_VALUES;
}

static __always_inline __u32 rules_fragment(const struct pkt *p)
{
	return p->seen & PKT_LATER_FRAGMENT ? 2 : p->seen & PKT_FRAGMENT ? 1 : 0;
}

static __always_inline __u32 rules_type(const struct pkt *p)
{
	if (!(p->seen & PKT_ICMP))
		return 512;
	return p->icmp_type + (p->seen & PKT_IPV4 ? 0 : 256);
}

static __always_inline __u32 field_value(const struct pkt *p, enum rules_field field)
{
	switch (field) {
	case RULES_PROTO:
		return p->proto;
	case RULES_FLAGS:
		return p->seen & PKT_TCP ? p->tcp_flags : 256;
	case RULES_TYPE:
		return rules_type(p);
	case RULES_CODE:
		return p->seen & PKT_ICMP ? p->icmp_code : 256;
	case RULES_DSCP:
		return p->dscp;
	case RULES_FAMILY:
		return p->seen & PKT_IPV4 ? 0 : 1;
	case RULES_FRAGMENT:
		return rules_fragment(p);
	case RULES_STATE:
		return p->state;
	case RULES_MINUTE:
		return minute_of_week();
	case RULES_FIELDS:
		break;
	}
	return 0;
}

/* One row is taken into the search: only what it allows stays. */
static __always_inline void search_narrow(const struct pkt *p, struct rules_search *search,
					  enum rules_dimension dimension, __u32 line)
{
	const struct rules_row *row = near_line(p, line);

	search->row[dimension] = line;
	for (int i = 0; i < RULES_AGGREGATES; i++)
		search->candidates[i] &= row ? row->aggregate[i] : 0;
}

/* Row numbers of a class: of its addresses as sources, and as destinations. */
static __always_inline void search_address(const struct pkt *p, const struct rules_root *root,
					   __u32 first, struct rules_search *search,
					   enum rules_dimension dimension, __u32 class)
{
	const struct rules_table *table = &root->dimension[dimension];
	const struct weir_line *line = near_line(p, first + table->table + class / 32);
	__u32 row = line ? line->u16[class & 31] : 0;

	search_narrow(p, search, dimension, first + table->rows + row);
}

/* A packet that lacks the value meets only rules that do not ask: row 0. */
static __always_inline void search_wide(const struct pkt *p, const struct rules_root *root,
					__u32 first, struct rules_search *search,
					enum rules_dimension dimension, __u32 value, bool is_there)
{
	if (is_there)
		search_address(p, root, first, search, dimension, value);
	else
		search_narrow(p, search, dimension, first + root->dimension[dimension].rows);
}

static __always_inline void search_mixes(const struct pkt *p, const struct rules_root *root,
					 __u32 first, struct rules_search *search)
{
	__u64 index[RULES_MIXES / 2] = {};

	CLASSIFY_UNROLL
	for (int field = 0; field < RULES_FIELDS; field++) {
		const struct rules_field_table *table = &root->field[field];

		if (!(root->fields & 1 << field))
			continue;
		__u32 value = field_value(p, field);
		const struct weir_line *line = near_line(p, first + table->table + value / 64);
		__u64 class = line ? line->u8[value & 63] : 0;

		for (int i = 0; i < RULES_MIXES / 2; i++)
			index[i] += class * table->stride[i];
	}
	for (int mix = 0; mix < RULES_MIXES; mix++)
		if (root->used & 1 << (RULES_MIX + mix))
			search_address(p, root, first, search, RULES_MIX + mix,
				       (__u32)(index[mix / 2] >> (mix & 1) * 32));
}

static __always_inline void search_interface(const struct pkt *p, const struct rules_root *root,
					     struct rules_search *search)
{
	__u32 row = RULES_IFACE_ROW(p->iface_slot, p->direction);

	search_narrow(p, search, RULES_IFACE,
		      rules_first(p, WEIR_SECTION_RULES_IFACES) + row * root->iface_lines);
}

static __always_inline void search_ends(struct pkt *p, const struct rules_root *root, __u32 first,
					struct rules_search *search)
{
	bool in = p->direction == WEIR_INGRESS;

	if (root->used & 1 << RULES_SRC)
		search_address(p, root, first, search, RULES_SRC, in ? p->class : p->local_class);
	if (root->used & 1 << RULES_DST)
		search_address(p, root, first, search, RULES_DST, in ? p->local_class : p->class);
}

static __always_inline void search_values(const struct pkt *p, const struct rules_root *root,
					  __u32 first, struct rules_search *search)
{
	bool has_ports = p->seen & PKT_PORTS;
	__u32 vlan = p->seen & PKT_VLAN ? p->vlan : RULES_NO_VLAN;

	if (root->used & 1 << RULES_SPORT)
		search_wide(p, root, first, search, RULES_SPORT, be16(p->sport), has_ports);
	if (root->used & 1 << RULES_DPORT)
		search_wide(p, root, first, search, RULES_DPORT, be16(p->dport), has_ports);
	if (root->used & 1 << RULES_LENGTH)
		search_address(p, root, first, search, RULES_LENGTH, p->ip_len);
	if (root->used & 1 << RULES_VLAN)
		search_address(p, root, first, search, RULES_VLAN, vlan);
	if (root->used & 1 << RULES_IFACE)
		search_interface(p, root, search);
}

/* Finds the row of each dimension in use, and which words all of them have something in. */
__noinline int search_rows(struct pkt *p, struct rules_search *search)
{
	const struct rules_root *root = p ? rules_root(p) : NULL;

	if (!root || !search)
		return 0;
	__u32 first = rules_first(p, WEIR_SECTION_RULES);

	search_ends(p, root, first, search);
	search_values(p, root, first, search);
	search_mixes(p, root, first, search);
	return 0;
}

/* Where word `bit` of aggregate `part` of a row is stored: as many words on as are stored before
 * it. */
static __always_inline __u32 row_place(const struct rules_row *row, __u64 wild, __u32 part,
				       __u32 bit)
{
	__u64 before = row->aggregate[part] & ~wild & ((1ULL << bit) - 1);

	return row->first + row->before[part] + rules_popcount(before);
}

/*
 * What matches among the 64 rules of a word, 0 when nothing does. Unrolled, it would be eleven
 * times the code. By way of memory the word is any word to the verifier, which then walks what
 * follows once and not for each way through the loop.
 */
static __always_inline __u64 search_word(const struct pkt *p, const struct rules_root *root,
					 struct rules_search *search, __u32 part, __u32 bit)
{
	volatile __u64 *word = &search->word;

	*word = ~0ULL;
	LOOP_ROLLED
	for (__u32 i = 0; i < RULES_DIMENSIONS; i++) {
		__u64 wild = root->wild[i][part];
		__u32 line = search->row[i];

		if (!(root->used >> i & 1) || wild >> bit & 1)
			continue;
		const struct rules_row *row = near_line(p, line);

		if (!row)
			return 0;
		__u32 place = row_place(row, wild, part, bit);
		const struct weir_line *words = near_line(p, line + place / 8);

		if (!words)
			return 0;
		*word &= words->u64[place & 7];
	}
	return *word;
}

static __always_inline const struct rules_record *record_at(const struct pkt *p,
							    const struct rules_root *root,
							    __u32 position)
{
	__u32 line = rules_first(p, WEIR_SECTION_RULES) + root->records + position / 2;
	struct rules_record *records = near_line(p, line);

	return records ? &records[position & 1] : NULL;
}

static __always_inline bool is_within(const struct rules_record *record, enum rules_dimension wide,
				      __u32 value)
{
	__u32 at = wide - RULES_WIDE_FIRST;

	return value >= record->within[at].from && value <= record->within[at].to;
}

/* Ports are asked for only of packets that have them, and the rest holds for rules that do not
 * ask: their bounds are the whole range. */
static __always_inline bool record_holds(const struct pkt *p, const struct rules_record *record)
{
	__u32 vlan = p->seen & PKT_VLAN ? p->vlan : RULES_NO_VLAN;

	if (!(record->flags & RULES_CHECKS))
		return true;
	return is_within(record, RULES_SPORT, be16(p->sport)) &&
	       is_within(record, RULES_DPORT, be16(p->dport)) &&
	       is_within(record, RULES_LENGTH, p->ip_len) && is_within(record, RULES_VLAN, vlan);
}

#endif
