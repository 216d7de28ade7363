/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the data path reads them: near lines of a compiled policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "features/limit/limit_state.h"

/* The section of a policy; NULL when it has none. To be freed. */
static struct weir_line *lines_of(const char *text)
{
	struct weir_config *config = NULL;
	struct weir_image *image = NULL;
	struct weir_line *lines = NULL;
	uint32_t count;

	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	assert_int_equal(weir_compile(config, NULL, &image), 0);
	const struct weir_policy_head *head = (const void *)weir_image_lines(image, &count);
	uint32_t first = head->header.first_line[WEIR_SECTION_LIMIT];

	if (first) {
		lines = aligned_alloc(WEIR_LINE_BYTES, LIMIT_LINES * sizeof(*lines));
		assert_non_null(lines);
		memcpy(lines, weir_image_near(image, &count) + first, LIMIT_LINES * sizeof(*lines));
		assert_true(first + LIMIT_LINES <= count);
	}
	weir_image_free(image);
	weir_config_free(config);
	return lines;
}

static struct limit_row row_of(const struct weir_line *lines, unsigned i)
{
	struct limit_row row;

	memcpy(&row, &lines[LIMIT_ROW_LINE(i)], sizeof(row));
	return row;
}

static void no_section_is_made_for_nothing(void **state)
{
	assert_null(lines_of(""));
	assert_null(lines_of("limit: {sources: 1000}"));
	(void)state;
}

static void root_has_a_bit_for_each_limit_of_a_kind(void **state)
{
	struct weir_line *lines = lines_of("limit:\n"
					   "  limits:\n"
					   "    - {name: a, proto: icmp, packets: 1/s}\n"
					   "    - {name: b, proto: tcp, packets: 1/s}\n"
					   "    - {name: c, proto: tcp, flags: syn, packets: 1/s}\n"
					   "    - {name: d, proto: udp, packets: 1/s}\n"
					   "    - {name: e, packets: 1/s}\n"
					   "    - {name: f, direction: egress, packets: 1/s}\n");
	const struct limit_root *root = (const void *)lines;

	assert_non_null(root);
	assert_int_equal(root->about[WEIR_INGRESS][LIMIT_KIND_ICMP], 0x11);
	assert_int_equal(root->about[WEIR_INGRESS][LIMIT_KIND_TCP], 0x12);
	assert_int_equal(root->about[WEIR_INGRESS][LIMIT_KIND_TCP_SYN], 0x16);
	assert_int_equal(root->about[WEIR_INGRESS][LIMIT_KIND_UDP], 0x18);
	assert_int_equal(root->about[WEIR_INGRESS][LIMIT_KIND_OTHER], 0x10);
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		assert_int_equal(root->about[WEIR_EGRESS][kind], 0x20);
	free(lines);
	(void)state;
}

static void limits_act_from_their_level_on(void **state)
{
	struct weir_line *lines = lines_of("attack: {enabled: true}\n"
					   "limit:\n"
					   "  limits:\n"
					   "    - {name: a, packets: 1/s}\n"
					   "    - {name: b, packets: 1/s, when: elevated}\n"
					   "    - {name: c, packets: 1/s, when: attack}\n"
					   "    - {name: d, connections: 1/s, when: attack}\n"
					   "    - {name: e, packets: 1/s, when: always}\n");
	const struct limit_root *roots = (const void *)lines;

	assert_non_null(roots);
	for (int look = 0; look < LIMIT_LOOKS; look++) {
		assert_int_equal(roots[look].acts[WEIR_CALM], 0x11);
		assert_int_equal(roots[look].acts[WEIR_ELEVATED], 0x13);
		assert_int_equal(roots[look].acts[WEIR_ATTACK], 0x1f);
	}
	free(lines);
	(void)state;
}

static void connections_are_asked_about_where_they_are_known(void **state)
{
	struct weir_line *lines =
		lines_of("limit:\n"
			 "  limits:\n"
			 "    - {name: a, proto: icmp, connections: 1/s}\n"
			 "    - {name: b, proto: tcp, connections: 1/s}\n"
			 "    - {name: c, proto: udp, packets: 1/s}\n"
			 "    - {name: d, connections: 1/s}\n"
			 "    - {name: e, proto: udp, connections: 1/s, direction: egress}\n");
	const struct limit_root *at_once = (const void *)lines, *tracked = at_once + 1;

	assert_non_null(at_once);
	assert_int_equal(at_once->about[WEIR_INGRESS][LIMIT_KIND_TCP_SYN], 0x0a);
	assert_int_equal(at_once->about[WEIR_INGRESS][LIMIT_KIND_TCP], 0);
	assert_int_equal(at_once->about[WEIR_INGRESS][LIMIT_KIND_UDP], 0x04);
	assert_int_equal(at_once->about[WEIR_INGRESS][LIMIT_KIND_ICMP], 0);
	assert_int_equal(at_once->about[WEIR_EGRESS][LIMIT_KIND_UDP], 0);
	assert_int_equal(tracked->about[WEIR_INGRESS][LIMIT_KIND_ICMP], 0x09);
	assert_int_equal(tracked->about[WEIR_INGRESS][LIMIT_KIND_UDP], 0x08);
	assert_int_equal(tracked->about[WEIR_INGRESS][LIMIT_KIND_OTHER], 0x08);
	assert_int_equal(tracked->about[WEIR_INGRESS][LIMIT_KIND_TCP_SYN], 0);
	assert_int_equal(tracked->about[WEIR_INGRESS][LIMIT_KIND_TCP], 0);
	assert_int_equal(tracked->about[WEIR_EGRESS][LIMIT_KIND_UDP], 0x10);
	free(lines);
	(void)state;
}

static void limit_has_its_buckets_and_counters_wherever_it_stands(void **state)
{
	struct weir_line *alone = lines_of("limit: {limits: [{name: b, packets: 1/s}]}");
	struct weir_line *below = lines_of("limit: {limits: [{name: a, packets: 1/s}, "
					   "{name: b, packets: 2/s, burst: 9}]}");

	assert_int_equal(row_of(alone, 0).id, row_of(below, 1).id);
	assert_int_equal(row_of(alone, 0).count, row_of(below, 1).count);
	assert_int_not_equal(row_of(below, 0).id, row_of(below, 1).id);
	assert_int_not_equal(row_of(below, 0).count, row_of(below, 1).count);
	free(alone);
	free(below);
	(void)state;
}

static void lines_are_made_of_sources(void **state)
{
	assert_int_equal(limit_lines(1048576), 131072);
	assert_int_equal(limit_lines(1048577), 131073);
	assert_int_equal(limit_lines(8), 1);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_section_is_made_for_nothing),
		cmocka_unit_test(root_has_a_bit_for_each_limit_of_a_kind),
		cmocka_unit_test(limits_act_from_their_level_on),
		cmocka_unit_test(connections_are_asked_about_where_they_are_known),
		cmocka_unit_test(limit_has_its_buckets_and_counters_wherever_it_stands),
		cmocka_unit_test(lines_are_made_of_sources),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
