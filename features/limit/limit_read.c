/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of `limits:` means: rates, bursts, ports and what a bucket is for. */
#include <errno.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/units.h"
#include "features/limit/limit_state.h"

#define PACKETS_MOST 1000000000ULL /* a second */
#define BYTES_MOST 125000000000ULL /* a second: 1 Tbit/s */
#define PACKET_BYTES 1514	   /* a frame of Ethernet */
#define PACKET_BYTES_MOST 65550	   /* what the kernel joins into one packet, with its frame */
#define PER_TEXT 64
#define ID_SEED 0x6c696d6974ULL /* numbers of names stay what they are over restarts */

/* One of the ways in which a rate can be told. */
struct measure {
	const char *key, *noun, *mend;
	int (*read)(const char *text, struct weir_rate *ret_rate);
	uint64_t most; /* a second */
	const char *most_text;
};

static const struct measure packets = {
	"packets",
	"a rate",
	"write a whole number and a period: 10/s, 30/m, 1/h, 500pps, 10kpps",
	weir_packet_rate_from_string,
	PACKETS_MOST,
	"1000000000/s",
};

static const struct measure bytes = {
	"bytes",
	"a rate of bytes",
	"write a size and a period: 1MB/s, 64KiB/s, 100Mbit/s, 10MiB/m",
	weir_byte_rate_from_string,
	BYTES_MOST,
	"125GB/s",
};

static const struct measure connections = {
	"connections",
	"a rate",
	"write a whole number and a period: 10/s, 30/m, 1/h",
	weir_packet_rate_from_string,
	PACKETS_MOST,
	"1000000000/s",
};

static const struct measure *measure_of(const struct limit_text *text)
{
	return text->packets ? &packets : text->bytes ? &bytes : &connections;
}

const char *limit_counts(const struct limit_text *text)
{
	return measure_of(text)->key;
}

const char *limit_rate(const struct limit_text *text)
{
	return text->packets ? text->packets : text->bytes ? text->bytes : text->connections;
}

/* -EINVAL: no such rate; -ERANGE: too much of it. */
static int rate_read(const struct measure *measure, const char *text, struct weir_rate *ret_rate)
{
	int r = measure->read(text, ret_rate);

	if (r)
		return r;
	return ret_rate->count / (ret_rate->period_ns / WEIR_NS_PER_S) > measure->most ? -ERANGE :
											 0;
}

static const char *key_of(const char *path, const char *member, char key[64])
{
	snprintf(key, 64, "%s%s%s", path, *path ? "." : "", member);
	return key;
}

static int rate_mean(const struct measure *measure, const char *text, const char *path,
		     struct weir_diag *diag, struct weir_rate *ret_rate)
{
	char key[64];
	int r = rate_read(measure, text, ret_rate);

	key_of(path, measure->key, key);
	if (r == -EINVAL)
		return weir_diag_key(diag, key, measure->mend, "'%.40s' is not %s", text,
				     measure->noun);
	if (r == -ERANGE)
		return weir_diag_key(diag, key, "write less, or leave the limit out",
				     "'%.40s' is too large: %s is the most", text,
				     measure->most_text);
	return 0;
}

static int zero_refuse(const struct limit_text *text, const char *path, struct weir_diag *diag)
{
	char key[64];

	return weir_diag_key(diag, key_of(path, limit_counts(text), key),
			     "write at least 1/h, or deny it by a rule",
			     "a limit of zero lets nothing pass");
}

static uint64_t a_second_of(const struct weir_rate *rate, uint64_t least)
{
	uint64_t count = rate->count / (rate->period_ns / WEIR_NS_PER_S);

	return count > least ? count : least;
}

static int burst_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
		      struct limit_meaning *meaning)
{
	char key[64];
	bool counts_bytes = text->bytes;

