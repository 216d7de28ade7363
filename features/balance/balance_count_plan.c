/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of a policy and where each is counted, found by what is known of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_state.h"

void balance_plan_done(struct balance_plan *plan)
{
	free(plan->at);
	free(plan->by_number);
	free(plan->by_row);
	balance_rows_done(&plan->rows);
	*plan = (struct balance_plan){ 0 };
}

static int number_compare(const void *a, const void *b)
{
	const struct balance_place *x = *(const struct balance_place *const *)a,
				   *y = *(const struct balance_place *const *)b;
	int order = memcmp(&x->service, &y->service, sizeof(x->service));

	if (!order)
		order = x->port - y->port;
	if (!order)
		order = x->proto - y->proto;
	return order ? order : x->number - y->number;
}

static int row_compare(const void *a, const void *b)
{
	const struct balance_place *x = *(const struct balance_place *const *)a,
				   *y = *(const struct balance_place *const *)b;

	return x->row < y->row ? -1 : x->row > y->row;
}

static const struct balance_place *place_find(const struct balance_plan *plan,
					      const struct balance_place **sorted,
					      const struct balance_place *key,
					      int (*compare)(const void *, const void *))
{
	const struct balance_place **found =
		plan->count ? bsearch(&key, sorted, plan->count, sizeof(key), compare) : NULL;

	return found ? *found : NULL;
}

const struct balance_place *balance_plan_row(const struct balance_plan *plan, uint32_t row)
{
	const struct balance_place key = { .row = row };

	return place_find(plan, plan->by_row, &key, row_compare);
}

const struct balance_place *balance_plan_number(const struct balance_plan *plan,
						const struct balance_place *key)
{
	return place_find(plan, plan->by_number, key, number_compare);
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
				.proto = services[i].proto,
				.number = numbers[at],
				.service_index = i,
				.backend_index = j,
				.identity = balance_identity(&services[i], &backends[at]),
			};
		}
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
	return r;
}

static void plan_sort(struct balance_plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++)
		plan->by_number[i] = plan->by_row[i] = &plan->at[i];
	qsort(plan->by_number, plan->count, sizeof(*plan->by_number), number_compare);
	qsort(plan->by_row, plan->count, sizeof(*plan->by_row), row_compare);
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
		.by_number = calloc(count, sizeof(*plan.by_number)),
		.by_row = calloc(count, sizeof(*plan.by_row)),
	};

	if (!plan.at || !plan.by_number || !plan.by_row)
		return -ENOMEM;
	places_fill(section, services, backends, numbers, &plan);
	int r = plan_number(counts, &plan);

	if (r)
		return r;
	plan_sort(&plan);
	*ret_plan = plan;
	plan = (struct balance_plan){ 0 };
	return 0;
}
