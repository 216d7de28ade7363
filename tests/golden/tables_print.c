/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles a configuration and prints what its rules came to, as the data path would read it: for
 * each dimension, which rules each value meets. For tests/golden/config_test.py; the expected files
 * are written by hand from the rules.
 */
#include <stdio.h>
#include <string.h>

#include "abi/policy_head.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "core/compile.h"
#include "features/rules/rules.h"

struct tables {
	const struct rules_root *root;
	const struct weir_line *lines; /* of the section */
};

static const char *const dimension_names[] = { "src", "dst", "sport", "dport", "length", "vlan" };
static const char *const field_names[] = { "proto",  "flags",	 "type",  "code",  "dscp",
					   "family", "fragment", "state", "minute" };
static const uint32_t field_values[] = {
	256, 257, 513, 257, 64, 2, 3, WEIR_CONN_STATES, RULES_FIELD_VALUES
};

static bool bit(const __u64 *words, uint32_t at)
{
	return words[at / 64] >> at % 64 & 1;
}

/* Word `word` of the row that stands at `line`: as rules_search.bpf.h finds it. */
static __u64 row_word(const struct tables *tables, const struct weir_line *line, const __u64 *wild,
		      uint32_t word)
{
	const struct rules_row *row = (const void *)line;
	uint32_t at;

	if (bit(wild, word))
		return ~0ULL;
	if (!bit(row->aggregate, word))
		return 0;
	if (tables->root->row_lines > 1)
		return line[1].u64[word];
	at = row->first + row->before[word / 64];
	for (uint32_t i = word / 64 * 64; i < word; i++)
		at += bit(row->aggregate, i) && !bit(wild, i);
	return line->u64[at];
}

static const struct rules_record *record(const struct tables *tables, uint32_t position)
{
	return (const struct rules_record *)(tables->lines + tables->root->records) + position;
}

/* " 1 3": the rules of a row, by their place in the configuration; "wild" rules too. */
static void row_print(const struct tables *tables, enum rules_dimension dimension, uint32_t number)
{
	const struct rules_root *root = tables->root;
	const struct weir_line *line =
		tables->lines + root->dimension[dimension].rows + number * root->row_lines;
	bool is_met[RULES_MAX] = { false };

	for (uint32_t word = 0; word < root->words; word++) {
		__u64 bits = row_word(tables, line, root->wild[dimension], word);

		for (uint32_t i = 0; i < 64; i++) {
			uint32_t rank = record(tables, word * 64 + i)->rank;

			if (bits >> i & 1 && rank != RULES_NO_RANK)
				is_met[rank] = true;
		}
	}
	for (uint32_t rank = 0; rank < RULES_MAX; rank++)
		if (is_met[rank])
			printf(" %u", rank + 1);
	printf("\n");
}

static uint32_t row_of(const struct tables *tables, enum rules_dimension dimension, uint32_t value)
{
	return tables->lines[tables->root->dimension[dimension].table + value / 32].u16[value % 32];
}

static void classes_print(const struct tables *tables, enum rules_dimension dimension,
			  uint32_t count)
{
	for (uint32_t class = 0; class < count; class ++) {
		printf("%s class %u:", dimension_names[dimension], class);
		row_print(tables, dimension, row_of(tables, dimension, class));
	}
}

/* Values that follow one another and have one row are one line. */
static void wide_print(const struct tables *tables, enum rules_dimension dimension)
{
	uint32_t values = dimension == RULES_VLAN ? RULES_NO_VLAN + 1 : 65536, from = 0;

	printf("%s absent:", dimension_names[dimension]);
	row_print(tables, dimension, 0);
	for (uint32_t value = 1; value <= values; value++) {
		if (value < values &&
		    row_of(tables, dimension, value) == row_of(tables, dimension, from))
			continue;
		printf("%s %u-%u:", dimension_names[dimension], from, value - 1);
		row_print(tables, dimension, row_of(tables, dimension, from));
		from = value;
	}
}

