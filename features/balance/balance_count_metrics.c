/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted of backends, as metrics. */
#include <stdio.h>
#include <string.h>

#include "core/snapshot.h"
#include "features/balance/balance_wide.h"

/* Backends that have series of their own; the rest is one more, so that a scrape stays small
 * whatever is added. */
#define SERIES_MAX 50
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
	return r || count <= SERIES_MAX ? r :
					  tally_add(snapshot, &other, SERIES_OTHER, SERIES_OTHER);
}
