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
#include "features/balance/balance_state.h"
#include "features/balance/health_set.h"

static uint32_t slot_lines(uint32_t slots)
{
	return (slots + BALANCE_SLOTS_EACH - 1) / BALANCE_SLOTS_EACH;
}

/* What the section means: those of all services in a row. */
struct meaning {
	const struct balance_section *section;
	const struct health_set *downs;
	uint32_t backend_count;
	struct balance_end *services, *backends;
	uint16_t *numbers; /* of backends */
	uint32_t *slots;   /* how many each service has */
	struct balance_plan plan;
	uint32_t cell_lines;
	struct balance_cell *cells;
};

static void meaning_done(struct meaning *meaning)
{
	free(meaning->services);
	free(meaning->backends);
	free(meaning->numbers);
	free(meaning->slots);
	free(meaning->cells);
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
	meaning->slots = calloc(section->service_count + 1ul, sizeof(*meaning->slots));
	return meaning->services && meaning->backends && meaning->numbers && meaning->slots ?
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

/* Each backend of a service, and the weight that it has now. NULL: out of memory. */
static struct balance_maglev_backend *shares_new(const struct meaning *meaning, unsigned index,
						 uint32_t row)
{
	const struct balance_text *text = &meaning->section->services[index];
	struct balance_maglev_backend *shares = calloc(text->backend_count + 1ul, sizeof(*shares));

	for (unsigned i = 0; shares && i < text->backend_count; i++)
		shares[i] = (struct balance_maglev_backend){
			.identity = &meaning->backends[row + i],
			.identity_len = sizeof(meaning->backends[row + i]),
			.weight = text->backends[i].weight,
			.number = meaning->numbers[row + i],
		};
	if (shares)
		health_set_apply(meaning->downs, text, &meaning->services[index],
				 &meaning->backends[row], shares);
	return shares;
}

/* Where only one gets connections, one slot says as much as 65,537. -ENOMEM. */
static int slots_count(const struct meaning *meaning, unsigned index, uint32_t row)
{
	_cleanup_free_ struct balance_maglev_backend *shares = shares_new(meaning, index, row);
	unsigned count = 0;

	if (!shares)
		return -ENOMEM;
	for (unsigned i = 0; i < meaning->section->services[index].backend_count; i++)
		count += shares[i].weight > 0;
	return count > 1 ? BALANCE_SLOTS : (int)count;
}

static int slots_read(struct meaning *meaning)
{
	uint32_t row = 0;

	for (unsigned i = 0; i < meaning->section->service_count; i++) {
		int count = slots_count(meaning, i, row);

		if (count < 0)
			return count;
		meaning->slots[i] = (uint32_t)count;
		row += meaning->section->services[i].backend_count;
	}
	return 0;
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

	return balance_cell_put(meaning->cells, meaning->cell_lines, &cell);
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
	int r = 0;

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		r = end_put(meaning, &meaning->services[i], BALANCE_SERVICE, i);
		for (unsigned j = 0; j < meaning->section->services[i].backend_count && !r; j++)
			r = backend_put(meaning, i, row++);
	}
	return r;
}

static int cells_make(struct meaning *meaning)
{
	uint32_t count = meaning->section->service_count + 2 * meaning->backend_count;
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
		.tallies = balance_rows_end(&meaning->plan.rows),
	};

	if (has_choices(meaning->section))
		head.choices = head.backends + head.backend_count;
	balance_sources_read(meaning->section, head.source);
	return head;
}

