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
#include "tests/unit/refused.h"

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
	assert_int_equal(weir_image_parts_make(compiled.image), 0);
	const struct weir_line *lines = weir_image_lines(compiled.image, &count);
	const struct weir_policy_head *head = (const void *)lines;
	uint32_t first = head->header.first_line[WEIR_SECTION_BALANCE];

	compiled.lines = first ? &lines[first] : NULL;
	compiled.head = (const void *)compiled.lines;
	weir_config_free(config);
	return compiled;
}

static bool cell_is(const struct balance_cell *cell, const struct balance_cell *key)
{
	return !memcmp(&cell->addr, &key->addr, sizeof(key->addr)) && cell->port == key->port &&
	       cell->proto == key->proto && cell->kind == key->kind;
}

/* As the data path looks: from the hash's line on, BALANCE_PROBES lines, and no further than one
 * that has room. -1: not there. */
static int cell_find(const struct compiled *compiled, const struct balance_cell *key)
{
	uint32_t at = balance_hash(&key->addr, key->port, key->proto, key->kind);

	for (uint32_t i = 0; i < BALANCE_PROBES; i++) {
		uint32_t line = (at + i) & (compiled->head->lines - 1);
		const struct balance_cell *cells =
			(const void *)&compiled->lines[compiled->head->cells + line];

		for (int j = 0; j < BALANCE_CELLS; j++)
			if (cell_is(&cells[j], key))
				return (int)cells[j].row;
		if (cells[BALANCE_CELLS - 1].kind == BALANCE_EMPTY)
			break;
	}
	return -1;
}

static int row_of(const struct compiled *compiled, const char *address, uint16_t port,
		  uint8_t proto, enum balance_kind kind)
{
	struct balance_cell key = { .port = htons(port), .proto = proto, .kind = (uint8_t)kind };

	assert_int_equal(weir_addr_from_string(address, strlen(address), &key.addr), 0);
	return cell_find(compiled, &key);
}

