/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of reading and writing addresses against two peers: inet_pton() of the C library and
 * Python's ipaddress.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define TEXTS 300000
#define TEXT_MAX 48

extern char **environ;

/* xorshift64*: the same texts in every run, so that a failure comes again. */
static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dull;
}

static uint64_t random_below(uint64_t *seed, uint64_t below)
{
	return random_next(seed) % below;
}

/* Something between an address and noise: half of the texts are near misses. */
static void text_make_v4(uint64_t *seed, char text[TEXT_MAX])
{
	unsigned limit = random_below(seed, 4) ? 256 : 300;
	snprintf(text, TEXT_MAX, "%u.%u.%u.%u", (unsigned)random_below(seed, limit),
		 (unsigned)random_below(seed, 256), (unsigned)random_below(seed, 12),
		 (unsigned)random_below(seed, limit));
}

static void text_make_v6(uint64_t *seed, char text[TEXT_MAX])
{
	uint64_t groups = random_below(seed, 8) ? 1 + random_below(seed, 8) : 9;
	uint64_t gap = random_below(seed, groups + 1);
	size_t len = 0;
	for (uint64_t i = 0; i < groups && len < TEXT_MAX - 8; i++) {
		if (i == gap)
			len += (size_t)snprintf(text + len, TEXT_MAX - len, i ? ":" : "::");
		unsigned group =
			(unsigned)random_next(seed) & (random_below(seed, 2) ? 0xffff : 0xf);
		bool short_form = random_below(seed, 3);
		len += (size_t)(short_form ? snprintf(text + len, TEXT_MAX - len, "%x", group) :
					     snprintf(text + len, TEXT_MAX - len, "%04X", group));
		if (i + 1 < groups || !random_below(seed, 3))
			len += (size_t)snprintf(text + len, TEXT_MAX - len, ":");
	}
	if (!random_below(seed, 4) && len < TEXT_MAX - 16)
		text_make_v4(seed, text + len);
}

static void text_spoil(uint64_t *seed, char text[TEXT_MAX])
{
	static const char alphabet[] = "0123456789abcdefABCDEF:::....g%/- ";
	size_t len = strlen(text), at = random_below(seed, len);
	if (random_below(seed, 2))
		text[at] = alphabet[random_below(seed, sizeof(alphabet) - 1)];
	else
		memmove(text + at, text + at + 1, len - at);
}

/* What the C library makes of a text; v4 mapped into v6. */
static bool peer_read(const char *text, struct weir_addr *ret_addr)
{
	struct weir_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };
	if (inet_pton(AF_INET, text, addr.bytes + 12) != 1 && inet_pton(AF_INET6, text, &addr) != 1)
		return false;
	*ret_addr = addr;
	return true;
}

static void addr_read_agrees_with_the_c_library(void **state)
{
	uint64_t seed = 0x5eed5eed5eed5eedull;
	int taken = 0, refused = 0;
	for (int i = 0; i < TEXTS; i++) {
		char text[TEXT_MAX];
		if (random_below(&seed, 3))
			text_make_v6(&seed, text);
		else
			text_make_v4(&seed, text);
		if (!random_below(&seed, 3))
			text_spoil(&seed, text);

		/*
		 * On the heap without a NUL, so that the sanitizer sees a byte read past the end.
		 */
		size_t len = strlen(text);
		_cleanup_free_ char *exact = malloc(len + !len);
		memcpy(exact, text, len);
		struct weir_addr ours, theirs;
		bool expected = peer_read(text, &theirs);
		bool got = weir_addr_from_string(exact, len, &ours) == 0;
		if (got != expected || (got && memcmp(&ours, &theirs, sizeof(ours)) != 0))
			fail_msg("'%s': taken %d, by the C library %d", text, got, expected);
		taken += got;
		refused += !got;
	}
	assert_true(taken > TEXTS / 10 && refused > TEXTS / 10);
}

/*
 * Both ways, by another implementation: glibc writes ::a.b.c.d in two cases where RFC 5952 does
 * not.
 */
static void addr_written_text_reads_back_the_same(void **state)
{
	uint64_t seed = 77;
	for (int i = 0; i < TEXTS; i++) {
		struct weir_addr addr, back;
		for (int j = 0; j < 8; j++)
			addr.be16[j] = random_below(&seed, 2) ? (uint16_t)random_next(&seed) : 0;
		char text[WEIR_ADDR_TEXT];
		weir_addr_to_string(&addr, text);
		assert_true(peer_read(text, &back));
		assert_memory_equal(&addr, &back, sizeof(addr));
	}
}