static int slots_write(const struct meaning *meaning, unsigned index,
		       const struct balance_maglev_backend *shares, struct balance_service *service,
		       uint16_t *slots)
{
	unsigned count = meaning->section->services[index].backend_count;

	if (meaning->slots[index] > 1)
		return balance_scheduler_write(&meaning->section->services[index], shares, service,
					       slots);
	service->slots = meaning->slots[index];
	for (unsigned i = 0; i < count && service->slots; i++)
		if (shares[i].weight)
			slots[0] = shares[i].number;
	return 0;
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

static int service_write(const struct meaning *meaning, unsigned index, uint32_t row, uint32_t slot,
			 struct weir_line *lines)
{
	_cleanup_free_ struct balance_maglev_backend *shares = shares_new(meaning, index, row);
	const struct balance_head *head = (const void *)lines;
	const struct balance_end *end = &meaning->services[index];
	struct balance_service *service = (void *)&lines[head->services + index];
	struct weir_addr source;

	if (!shares)
		return -ENOMEM;
	balance_source_read(meaning->section, index, NULL, &source); /* it has been checked */
	*service = (struct balance_service){
		.addr = end->addr,
		.source = source,
		.port = htobe16(end->port),
		.proto = end->proto,
		.forward = (uint8_t)meaning->section->services[index].forward,
		.slot = slot,
		.choice = balance_choice_flags(&meaning->section->services[index]),
	};
	int r = slots_write(meaning, index, shares, service, lines[slot].u16);

	choice_write(meaning, index, row, lines);
	for (unsigned i = 0; i < meaning->section->services[index].backend_count; i++) {
		struct balance_backend *backend = (void *)&lines[head->backends + row + i];

		*backend = (struct balance_backend){
			.addr = meaning->backends[row + i].addr,
			.port = htobe16(meaning->backends[row + i].port),
			.number = meaning->numbers[row + i],
			.service = index,
			.tally = meaning->plan.at[row + i].row,
			.weight = shares[i].weight,
		};
	}
	return r;
}

static size_t lines_count(const struct meaning *meaning, uint32_t first_slot)
{
	size_t count = first_slot;

	for (unsigned i = 0; i < meaning->section->service_count; i++)
		count += slot_lines(meaning->slots[i]);
	return count;
}

static int all_write(const struct meaning *meaning, struct weir_image *image)
{
	struct balance_head head = head_of(meaning);
	uint32_t slot = head.backends + head.backend_count +
			(head.choices ? head.service_count : 0),
		 row = 0;
	struct weir_line *lines = weir_image_section(image, WEIR_SECTION_BALANCE,
						     lines_count(meaning, slot) * sizeof(*lines));
	int r = lines ? 0 : -ENOMEM;

	if (r)
		return r;
	memcpy(lines, &head, sizeof(head));
	memcpy(weir_image_root(image, WEIR_ROOT_BALANCE), &head, sizeof(head));
	memcpy(&lines[head.cells], meaning->cells, head.lines * sizeof(*lines));
	for (unsigned i = 0; i < head.service_count && !r; i++) {
		r = service_write(meaning, i, row, slot, lines);
		slot += slot_lines(meaning->slots[i]);
		row += meaning->section->services[i].backend_count;
	}
	return r;
}

static int section_compile(struct weir_compile *compile, const struct balance_section *section)
{
	struct balance *state = compile->state;
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
		r = slots_read(&meaning);
	if (!r)
		r = balance_plan_new(section, meaning.services, meaning.backends, meaning.numbers,
				     state ? &state->counts : NULL, &meaning.plan);
	if (!r)
		r = cells_make(&meaning);
	if (!r)
		r = all_write(&meaning, compile->image);
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
	return r ? r : section_compile(compile, &live.acting);
}

/* NULL: it has no services. */
static const struct balance_head *head_in(const struct weir_image *image)
{
	uint32_t count;
	const struct weir_line *lines = image ? weir_image_lines(image, &count) : NULL;
	const struct weir_policy_head *head = (const void *)lines;
	uint32_t first = head ? head->header.first_line[WEIR_SECTION_BALANCE] : 0;

	return first ? (const void *)&lines[first] : NULL;
}

bool balance_is_in(const struct weir_image *image)
{
	return head_in(image);
}

bool balance_is_direct(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool is = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		is = is || services[i].forward != WEIR_FORWARD_NAT;
	return is;
}

static bool some_choose_by(const struct weir_image *image, enum balance_choice_flags flag)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool some = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		some = some || services[i].choice & flag;
	return some;
}

bool balance_counts_active(const struct weir_image *image)
{
	return some_choose_by(image, BALANCE_BY_ACTIVE);
}

bool balance_remembers(const struct weir_image *image)
{
	return some_choose_by(image, BALANCE_REMEMBERS);
}

bool balance_takes_turns(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool takes = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		takes = takes || services[i].takes_turns;
	return takes;
}

bool balance_hides_clients(const struct weir_image *image)
{
	const struct balance_head *head = head_in(image);
	const struct balance_service *services =
		head ? (const void *)((const struct weir_line *)head + head->services) : NULL;
	bool hides = false;

	for (uint32_t i = 0; head && i < head->service_count; i++)
		hides = hides || services[i].source.be64[0] || services[i].source.be64[1];
	return hides;
}
