/* SPDX-License-Identifier: Apache-2.0 */
/* What is of run time, in memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "features/balance/balance_live.h"

static void service_done(struct balance_text *text)
{
	free(text->name);
	free(text->address);
	free(text->source);
	health_text_done(&text->health);
}

static void row_done(struct balance_row *row)
{
	free(row->service);
	free(row->address);
}

void balance_runtime_done(struct balance_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->service_count; i++)
		service_done(&runtime->services[i]);
	for (unsigned i = 0; i < runtime->row_count; i++)
		row_done(&runtime->rows[i]);
	for (unsigned i = 0; i < runtime->disabled_count; i++)
		free(runtime->disabled[i]);
	free(runtime->services);
	free(runtime->rows);
	free(runtime->disabled);
	*runtime = (struct balance_runtime){ 0 };
}

bool balance_runtime_is_empty(const struct balance_runtime *runtime)
{
	return !runtime->service_count && !runtime->row_count && !runtime->disabled_count &&
	       !runtime->is_off;
}

/* Room for one more, twice as much each time there is none. */
static void *list_grow(void *list, unsigned count, size_t size)
{
	if (count & (count - 1)) /* there is: it was made for a power of two */
		return list;
	return realloc(list, (count ? 2ul * count : 1) * size);
}

/* A service with words of its own; without memory, none. */
static int service_copy(const struct balance_text *text, struct balance_text *ret_text)
{
	struct balance_text own = {
		.name = strdup(text->name),
		.address = strdup(text->address),
		.port = text->port,
		.proto = text->proto,
		.forward = text->forward,
		.scheduler = text->scheduler,
		.client_prefix = text->client_prefix,
		.affinity = { .timeout.value = text->affinity.timeout.value,
			      .client_prefix = text->affinity.client_prefix },
		.source = text->source ? strdup(text->source) : NULL,
		.announce = text->announce,
		.on_all_down = text->on_all_down,
	};
	int r = health_text_copy(&text->health, &own.health);

	if (r || !own.name || !own.address || (text->source && !own.source)) {
		service_done(&own);
		return -ENOMEM;
	}
	*ret_text = own;
	return 0;
}