	if (counts_bytes && text->burst)
		return weir_diag_key(diag, key_of(path, "burst", key), "write burst-bytes",
				     "`burst` counts packets, and this limit counts bytes");
	if (!counts_bytes && text->burst_bytes.text)
		return weir_diag_key(diag, key_of(path, "burst-bytes", key), "write burst",
				     "`burst-bytes` is for limits of bytes, and this one counts %s",
				     limit_counts(text));
	key_of(path, "burst-bytes", key);
	if (!counts_bytes) {
		meaning->burst = text->burst ?: a_second_of(&meaning->rate, 1);
		return 0;
	}
	meaning->burst = text->burst_bytes.text ? text->burst_bytes.value :
						  a_second_of(&meaning->rate, PACKET_BYTES_MOST);
	if (meaning->burst < PACKET_BYTES)
		return weir_diag_key(diag, key, "write 64KiB or more",
				     "a burst smaller than one packet lets none pass (%d bytes)",
				     PACKET_BYTES);
	if (meaning->burst < PACKET_BYTES_MOST && diag)
		weir_diag_warning_key(diag, key, "write 65550 or more",
				      "where the kernel joins packets, those larger than the burst "
				      "never pass");
	return 0;
}

/* Cost and room of a bucket; refused when it would take longer than a day to drain. */
static int bucket_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
		       struct limit_meaning *meaning)
{
	char key[64];
	const struct weir_rate *rate = &meaning->rate;
	struct limit_row *row = &meaning->row;
	__extension__ unsigned __int128 drain = (unsigned __int128)meaning->burst * rate->period_ns;

	if (drain / rate->count > LIMIT_DAY_NS)
		return weir_diag_key(diag, key_of(path, text->bytes ? "burst-bytes" : "burst", key),
				     "write a smaller burst or a higher rate",
				     "a bucket of this burst takes more than a day to drain");
	__extension__ unsigned __int128 cost =
		((unsigned __int128)rate->period_ns << LIMIT_NS_SHIFT) + rate->count / 2;

	row->per = (uint64_t)(cost / rate->count);
	if (row->per >= LIMIT_WHOLE)
		row->per = (row->per + (1ULL << (LIMIT_PRINT_BITS - 1))) & ~LIMIT_PRINT_MASK;
	row->room = row->per * meaning->burst + LIMIT_SLACK;
	row->most = meaning->burst < UINT32_MAX ? (uint32_t)meaning->burst + 1 : UINT32_MAX;
	row->flags |= text->bytes ? LIMIT_COUNTS_BYTES : 0;
	row->flags |= drain / rate->count < LIMIT_COARSE_NS ? LIMIT_IS_FINE : 0;
	row->flags |= text->dry_run ? LIMIT_IS_DRY : 0;
	return 0;
}

/* "22" or "8000-8100", with blanks around; moves *text past it. */
static int span_read(const char **text, struct limit_span *ret_span)
{
	uint64_t from, to;

	*text += strspn(*text, " ");
	if (weir_number_read(text, &from))
		return -EINVAL;
	to = from;
	*text += strspn(*text, " ");
	if (**text == '-') {
		*text += 1;
		*text += strspn(*text, " ");
		if (weir_number_read(text, &to))
			return -EINVAL;
	}
	*text += strspn(*text, " ");
	*ret_span = (struct limit_span){ (uint16_t)from, (uint16_t)to };
	return from > to || to > 65535 ? -EINVAL : 0;
}

static int ports_mean(const char *text, const char *key, struct weir_diag *diag,
		      struct limit_span spans[LIMIT_SPANS])
{
	const char *rest = text;

	for (unsigned i = 0; i < LIMIT_SPANS; i++)
		spans[i] = (struct limit_span){ 1, 0 };
	for (unsigned i = 0; text; i++) {
		if (i == LIMIT_SPANS)
			return weir_diag_key(diag, key, "write a second limit for the others",
					     "more than %d ports or ranges", LIMIT_SPANS);
		if (span_read(&rest, &spans[i]) || (*rest && *rest != ','))
			return weir_diag_key(diag, key, "write 53, or 53, 123, 8000-8100",
					     "'%.40s' are no ports", text);
		if (!*rest++)
			break;
	}
	return 0;
}

static int both_ports_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
			   struct limit_meaning *meaning)
{
	char key[64];
	bool has_ports = text->sport || text->dport;

	if (has_ports && (text->proto == LIMIT_PROTO_ICMP || text->proto == LIMIT_PROTO_ANY))
		return weir_diag_key(diag, key_of(path, text->dport ? "dport" : "sport", key),
				     "write proto: tcp or proto: udp beside it",
				     "only TCP and UDP have ports");
	int r = ports_mean(text->sport, key_of(path, "sport", key), diag, meaning->ports.sport);

