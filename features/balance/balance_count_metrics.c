/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted of services and their backends, as metrics. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "core/snapshot.h"
#include "features/balance/balance_wide.h"

/*
 * Services, and backends, that have series of their own; the rest is one more, so that a scrape
 * stays small whatever is added. By the series that a scrape may have: with 8 for each service, 10
 * for each backend and 16 for a histogram, they are three quarters of it at the most.
 */
#define BACKENDS_SHARE 25
#define SERVICES_SHARE 50
#define HISTOGRAMS_SHARE 100
#define LABEL_BYTES 128

enum level {
	LEVEL_SERVICE,
	LEVEL_BACKEND,
	LEVEL_COUNT,
};

/* Of a backend, or of some together. */
struct sums {
	struct balance_tally tally;
	struct balance_flows flows;
	struct balance_latency latency;
};

#define NAMES(suffix)                                                \
	{                                                            \
		"balance_service_" suffix, "balance_backend_" suffix \
	}

static const struct {
	const char *metric[LEVEL_COUNT], *help[LEVEL_COUNT];
	size_t word;
} series[] = {
#define WORD(member) offsetof(struct balance_tally, member) / sizeof(__u64)
	{ NAMES("in_packets_total"),
	  { "Packets sent on to backends of a service.", "Packets sent on to a backend." },
	  WORD(packets[BALANCE_TO_BACKEND]) },
	{ NAMES("in_bytes_total"),
	  { "Bytes sent on to backends of a service.", "Bytes sent on to a backend." },
	  WORD(bytes[BALANCE_TO_BACKEND]) },
	{ NAMES("out_packets_total"),
	  { "Packets of a service's backends sent on to clients.",
	    "Packets of a backend sent on to clients." },
	  WORD(packets[BALANCE_TO_CLIENT]) },
	{ NAMES("out_bytes_total"),
	  { "Bytes of a service's backends sent on to clients.",
	    "Bytes of a backend sent on to clients." },
	  WORD(bytes[BALANCE_TO_CLIENT]) },
	{ NAMES("connections_total"),
	  { "Connections that backends of a service were given.",
	    "Connections that a backend was given." },
	  WORD(begun) },
	{ NAMES("answered_total"),
	  { "Connections that backends of a service answered.",
	    "Connections that a backend answered." },
	  WORD(answered) },
	{ NAMES("refused_total"),
	  { "Connections whose SYN a backend of a service answered with a reset.",
	    "Connections whose SYN a backend answered with a reset." },
	  WORD(refused) },
#undef WORD
};

static void sums_add(struct sums *to, const struct sums *from)
{
	balance_tally_add(&to->tally, &from->tally);
	balance_flows_add(&to->flows, &from->flows);
	balance_latency_add(&to->latency, &from->latency);
}

static struct sums sums_of(const struct balance *state, uint32_t place)
{
	return (struct sums){
		.tally = state->counts.sums[place].total,
		.flows = balance_census_of(state->census, &state->counts.live.at[place]),
		.latency = balance_latency_of(&state->counts, &state->counts.live.at[place]),
	};
}

/* Which backend is the slow one: a histogram each would be too many series. */
static int timed_write(struct weir_snapshot *snapshot, const struct balance_latency *latency,
		       const char *labels)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < BALANCE_LATENCIES; i++)
		count += latency->counts[i];
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_backend_handshakes_total",
				  "SYNs whose answer by a backend was timed.", (double)count, "%s",
				  labels);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER,
				     "balance_backend_handshake_seconds_total",
				     "How long these answers took, all together.",
				     (double)latency->sum_ns / WEIR_NS_PER_S, "%s", labels);
}

/* `labels` as they are told, values escaped. */
static int sums_write(const struct balance *state, struct weir_snapshot *snapshot, enum level level,
		      const struct sums *sums, const char *labels)
{
	const __u64 *words = (const __u64 *)&sums->tally;
	static const char *const active[LEVEL_COUNT] = NAMES("active");
	int r = 0;

	for (size_t i = 0; !r && i < WEIR_ARRAY_SIZE(series); i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, series[i].metric[level],
				      series[i].help[level], (double)words[series[i].word], "%s",
				      labels);
	if (!r && level == LEVEL_BACKEND)
		r = timed_write(snapshot, &sums->latency, labels);
	if (r || !balance_census_is_taken(state->census))
		return r;
	return weir_snapshot_add(
		snapshot, WEIR_SAMPLE_GAUGE, active[level],
		"Connections that are answered and live, as counted some seconds ago.",
		sums->flows.active, "%s", labels);
}

