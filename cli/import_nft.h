/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of nft (libnftables-json(5)), between the files that read it. */
#ifndef WEIR_CLI_IMPORT_NFT_H
#define WEIR_CLI_IMPORT_NFT_H

#include "base/json.h"
#include "cli/import_source.h"

#define NFT_BRANCHES_MAX 256 /* of one rule: elements of a concatenation or verdict map */

/* A named set or map. */
struct nft_set {
	const struct weir_json *json;
	const char *table; /* "inet filter" */
	const char *name;
	const char *taken_as; /* its name in weir.yaml; NULL = not needed so far */
};

struct nft {
	struct import *import;
	struct nft_set *sets;
	size_t set_count;
};

/* Where a condition stands. */
struct nft_place {
	struct nft *nft;
	const char *table;
	struct import_rule *rule;
	const char *set_name; /* for a large set without a name */
};

/* What a packet is asked for. */
enum nft_kind {
	NFT_NUMBER,
	NFT_ADDR,
	NFT_IFACE,
	NFT_FLAGS,
	NFT_FRAG_OFF,
};

struct nft_selector {
	enum nft_kind kind;
	enum import_number number;
	enum import_end end;
	enum import_way way;
	int names;	/* enum import_names, -1 = numbers only */
	int family;	/* it is read in packets of this family only; -1 = any */
	int proto;	/* … of this protocol only; -1 = any */
	uint32_t extra; /* added to a number: the header that is not counted */
	uint32_t mask;	/* of flags and fragment offset */
	bool any_transport;
	const char *note;
};

/* Elements that are alternatives of one another. */
struct nft_values {
	const struct weir_json **at;
	size_t count;
	struct nft_set *set; /* from which they are; NULL = they stand in the rule */
};

/* import_nft_selector.c: the left side. */
int nft_selector_read(struct import *import, const struct weir_json *left,
		      struct nft_selector *ret_selector);
/* import_nft_value.c: the right side. */
int nft_values_of(const struct nft_place *place, const struct weir_json *right,
		  struct nft_values *ret_values);
int nft_condition_add(const struct nft_place *place, const struct nft_selector *selector,
		      const char *op, const struct nft_values *values, struct import_match *match);
/* import_nft_number.c */
int nft_number_spans(const struct nft_place *place, const struct nft_selector *selector,
		     const char *op, const struct nft_values *values,
		     struct import_spans *ret_spans);
int nft_flags_add(const struct nft_place *place, const struct nft_selector *selector,
		  const char *op, const struct nft_values *values, struct import_match *match);
int nft_frag_off_add(const struct nft_place *place, const struct nft_selector *selector,
		     const char *op, const struct nft_values *values, struct import_match *match);
/* import_nft_rule.c: the statements of a rule; says why not in rule->why. */
void nft_rule_read(const struct nft_place *place, const struct weir_json *expr);
struct nft_set *nft_set_find(const struct nft *nft, const char *table, const char *name);
/* The value of an element, which may stand in {"elem": {"val": …}}. */
const struct weir_json *nft_element(const struct weir_json *json);
/* import_nft_text.c: a rule as nft would print it. */
const char *nft_rule_text(struct import *import, const struct weir_json *expr);

#endif
