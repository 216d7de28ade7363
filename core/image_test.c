/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, their names and what a class says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "feature.h"
#include "image.h"

static const struct weir_feature lists = { .name = "lists" }, rules = { .name = "rules" };

static struct weir_addr addr_of(const char *text)
{
	struct weir_addr addr;

	assert_int_equal(weir_addr_from_string(text, strlen(text), &addr), 0);
	return addr;
}

/* A label with one range; name NULL: it bears none. */
static uint32_t label_add(struct weir_image *image, const char *name, const char *text)
{
	static uint32_t tag;
	struct weir_range range;
	uint32_t label;

	assert_int_equal(weir_image_label(image, name ? &lists : &rules, ++tag, &label), 0);
	if (name)
		assert_int_equal(weir_image_name_label(image, label, name), 0);
	assert_int_equal(weir_range_from_string(text, strlen(text), &range, NULL, NULL), 0);
	assert_int_equal(weir_image_add_range(image, label, &range), 0);
	return label;
}

static void image_finish(struct weir_image *image)
{
	assert_int_equal(weir_image_classify(image, NULL), 0);
	assert_int_equal(weir_image_seal(image, NULL), 0);
}

/* The sets that the address is in, as numbers one after another: "2 1". */
static const char *sets_of(const struct weir_image *image, const char *text)
{
	static char said[64];
	struct weir_addr addr = addr_of(text);
	const struct weir_label_view *labels = NULL;
	size_t count = weir_image_class_labels(image, weir_image_lookup(image, &addr), &labels);
	int len = 0;

	said[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += snprintf(said + len, sizeof(said) - (size_t)len, "%s%u", i ? " " : "",
				labels[i].set);
	return said;
}

static void set_numbers_rise_from_one_by_first_name(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);

	assert_int_equal(weir_image_set_find(image, "office"), 0);
	label_add(image, "office", "192.0.2.0/24");
	assert_int_equal(weir_image_set_find(image, "office"), 1);
	assert_int_equal(weir_image_set_find(image, "home"), 0);
	label_add(image, "home", "198.51.100.0/24");
	assert_int_equal(weir_image_set_find(image, "home"), 2);
	assert_int_equal(weir_image_set_find(image, "office"), 1);
	assert_int_equal(weir_image_set_find(image, "offic"), 0);
	assert_int_equal(weir_image_set_find(image, ""), 0);
	(void)state;
}

static void labels_of_one_name_are_one_set(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);

	label_add(image, "office", "192.0.2.1");
	label_add(image, "home", "192.0.2.2");
	label_add(image, "office", "2001:db8::/32");
	assert_int_equal(weir_image_set_find(image, "office"), 1);
	image_finish(image);
	assert_string_equal(sets_of(image, "192.0.2.1"), "1");
	assert_string_equal(sets_of(image, "192.0.2.2"), "2");
	assert_string_equal(sets_of(image, "2001:db8::7"), "1");
	assert_string_equal(sets_of(image, "192.0.2.3"), "");
	(void)state;
}

static void class_tells_the_sets_of_all_its_labels(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);

	label_add(image, "wide", "10.0.0.0/8");
	label_add(image, NULL, "10.1.0.0/16");
	label_add(image, "narrow", "10.1.1.0/24");
	image_finish(image);
	assert_string_equal(sets_of(image, "10.0.0.1"), "1");
	assert_string_equal(sets_of(image, "10.1.0.1"), "1 0");
	assert_string_equal(sets_of(image, "10.1.1.1"), "1 0 2");
	(void)state;
}

static void class_tells_owner_and_tag_beside_the_set(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);
	const struct weir_label_view *labels;
	struct weir_addr addr = addr_of("192.0.2.1");
	uint32_t label;
	struct weir_range range = { addr, addr };

	assert_int_equal(weir_image_label(image, &rules, 77, &label), 0);
	assert_int_equal(weir_image_name_label(image, label, "office"), 0);
	assert_int_equal(weir_image_add_range(image, label, &range), 0);
	image_finish(image);
	assert_int_equal(weir_image_class_count(image), 2);
	assert_int_equal(weir_image_class_labels(image, 1, &labels), 1);
	assert_ptr_equal(labels[0].owner, &rules);
	assert_int_equal(labels[0].tag, 77);
	assert_int_equal(labels[0].set, 1);
	assert_int_equal(weir_image_class_labels(image, 2, &labels), 0);
	(void)state;
}

static void empty_set_is_known_by_name(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);
	uint32_t label;

	assert_int_equal(weir_image_label(image, &lists, 1, &label), 0);
	assert_int_equal(weir_image_name_label(image, label, "nobody"), 0);
	image_finish(image);
	assert_int_equal(weir_image_set_find(image, "nobody"), 1);
	assert_int_equal(weir_image_class_count(image), 1);
	(void)state;
}

