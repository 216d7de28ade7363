/* SPDX-License-Identifier: Apache-2.0 */
/* A line of iptables-save, between the files that read it. */
#ifndef WEIR_CLI_IMPORT_IPTABLES_H
#define WEIR_CLI_IMPORT_IPTABLES_H

#include "cli/import_source.h"

#define IPTABLES_LAST_SECOND 86399

struct iptables_words {
	const char **at;
	size_t count;
};

/* One `-A` line being read. */
struct iptables_line {
	struct import *import;
	struct import_chain *chain;
	struct import_rule *rule;
	bool is_v6;
	struct import_match match;
	enum import_verdict verdict;
	const char *target;
	/* --ports: either end */
	bool has_ports, is_not_ports;
	struct import_spans ports;
	/* -m time */
	bool has_time, has_kernel_zone;
	uint32_t start_s, stop_s;
};

/* An option with what it takes. `is_not`: '!' stood before it. */
typedef int iptables_option_fn(struct iptables_line *line, bool is_not, const char *const *values);

struct iptables_option {
	const char *name, *other_name; /* other_name may be NULL */
	unsigned values;
	iptables_option_fn *read;
	bool is_never_negated; /* a '!' before it means nothing */
};

/* Up to name NULL. */
extern const struct iptables_option iptables_matches[]; /* import_iptables_match.c */
extern const struct iptables_option iptables_times[];	/* import_iptables_time.c */
extern const struct iptables_option iptables_targets[]; /* import_iptables_target.c */

/* import_iptables_words.c: words of a line, quotes taken off; -EOPNOTSUPP for an open quote. */
int iptables_words_of(struct import *import, const char *line, struct iptables_words *ret_words);
/* "22,80:90" up to max; `from` and `to` of a run are apart by ':' */
int iptables_spans_read(struct import *import, const char *text, uint32_t max,
			struct import_spans *ret_spans);
/* Names of the kind (enum import_names) between commas. */
int iptables_names_read(struct iptables_line *line, bool is_not, enum import_number number,
			int names, const char *text);
/* import_iptables_time.c: the condition, once start and stop are known. */
int iptables_time_add(struct iptables_line *line);
/* import_iptables_target.c: the options behind `-A CHAIN`. */
void iptables_rule_read(struct iptables_line *line, const struct iptables_words *words);
/* Calls `each` for each part between commas. */
int iptables_parts_each(struct import *import, const char *text,
			int (*each)(const char *part, void *arg), void *arg);

#endif
