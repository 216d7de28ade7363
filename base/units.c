/* SPDX-License-Identifier: Apache-2.0 */
/* Durations, sizes and rates from text and to text. Each kind is a table of its units. */
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct unit {
	const char *name;
	uint64_t factor;
};

#define NS_PER_MINUTE (60 * WEIR_NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)
#define NS_PER_DAY (24 * NS_PER_HOUR)

/* Largest first. Weeks are read but never written: "10d" says more than "1w3d". */
static const struct unit duration_units[] = {
	{ "w", 7 * NS_PER_DAY }, { "d", NS_PER_DAY },
	{ "h", NS_PER_HOUR },	 { "m", NS_PER_MINUTE },
	{ "s", WEIR_NS_PER_S },	 { "ms", WEIR_NS_PER_MS },
	{ "us", 1000 },		 { "ns", 1 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ "kB", 1000 },
	{ "KB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "TB", 1000000000000 },
};

static const struct unit packet_units[] = {
	{ "", 1 },
	{ "k", 1000 },
	{ "M", 1000000 },
	{ "G", 1000000000 },
};

/* In bits, of which a period has eight times as many. */
static const struct unit bit_units[] = {
	{ "bit", 1 },
	{ "kbit", 1000 },
	{ "Mbit", 1000000 },
	{ "Gbit", 1000000000 },
};

static const struct unit periods[] = {
	{ "pps", WEIR_NS_PER_S },
	{ "/s", WEIR_NS_PER_S },
	{ "/m", NS_PER_MINUTE },
	{ "/h", NS_PER_HOUR },
};

int weir_number_read(const char **text, uint64_t *ret_number)
{
	const char *p = *text;
	if (*p < '0' || *p > '9')
		return -EINVAL;

	uint64_t number = 0;
	bool fits = true;
	for (; *p >= '0' && *p <= '9'; p++)
		fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
		       !__builtin_add_overflow(number, (uint64_t)(*p - '0'), &number);
	if (!fits)
		return -ERANGE;
	*text = p;
	*ret_number = number;
	return 0;
}

/* The unit of exactly this name, or NULL. */
static const struct unit *unit_find(const struct unit *units, size_t count, const char *name,
				    size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
			return &units[i];
	return NULL;
}

static size_t letters_length(const char *text)
{
	size_t len = 0;
	while ((text[len] >= 'a' && text[len] <= 'z') || (text[len] >= 'A' && text[len] <= 'Z'))
		len++;
	return len;
}

/*
 * One "30s" of a sum. `below` is the factor of the unit before, which is larger: "30m1h" is a slip
 * of the pen.
 */
static int duration_read_part(const char **text, uint64_t *below, uint64_t *total)
{
	uint64_t number, ns;
	int r = weir_number_read(text, &number);
	if (r < 0)
		return r;
	size_t len = letters_length(*text);
	const struct unit *unit =
		unit_find(duration_units, WEIR_ARRAY_SIZE(duration_units), *text, len);
	if (!unit || unit->factor >= *below)
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit->factor, &ns) ||
	    __builtin_add_overflow(*total, ns, total))
		return -ERANGE;
	*below = unit->factor;
	*text += len;
	return 0;
}

int weir_duration_from_string(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, below = UINT64_MAX;
	if (strcmp(text, "0") != 0) {
		do {
			int r = duration_read_part(&text, &below, &total);
			if (r < 0)
				return r;
		} while (*text);
	}
	*ret_ns = total;
	return 0;
}

int weir_size_from_string(const char *text, uint64_t *ret_bytes)
{
	uint64_t number, bytes;
	int r = weir_number_read(&text, &number);
	if (r < 0)
		return r;
	const struct unit *unit =
		unit_find(size_units, WEIR_ARRAY_SIZE(size_units), text, strlen(text));
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit->factor, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

/* The period with which the text ends, or NULL; what stands before it is a unit. */
static const struct unit *period_find(const char *text, size_t *ret_unit_len)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(periods); i++) {
		size_t period_len = strlen(periods[i].name);
		if (len < period_len || strcmp(text + len - period_len, periods[i].name) != 0)
			continue;
		*ret_unit_len = len - period_len;
		return &periods[i];
	}
	return NULL;
}