static int row_of_number(const struct compiled *compiled, uint32_t service, uint16_t number)
{
	struct balance_cell key = { .port = number, .kind = BALANCE_NUMBER };

	key.addr.be32[3] = service;
	return cell_find(compiled, &key);
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

/* The one that gets connections gets them by one slot. */
static void slots_name_backends_that_have_a_weight(void **state)
{
	struct compiled compiled = compiled_of(TWO);
	const struct balance_service *service =
		(const void *)&compiled.lines[compiled.head->services];
	const struct balance_backend *backends =
		(const void *)&compiled.lines[compiled.head->backends];

	assert_int_equal(service->slots, 1);
	assert_int_equal(compiled.lines[service->slot].u16[0], backends[0].number);
	assert_int_equal(backends[0].port, htons(8080));
	assert_int_equal(backends[2].service, 1);
	assert_true(backends[0].number != backends[1].number);
	weir_image_free(compiled.image);
	(void)state;
}

static void backends_are_found_by_the_numbers_that_flows_remember(void **state)
{
	struct compiled compiled = compiled_of(TWO);
	const struct balance_backend *backends =
		(const void *)&compiled.lines[compiled.head->backends];

	assert_int_equal(row_of_number(&compiled, 0, backends[0].number), 0);
	assert_int_equal(row_of_number(&compiled, 0, backends[1].number), 1);
	assert_int_equal(row_of_number(&compiled, 1, backends[2].number), 2);
	/* A number is one within its service. */
	assert_int_equal(row_of_number(&compiled, 1, backends[0].number), -1);
	weir_image_free(compiled.image);
	(void)state;
}

static void services_stand_in_bytes_as_packets_bear_them(void **state)
{
	struct compiled compiled = compiled_of(TWO);
	const struct balance_service *services =
		(const void *)&compiled.lines[compiled.head->services];
	const struct balance_backend *backends =
		(const void *)&compiled.lines[compiled.head->backends];
	/* Between its address and its port there is room for what stands for its clients. */
	const uint8_t web[] = { 0,    0,    0,	 0, 0, 0, 0,	    0,	0, 0,
				0xff, 0xff, 192, 0, 2, 1, [32] = 0, 80, 6 };
	const uint8_t dns[] = { 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 53 };

	assert_memory_equal(&services[0], web, sizeof(web));
	assert_int_equal(services[1].proto, 17);
	assert_memory_equal(&backends[2], dns, sizeof(dns));
	weir_image_free(compiled.image);
	(void)state;
}

#define CROWD_SERVICES 60
#define CROWD_BACKENDS 50

static char *crowd_new(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fprintf(out, HEAD "balance:\n  services:\n");
	for (int i = 0; i < CROWD_SERVICES; i++) {
		fprintf(out, "  - {name: s%d, address: 192.0.2.%d, port: 80, backends: [", i, i);
		for (int j = 0; j < CROWD_BACKENDS; j++)
			fprintf(out, "{address: 10.0.%d.%d, weight: %d},", i, j, j % 3);
		fprintf(out, "]}\n");
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static void crowd_slots_are_right(const struct compiled *compiled, unsigned index)
{
	const struct balance_service *service =
		(const void *)&compiled->lines[compiled->head->services + index];
	const struct balance_backend *backends =
		(const void *)&compiled->lines[compiled->head->backends];
	const uint16_t *slots = compiled->lines[service->slot].u16;

	for (unsigned i = 0; i < BALANCE_SLOTS; i++) {
		int row = row_of_number(compiled, index, slots[i]);

		assert_in_range(row, index * CROWD_BACKENDS, (index + 1) * CROWD_BACKENDS - 1);
		assert_int_equal(backends[row].number, slots[i]);
		assert_int_not_equal(row % CROWD_BACKENDS % 3, 0); /* it has a weight */
	}
}

/* Some of these have the same place, and go a few further. */
static void a_crowd_is_found_to_the_last(void **state)
{
	char *text = crowd_new(), address[16];
	struct compiled compiled = compiled_of(text);

	for (int i = 0; i < CROWD_SERVICES; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		assert_int_equal(row_of(&compiled, address, 80, 6, BALANCE_SERVICE), i);
		for (int j = 0; j < CROWD_BACKENDS; j++) {
			snprintf(address, sizeof(address), "10.0.%d.%d", i, j);
			assert_int_equal(row_of(&compiled, address, 80, 6, BALANCE_BACKEND),
					 i * CROWD_BACKENDS + j);
		}
		crowd_slots_are_right(&compiled, (unsigned)i);
	}
	weir_image_free(compiled.image);
	free(text);
	(void)state;
}

static bool is_met(const struct compiled *compiled, const char *address, enum balance_kind kind)
{
	const struct weir_line *lines = compiled->lines + 1;
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(address, strlen(address), &addr), 0);
	uint32_t bit = balance_address_bit(&addr, kind) &
		       ((compiled->head->cells - 1) * BALANCE_ADDRESS_BITS - 1);

	return lines[bit / 512].u8[bit % 512 / 8] >> bit % 8 & 1;
}

static void addresses_of_services_and_of_who_is_translated_to_are_met(void **state)
{
	struct compiled compiled = compiled_of(
		HEAD
		"balance:\n  services:\n"
		"  - {name: a, address: 192.0.2.1, port: 80, backends: [{address: 10.0.0.1}]}\n"
		"  - {name: b, address: 2001:db8::1, port: 80, forward: gue, backends: "
		"[{address: 10.0.0.2}]}\n");
	unsigned others = 0;
	char address[16];

	assert_true(is_met(&compiled, "192.0.2.1", BALANCE_SERVICE));
	assert_true(is_met(&compiled, "2001:db8::1", BALANCE_SERVICE));
	assert_true(is_met(&compiled, "10.0.0.1", BALANCE_BACKEND));
	assert_false(is_met(&compiled, "10.0.0.2", BALANCE_BACKEND));
	for (int i = 0; i < 256; i++) {
		snprintf(address, sizeof(address), "198.18.0.%d", i);
		others += is_met(&compiled, address, BALANCE_SERVICE);
	}
	assert_in_range(others, 0, 256 / 16);
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

/* The YAML library grows by one service each time, of which a sanitizer copies all. */
#ifndef __SANITIZE_ADDRESS__
static char *services_new(unsigned count)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fprintf(out, HEAD "balance:\n  services:\n");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "  - {name: s%u, address: 192.0.2.1, port: %u}\n", i, i + 1);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void ten_thousand_services_are_the_most(void **state)
{
	char *text = services_new(10000), *more = services_new(10001);
	struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	weir_config_free(config);
	is_refused(more, "f:4:3: balance.services: ", "10001 services, where 10000 are the most");
	free(text);
	free(more);
	(void)state;
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_services_there_is_nothing),
		cmocka_unit_test(services_and_backends_are_found_by_what_packets_bear),
		cmocka_unit_test(slots_name_backends_that_have_a_weight),
		cmocka_unit_test(backends_are_found_by_the_numbers_that_flows_remember),
		cmocka_unit_test(services_stand_in_bytes_as_packets_bear_them),
		cmocka_unit_test(a_crowd_is_found_to_the_last),
		cmocka_unit_test(addresses_of_services_and_of_who_is_translated_to_are_met),
		cmocka_unit_test(same_text_same_bytes),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(ten_thousand_services_are_the_most),
#endif
		cmocka_unit_test(cells_that_have_no_room_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
