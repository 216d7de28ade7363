/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the ends of a flow are: sockets by their ends, in an index that is made when somebody asks
 * for the first time after they were read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/owner.h"
#include "features/sockets/sockets_state.h"

static int ends_compare(const struct sockets_entry *one, const struct sockets_entry *other)
{
	int r = memcmp(&one->local, &other->local, sizeof(one->local));

	if (!r)
		r = memcmp(&one->remote, &other->remote, sizeof(one->remote));
	if (!r)
		r = one->local_port - other->local_port;
	if (!r)
		r = one->remote_port - other->remote_port;
	return r ? r : one->proto - other->proto;
}

static int row_compare(const void *a, const void *b)
{
	return ends_compare(*(const struct sockets_entry *const *)a,
			    *(const struct sockets_entry *const *)b);
}

static void row_add(struct sockets_index *index, const struct sockets_entry *entry)
{
	if (sockets_is_flow(entry) && sockets_owner(entry))
		index->rows[index->count++] = entry;
}

static int index_make(struct sockets *state)
{
	struct sockets_index *index = &state->index;
	size_t most = sockets_count(state->view) + SOCKETS_ENDED_MAX;
	const struct sockets_entry **rows = reallocarray(index->rows, most, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	index->rows = rows;
	index->count = 0;
	index->read_ns = state->view->read_ns;
	for (size_t i = 0; i < sockets_count(state->view); i++)
		row_add(index, sockets_at(state->view, i));
	for (size_t i = 0; i < SOCKETS_ENDED_MAX; i++)
		row_add(index, &state->ended[i]);
	qsort(index->rows, index->count, sizeof(*rows), row_compare);
	return 0;
}

/* The first that is not before it. */
static size_t index_find(const struct sockets_index *index, const struct sockets_entry *key)
{
	size_t from = 0, to = index->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (ends_compare(index->rows[middle], key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Whichever lives, else which ended last: ports are used again. Two that live, in two namespaces
 * with the same addresses: nobody can say. */
static const struct sockets_entry *socket_find(const struct sockets_index *index,
					       const struct sockets_entry *key)
{
	const struct sockets_entry *best = NULL;

	for (size_t i = index_find(index, key);
	     i < index->count && !ends_compare(index->rows[i], key); i++) {
		const struct sockets_entry *entry = index->rows[i];

		if (best && !best->ended_ns && !entry->ended_ns)
			return NULL;
		if (!best || !entry->ended_ns ||
		    (best->ended_ns && entry->ended_ns > best->ended_ns))
			best = entry;
	}
	return best;
}

static void end_put(const struct sockets *state, const struct sockets_entry *key, const char *name,
		    struct weir_json_out *json)
{
	const struct sockets_entry *entry = socket_find(&state->index, key);

	if (!entry)
		return;
	weir_json_open_object(json, name);
	sockets_owner_put(state, entry, json);
	weir_json_close_object(json);
}

/* False: nobody knows of any socket. */
static bool index_ready(struct sockets *state)
{
	return state->view && (state->index.read_ns == state->view->read_ns || !index_make(state));
}

static struct sockets_entry end_key(const struct weir_flow_ends *ends, bool is_dst)
{
	return (struct sockets_entry){
		.local = is_dst ? ends->dst : ends->src,
		.remote = is_dst ? ends->src : ends->dst,
		.local_port = is_dst ? ends->dport : ends->sport,
		.remote_port = is_dst ? ends->sport : ends->dport,
		.proto = ends->proto,
	};
}

void sockets_flow_owner_put(void *data, const struct weir_flow_ends *ends,
			    struct weir_json_out *json)
{
	const struct sockets_entry src = end_key(ends, false), dst = end_key(ends, true);
	struct sockets *state = data;

	if (!index_ready(state))
		return;
	end_put(state, &src, "src_owner", json);
	end_put(state, &dst, "dst_owner", json);
}

static bool end_get(const struct sockets *state, const struct sockets_entry *key,
		    struct weir_owner *ret_owner)
{
	const struct sockets_entry *entry = socket_find(&state->index, key);
	const struct sockets_process *process = entry ? sockets_owner(entry) : NULL;

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
	const struct sockets_entry src = end_key(ends, false), dst = end_key(ends, true);
	struct sockets *state = data;

	if (!index_ready(state))
		return false;
	bool has_src = end_get(state, &src, &ret_owners[0]);

	return end_get(state, &dst, &ret_owners[1]) || has_src;
}
