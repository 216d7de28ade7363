/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of `limits:` means: rates, bursts, ports and what a bucket is for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/spans.h"
#include "base/units.h"
#include "core/limit.h"
#include "features/limit/limit_state.h"

#define RATE_MOST 1000000000ULL /* a second */
#define ID_SEED 0x6c696d6974ULL /* numbers of names stay what they are over restarts */

static const struct weir_limit_measure connections = {
	"a rate",
	"write a whole number and a period: 10/s, 30/m, 1/h",
	weir_packet_rate_from_string,
	RATE_MOST,
	"1000000000/s",
};

static const struct weir_limit_measure *measure_of(const struct limit_text *text)
{
	return text->packets ? &weir_limit_packets : text->bytes ? &weir_limit_bytes : &connections;
}

const char *limit_counts(const struct limit_text *text)
{
	return text->packets ? "packets" : text->bytes ? "bytes" : "connections";
}

const char *limit_rate(const struct limit_text *text)
{
	return text->packets ? text->packets : text->bytes ? text->bytes : text->connections;
}

static const char *key_of(const char *path, const char *member, char key[64])
{
	snprintf(key, 64, "%s%s%s", path, *path ? "." : "", member);
	return key;
}

static int rate_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
		     struct weir_rate *ret_rate)
{
	char key[64];
	int r = weir_limit_rate_read(measure_of(text), limit_rate(text),
				     key_of(path, limit_counts(text), key), diag, ret_rate);

	return r ? r : ret_rate->count ? 0 : weir_limit_zero_refuse(key, diag);
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
	meaning->burst = weir_limit_burst_of(&meaning->rate, counts_bytes);
	if (!counts_bytes && text->burst)
		meaning->burst = text->burst;
	if (!counts_bytes)
		return 0;
	if (text->burst_bytes.text)
		meaning->burst = text->burst_bytes.value;
	return weir_limit_bytes_check(meaning->burst, key_of(path, "burst-bytes", key), diag);
}

static int bucket_mean(const struct limit_text *text, const char *path, struct weir_diag *diag,
		       struct limit_meaning *meaning)
{
	char key[64];
	bool has_burst = text->burst || text->burst_bytes.text;
	const char *member = !has_burst	 ? limit_counts(text) :
			     text->bytes ? "burst-bytes" :
					   "burst";

	meaning->row.flags |= text->dry_run ? LIMIT_IS_DRY : 0;
	return weir_limit_bucket(&meaning->rate, meaning->burst, text->bytes,
				 key_of(path, member, key), diag, &meaning->row);
}

static int ports_mean(const char *text, const char *key, struct weir_diag *diag,
		      struct weir_span spans[LIMIT_SPANS])
{
	int r = weir_spans_read(text, spans, LIMIT_SPANS);

	if (r == -E2BIG)
		return weir_diag_key(diag, key, "write a second limit for the others",
				     "more than %d ports or ranges", LIMIT_SPANS);
	if (r)
		return weir_diag_key(diag, key, "write 53, or 53, 123, 8000-8100",
				     "'%.40s' are no ports", text);
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

/* What is said of blocks where nobody would ever be blocked. */
static int block_alone_check(const struct limit_text *text, const char *path,
			     struct weir_diag *diag)
{
	const char *member = text->block_for.text  ? "block-for" :
			     text->block_most.text ? "block-most" :
			     text->block_dry_run   ? "block-dry-run" :
						     NULL;
	char key[64];

	if (!member)
		return 0;
	return weir_diag_key(diag, key_of(path, member, key),
			     "write block-after: 20/m beside it, or leave it out",
			     "without `block-after` nobody is blocked");
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
	static const struct weir_limit_measure over = {
		"a number of packets in a time",
		"write 20/m, 100/s or 3/h",
		weir_packet_rate_from_string,
		RATE_MOST,
		"1000000000/s",
	};
	struct weir_rate rate;
	char key[64];

	if (!text->block_after)
		return block_alone_check(text, path, diag);
	key_of(path, "block-after", key);
	int r = weir_limit_rate_read(&over, text->block_after, key, diag, &rate);

	if (!r)
		r = block_refuse(text, path, diag, &meaning->row, rate.count);
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
	char key[64];
	int r = kind_check(text, path, diag);

	if (!r)
		r = rate_mean(text, path, diag, &meaning.rate);
	if (!r)
		r = burst_mean(text, path, diag, &meaning);
	if (!r)
		r = bucket_mean(text, path, diag, &meaning);
	if (!r)
		r = both_ports_mean(text, path, diag, &meaning);
	if (!r)
		r = weir_limit_per_read(text->per, key_of(path, "per", key), diag, &meaning.row);
	if (!r)
		r = block_mean(text, path, diag, &meaning);
	meaning.row.id = weir_hash_bytes(text->name, strlen(text->name), ID_SEED);
	if (!r)
		*ret_meaning = meaning;
	return r;
}
