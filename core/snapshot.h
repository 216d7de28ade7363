/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and gauges as one immutable view, made once a tick. The API, metrics and the console
 * read only this: no request walks a map. Reference-counted, so that a slow reader keeps the one it
 * began with.
 */
#ifndef WEIR_CORE_SNAPSHOT_H
#define WEIR_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/event.h"
#include "../abi/maps.h"
#include "../base/json.h"

enum weir_sample_kind {
	WEIR_SAMPLE_COUNTER,
	/* Of somebody else's, and above 0 perhaps when it is met first: a device's own. */
	WEIR_SAMPLE_FOREIGN,
	WEIR_SAMPLE_GAUGE,
	/* Of a histogram, added in this order: buckets, by their upper ends `le` in its labels,
	 * each with those below it; the sum; and how many. */
	WEIR_SAMPLE_BUCKET,
	WEIR_SAMPLE_SUM,
	WEIR_SAMPLE_COUNT,
};

/* What each label of a row says in which a feature sums up what has no row of its own, as /metrics
 * itself does: of both there is one row. What is called so by its user is told in that row, too. */
#define WEIR_SERIES_OTHER "other"

/* One value of one metric. `labels` is Prometheus text without braces:
 * interface="eth0",reason="drop_blocked"; values escaped. What has `interface` in front is counted
 * by device, and goes on under its next name. */
struct weir_sample {
	const char *name; /* without prefix and, for counters, with "_total": "packets_total"; of a
			   * histogram without "_bucket" and the like */
	const char *help;
	enum weir_sample_kind kind;
	char *labels; /* NULL = none */
	double value;
	size_t order; /* as it was added */
};

/* X(identifier, name, what) */
#define WEIR_TRAFFIC(X)                                 \
	X(RX_PACKETS, "rx_packets", "Packets received") \
	X(TX_PACKETS, "tx_packets", "Packets sent")     \
	X(RX_BYTES, "rx_bytes", "Bytes received")       \
	X(TX_BYTES, "tx_bytes", "Bytes sent")

enum weir_traffic_kind {
#define X(identifier, name, what) WEIR_TRAFFIC_##identifier,
	WEIR_TRAFFIC(X)
#undef X
	WEIR_TRAFFIC_KINDS,
};

/* What a device counts itself, and how much that was a second of late. */
struct weir_traffic_counts {
	bool is_known, has_rates; /* rates: when it was seen for a second */
	uint64_t totals[WEIR_TRAFFIC_KINDS];
	double rates[WEIR_TRAFFIC_KINDS];
};

struct weir_interface_view {
	char name[16];
	uint32_t ifindex;
	uint32_t slot;
	char mode[32];	 /* "xdp native", "tcx", "clsact", "xdp generic", "detached" */
	char egress[32]; /* "tcx", "clsact", "off" */
	char why[160];	 /* why this mode, or why not attached */
	bool attached;
	struct weir_count counts[WEIR_DIRECTIONS][WEIR_REASONS_MAX];
	struct weir_traffic_counts device;
};

struct weir_snapshot {
	unsigned references;
	uint64_t sequence;
	uint64_t monotonic_ns, real_ns;
	uint64_t revision;
	struct weir_interface_view *interfaces;
	size_t interface_count;
	struct {
		uint64_t sent, capped, lost;
	} events[WEIR_EVENT_KINDS_MAX];
	struct weir_sample *samples; /* everything, those of features included, grouped by name */
	size_t sample_count;
};

struct weir_snapshot *weir_snapshot_ref(struct weir_snapshot *snapshot);
void weir_snapshot_unref(struct weir_snapshot *snapshot);
static inline void weir_snapshot_unrefp(struct weir_snapshot **snapshot)
{
	weir_snapshot_unref(*snapshot);
}
#define _cleanup_snapshot_ __attribute__((cleanup(weir_snapshot_unrefp)))
/* For features, while the snapshot is made. `labels` is a printf format or NULL; label values come
 * in escaped by weir_label_escape(). */
int weir_snapshot_add(struct weir_snapshot *snapshot, enum weir_sample_kind kind, const char *name,
		      const char *help, double value, const char *labels, ...)
	__attribute__((format(printf, 6, 7)));
/* Backslash, quote and newline escaped as the exposition format asks, and what is no UTF-8
 * replaced, without which nobody reads the page; into text, cut to size between characters; returns
 * text. */
const char *weir_label_escape(const char *value, char *text, size_t size);
#define WEIR_LABEL_BYTES(bytes) (3 * (bytes)) /* for a value of so many, its end included */

/* How a packet ended: of an event or of a probe. */
struct weir_verdict {
	uint32_t reason;
	uint32_t generation;
	uint32_t ifindex;
	uint32_t class_id;
	uint32_t list;
	uint32_t hit;
	uint32_t rule;
	uint32_t held;	  /* of a probe: the limit it met last, 0 for none */
	uint32_t backend; /* where its backend is counted, 0: not known */
	uint16_t owner;	  /* of an event: the number of its flow's backend in its service, or 0 */
	struct weir_addr src, dst;
	uint16_t sport, dport; /* network byte order; 0: none, or not told */
	uint8_t proto;
	uint8_t direction;
};

const char *weir_reason_name(uint32_t reason);
const char *weir_reason_help(uint32_t reason);
const char *weir_reason_stage(uint32_t reason); /* "parse", "block" …: who decided */
const char *weir_event_kind_name(uint32_t kind);
bool weir_reason_is_drop(uint32_t reason);

#endif
