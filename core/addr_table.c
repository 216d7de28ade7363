/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects ranges and drives the compiler: sweep, single addresses, trees. Looking up is
 * addr_lookup.c's.
 */
#include "addr_table.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "addr_hosts.h"
#include "addr_sweep.h"

#define RANGES_MAX (1U << 30)

struct weir_addr_table {
	struct weir_range4 *range4;
	struct weir_range6 *range6;
	uint32_t count4, capacity4;
	uint32_t count6, capacity6;
};

struct weir_addr_table *weir_addr_table_new(void)
{
	return calloc(1, sizeof(struct weir_addr_table));
}

void weir_addr_table_free(struct weir_addr_table *table)
{
	if (!table)
		return;
	free(table->range4);
	free(table->range6);
	free(table);
}

static int ranges_reserve(void **array, size_t size, uint32_t count, uint32_t *capacity)
{
	if (count < *capacity)
		return 0;
	if (count >= RANGES_MAX)
		return -E2BIG;

	uint32_t wanted = *capacity ? 2 * *capacity : 64;
	void *grown = realloc(*array, wanted * size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

static int range4_add(struct weir_addr_table *table, uint32_t from, uint32_t to, uint32_t label)
{
	int r = ranges_reserve((void **)&table->range4, sizeof(*table->range4), table->count4,
			       &table->capacity4);

	if (r < 0)
		return r;
	table->range4[table->count4++] =
		(struct weir_range4){ .from = from, .to = to, .label = label };
	return 0;
}

static int range6_add(struct weir_addr_table *table, const struct weir_range6 *range)
{
	int r = ranges_reserve((void **)&table->range6, sizeof(*table->range6), table->count6,
			       &table->capacity6);

	if (r < 0)
		return r;
	table->range6[table->count6++] = *range;
	return 0;
}

static bool is_mapped(uint64_t high, uint64_t low)
{
	return high == 0 && low >> 32 == 0xffff;
}

int weir_addr_table_add(struct weir_addr_table *table, const struct weir_addr *from,
			const struct weir_addr *to, uint32_t label)
{
	struct weir_range6 range = {
		.from_high = be64toh(from->be64[0]),
		.from_low = be64toh(from->be64[1]),
		.to_high = be64toh(to->be64[0]),
		.to_low = be64toh(to->be64[1]),
		.label = label,
	};

	if (label >= WEIR_LABELS_END || range.from_high > range.to_high ||
	    (range.from_high == range.to_high && range.from_low > range.to_low))
		return -EINVAL;
	if (is_mapped(range.from_high, range.from_low) && is_mapped(range.to_high, range.to_low))
		return range4_add(table, (uint32_t)range.from_low, (uint32_t)range.to_low, label);
	return range6_add(table, &range);
}

static int compile4(const struct weir_addr_table *table, struct weir_lines *lines,
		    struct weir_addr_classes *classes, struct weir_addr_root *root)
{
	_cleanup_free_ struct weir_step4 *steps = NULL;
	uint32_t count;
	int r = weir_sweep4(table->range4, table->count4, classes, &steps, &count);

	if (r < 0 || !count)
		return r;
	root->index4 = lines->first + offsetof(struct weir_addr_head, index4) / WEIR_LINE_BYTES;
	return weir_tree4_build(lines, root->index4, steps, count);
}

/* Whether the step is of one address, so that it can be a host: the next one starts right behind
 * it. */
static bool step6_is_host(const struct weir_step6 *step, const struct weir_step6 *next)
{
	return next->low == step->low + 1 && next->high == step->high + (next->low == 0);
}

static int hosts6_collect(const struct weir_step6 *steps, uint32_t count,
			  struct weir_host6 **ret_hosts, uint32_t *ret_count)
{
	struct weir_host6 *hosts = malloc((count + 1ULL) * sizeof(*hosts));
	uint32_t n = 0;

	if (!hosts)
		return -ENOMEM;
	for (uint32_t i = 0; i + 1 < count; i++)
		if (step6_is_host(&steps[i], &steps[i + 1]))
			hosts[n++] = (struct weir_host6){
				.high = steps[i].high,
				.low = steps[i].low,
				.class = steps[i].class,
			};
	*ret_hosts = hosts;
	*ret_count = n;
	return 0;
}

/* Take out the steps that are hosts with a place of their own. What the tree says of those
 * addresses no longer matters. */
static uint32_t steps6_strip(struct weir_step6 *steps, uint32_t count,
			     const struct weir_host6 *hosts)
{
	uint32_t n = 0, last = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (i + 1 < count && step6_is_host(&steps[i], &steps[i + 1]) && (hosts++)->placed)
			continue;
		if (steps[i].class == last)
			continue;
		last = steps[i].class;
		steps[n++] = steps[i];
	}
	return n;
}

static int compile6(const struct weir_addr_table *table, struct weir_lines *lines,
		    struct weir_addr_classes *classes, struct weir_addr_root *root)
{
	_cleanup_free_ struct weir_step6 *steps = NULL;
	_cleanup_free_ struct weir_host6 *hosts = NULL;
	uint32_t count, host_count;
	int r = weir_sweep6(table->range6, table->count6, classes, &steps, &count);

	if (r < 0)
		return r;
	r = hosts6_collect(steps, count, &hosts, &host_count);
	if (r < 0)
		return r;
	r = weir_hosts6_build(lines, hosts, host_count, root);
	if (r < 0)
		return r;
	count = steps6_strip(steps, count, hosts);
	if (!count)
		return 0;
	root->index6 = lines->first + offsetof(struct weir_addr_head, index6) / WEIR_LINE_BYTES;
	return weir_tree6_build(lines, root->index6, steps, count);
}

static void lines_done(struct weir_lines *lines)
{
	weir_lines_done(lines);
}

static void classes_done(struct weir_addr_classes *classes)
{
	weir_classes_done(classes);
}

int weir_addr_table_compile(const struct weir_addr_table *table, uint32_t first_line,
			    struct weir_addr_compiled *ret_compiled)
{
	_cleanup_(lines_done) struct weir_lines lines = { .first = first_line };
	_cleanup_(classes_done) struct weir_addr_classes classes = {};
	struct weir_addr_root root = {};
	uint32_t root_line;
	int r = weir_classes_init(&classes);

	if (r == 0)
		r = weir_lines_add(&lines, sizeof(struct weir_addr_head) / WEIR_LINE_BYTES,
				   &root_line);
	if (r == 0)
		r = compile4(table, &lines, &classes, &root);
	if (r == 0)
		r = compile6(table, &lines, &classes, &root);
	if (r < 0)
		return r;
	*(struct weir_addr_root *)weir_lines_at(&lines, root_line) = root;
	*ret_compiled = (struct weir_addr_compiled){
		.line = weir_take(lines.line),
		.first_line = first_line,
		.line_count = lines.count,
		.classes = classes,
	};
	classes = (struct weir_addr_classes){};
	return 0;
}

void weir_addr_compiled_done(struct weir_addr_compiled *compiled)
{
	free(compiled->line);
	weir_classes_done(&compiled->classes);
	*compiled = (struct weir_addr_compiled){};
}
