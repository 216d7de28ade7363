/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted of backends, as metrics. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/snapshot.h"
#include "features/balance/balance_wide.h"

/* Backends that have series of their own; the rest is one more, so that a scrape stays small
 * whatever is added. */
#define SERIES_MAX 50
#define HISTOGRAMS_MAX 10      /* services likewise: each has 16 series */
#define SERIES_OTHER "(other)" /* no name of a service has brackets */
#define LABEL_BYTES 128

static const struct {
	const char *metric, *help;
	size_t word;
} series[] = {
#define WORD(member) offsetof(struct balance_tally, member) / sizeof(__u64)
	{ "balance_backend_in_packets_total", "Packets sent on to a backend.",
	  WORD(packets[BALANCE_TO_BACKEND]) },
	{ "balance_backend_in_bytes_total", "Bytes sent on to a backend.",
	  WORD(bytes[BALANCE_TO_BACKEND]) },
	{ "balance_backend_out_packets_total", "Packets of a backend sent on to clients.",
	  WORD(packets[BALANCE_TO_CLIENT]) },
	{ "balance_backend_out_bytes_total", "Bytes of a backend sent on to clients.",
	  WORD(bytes[BALANCE_TO_CLIENT]) },
	{ "balance_backend_connections_total", "Connections that a backend was given.",
	  WORD(begun) },
	{ "balance_backend_answered_total", "Connections that a backend answered.",
	  WORD(answered) },
	{ "balance_backend_refused_total", "Connections whose SYN a backend answered with a reset.",
	  WORD(refused) },
#undef WORD
};

static int tally_add(struct weir_snapshot *snapshot, const struct balance_tally *tally,
		     const char *service, const char *backend)
{
	const __u64 *words = (const __u64 *)tally;
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(series) / sizeof(*series); i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, series[i].metric,
				      series[i].help, (double)words[series[i].word],
				      "service=\"%s\",backend=\"%s\"", service, backend);
	return r;
}

static int place_add(const struct balance *state, const struct balance_section *section,
		     uint32_t at, struct weir_snapshot *snapshot)
{
	const struct balance_place *place = &state->counts.live.at[at];
	const struct balance_text *service = &section->services[place->service_index];
	const struct balance_backend_text *backend = &service->backends[place->backend_index];
	char name[LABEL_BYTES];
	_cleanup_buf_ struct weir_buf label = { 0 };

	balance_backend_name(service, backend, &label);
	return tally_add(snapshot, &state->counts.sums[at].total,
			 weir_label_escape(service->name, name, sizeof(name)),
			 weir_buf_str(&label));
}

static int latency_write(struct weir_snapshot *snapshot, const struct balance_latency *latency,
			 const char *service)
{
	static const char name[] = "balance_handshake_seconds",
			  help[] = "How long backends of a service took to answer a SYN.";
	uint64_t count = 0;
	char end[32] = "+Inf";
	int r = 0;

	for (unsigned i = 0; !r && i < BALANCE_LATENCIES; i++) {
		count += latency->counts[i];
		if (i + 1 < BALANCE_LATENCIES)
			snprintf(end, sizeof(end), "%.9f",
				 (double)(1ull << (i + BALANCE_LATENCY_SHIFT)) / WEIR_NS_PER_S);
		else
			snprintf(end, sizeof(end), "+Inf");
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_BUCKET, name, help, (double)count,
				      "service=\"%s\",le=\"%s\"", service, end);
	}
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_SUM, name, help,
				      (double)latency->sum_ns / WEIR_NS_PER_S, "service=\"%s\"",
				      service);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNT, name, help, (double)count,
				     "service=\"%s\"", service);
}

/* Places stand in the order of services. Those of one, whose first is at *at. */
static struct balance_latency service_latency(const struct balance_counts *counts, uint32_t *at)
{
	unsigned service = counts->live.at[*at].service_index;
	struct balance_latency sum = { { 0 } };

	for (; *at < counts->live.count && counts->live.at[*at].service_index == service; ++*at) {
		struct balance_latency one = balance_latency_of(counts, &counts->live.at[*at]);

		balance_latency_add(&sum, &one);
	}
	return sum;
}

static int latencies_add(const struct balance *state, const struct balance_section *section,
			 uint32_t count, struct weir_snapshot *snapshot)
{
	char label[LABEL_BYTES];
	int r = 0;

	for (uint32_t at = 0, service = 0; !r && at < count && service < HISTOGRAMS_MAX;
	     service++) {
		const char *name = section->services[state->counts.live.at[at].service_index].name;
		struct balance_latency latency = service_latency(&state->counts, &at);

		r = latency_write(snapshot, &latency,
				  weir_label_escape(name, label, sizeof(label)));
	}
	return r;
}

/* The first backends in the order of the file: a choice by what they count would make series come
 * and go. */
int balance_samples_add(const struct balance *state, struct weir_snapshot *snapshot)
{
	const struct balance_section *section = balance_acting_of(state);
	/* Out of memory nothing acts, as far as is known here. */
	uint32_t count =
		state->counts.sums && section->service_count ? state->counts.live.count : 0;
	struct balance_tally other = { { 0 } };
	int r = 0;

	for (uint32_t i = 0; !r && i < count; i++)
		if (i < SERIES_MAX)
			r = place_add(state, section, i, snapshot);
		else
			balance_tally_add(&other, &state->counts.sums[i].total);
	if (!r && count > SERIES_MAX)
		r = tally_add(snapshot, &other, SERIES_OTHER, SERIES_OTHER);
	return r ? r : latencies_add(state, section, count, snapshot);
}
