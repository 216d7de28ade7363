/* SPDX-License-Identifier: Apache-2.0 */
/* Holds answers of explain against expectations. */
#include <string.h>

#include "cli/expect.h"

const char *weir_outcome_name(enum weir_outcome outcome)
{
	static const char *const names[] = {
		[WEIR_ALLOWED] = "allowed",
		[WEIR_DENIED] = "denied",
		[WEIR_REJECTED] = "rejected",
	};

	return names[outcome];
}

static const char *member(const struct weir_json *object, const char *key)
{
	return weir_json_str(weir_json_get(object, key), "");
}

enum weir_outcome weir_outcome_of(const struct weir_json *answer)
{
	if (strcmp(member(answer, "reason"), "drop_reject") == 0)
		return WEIR_REJECTED;
	return strcmp(member(answer, "verdict"), "pass") == 0 ? WEIR_ALLOWED : WEIR_DENIED;
}

const char *weir_decider_of(const struct weir_json *answer)
{
	const struct weir_json *rule = weir_json_get(answer, "rule");

	if (rule && weir_json_type(rule) == WEIR_JSON_OBJECT)
		return weir_json_str(weir_json_get(rule, "name"), NULL);
	return weir_json_str(weir_json_get(answer, "list"), NULL);
}

static bool is_default_policy(const char *reason)
{
	return strcmp(reason, "pass_policy") == 0 || strcmp(reason, "drop_policy") == 0;
}

bool weir_expectation_is_met(const struct weir_expectation *expectation,
			     const struct weir_json *answer)
{
	const char *reason = member(answer, "reason"), *decider = weir_decider_of(answer);

	if (weir_outcome_of(answer) != expectation->outcome)
		return false;
	if (!expectation->by[0] || strcmp(expectation->by, reason) == 0)
		return true;
	if (strcmp(expectation->by, "policy") == 0 && is_default_policy(reason))
		return true;
	return decider && strcmp(expectation->by, decider) == 0;
}
