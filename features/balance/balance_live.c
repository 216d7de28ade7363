/* SPDX-License-Identifier: Apache-2.0 */
/* Which services are in force: the configuration's first, then what run time adds where there is
 * room for it, then what run time changes of either. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_live_find.h"

static void use_add(struct balance_live *live, const struct balance_use *use)
{
	uint32_t *cell = balance_live_end_cell(live, &use->key);

	if (*cell) /* the configuration is checked for that */
		return;
	live->uses[live->use_count++] = *use;
	*cell = live->use_count;
	if (balance_end_is_wide(&use->end) && !use->key.only_in) {
		struct balance_span span = balance_live_span(live, use);

		balance_spans_add(&live->spans, &span);
	}
}

static void service_add(struct balance_live *live, const struct balance_text *text, bool is_runtime)
{
	unsigned at = live->all.service_count++;
	struct balance_live_service *service = &live->services[at];

	live->all.services[at] = *text;
	live->all.services[at].backends = NULL;
	live->all.services[at].backend_count = 0;
	*service = (struct balance_live_service){ .is_runtime = is_runtime, .is_enabled = true };
	balance_service_read_as(text, "", NULL, &service->end);
	*balance_live_name_cell(live, text->name) = at + 1;
	use_add(live, &(struct balance_use){ .end = service->end,
					     .key = service->end,
					     .service = at,
					     .is_service = true });
}

static void written_add(struct balance_live *live, const struct balance_section *section)
{
	for (unsigned i = 0; i < section->service_count; i++)
		service_add(live, &section->services[i], false);
	for (unsigned i = 0; i < section->service_count; i++)
		for (unsigned j = 0; j < section->services[i].backend_count; j++) {
			struct balance_use use = { .service = i, .at = j };

			balance_backend_read(section, i, j, NULL, &use.end);
			use.key = balance_end_in(section, i, &use.end);
			use_add(live, &use);
			live->all.services[i].backend_count++;
		}
}

static enum balance_fate service_fate(const struct balance_live *live,
				      const struct balance_text *text)
{
	struct balance_end end;
	int named = balance_live_service(live, text->name);

	if (balance_service_read_as(text, "", NULL, &end))
		return BALANCE_IS_GONE; /* a file that was written by hand */
	if (named >= 0)
		return memcmp(&live->services[named].end, &end, sizeof(end)) ? BALANCE_NAME_TAKEN :
									       BALANCE_IS_WRITTEN;
	struct balance_span span = balance_span_of(live->all.service_count, -1, &end, &end);

	if (balance_live_use(live, &end) || balance_live_clash(live, &span) >= 0)
		return BALANCE_END_TAKEN;
	if (balance_spans_are_full(&live->spans, &span))
		return BALANCE_NO_ROOM;
	return live->all.service_count < BALANCE_SERVICES_MAX ? BALANCE_ACTS : BALANCE_NO_ROOM;
}

static void runtime_add(struct balance_live *live, const struct balance_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->service_count; i++) {
		live->service_fates[i] = service_fate(live, &runtime->services[i]);
		if (live->service_fates[i] == BALANCE_ACTS)
			service_add(live, &runtime->services[i], true);
	}
}

/* A service of run time that does not act takes its backends with it, whoever has its name. */
static bool name_is_lost(const struct balance_live *live, const struct balance_runtime *runtime,
			 const char *name)
{
	for (unsigned i = 0; i < runtime->service_count; i++)
		if (live->service_fates[i] > BALANCE_IS_GONE &&
		    strcmp(runtime->services[i].name, name) == 0)
			return true;
	return false;
}

static int row_end(const struct balance_live *live, const struct balance_row *row, int service,
		   struct balance_end *ret_end)
{
	const struct balance_backend_text text = { .address = row->address, .port = row->port };

	const struct balance_text *of = &live->all.services[service];

	/* The service may be written otherwise by now. */
	return balance_backend_read_as(of, &text, "", NULL, ret_end) ?:
		       balance_direct_backend_check(of, &text, "", "", NULL);
}

