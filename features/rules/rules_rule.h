/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule as text, the same in weir.yaml, on the command line, in the API and in the state files;
 * and a rule as sets: what rules_read.c makes of it.
 */
#ifndef WEIR_RULES_RULE_H
#define WEIR_RULES_RULE_H

#include "abi/limit.h"
#include "base/addr.h"
#include "base/diag.h"
#include "features/rules/rules.h"
#include "features/rules/rules_values.h"

/* A rule as it was written; strings are NULL where nothing was. */
struct rules_text {
	char *name, *comment, *group;
	bool enabled;
	char *interface;
	int direction; /* enum rules_way */
	char *family, *src, *dst, *service, *proto, *sport, *dport;
	char *icmp_type, *icmp_code, *tcp_flags, *state, *fragment, *length, *dscp, *vlan,
		*schedule;
	int action; /* enum rules_action */
	bool log;
	char *mark;
	char *rate, *burst, *per; /* RULES_LIMIT */
};

enum rules_way {
	RULES_BOTH,
	RULES_IN,
	RULES_OUT,
};

/* Every field that is a number: the wide dimensions, then the small fields. */
#define RULES_KEYS (RULES_WIDE_COUNT + RULES_FIELDS)
#define RULES_KEY_WIDE(dimension) ((dimension)-RULES_WIDE_FIRST)
#define RULES_KEY_FIELD(field) (RULES_WIDE_COUNT + (field))

/* One side of an address condition: what is written in place, and sets by name. */
struct rules_addresses {
	struct weir_range *ranges;
	uint32_t range_count;
	char **sets;
	uint32_t set_count;
};

/* Matches what is in `in` (anything, when that is empty) and not in `out`. */
struct rules_end {
	bool is_given;
	struct rules_addresses in, out;
};

struct rules_names {
	char **in, **out; /* names and shell patterns; NULL-terminated, or NULL */
};

struct rules_rule {
	const struct rules_text *text; /* borrowed */
	struct rules_end src, dst;
	struct rules_names interface;
	struct rules_names services; /* `in` alone; what it asks for by them, rules_parts.h says */
	int direction;
	struct rules_values keys[RULES_KEYS];
	uint32_t given; /* bit for each key that is asked for */
	uint32_t mark;
	bool has_mark;
	/* RULES_LIMIT: what it is held to; id and counter are the plan's. */
	struct limit_row limit;
	uint64_t burst; /* packets or bytes */
	bool counts_bytes;
};

/* Paths of keys in messages: `path` is "rules.rules[3]" or "" (an operation's arguments). */
int rules_rule_read(const struct rules_text *text, const char *path, struct weir_diag *diag,
		    struct rules_rule *ret_rule);
void rules_rule_done(struct rules_rule *rule);
void rules_text_done(struct rules_text *text);
/* A copy with strings of its own. -ENOMEM. */
int rules_text_copy(const struct rules_text *text, struct rules_text *ret_text);

/* Address and interface fields alone, for sets and policies; `path` is the whole key. */
int rules_end_read(const char *text, const char *path, struct weir_diag *diag,
		   struct rules_end *ret_end);
void rules_end_done(struct rules_end *end);
int rules_names_read(const char *text, const char *path, struct weir_diag *diag,
		     struct rules_names *ret_names);
void rules_names_done(struct rules_names *names);
/* Names of services, likewise: `in` alone. */
int rules_services_read(const char *text, const char *path, struct weir_diag *diag,
			struct rules_names *ret_names);
/* Whether the interface of that name (or pattern, for a look at rules themselves) is meant. */
bool rules_names_match(const struct rules_names *names, const char *name);

extern const char *const rules_action_names[];
extern const char *const rules_way_names[];
/* "a name of 1 to 31 of …", or NULL when it is good. */
const char *rules_name_fault(const char *name);
/* What a key is called in weir.yaml. */
const char *rules_key_name(unsigned key);
/* The values a key may have; what lies above is "absent". */
uint32_t rules_key_last(unsigned key);

#endif