int weir_packet_rate_from_string(const char *text, struct weir_rate *ret_rate)
{
	size_t len;
	int r = weir_number_read(&text, &ret_rate->count);
	if (r < 0)
		return r;
	const struct unit *period = period_find(text, &len);
	const struct unit *unit =
		period ? unit_find(packet_units, WEIR_ARRAY_SIZE(packet_units), text, len) : NULL;
	if (!unit)
		return -EINVAL;
	ret_rate->period_ns = period->factor;
	return __builtin_mul_overflow(ret_rate->count, unit->factor, &ret_rate->count) ? -ERANGE :
											 0;
}

int weir_byte_rate_from_string(const char *text, struct weir_rate *ret_rate)
{
	size_t len;
	int r = weir_number_read(&text, &ret_rate->count);
	if (r < 0)
		return r;
	const struct unit *period = period_find(text, &len);
	if (!period || period->name[0] != '/')
		return -EINVAL;
	const struct unit *unit = unit_find(size_units, WEIR_ARRAY_SIZE(size_units), text, len);
	const struct unit *bits =
		unit ? NULL : unit_find(bit_units, WEIR_ARRAY_SIZE(bit_units), text, len);
	if (!unit && !bits)
		return -EINVAL;
	ret_rate->period_ns = period->factor * (bits ? 8 : 1);
	return __builtin_mul_overflow(ret_rate->count, (bits ?: unit)->factor, &ret_rate->count) ?
		       -ERANGE :
		       0;
}

int weir_rate_from_string(const char *text, uint64_t *ret_per_second)
{
	struct weir_rate rate;
	int r = weir_packet_rate_from_string(text, &rate);
	if (r < 0)
		return r;
	uint64_t period_s = rate.period_ns / WEIR_NS_PER_S;
	if (rate.count % period_s)
		return -EINVAL;
	*ret_per_second = rate.count / period_s;
	return 0;
}

void weir_duration_format(uint64_t ns, struct weir_buf *text)
{
	if (!ns) {
		weir_buf_add_str(text, "0s");
		return;
	}
	size_t i = 1;
	while (ns < duration_units[i].factor)
		i++;
	weir_buf_addf(text, "%llu%s", (unsigned long long)(ns / duration_units[i].factor),
		      duration_units[i].name);
	if (i + 1 == WEIR_ARRAY_SIZE(duration_units))
		return;
	uint64_t rest = ns % duration_units[i].factor / duration_units[i + 1].factor;
	if (rest)
		weir_buf_addf(text, "%llu%s", (unsigned long long)rest, duration_units[i + 1].name);
}

void weir_size_format(uint64_t bytes, struct weir_buf *text)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	while (unit + 1 < WEIR_ARRAY_SIZE(names) && bytes >> (10 * unit) >= 1024)
		unit++;

	/* Wider, for 16 EiB in tenths need more than 64 bits. */
	__extension__ unsigned __int128 scaled = bytes;
	scaled = scaled * 10 + ((1ull << (10 * unit)) >> 1);
	uint64_t tenths = (uint64_t)(scaled >> (10 * unit));
	if (tenths >= 10240 && unit + 1 < WEIR_ARRAY_SIZE(names)) {
		tenths = 10;
		unit++;
	}
	weir_buf_addf(text, "%llu", (unsigned long long)(tenths / 10));
	if (tenths % 10)
		weir_buf_addf(text, ".%llu", (unsigned long long)(tenths % 10));
	weir_buf_add_str(text, names[unit]);
}

void weir_count_format(uint64_t count, struct weir_buf *text)
{
	if (count >= 1000) {
		weir_count_format(count / 1000, text);
		weir_buf_addf(text, ",%03u", (unsigned)(count % 1000));
	} else {
		weir_buf_addf(text, "%u", (unsigned)count);
	}
}

/*
 * 17 digits always suffice and mostly show noise: 0.1 as 0.10000000000000001. Weir never leaves the
 * C locale.
 */
void weir_real_format(double value, struct weir_buf *text)
{
	char digits[32];

	for (int count = 15; count <= 17; count++) {
		snprintf(digits, sizeof(digits), "%.*g", count, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	weir_buf_add_str(text, digits);
}