int balance_runtime_add_service(struct balance_runtime *runtime, const struct balance_text *text)
{
	struct balance_text *grown =
		list_grow(runtime->services, runtime->service_count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	runtime->services = grown;
	int r = service_copy(text, &runtime->services[runtime->service_count]);

	runtime->service_count += !r;
	return r;
}

int balance_runtime_set_service(struct balance_runtime *runtime, unsigned index,
				const struct balance_text *text)
{
	struct balance_text own;
	int r = service_copy(text, &own);

	if (r)
		return r;
	service_done(&runtime->services[index]);
	runtime->services[index] = own;
	return 0;
}

int balance_runtime_add_row(struct balance_runtime *runtime, const struct balance_row *row)
{
	struct balance_row *grown = list_grow(runtime->rows, runtime->row_count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	runtime->rows = grown;
	struct balance_row own = *row;

	own.service = strdup(row->service);
	own.address = strdup(row->address);
	if (!own.service || !own.address) {
		row_done(&own);
		return -ENOMEM;
	}
	runtime->rows[runtime->row_count++] = own;
	return 0;
}

int balance_runtime_disable(struct balance_runtime *runtime, const char *name)
{
	char **grown = list_grow(runtime->disabled, runtime->disabled_count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	runtime->disabled = grown;
	runtime->disabled[runtime->disabled_count] = strdup(name);
	if (!runtime->disabled[runtime->disabled_count])
		return -ENOMEM;
	runtime->disabled_count++;
	return 0;
}

static void disabled_del(struct balance_runtime *runtime, unsigned index)
{
	free(runtime->disabled[index]);
	runtime->disabled_count--;
	memmove(&runtime->disabled[index], &runtime->disabled[index + 1],
		(runtime->disabled_count - index) * sizeof(runtime->disabled[0]));
}

void balance_runtime_enable(struct balance_runtime *runtime, const char *name)
{
	for (unsigned i = runtime->disabled_count; i > 0; i--)
		if (strcmp(runtime->disabled[i - 1], name) == 0)
			disabled_del(runtime, i - 1);
}

void balance_runtime_del_row(struct balance_runtime *runtime, unsigned index)
{
	row_done(&runtime->rows[index]);
	runtime->row_count--;
	memmove(&runtime->rows[index], &runtime->rows[index + 1],
		(runtime->row_count - index) * sizeof(runtime->rows[0]));
}

static void service_del(struct balance_runtime *runtime, unsigned index)
{
	service_done(&runtime->services[index]);
	runtime->service_count--;
	memmove(&runtime->services[index], &runtime->services[index + 1],
		(runtime->service_count - index) * sizeof(runtime->services[0]));
}

void balance_runtime_del_service(struct balance_runtime *runtime, const char *name)
{
	char own[BALANCE_NAME_MAX + 1]; /* `name` may be that of what goes */
	unsigned left = 0;

	snprintf(own, sizeof(own), "%s", name);
	for (unsigned i = runtime->service_count; i > 0; i--)
		if (strcmp(runtime->services[i - 1].name, own) == 0)
			service_del(runtime, i - 1);
	for (unsigned i = 0; i < runtime->row_count; i++)
		if (strcmp(runtime->rows[i].service, own) == 0)
			row_done(&runtime->rows[i]);
		else
			runtime->rows[left++] = runtime->rows[i];
	runtime->row_count = left;
	balance_runtime_enable(runtime, own);
}

void balance_runtime_cut(struct balance_runtime *runtime, unsigned services, unsigned rows,
			 unsigned disabled)
{
	while (runtime->service_count > services)
		service_done(&runtime->services[--runtime->service_count]);
	while (runtime->row_count > rows)
		row_done(&runtime->rows[--runtime->row_count]);
	while (runtime->disabled_count > disabled)
		free(runtime->disabled[--runtime->disabled_count]);
}

int balance_runtime_copy(const struct balance_runtime *from, struct balance_runtime *ret_runtime)
{
	struct balance_runtime copy = { .is_off = from->is_off };
	int r = 0;

	for (unsigned i = 0; i < from->service_count && !r; i++)
		r = balance_runtime_add_service(&copy, &from->services[i]);
	for (unsigned i = 0; i < from->row_count && !r; i++)
		r = balance_runtime_add_row(&copy, &from->rows[i]);
	for (unsigned i = 0; i < from->disabled_count && !r; i++)
		r = balance_runtime_disable(&copy, from->disabled[i]);
	if (r)
		balance_runtime_done(&copy);
	else
		*ret_runtime = copy;
	return r;
}

static bool fate_is_past(uint8_t fate)
{
	return fate == BALANCE_IS_WRITTEN || fate == BALANCE_IS_GONE;
}

/* Nobody waits for one that leaves to have its place again. */
static bool row_is_past(const struct balance_row *row, uint8_t fate)
{
	return fate_is_past(fate) || (row->is_leaving && fate != BALANCE_ACTS);
}

/* In place, so that it cannot fail; behind it `live` no longer fits. */
bool balance_runtime_prune(struct balance_runtime *runtime, const struct balance_live *live)
{
	unsigned services = 0, rows = 0, disabled = 0;

	for (unsigned i = 0; i < runtime->service_count; i++)
		if (fate_is_past(live->service_fates[i]))
			service_done(&runtime->services[i]);
		else
			runtime->services[services++] = runtime->services[i];
	for (unsigned i = 0; i < runtime->row_count; i++)
		if (row_is_past(&runtime->rows[i], live->row_fates[i]))
			row_done(&runtime->rows[i]);
		else
			runtime->rows[rows++] = runtime->rows[i];
	for (unsigned i = 0; i < runtime->disabled_count; i++)
		if (fate_is_past(live->disabled_fates[i]))
			free(runtime->disabled[i]);
		else
			runtime->disabled[disabled++] = runtime->disabled[i];
	bool is_changed = services < runtime->service_count || rows < runtime->row_count ||
			  disabled < runtime->disabled_count;

	runtime->service_count = services;
	runtime->row_count = rows;
	runtime->disabled_count = disabled;
	return is_changed;
}
