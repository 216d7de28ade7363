/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of rule sets; docs/design/speed.md says what they stand for. */
#include "tests/bench/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "base/cleanup.h"

#define SEED 88172645463325252ULL
#define TCP 6
#define UDP 17

static uint64_t random_state = SEED;

uint64_t ruleset_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dULL;
}

uint32_t ruleset_below(uint32_t n)
{
	return (uint32_t)(((ruleset_random() >> 32) * n) >> 32);
}

static bool percent(uint32_t share)
{
	return ruleset_below(100) < share;
}

/* A number of its own for each n below 2^32, spread evenly. */
static uint32_t spread(uint32_t n)
{
	return n * 0x9e3779b1U;
}

static struct weir_addr address4(uint32_t bits)
{
	struct weir_addr addr = {};
	uint32_t first = 1 + (bits >> 24) % 222; /* unicast */

	first += first >= 127; /* and no loopback */
	addr.be32[2] = htonl(0xffff);
	addr.be32[3] = htonl(first << 24 | (bits & 0xffffff));
	return addr;
}

static struct weir_addr address6(uint64_t high, uint64_t low)
{
	struct weir_addr addr = {};

	addr.be64[0] = htobe64((high >> 3) | 1ULL << 61); /* 2000::/3 */
	addr.be64[1] = htobe64(low);
	return addr;
}

struct weir_addr ruleset_address(bool is_v4)
{
	uint64_t high = ruleset_random();

	return is_v4 ? address4((uint32_t)high) : address6(high, ruleset_random());
}

/* `length` bits of an address, and their mask. */
static void end_set(struct weir_addr from, uint32_t length, struct weir_addr *addr,
		    struct weir_addr *mask)
{
	uint64_t high = length >= 64 ? ~0ULL : length ? ~0ULL << (64 - length) : 0;
	uint64_t low = length <= 64 ? 0 : ~0ULL << (128 - length);

	mask->be64[0] = htobe64(high);
	mask->be64[1] = htobe64(low);
	addr->be64[0] = from.be64[0] & mask->be64[0];
	addr->be64[1] = from.be64[1] & mask->be64[1];
}

/* Lengths are given for IPv4: /8 to /32 become /24 to /128 of IPv6, 0 is any. */
static void end_prefix(bool is_v4, struct weir_addr from, uint32_t length, struct weir_addr *addr,
		       struct weir_addr *mask)
{
	if (is_v4)
		end_set(from, length ? 96 + length : 0, addr, mask);
	else
		end_set(from, length == 32 ? 128 : length ? 16 + length * 3 / 2 : 0, addr, mask);
}

static void ports_set(__u16 *ports, uint32_t from, uint32_t to)
{
	ports[0] = (__u16)from;
	ports[1] = (__u16)to;
}

static void ports_range(__u16 *ports, uint32_t below, uint32_t width)
{
	uint32_t from = 1 + ruleset_below(below - 1), to = from + ruleset_below(width);

	ports_set(ports, from, to < below ? to : below - 1);
}

static struct bench_rule rule_any(void)
{
	struct bench_rule rule = { .proto = percent(50) ? TCP : UDP, .passes = percent(50) };

	ports_set(rule.sport, 0, 65535);
	ports_set(rule.dport, 0, 65535);
	return rule;
}

/* Everything varies: each end a prefix of any length, or any. */
static struct bench_rule five_draw(bool is_v4, uint32_t at, uint32_t count)
{
	struct bench_rule rule = rule_any();
	uint32_t src = percent(20) ? 0 : 8 + ruleset_below(25),
		 dst = percent(20) ? 0 : 8 + ruleset_below(25), kind = ruleset_below(100);

	(void)at;
	(void)count;
	end_prefix(is_v4, ruleset_address(is_v4), src, &rule.src, &rule.src_mask);
	end_prefix(is_v4, ruleset_address(is_v4), dst, &rule.dst, &rule.dst_mask);
	if (percent(30))
		ports_range(rule.sport, 60000, 10000);
	if (kind < 50 || !(src || dst))
		ports_range(rule.dport, 60000, 1);
	else if (kind < 80)
		ports_range(rule.dport, 60000, 5000);
	return rule;
}

/* One of `count` prefixes that rules share. */
static struct weir_addr shared(bool is_v4, uint32_t which, uint32_t salt)
{
	uint64_t bits = spread(which * 2 + 1) ^ salt;

	return is_v4 ? address4((uint32_t)bits) :
		       address6(bits << 32 | 0x0db8, bits * 0x9e3779b97f4a7c15ULL);
}

