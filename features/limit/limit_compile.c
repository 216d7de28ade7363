/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the data path reads them. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
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
	for (unsigned i = 0; i < list->count; i++)
		for (int level = list->at[i].text->when; level < WEIR_ALARMS; level++)
			root->acts[level] |= 1U << i;
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

/* What cannot act is refused where somebody is there to mend it, else told of. */
static int runtime_refuse(const struct weir_compile *compile, const struct limit *state,
			  const char *key, const char *mend, const char *what)
{
	if (state->config && !compile->is_unasked)
		return weir_diag_key(compile->diag, key, mend, "%s", what);
	weir_diag_warning_key(compile->diag, key, mend, "%s", what);
	return 0;
}

/* Those of run time beside a new configuration, which was made without knowing of them. */
static int runtime_check(const struct weir_compile *compile, const struct limit_runtime *runtime,
			 const struct limit_list *list)
{
	const struct limit *state = compile->state;
	int r = 0;

	if (!state || state->config == compile->config)
		return 0;
	if (list->left_out)
		r = runtime_refuse(compile, state, "limit.limits",
				   "weir limit del takes away what is not needed",
				   "with those of run time there are more than 32 limits");
	for (unsigned i = 0; i < runtime->count && !r; i++) {
		const struct limit_text *text = &runtime->at[i];
		const struct limit_entry *acting = limit_list_find(list, text->name);
		_cleanup_buf_ struct weir_buf what = { 0 };

		weir_buf_addf(&what, "a limit of run time has the name '%s' already", text->name);
		if (acting && acting->origin == LIMIT_FROM_FILE)
			r = runtime_refuse(compile, state, "limit.limits",
					   "weir limit del it, or give this one another name",
					   weir_buf_str(&what));
		if (!r)
			r = limit_needs_check(compile->config, text, "", compile->diag);
	}
	return r;
}

int limit_compile(struct weir_compile *compile)
{
	static const struct limit_runtime none;
	const struct limit *state = compile->state;
	const struct limit_runtime *runtime = compile->draft ? compile->draft :
					      state	     ? &state->runtime :
							       &none;
	struct limit_list list;
	uint16_t rows[LIMITS_MAX];

	limit_list_make(compile->section, runtime, &list);
	int r = runtime_check(compile, runtime, &list);

	if (r || !list.count)
		return r;
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