static int backend_write(const struct balance *state, const struct balance_section *section,
			 uint32_t at, struct weir_snapshot *snapshot)
{
	const struct balance_place *place = &state->counts.live.at[at];
	const struct balance_text *service = &section->services[place->service_index];
	const struct balance_backend_text *backend = &service->backends[place->backend_index];
	struct sums sums = sums_of(state, at);
	char name[LABEL_BYTES], labels[2 * LABEL_BYTES];
	_cleanup_buf_ struct weir_buf label = { 0 };

	balance_backend_name(service, backend, &label);
	snprintf(labels, sizeof(labels), "service=\"%s\",backend=\"%s\"",
		 weir_label_escape(service->name, name, sizeof(name)), weir_buf_str(&label));
	return sums_write(state, snapshot, LEVEL_BACKEND, &sums, labels);
}

static int service_write(const struct balance *state, const char *service, const struct sums *sums,
			 struct weir_snapshot *snapshot)
{
	char name[LABEL_BYTES], labels[2 * LABEL_BYTES];

	snprintf(labels, sizeof(labels), "service=\"%s\"",
		 weir_label_escape(service, name, sizeof(name)));
	return sums_write(state, snapshot, LEVEL_SERVICE, sums, labels);
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

static uint32_t most(const struct balance *state, uint32_t share)
{
	return weir_engine_config(state->engine)->metrics.series / share;
}

static int latencies_add(const struct balance *state, const struct balance_section *section,
			 uint32_t count, struct weir_snapshot *snapshot)
{
	uint32_t told = most(state, HISTOGRAMS_SHARE);
	char label[LABEL_BYTES];
	int r = 0;

	for (uint32_t at = 0, service = 0; !r && at < count && service < told; service++) {
		const char *name = section->services[state->counts.live.at[at].service_index].name;
		struct balance_latency latency = service_latency(&state->counts, &at);

		r = latency_write(snapshot, &latency,
				  weir_label_escape(name, label, sizeof(label)));
	}
	return r;
}

static int backends_add(const struct balance *state, const struct balance_section *section,
			uint32_t count, struct weir_snapshot *snapshot)
{
	struct sums other = { .flows = { 0 } };
	uint32_t told = most(state, BACKENDS_SHARE);
	int r = 0;

	for (uint32_t i = 0; !r && i < count; i++) {
		struct sums sums = sums_of(state, i);

		if (i < told)
			r = backend_write(state, section, i, snapshot);
		else
			sums_add(&other, &sums);
	}
	if (r || count <= told)
		return r;
	return sums_write(state, snapshot, LEVEL_BACKEND, &other,
			  "service=\"" WEIR_SERIES_OTHER "\",backend=\"" WEIR_SERIES_OTHER "\"");
}

/* Of the service whose first place is at *at. */
static struct sums service_sums(const struct balance *state, uint32_t *at)
{
	const struct balance_plan *live = &state->counts.live;
	unsigned service = live->at[*at].service_index;
	struct sums all = { .flows = { 0 } };

	for (; *at < live->count && live->at[*at].service_index == service; ++*at) {
		struct sums one = sums_of(state, *at);

		sums_add(&all, &one);
	}
	return all;
}

static int services_add(const struct balance *state, const struct balance_section *section,
			uint32_t count, struct weir_snapshot *snapshot)
{
	struct sums other = { .flows = { 0 } };
	uint32_t service = 0, others = 0, told = most(state, SERVICES_SHARE);
	int r = 0;

	for (uint32_t at = 0; !r && at < count; service++) {
		const char *name = section->services[state->counts.live.at[at].service_index].name;
		struct sums sums = service_sums(state, &at);

		if (service < told && strcmp(name, WEIR_SERIES_OTHER) != 0) {
			r = service_write(state, name, &sums, snapshot);
			continue;
		}
		others++;
		sums_add(&other, &sums);
	}
	return r || !others ? r : service_write(state, WEIR_SERIES_OTHER, &other, snapshot);
}

/* The first ones in the order of the file: a choice by what they count would make series come and
 * go. */
int balance_samples_add(const struct balance *state, struct weir_snapshot *snapshot)
{
	const struct balance_section *section = balance_acting_of(state);
	/* Out of memory nothing acts, as far as is known here. */
	uint32_t count =
		state->counts.sums && section->service_count ? state->counts.live.count : 0;
	int r = services_add(state, section, count, snapshot);

	if (!r)
		r = backends_add(state, section, count, snapshot);
	return r ? r : latencies_add(state, section, count, snapshot);
}
