/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the data path reads them. */
#include <errno.h>
#include <string.h>

#include "features/limit/limit_state.h"

uint32_t limit_lines(uint32_t sources)
{
	return sources / LIMIT_WAYS + (sources % LIMIT_WAYS != 0);
}

/* By the name, so that counters go on when others come and go. Of two that meet, which is one pair
 * of thirty-two in nine, the later takes the next. */
void limit_count_rows(const struct limit_list *list, uint16_t rows[LIMITS_MAX])
{
	for (unsigned i = 0; i < list->count; i++) {
		struct limit_meaning meaning;
		bool is_taken = true;

		if (limit_read(list->at[i].text, "", NULL, &meaning)) /* it has been checked */
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

static void root_write(const struct limit_list *list, enum limit_look look, struct limit_root *root)
{
	for (unsigned i = 0; i < list->count; i++)
		for (int kind = 0; kind < LIMIT_KINDS; kind++)
			if (kinds_at(list->at[i].text, look) >> kind & 1)
				root->about[list->at[i].text->direction][kind] |= 1U << i;
}

static int limit_write(struct weir_compile *compile, const struct limit_text *text, uint16_t count,
		       struct weir_line *lines)
{
	struct limit_meaning meaning;
	int r = limit_read(text, "", compile->diag, &meaning);

	if (r)
		return r;
	if (limit_needs_tracking(text))
		weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	meaning.row.count = count;
	memcpy(&lines[0], &meaning.row, sizeof(meaning.row));
	memcpy(&lines[1], &meaning.ports, sizeof(meaning.ports));
	return 0;
}

int limit_compile(struct weir_compile *compile)
{
	struct limit_list list;
	uint16_t rows[LIMITS_MAX];
	int r = 0;

	limit_list_make(compile->section, &list);
	if (!list.count)
		return 0;
	struct weir_line *lines = weir_image_section(compile->image, WEIR_SECTION_LIMIT,
						     LIMIT_LINES * sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	limit_count_rows(&list, rows);
	for (int look = 0; look < LIMIT_LOOKS; look++)
		root_write(&list, look, (void *)&lines[look]);
	for (unsigned i = 0; i < list.count && !r; i++)
		r = limit_write(compile, list.at[i].text, rows[i], &lines[LIMIT_ROW_LINE(i)]);
	return r;
}

const struct limit_root *limit_root_of(const struct weir_image *image, enum limit_look look)
{
	uint32_t count;

	if (!image)
		return NULL;
	const struct weir_policy_head *head = (const void *)weir_image_lines(image, &count);
	uint32_t first = head->header.first_line[WEIR_SECTION_LIMIT];

	return first ? (const void *)&weir_image_near(image, &count)[first + look] : NULL;
}
