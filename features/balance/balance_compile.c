/* SPDX-License-Identifier: Apache-2.0 */
/* From services as written to the lines that packets are sent on by (balance.h): all is read first,
 * then it is known how much room it takes, then it is written. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_live.h"
#include "features/balance/balance_meaning.h"
#include "features/balance/balance_reach.h"
#include "features/balance/health_set.h"

static bool has_choices(const struct balance_section *section)
{
	bool has = false;

	for (unsigned i = 0; i < section->service_count; i++)
		has = has || balance_choice_flags(&section->services[i]);
	return has;
}

static struct balance_head head_of(const struct balance_meaning *meaning)
{
	struct balance_head head = {
		.lines = meaning->cell_lines,
		.cells = 1 + meaning->address_lines,
		.services = balance_meaning_services_at(meaning),
		.backends = balance_meaning_services_at(meaning) + meaning->section->service_count,
		.service_count = meaning->section->service_count,
		.backend_count = meaning->backend_count,
		.tallies = meaning->plan.rows.room,
	};

	if (has_choices(meaning->section))
		head.choices = balance_meaning_tables_at(meaning) + meaning->tables.lines;
	balance_sources_read(meaning->section, head.source);
	return head;
}

/* Who has one slot has a line for it behind all others. Returns the line behind the last. */
static uint32_t ones_place(struct balance_meaning *meaning)
{
	struct balance_head head = head_of(meaning);
	uint32_t line = balance_meaning_tables_at(meaning) + meaning->tables.lines +
			(head.choices ? head.service_count : 0);

	for (unsigned i = 0; i < meaning->spreads.count; i++)
		if (meaning->spreads.at[i].slots == 1)
			meaning->spreads.at[i].line = line++;
	return line;
}

static void one_write(const struct balance_spread *spread, struct weir_line *lines)
{
	for (unsigned i = 0; i < spread->count; i++)
		if (spread->shares[i].weight)
			lines[spread->line].u16[0] = spread->shares[i].number;
}

static void backends_write(const struct balance_meaning *meaning, unsigned index, uint32_t row,
			   struct weir_line *lines)
{
	const struct balance_head *head = (const void *)lines;
	const struct balance_text *text = &meaning->section->services[index];

	for (unsigned i = row; i < row + text->backend_count; i++) {
		struct balance_backend *backend = (void *)&lines[head->backends + i];

		*backend = (struct balance_backend){
			.addr = meaning->backends[i].addr,
			.port = htobe16(meaning->backends[i].port),
			.number = meaning->numbers[i],
			.service = index,
			.shift = (uint16_t)(meaning->backends[i].port -
					    meaning->services[index].port),
			.tally = meaning->plan.at[i].row,
			.is_down =
				health_set_leaves(meaning->downs, text, &meaning->services[index],
						  &meaning->backends[i], &meaning->shares[i]),
			.weight = meaning->shares[i].weight,
		};
	}
}

static void choice_write(const struct balance_meaning *meaning, unsigned index, uint32_t row,
			 struct weir_line *lines)
{
	const struct balance_head *head = (const void *)lines;

	if (!head->choices)
		return;
	struct balance_choice *choice = (void *)&lines[head->choices + index];

	*choice = (struct balance_choice){
		.first = row,
		.count = meaning->section->services[index].backend_count,
	};
	balance_affinity_write(&meaning->section->services[index].affinity,
			       &meaning->services[index], choice);
}

static void service_write(const struct balance_meaning *meaning, unsigned index,
			  struct weir_line *lines)
{
	const struct balance_head *head = (const void *)lines;
	const struct balance_end *end = &meaning->services[index];
	const struct balance_text *text = &meaning->section->services[index];
	const struct balance_spread *spread = &meaning->spreads.at[index];
	struct balance_service *service = (void *)&lines[head->services + index];
	struct weir_addr source;

	balance_source_read(meaning->section, index, NULL, &source); /* it has been checked */
	*service = (struct balance_service){
		.addr = end->addr,
		.source = source,
		.port = htobe16(end->port),
		.proto = end->proto,
		.forward = (uint8_t)text->forward,
		.slots = spread->slots,
		.slot = spread->slots ? spread->line : 0,
		.choice = balance_choice_flags(text) |
			  (health_tunnels(text) ? BALANCE_TUNNELS_CHECKS : 0) |
			  (text->on_all_down == HEALTH_DROP ? 0 : BALANCE_REFUSES),
	};
	if (spread->slots > 1)
		balance_scheduler_write(text, service);
	else if (spread->slots)
		one_write(spread, lines);
}

