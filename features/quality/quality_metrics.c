/* SPDX-License-Identifier: Apache-2.0 */
/* Quality for Prometheus: by interface, where a segment arrived; and how long handshakes took. */
#include <stdio.h>

#include "base/cleanup.h"
#include "features/quality/quality_state.h"

#define SAMPLED " An estimate where weir_tcp_sample was ever above 1."

#define WORD(member) (offsetof(struct quality_count, member) / sizeof(__u64))

static const struct {
	size_t word;
	const char *name, *help;
} rows[] = {
	{ WORD(segments), "tcp_segments_total",
	  "TCP segments that arrived to pass through." SAMPLED },
	{ WORD(retransmits), "tcp_retransmits_total",
	  "TCP segments that were sent again." SAMPLED },
	{ WORD(retransmitted_bytes), "tcp_retransmitted_bytes_total",
	  "Bytes of data that were sent again." SAMPLED },
	{ WORD(out_of_order), "tcp_out_of_order_total",
	  "TCP segments that others had overtaken." SAMPLED },
	{ WORD(zero_windows), "tcp_zero_windows_total",
	  "TCP segments that closed the window." SAMPLED },
	{ WORD(resets), "tcp_resets_total", "TCP resets." SAMPLED },
	{ WORD(probes), "tcp_probes_total", "Keepalives and probes of a closed window." SAMPLED },
};

static int interface_put(const struct quality *state, struct weir_snapshot *snapshot,
			 const struct weir_interface_view *view)
{
	const __u64 *now = (const __u64 *)&state->counts[QUALITY_ROW(view->slot, 1)],
		    *before = (const __u64 *)&state->owners[view->slot].before[1];
	char name[WEIR_LABEL_BYTES(sizeof(view->name))];
	int r = 0;

	weir_label_escape(view->name, name, sizeof(name));
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, rows[i].name, rows[i].help,
				      (double)(now[rows[i].word] - before[rows[i].word]),
				      "interface=\"%s\"", name);
	return r;
}

static int handshakes_put(const struct quality *state, struct weir_snapshot *snapshot)
{
	static const uint32_t ends_us[] = QUALITY_SHAKEN_ENDS;
	static const char name[] = "tcp_handshake_seconds",
			  help[] = "How long handshakes took of connections that were measured.";
	uint64_t below = 0;
	int r = 0;

	for (size_t i = 0; i < QUALITY_SHAKEN_ROWS && !r; i++) {
		char le[24] = "+Inf";

		below += state->sums[QUALITY_SHAKEN + i];
		if (i < WEIR_ARRAY_SIZE(ends_us))
			snprintf(le, sizeof(le), "%g", ends_us[i] / 1e6);
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_BUCKET, name, help, (double)below,
				      "le=\"%s\"", le);
	}
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_SUM, name, help,
				      (double)state->sums[QUALITY_HANDSHAKE_US] / 1e6, NULL);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNT, name, help, (double)below, NULL);
}

static int sums_put(const struct quality *state, struct weir_snapshot *snapshot)
{
	const struct {
		enum weir_sample_kind kind;
		const char *name, *help;
		double value;
	} sums[] = {
		{ WEIR_SAMPLE_GAUGE, "tcp_sample",
		  "One of so many connections is measured; 0: none, for now.",
		  state->governor.sample },
		{ WEIR_SAMPLE_GAUGE, "tcp_flows", "Connections that are measured.",
		  (double)state->live },
		{ WEIR_SAMPLE_COUNTER, "tcp_no_place_total",
		  "Segments of connections for which there was no room.",
		  (double)state->sums[QUALITY_NO_PLACE] },
		{ WEIR_SAMPLE_COUNTER, "tcp_not_sampled_total",
		  "Segments of connections that are not among those measured.",
		  (double)state->sums[QUALITY_UNSAMPLED] },
		{ WEIR_SAMPLE_COUNTER, "tcp_fragments_total",
		  "Fragments of segments, which are not measured.",
		  (double)state->sums[QUALITY_FRAGMENTS] },
		{ WEIR_SAMPLE_COUNTER, "tcp_odd_total",
		  "Segments that are malformed, or of numbers that no window reaches.",
		  (double)state->sums[QUALITY_ODD] },
		{ WEIR_SAMPLE_COUNTER, "tcp_met_before_total",
		  "Segments that were met and measured at another interface.",
		  (double)state->sums[QUALITY_ELSEWHERE] },
		{ WEIR_SAMPLE_COUNTER, "tcp_let_go_total",
		  "Connections that were measured no more, to sample fewer, since the daemon "
		  "started.",
		  (double)state->let_go },
		{ WEIR_SAMPLE_COUNTER, "tcp_measuring_seconds_total",
		  "Processor time that measuring took, from one of 61 packets.",
		  (double)state->sums[QUALITY_COST_NS] / 1e9 },
	};
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(sums) && !r; i++)
		r = weir_snapshot_add(snapshot, sums[i].kind, sums[i].name, sums[i].help,
				      sums[i].value, NULL);
	return r;
}

/* Not before its rows are its own: another may have counted in them. */
static bool is_counted(const struct quality *state, const struct weir_interface_view *view)
{
	return view->attached && state->owners[view->slot].ifindex == view->ifindex;
}

int quality_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct quality *state = data;
	int r = 0;

	if (!state->measurer)
		return 0;
	for (size_t i = 0; i < snapshot->interface_count && !r; i++)
		if (is_counted(state, &snapshot->interfaces[i]))
			r = interface_put(state, snapshot, &snapshot->interfaces[i]);
	if (!r)
		r = handshakes_put(state, snapshot);
	return r ? r : sums_put(state, snapshot);
}
