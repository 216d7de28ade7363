/* SPDX-License-Identifier: Apache-2.0 */
/* Sums for Prometheus; who carried what is `weir socket top`. */
#include "features/sockets/sockets_state.h"

static const struct {
	enum sockets_sum sum;
	const char *name, *help;
} rows[] = {
	{ SOCKETS_SEEN, "sockets_seen_total", "Sockets of this host that were followed." },
	{ SOCKETS_ENDED, "sockets_ended_total", "Sockets that were followed and ended." },
	{ SOCKETS_CROWDED, "sockets_crowded_total", "Sockets for which there was no room." },
	{ SOCKETS_RESETS_NO_SOCKET, "socket_resets_without_socket_total",
	  "Resets sent where nothing is connected." },
};

int sockets_snapshot(void *data, struct weir_snapshot *snapshot)
{
	const struct sockets *state = data;
	int r = 0;

	if (!state->view)
		return 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, rows[i].name, rows[i].help,
				      (double)state->view->sums[rows[i].sum], NULL);
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "sockets",
				     "Sockets of this host that live.",
				     (double)sockets_count(state->view), NULL);
}