static int all_write(const struct balance_meaning *meaning, uint32_t count,
		     struct weir_image *image)
{
	struct balance_head head = head_of(meaning);
	uint32_t row = 0;
	struct weir_line *lines =
		weir_image_section(image, WEIR_SECTION_BALANCE, count * sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	memcpy(lines, &head, sizeof(head));
	memcpy(weir_image_root(image, WEIR_ROOT_BALANCE), &head, sizeof(head));
	balance_meaning_addresses(meaning, &lines[1]);
	memcpy(&lines[head.cells], meaning->cells, head.lines * sizeof(*lines));
	balance_tables_write(&meaning->tables, balance_meaning_tables_at(meaning), lines);
	for (unsigned i = 0; i < head.service_count; i++) {
		service_write(meaning, i, lines);
		choice_write(meaning, i, row, lines);
		backends_write(meaning, i, row, lines);
		row += meaning->section->services[i].backend_count;
	}
	return 0;
}

/* What slots are made of, once the rest is not needed any more. */
struct slots_source {
	struct balance_end *backends;
	struct balance_maglev_backend *shares;
};

static void slots_source_free(void *of)
{
	struct slots_source *source = of;

	free(source->backends);
	free(source->shares);
	free(source);
}

static int parts_write(struct balance_meaning *meaning, struct weir_image *image)
{
	struct slots_source *source = calloc(1, sizeof(*source));
	int r = source ? balance_slots_parts(&meaning->spreads, source, slots_source_free, image) :
			 -ENOMEM;

	if (r) {
		free(source);
		return r;
	}
	*source = (struct slots_source){ weir_take(meaning->backends), weir_take(meaning->shares) };
	return 0;
}

static int image_write(struct balance_meaning *meaning, const struct balance_counts *counts,
		       struct weir_image *image)
{
	uint32_t behind = ones_place(meaning);
	int r = balance_slots_place(&meaning->spreads, behind, counts ? &counts->live : NULL,
				    &meaning->plan);

	if (!r)
		r = all_write(meaning, behind, image);
	return r ? r : parts_write(meaning, image);
}

static bool some_refuse(const struct balance_section *section)
{
	for (unsigned i = 0; i < section->service_count; i++)
		if (section->services[i].on_all_down != HEALTH_DROP)
			return true;
	return false;
}

static int section_compile(struct weir_compile *compile, const struct balance_section *section)
{
	static const struct balance_rows none;
	struct balance *state = compile->state;
	struct balance_counts *counts = state ? &state->counts : NULL;
	_cleanup_(balance_meaning_done) struct balance_meaning meaning = { 0 };

	if (!section->service_count) {
		if (state)
			balance_counts_next(&state->counts, &meaning.plan);
		return 0;
	}
	weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	if (some_refuse(section))
		weir_image_ask(compile->image, WEIR_ASK_ANSWERS);
	int r = balance_meaning_new(section, &meaning);

	meaning.downs = health_downs(compile->state);
	if (!r)
		r = balance_meaning_read(&meaning, compile->diag);
	if (!r)
		r = balance_meaning_number(&meaning, counts ? &counts->live.rows : &none);
	if (!r)
		r = balance_meaning_spread(&meaning);
	if (!r)
		r = balance_plan_new(section, meaning.services, meaning.backends, meaning.numbers,
				     counts, &meaning.plan);
	if (!r)
		r = balance_tables_new(section, meaning.services, meaning.backends,
				       &meaning.tables);
	if (!r)
		r = balance_meaning_cells(&meaning);
	if (!r)
		r = image_write(&meaning, counts, compile->image);
	if (!r && state)
		balance_counts_next(&state->counts, &meaning.plan);
	return r;
}

const struct balance_runtime *balance_runtime_of(const struct weir_compile *compile)
{
	static const struct balance_runtime none;
	const struct balance *state = compile->state;

	return compile->draft ? compile->draft : state ? state->runtime : &none;
}

int balance_compile(struct weir_compile *compile)
{
	const struct balance *state = compile->state;
	const struct balance_runtime *runtime = balance_runtime_of(compile);
	_cleanup_live_ struct balance_live live = { 0 };
	const struct weir_config *was = balance_leave_from(state);
	bool is_other = was && was != compile->config;
	int r = is_other ? balance_leave_next(compile->state,
					      was->sections[weir_feature_index(&weir_balance)],
					      compile->section) :
			   0;

	if (is_other && state->leave.next)
		runtime = state->leave.next;
	if (!r)
		r = balance_live_make(compile->section, runtime, &live);
	if (!r)
		r = balance_live_check(compile, runtime, &live);
	if (!r)
		balance_reach_advise(compile, &live.acting);
	return r ? r : section_compile(compile, &live.acting);
}