	if (!r)
		r = ports_mean(text->dport, key_of(path, "dport", key), diag, meaning->ports.dport);
	meaning->row.flags |= text->sport ? LIMIT_HAS_SPORTS : 0;
	meaning->row.flags |= text->dport ? LIMIT_HAS_DPORTS : 0;
	return r;
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

static int per_mean(const char *text, const char *path, struct weir_diag *diag,
		    struct limit_row *row)
{
	char key[64], end[PER_TEXT];

	row->service = service_read(text, end) ? UINT32_MAX : 0;
	if (end_read(end, row) == 0)
		return 0;
	return weir_diag_key(diag, key_of(path, "per", key),
			     "write source, destination, service or total; prefixes as "
			     "source/24,/64, the length for IPv4 first; both as source + service",
			     "'%.40s' is nothing a bucket can be for", text);
}

/* That it counts one thing, and is about packets that there are. */
static int kind_check(const struct limit_text *text, const char *path, struct weir_diag *diag)
{
	int measures = !!text->packets + !!text->bytes + !!text->connections;
	char key[64];

	if (measures != 1)
		return weir_diag_key(diag,
				     key_of(path, measures ? limit_counts(text) : "packets", key),
				     measures ? "write two limits" :
						"write packets: 10/s, bytes: 1MB/s or connections: "
						"10/s",
				     "a limit counts either packets, bytes or connections");
	if (text->flags == LIMIT_FLAGS_SYN && text->connections)
		return weir_diag_key(diag, key_of(path, "flags", key), "leave it out",
				     "`connections` is about what begins one by itself");
	if (text->flags == LIMIT_FLAGS_SYN && text->proto != LIMIT_PROTO_TCP)
		return weir_diag_key(diag, key_of(path, "flags", key), "write proto: tcp beside it",
				     "only TCP has flags");
	return 0;
}

static int block_refuse(const struct limit_text *text, const char *path, struct weir_diag *diag,
			const struct limit_row *row, uint64_t after)
{
	char key[64];

	if (!after)
		return weir_diag_key(diag, key_of(path, "block-after", key), "write at least 1/h",
				     "who sends nothing over the limit is not to be blocked");
	if (row->end != LIMIT_PER_SOURCE)
		return weir_diag_key(diag, key_of(path, "block-after", key),
				     "write per: source, or leave it out",
				     "only of a limit for each source is it known who is over it");
	if (text->direction == WEIR_EGRESS)
		return weir_diag_key(diag, key_of(path, "block-after", key),
				     "write direction: ingress, or leave it out",
				     "the source of what leaves is this host, or behind it");
	if (text->block_most.value < text->block_for.value)
		return weir_diag_key(diag, key_of(path, "block-most", key),
				     "write at least what block-for says",
				     "the longest block is shorter than the first");
	return 0;
}

static int block_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
		      struct limit_meaning *meaning)
{
	static const struct measure over = {
		"block-after",
		"a number of packets in a time",
		"write 20/m, 100/s or 3/h",
		weir_packet_rate_from_string,
		PACKETS_MOST,
		"1000000000/s",
	};
	struct weir_rate rate;

	if (!text->block_after)
		return 0;
	int r = rate_mean(&over, text->block_after, path, diag, &rate) ?:
			block_refuse(text, path, diag, &meaning->row, rate.count);

	if (r)
		return r;
	meaning->block = (struct limit_block){
		.after = rate.count,
		.within_ns = rate.period_ns,
		.for_ns = text->block_for.value,
		.most_ns = text->block_most.value,
		.is_dry = text->block_dry_run || text->dry_run,
	};
	return 0;
}

int limit_read(const struct limit_text *text, const char *path, struct weir_diag *diag,
	       struct limit_meaning *ret_meaning)
{
	struct limit_meaning meaning = {};
	int r = kind_check(text, path, diag);

	if (!r)
		r = rate_mean(measure_of(text), limit_rate(text), path, diag, &meaning.rate);
	if (!r && !meaning.rate.count)
		r = zero_refuse(text, path, diag);
	if (!r)
		r = burst_mean(text, path, diag, &meaning);
	if (!r)
		r = bucket_mean(text, path, diag, &meaning);
	if (!r)
		r = both_ports_mean(text, path, diag, &meaning);
	if (!r)
		r = per_mean(text->per, path, diag, &meaning.row);
	if (!r)
		r = block_mean(text, path, diag, &meaning);
	meaning.row.id = weir_hash_bytes(text->name, strlen(text->name), ID_SEED);
	if (!r)
		*ret_meaning = meaning;
	return r;
}
