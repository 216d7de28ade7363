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
	__u32 row[RULES_DIMENSIONS];	    /* of tab_near */
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

/* The number of the lowest bit that is set. A de Bruijn sequence: its six bits from each place on
 * are all different. */
#define RULES_SEQUENCE 0x03f79d71b4cb0a89ULL

static const __u8 rules_places[64] = { 0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38,
				       29, 17, 4,  62, 55, 59, 36, 53, 51, 43, 22, 45, 39,
				       33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37,
				       16, 54, 35, 52, 21, 44, 32, 23, 11, 46, 26, 40, 15,
				       34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6 };

static __always_inline __u32 rules_lowest(__u64 x)
{
	return rules_places[((x & -x) * RULES_SEQUENCE) >> 58];
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

/*
 * What search_rows() keeps on its way, by itself: candidates in the map's memory would be written
 * and read again for each row, and the slot and the section looked up for each line.
 */
struct rules_narrow {
	const struct rules_root *root;
	__u32 lines; /* of tab_near: the section's first in this packet's slot */
	__u64 candidates[RULES_AGGREGATES];
};

static __always_inline void *narrow_line(const struct rules_narrow *narrow, __u32 line)
{
	return near_at(narrow->lines + line);
}

/* One row is taken into the search: only what it allows stays. */
static __always_inline void search_narrow(struct rules_narrow *narrow, struct rules_search *search,
					  enum rules_dimension dimension, __u32 line)
{
	const struct rules_row *row = narrow_line(narrow, line);

	search->row[dimension] = narrow->lines + line;
	for (int i = 0; i < RULES_AGGREGATES; i++)
		narrow->candidates[i] &= row ? row->aggregate[i] : 0;
}

/* By the row numbers of values, or of classes: of addresses as sources, and as destinations. */
static __always_inline void search_table(struct rules_narrow *narrow, struct rules_search *search,
					 enum rules_dimension dimension, __u32 value)
{
	const struct rules_table *table = &narrow->root->dimension[dimension];
	const struct weir_line *line = narrow_line(narrow, table->table + value / 32);

	__u32 row = line ? line->u16[value & 31] : 0;

	search_narrow(narrow, search, dimension, table->rows + row * narrow->root->row_lines);
}

/* A packet that lacks ports meets only rules that do not ask: row 0. */
static __always_inline void search_port(const struct pkt *p, struct rules_narrow *narrow,
					struct rules_search *search, enum rules_dimension dimension,
					__be16 port)
{
	if (p->seen & PKT_PORTS)
		search_table(narrow, search, dimension, be16(port));
	else
		search_narrow(narrow, search, dimension, narrow->root->dimension[dimension].rows);
}

static __always_inline void search_mixes(const struct pkt *p, struct rules_narrow *narrow,
					 struct rules_search *search)
{
	const struct rules_root *root = narrow->root;
	__u64 index[RULES_MIXES / 2] = {};

	CLASSIFY_UNROLL
	for (int field = 0; field < RULES_FIELDS; field++) {
		const struct rules_field_table *table = &root->field[field];

		if (!(root->fields & 1 << field))
			continue;
		__u32 value = field_value(p, field);
		const struct weir_line *line = narrow_line(narrow, table->table + value / 64);
		__u64 class = line ? line->u8[value & 63] : 0;

		for (int i = 0; i < RULES_MIXES / 2; i++)
			index[i] += class * table->stride[i];
	}
	for (int mix = 0; mix < RULES_MIXES; mix++)
		if (root->used & 1 << (RULES_MIX + mix))
			search_table(narrow, search, RULES_MIX + mix,
				     (__u32)(index[mix / 2] >> (mix & 1) * 32));
}

/* Its rows stand in a section of their own. */
static __always_inline void search_interface(const struct pkt *p, struct rules_narrow *narrow,
					     struct rules_search *search)
{
	__u32 row = RULES_IFACE_ROW(p->iface_slot, p->direction);

	search_narrow(narrow, search, RULES_IFACE,
		      rules_first(p, WEIR_SECTION_RULES_IFACES) -
			      rules_first(p, WEIR_SECTION_RULES) + row * narrow->root->iface_lines);
}

static __always_inline void search_ends(const struct pkt *p, struct rules_narrow *narrow,
					struct rules_search *search)
{
	bool in = p->direction == WEIR_INGRESS;

	if (narrow->root->used & 1 << RULES_SRC)
		search_table(narrow, search, RULES_SRC, in ? p->class : p->local_class);
	if (narrow->root->used & 1 << RULES_DST)
		search_table(narrow, search, RULES_DST, in ? p->local_class : p->class);
}

static __always_inline void search_values(const struct pkt *p, struct rules_narrow *narrow,
					  struct rules_search *search)
{
	__u32 used = narrow->root->used;

	if (used & 1 << RULES_SPORT)
		search_port(p, narrow, search, RULES_SPORT, p->sport);
	if (used & 1 << RULES_DPORT)
		search_port(p, narrow, search, RULES_DPORT, p->dport);
	if (used & 1 << RULES_LENGTH)
		search_table(narrow, search, RULES_LENGTH, p->ip_len);
	if (used & 1 << RULES_VLAN)
		search_table(narrow, search, RULES_VLAN,
			     p->seen & PKT_VLAN ? p->vlan : RULES_NO_VLAN);
	if (used & 1 << RULES_IFACE)
		search_interface(p, narrow, search);
}

/* Finds the row of each dimension in use, and which words all of them have something in. */
__noinline int search_rows(struct pkt *p, struct rules_search *search)
{
	struct rules_narrow narrow = { .root = p ? rules_root(p) : NULL };

	if (!narrow.root || !search)
		return 0;
	narrow.lines = near_lines(p) + rules_first(p, WEIR_SECTION_RULES);
	for (int i = 0; i < RULES_AGGREGATES; i++)
		narrow.candidates[i] = narrow.root->present[i];
	search_ends(p, &narrow, search);
	search_values(p, &narrow, search);
	search_mixes(p, &narrow, search);
	for (int i = 0; i < RULES_AGGREGATES; i++)
		search->candidates[i] = narrow.candidates[i];
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

static __always_inline __u64 word_at(__u32 row, __u32 place)
{
	const struct weir_line *words = near_at(row + place / 8);

	return words ? words->u64[place & 7] : 0;
}

static __always_inline __u64 dimension_word(const struct rules_root *root,
					    const struct rules_search *search,
					    enum rules_dimension dimension, __u32 part, __u32 bit)
{
	__u64 wild = root->wild[dimension][part];
	__u32 at = search->row[dimension];

	if (!(root->used >> dimension & 1) || wild >> bit & 1)
		return ~0ULL;
	const struct rules_row *row = near_at(at);

	return row ? word_at(at, row_place(row, wild, part, bit)) : 0;
}

/* Dimensions that most policies use have code of their own; the others share a loop. */
#define RULES_OFTEN                                                                  \
	(1u << RULES_SRC | 1u << RULES_DST | 1u << RULES_SPORT | 1u << RULES_DPORT | \
	 1u << RULES_MIX)

/* Where every word is stored, behind the row's own line. */
static __always_inline __u64 search_word_dense(const struct rules_root *root,
					       const struct rules_search *search, __u32 word)
{
	__u32 used = root->used;
	__u64 found = ~0ULL;

	CLASSIFY_UNROLL
	for (__u32 i = 0; i <= RULES_MIX; i++)
		if (RULES_OFTEN >> i & used >> i & 1)
			found &= word_at(search->row[i], 8 + word);
	if (!(used & ~RULES_OFTEN))
		return found;
	LOOP_ROLLED
	for (__u32 i = RULES_LENGTH; i < RULES_DIMENSIONS; i++)
		if ((used & ~RULES_OFTEN) >> i & 1)
			found &= word_at(search->row[i], 8 + word);
	return found;
}

/*
 * What matches among the 64 rules of a word, 0 when nothing does. By way of memory it is any word
 * to the verifier, which then walks what follows once and not for each way through here.
 */
static __always_inline __u64 search_word(const struct rules_root *root, struct rules_search *search,
					 __u32 part, __u32 bit)
{
	volatile __u64 *kept = &search->word;
	__u64 word = ~0ULL;

	if (root->row_lines > 1) {
		*kept = search_word_dense(root, search, bit);
		return *kept;
	}
	CLASSIFY_UNROLL
	for (__u32 i = 0; i <= RULES_MIX; i++)
		if (RULES_OFTEN >> i & 1)
			word &= dimension_word(root, search, i, part, bit);
	*kept = word;
	if (!(root->used & ~RULES_OFTEN))
		return *kept;
	LOOP_ROLLED
	for (__u32 i = RULES_LENGTH; i < RULES_DIMENSIONS; i++)
		if (i != RULES_MIX)
			*kept &= dimension_word(root, search, i, part, bit);
	return *kept;
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
