/* SPDX-License-Identifier: Apache-2.0 */
/* Parts in a slot: what is there is left, what is elsewhere is copied, the rest is made. A file of
 * memory stands for the kernel's map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/placed.h"

#define LINES 200
#define PARTS 3
#define EACH 3 /* lines of a part: none begins a page */

/* A slot, what it is known to have, and how often its parts were made. */
struct slot {
	int fd;
	struct weir_placed placed;
};

static unsigned made;
static int failing = -1; /* the part that cannot be made */

static int letter_make(const void *of, uint32_t index, struct weir_line *lines)
{
	made++;
	if ((int)index == failing)
		return -1;
	memset(lines, ((const char *)of)[index], EACH * sizeof(*lines));
	return 0;
}

/* A part a letter, which is its key too. */
static struct weir_parts parts_of(const char *letters, uint32_t base, struct weir_part at[PARTS])
{
	struct weir_parts parts = { .base = base, .at = at, .make = letter_make };

	for (; letters[parts.count]; parts.count++)
		at[parts.count] = (struct weir_part){ .line = 10 * parts.count,
						      .lines = EACH,
						      .key = { (uint64_t)letters[parts.count] } };
	parts.of = (void *)letters;
	return parts;
}

static struct slot slot_new(void)
{
	struct slot slot = { .fd = memfd_create("slot", MFD_CLOEXEC) };

	assert_true(slot.fd >= 0);
	assert_int_equal(ftruncate(slot.fd, LINES * WEIR_LINE_BYTES), 0);
	return slot;
}

static void slot_done(struct slot *slot)
{
	close(slot->fd);
	weir_placed_done(&slot->placed);
}

static int fill(struct slot *slot, const char *letters, uint32_t base, const struct slot *live)
{
	struct weir_part at[PARTS];
	struct weir_parts parts = parts_of(letters, base, at);
	const struct weir_placed_slot source = { live->fd, &live->placed };

	made = 0;
	return weir_placed_fill(slot->fd, &slot->placed, &parts, &source);
}

static void lines_are(const struct slot *slot, const char *letters, uint32_t base)
{
	uint8_t bytes[EACH * WEIR_LINE_BYTES];

	for (uint32_t i = 0; letters[i]; i++) {
		off_t at = (off_t)(base + 10 * i) * WEIR_LINE_BYTES;

		assert_int_equal(pread(slot->fd, bytes, sizeof(bytes), at), sizeof(bytes));
		for (size_t j = 0; j < sizeof(bytes); j++)
			assert_int_equal(bytes[j], letters[i]);
	}
}

static bool holds(struct slot *slot, const char *letters, uint32_t base)
{
	struct weir_part at[PARTS];
	struct weir_parts parts = parts_of(letters, base, at);

	made = 0;
	return weir_placed_holds(slot->fd, &slot->placed, &parts);
}

static void only_what_is_not_there_is_made(void **state)
{
	struct slot slot = slot_new(), none = { .fd = -1 };

	assert_int_equal(fill(&slot, "abc", 7, &none), 0);
	assert_int_equal(made, 3);
	assert_int_equal(fill(&slot, "aXc", 7, &none), 0);
	assert_int_equal(made, 1);
	lines_are(&slot, "aXc", 7);
	assert_int_equal(fill(&slot, "aXc", 7, &none), 0);
	assert_int_equal(made, 0);
	slot_done(&slot);
	(void)state;
}

static void what_the_live_slot_has_is_copied(void **state)
{
	struct slot live = slot_new(), spare = slot_new(), none = { .fd = -1 };

	assert_int_equal(fill(&live, "abc", 7, &none), 0);
	assert_int_equal(fill(&spare, "abX", 9, &live), 0);
	assert_int_equal(made, 1);
	lines_are(&spare, "abX", 9);
	lines_are(&live, "abc", 7);
	slot_done(&spare);
	slot_done(&live);
	(void)state;
}

static void elsewhere_all_is_made_anew(void **state)
{
	struct slot slot = slot_new(), none = { .fd = -1 };

	assert_int_equal(fill(&slot, "abc", 7, &none), 0);
	assert_int_equal(fill(&slot, "abc", 8, &none), 0);
	assert_int_equal(made, 3);
	lines_are(&slot, "abc", 8);
	slot_done(&slot);
	(void)state;
}

static void behind_a_failure_nothing_is_taken_for_known(void **state)
{
	struct slot slot = slot_new(), none = { .fd = -1 };

	assert_int_equal(fill(&slot, "abc", 7, &none), 0);
	failing = 2;
	assert_int_equal(fill(&slot, "XbY", 7, &none), -1);
	failing = -1;
	assert_int_equal(fill(&slot, "abc", 7, &none), 0);
	assert_int_equal(made, 3);
	lines_are(&slot, "abc", 7);
	slot_done(&slot);
	(void)state;
}

static void a_slot_of_a_run_before_is_looked_at_once(void **state)
{
	struct slot slot = slot_new(), none = { .fd = -1 };

	assert_int_equal(fill(&slot, "abc", 7, &none), 0);
	weir_placed_done(&slot.placed);
	assert_false(holds(&slot, "abX", 7));
	assert_true(holds(&slot, "abc", 7));
	assert_int_equal(made, 3);
	assert_true(holds(&slot, "abc", 7));
	assert_int_equal(made, 0);
	assert_false(holds(&slot, "ab", 7));
	slot_done(&slot);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_not_there_is_made),
		cmocka_unit_test(what_the_live_slot_has_is_copied),
		cmocka_unit_test(elsewhere_all_is_made_anew),
		cmocka_unit_test(behind_a_failure_nothing_is_taken_for_known),
		cmocka_unit_test(a_slot_of_a_run_before_is_looked_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