static enum balance_fate row_add(struct balance_live *live, const struct balance_row *row,
				 unsigned number)
{
	int service = balance_live_service(live, row->service);
	struct balance_use use = { .row = number, .is_leaving = row->is_leaving };

	if (service < 0 || row_end(live, row, service, &use.end))
		return BALANCE_IS_GONE;
	use.key = balance_end_in(&live->all, (unsigned)service, &use.end);
	const struct balance_use *other = balance_live_use(live, &use.key);

	if (other)
		return other->is_service || other->service != (unsigned)service || other->row ?
			       BALANCE_END_TAKEN :
			       BALANCE_IS_WRITTEN;
	use.service = (unsigned)service;
	use.at = live->all.services[service].backend_count;
	struct balance_span span = balance_live_span(live, &use);

	if (!use.key.only_in && balance_live_clash(live, &span) >= 0)
		return BALANCE_END_TAKEN;
	if (live->all.services[service].backend_count == BALANCE_BACKENDS_MAX ||
	    (!use.key.only_in && balance_spans_are_full(&live->spans, &span)))
		return BALANCE_NO_ROOM;
	live->all.services[service].backend_count++;
	use_add(live, &use);
	return BALANCE_ACTS;
}

static void rows_add(struct balance_live *live, const struct balance_runtime *runtime,
		     bool are_leaving)
{
	bool all_act = true;

	for (unsigned i = 0; i < runtime->service_count; i++)
		all_act &= live->service_fates[i] <= BALANCE_IS_GONE;
	for (unsigned i = 0; i < runtime->row_count; i++) {
		const struct balance_row *row = &runtime->rows[i];

		if (row->is_leaving != are_leaving)
			continue;
		if (!all_act && name_is_lost(live, runtime, row->service))
			live->row_fates[i] = BALANCE_NAME_TAKEN;
		else if (row->is_added)
			live->row_fates[i] = row_add(live, row, i + 1);
	}
}

/* Behind all others, to whom they give way. */
static void leaving_add(struct balance_live *live, const struct balance_runtime *runtime)
{
	for (unsigned i = 0; i < live->all.service_count; i++)
		live->all.services[i].leaving_count = live->all.services[i].backend_count;
	rows_add(live, runtime, true);
	for (unsigned i = 0; i < live->all.service_count; i++)
		live->all.services[i].leaving_count =
			live->all.services[i].backend_count - live->all.services[i].leaving_count;
}

/* Each service's backends in a row, now that it is known how many it has. */
static int backends_place(struct balance_live *live, const struct balance_section *section,
			  const struct balance_runtime *runtime)
{
	for (unsigned i = 0; i < live->all.service_count; i++) {
		live->services[i].first = live->backend_count;
		live->backend_count += live->all.services[i].backend_count;
	}
	live->texts = calloc(live->backend_count + 1ul, sizeof(*live->texts));
	live->backends = calloc(live->backend_count + 1ul, sizeof(*live->backends));
	if (!live->texts || !live->backends)
		return -ENOMEM;
	for (unsigned i = 0; i < live->all.service_count; i++)
		live->all.services[i].backends = &live->texts[live->services[i].first];
	for (unsigned i = 0; i < live->use_count; i++) {
		const struct balance_use *use = &live->uses[i];
		unsigned at = live->services[use->service].first + use->at;
		const struct balance_row *row = use->row ? &runtime->rows[use->row - 1] : NULL;

		if (use->is_service)
			continue;
		live->texts[at] = row ? (struct balance_backend_text){ row->address, row->port,
								       row->weight } :
					section->services[use->service].backends[use->at];
		live->backends[at] = (struct balance_live_backend){
			.end = use->end,
			.weight = live->texts[at].weight,
			.weight_written = row ? 0 : live->texts[at].weight,
			.is_runtime = row,
			.is_drained = row && row->is_drained,
			.is_leaving = row && row->is_leaving,
			.row = use->row,
		};
	}
	return 0;
}

static enum balance_fate row_apply(struct balance_live *live, const struct balance_row *row,
				   unsigned number)
{
	int service = balance_live_service(live, row->service);
	struct balance_end end;
	int at = service < 0 || row_end(live, row, service, &end) ?
			 -1 :
			 balance_live_backend(live, (unsigned)service, &end);

	struct balance_live_backend *backend =
		at < 0 ? NULL : &live->backends[live->services[service].first + (unsigned)at];

	if (!backend || backend->is_leaving)
		return BALANCE_IS_GONE;
	if (backend->row)
		return BALANCE_IS_WRITTEN;
	backend->row = number;
	backend->is_drained = row->is_drained;
	if (row->has_weight)
		backend->weight = row->weight;
	return BALANCE_ACTS;
}

