/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `health:`. */
#include <stdio.h>

#include "base/clock.h"
#include "features/balance/balance_state.h"

#define HEALTH(member) offsetof(struct health_text, member)
#define CHECKS_MOST 255
#define LEAST_NS (50 * WEIR_NS_PER_MS)
#define MOST_NS (24 * 3600 * WEIR_NS_PER_S)

const char *const health_type_names[] = { "none", "tcp", NULL };
const char *const health_all_down_names[] = { "refuse", "keep-all", NULL };

#define TIME_FIELD(yaml, member, without, words)                                              \
	{                                                                                     \
		.key = yaml, .type = WEIR_FIELD_DURATION, .offset = HEALTH(member),           \
		.fallback = without, .wants_value = true, .least = LEAST_NS, .most = MOST_NS, \
		.help = words,                                                                \
	}
#define COUNT_FIELD(yaml, member, without, fewest, highest, words)                          \
	{                                                                                   \
		.key = yaml, .type = WEIR_FIELD_UINT, .offset = HEALTH(member),             \
		.fallback = without, .wants_value = true, .least = fewest, .most = highest, \
		.help = words,                                                              \
	}

const struct weir_field health_fields[] = {
	{ .key = "type",
	  .type = WEIR_FIELD_ENUM,
	  .offset = HEALTH(type),
	  .values = health_type_names,
	  .fallback = "none",
	  .wants_value = true,
	  .help = "What a check is. none: backends are not checked, and count as up. tcp: a "
		  "connection is accepted." },
	TIME_FIELD("interval", interval, "2s",
		   "From the beginning of a check to that of the next."),
	TIME_FIELD("timeout", timeout, "1s",
		   "A check that has no answer by then has failed. Not more than interval."),
	COUNT_FIELD("rise", rise, "2", 1, CHECKS_MOST,
		    "A backend that is down is up again when so many checks in a row were good."),
	COUNT_FIELD("fall", fall, "3", 1, CHECKS_MOST,
		    "It is down when so many in a row have failed."),
	COUNT_FIELD("jitter", jitter, "10", 0, 50,
		    "Hundredths of interval that a check may begin early, by chance, so that "
		    "many do not go on together."),
	{ .key = "port",
	  .type = WEIR_FIELD_UINT,
	  .offset = HEALTH(port),
	  .least = 1,
	  .most = 65535,
	  .wants_value = true,
	  .help = "The port that is asked. Without: the backend's." },
	{ 0 },
};

static void key_of(char key[80], unsigned index, const char *name)
{
	snprintf(key, 80, "balance.services[%u].health.%s", index, name);
}

int health_check(const struct balance_section *section, unsigned index, struct weir_diag *diag)
{
	const struct health_text *text = &section->services[index].health;
	char key[80];

	if (text->timeout.value <= text->interval.value)
		return 0;
	key_of(key, index, "timeout");
	return weir_diag_key(diag, key, "write a shorter one, or a longer interval",
			     "a check may not take longer than the interval between two");
}
