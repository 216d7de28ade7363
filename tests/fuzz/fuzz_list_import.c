/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads any bytes as a list in each format, and as the file of a list. Right means that what is
 * written out again reads the same; refused means that a reason was told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "features/block/block_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct block_now now = { .real_ns = 1893456000ull * WEIR_NS_PER_S,
				      .monotonic_ns = WEIR_NS_PER_S };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_order(const struct block_set *set)
{
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		for (size_t i = 0; i < set->half[family].count; i++) {
			struct block_entry entry, before;
			size_t index;
			block_set_at(set, (enum block_family)family, i, &entry);
			must((int)block_family_of(&entry.range) == family);
			must(weir_addr_compare(&entry.range.from, &entry.range.to) <= 0);
			must(block_set_find(set, &entry.range, &index) && index == i);
			must(block_set_cover(set, &entry.range.from, &index));
			if (i)
				block_set_at(set, (enum block_family)family, i - 1, &before);
			must(!i || weir_range_compare(&before.range, &entry.range) < 0);
		}
	}
}

/* CSV and the list's own file say everything that a list holds. */
static void check_again(const struct block_list *list)
{
	_cleanup_buf_ struct weir_buf csv = { 0 }, file = { 0 };
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_list_ struct block_list *loaded = NULL;
	struct block_import_options options = { .format = BLOCK_FORMAT_CSV, .now = now };
	block_export_write(&list, 1, BLOCK_FORMAT_CSV, &now, &csv);
	must(block_import_read(weir_buf_str(&csv), csv.len, &options, NULL, &import) == 0);
	must(block_set_count(&import.set) == block_set_count(&list->set));
	must(!block_set_count_missing(&import.set, &list->set));
	must(import.single_count == list->single_count);

	block_file_write(list, &file);
	must(block_file_read(weir_buf_str(&file), file.len, &now, NULL, &loaded) == 0);
	must(block_set_count(&loaded->set) == block_set_count(&list->set));
	must(!block_set_count_missing(&loaded->set, &list->set));
	must(loaded->single_count == list->single_count);
}

static void try_format(const char *text, size_t size, enum block_format format)
{
	_cleanup_import_ struct block_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct block_import_options options = { .format = format, .now = now };
	int r = block_import_read(text, size, &options, &diag, &import);
	must(r == 0 || (r < 0 && diag.errors > 0));
	if (r < 0)
		return;
	must(import.read >= block_set_count(&import.set) + import.single_count);
	check_order(&import.set);
	_cleanup_list_ struct block_list *list =
		block_list_new("fuzz", BLOCK_DENY, BLOCK_FROM_RUNTIME);
	must(list);
	list->set = import.set;
	list->singles = import.singles;
	list->single_count = import.single_count;
	import = (struct block_import){ 0 };
	check_again(list);
}

static void try_file(const char *text, size_t size)
{
	_cleanup_list_ struct block_list *list = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = block_file_read(text, size, &now, &diag, &list);
	must(r == 0 || (r < 0 && diag.errors > 0));
	if (r == 0)
		check_order(&list->set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/*
	 * A body is followed by a NUL, as weir_buf gives it; reading past `size` is still a fault.
	 */
	char *text = malloc(size + 1);
	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (enum block_format format = BLOCK_FORMAT_AUTO; format < BLOCK_FORMATS; format++)
		try_format(text, size, format);
	try_file(text, size);
	free(text);
	return 0;
}
