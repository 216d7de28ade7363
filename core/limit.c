/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PACKETS_MOST 1000000000ULL /* a second */
#define BYTES_MOST 125000000000ULL /* a second: 1 Tbit/s */
#define PACKET_BYTES 1514	   /* a frame of Ethernet */
#define PACKET_BYTES_MOST 65550	   /* what the kernel joins into one packet, with its frame */
#define PER_TEXT 64

const struct weir_limit_measure weir_limit_packets = {
	"a rate",
	"write a whole number and a period: 10/s, 30/m, 1/h, 500pps, 10kpps",
	weir_packet_rate_from_string,
	PACKETS_MOST,
	"1000000000/s",
};

const struct weir_limit_measure weir_limit_bytes = {
	"a rate of bytes",
	"write a size and a period: 1MB/s, 64KiB/s, 100Mbit/s, 10MiB/m",
	weir_byte_rate_from_string,
	BYTES_MOST,
	"125GB/s",
};

const struct weir_limit_measure weir_limit_packets_or_bytes = {
	"a rate",
	"write packets: 10/s, 30/m, 1/h, 10kpps, or bytes: 1MB/s, 64KiB/s, 100Mbit/s",
	weir_packet_rate_from_string,
	PACKETS_MOST,
	"1000000000/s",
};

/* -EINVAL: no such rate; -ERANGE: too much of it. */
static int rate_read(const struct weir_limit_measure *measure, const char *text,
		     struct weir_rate *ret_rate)
{
	int r = measure->read(text, ret_rate);

	if (r)
		return r;
	__extension__ unsigned __int128 most =
		(unsigned __int128)measure->most * (ret_rate->period_ns / WEIR_NS_PER_S);

	return ret_rate->count > most ? -ERANGE : 0;
}

int weir_limit_rate_read(const struct weir_limit_measure *measure, const char *text,
			 const char *key, struct weir_diag *diag, struct weir_rate *ret_rate)
{
	int r = rate_read(measure, text, ret_rate);

	if (r == -EINVAL)
		return weir_diag_key(diag, key, measure->mend, "'%.40s' is not %s", text,
				     measure->noun);
	if (r == -ERANGE)
		return weir_diag_key(diag, key, "write less, or leave the limit out",
				     "'%.40s' is too large: %s is the most", text,
				     measure->most_text);
	return 0;
}

int weir_limit_zero_refuse(const char *key, struct weir_diag *diag)
{
	return weir_diag_key(diag, key, "write at least 1/h, or deny it by a rule",
			     "a limit of zero lets nothing pass");
}

uint64_t weir_limit_burst_of(const struct weir_rate *rate, bool counts_bytes)
{
	uint64_t count = rate->count / (rate->period_ns / WEIR_NS_PER_S);
	uint64_t least = counts_bytes ? PACKET_BYTES_MOST : 1;

	return count > least ? count : least;
}

int weir_limit_bytes_check(uint64_t burst, const char *key, struct weir_diag *diag)
{
	if (burst < PACKET_BYTES)
		return weir_diag_key(diag, key, "write 64KiB or more",
				     "a burst smaller than one packet lets none pass (%d bytes)",
				     PACKET_BYTES);
	if (burst < PACKET_BYTES_MOST && diag)
		weir_diag_warning_key(diag, key, "write 65550 or more",
				      "where the kernel joins packets, those larger than the burst "
				      "never pass");
	return 0;
}

