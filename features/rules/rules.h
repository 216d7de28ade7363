/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the two sides of `rules` agree on: bit vectors over rules, as they lie in the policy.
 * docs/design/classify.md explains the search. Numbers are in host byte order; "line" is a line of
 * the section WEIR_SECTION_RULES, counted from its first.
 */
#ifndef WEIR_RULES_H
#define WEIR_RULES_H

#include "../../abi/image.h"
#include "../../abi/maps.h"
#include "../../abi/packet.h"

#define RULES_MAX 10000
/* Words of a bit vector. More than RULES_MAX bits: groups of rules begin on words of their own. */
#define RULES_WORDS_MAX 192
#define RULES_AGGREGATES (RULES_WORDS_MAX / 64)
#define RULES_NO_RANK 0xffffffffU
/* Rows of ctr_rule: the rules that are live, and as many of the policy before; 0 is nobody's. */
#define RULES_ROWS 32768
/* Rules with the action `limit`: what user space keeps of each is not small. */
#define RULES_LIMITS_MAX 256

/* What a packet is searched by. Each has rows: one for each set of rules that some value meets. */
enum rules_dimension {
	RULES_SRC, /* by address class */
	RULES_DST,
	RULES_SPORT, /* by a table of 65,536 values */
	RULES_DPORT,
	RULES_LENGTH,
	RULES_VLAN,  /* 4,096 values and RULES_NO_VLAN */
	RULES_IFACE, /* by interface slot and direction: section WEIR_SECTION_RULES_IFACES */
	RULES_MIX,   /* by fields folded together: the first of RULES_MIXES */
	RULES_DIMENSIONS = RULES_MIX + 4,
};

#define RULES_MIXES (RULES_DIMENSIONS - RULES_MIX)
#define RULES_WIDE_FIRST RULES_SPORT /* those with a table of values */
#define RULES_WIDE_COUNT (RULES_IFACE - RULES_WIDE_FIRST)
#define RULES_NO_VLAN 4096

/*
 * Small fields. Each value has a class; classes of several fields, multiplied, number the rows of a
 * mix. A packet without the field has the value that is given as absent.
 */
enum rules_field {
	RULES_PROTO,
	RULES_FLAGS, /* of TCP; absent 256 */
	RULES_TYPE,  /* of ICMP, of ICMPv6 plus 256; absent 512 */
	RULES_CODE,  /* absent 256 */
	RULES_DSCP,
	RULES_FAMILY,	/* 0: IPv4, 1: IPv6 */
	RULES_FRAGMENT, /* 0: whole, 1: first part, 2: later part */
	RULES_STATE,	/* enum weir_conn_state */
	RULES_MINUTE,	/* of the week, from Monday 0:00 local time */
	RULES_FIELDS,
};

#define RULES_FIELD_VALUES 10080 /* the most a field has: minutes of a week */
#define RULES_CLASSES_MAX 256	 /* of a field */

/*
 * A row: the rules that a value meets, in one line where few words are not zero. A bit of
 * `aggregate` says that a word of the vector is not zero. Words in which no rule asks for this
 * dimension (rules_root.wild) count as all ones and are not stored.
 */
#define RULES_ROW_WORDS 4
/*
 * Policies of so few words store all of them, wild and zero ones too, in the lines behind the row
 * (rules_root.row_lines says how many lines a row is then): a word is found without counting those
 * before it, which would be most of what a visit costs.
 */
#define RULES_DENSE_WORDS 32
#define RULES_ROW_INLINE (RULES_AGGREGATES) /* rules_row.first of words in the row itself */

struct rules_row {
	__u64 aggregate[RULES_AGGREGATES];
	__u64 word[RULES_ROW_WORDS]; /* the stored ones, in order, where so few are */
	__u32 first; /* where the stored words begin: how many 64-bit words behind the row's line */
	__u8 before[RULES_AGGREGATES]; /* how many are stored of the aggregates before each */
	__u8 policy;		       /* of RULES_IFACE: enum rules_action of the default policy */
};

/* The search is made once for each kind of rules, in this order; a word holds one kind. */
enum rules_pass {
	RULES_DECIDE, /* which rule decides */
	RULES_HOLD,   /* limits that stand before it, in order: the first that is full decides */
	RULES_EFFECT, /* those that only do something, and stand before what decides */
	RULES_PASSES = 4, /* so that a number of two bits is one */
};

enum rules_action {
	RULES_ALLOW,
	RULES_DENY,
	RULES_REJECT,
	RULES_COUNT, /* from here on: no decision, the search goes on */
	RULES_LOG,
	RULES_MARK,
	RULES_LIMIT, /* denies what is over its rate; else no decision */
	RULES_ACTIONS,
};

