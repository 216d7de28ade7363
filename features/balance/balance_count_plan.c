/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of a policy and where each is counted, found by what is known of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_wide.h"

void balance_plan_done(struct balance_plan *plan)
{
	if (plan->wide)
		balance_spans_done(plan->wide);
	free(plan->wide);
	free(plan->at);
	if (plan->by_number)
		free(plan->by_number->sorted);
	free(plan->by_number);
	free(plan->by_row);
	balance_rows_done(&plan->rows);
	balance_rows_done(&plan->places);
	*plan = (struct balance_plan){ 0 };
}

static int service_compare(const void *a, const void *b)
{
	const struct balance_place *x = *(const struct balance_place *const *)a,
				   *y = *(const struct balance_place *const *)b;
	int order = memcmp(&x->service, &y->service, sizeof(x->service));

	if (!order)
		order = x->port - y->port;
	if (!order)
		order = x->last - y->last;
	return order ? order : x->proto - y->proto;
}

static int number_compare(const void *a, const void *b)
{
	const struct balance_place *x = *(const struct balance_place *const *)a,
				   *y = *(const struct balance_place *const *)b;
	int order = service_compare(a, b);

	return order ? order : x->number - y->number;
}

/* Few ask, and sorting takes as long as half of the rest of a change. */
static int numbers_sort(const struct balance_plan *plan)
{
	const struct balance_place **sorted = calloc(plan->count + 1ul, sizeof(*sorted)),
				   **none = NULL;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->count; i++)
		sorted[i] = &plan->at[i];
	qsort(sorted, plan->count, sizeof(*sorted), number_compare);
	/* Loop and worker may both be the first. */
	if (!__atomic_compare_exchange_n(&plan->by_number->sorted, &none, sorted, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		free(sorted);
	return 0;
}

const struct balance_place *balance_plan_row(const struct balance_plan *plan, uint32_t row)
{
	return row < plan->rows_end ? plan->by_row[row] : NULL;
}

static const struct balance_place *place_find(const struct balance_plan *plan,
					      const struct balance_place *key,
					      int (*compare)(const void *, const void *))
{
	const struct balance_place **found =
		bsearch(&key, plan->by_number->sorted, plan->count, sizeof(key), compare);

	return found ? *found : NULL;
}

const struct balance_place *balance_plan_number(const struct balance_plan *plan,
						const struct balance_place *key)
{
	struct balance_place wanted = *key;
	const struct balance_end end = { key->service, key->port, .proto = key->proto };

	if (!plan->count || (!plan->by_number->sorted && numbers_sort(plan)))
		return NULL;
	const struct balance_span *wide = plan->wide && !place_find(plan, key, service_compare) ?
						  balance_spans_service(plan->wide, &end) :
						  NULL;

	if (wide) {
		wanted.port = wide->end.port;
		wanted.last = wide->end.last;
	}
	return place_find(plan, &wanted, number_compare);
}

const struct balance_place *balance_plan_flow(const struct balance_plan *plan,
					      const struct weir_served_flow *flow)
{
	const struct balance_place key = {
		.service = flow->service,
		.port = flow->port,
		.proto = flow->proto,
		.number = flow->number,
	};

	return balance_plan_number(plan, &key);
}

static void places_fill(const struct balance_section *section, const struct balance_end *services,
			const struct balance_end *backends, const uint16_t *numbers,
			struct balance_plan *plan)
{
	for (unsigned i = 0; i < section->service_count; i++)
		for (unsigned j = 0; j < section->services[i].backend_count; j++) {
			uint32_t at = plan->count++;

			plan->at[at] = (struct balance_place){
				.service = services[i].addr,
				.port = services[i].port,
				.last = services[i].last,
				.proto = services[i].proto,
				.number = numbers[at],
				.service_index = i,
				.backend_index = j,
				.identity = balance_identity(&services[i], &backends[at]),
			};
		}
}

/* No less than before, if not far less: each size is a program of its own, which takes a second to
 * load, and backends that come and go must not ask for one each time. */
static uint32_t room_of(const struct balance_rows *rows, const struct balance_counts *counts)
{
	uint32_t end = balance_rows_end(rows), before = counts ? counts->live.rows.room : 0;

	return end <= before && before / 4 <= end ? before : end;
}

static int plan_number(const struct balance_counts *counts, struct balance_plan *plan)
{
	static const struct balance_rows none;
	_cleanup_free_ uint64_t *identities = calloc(plan->count + 1ul, sizeof(*identities));
	_cleanup_free_ uint32_t *numbers = calloc(plan->count + 1ul, sizeof(*numbers));

	if (!identities || !numbers)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->count; i++)
		identities[i] = plan->at[i].identity;
	int r = balance_rows_number(counts ? &counts->live.rows : &none,
				    counts ? &counts->resting : &none, identities, plan->count,
				    numbers, &plan->rows);

	for (uint32_t i = 0; !r && i < plan->count; i++)
		plan->at[i].row = numbers[i];
	plan->rows.room = room_of(&plan->rows, counts);
	return r;
}

/* Who had to give way, so that it still does when who it gave way to is gone. */
static void displaced_note(const struct balance_end *backends, struct balance_plan *plan)
{
	for (uint32_t i = 0; i < plan->rows.count; i++) {
		const struct balance_place *place = plan->by_row[plan->rows.at[i].row];

		if (place->number != balance_number_wanted(&backends[place - plan->at]))
			plan->rows.at[i].number = place->number;
	}
}

static int rows_index(struct balance_plan *plan)
{
	plan->rows_end = balance_rows_end(&plan->rows);
	plan->by_row = calloc(plan->rows_end, sizeof(*plan->by_row));
	for (uint32_t i = 0; plan->by_row && i < plan->count; i++)
		plan->by_row[plan->at[i].row] = &plan->at[i];
	return plan->by_row ? 0 : -ENOMEM;
}

static int wide_read(const struct balance_section *section, const struct balance_end *services,
		     struct balance_plan *plan)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < section->service_count; i++)
		count += balance_end_is_wide(&services[i]);
	if (!count)
		return 0;
	plan->wide = calloc(1, sizeof(*plan->wide));
	if (!plan->wide || balance_spans_init(plan->wide, count))
		return -ENOMEM;
	for (unsigned i = 0; i < section->service_count; i++) {
		struct balance_span span = balance_span_of(i, -1, &services[i], &services[i]);

		if (balance_end_is_wide(&services[i]))
			balance_spans_add(plan->wide, &span);
	}
	return 0;
}

int balance_plan_new(const struct balance_section *section, const struct balance_end *services,
		     const struct balance_end *backends, const uint16_t *numbers,
		     const struct balance_counts *counts, struct balance_plan *ret_plan)
{
	size_t count = 1;

	for (unsigned i = 0; i < section->service_count; i++)
		count += section->services[i].backend_count;
	_cleanup_(balance_plan_done) struct balance_plan plan = {
		.at = calloc(count, sizeof(*plan.at)),
		.by_number = calloc(1, sizeof(*plan.by_number)),
	};

	if (!plan.at || !plan.by_number)
		return -ENOMEM;
	places_fill(section, services, backends, numbers, &plan);
	int r = plan_number(counts, &plan) ?: wide_read(section, services, &plan);

	if (!r)
		r = rows_index(&plan);
	if (r)
		return r;
	displaced_note(backends, &plan);
	*ret_plan = plan;
	plan = (struct balance_plan){ 0 };
	return 0;
}