int weir_limit_bucket(const struct weir_rate *rate, uint64_t burst, bool counts_bytes,
		      const char *key, struct weir_diag *diag, struct limit_row *row)
{
	__extension__ unsigned __int128 drain = (unsigned __int128)burst * rate->period_ns;

	if (drain / rate->count > LIMIT_DAY_NS)
		return weir_diag_key(diag, key, "write a smaller burst or a higher rate",
				     "a bucket of this rate takes more than a day to drain a "
				     "burst of %llu",
				     (unsigned long long)burst);
	__extension__ unsigned __int128 cost =
		((unsigned __int128)rate->period_ns << LIMIT_NS_SHIFT) + rate->count / 2;

	row->per = (uint64_t)(cost / rate->count);
	if (row->per >= LIMIT_WHOLE)
		row->per = (row->per + (1ULL << (LIMIT_PRINT_BITS - 1))) & ~LIMIT_PRINT_MASK;
	row->room = row->per * burst + LIMIT_SLACK;
	row->most = burst < UINT32_MAX ? (uint32_t)burst + 1 : UINT32_MAX;
	row->flags |= counts_bytes ? LIMIT_COUNTS_BYTES : 0;
	row->flags |= drain / rate->count < LIMIT_COARSE_NS ? LIMIT_IS_FINE : 0;
	return 0;
}

static uint64_t mask_of(uint64_t bits) /* of 64, from the top */
{
	return bits ? htobe64(~0ULL << (64 - (bits < 64 ? bits : 64))) : 0;
}

/* "/24,/64" behind the end; `ret` are the lengths. */
static int lengths_read(const char *text, uint64_t *ret_v4, uint64_t *ret_v6)
{
	*ret_v4 = 32;
	*ret_v6 = 128;
	if (!*text)
		return 0;
	if (*text++ != '/' || weir_number_read(&text, ret_v4) || *text++ != ',')
		return -EINVAL;
	text += strspn(text, " ");
	if (*text++ != '/' || weir_number_read(&text, ret_v6) || *text)
		return -EINVAL;
	return *ret_v4 >= 1 && *ret_v4 <= 32 && *ret_v6 >= 1 && *ret_v6 <= 128 ? 0 : -EINVAL;
}

/* "service", or "+ service" behind the end, which alone goes into `end`: that there is one. */
static bool service_read(const char *text, char end[PER_TEXT])
{
	size_t len = strcspn(text, "+");
	const char *rest = text + len;

	snprintf(end, PER_TEXT, "%s", strcmp(text, "service") == 0 ? "total" : text);
	if (!*rest)
		return strcmp(text, "service") == 0;
	rest += 1 + strspn(rest + 1, " ");
	while (len && text[len - 1] == ' ')
		len--;
	if (strcmp(rest, "service") != 0 || len >= PER_TEXT)
		return false;
	end[len] = '\0';
	return true;
}

static int end_read(const char *text, struct limit_row *row)
{
	static const char *const ends[] = { "source", "destination" };
	uint64_t v4, v6;

	if (strcmp(text, "total") == 0) {
		row->end = LIMIT_PER_TOTAL;
		return 0;
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(ends); i++) {
		size_t len = strlen(ends[i]);

		if (strncmp(text, ends[i], len) != 0 || lengths_read(text + len, &v4, &v6))
			continue;
		row->end = (uint8_t)i;
		row->mask4 = mask_of(32 + v4);
		row->mask6[0] = mask_of(v6);
		row->mask6[1] = v6 > 64 ? mask_of(v6 - 64) : 0;
		return 0;
	}
	return -EINVAL;
}

int weir_limit_per_read(const char *text, const char *key, struct weir_diag *diag,
			struct limit_row *row)
{
	char end[PER_TEXT];

	row->service = service_read(text, end) ? UINT32_MAX : 0;
	if (end_read(end, row) == 0)
		return 0;
	return weir_diag_key(diag, key,
			     "write source, destination, service or total; prefixes as "
			     "source/24,/64, the length for IPv4 first; both as source + service",
			     "'%.40s' is nothing a bucket can be for", text);
}

void weir_limit_put_held(const char *kind, const char *name, bool is_over,
			 struct weir_json_out *json)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s %s", kind, name,
		 is_over ? "is full, as now" : "has room, as now");
	weir_json_put_str(json, "holds_while", text);
}
