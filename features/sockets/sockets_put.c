/* SPDX-License-Identifier: Apache-2.0 */
/* A socket as JSON, and what stands beside all of them. */
#include <netinet/in.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "features/sockets/sockets_state.h"

void sockets_process_put(const struct sockets *state, const struct sockets_process *process,
			 const char *known_by, struct weir_json_out *json)
{
	const struct sockets_cgroup_row *cgroup =
		sockets_cgroup_known(&state->cgroups, process->cgroup);
	char comm[SOCKETS_COMM_BYTES + 1];

	snprintf(comm, sizeof(comm), "%.*s", SOCKETS_COMM_BYTES, process->comm);
	weir_json_put_str(json, "process", comm);
	weir_json_put_uint(json, "pid", process->pid);
	weir_json_put_uint(json, "uid", process->uid);
	weir_json_put_str(json, "known_by", known_by);
	weir_json_put_uint(json, "cgroup_id", process->cgroup);
	if (!cgroup)
		return;
	weir_json_put_str(json, "cgroup", cgroup->path);
	if (cgroup->container[0])
		weir_json_put_str(json, "container", cgroup->container);
}

void sockets_owner_put(const struct sockets *state, const struct sockets_entry *entry,
		       struct weir_json_out *json)
{
	const struct sockets_process *owner = sockets_owner(entry);

	if (!owner)
		return;
	sockets_process_put(state, owner, sockets_known_by(entry), json);
	sockets_command_put(state, owner, !entry->ended_ns, json);
}

static void us_put(struct weir_json_out *json, const char *key, uint32_t us)
{
	if (us)
		weir_json_put_real(json, key, us / 1000.0);
}

void sockets_zero_put(const struct sockets *state, uint64_t sent, uint64_t received,
		      struct weir_json_out *json)
{
	if (weir_tracer_has(state->tracer, "weir_sock_read"))
		weir_json_put_uint(json, "zero_windows_sent", sent);
	if (weir_tracer_has(state->tracer, "weir_sock_segment"))
		weir_json_put_uint(json, "zero_windows_received", received);
}

/* As `ss -ti` has them, in milliseconds. */
static void tcp_put(const struct sockets *state, const struct sockets_entry *entry,
		    struct weir_json_out *json)
{
	const struct sockets_numbers *numbers = &entry->numbers;

	us_put(json, "handshake_ms", entry->handshake_us);
	us_put(json, "rtt_ms", numbers->srtt_us);
	us_put(json, "rttvar_ms", numbers->rttvar_us);
	us_put(json, "min_rtt_ms", numbers->min_rtt_us);
	weir_json_put_uint(json, "retransmits", numbers->retransmits);
	weir_json_put_uint(json, "lost", numbers->lost);
	weir_json_put_uint(json, "unacked", numbers->unacked);
	weir_json_put_uint(json, "out_of_order", numbers->out_of_order);
	weir_json_put_uint(json, "resets_sent", entry->resets_sent);
	weir_json_put_uint(json, "resets_received", entry->resets_received);
	sockets_zero_put(state, SOCKETS_ZERO_TIMES(entry->zero_sent),
			 SOCKETS_ZERO_TIMES(entry->zero_received), json);
	weir_json_put_uint(json, "bytes_sent", numbers->bytes_sent);
	weir_json_put_uint(json, "bytes_acked", numbers->bytes_acked);
	weir_json_put_uint(json, "bytes_received", numbers->bytes_received);
	weir_json_put_uint(json, "bytes_retransmitted", numbers->bytes_retransmitted);
	weir_json_put_uint(json, "segments_sent", numbers->segments_sent);
	weir_json_put_uint(json, "segments_received", numbers->segments_received);
	weir_json_put_uint(json, "cwnd", numbers->cwnd);
	weir_json_put_uint(json, "send_window", numbers->send_window);
	weir_json_put_uint(json, "receive_window", numbers->receive_window);
}

void sockets_entry_put(const struct sockets *state, const struct sockets_entry *entry,
		       struct weir_json_out *json)
{
	char text[WEIR_ADDR_TEXT];
	bool is_tcp = entry->proto == IPPROTO_TCP;

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "protocol", is_tcp ? "tcp" : "udp");
	weir_json_put_str(json, "state",
			  entry->ended_ns ? "ended" : sockets_state_name(entry->state));
	weir_json_put_str(json, "side", sockets_side_name(entry->side));
	weir_json_put_str(json, "local", weir_addr_to_string(&entry->local, text));
	weir_json_put_uint(json, "local_port", entry->local_port);
	weir_json_put_str(json, "remote", weir_addr_to_string(&entry->remote, text));
	weir_json_put_uint(json, "remote_port", entry->remote_port);
	sockets_owner_put(state, entry, json);
	weir_json_put_moment(json, entry->is_adopted ? "first_seen" : "begun", entry->begun_ns);
	if (!entry->is_adopted)
		weir_json_put_uint(json, "born_ns", entry->begun_ns);
	if (entry->ended_ns)
		weir_json_put_moment(json, "ended", entry->ended_ns);
	if (entry->ended_ns && entry->is_gone)
		weir_json_put_bool(json, "end_missed", true);
	weir_json_put_uint(json, "netns", entry->netns);
	weir_json_put_uint(json, "cookie", entry->cookie);
	if (is_tcp)
		tcp_put(state, entry, json);
	weir_json_close_object(json);
}

static void as_of_put(const struct sockets_view *view, struct weir_json_out *json)
{
	char when[WEIR_CLOCK_MS_TEXT];

	weir_json_put_str(json, "as_of",
			  weir_clock_format_ms(weir_clock_real_at(view->read_ns), when));
	weir_json_put_uint(json, "as_of_ns", view->read_ns);
}

void sockets_head_put(const struct sockets *state, struct weir_json_out *json)
{
	weir_json_put_bool(json, "enabled", state->is_on);
	weir_json_put_bool(json, "watched", state->tracer != NULL);
	if (state->why[0])
		weir_json_put_str(json, "problem", state->why);
	if (state->tracer && weir_tracer_lacks(state->tracer)[0])
		weir_json_put_str(json, "lacks", weir_tracer_lacks(state->tracer));
	if (state->view)
		as_of_put(state->view, json);
}

void sockets_sums_put(const struct sockets *state, struct weir_json_out *json)
{
	const struct sockets_view *view = state->view;

	weir_json_put_uint(json, "seen", view->sums[SOCKETS_SEEN]);
	weir_json_put_uint(json, "ended", view->sums[SOCKETS_ENDED]);
	weir_json_put_uint(json, "crowded", view->sums[SOCKETS_CROWDED]);
	weir_json_put_uint(json, "unsummed", view->sums[SOCKETS_UNSUMMED]);
	weir_json_put_uint(json, "synack_retransmits", sockets_synacks(view));
	weir_json_put_uint(json, "resets_without_socket", view->sums[SOCKETS_RESETS_NO_SOCKET]);
	weir_json_put_uint(json, "other_namespaces", view->sums[SOCKETS_FOREIGN]);
	weir_json_put_uint(json, "end_missed", state->gone);
	weir_json_put_uint(json, "missed", view->missed);
}