/*
 * One line a range: its text, the first and last address, its shortest text, and its prefixes
 * joined by commas.
 */
static const char python_table[] =
	"import ipaddress, random\n"
	"random.seed(20)\n"
	"def prefix(n):\n"
	"    return f'{n}'\n"
	"mapped = ipaddress.ip_network('::ffff:0:0/96')\n"
	"def line(text, first, last):\n"
	"    nets = list(ipaddress.summarize_address_range(first, last))\n"
	"    short = (str(first) if first == last else prefix(nets[0]) if len(nets) == 1\n"
	"             else f'{first}-{last}')\n"
	"    print(text, first, last, short, ','.join(map(prefix, nets)))\n"
	"for n in range(6000):\n"
	"    kind = (ipaddress.IPv4Address, ipaddress.IPv6Address)[n % 2]\n"
	"    bits = (32, 128)[n % 2]\n"
	"    zeros = ((1 << random.randint(0, bits)) - 1) << random.randint(0, bits)\n"
	"    a = random.getrandbits(bits) & ~zeros\n"
	"    b = min((1 << bits) - 1, a + random.getrandbits(random.randint(1, bits)))\n"
	"    first, last = kind(a), kind(b)\n"
	"    if n % 2 and (first in mapped or last in mapped):\n"
	"        continue\n"
	"    if n % 3:\n"
	"        line(f'{first}-{last}', first, last)\n"
	"    else:\n"
	"        net = (ipaddress.IPv4Network, ipaddress.IPv6Network)[n % 2](\n"
	"            (a, random.randint(0, bits)), strict=False)\n"
	"        if n % 2 and (net[0] in mapped or net[-1] in mapped):\n"
	"            continue\n"
	"        text = first.exploded if n % 4 == 0 else str(first)\n"
	"        line(f'{text}/{net.prefixlen}', net[0], net[-1])\n";

static FILE *python_start(pid_t *ret_pid)
{
	int ends[2];
	char *const argv[] = { (char *)"/usr/bin/python3", (char *)"-c", (char *)python_table,
			       NULL };
	posix_spawn_file_actions_t actions;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int r = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (r != 0)
		fail_msg("%s: %s", argv[0], strerror(r));
	return fdopen(ends[0], "r");
}

static void assert_same_prefixes(const struct weir_range *range, const char *expected)
{
	struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX];
	_cleanup_buf_ struct weir_buf joined = { 0 };
	size_t count = weir_range_to_prefixes(range, prefixes);
	for (size_t i = 0; i < count; i++) {
		char text[WEIR_RANGE_TEXT];
		weir_buf_addf(&joined, "%s%s", i ? "," : "",
			      weir_prefix_to_string(&prefixes[i], text));
	}
	assert_string_equal(weir_buf_str(&joined), expected);
}

static void assert_same_range(char *line)
{
	char *rest = NULL, text[WEIR_RANGE_TEXT];
	const char *written = strtok_r(line, " \n", &rest), *first = strtok_r(NULL, " \n", &rest);
	const char *last = strtok_r(NULL, " \n", &rest), *shortest = strtok_r(NULL, " \n", &rest);
	struct weir_range range;
	const char *why = "";
	if (weir_range_from_string(written, strlen(written), &range, NULL, &why) < 0)
		fail_msg("'%s': %s", written, why);
	assert_string_equal(weir_addr_to_string(&range.from, text), first);
	assert_string_equal(weir_addr_to_string(&range.to, text), last);
	assert_string_equal(weir_range_to_string(&range, text), shortest);
	assert_same_prefixes(&range, strtok_r(NULL, " \n", &rest));
}

static void range_agrees_with_python_ipaddress(void **state)
{
	pid_t pid;
	_cleanup_fclose_ FILE *table = python_start(&pid);
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	int rows = 0, status;
	for (; getline(&line, &capacity, table) > 0; rows++)
		assert_same_range(line);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(rows > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_read_agrees_with_the_c_library),
		cmocka_unit_test(addr_written_text_reads_back_the_same),
		cmocka_unit_test(range_agrees_with_python_ipaddress),
	};
	return cmocka_run_group_tests_name("addr_read", tests, NULL, NULL);
}
