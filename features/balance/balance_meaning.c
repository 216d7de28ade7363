/* SPDX-License-Identifier: Apache-2.0 */
/* What services mean, before any of it is written: ends, numbers, shares, and the cells by which
 * packets find them. */
#include "features/balance/balance_meaning.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "features/balance/health_set.h"

void balance_meaning_done(struct balance_meaning *meaning)
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

int balance_meaning_new(const struct balance_section *section, struct balance_meaning *meaning)
{
	*meaning = (struct balance_meaning){ .section = section };
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

int balance_meaning_read(struct balance_meaning *meaning, struct weir_diag *diag)
{
	uint32_t row = 0;
	int r = 0;

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		unsigned count = meaning->section->services[i].backend_count;

		r = balance_service_read(meaning->section, i, diag, &meaning->services[i]);
		for (unsigned j = 0; j < count && !r; j++)
			r = balance_backend_read(meaning->section, i, j, diag,
						 &meaning->backends[row + j]);
		row += count;
	}
	return r;
}

/* What a backend is called by flows that live. */
static uint16_t number_held(const struct balance_rows *rows, const struct balance_end *service,
			    const struct balance_end *backend)
{
	const struct balance_tally_row *row =
		balance_rows_row(rows, balance_identity(service, backend));

	if (!row)
		return 0;
	return row->number ? row->number : balance_number_wanted(backend);
}

int balance_meaning_number(struct balance_meaning *meaning, const struct balance_rows *before)
{
	_cleanup_free_ uint16_t *held = calloc(meaning->backend_count + 1ul, sizeof(*held));
	uint32_t row = 0;
	int r = held ? 0 : -ENOMEM;

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		unsigned count = meaning->section->services[i].backend_count;

		for (unsigned j = 0; j < count; j++)
			held[row + j] = number_held(before, &meaning->services[i],
						    &meaning->backends[row + j]);
		r = balance_numbers(&meaning->backends[row], count, &held[row],
				    &meaning->numbers[row]);
		row += count;
	}
	return r;
}

/* Each backend of a service, and the weight that it has now. */
static void shares_read(struct balance_meaning *meaning, unsigned index, uint32_t row)
{
	const struct balance_text *text = &meaning->section->services[index];
	struct balance_maglev_backend *shares = &meaning->shares[row];

	for (unsigned i = 0; i < text->backend_count; i++)
		shares[i] = (struct balance_maglev_backend){
			.identity = &meaning->backends[row + i],
			.identity_len = sizeof(meaning->backends[row + i]),
			.weight = text->backends[i].weight,
			.number = meaning->numbers[row + i],
			.order = balance_number_wanted(&meaning->backends[row + i]),
		};
	health_set_apply(meaning->downs, text, &meaning->services[index], &meaning->backends[row],
			 shares);
}

int balance_meaning_spread(struct balance_meaning *meaning)
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

static uint32_t address_lines(const struct balance_meaning *meaning)
{
	uint32_t count = meaning->section->service_count + meaning->backend_count, lines = 1;

	while (lines * BALANCE_ADDRESSES_EACH < count)
		lines *= 2;
	return lines;
}

static void address_put(const struct balance_meaning *meaning, const struct balance_end *end,
			enum balance_kind kind, struct weir_line *lines)
{
	uint32_t bit = balance_address_bit(&end->addr, kind) &
		       (meaning->address_lines * BALANCE_ADDRESS_BITS - 1);

	lines[bit / BALANCE_ADDRESS_BITS].u8[bit % BALANCE_ADDRESS_BITS / 8] |=
		(uint8_t)(1u << bit % 8);
}

void balance_meaning_addresses(const struct balance_meaning *meaning, struct weir_line *lines)
{
	uint32_t row = 0;

	for (unsigned i = 0; i < meaning->section->service_count; i++) {
		const struct balance_text *text = &meaning->section->services[i];

		address_put(meaning, &meaning->services[i], BALANCE_SERVICE, lines);
		for (unsigned j = 0; j < text->backend_count; j++, row++)
			if (text->forward == WEIR_FORWARD_NAT)
				address_put(meaning, &meaning->backends[row], BALANCE_BACKEND,
					    lines);
	}
}

uint32_t balance_meaning_services_at(const struct balance_meaning *meaning)
{
	return 1 + meaning->address_lines + meaning->cell_lines;
}

uint32_t balance_meaning_tables_at(const struct balance_meaning *meaning)
{
	return balance_meaning_services_at(meaning) + meaning->section->service_count +
	       meaning->backend_count;
}

static int end_put(struct balance_meaning *meaning, const struct balance_end *end,
		   enum balance_kind kind, uint32_t row)
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

static int backend_put(struct balance_meaning *meaning, uint32_t service, uint32_t row)
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
static int cells_put(struct balance_meaning *meaning)
{
	uint32_t row = 0;
	int r = balance_tables_put(&meaning->tables, balance_meaning_tables_at(meaning),
				   meaning->cells, meaning->cell_lines);

	for (unsigned i = 0; i < meaning->section->service_count && !r; i++) {
		r = end_put(meaning, &meaning->services[i], BALANCE_SERVICE, i);
		for (unsigned j = 0; j < meaning->section->services[i].backend_count && !r; j++)
			r = backend_put(meaning, i, row++);
	}
	return r;
}

int balance_meaning_cells(struct balance_meaning *meaning)
{
	uint32_t count = meaning->section->service_count + 2 * meaning->backend_count +
			 meaning->tables.tables;
	int r = -ENOSPC;

	meaning->address_lines = address_lines(meaning);
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
