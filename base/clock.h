/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks we use, in nanoseconds, and times as text. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

#define WEIR_NS_PER_S 1000000000ull
#define WEIR_NS_PER_MS 1000000ull
#define WEIR_CLOCK_TEXT 21    /* a time as text and its NUL */
#define WEIR_CLOCK_MS_TEXT 25 /* … with milliseconds */

/* CLOCK_MONOTONIC: what bpf_ktime_get_ns() and bpf_ktime_get_coarse_ns() count too. */
uint64_t weir_clock_monotonic_ns(void);
/* CLOCK_MONOTONIC_COARSE: the data path's own, up to 10 ms behind the exact one. */
uint64_t weir_clock_coarse_ns(void);
/* CLOCK_REALTIME, since 1970. */
uint64_t weir_clock_real_ns(void);
/* "2031-05-01T12:30:00Z", in UTC, parts of a second cut off; returns text. */
const char *weir_clock_format(uint64_t real_ns, char text[WEIR_CLOCK_TEXT]);
/* "2031-05-01T12:30:00.250Z", what is finer cut off. */
const char *weir_clock_format_ms(uint64_t real_ns, char text[WEIR_CLOCK_MS_TEXT]);
/* The time of day of something that happened `ago_ns` before `real_ns`; 1970 where a clock that was
 * set back does not reach. */
static inline uint64_t weir_clock_before(uint64_t real_ns, uint64_t ago_ns)
{
	return real_ns > ago_ns ? real_ns - ago_ns : 0;
}
/* The time of day of a moment of CLOCK_MONOTONIC; of one that is still to come, now. */
uint64_t weir_clock_real_at(uint64_t monotonic_ns);
/*
 * Reads what weir_clock_format() writes, also with fractions of a second; -EINVAL otherwise and
 * past the year 2554.
 */
int weir_clock_parse(const char *text, uint64_t *ret_real_ns);
/*
 * What clocks on the wall show at that time, since a Monday 0:00 before 1970: divided by minutes,
 * modulo a week, it is the minute of the week. By TZ, else /etc/localtime as it is now.
 */
uint64_t weir_clock_local_ns(uint64_t real_ns);

#endif
