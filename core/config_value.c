/* SPDX-License-Identifier: Apache-2.0 */
/* Values as people write them; what is wrong with one is told with an example of what is right. */
#include "core/config_value.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/ports.h"
#include "base/units.h"
#include "core/yaml_text.h"

bool weir_field_is_scalar(const struct weir_field *field)
{
	return field->type != WEIR_FIELD_STRINGS && field->type != WEIR_FIELD_MAPPING &&
	       field->type != WEIR_FIELD_SEQUENCE;
}

/* What each measured type is called, how one is written, and by what it is read and shown. */
struct measure {
	const char *noun;
	const char *mend;
	int (*read)(const char *text, uint64_t *ret_value);
	void (*format)(uint64_t value, struct weir_buf *text);
};

/* Without thousands apart: what a refusal proposes must be right when copied. */
static void uint_format(uint64_t number, struct weir_buf *text)
{
	weir_buf_addf(text, "%llu", (unsigned long long)number);
}

static void rate_format(uint64_t per_second, struct weir_buf *text)
{
	weir_buf_addf(text, "%llu/s", (unsigned long long)per_second);
}

/* Digits only: no sign, no space, no 0x, no octal. */
static int uint_from_string(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	if (!*text)
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

static const struct measure measures[] = {
	[WEIR_FIELD_UINT] = { "a whole number", "write digits only, such as 1000", uint_from_string,
			      uint_format },
	[WEIR_FIELD_DURATION] = { "a duration",
				  "write a number and a unit, such as 500ms, 30s, 10m, 1h or 7d",
				  weir_duration_from_string, weir_duration_format },
	[WEIR_FIELD_SIZE] = { "a size", "write a number and a unit, such as 64MiB, 1GB or 4096",
			      weir_size_from_string, weir_size_format },
	[WEIR_FIELD_RATE] = { "a rate",
			      "write a number and a unit, such as 1000/s, 500pps or 10kpps",
			      weir_rate_from_string, rate_format },
};

void weir_value_format(const struct weir_field *field, uint64_t value, struct weir_buf *text)
{
	measures[field->type].format(value, text);
}

/* "least to most", "least or more": the cure for a number out of bounds. */
static void bounds_format(const struct weir_field *field, uint64_t most, struct weir_buf *text)
{
	weir_buf_add_str(text, "write ");
	weir_value_format(field, field->least, text);
	if (most == UINT64_MAX) {
		weir_buf_add_str(text, " or more");
		return;
	}
	weir_buf_add_str(text, " to ");
	weir_value_format(field, most, text);
}

static uint64_t field_most(const struct weir_field *field)
{
	if (field->most)
		return field->most;
	return field->type == WEIR_FIELD_UINT ? UINT32_MAX : UINT64_MAX;
}

static int measure_read(const struct weir_field *field, const char *text, const char *key,
			struct weir_diag *diag, uint64_t *ret_value)
{
	const struct measure *measure = &measures[field->type];
	uint64_t value = 0;
	int r = measure->read(text, &value);
	char shown[WEIR_TEXT_SHOWN];
	if (r == -EINVAL)
		return weir_diag_key(diag, key, measure->mend, "'%s' is not %s",
				     weir_text_shorten(text, shown), measure->noun);
	uint64_t most = field_most(field);
	if (r == 0 && value >= field->least && value <= most) {
		*ret_value = value;
		return 0;
	}
	bool large = r < 0 || value > most;
	_cleanup_buf_ struct weir_buf mend = { 0 };
	if (large && most == UINT64_MAX)
		weir_buf_add_str(&mend, "write a smaller one");
	else
		bounds_format(field, most, &mend);
	if (field->or_else)
		weir_buf_addf(&mend, ", or %s", field->or_else);
	return weir_diag_key(diag, key, weir_buf_str(&mend), "'%s' is too %s",
			     weir_text_shorten(text, shown), large ? "large" : "small");
}

static int enum_read(const struct weir_field *field, const char *text, const char *key,
		     struct weir_diag *diag, int *ret_value)
{
	for (int i = 0; field->values[i]; i++) {
		if (strcmp(text, field->values[i]) != 0)
			continue;
		*ret_value = i;
		return 0;
	}
	_cleanup_buf_ struct weir_buf mend = { 0 };
	const char *near = weir_nearest(text, field->values);
	if (near)
		weir_buf_addf(&mend, "did you mean '%s'? It is ", near);
	else
		weir_buf_add_str(&mend, "write ");
	for (size_t i = 0; field->values[i]; i++) {
		weir_buf_add_str(&mend, i == 0 ? "" : field->values[i + 1] ? ", " : " or ");
		weir_buf_add_str(&mend, field->values[i]);
	}
	char shown[WEIR_TEXT_SHOWN];
	return weir_diag_key(diag, key, weir_buf_str(&mend), "'%s' is not a value of this key",
			     weir_text_shorten(text, shown));
}

static int bool_read(const char *text, const char *key, struct weir_diag *diag, bool *ret_value)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) != 0)
			continue;
		*ret_value = i % 2;
		return 0;
	}
	char shown[WEIR_TEXT_SHOWN];
	return weir_diag_key(diag, key, "write true or false", "'%s' is neither true nor false",
			     weir_text_shorten(text, shown));
}

static int ports_read(const char *text, const char *key, struct weir_diag *diag,
		      uint32_t *ret_ports)
{
	char shown[WEIR_TEXT_SHOWN];

	if (!weir_ports_from_string(text, ret_ports))
		return 0;
	return weir_diag_key(diag, key, WEIR_PORTS_MEND, "'%s' %s", weir_text_shorten(text, shown),
			     weir_ports_fault(text));
}

int weir_value_read(const struct weir_field *field, const char *text, const char *key,
		    struct weir_diag *diag, void *ret_value)
{
	union {
		bool truth;
		int number;
		uint32_t ports;
		uint64_t amount;
	} value = { 0 };
	int r = 0;
	switch (field->type) {
	case WEIR_FIELD_BOOL:
		r = bool_read(text, key, diag, &value.truth);
		if (r == 0 && ret_value)
			*(bool *)ret_value = value.truth;
		return r;
	case WEIR_FIELD_ENUM:
		r = enum_read(field, text, key, diag, &value.number);
		if (r == 0 && ret_value)
			*(int *)ret_value = value.number;
		return r;
	case WEIR_FIELD_UINT:
		r = measure_read(field, text, key, diag, &value.amount);
		if (r == 0 && ret_value)
			*(uint32_t *)ret_value = (uint32_t)value.amount;
		return r;
	case WEIR_FIELD_PORTS:
		r = ports_read(text, key, diag, &value.ports);
		if (r == 0 && ret_value)
			*(uint32_t *)ret_value = value.ports;
		return r;
	case WEIR_FIELD_DURATION:
	case WEIR_FIELD_SIZE:
	case WEIR_FIELD_RATE:
		r = measure_read(field, text, key, diag, &value.amount);
		if (r == 0 && ret_value)
			((struct weir_quantity *)ret_value)->value = value.amount;
		return r;
	default:
		return 0;
	}
}
