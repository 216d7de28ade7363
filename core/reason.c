/* SPDX-License-Identifier: Apache-2.0 */
/* Names of reasons and event kinds, from the one list in abi/. */
#include "abi/reason.h"

#include <string.h>

#include "base/cleanup.h"
#include "snapshot.h"

struct reason {
	bool drop;
	const char *stage, *name, *help;
};

#define VERDICT_PASS false
#define VERDICT_DROP true

static const struct reason reasons[WEIR_REASON_COUNT] = {
#define X(identifier, verdict, stage, name, help) \
	[identifier] = { VERDICT_##verdict, #stage, name, help },
	WEIR_REASONS(X)
#undef X
};

static const struct reason *reason_get(uint32_t reason)
{
	static const struct reason unknown = { false, "?", "unknown",
					       "a reason this program does not know" };

	return reason < WEIR_REASON_COUNT && reasons[reason].name ? &reasons[reason] : &unknown;
}

const char *weir_reason_name(uint32_t reason)
{
	return reason_get(reason)->name;
}

const char *weir_reason_help(uint32_t reason)
{
	return reason_get(reason)->help;
}

const char *weir_reason_stage(uint32_t reason)
{
	return reason_get(reason)->stage;
}

bool weir_reason_is_drop(uint32_t reason)
{
	return reason_get(reason)->drop;
}

const char *weir_event_kind_name(uint32_t kind)
{
	static const char *const names[WEIR_EVENT_KIND_COUNT] = {
#define X(identifier, name, help) [identifier] = name,
		WEIR_EVENT_KINDS(X)
#undef X
	};

	return kind < WEIR_EVENT_KIND_COUNT ? names[kind] : "unknown";
}
