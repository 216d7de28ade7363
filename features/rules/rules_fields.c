/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a small field into classes. What rules ask is kept once for all that ask the same. */
#include "features/rules/rules_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const uint32_t field_values[RULES_FIELDS] = {
	[RULES_PROTO] = 256,
	[RULES_FLAGS] = 257,
	[RULES_TYPE] = 513,
	[RULES_CODE] = 257,
	[RULES_DSCP] = 64,
	[RULES_FAMILY] = 2,
	[RULES_FRAGMENT] = 3,
	[RULES_STATE] = WEIR_CONN_STATES,
	[RULES_MINUTE] = RULES_FIELD_VALUES,
};

struct asked {
	const struct rules_build *build;
	enum rules_field field;
	uint32_t key;
	const struct rules_values **sets; /* each once */
	uint32_t set_count;
	uint32_t *set_of;		    /* by rank; UINT32_MAX: the rule does not ask */
	uint32_t sample[RULES_CLASSES_MAX]; /* a value of each class */
};

static bool rule_asks(const struct asked *asked, uint32_t rank)
{
	return asked->build->plan->rules[rank].given & 1u << asked->key;
}

/* Rules of one kind tend to follow one another, so the last sets are looked at first. */
static uint32_t set_number(struct asked *asked, const struct rules_values *values)
{
	for (uint32_t i = asked->set_count; i-- > 0;)
		if (rules_values_equal(asked->sets[i], values))
			return i;
	asked->sets[asked->set_count] = values;
	return asked->set_count++;
}

static int asked_collect(struct asked *asked)
{
	uint32_t count = asked->build->bits.count;
	asked->sets = calloc(count + 1, sizeof(*asked->sets));
	asked->set_of = calloc(count + 1, sizeof(*asked->set_of));
	if (!asked->sets || !asked->set_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		asked->set_of[i] =
			rule_asks(asked, i) ?
				set_number(asked, &asked->build->plan->rules[i].keys[asked->key]) :
				UINT32_MAX;
	return 0;
}

static void asked_done(struct asked *asked)
{
	free(asked->sets);
	free(asked->set_of);
}

static bool is_cut(const struct asked *asked, uint32_t value)
{
	for (uint32_t i = 0; i < asked->set_count; i++)
		for (uint32_t j = 0; j < asked->sets[i]->count; j++)
			if (asked->sets[i]->at[j].from == value ||
			    asked->sets[i]->at[j].to + 1 == value)
				return true;
	return false;
}

static bool is_alike(const struct asked *asked, uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < asked->set_count; i++)
		if (rules_values_has(asked->sets[i], a) != rules_values_has(asked->sets[i], b))
			return false;
	return true;
}

static int class_refuse(const struct asked *asked)
{
	weir_diag_error(asked->build->compile->diag, "use fewer different values there",
			"the rules tell more than %d kinds of `%s` apart", RULES_CLASSES_MAX,
			rules_key_name(asked->key));
	return -E2BIG;
}

static int class_of_value(struct asked *asked, uint32_t value, struct rules_classified *classified)
{
	uint32_t class = 0;
	while (class < classified->classes && !is_alike(asked, value, asked->sample[class]))
		class ++;
	if (class == RULES_CLASSES_MAX)
		return class_refuse(asked);
	if (class == classified->classes)
		asked->sample[classified->classes++] = value;
	return (int)class;
}

static int values_classify(struct asked *asked, struct rules_classified *classified)
{
	int class = 0;
	for (uint32_t value = 0; value < classified->values; value++) {
		if (value == 0 || is_cut(asked, value))
			class = class_of_value(asked, value, classified);
		if (class < 0)
			return class;
		classified->class_of[value] = (uint8_t) class;
	}
	return 0;
}

static void class_words(const struct asked *asked, uint32_t value, __u64 *words)
{
	for (uint32_t i = 0; i < asked->build->bits.count; i++) {
		uint32_t set = asked->set_of[i];
		if (set == UINT32_MAX || rules_values_has(asked->sets[set], value))
			rules_bit_set(words, asked->build->bits.position[i]);
	}
}

void rules_classified_done(struct rules_classified *classified)
{
	free(classified->class_of);
	free(classified->words);
}

int rules_field_classify(const struct rules_build *build, enum rules_field field,
			 struct rules_classified *ret_classified)
{
	struct asked asked = { .build = build, .field = field, .key = RULES_KEY_FIELD(field) };
	struct rules_classified classified = { .values = field_values[field] };
	int r = asked_collect(&asked);
	if (r == 0 && asked.set_count) {
		classified.class_of = calloc(classified.values, 1);
		r = classified.class_of ? values_classify(&asked, &classified) : -ENOMEM;
	}
	if (r == 0 && asked.set_count) {
		classified.words = calloc(classified.classes, sizeof(*classified.words));
		r = classified.words ? 0 : -ENOMEM;
	}
	for (uint32_t i = 0; r == 0 && i < classified.classes; i++)
		class_words(&asked, asked.sample[i], classified.words[i]);
	asked_done(&asked);
	if (r < 0) {
		rules_classified_done(&classified);
		return r;
	}
	*ret_classified = classified;
	return 0;
}
