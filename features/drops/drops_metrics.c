/* SPDX-License-Identifier: Apache-2.0 */
/* Drops by reason and interface for Prometheus: a bounded number of series, and the rest as one. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/drops/drops_state.h"

#define SERIES_MAX 64

struct named_row {
	const struct drops_seen_row *row;
	char device[DROPS_DEVICE_BYTES];
};

/* Rows that differ in place and protocol are one series; so are those of devices that have the same
 * name one after the other, for a series is what its labels say. */
struct series {
	const struct named_row *first;
	double packets, bytes;
};

static int first_compare(const void *a, const void *b)
{
	const struct named_row *one = a, *other = b;

	return one->row->row.first_ns < other->row->row.first_ns ?
		       -1 :
		       one->row->row.first_ns > other->row->row.first_ns;
}

static bool is_same(const struct named_row *one, const struct named_row *other)
{
	return one->row->key.reason == other->row->key.reason &&
	       strcmp(one->device, other->device) == 0;
}

static void rows_name(const struct drops_view *view, struct named_row *order)
{
	char text[DROPS_DEVICE_BYTES];

	for (size_t i = 0; i < view->row_count; i++) {
		order[i].row = &view->rows[i];
		memccpy(order[i].device, drops_device_name(order[i].row, text), '\0',
			sizeof(order[i].device));
	}
	qsort(order, view->row_count, sizeof(order[0]), first_compare);
}

/*
 * Whoever came first has a series of his own, for good: chosen by size, a series could leave what
 * is summed up as others, and that would go backwards.
 */
static size_t series_gather(const struct drops_view *view, struct named_row *order,
			    struct series series[SERIES_MAX + 1])
{
	size_t count = 0;

	rows_name(view, order);
	for (size_t i = 0; i < view->row_count; i++) {
		size_t at = 0;

		while (at < count && !is_same(series[at].first, &order[i]))
			at++;
		if (at == count && count < SERIES_MAX)
			series[count++].first = &order[i];
		series[at].packets += (double)order[i].row->row.packets;
		series[at].bytes += (double)order[i].row->row.bytes;
	}
	series[SERIES_MAX].packets += (double)view->sums[DROPS_CROWDED].packets;
	series[SERIES_MAX].bytes += (double)view->sums[DROPS_CROWDED].bytes;
	return count;
}

static int series_put(struct weir_snapshot *snapshot, const struct series *series,
		      const char *reason, const char *device, const char *by)
{
	char name[2 * DROPS_DEVICE_BYTES];

	weir_label_escape(device, name, sizeof(name));
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drops_total",
				  "Packets the kernel gave up.", series->packets,
				  "reason=\"%s\",interface=\"%s\",by=\"%s\"", reason, name, by);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "kernel_drop_bytes_total",
				     "Bytes of packets the kernel gave up.", series->bytes,
				     "reason=\"%s\",interface=\"%s\",by=\"%s\"", reason, name, by);
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
	const struct drops_view *view = state->view;
	struct series series[SERIES_MAX + 1] = { 0 };
	char text[DROPS_REASON_BYTES];

	if (!view)
		return 0;
	_cleanup_free_ struct named_row *order = calloc(view->row_count + 1, sizeof(*order));
	int r = order ? sums_put(view, snapshot) : -1;

	if (!order)
		return 0;
	size_t count = series_gather(view, order, series);

	for (size_t i = 0; i < count && !r; i++)
		r = series_put(
			snapshot, &series[i],
			drops_reason_name(&state->reasons, series[i].first->row->key.reason, text),
			series[i].first->device,
			drops_is_verdict(state, series[i].first->row->key.reason) ? "program" :
										    "kernel");
	return r || !series[SERIES_MAX].packets ?
		       r :
		       series_put(snapshot, &series[SERIES_MAX], WEIR_SERIES_OTHER,
				  WEIR_SERIES_OTHER, WEIR_SERIES_OTHER);
}