static void rows_apply(struct balance_live *live, const struct balance_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->row_count; i++)
		if (!runtime->rows[i].is_added && live->row_fates[i] == BALANCE_ACTS)
			live->row_fates[i] = row_apply(live, &runtime->rows[i], i + 1);
	for (unsigned i = 0; i < runtime->disabled_count; i++) {
		int service = balance_live_service(live, runtime->disabled[i]);
		bool is_lost = name_is_lost(live, runtime, runtime->disabled[i]);

		live->disabled_fates[i] = is_lost     ? BALANCE_NAME_TAKEN :
					  service < 0 ? BALANCE_IS_GONE :
							BALANCE_ACTS;
		if (service >= 0 && !is_lost)
			live->services[service].is_enabled = false;
	}
}

static void weights_settle(struct balance_live *live)
{
	for (unsigned i = 0; i < live->backend_count; i++) {
		const struct balance_live_backend *backend = &live->backends[i];
		bool is_out = backend->is_drained || backend->is_leaving;

		live->texts[i].weight = is_out ? 0 : backend->weight;
	}
}

static void acting_take(struct balance_live *live, bool is_off)
{
	for (unsigned i = 0; i < live->all.service_count && !is_off; i++)
		if (live->services[i].is_enabled)
			live->acting.services[live->acting.service_count++] = live->all.services[i];
}

/* Room for all there could be. */
static int live_new(const struct balance_section *section, const struct balance_runtime *runtime,
		    struct balance_live *live)
{
	size_t services = (size_t)section->service_count + runtime->service_count;
	size_t uses = services + runtime->row_count;

	for (unsigned i = 0; i < section->service_count; i++)
		uses += section->services[i].backend_count;
	live->all.services = calloc(services + 1, sizeof(*live->all.services));
	live->acting.services = calloc(services + 1, sizeof(*live->acting.services));
	live->services = calloc(services + 1, sizeof(*live->services));
	live->uses = calloc(uses + 1, sizeof(*live->uses));
	live->service_fates = calloc(runtime->service_count + 1ul, 1);
	live->row_fates = calloc(runtime->row_count + 1ul, 1);
	live->disabled_fates = calloc(runtime->disabled_count + 1ul, 1);
	if (!live->all.services || !live->acting.services || !live->services || !live->uses ||
	    !live->service_fates || !live->row_fates || !live->disabled_fates)
		return -ENOMEM;
	return balance_index_init(&live->names, (uint32_t)services + 1)	   ?:
		       balance_index_init(&live->ends, (uint32_t)uses + 1) ?:
		       balance_spans_init(&live->spans, (uint32_t)uses);
}

int balance_live_make(const struct balance_section *section, const struct balance_runtime *runtime,
		      struct balance_live *ret_live)
{
	_cleanup_live_ struct balance_live live = { 0 };
	int r = live_new(section, runtime, &live);

	if (r)
		return r;
	written_add(&live, section);
	runtime_add(&live, runtime);
	rows_add(&live, runtime, false);
	leaving_add(&live, runtime);
	r = backends_place(&live, section, runtime);
	if (r)
		return r;
	rows_apply(&live, runtime);
	weights_settle(&live);
	acting_take(&live, runtime->is_off);
	live.acting.tunnel_source = section->tunnel_source;
	live.acting.tunnel_source6 = section->tunnel_source6;
	*ret_live = live;
	live = (struct balance_live){ 0 };
	return 0;
}

void balance_live_done(struct balance_live *live)
{
	free(live->all.services);
	free(live->acting.services);
	free(live->services);
	free(live->backends);
	free(live->texts);
	free(live->service_fates);
	free(live->row_fates);
	free(live->disabled_fates);
	free(live->uses);
	balance_index_done(&live->names);
	balance_index_done(&live->ends);
	balance_spans_done(&live->spans);
	*live = (struct balance_live){ 0 };
}
