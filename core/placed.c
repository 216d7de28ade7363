/* SPDX-License-Identifier: Apache-2.0 */
/* A slot is mapped a part at a time: mapping all of one that has gigabytes takes longer than most
 * changes do, and makes them look like memory of the daemon. */
#include "placed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

void weir_placed_done(struct weir_placed *placed)
{
	free(placed->at);
	*placed = (struct weir_placed){};
}

void weir_lines_unmap(struct weir_window *window)
{
	if (window->at)
		munmap(window->at, window->bytes);
	*window = (struct weir_window){};
}

struct weir_line *weir_lines_map(int fd, uint32_t line, uint32_t count,
				 struct weir_window *ret_window)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = (size_t)line * WEIR_LINE_BYTES;
	size_t from = begin / page * page;
	size_t bytes = (begin + (size_t)count * WEIR_LINE_BYTES - from + page - 1) / page * page;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)from);

	if (at == MAP_FAILED)
		return NULL;
	*ret_window = (struct weir_window){ at, bytes };
	return (void *)((uint8_t *)at + (begin - from));
}

static bool part_is(const struct weir_part *a, const struct weir_part *b)
{
	return a->line == b->line && a->lines == b->lines &&
	       memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

/* Whether it lies at its place already; *cursor goes along, as parts come by their lines. */
static bool placed_has(const struct weir_placed *placed, const struct weir_part *part,
		       uint32_t *cursor)
{
	while (*cursor < placed->count && placed->at[*cursor].line < part->line)
		++*cursor;
	return *cursor < placed->count && part_is(&placed->at[*cursor], part);
}

static int part_copy(const struct weir_placed_slot *live, const struct weir_part *part,
		     struct weir_line *lines)
{
	_cleanup_window_ struct weir_window window = {};
	const struct weir_line *from =
		weir_lines_map(live->fd, live->placed->base + part->line, part->lines, &window);

	if (!from)
		return -errno;
	memcpy(lines, from, (size_t)part->lines * WEIR_LINE_BYTES);
	return 0;
}

static int part_place(int fd, const struct weir_parts *parts, uint32_t index,
		      const struct weir_placed_slot *source)
{
	const struct weir_part *part = &parts->at[index];
	_cleanup_window_ struct weir_window window = {};
	struct weir_line *lines =
		weir_lines_map(fd, parts->base + part->line, part->lines, &window);

	if (!lines)
		return -errno;
	return source ? part_copy(source, part, lines) : parts->make(parts->of, index, lines);
}

static int placed_set(struct weir_placed *placed, const struct weir_parts *parts)
{
	struct weir_part *at = calloc(parts->count + 1ul, sizeof(*at));

	weir_placed_done(placed);
	if (!at)
		return -ENOMEM;
	if (parts->count)
		memcpy(at, parts->at, parts->count * sizeof(*at));
	*placed = (struct weir_placed){ parts->base, parts->count, at };
	return 0;
}

int weir_placed_fill(int fd, struct weir_placed *placed, const struct weir_parts *parts,
		     const struct weir_placed_slot *live)
{
	uint32_t own = 0, other = 0;
	int r = 0;

	if (placed->base != parts->base)
		weir_placed_done(placed);
	for (uint32_t i = 0; i < parts->count && !r; i++) {
		bool is_live = placed_has(live->placed, &parts->at[i], &other);

		if (!placed_has(placed, &parts->at[i], &own))
			r = part_place(fd, parts, i, is_live ? live : NULL);
	}
	if (!r)
		return placed_set(placed, parts);
	weir_placed_done(placed);
	return r;
}

static bool placed_equals(const struct weir_placed *placed, const struct weir_parts *parts)
{
	bool is_equal = placed->base == parts->base && placed->count == parts->count;

	for (uint32_t i = 0; is_equal && i < parts->count; i++)
		is_equal = part_is(&placed->at[i], &parts->at[i]);
	return is_equal;
}

static bool part_lies(int fd, const struct weir_parts *parts, uint32_t index,
		      struct weir_line *scratch)
{
	const struct weir_part *part = &parts->at[index];
	_cleanup_window_ struct weir_window window = {};
	const struct weir_line *lines =
		weir_lines_map(fd, parts->base + part->line, part->lines, &window);
	size_t bytes = (size_t)part->lines * WEIR_LINE_BYTES;

	memset(scratch, 0, bytes);
	return lines && parts->make(parts->of, index, scratch) == 0 &&
	       memcmp(lines, scratch, bytes) == 0;
}

static uint32_t lines_most(const struct weir_parts *parts)
{
	uint32_t most = 1;

	for (uint32_t i = 0; i < parts->count; i++)
		if (parts->at[i].lines > most)
			most = parts->at[i].lines;
	return most;
}

bool weir_placed_holds(int fd, struct weir_placed *placed, const struct weir_parts *parts)
{
	if (placed->at || !parts->count)
		return !parts->count || placed_equals(placed, parts);
	_cleanup_free_ struct weir_line *scratch =
		aligned_alloc(WEIR_LINE_BYTES, (size_t)lines_most(parts) * WEIR_LINE_BYTES);
	bool holds = scratch;

	for (uint32_t i = 0; holds && i < parts->count; i++)
		holds = part_lies(fd, parts, i, scratch);
	if (holds)
		placed_set(placed, parts);
	return holds;
}
