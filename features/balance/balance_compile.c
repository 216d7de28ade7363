/* SPDX-License-Identifier: Apache-2.0 */
/* From services as written to the lines that packets are sent on by (balance.h): all is read first,
 * then it is known how much room it takes, then it is written. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_live.h"
#include "features/balance/balance_maglev.h"
#include "features/balance/balance_slots.h"
#include "features/balance/balance_reach.h"
#include "features/balance/balance_state.h"
#include "features/balance/balance_wide.h"
#include "features/balance/health_set.h"

/* What the section means: those of all services in a row. */
struct meaning {
	const struct balance_section *section;
	const struct health_set *downs;
	uint32_t backend_count;
	struct balance_end *services, *backends;
	uint16_t *numbers; /* of backends */
	struct balance_maglev_backend *shares;
	struct balance_spreads spreads; /* of services */
	struct balance_plan plan;
	uint32_t cell_lines;
	struct balance_cell *cells;
	struct balance_tables tables;
};

static void meaning_done(struct meaning *meaning)
{
	free(meaning->services);
	free(meaning->backends);
	free(meaning->numbers);
	free(meaning->shares);
	free(meaning->spreads.at);
	free(meaning->cells);
	balance_tables_done(&meaning->tables);
	balance_plan_done(&meaning->plan);
}

static int meaning_new(const struct balance_section *section, struct meaning *meaning)
{
	*meaning = (struct meaning){ .section = section };
	for (unsigned i = 0; i < section->service_count; i++)
		meaning->backend_count += section->services[i].backend_count;
	meaning->services = calloc(section->service_count + 1ul, sizeof(*meaning->services));
	meaning->backends = calloc(meaning->backend_count + 1ul, sizeof(*meaning->backends));
	meaning->numbers = calloc(meaning->backend_count + 1ul, sizeof(*meaning->numbers));
	meaning->shares = calloc(meaning->backend_count + 1ul, sizeof(*meaning->shares));
	meaning->spreads.count = section->service_count;
	meaning->spreads.at = calloc(section->service_count + 1ul, sizeof(*meaning->spreads.at));
	return meaning->services && meaning->backends && meaning->numbers && meaning->shares &&
			       meaning->spreads.at ?
		       0 :
		       -ENOMEM;
}

static int meaning_read(struct meaning *meaning, struct weir_diag *diag)
{
	uint32_t row = 0;
	int r = 0;

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		unsigned count = meaning->section->services[i].backend_count;

		r = balance_service_read(meaning->section, i, diag, &meaning->services[i]);
		for (unsigned j = 0; j < count && !r; j++)
			r = balance_backend_read(meaning->section, i, j, diag,
						 &meaning->backends[row + j]);
		if (!r)
			r = balance_numbers(&meaning->backends[row], count, &meaning->numbers[row]);
		row += count;
	}
	return r;
}

/* Each backend of a service, and the weight that it has now. */
static void shares_read(struct meaning *meaning, unsigned index, uint32_t row)
{
	const struct balance_text *text = &meaning->section->services[index];
	struct balance_maglev_backend *shares = &meaning->shares[row];

	for (unsigned i = 0; i < text->backend_count; i++)
		shares[i] = (struct balance_maglev_backend){
			.identity = &meaning->backends[row + i],
			.identity_len = sizeof(meaning->backends[row + i]),
			.weight = text->backends[i].weight,
			.number = meaning->numbers[row + i],
		};
	health_set_apply(meaning->downs, text, &meaning->services[index], &meaning->backends[row],
			 shares);
}

static int spreads_read(struct meaning *meaning)
{
	uint32_t row = 0;

	for (unsigned i = 0; i < meaning->section->service_count; i++) {
		const struct balance_text *text = &meaning->section->services[i];
		struct balance_spread *spread = &meaning->spreads.at[i];

		shares_read(meaning, i, row);
		*spread = (struct balance_spread){ .scheduler = text->scheduler,
						   .shares = &meaning->shares[row],
						   .count = text->backend_count };
		int slots =
			balance_scheduler_slots(spread->scheduler, spread->shares, spread->count);

		if (slots < 0)
			return slots;
		spread->slots = (uint32_t)slots;
		row += text->backend_count;
	}
	return 0;
}

/* Where the lines of those with several ports begin. */
static uint32_t tables_at(const struct meaning *meaning)
{
	return 1 + meaning->cell_lines + meaning->section->service_count + meaning->backend_count;
}

static int end_put(struct meaning *meaning, const struct balance_end *end, enum balance_kind kind,
		   uint32_t row)
{
	const struct balance_cell cell = {
		.addr = end->addr,
		.port = htobe16(end->port),
		.proto = end->proto,
		.kind = (uint8_t)kind,
		.row = row,
	};

	return balance_end_is_wide(end) ?
		       0 :
		       balance_cell_put(meaning->cells, meaning->cell_lines, &cell);
}

static int backend_put(struct meaning *meaning, uint32_t service, uint32_t row)
{
	struct balance_cell cell = {
		.port = meaning->numbers[row],
		.kind = BALANCE_NUMBER,
		.row = row,
	};

	cell.addr.be32[3] = service;
	/* Only who is translated to is met under his own address. */
	int r = meaning->section->services[service].forward == WEIR_FORWARD_NAT ?
			end_put(meaning, &meaning->backends[row], BALANCE_BACKEND, row) :
			0;

	return r ? r : balance_cell_put(meaning->cells, meaning->cell_lines, &cell);
}

/* -ENOSPC: somewhere too many have the same place. */
static int cells_put(struct meaning *meaning)
{
	uint32_t row = 0;
	int r = balance_tables_put(&meaning->tables, tables_at(meaning), meaning->cells,
				   meaning->cell_lines);

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		r = end_put(meaning, &meaning->services[i], BALANCE_SERVICE, i);
		for (unsigned j = 0; j < meaning->section->services[i].backend_count && !r; j++)
			r = backend_put(meaning, i, row++);
	}
	return r;
}