static uint32_t class_of(const struct tables *tables, int field, uint32_t value)
{
	return tables->lines[tables->root->field[field].table + value / 64].u8[value % 64];
}

static void field_print(const struct tables *tables, int field)
{
	uint32_t from = 0;

	for (uint32_t value = 1; value <= field_values[field]; value++) {
		if (value < field_values[field] &&
		    class_of(tables, field, value) == class_of(tables, field, from))
			continue;
		printf("%s %u-%u: kind %u\n", field_names[field], from, value - 1,
		       class_of(tables, field, from));
		from = value;
	}
}

/* Rows of the first mix, by the kinds of its fields: "mix proto=1 flags=0". */
static void mix_print(const struct tables *tables)
{
	const struct rules_root *root = tables->root;
	uint32_t kinds[RULES_FIELDS] = { 0 }, rows = 1;

	for (int i = 0; i < RULES_FIELDS; i++)
		for (uint32_t value = 0; root->fields >> i & 1 && value < field_values[i]; value++)
			if (class_of(tables, i, value) >= kinds[i])
				kinds[i] = class_of(tables, i, value) + 1;
	for (int i = 0; i < RULES_FIELDS; i++)
		rows *= kinds[i] ? kinds[i] : 1;
	for (uint32_t row = 0; row < rows; row++) {
		printf("mix");
		for (int i = 0; i < RULES_FIELDS; i++)
			if (kinds[i])
				printf(" %s=%u", field_names[i],
				       row / (uint32_t)root->field[i].stride[0] % kinds[i]);
		printf(":");
		row_print(tables, RULES_MIX, row_of(tables, RULES_MIX, row));
	}
}

static void records_print(const struct tables *tables)
{
	static const char *const actions[] = { "allow", "deny", "reject", "count",
					       "log",	"mark", "limit" };

	for (uint32_t rank = 0; rank < RULES_MAX; rank++)
		for (uint32_t i = 0; i < tables->root->words * 64; i++) {
			const struct rules_record *r = record(tables, i);

			if (r->rank != rank)
				continue;
			printf("rule %u: %s%s", rank + 1, actions[r->action],
			       r->flags & RULES_TELLS ? " tells" : "");
			if (r->flags & RULES_MARKS)
				printf(" marks 0x%x", r->mark);
			printf(", word %u%s\n", i / 64,
			       bit(tables->root->of_pass[RULES_EFFECT], i / 64) ? " of effects" :
			       bit(tables->root->of_pass[RULES_HOLD], i / 64)	? " of limits" :
										  "");
		}
}

static void tables_print(const struct tables *tables, uint32_t classes)
{
	uint32_t used = tables->root->used;

	records_print(tables);
	for (int i = RULES_SRC; i <= RULES_DST; i++)
		if (used >> i & 1)
			classes_print(tables, (enum rules_dimension)i, classes);
	for (int i = RULES_WIDE_FIRST; i < RULES_IFACE; i++)
		if (used >> i & 1)
			wide_print(tables, (enum rules_dimension)i);
	for (int i = 0; i < RULES_FIELDS; i++)
		if (tables->root->fields >> i & 1)
			field_print(tables, i);
	if (used >> RULES_MIX & 1)
		mix_print(tables);
}

int main(int argc, char **argv)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_image_ struct weir_image *image = NULL;
	uint32_t lines = 0, near = 0;

	if (argc != 2 || weir_file_read(argv[1], 1 << 20, &text) ||
	    weir_config_parse(weir_buf_str(&text), text.len, argv[1], &diag, &config) ||
	    weir_compile(config, &diag, &image))
		return 1;
	const struct weir_policy_head *head = (const void *)weir_image_lines(image, &lines);
	struct tables tables = {
		.root = (const void *)head->roots[WEIR_ROOT_RULES],
		.lines =
			weir_image_near(image, &near) + head->header.first_line[WEIR_SECTION_RULES],
	};

	tables_print(&tables, weir_image_class_count(image));
	return 0;
}
