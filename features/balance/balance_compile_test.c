/* SPDX-License-Identifier: Apache-2.0 */
/* Services as the data path reads them: cells, services, backends and slots of a compiled policy;
 * and the numbers and places that these have. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"

#define HEAD "interfaces: [{name: eth0, egress: true}]\n"
#define TWO                                                            \
	HEAD "balance:\n"                                              \
	     "  services:\n"                                           \
	     "    - {name: web, address: 192.0.2.1, port: 80,\n"       \
	     "       backends: [{address: 10.0.0.1, port: 8080},\n"    \
	     "                  {address: 10.0.0.2, weight: 0}]}\n"    \
	     "    - {name: dns, address: \"2001:db8::1\", port: 53,\n" \
	     "       proto: udp, backends: [{address: \"fd00::1\"}]}\n"

/* An image, and the lines of its section; none where the policy has no services. */
struct compiled {
	struct weir_image *image;
	const struct weir_line *lines;
	const struct balance_head *head;
};

static struct compiled compiled_of(const char *text)
{
	struct compiled compiled = { 0 };
	struct weir_config *config = NULL;
	uint32_t count;

	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	assert_int_equal(weir_compile(config, NULL, &compiled.image), 0);
	const struct weir_line *lines = weir_image_lines(compiled.image, &count);
	const struct weir_policy_head *head = (const void *)lines;
	uint32_t first = head->header.first_line[WEIR_SECTION_BALANCE];

	compiled.lines = first ? &lines[first] : NULL;
	compiled.head = (const void *)compiled.lines;
	weir_config_free(config);
	return compiled;
}

/* As the data path looks: from the hash's line on, BALANCE_PROBES lines. -1: not there. */
static int row_of(const struct compiled *compiled, const char *address, uint16_t port,
		  uint8_t proto, enum balance_kind kind)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(address, strlen(address), &addr), 0);
	uint32_t at = balance_hash(&addr, htons(port), proto, kind);

	for (uint32_t i = 0; i < BALANCE_PROBES; i++) {
		uint32_t line = (at + i) & (compiled->head->lines - 1);
		const struct balance_cell *cells =
			(const void *)&compiled->lines[compiled->head->cells + line];

		for (int j = 0; j < BALANCE_CELLS; j++)
			if (!memcmp(&cells[j].addr, &addr, sizeof(addr)) &&
			    cells[j].port == htons(port) && cells[j].proto == proto &&
			    cells[j].kind == kind)
				return (int)cells[j].row;
	}
	return -1;
}

static void without_services_there_is_nothing(void **state)
{
	struct compiled compiled = compiled_of("balance: {services: []}\n");

	assert_null(compiled.lines);
	weir_image_free(compiled.image);
	(void)state;
}

static void services_and_backends_are_found_by_what_packets_bear(void **state)
{
	struct compiled compiled = compiled_of(TWO);

	assert_int_equal(compiled.head->service_count, 2);
	assert_int_equal(compiled.head->backend_count, 3);
	assert_int_equal(row_of(&compiled, "192.0.2.1", 80, IPPROTO_TCP, BALANCE_SERVICE), 0);
	assert_int_equal(row_of(&compiled, "2001:db8::1", 53, IPPROTO_UDP, BALANCE_SERVICE), 1);
	assert_int_equal(row_of(&compiled, "10.0.0.1", 8080, IPPROTO_TCP, BALANCE_BACKEND), 0);
	assert_int_equal(row_of(&compiled, "10.0.0.2", 80, IPPROTO_TCP, BALANCE_BACKEND), 1);
	assert_int_equal(row_of(&compiled, "fd00::1", 53, IPPROTO_UDP, BALANCE_BACKEND), 2);
	/* Another port, protocol or kind is nobody's. */
	assert_int_equal(row_of(&compiled, "192.0.2.1", 81, IPPROTO_TCP, BALANCE_SERVICE), -1);
	assert_int_equal(row_of(&compiled, "192.0.2.1", 80, IPPROTO_UDP, BALANCE_SERVICE), -1);
	assert_int_equal(row_of(&compiled, "192.0.2.1", 80, IPPROTO_TCP, BALANCE_BACKEND), -1);
	weir_image_free(compiled.image);
	(void)state;
}

static void slots_name_backends_that_have_a_weight(void **state)
{
	struct compiled compiled = compiled_of(TWO);
	const struct balance_service *service =
		(const void *)&compiled.lines[compiled.head->services];
	const struct balance_backend *backends =
		(const void *)&compiled.lines[compiled.head->backends];
	const uint16_t *slots = compiled.lines[service->slot].u16;

	assert_int_equal(service->slots, BALANCE_SLOTS);
	for (unsigned i = 0; i < BALANCE_SLOTS; i++)
		assert_int_equal(slots[i], backends[0].number);
	assert_int_equal(backends[0].port, htons(8080));
	assert_int_equal(backends[2].service, 1);
	assert_true(backends[0].number != backends[1].number);
	weir_image_free(compiled.image);
	(void)state;
}

static void same_text_same_bytes(void **state)
{
	struct compiled one = compiled_of(TWO), other = compiled_of(TWO);
	size_t lines = one.head->backends + one.head->backend_count;

	assert_memory_equal(one.lines, other.lines, lines * sizeof(*one.lines));
	weir_image_free(one.image);
	weir_image_free(other.image);
	(void)state;
}

#define MANY 300

static void ends_make(struct balance_end *ends)
{
	char text[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 250, i % 250);
		ends[i] = (struct balance_end){ .port = 80, .proto = IPPROTO_TCP };
		assert_int_equal(weir_addr_from_string(text, strlen(text), &ends[i].addr), 0);
	}
}

static void numbers_are_each_ones_own_and_stay(void **state)
{
	struct balance_end ends[MANY], turned[MANY];
	uint16_t numbers[MANY], others[MANY], fewer[MANY];

	ends_make(ends);
	for (unsigned i = 0; i < MANY; i++)
		turned[i] = ends[MANY - 1 - i];
	assert_int_equal(balance_numbers(ends, MANY, numbers), 0);
	assert_int_equal(balance_numbers(turned, MANY, others), 0);
	assert_int_equal(balance_numbers(ends, MANY / 10, fewer), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(numbers[i] != 0);
		assert_int_equal(numbers[i], others[MANY - 1 - i]);
		for (unsigned j = 0; j < i; j++)
			assert_true(numbers[i] != numbers[j]);
	}
	/* Of 30 no two have the same hash (1 in 150 that any would). */
	for (unsigned i = 0; i < MANY / 10; i++)
		assert_int_equal(fewer[i], numbers[i]);
	(void)state;
}

static void cells_that_have_no_room_say_so(void **state)
{
	struct balance_cell cells[BALANCE_CELLS] = { 0 };
	struct balance_cell cell = { .kind = BALANCE_SERVICE };

	for (uint32_t i = 0; i < BALANCE_CELLS; i++, cell.row++)
		assert_int_equal(balance_cell_put(cells, 1, &cell), 0);
	assert_int_equal(balance_cell_put(cells, 1, &cell), -ENOSPC);
	assert_int_equal(balance_cell_lines(0), 1);
	assert_int_equal(balance_cell_lines(9), 16);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_services_there_is_nothing),
		cmocka_unit_test(services_and_backends_are_found_by_what_packets_bear),
		cmocka_unit_test(slots_name_backends_that_have_a_weight),
		cmocka_unit_test(same_text_same_bytes),
		cmocka_unit_test(numbers_are_each_ones_own_and_stay),
		cmocka_unit_test(cells_that_have_no_room_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
