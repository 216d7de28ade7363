/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them: "10m", "64MiB", "10kpps". Each reading returns 0, -EINVAL (not
 * such a quantity) or -ERANGE (does not fit). Whole numbers only: "1.5h" is "1h30m".
 */
#ifndef WEIR_BASE_UNITS_H
#define WEIR_BASE_UNITS_H

#include <stdint.h>

#include "base/buf.h"

/* Digits, and what comes behind them is left: moves *text past them. */
int weir_number_read(const char **text, uint64_t *ret_number);
/*
 * Units ns us ms s m h d w: "500ms", "30s", "10m", "1h", "7d", "2w", and sums of them, larger units
 * first ("1h30m"). A bare number is refused except "0".
 */
int weir_duration_from_string(const char *text, uint64_t *ret_ns);
/* "64MiB", "1GB", "4096" (bytes), "16KiB"; powers of 1024 with i, of 1000 without. Up to T. */
int weir_size_from_string(const char *text, uint64_t *ret_bytes);
/*
 * "10kpps", "1Mpps", "500pps", "500/s", "10k/s", "600/m", "36000/h", with k, M or G. "30/m" is 0.5
 * a second and refused: whole numbers a second only.
 */
int weir_rate_from_string(const char *text, uint64_t *ret_per_second);

/* So many in so long: 0 is a rate, too. */
struct weir_rate {
	uint64_t count;
	uint64_t period_ns;
};

/* The same with any period: "10/s", "30/m", "1/h", "10kpps". Errors change *ret_rate, too. */
int weir_packet_rate_from_string(const char *text, struct weir_rate *ret_rate);
/* Bytes: "1MB/s", "64KiB/m", "100Mbit/s". What is told in bits has a period eight times as long, as
 * it may be no whole number of bytes. */
int weir_byte_rate_from_string(const char *text, struct weir_rate *ret_rate);

/* Two units at most, the rest cut off: "1h30m", "9m58s", "250ms", "12d". */
void weir_duration_format(uint64_t ns, struct weir_buf *text);
/* "12.4MiB", "64MiB", "512B": rounded to a tenth. */
void weir_size_format(uint64_t bytes, struct weir_buf *text);
/* Thousands apart: "1,234,567". */
void weir_count_format(uint64_t count, struct weir_buf *text);
/* Of a finite number the shortest text that reads back as the same: "0.1", "1e+300". */
void weir_real_format(double value, struct weir_buf *text);

#endif
