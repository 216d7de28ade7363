/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the ends of a flow are: sockets by their ends. Of those that live an index is made when
 * somebody asks for the first time after they were read; those that ended are in sockets_past.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/owner.h"
#include "features/sockets/sockets_past.h"
#include "features/sockets/sockets_state.h"

/* A server's socket begins after the packet that makes it, which may be the flow's last. */
#define LATE_NS WEIR_NS_PER_S

/* Who had a socket, and when. */
struct holder {
	const struct sockets_process *process; /* NULL: nobody */
	const char *known_by;
	uint64_t begun_ns, ended_ns; /* 0: it was there before; it lives */
};

static struct sockets_ends ends_of(const struct sockets_entry *entry)
{
	return (struct sockets_ends){ entry->local, entry->remote, entry->local_port,
				      entry->remote_port, entry->proto };
}

static int row_compare(const void *a, const void *b)
{
	const struct sockets_live_row *one = a, *other = b;

	return memcmp(&one->ends, &other->ends, sizeof(one->ends));
}

static int index_make(struct sockets *state)
{
	struct sockets_index *index = &state->index;
	size_t most = sockets_count(state->view);
	struct sockets_live_row *rows = reallocarray(index->rows, most + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	index->rows = rows;
	index->count = 0;
	index->read_ns = state->view->read_ns;
	for (size_t i = 0; i < most; i++) {
		const struct sockets_entry *entry = sockets_at(state->view, i);

		if (sockets_is_flow(entry) && sockets_owner(entry))
			rows[index->count++] = (struct sockets_live_row){ ends_of(entry), entry };
	}
	qsort(rows, index->count, sizeof(*rows), row_compare);
	return 0;
}

/* The first that is not before it. */
static size_t index_find(const struct sockets_index *index, const struct sockets_ends *ends)
{
	size_t from = 0, to = index->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (memcmp(&index->rows[middle].ends, ends, sizeof(*ends)) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

void sockets_past_take(struct sockets *state, const struct sockets_entry *entry)
{
	const struct sockets_process *owner = sockets_owner(entry);
	struct sockets_past_row row = {
		.ends = ends_of(entry),
		.begun_ns = entry->is_adopted ? 0 : entry->begun_ns,
		.ended_ns = entry->ended_ns,
		.known_by = sockets_known_by(entry),
	};

	if (!owner || !sockets_is_flow(entry))
		return;
	row.owner = *owner;
	sockets_past_add(state->past, &row);
}

/* Whether it was there when packets of the flow came. */
static bool was_there(const struct holder *holder, const struct weir_flow_ends *flow)
{
	return !flow->last_ns ||
	       (holder->begun_ns <= flow->last_ns + LATE_NS &&
		(!holder->ended_ns || holder->ended_ns + WEIR_FLOW_TICK_NS >= flow->first_ns));
}

static uint64_t apart(uint64_t one, uint64_t other)
{
	return one > other ? one - other : other - one;
}

/*
 * Of two that were there. A TCP connection is a flow of its own, and began when its socket did: so
 * one that has the ends of another just afterwards is told apart from it. Datagrams of both are one
 * flow, and it is whose it is now, or was last.
 */
static bool is_better(const struct holder *one, const struct holder *other,
		      const struct weir_flow_ends *flow)
{
	if (flow->proto == IPPROTO_TCP && flow->last_ns)
		return apart(one->begun_ns, flow->first_ns) <
		       apart(other->begun_ns, flow->first_ns);
	if (!one->ended_ns != !other->ended_ns)
		return !one->ended_ns;
	return one->ended_ns > other->ended_ns;
}

static void holder_try(struct holder *best, const struct holder *holder,
		       const struct weir_flow_ends *flow)
{
	if (was_there(holder, flow) && (!best->process || is_better(holder, best, flow)))
		*best = *holder;
}

/* False: two live, in two namespaces with the same addresses, and nobody can say. */
static bool live_try(const struct sockets_index *index, const struct sockets_ends *ends,
		     const struct weir_flow_ends *flow, struct holder *best)
{
	size_t first = index_find(index, ends), i = first;

	for (; i < index->count && memcmp(&index->rows[i].ends, ends, sizeof(*ends)) == 0; i++) {
		const struct sockets_entry *entry = index->rows[i].entry;
		const struct holder holder = { sockets_owner(entry), sockets_known_by(entry),
					       entry->is_adopted ? 0 : entry->begun_ns, 0 };

		holder_try(best, &holder, flow);
	}
	return i < first + 2;
}

static struct holder holder_find(const struct sockets *state, const struct sockets_ends *ends,
				 const struct weir_flow_ends *flow)
{
	struct holder best = { .process = NULL };

	if (!live_try(&state->index, ends, flow, &best))
		return (struct holder){ .process = NULL };
	for (const struct sockets_past_row *row = sockets_past_first(state->past, ends); row;
	     row = sockets_past_next(state->past, row)) {
		const struct holder holder = { &row->owner, row->known_by, row->begun_ns,
					       row->ended_ns };

		holder_try(&best, &holder, flow);
	}
	return best;
}

/* False: nobody knows of any socket. */
static bool index_ready(struct sockets *state)
{
	return state->view && (state->index.read_ns == state->view->read_ns || !index_make(state));
}

static struct sockets_ends end_key(const struct weir_flow_ends *flow, bool is_dst)
{
	return (struct sockets_ends){
		.local = is_dst ? flow->dst : flow->src,
		.remote = is_dst ? flow->src : flow->dst,
		.local_port = is_dst ? flow->dport : flow->sport,
		.remote_port = is_dst ? flow->sport : flow->dport,
		.proto = flow->proto,
	};
}

const struct sockets_entry *sockets_live_at(struct sockets *state,
					    const struct weir_flow_ends *flow, bool is_dst)
{
	const struct sockets_ends ends = end_key(flow, is_dst);
	const struct sockets_index *index = &state->index;

	if (!index_ready(state))
		return NULL;
	size_t first = index_find(index, &ends), i = first;

	while (i < index->count && memcmp(&index->rows[i].ends, &ends, sizeof(ends)) == 0)
		i++;
	return i == first + 1 ? index->rows[first].entry : NULL;
}

static void end_put(const struct sockets *state, const struct weir_flow_ends *flow, bool is_dst,
		    struct weir_json_out *json)
{
	const struct sockets_ends ends = end_key(flow, is_dst);
	struct holder holder = holder_find(state, &ends, flow);

	if (!holder.process)
		return;
	weir_json_open_object(json, is_dst ? "dst_owner" : "src_owner");
	sockets_process_put(state, holder.process, holder.known_by, json);
	sockets_command_put(state, holder.process, !holder.ended_ns, json);
	weir_json_close_object(json);
}

void sockets_flow_owner_put(void *data, const struct weir_flow_ends *ends,
			    struct weir_json_out *json)
{
	struct sockets *state = data;

	if (!index_ready(state))
		return;
	end_put(state, ends, false, json);
	end_put(state, ends, true, json);
}

static bool end_get(const struct sockets *state, const struct weir_flow_ends *flow, bool is_dst,
		    struct weir_owner *ret_owner)
{
	const struct sockets_ends ends = end_key(flow, is_dst);
	const struct sockets_process *process = holder_find(state, &ends, flow).process;

	*ret_owner = (struct weir_owner){ .process = "" };
	if (!process)
		return false;
	const struct sockets_cgroup_row *cgroup =
		sockets_cgroup_known(&state->cgroups, process->cgroup);

	snprintf(ret_owner->process, sizeof(ret_owner->process), "%.*s", SOCKETS_COMM_BYTES,
		 process->comm);
	if (cgroup)
		snprintf(ret_owner->container, sizeof(ret_owner->container), "%s",
			 cgroup->container);
	return true;
}

bool sockets_flow_owner_get(void *data, const struct weir_flow_ends *ends,
			    struct weir_owner *ret_owners)
{
	struct sockets *state = data;

	if (!index_ready(state))
		return false;
	bool has_src = end_get(state, ends, false, &ret_owners[0]);

	return end_get(state, ends, true, &ret_owners[1]) || has_src;
}