static void thousands_of_names_keep_their_numbers(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 20);
	char name[16];

	for (unsigned i = 1; i <= 5000; i++) {
		uint32_t label;

		snprintf(name, sizeof(name), "list-%u", i);
		assert_int_equal(weir_image_label(image, &lists, i, &label), 0);
		assert_int_equal(weir_image_name_label(image, label, name), 0);
	}
	for (unsigned i = 1; i <= 5000; i++) {
		snprintf(name, sizeof(name), "list-%u", i);
		assert_int_equal(weir_image_set_find(image, name), i);
	}
	assert_int_equal(weir_image_set_find(image, "list-0"), 0);
	(void)state;
}

/* Names are for those who compile: the kernel's tables are the same without them. */
static void names_change_no_line(void **state)
{
	_cleanup_image_ struct weir_image *named = weir_image_new(1 << 20),
					  *plain = weir_image_new(1 << 20);
	uint32_t named_count, plain_count;

	label_add(named, "office", "192.0.2.0/24");
	label_add(plain, NULL, "192.0.2.0/24");
	image_finish(named);
	image_finish(plain);
	const struct weir_line *named_lines = weir_image_lines(named, &named_count),
			       *plain_lines = weir_image_lines(plain, &plain_count);

	assert_int_equal(named_count, plain_count);
	assert_memory_equal(named_lines, plain_lines, named_count * sizeof(*named_lines));
	(void)state;
}

static void near_sections_lie_in_lines_of_their_own_and_patched_ones_last(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 24);
	uint32_t count = 0, near_count = 0;
	char *patched = weir_image_section(image, WEIR_SECTION_RULES_IFACES, 70);
	char *near = weir_image_section(image, WEIR_SECTION_RULES, 65);
	char *root = weir_image_root(image, WEIR_ROOT_RULES);

	patched[69] = 'p';
	near[64] = 'n';
	root[0] = 'r';
	image_finish(image);
	const struct weir_line *lines = weir_image_lines(image, &count),
			       *nears = weir_image_near(image, &near_count);
	const struct weir_image_header *header = (const void *)lines;

	/* Line 0 is nobody's, two lines each. */
	assert_int_equal(near_count, 5);
	assert_int_equal(header->near_lines, 5);
	assert_int_equal(header->first_line[WEIR_SECTION_RULES], 1);
	assert_int_equal(header->first_line[WEIR_SECTION_RULES_IFACES], 3);
	assert_int_equal(header->patched_line, 3);
	assert_int_equal(weir_image_near_fixed(image), 3);
	assert_int_equal(nears[2].u8[0], 'n');
	assert_int_equal(nears[4].u8[5], 'p');
	assert_int_equal(lines[1].u8[0], 'r');
	(void)state;
}

static void near_lines_count_against_the_ceiling(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(600 << 10);
	_cleanup_diag_ struct weir_diag diag = {};

	assert_non_null(weir_image_section(image, WEIR_SECTION_RULES, 200 << 10));
	assert_int_equal(weir_image_classify(image, &diag), 0);
	assert_int_equal(weir_image_seal(image, &diag), -E2BIG);
	assert_string_equal(diag.entries[0].key, "memory");
	(void)state;
}

static int freed;

static void note_freed(void *kept)
{
	freed += *(int *)kept;
}

static void what_is_kept_goes_when_the_image_is_sealed(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 24);
	int one = 1, ten = 10;

	freed = 0;
	weir_image_keep(image, &lists, &one, note_freed);
	weir_image_keep(image, &rules, &ten, note_freed);
	assert_ptr_equal(weir_image_kept(image, &lists), &one);
	assert_ptr_equal(weir_image_kept(image, &rules), &ten);
	weir_image_keep(image, &lists, &ten, note_freed);
	assert_int_equal(freed, 1);
	image_finish(image);
	assert_int_equal(freed, 21);
	assert_null(weir_image_kept(image, &lists));
	(void)state;
}

static void limits_are_told_of_in_the_order_they_came(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 24);
	uint32_t count;

	weir_image_limits(image, &count);
	assert_int_equal(count, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(
			weir_image_limit_add(image, &(struct weir_image_limit){ .rule = i }), 0);
	const struct weir_image_limit *limits = weir_image_limits(image, &count);

	assert_int_equal(count, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(limits[i].rule, i);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_sections_lie_in_lines_of_their_own_and_patched_ones_last),
		cmocka_unit_test(near_lines_count_against_the_ceiling),
		cmocka_unit_test(limits_are_told_of_in_the_order_they_came),
		cmocka_unit_test(what_is_kept_goes_when_the_image_is_sealed),
		cmocka_unit_test(set_numbers_rise_from_one_by_first_name),
		cmocka_unit_test(labels_of_one_name_are_one_set),
		cmocka_unit_test(class_tells_the_sets_of_all_its_labels),
		cmocka_unit_test(class_tells_owner_and_tag_beside_the_set),
		cmocka_unit_test(empty_set_is_known_by_name),
		cmocka_unit_test(thousands_of_names_keep_their_numbers),
		cmocka_unit_test(names_change_no_line),
	};
	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
