/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons by number and by name, as the kernel's own types have them. */
#include "features/drops/drops_reasons.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SUBSYSTEM_SHIFT 16
#define REASON_MASK 0xffff

/* What is no reason, but where they end. */
static bool is_mark(const char *name)
{
	static const char *const marks[] = { "SKB_DROP_REASON_MAX", "SKB_DROP_REASON_SUBSYS_MASK",
					     "__OVS_DROP_REASON", "__OVS_DROP_LAST" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(marks); i++)
		if (strcmp(name, marks[i]) == 0)
			return true;
	return false;
}

static const char *name_short(const char *name)
{
	static const char *const starts[] = { "SKB_DROP_REASON_", "SKB_" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(starts); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return name + strlen(starts[i]);
	return name;
}

static const struct drops_reason *reason_find(const struct drops_reasons *reasons, uint32_t number)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (reasons->at[i].number == number)
			return &reasons->at[i];
	return NULL;
}

int drops_reasons_add(struct drops_reasons *reasons, const char *name, uint32_t number)
{
	if (is_mark(name) || reason_find(reasons, number))
		return 0;
	if (reasons->count == reasons->room) {
		size_t room = reasons->room ? 2 * reasons->room : 256;
		struct drops_reason *at = realloc(reasons->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		reasons->at = at;
		reasons->room = room;
	}
	struct drops_reason *reason = &reasons->at[reasons->count++];

	reason->number = number;
	snprintf(reason->name, sizeof(reason->name), "%s", name_short(name));
	return 0;
}

static int reason_each(const char *name, uint32_t value, void *arg)
{
	return drops_reasons_add(arg, name, value);
}

int drops_reasons_read(const struct weir_kernel_types *types, struct drops_reasons *ret_reasons)
{
	struct drops_reasons reasons = { 0 };
	int r = weir_kernel_enum_each(types, "drop_reason", reason_each, &reasons);

	if (r) {
		drops_reasons_done(&reasons);
		return r;
	}
	*ret_reasons = reasons;
	return 0;
}

void drops_reasons_done(struct drops_reasons *reasons)
{
	free(reasons->at);
	*reasons = (struct drops_reasons){ 0 };
}

const char *drops_reason_name(const struct drops_reasons *reasons, uint32_t number,
			      char text[DROPS_REASON_BYTES])
{
	const struct drops_reason *reason = reason_find(reasons, number);

	if (reason)
		return reason->name;
	if (number >> SUBSYSTEM_SHIFT)
		snprintf(text, DROPS_REASON_BYTES, "subsystem %u, reason %u",
			 number >> SUBSYSTEM_SHIFT, number & REASON_MASK);
	else
		snprintf(text, DROPS_REASON_BYTES, "reason %u", number);
	return text;
}

uint32_t drops_reason_number(const struct drops_reasons *reasons, const char *name)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (strcmp(reasons->at[i].name, name) == 0)
			return reasons->at[i].number;
	return UINT32_MAX;
}
