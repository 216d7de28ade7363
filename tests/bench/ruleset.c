/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule set drawn at random, and packets for it: those that its first rule decides, its last,
 * none, and any. How each packet must end is found by comparing it with one rule after the other.
 */
#include "tests/bench/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

#define TRIES 20000 /* of drawing a packet that must meet one rule and no other before it */
#define FAIR 64	    /* packets tried before a last rule counts as hidden by the others */

struct ruleset {
	const struct ruleset_shape *shape;
	uint32_t count;
	struct bench_rule *rules;
};

static bool end_holds(const struct weir_addr *addr, const struct weir_addr *prefix,
		      const struct weir_addr *mask)
{
	return (addr->be64[0] & mask->be64[0]) == prefix->be64[0] &&
	       (addr->be64[1] & mask->be64[1]) == prefix->be64[1];
}

static bool rule_holds(const struct bench_rule *rule, const struct bench_tuple *tuple)
{
	uint16_t sport = ntohs(tuple->sport), dport = ntohs(tuple->dport);

	return dport >= rule->dport[0] && dport <= rule->dport[1] && sport >= rule->sport[0] &&
	       sport <= rule->sport[1] && (!rule->proto || rule->proto == tuple->proto) &&
	       end_holds(&tuple->src, &rule->src, &rule->src_mask) &&
	       end_holds(&tuple->dst, &rule->dst, &rule->dst_mask);
}

/* The rule that decides; `count` for none. */
static uint32_t first_match(const struct ruleset *set, const struct bench_tuple *tuple)
{
	uint32_t at = 0;

	while (at < set->count && !rule_holds(&set->rules[at], tuple))
		at++;
	return at;
}

static struct weir_addr address_in(bool is_v4, const struct weir_addr *prefix,
				   const struct weir_addr *mask)
{
	struct weir_addr addr = ruleset_address(is_v4);

	for (int i = 0; i < 2; i++)
		addr.be64[i] = prefix->be64[i] | (addr.be64[i] & ~mask->be64[i]);
	return addr;
}

static __be16 port_in(const __u16 *ports)
{
	return htons((uint16_t)(ports[0] + ruleset_below(ports[1] - ports[0] + 1)));
}

static struct bench_tuple tuple_in(const struct ruleset *set, uint32_t at)
{
	const struct bench_rule *rule = &set->rules[at];
	struct bench_tuple tuple = {
		.src = address_in(set->shape->is_v4, &rule->src, &rule->src_mask),
		.dst = address_in(set->shape->is_v4, &rule->dst, &rule->dst_mask),
		.sport = port_in(rule->sport),
		.dport = port_in(rule->dport),
		.proto = rule->proto,
	};

	bench_tuple_set(set->shape->is_v4, &tuple);
	return tuple;
}

/* Near some rule, but with something else in it. */
static struct bench_tuple tuple_beside(const struct ruleset *set)
{
	struct bench_tuple tuple = tuple_in(set, ruleset_below(set->count));
	uint32_t other = 1 + ruleset_below(15);

	if (other & 1)
		tuple.src = ruleset_address(set->shape->is_v4);
	if (other & 2)
		tuple.dst = ruleset_address(set->shape->is_v4);
	if (other & 4)
		tuple.sport = htons((uint16_t)ruleset_below(65536));
	if (other & 8)
		tuple.dport = htons((uint16_t)ruleset_below(65536));
	return tuple;
}

/* One that rule `wanted` decides (`count`: none). False when chance does not find it. */
static bool tuple_draw(const struct ruleset *set, uint32_t wanted, uint32_t tries,
		       struct bench_tuple *ret_tuple)
{
	for (uint32_t i = 0; i < tries; i++) {
		struct bench_tuple tuple =
			wanted < set->count ? tuple_in(set, wanted) : tuple_beside(set);

		if (first_match(set, &tuple) == wanted) {
			*ret_tuple = tuple;
			return true;
		}
	}
	return false;
}

static void ruleset_draw(struct ruleset *set)
{
	uint32_t last = set->count - 1;
	struct bench_tuple tuple;

	for (uint32_t i = 0; i < set->count; i++)
		set->rules[i] = set->shape->draw(set->shape->is_v4, i, set->count);
	while (!tuple_draw(set, last, FAIR, &tuple))
		set->rules[last] = set->shape->draw(set->shape->is_v4, last, set->count);
}