static int cells_make(struct meaning *meaning)
{
	uint32_t count = meaning->section->service_count + 2 * meaning->backend_count +
			 meaning->tables.tables;
	int r = -ENOSPC;

	for (meaning->cell_lines = balance_cell_lines(count); r == -ENOSPC;
	     meaning->cell_lines *= 2) {
		free(meaning->cells);
		meaning->cells = calloc(meaning->cell_lines, sizeof(struct weir_line));
		if (!meaning->cells)
			return -ENOMEM;
		r = cells_put(meaning);
		if (!r)
			break;
	}
	return r;
}

static bool has_choices(const struct balance_section *section)
{
	bool has = false;

	for (unsigned i = 0; i < section->service_count; i++)
		has = has || balance_choice_flags(&section->services[i]);
	return has;
}

static struct balance_head head_of(const struct meaning *meaning)
{
	struct balance_head head = {
		.lines = meaning->cell_lines,
		.cells = 1,
		.services = 1 + meaning->cell_lines,
		.backends = 1 + meaning->cell_lines + meaning->section->service_count,
		.service_count = meaning->section->service_count,
		.backend_count = meaning->backend_count,
		.tallies = meaning->plan.rows.room,
	};

	if (has_choices(meaning->section))
		head.choices = tables_at(meaning) + meaning->tables.lines;
	balance_sources_read(meaning->section, head.source);
	return head;
}

/* Who has one slot has a line for it behind all others. Returns the line behind the last. */
static uint32_t ones_place(struct meaning *meaning)
{
	struct balance_head head = head_of(meaning);
	uint32_t line = tables_at(meaning) + meaning->tables.lines +
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

static void backends_write(const struct meaning *meaning, unsigned index, uint32_t row,
			   struct weir_line *lines)
{
	const struct balance_head *head = (const void *)lines;

	for (unsigned i = row; i < row + meaning->section->services[index].backend_count; i++) {
		struct balance_backend *backend = (void *)&lines[head->backends + i];

		*backend = (struct balance_backend){
			.addr = meaning->backends[i].addr,
			.port = htobe16(meaning->backends[i].port),
			.number = meaning->numbers[i],
			.service = index,
			.shift = (uint16_t)(meaning->backends[i].port -
					    meaning->services[index].port),
			.tally = meaning->plan.at[i].row,
			.weight = meaning->shares[i].weight,
		};
	}
}

static void choice_write(const struct meaning *meaning, unsigned index, uint32_t row,
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

static void service_write(const struct meaning *meaning, unsigned index, struct weir_line *lines)
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
		.choice = balance_choice_flags(text),
	};
	if (spread->slots > 1)
		balance_scheduler_write(text, service);
	else if (spread->slots)
		one_write(spread, lines);
}

static int all_write(const struct meaning *meaning, uint32_t count, struct weir_image *image)
{
	struct balance_head head = head_of(meaning);
	uint32_t row = 0;
	struct weir_line *lines =
		weir_image_section(image, WEIR_SECTION_BALANCE, count * sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	memcpy(lines, &head, sizeof(head));
	memcpy(weir_image_root(image, WEIR_ROOT_BALANCE), &head, sizeof(head));
	memcpy(&lines[head.cells], meaning->cells, head.lines * sizeof(*lines));
	balance_tables_write(&meaning->tables, tables_at(meaning), lines);
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

static int parts_write(struct meaning *meaning, struct weir_image *image)
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

static int image_write(struct meaning *meaning, const struct balance_counts *counts,
		       struct weir_image *image)
{
	uint32_t behind = ones_place(meaning);
	int r = balance_slots_place(&meaning->spreads, behind, counts ? &counts->live : NULL,
				    &meaning->plan);

	if (!r)
		r = all_write(meaning, behind, image);
	return r ? r : parts_write(meaning, image);
}

static int section_compile(struct weir_compile *compile, const struct balance_section *section)
{
	struct balance *state = compile->state;
	struct balance_counts *counts = state ? &state->counts : NULL;
	_cleanup_(meaning_done) struct meaning meaning = { 0 };

	if (!section->service_count) {
		if (state)
			balance_counts_next(&state->counts, &meaning.plan);
		return 0;
	}
	weir_image_ask(compile->image, WEIR_ASK_CONNECTIONS);
	int r = meaning_new(section, &meaning);

	meaning.downs = health_downs(compile->state);
	if (!r)
		r = meaning_read(&meaning, compile->diag);
	if (!r)
		r = spreads_read(&meaning);
	if (!r)
		r = balance_plan_new(section, meaning.services, meaning.backends, meaning.numbers,
				     counts, &meaning.plan);
	if (!r)
		r = balance_tables_new(section, meaning.services, meaning.backends,
				       &meaning.tables);
	if (!r)
		r = cells_make(&meaning);
	if (!r)
		r = image_write(&meaning, counts, compile->image);
	if (!r && state)
		balance_counts_next(&state->counts, &meaning.plan);
	return r;
}

int balance_compile(struct weir_compile *compile)
{
	static const struct balance_runtime none;
	const struct balance *state = compile->state;
	const struct balance_runtime *runtime = compile->draft ? compile->draft :
						state	       ? state->runtime :
								 &none;
	_cleanup_live_ struct balance_live live = { 0 };
	int r = balance_live_make(compile->section, runtime, NULL, &live);

	if (!r)
		r = balance_live_check(compile, runtime, &live);
	if (!r)
		balance_reach_advise(compile, &live.acting);
	return r ? r : section_compile(compile, &live.acting);
}