static uint32_t service(void)
{
	static const uint16_t ports[] = { 80,  443, 22,	 25,  53,   110,  123,	143,  161,
					  389, 445, 514, 993, 1433, 3306, 3389, 5060, 8080 };

	return percent(70) ? ports[ruleset_below(WEIR_ARRAY_SIZE(ports))] :
			     1 + ruleset_below(20000);
}

/* Like published filter sets: few prefixes, many hosts behind them, services by their port. */
static struct bench_rule acl_draw(bool is_v4, uint32_t at, uint32_t count)
{
	static const uint8_t lengths[] = { 16, 20, 22, 24, 24, 26, 28, 32 };
	struct bench_rule rule = rule_any();
	uint32_t from = ruleset_below(count / 16 + 8), to = ruleset_below(count / 4 + 16);
	uint32_t src = percent(35) ? 0 : lengths[from % WEIR_ARRAY_SIZE(lengths)],
		 dst = percent(5)  ? 0 :
		       percent(70) ? 32 :
				     lengths[to % WEIR_ARRAY_SIZE(lengths)];
	uint32_t kind = ruleset_below(100);

	(void)at;
	rule.proto = percent(75) ? TCP : UDP;
	end_prefix(is_v4, shared(is_v4, from, 0x5a5a), src, &rule.src, &rule.src_mask);
	end_prefix(is_v4, shared(is_v4, to, 0), dst, &rule.dst, &rule.dst_mask);
	if (percent(2))
		ports_set(rule.sport, 1024, 59999);
	if (kind < 75 || !(src || dst)) {
		uint32_t port = service();

		ports_set(rule.dport, port, port);
	} else if (kind < 82) {
		ports_set(rule.dport, 1024, 59999);
	} else if (kind < 90) {
		ports_range(rule.dport, 60000, 100);
	}
	return rule;
}

/* Destination ports and nothing else, none of them twice. */
static struct bench_rule ports_draw(bool is_v4, uint32_t at, uint32_t count)
{
	struct bench_rule rule = rule_any();
	uint32_t room = 60000 / count, from = 1 + (uint32_t)((uint64_t)at * 7919 % count) * room;

	(void)is_v4;
	rule.proto = TCP;
	ports_set(rule.dport, from, from + ruleset_below(room / 2 < 4 ? room / 2 : 4));
	return rule;
}

/* Short prefixes and wide ranges: dozens of rules match a packet, and each search key is in
 * thousands of them. The last is one that those before leave something. */
static struct bench_rule worst_draw(bool is_v4, uint32_t at, uint32_t count)
{
	struct bench_rule rule = rule_any();

	end_prefix(is_v4, ruleset_address(is_v4), percent(30) ? 0 : 1 + ruleset_below(12),
		   &rule.src, &rule.src_mask);
	end_prefix(is_v4, ruleset_address(is_v4), percent(30) ? 0 : 1 + ruleset_below(12),
		   &rule.dst, &rule.dst_mask);
	ports_range(rule.sport, 60000, 32768);
	ports_range(rule.dport, 60000, 32768);
	if (at + 1 == count)
		ports_set(rule.dport, 60000, 61000);
	return rule;
}

/* Five-tuples of which no two meet, since nft's concatenations take no others: each has a /24 of
 * its own (a /40 of IPv6) as destination. */
static struct bench_rule apart_draw(bool is_v4, uint32_t at, uint32_t count)
{
	struct bench_rule rule = rule_any();
	uint32_t part = (uint32_t)((uint64_t)at * 7919 % count);
	struct weir_addr dst =
		is_v4 ? address4(10U << 24 | part << 8) : address6((uint64_t)part << 24, 0);

	end_prefix(is_v4, ruleset_address(is_v4), percent(20) ? 0 : 8 + ruleset_below(25),
		   &rule.src, &rule.src_mask);
	end_prefix(is_v4, dst, is_v4 ? 24 : 16, &rule.dst, &rule.dst_mask);
	if (!is_v4)
		end_set(dst, 43, &rule.dst, &rule.dst_mask);
	if (percent(30))
		ports_range(rule.sport, 60000, 10000);
	if (percent(50))
		ports_range(rule.dport, 60000, 1);
	else if (percent(60))
		ports_range(rule.dport, 60000, 5000);
	return rule;
}

const struct ruleset_shape *ruleset_shape_find(const char *name)
{
	static const struct ruleset_shape shapes[] = {
		{ "v4-five", true, five_draw },	  { "v6-five", false, five_draw },
		{ "v4-acl", true, acl_draw },	  { "v6-acl", false, acl_draw },
		{ "v4-ports", true, ports_draw }, { "v4-worst", true, worst_draw },
		{ "v4-apart", true, apart_draw }, { "v6-apart", false, apart_draw },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(shapes); i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	return NULL;
}
