/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry says: whose it is, in words, and as a part of totals. */
#include "base/cleanup.h"
#include "features/sockets/sockets_state.h"

#include <netinet/in.h>
#include <string.h>

/* The owner by what it did stays so as long as it has the socket, or nobody else does. */
static bool is_handed_on(const struct sockets_entry *entry)
{
	return entry->by != SOCKETS_BY_CLOSE && entry->holder_walk > entry->owner_walk;
}

const struct sockets_process *sockets_owner(const struct sockets_entry *entry)
{
	if (entry->by == SOCKETS_BY_NOBODY)
		return NULL;
	return is_handed_on(entry) ? &entry->holder : &entry->owner;
}

void sockets_key_of(const struct sockets_entry *entry, struct sockets_total_key *ret_key)
{
	const struct sockets_process *owner = sockets_owner(entry);

	*ret_key = (struct sockets_total_key){ .proto = entry->proto };
	if (!owner)
		return;
	ret_key->cgroup = owner->cgroup;
	ret_key->uid = owner->uid;
	memcpy(ret_key->comm, owner->comm, sizeof(ret_key->comm));
}

const char *sockets_known_by(const struct sockets_entry *entry)
{
	static const char *const words[] = {
		[SOCKETS_BY_NOBODY] = "",
		[SOCKETS_BY_CONNECT] = "connect",
		[SOCKETS_BY_CLOSE] = "close",
		[SOCKETS_BY_FILE] = "files",
	};

	if (is_handed_on(entry))
		return "files";
	return entry->by < WEIR_ARRAY_SIZE(words) ? words[entry->by] : "";
}

bool sockets_is_flow(const struct sockets_entry *entry)
{
	return entry->cookie &&
	       (entry->proto == IPPROTO_TCP || entry->ended_ns || entry->state == 1);
}

size_t sockets_flow_count(const struct sockets_view *view)
{
	size_t count = 0;

	for (size_t i = 0; i < sockets_count(view); i++)
		count += sockets_is_flow(sockets_at(view, i));
	return count;
}

const char *sockets_state_name(uint8_t state)
{
	static const char *const names[] = {
		"",	      "established", "syn-sent", "syn-recv",   "fin-wait-1",
		"fin-wait-2", "time-wait",   "closed",	 "close-wait", "last-ack",
		"listen",     "closing",     "syn-recv",
	};

	return state < WEIR_ARRAY_SIZE(names) ? names[state] : "";
}

const char *sockets_side_name(uint8_t side)
{
	return side == SOCKETS_SIDE_CLIENT ? "client" : side == SOCKETS_SIDE_SERVER ? "server" : "";
}

void sockets_total_of_live(const struct sockets_entry *entry, struct sockets_total *ret_total)
{
	const struct sockets_numbers *now = &entry->numbers, *before = &entry->before;

	*ret_total = (struct sockets_total){
		.sockets = 1,
		.bytes_sent = now->bytes_sent - before->bytes_sent,
		.bytes_acked = now->bytes_acked - before->bytes_acked,
		.bytes_received = now->bytes_received - before->bytes_received,
		.bytes_retransmitted = now->bytes_retransmitted - before->bytes_retransmitted,
		.retransmits = now->retransmits - before->retransmits,
		.out_of_order = now->out_of_order - before->out_of_order,
		.resets_sent = entry->resets_sent,
		.resets_received = entry->resets_received,
		.zero_windows_sent = SOCKETS_ZERO_TIMES(entry->zero_sent),
		.zero_windows_received = SOCKETS_ZERO_TIMES(entry->zero_received),
	};
}

void sockets_total_add(struct sockets_total *total, const struct sockets_total *more)
{
	total->sockets += more->sockets;
	total->failed += more->failed;
	total->bytes_sent += more->bytes_sent;
	total->bytes_acked += more->bytes_acked;
	total->bytes_received += more->bytes_received;
	total->bytes_retransmitted += more->bytes_retransmitted;
	total->retransmits += more->retransmits;
	total->out_of_order += more->out_of_order;
	total->resets_sent += more->resets_sent;
	total->resets_received += more->resets_received;
	total->zero_windows_sent += more->zero_windows_sent;
	total->zero_windows_received += more->zero_windows_received;
}