enum rules_flag {
	RULES_TELLS = 1 << 0, /* with a log event */
	RULES_MARKS = 1 << 1, /* sets the mark */
	/* The vectors say "perhaps": values of one of the wide dimensions were put together. */
	RULES_CHECKS = 1 << 2,
};

/* What is done with a packet that a rule matches. Two to a line. */
struct rules_record {
	__u32 rank;  /* place in the order of rules; RULES_NO_RANK: behind the last of a group */
	__u16 row;   /* in ctr_rule, also its number in events */
	__u16 limit; /* RULES_LIMIT: how many lines behind rules_root.limits its limit is */
	__u32 mark;
	__u8 action; /* enum rules_action */
	__u8 flags;  /* enum rules_flag */
	__u8 reject; /* enum weir_reject */
	__u8 last;   /* word in which the rule's group ends */
	/* RULES_CHECKS: what the wide dimensions must be within. */
	struct {
		__u16 from, to;
	} within[RULES_WIDE_COUNT];
};

/* How a value finds its row. */
struct rules_table {
	__u32 table; /* line of the 16-bit row numbers by value, 32 a line */
	__u32 rows;  /* line of row 0; row r is r times rules_root.row_lines behind */
};

struct rules_field_table {
	__u32 table; /* line of the 8-bit classes, 64 a line */
	__u32 spare;
	__u64 stride[RULES_MIXES / 2]; /* for mix 2i in the low half, 2i + 1 in the high half */
};

/* WEIR_ROOT_RULES. */
struct rules_root {
	__u32 words;	   /* of a vector in use; 0: no rules */
	__u32 used;	   /* a bit for each dimension that some rule asks for */
	__u32 fields;	   /* likewise for fields */
	__u32 records;	   /* line of the first record */
	__u32 iface_lines; /* lines an interface and direction has in its section */
	__u32 has_effects; /* there are rules that do not decide, nor hold to a limit */
	__u32 row_lines;   /* lines of a row: 1, or more when all words are stored */
	__u32 limits;	   /* line of the first limit */
	struct rules_table dimension[RULES_DIMENSIONS];
	struct rules_field_table field[RULES_FIELDS];
	__u64 present[RULES_AGGREGATES];	       /* words in use */
	__u64 of_pass[RULES_PASSES][RULES_AGGREGATES]; /* of these, words of such rules */
	__u64 wild[RULES_DIMENSIONS][RULES_AGGREGATES];
};

/*
 * WEIR_SECTION_RULES_IFACES: `iface_lines` for each interface slot and direction (a row, then its
 * words). WEIR_SECTION_RULES_ASKED: what rows are made from, by user space: this head, the words of
 * rules that ask for no interface, conditions with their words, policies, and names; not among the
 * patched lines, since by it a policy is told from the next. Lines are counted from its first.
 */
#define RULES_IFACE_ROW(slot, direction) ((slot)*WEIR_DIRECTIONS + (direction))
#define RULES_IFACE_ROWS (WEIR_INTERFACES_MAX * WEIR_DIRECTIONS)

struct rules_ifaces {
	__u32 base; /* line of the words of rules that do not ask */
	__u32 conditions, condition_count;
	__u32 policies, policy_count;
	__u32 names; /* line of the first: RULES_NAME_BYTES each, four a line */
	__u32 spare[10];
};

#define RULES_NAME_BYTES 16

/* Names and patterns, by number: any of the first `in` (or `in` is 0), none of the `out` behind. */
struct rules_iface_names {
	__u32 first, in, out;
};

/* Rules that ask for the same interfaces and direction. */
struct rules_condition {
	struct rules_iface_names names;
	__u32 way;   /* enum rules_way */
	__u32 words; /* line */
	__u32 spare[11];
};

struct rules_policy {
	struct rules_iface_names names;
	__u32 action[WEIR_DIRECTIONS]; /* RULES_ALLOW or RULES_DENY */
	__u32 spare[11];
};

/* cfg_clock: what local time is, for schedules. */
struct rules_clock {
	__u64 offset_ns; /* local time since a Monday 0:00, less CLOCK_MONOTONIC */
};

struct rules_constants {
	__u8 enabled;
	__u8 has_limits; /* a rule has the action `limit` */
};

_Static_assert(sizeof(struct rules_row) == WEIR_LINE_BYTES, "a row is one line");
_Static_assert(sizeof(struct rules_ifaces) == WEIR_LINE_BYTES &&
		       sizeof(struct rules_condition) == WEIR_LINE_BYTES &&
		       sizeof(struct rules_policy) == WEIR_LINE_BYTES,
	       "a line each");
_Static_assert(sizeof(struct rules_record) == WEIR_LINE_BYTES / 2, "two records a line");
_Static_assert(sizeof(struct rules_root) <= WEIR_ROOT_LINES * WEIR_LINE_BYTES, "the root fits");

#endif
