/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the data path reads them. */
#include <errno.h>
#include <string.h>

#include "features/limit/limit_state.h"

uint32_t limit_lines(const struct limit_section *section)
{
	if (!section->limit_count)
		return 0;
	return section->sources / LIMIT_WAYS + (section->sources % LIMIT_WAYS != 0);
}

/* By the name, so that counters go on when others come and go. Of two that meet, which is one pair
 * of thirty-two in nine, the later takes the next. */
void limit_count_rows(const struct limit_section *section, uint16_t rows[LIMITS_MAX])
{
	for (unsigned i = 0; i < section->limit_count; i++) {
		struct limit_meaning meaning;
		bool is_taken = true;

		if (limit_read(&section->limits[i], i, NULL,
			       &meaning)) /* limit_check() has seen it */
			continue;
		rows[i] = (uint16_t)(meaning.row.id % LIMIT_COUNT_ROWS);
		while (is_taken) {
			is_taken = false;
			for (unsigned j = 0; j < i; j++)
				is_taken |= rows[j] == rows[i];
			if (is_taken)
				rows[i] = (uint16_t)((rows[i] + 1) % LIMIT_COUNT_ROWS);
		}
	}
}

static uint32_t kinds_of(const struct limit_text *text)
{
	static const uint32_t of_proto[] = {
		[LIMIT_PROTO_ANY] = (1 << LIMIT_KINDS) - 1,
		[LIMIT_PROTO_ICMP] = 1 << LIMIT_KIND_ICMP,
		[LIMIT_PROTO_TCP] = 1 << LIMIT_KIND_TCP_SYN | 1 << LIMIT_KIND_TCP,
		[LIMIT_PROTO_UDP] = 1 << LIMIT_KIND_UDP,
	};
	bool only_begins = text->connections || text->flags == LIMIT_FLAGS_SYN;

	return of_proto[text->proto] & ~(only_begins ? 1U << LIMIT_KIND_TCP : 0);
}

/* Those that a look is asked about. */
static uint32_t kinds_at(const struct limit_text *text, enum limit_look look)
{
	uint32_t kinds = kinds_of(text), seen_at_once = 1 << LIMIT_KIND_TCP_SYN;

	if (!text->connections)
		return look == LIMIT_LOOK_PACKETS ? kinds : 0;
	return look == LIMIT_LOOK_PACKETS ? kinds & seen_at_once : kinds & ~seen_at_once;
}

bool limit_needs_tracking(const struct limit_text *text)
{
	return kinds_at(text, LIMIT_LOOK_BEGINNINGS) != 0;
}

static void root_write(const struct limit_section *section, enum limit_look look,
		       struct limit_root *root)
{
	for (unsigned i = 0; i < section->limit_count; i++)
		for (int kind = 0; kind < LIMIT_KINDS; kind++)
			if (kinds_at(&section->limits[i], look) >> kind & 1)
				root->about[section->limits[i].direction][kind] |= 1U << i;
}

int limit_compile(struct weir_compile *compile)
{
	const struct limit_section *section = compile->section;
	uint16_t rows[LIMITS_MAX];

	if (!section->limit_count)
		return 0;
	struct weir_line *lines = weir_image_section(compile->image, WEIR_SECTION_LIMIT,
						     LIMIT_LINES * sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	limit_count_rows(section, rows);
	for (int look = 0; look < LIMIT_LOOKS; look++)
		root_write(section, look, (void *)&lines[look]);
	for (unsigned i = 0; i < section->limit_count; i++) {
		struct limit_meaning meaning;
		int r = limit_read(&section->limits[i], i, compile->diag, &meaning);

		if (r)
			return r;
		meaning.row.count = rows[i];
		if (limit_needs_tracking(&section->limits[i]))
			weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
		memcpy(&lines[LIMIT_ROW_LINE(i)], &meaning.row, sizeof(meaning.row));
		memcpy(&lines[LIMIT_PORTS_LINE(i)], &meaning.ports, sizeof(meaning.ports));
	}
	return 0;
}
