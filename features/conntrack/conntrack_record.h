/* SPDX-License-Identifier: Apache-2.0 */
/* Records of flows that have ended: the last so many, of whoever ended them, packets or the daemon.
 * Any thread may add one. */
#ifndef WEIR_CONNTRACK_RECORD_H
#define WEIR_CONNTRACK_RECORD_H

#include "core/flow_quality.h"
#include "features/conntrack/conntrack_carried.h"
#include "features/conntrack/conntrack_state.h"

/* Why a flow ended. X(identifier, name, help) */
#define CONNTRACK_ENDS(X)                                                               \
	X(CLOSED, "closed", "both sides had closed, and both knew it")                  \
	X(RESET, "reset", "one side had reset it")                                      \
	X(IDLE, "idle", "nothing came any more for as long as its state lets it")       \
	X(DISPLACED, "displaced", "half-open, and made room for a newer one")           \
	X(RENEWED, "renewed", "its ends began another")                                 \
	X(FLUSHED, "flushed", "a person had it forgotten")                              \
	X(NO_ROOM, "no_room", "a reload to another size left it no room")               \
	X(UNTRACKED, "untracked", "connections are not tracked any more")               \
	X(PART, "part", "packets of a flow that had just moved, and was found no more") \
	X(OPEN, "open", "it goes on: the capture that is replayed ends before it")      \
	X(ACTIVE, "active", "it goes on, and has carried so much since it was told of last")

enum conntrack_end {
#define X(identifier, name, help) CONNTRACK_END_##identifier,
	CONNTRACK_ENDS(X)
#undef X
	CONNTRACK_END_COUNT,
};

extern const char *const conntrack_end_words[]; /* NULL at the end */

struct conntrack_record {
	struct conntrack_flow flow; /* as it was; `word` too */
	struct conntrack_carried carried;
	uint64_t number;		  /* from 0 on, of this run */
	uint64_t end_ns;		  /* CLOCK_MONOTONIC: when it was told of */
	struct weir_flow_quality quality; /* of TCP, once it was asked for */
	enum conntrack_table_kind table;
	enum conntrack_end end;
	bool is_busy; /* a change is under way: whose it is cannot be asked */
};

struct conntrack_records;

struct conntrack_records *conntrack_records_new(void);
void conntrack_records_free(struct conntrack_records *records);
/* Who adds up what they had, each once, and who knows what was told of a flow before. NULL: nobody.
 */
struct conntrack_ledger;
struct conntrack_active;
struct conntrack_listeners {
	struct conntrack_ledger *ledger;
	struct conntrack_active *active;
	struct weir_engine *engine; /* who knows whose a flow was; NULL: nobody */
};

void conntrack_records_tell(struct conntrack_records *records,
			    const struct conntrack_listeners *listeners);
/* So many are kept from now on, the newest of those there are; 0: none are, and none are counted.
 * Out of memory: as many as before. */
void conntrack_records_keep(struct conntrack_records *records, uint32_t keep);
/* Unless it carried nothing; less what was told of it before. NULL: nobody is told. */
void conntrack_records_add(struct conntrack_records *records,
			   const struct conntrack_record *record);
/* Copies of those numbered from `from` on, at the most `room`, the oldest first; returns how many.
 * The first may have a higher number: those before it are kept no more. */
size_t conntrack_records_get(struct conntrack_records *records, uint64_t from,
			     struct conntrack_record *ret_records, size_t room);

/* It is kept no more: nothing. */
void conntrack_records_join(struct conntrack_records *records, uint64_t number,
			    const struct weir_flow_quality *quality);

/* From now on all are kept until they are taken, and their time is the capture's. */
struct weir_replay;
void conntrack_records_replay(struct conntrack_records *records, const struct weir_replay *replay);
/* Those there are, which are the caller's; NULL: none. */
struct conntrack_record *conntrack_records_take(struct conntrack_records *records,
						size_t *ret_count);
/* There was no memory for some of them. */
bool conntrack_records_have_failed(const struct conntrack_records *records);
/* The tick of the capture that is replayed, else conntrack_now(). NULL: likewise. */
uint32_t conntrack_records_tick(const struct conntrack_records *records);

/* How many there were, and how many of those are kept. */
struct conntrack_records_count {
	uint64_t made, kept, packets, bytes;
	uint32_t keep;
};

struct conntrack_records_count conntrack_records_count(struct conntrack_records *records);
enum conntrack_end conntrack_end_of(const struct conntrack_flow *flow, enum conntrack_cause cause,
				    uint32_t now);
/* Numbers and flags, as words beside a flow have them. */
void conntrack_carried_of(const __u64 words[CONNTRACK_SUM_WORDS],
			  struct conntrack_carried *carried);

/* conntrack_record_quality.c: asks how well TCP got on in those that are new since it was called
 * last. Loop, or a worker in its turn. */
void conntrack_records_measure(struct conntrack *state);

/* conntrack_record_ops.c; on the loop's thread. */
void conntrack_records_hear(struct conntrack *state, const struct weir_event_flow *event);
/* One as people see it: an object. */
void conntrack_record_put(struct conntrack *state, const struct conntrack_record *record,
			  struct weir_json_out *json);
/* Of flows in some sets that live longer than the active timeout. */
void conntrack_records_go_on(struct conntrack *state, struct conntrack_table *table,
			     const struct conntrack_part *part);
/* What is known of flows that are no more is forgotten. */
void conntrack_records_forget(struct conntrack *state, uint64_t now_ns);
/* Those that nobody has been told of go to who follows ended flows. */
void conntrack_records_stream(struct conntrack *state);
void conntrack_records_status(const struct conntrack *state, struct weir_json_out *json);
int conntrack_records_snapshot(const struct conntrack *state, struct weir_snapshot *snapshot);

#endif
