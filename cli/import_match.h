/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule matches, in fields of Weir's rules. Every step is exact or refused: a match is never
 * widened or narrowed to make it fit.
 */
#ifndef WEIR_CLI_IMPORT_MATCH_H
#define WEIR_CLI_IMPORT_MATCH_H

#include "base/addr.h"
#include "base/buf.h"
#include "cli/import_spans.h"

/* Fields that are numbers; some count what has names. */
enum import_number {
	IMPORT_FAMILY, /* 0 IPv4, 1 IPv6 */
	IMPORT_PROTO,
	IMPORT_SPORT,
	IMPORT_DPORT,
	IMPORT_ICMP_TYPE,
	IMPORT_ICMP_CODE,
	IMPORT_STATE,	 /* enum import_state */
	IMPORT_FRAGMENT, /* 0 none, 1 first, 2 later */
	IMPORT_LENGTH,	 /* bytes of the IP packet */
	IMPORT_DSCP,
	IMPORT_VLAN,
	IMPORT_DAY,    /* 0 Monday */
	IMPORT_SECOND, /* of the day */
	IMPORT_NUMBERS,
};

enum import_state {
	IMPORT_NEW,
	IMPORT_ESTABLISHED,
	IMPORT_RELATED,
	IMPORT_INVALID,
	IMPORT_UNTRACKED,
};

enum import_end {
	IMPORT_SRC,
	IMPORT_DST,
	IMPORT_ENDS,
};

enum import_way {
	IMPORT_IN,  /* where the packet arrives */
	IMPORT_OUT, /* where it leaves */
	IMPORT_WAYS,
};

/* One address item: a range, or the name of a set. */
struct import_addr {
	struct weir_range range;
	const char *set; /* NULL: the range */
};

struct import_addrs {
	const struct import_addr *at;
	size_t count;
};

struct import_words {
	const char *const *at;
	size_t count;
};

/* In any of the first (or everywhere, if there are none) and in none of the second. */
struct import_addr_field {
	struct import_addrs in, out;
};

struct import_name_field {
	struct import_words in, out;
};

/* Any of the alternatives: of the bits in `mask`, just those in `value` are set. */
struct import_flag_pair {
	uint8_t value, mask;
};

struct import_flags {
	const struct import_flag_pair *at;
	size_t count;
};

struct import_match {
	uint32_t has; /* bit of each number that is matched */
	struct import_spans number[IMPORT_NUMBERS];
	struct import_addr_field addr[IMPORT_ENDS];
	struct import_name_field iface[IMPORT_WAYS];
	bool has_flags;
	struct import_flags flags;
	bool any_transport; /* ports were read whatever the protocol is */
	bool never;	    /* no packet can match */
};

struct import;

/* Each adds one more condition. 0, or -EOPNOTSUPP when both together cannot be said in Weir's
 * rules: the reason is with the import. */
int import_match_number(struct import *import, struct import_match *match,
			enum import_number number, struct import_spans spans);
int import_match_addr(struct import *import, struct import_match *match, enum import_end end,
		      const struct import_addr_field *field);
int import_match_iface(struct import *import, struct import_match *match, enum import_way side,
		       const struct import_name_field *field);
int import_match_flags(struct import *import, struct import_match *match,
		       struct import_flags flags);
/* All conditions of `other`. */
int import_match_and(struct import *import, struct import_match *match,
		     const struct import_match *other);
/*
 * Takes out what `other` matches: only where that is one condition on something every packet has.
 * -EOPNOTSUPP otherwise.
 */
int import_match_without(struct import *import, struct import_match *match,
			 const struct import_match *other);
/* The alternatives that hold where these do not. */
struct import_flags import_flags_not(struct import *import, struct import_flag_pair pair);
uint32_t import_number_max(enum import_number number);
bool import_match_has(const struct import_match *match, enum import_number number);

#endif
