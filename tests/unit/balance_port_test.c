/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that stand for clients lie on their lines as by chance, whatever backends, ports and
 * clients have in common: how many find none follows from how many lines are in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "features/balance/balance.h"

#define LINES 262144u /* as without `source-ports` */
#define FEW_LINES 16384u
#define BACKENDS 40u
#define TCP 6

struct table {
	uint8_t used[LINES];
	uint32_t lines, count;
};

static struct table table;

static void table_begin(uint32_t lines)
{
	memset(&table, 0, sizeof(table));
	table.lines = lines;
}

static uint32_t line_of(const struct balance_port *port)
{
	return (uint64_t)balance_port_hash(port) * table.lines >> 32;
}

static void line_use(uint32_t line)
{
	table.count += !table.used[line];
	table.used[line] = 1;
}

static struct weir_addr addr(const char *text, unsigned last)
{
	struct weir_addr found;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &found), 0);
	found.bytes[15] += last;
	return found;
}

static struct balance_port port_at(const char *backend, unsigned number)
{
	struct balance_port port = { .backend = addr(backend, number) };

	port.ends.backend = __builtin_bswap16(8080);
	port.ends.proto = TCP;
	return port;
}

/* The line that a client finds free, or table.lines. */
static uint32_t free_line(struct balance_port *port)
{
	for (uint32_t i = 0; i < BALANCE_PORT_TRIES; i++) {
		port->ends.port = balance_port_candidate(port, i);
		if (!table.used[line_of(port)])
			return line_of(port);
	}
	return table.lines;
}

/* By chance 31,744 have 262,144 * (1 - exp(-31,744 / 262,144)) = 29,897 lines. */
static void ports_are_spread(const char *backend)
{
	struct balance_port port = port_at(backend, 0);

	table_begin(LINES);
	for (uint32_t i = 0; i < BALANCE_PORT_COUNT; i++) {
		port.ends.port = __builtin_bswap16((uint16_t)(BALANCE_PORT_FIRST + i));
		line_use(line_of(&port));
	}
	assert_in_range(table.count, 29600, 30200);
}

static void ports_of_a_backend_lie_as_by_chance(void **state)
{
	ports_are_spread("10.78.2.10");
	ports_are_spread("192.168.1.1");
	ports_are_spread("fd78:2::10");
}

/* As wrk asks: a connection a request, by every second port of one client. */
static void one_client_has_ten_thousand_connections(void **state)
{
	table_begin(LINES);
	for (unsigned i = 0; i < 10000; i++) {
		struct balance_port port = port_at("10.78.2.10", i % 3);

		port.client = addr("10.78.1.2", 0);
		port.cport = __builtin_bswap16((uint16_t)(32768 + 2 * i));
		uint32_t line = free_line(&port);

		assert_in_range(line, 0, LINES - 1);
		line_use(line);
	}
}

static struct balance_port port_of_one(unsigned number)
{
	struct balance_port port = port_at("10.78.2.10", number % BACKENDS);

	port.client = addr("10.78.1.2", number / 50000);
	port.cport = __builtin_bswap16((uint16_t)(10000 + number % 50000));
	return port;
}

/* Eight candidates, each free by even chances: 156 of 40,000, with a spread of 12. */
static void one_in_256_finds_none_when_half_of_the_lines_are_in_use(void **state)
{
	unsigned number = 0, refused = 0;

	table_begin(FEW_LINES);
	while (table.count < FEW_LINES / 2) {
		struct balance_port port = port_of_one(number++);
		uint32_t line = free_line(&port);

		if (line < FEW_LINES)
			line_use(line);
	}
	for (unsigned i = 0; i < 40000; i++) {
		struct balance_port port = port_of_one(100000 + i);

		refused += free_line(&port) == FEW_LINES;
	}
	assert_in_range(refused, 100, 220);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_of_a_backend_lie_as_by_chance),
		cmocka_unit_test(one_client_has_ten_thousand_connections),
		cmocka_unit_test(one_in_256_finds_none_when_half_of_the_lines_are_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