static int tuples_write(const struct ruleset *set, const char *file, uint32_t wanted)
{
	_cleanup_fclose_ FILE *out = fopen(file, "we");

	for (uint32_t i = 0; out && i < BENCH_TUPLES; i++) {
		struct bench_tuple tuple;

		if (!tuple_draw(set, wanted, TRIES, &tuple)) {
			fprintf(stderr, "weir-bench: %s: no such packet found\n", file);
			return -1;
		}
		tuple.passes = wanted == set->count || set->rules[wanted].passes;
		fwrite(&tuple, sizeof(tuple), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error(file);
}

/* Each packet is in a rule drawn at random; which one decides is another matter. */
static int mixed_write(const struct ruleset *set, const char *file)
{
	_cleanup_fclose_ FILE *out = fopen(file, "we");

	for (uint32_t i = 0; out && i < BENCH_TUPLES; i++) {
		struct bench_tuple tuple = tuple_in(set, ruleset_below(set->count));

		tuple.passes = set->rules[first_match(set, &tuple)].passes;
		fwrite(&tuple, sizeof(tuple), 1, out);
	}
	return out && !ferror(out) ? 0 : bench_error(file);
}

static uint32_t mask_length(const struct weir_addr *mask)
{
	return (uint32_t)(__builtin_popcountll(mask->be64[0]) +
			  __builtin_popcountll(mask->be64[1]));
}

static void end_print(FILE *out, bool is_v4, const struct weir_addr *addr,
		      const struct weir_addr *mask)
{
	uint32_t length = mask_length(mask);
	char name[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? (void *)&addr->be32[3] : (void *)addr, name,
		  sizeof(name));
	if (length)
		fprintf(out, "%s/%u ", name, is_v4 ? length - 96 : length);
	else
		fputs("any ", out);
}

/* SRC DST PROTO SPORT DPORT ACTION: tests/bench/rulesets.py makes each filter's own form of it. */
static int rules_write(const struct ruleset *set)
{
	_cleanup_fclose_ FILE *text = fopen("rules.txt", "we"), *binary = fopen("rules.bin", "we");
	bool is_v4 = set->shape->is_v4;

	for (uint32_t i = 0; text && i < set->count; i++) {
		const struct bench_rule *rule = &set->rules[i];

		end_print(text, is_v4, &rule->src, &rule->src_mask);
		end_print(text, is_v4, &rule->dst, &rule->dst_mask);
		fprintf(text, "%s %u-%u %u-%u %s\n", rule->proto == IPPROTO_TCP ? "tcp" : "udp",
			rule->sport[0], rule->sport[1], rule->dport[0], rule->dport[1],
			rule->passes ? "allow" : "deny");
	}
	if (!binary || fwrite(set->rules, sizeof(*set->rules), set->count, binary) != set->count)
		return bench_error("rules.bin");
	return text && !ferror(text) ? 0 : bench_error("rules.txt");
}

/* ruleset SHAPE COUNT FOLDER: writes rules.txt, rules.bin and first, last, none, mixed.tuples. */
int bench_ruleset(int argc, char **argv)
{
	struct ruleset set = { .shape = argc == 3 ? ruleset_shape_find(argv[0]) : NULL };

	if (!set.shape || chdir(argv[2])) {
		fputs("usage: weir-bench ruleset SHAPE COUNT FOLDER\n", stderr);
		return 2;
	}
	set.count = (uint32_t)strtoul(argv[1], NULL, 10);

	_cleanup_free_ struct bench_rule *rules = calloc(set.count + 1, sizeof(*rules));

	if (!rules || !set.count || set.count > BENCH_RULES_MAX)
		return bench_error("rules") ? 1 : 0;
	set.rules = rules;
	ruleset_draw(&set);
	if (rules_write(&set) || tuples_write(&set, "first.tuples", 0) ||
	    tuples_write(&set, "last.tuples", set.count - 1) ||
	    tuples_write(&set, "none.tuples", set.count) || mixed_write(&set, "mixed.tuples"))
		return 1;
	return 0;
}
