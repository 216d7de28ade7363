/* SPDX-License-Identifier: Apache-2.0 */
/* Sums for Prometheus; who carried what is `weir socket top`. */
#include <stdio.h>

#include "base/cleanup.h"
#include "features/sockets/sockets_state.h"

static const struct {
	enum sockets_sum sum;
	const char *name, *help;
} rows[] = {
	{ SOCKETS_SEEN, "sockets_seen_total", "Sockets of this host that were followed." },
	{ SOCKETS_ENDED, "sockets_ended_total", "Sockets that were followed and ended." },
	{ SOCKETS_CROWDED, "sockets_crowded_total", "Sockets for which there was no room." },
	{ SOCKETS_UNSUMMED, "sockets_unsummed_total",
	  "Sockets that ended and found no room in the totals." },
	{ SOCKETS_FOREIGN, "sockets_other_namespaces_total",
	  "Sockets of other network namespaces, which are not followed." },
	{ SOCKETS_RESETS_NO_SOCKET, "socket_resets_without_socket_total",
	  "Resets sent where nothing is connected." },
};

/* Of all sockets; `program`: without it there is none, as nothing tells of it here. */
static const struct {
	size_t offset;
	const char *name, *help, *by, *program;
} totals[] = {
#define TOTAL(MEMBER) offsetof(struct sockets_total, MEMBER)
	{ TOTAL(retransmits), "socket_retransmits_total",
	  "TCP segments that this host sent again, SYNs and SYN-ACKs too.", NULL, NULL },
	{ TOTAL(bytes_retransmitted), "socket_retransmitted_bytes_total",
	  "Bytes of data that this host sent again over TCP.", NULL, NULL },
	{ TOTAL(out_of_order), "socket_out_of_order_total",
	  "TCP segments that came to this host before their turn.", NULL, NULL },
	{ TOTAL(resets_sent), "socket_resets_total", "TCP connections reset, by which end.",
	  "local", "weir_sock_rst_out" },
	{ TOTAL(resets_received), "socket_resets_total", "TCP connections reset, by which end.",
	  "remote", "weir_sock_rst_in" },
	{ TOTAL(zero_windows_sent), "socket_zero_windows_total",
	  "How often a TCP window was closed, by which end.", "local", "weir_sock_read" },
	{ TOTAL(zero_windows_received), "socket_zero_windows_total",
	  "How often a TCP window was closed, by which end.", "remote", "weir_sock_segment" },
	{ TOTAL(failed), "socket_connects_failed_total",
	  "TCP connections that this host began and that came to nothing.", NULL, NULL },
#undef TOTAL
};

static struct sockets_total sum_all(const struct sockets *state)
{
	const struct sockets_view *view = state->view;
	struct sockets_total sum = state->unseen_total, live;

	for (size_t i = 0; i < view->total_count; i++)
		sockets_total_add(&sum, &view->totals[i].total);
	for (size_t i = 0; i < sockets_count(view); i++) {
		sockets_total_of_live(sockets_at(view, i), &live);
		sockets_total_add(&sum, &live);
	}
	sum.retransmits += sockets_synacks(view);
	return sum;
}

/*
 * A socket that ends as the totals are read, and what a SYN-ACK leaves to the socket that comes of
 * it, may be in neither for one look. A counter waits for it: one that falls is taken for new.
 */
static uint64_t told_since(struct sockets *state, const struct sockets_total *now, size_t offset)
{
	uint64_t *told = (uint64_t *)((char *)&state->told + offset);
	uint64_t value = *(const uint64_t *)((const char *)now + offset);

	if (value > *told)
		*told = value;
	return *told;
}

static int totals_put(struct sockets *state, struct weir_snapshot *snapshot)
{
	const struct sockets_total now = sum_all(state);
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(totals) && !r; i++) {
		char label[24] = "";

		if (totals[i].program && !weir_tracer_has(state->tracer, totals[i].program))
			continue;
		if (totals[i].by)
			snprintf(label, sizeof(label), "by=\"%s\"", totals[i].by);
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, totals[i].name, totals[i].help,
				      (double)told_since(state, &now, totals[i].offset), "%s",
				      label);
	}
	return r;
}

/* What the others may lack. */
static int missed_put(const struct sockets *state, struct weir_snapshot *snapshot)
{
	int r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "sockets_missed_total",
				  "Calls of the kernel's hooks for sockets that could not be "
				  "followed, as one was under way, since the daemon started.",
				  (double)state->view->missed, NULL);

	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "sockets_end_missed_total",
				     "Sockets whose end was missed and found later, since the "
				     "daemon started.",
				     (double)state->gone, NULL);
}

int sockets_snapshot(void *data, struct weir_snapshot *snapshot)
{
	struct sockets *state = data;
	int r = 0;

	if (!state->view)
		return 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, rows[i].name, rows[i].help,
				      (double)state->view->sums[rows[i].sum], NULL);
	if (!r)
		r = totals_put(state, snapshot);
	if (!r)
		r = missed_put(state, snapshot);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "sockets",
				     "Sockets of this host that live.",
				     (double)sockets_flow_count(state->view), NULL);
}
