/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the clocks, and writes and reads times as RFC 3339 in UTC. Local time is for whoever shows
 * it.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define NS_DIGITS 9
/* 1970 began on a Thursday; from there, no offset from UTC leads below zero. */
#define MONDAY_BEFORE_S (3 * 86400)

static uint64_t clock_read_ns(clockid_t id)
{
	/* Cannot fail for these clocks and an address of ours. */
	struct timespec now = { 0 };
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * WEIR_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t weir_clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t weir_clock_coarse_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

uint64_t weir_clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

uint64_t weir_clock_real_at(uint64_t monotonic_ns)
{
	/* The time of day first: a pause between the two clocks may make it too early, never too
	 * late. The data path's clock may be read a moment later, on another processor. */
	uint64_t real_ns = weir_clock_real_ns();
	uint64_t now_ns = weir_clock_monotonic_ns();

	return weir_clock_before(real_ns, now_ns > monotonic_ns ? now_ns - monotonic_ns : 0);
}

const char *weir_clock_format(uint64_t real_ns, char text[WEIR_CLOCK_TEXT])
{
	/* 64 bits of nanoseconds end in the year 2554, so the form always fits. */
	time_t seconds = (time_t)(real_ns / WEIR_NS_PER_S);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	if (!strftime(text, WEIR_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		text[0] = '\0';
	return text;
}

const char *weir_clock_format_ms(uint64_t real_ns, char text[WEIR_CLOCK_MS_TEXT])
{
	char whole[WEIR_CLOCK_TEXT];
	unsigned ms = (unsigned)(real_ns / WEIR_NS_PER_MS % 1000);

	weir_clock_format(real_ns, whole);
	snprintf(text, WEIR_CLOCK_MS_TEXT, "%.19s.%03uZ", whole, ms);
	return text;
}

/* '0' in the form stands for a digit, anything else for itself. */
static int text_match(const char *text, const char *form)
{
	for (; *form; form++, text++) {
		bool is_digit = *text >= '0' && *text <= '9';
		if (*form == '0' ? !is_digit : *text != *form)
			return -EINVAL;
	}
	return 0;
}

static int text_number(const char *text, int digits)
{
	int number = 0;
	for (int i = 0; i < digits; i++)
		number = number * 10 + (text[i] - '0');
	return number;
}

/* ".5" to nanoseconds; what is finer is cut off. Ends before the Z. */
static int fraction_read(const char **text, uint64_t *ret_ns)
{
	uint64_t ns = 0;
	int digits = 0;
	const char *p = *text;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, digits++)
			if (digits < NS_DIGITS)
				ns = ns * 10 + (uint64_t)(*p - '0');
		if (!digits)
			return -EINVAL;
	}
	for (; digits < NS_DIGITS; digits++)
		ns *= 10;
	*text = p;
	*ret_ns = ns;
	return 0;
}

/*
 * timegm() takes 30 February for 1 or 2 March; a date that comes back changed was none. A day too
 * many always changes the month.
 */
static int date_to_seconds(const char *text, uint64_t *ret_seconds)
{
	struct tm tm = {
		.tm_year = text_number(text, 4) - 1900,
		.tm_mon = text_number(text + 5, 2) - 1,
		.tm_mday = text_number(text + 8, 2),
		.tm_hour = text_number(text + 11, 2),
		.tm_min = text_number(text + 14, 2),
		.tm_sec = text_number(text + 17, 2),
	};
	struct tm asked = tm;
	time_t seconds = timegm(&tm);
	if (tm.tm_year != asked.tm_year || tm.tm_mon != asked.tm_mon ||
	    tm.tm_hour != asked.tm_hour || tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec)
		return -EINVAL;
	if (seconds < 0 || (uint64_t)seconds >= UINT64_MAX / WEIR_NS_PER_S)
		return -EINVAL;
	*ret_seconds = (uint64_t)seconds;
	return 0;
}

int weir_clock_parse(const char *text, uint64_t *ret_real_ns)
{
	static const char form[] = "0000-00-00T00:00:00";
	uint64_t seconds, ns;
	if (text_match(text, form) < 0 || date_to_seconds(text, &seconds) < 0)
		return -EINVAL;
	const char *rest = text + sizeof(form) - 1;
	if (fraction_read(&rest, &ns) < 0 || rest[0] != 'Z' || rest[1])
		return -EINVAL;
	*ret_real_ns = seconds * WEIR_NS_PER_S + ns;
	return 0;
}

uint64_t weir_clock_local_ns(uint64_t real_ns)
{
	time_t seconds = (time_t)(real_ns / WEIR_NS_PER_S);
	struct tm tm = { 0 };
	tzset(); /* localtime_r() need not look whether the zone is another now */
	localtime_r(&seconds, &tm);
	return real_ns + (uint64_t)(MONDAY_BEFORE_S + tm.tm_gmtoff) * WEIR_NS_PER_S;
}
