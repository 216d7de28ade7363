/* SPDX-License-Identifier: Apache-2.0 */
/* Drops by reason and interface for Prometheus: a bounded number of series, and the rest as one. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/drops/drops_state.h"

static int first_compare(const void *a, const void *b)
{
	const struct drops_seen_row *const *one = a, *const *other = b;

	return (*one)->row.first_ns < (*other)->row.first_ns ?
		       -1 :
		       (*one)->row.first_ns > (*other)->row.first_ns;
}

/* Whoever came first has a series of his own, for good: chosen by size, a series could leave what
 * is summed up as others, and that would go backwards. */
static struct drops_count *count_of(struct drops_told *told, uint32_t reason, const char *device)
{
	for (size_t i = 0; i < told->count; i++)
		if (told->series[i].reason == reason && !strcmp(told->series[i].device, device))
			return &told->series[i].count;
	if (told->count == DROPS_SERIES_MAX)
		return &told->others;
	struct drops_series *series = &told->series[told->count++];

	series->reason = reason;
	memccpy(series->device, device, '\0', sizeof(series->device));
	return &series->count;
}

/*
 * Of a device that has another name from now on, what came before stays where it was told: with all
 * of it under the new name a series would fall whose name others have or had, and another leap.
 * So it stays over restarts (drops_kept.c).
 */
bool drops_told_add(struct drops *state, const struct drops_view *view)
{
	const struct drops_seen_row *order[DROPS_ROWS_MAX];
	char text[DROPS_DEVICE_BYTES];
	size_t count = 0;

	for (size_t i = 0; i < view->row_count; i++)
		if (view->rows[i].more.packets)
			order[count++] = &view->rows[i];
	qsort(order, count, sizeof(order[0]), first_compare);
	for (size_t i = 0; i < count; i++) {
		struct drops_count *told =
			count_of(&state->told, order[i]->key.reason,
				 drops_device_name(state->names, order[i], text));

		told->packets += order[i]->more.packets;
		told->bytes += order[i]->more.bytes;
	}
	return count != 0;
}

static int series_put(struct weir_snapshot *snapshot, const struct drops_count *count,
		      const char *reason, const char *device, const char *by)
{
	char name[WEIR_LABEL_BYTES(DROPS_DEVICE_BYTES)];

	weir_label_escape(device, name, sizeof(name));
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drops_total",
				  "Packets the kernel gave up.", (double)count->packets,
				  "reason=\"%s\",interface=\"%s\",by=\"%s\"", reason, name, by);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drop_bytes_total",
				     "Bytes of packets the kernel gave up.", (double)count->bytes,
				     "reason=\"%s\",interface=\"%s\",by=\"%s\"", reason, name, by);
}

/* What an alert goes by has no labels, which may be told as others. */
static int socket_full_put(const struct drops *state, struct weir_snapshot *snapshot)
{
	uint32_t full = drops_reason_number(&state->reasons, "SOCKET_RCVBUFF");
	uint64_t packets = 0;

	for (size_t i = 0; i < state->view->row_count; i++)
		if (state->view->rows[i].key.reason == full)
			packets += state->view->rows[i].row.packets;
	return weir_snapshot_add(
		snapshot, WEIR_SAMPLE_COUNTER, "kernel_drops_socket_full_total",
		"Packets for which a socket's buffer had no room (SOCKET_RCVBUFF), "
		"but for those without a row.",
		(double)packets, NULL);
}

static int sums_put(const struct drops_view *view, struct weir_snapshot *snapshot)
{
	static const struct {
		enum drops_sum sum;
		const char *name, *help;
	} sums[] = {
		{ DROPS_FOREIGN, "kernel_drops_other_namespaces_total",
		  "Packets the kernel gave up in other network namespaces." },
		{ DROPS_UNKNOWN, "kernel_drops_no_namespace_total",
		  "Packets the kernel gave up of which no namespace is known." },
		{ DROPS_FLOWS_LOST, "kernel_drops_flows_lost_total",
		  "Drops whose flow found no room." },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(sums); i++)
		if (weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, sums[i].name, sums[i].help,
				      (double)view->sums[sums[i].sum].packets, NULL))
			return -1;
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drops_crowded_total",
				  "Drops for which no row was left.",
				  (double)view->sums[DROPS_CROWDED].packets, NULL);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drops_missed_total",
				     "Drops that came while another was being counted, and were "
				     "not, since the daemon started.",
				     (double)view->missed, NULL);
}

int drops_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct drops *state = data;
	const struct drops_told *told = &state->told;
	char text[DROPS_REASON_BYTES];

	if (!state->view)
		return 0;
	struct drops_count others = {
		told->others.packets + state->view->sums[DROPS_CROWDED].packets,
		told->others.bytes + state->view->sums[DROPS_CROWDED].bytes,
	};
	int r = sums_put(state->view, snapshot);

	if (!r)
		r = socket_full_put(state, snapshot);
	for (size_t i = 0; i < told->count && !r; i++) {
		const struct drops_series *series = &told->series[i];
		bool is_verdict = drops_is_verdict(state, series->reason);

		r = series_put(snapshot, &series->count,
			       drops_reason_name(&state->reasons, series->reason, text),
			       series->device, is_verdict ? "program" : "kernel");
	}
	return r || !others.packets ? r :
				      series_put(snapshot, &others, WEIR_SERIES_OTHER,
						 WEIR_SERIES_OTHER, WEIR_SERIES_OTHER);
}
