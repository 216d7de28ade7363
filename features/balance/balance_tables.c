/* SPDX-License-Identifier: Apache-2.0 */
/* What has several ports as packets find it: by address and protocol among the cells, then by port
 * in lines of its own (struct balance_wide). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "features/balance/balance_wide.h"

/* What has every port stands behind the ranges. */
static int span_compare(const void *a, const void *b)
{
	const struct balance_span *x = a, *y = b;
	int order = memcmp(&x->end.addr, &y->end.addr, sizeof(x->end.addr));

	if (!order)
		order = x->end.proto - y->end.proto;
	if (!order)
		order = x->is_backend - y->is_backend;
	if (!order)
		order = !x->end.port - !y->end.port;
	return order ? order : x->end.port - y->end.port;
}

static bool is_of_table(const struct balance_span *a, const struct balance_span *b)
{
	return a->end.proto == b->end.proto && a->is_backend == b->is_backend &&
	       memcmp(&a->end.addr, &b->end.addr, sizeof(a->end.addr)) == 0;
}

/* How many spans the table has that begins at `at`. */
static uint32_t table_count(const struct balance_tables *tables, uint32_t at)
{
	uint32_t count = 1;

	while (at + count < tables->count &&
	       is_of_table(&tables->spans[at], &tables->spans[at + count]))
		count++;
	return count;
}

static uint32_t ranges_count(const struct balance_span *spans, uint32_t count)
{
	return spans[count - 1].end.port ? count : count - 1;
}

static uint32_t leaves_count(const struct balance_span *spans, uint32_t count)
{
	return (ranges_count(spans, count) + BALANCE_RANGES_EACH - 1) / BALANCE_RANGES_EACH;
}

static void spans_read(const struct balance_section *section, const struct balance_end *services,
		       const struct balance_end *backends, struct balance_tables *tables)
{
	uint32_t row = 0;

	for (unsigned i = 0; i < section->service_count; i++) {
		const struct balance_text *text = &section->services[i];

		for (int j = -1; j < (int)text->backend_count; j++) {
			const struct balance_end *end = j < 0 ? &services[i] : &backends[row + j];
			struct balance_span span = balance_span_of(i, j, &services[i], end);

			span.row = j < 0 ? i : row + (uint32_t)j;
			if (balance_end_is_wide(end) &&
			    (j < 0 || text->forward == WEIR_FORWARD_NAT))
				tables->spans[tables->count++] = span;
		}
		row += text->backend_count;
	}
}

int balance_tables_new(const struct balance_section *section, const struct balance_end *services,
		       const struct balance_end *backends, struct balance_tables *ret_tables)
{
	struct balance_tables tables = { 0 };
	size_t room = 1;

	for (unsigned i = 0; i < section->service_count; i++)
		if (balance_end_is_wide(&services[i]))
			room += 1 + section->services[i].backend_count;
	tables.spans = calloc(room, sizeof(*tables.spans));
	if (!tables.spans)
		return -ENOMEM;
	spans_read(section, services, backends, &tables);
	qsort(tables.spans, tables.count, sizeof(*tables.spans), span_compare);
	for (uint32_t at = 0, count; at < tables.count; at += count) {
		count = table_count(&tables, at);
		tables.tables++;
		tables.lines += 1 + leaves_count(&tables.spans[at], count);
	}
	*ret_tables = tables;
	return 0;
}

void balance_tables_done(struct balance_tables *tables)
{
	free(tables->spans);
	*tables = (struct balance_tables){ 0 };
}

int balance_tables_put(const struct balance_tables *tables, uint32_t line,
		       struct balance_cell *cells, uint32_t cell_lines)
{
	int r = 0;

	for (uint32_t at = 0, count; at < tables->count && !r; at += count) {
		const struct balance_span *span = &tables->spans[at];
		const struct balance_cell cell = {
			.addr = span->end.addr,
			.proto = span->end.proto,
			.kind = span->is_backend ? BALANCE_WIDE_BACKEND : BALANCE_WIDE_SERVICE,
			.row = line,
		};

		count = table_count(tables, at);
		r = balance_cell_put(cells, cell_lines, &cell);
		line += 1 + leaves_count(span, count);
	}
	return r;
}

static void leaf_write(const struct balance_span *spans, uint32_t count,
		       struct balance_range ranges[BALANCE_RANGES_EACH])
{
	for (uint32_t i = 0; i < BALANCE_RANGES_EACH; i++)
		ranges[i] = i < count ? (struct balance_range){ spans[i].end.port,
								spans[i].end.last, spans[i].row } :
					(struct balance_range){ .first = UINT16_MAX };
}

static void table_write(const struct balance_span *spans, uint32_t count, uint32_t line,
			struct weir_line *lines)
{
	struct balance_wide *wide = (void *)&lines[line];
	uint32_t ranges = ranges_count(spans, count);

	*wide = (struct balance_wide){
		.all = ranges < count ? spans[ranges].row + 1 : 0,
		.leaf = line + 1,
		.leaves = (uint16_t)leaves_count(spans, count),
	};
	memset(wide->firsts, 0xff, sizeof(wide->firsts));
	for (uint32_t i = 0; i < wide->leaves; i++) {
		uint32_t at = i * BALANCE_RANGES_EACH;

		wide->firsts[i] = spans[at].end.port;
		leaf_write(&spans[at], ranges - at, (void *)&lines[wide->leaf + i]);
	}
}

void balance_tables_write(const struct balance_tables *tables, uint32_t line,
			  struct weir_line *lines)
{
	for (uint32_t at = 0, count; at < tables->count; at += count) {
		count = table_count(tables, at);
		table_write(&tables->spans[at], count, line, lines);
		line += 1 + leaves_count(&tables->spans[at], count);
	}
}
