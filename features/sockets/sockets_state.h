/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `sockets` share in user space. Nothing outside includes it. */
#ifndef WEIR_SOCKETS_STATE_H
#define WEIR_SOCKETS_STATE_H

#include "core/feature.h"
#include "core/flow_past.h"
#include "core/trace.h"
#include "features/sockets/sockets.h"
#include "features/sockets/sockets_cgroup.h"
#include "features/sockets/sockets_past.h"

/* `sockets:` of weir.yaml. */
struct sockets_section {
	bool enabled;
	bool all_namespaces;
	bool commands;
};

struct sockets_total_row {
	struct sockets_total_key key;
	struct sockets_total total;
};

/* What was read of the maps at one time. */
struct sockets_view {
	struct weir_buf live; /* struct sockets_entry, one behind the other */
	struct sockets_total_row totals[SOCKETS_TOTALS_MAX]; /* by key */
	size_t total_count;
	uint64_t sums[SOCKETS_SUMS];
	uint64_t turn;	  /* sockets that have ended */
	uint64_t missed;  /* since the daemon started */
	uint64_t read_ns; /* CLOCK_MONOTONIC; 0: never */
	uint64_t took_ns;
};

struct sockets_live_row {
	struct sockets_ends ends;
	const struct sockets_entry *entry;
};

/* Those that live and whose they are known, by their ends. */
struct sockets_index {
	struct sockets_live_row *rows;
	size_t count;
	uint64_t read_ns; /* of what was read then */
};

/* A socket as it was at the last look: whose, and what it had carried. */
struct sockets_held {
	uint64_t cookie;
	int64_t sent, received;
	struct sockets_total_key key;
};

/* What sockets had carried before they came to somebody, less what they had when they went. */
struct sockets_hand {
	struct sockets_total_key key;
	int64_t sent, received;
};

#define SOCKETS_HANDS_MAX (2 * SOCKETS_TOTALS_MAX)

/* Zero-initialise. */
struct sockets_hands {
	struct sockets_held *held; /* by cookie */
	size_t held_count;
	uint64_t turn; /* of what was read then */
	struct sockets_hand *rows;
	size_t count;
};

struct sockets {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	struct weir_tracer *tracer; /* NULL: nothing is watched */
	struct weir_trace_plan plan;
	struct weir_trace_constant named[2];
	struct sockets_constants constants;
	struct sockets_view *view;	 /* while something is watched */
	struct sockets_entry *ended;	 /* SOCKETS_ENDED_MAX, as in the map */
	struct sockets_past *past;	 /* more of them, but only whose they were */
	struct weir_flow_past *measured; /* and as many, but only how well TCP got on */
	uint64_t ended_turn;		 /* those before are in `ended` */
	uint64_t walked_ns, walk_took_ns;
	uint64_t missed_before;	      /* by programs that others took the places of */
	uint64_t nested_before;	      /* steps of sockets, as tmp_sock_step had them at the start */
	struct sockets_entry *unseen; /* SOCKETS_UNSEEN_MAX whose end was missed, in turns */
	uint64_t gone;		      /* how many there were of these, since the daemon started */
	struct sockets_total unseen_total; /* what these had, since sockets are watched */
	struct sockets_total told;	   /* of all sockets, to who asked for metrics last */
	struct sockets_cgroups cgroups;
	struct sockets_index index;
	struct sockets_hands hands;
	char why[160]; /* nothing is watched although it is asked for */
	bool is_on;    /* by the live configuration */
	bool all_namespaces;
	bool commands;
	bool was_asked; /* the first configuration was seen */
};

extern const struct weir_feature weir_sockets;
extern const struct weir_field sockets_fields[];
extern const struct weir_op *const sockets_ops[];

/* sockets_watch.c */
void sockets_live(void *data, const struct weir_config *config);
void sockets_tick(void *data, uint64_t now_ns);
void sockets_watch_end(struct sockets *state);
/* For who asks: reads again, unless what was read is as good as new, reading takes long, or a
 * worker may be looking at it. */
void sockets_refresh(struct sockets *state);

/* sockets_view.c: 0 or -errno, with what could be read. */
int sockets_view_read(struct sockets *state);
/* Of what was read. NULL: there is none. */
const struct sockets_total_row *sockets_total_row(const struct sockets_view *view,
						  const struct sockets_total_key *key);
/* What sockets had whose end was missed, from a daemon before. */
void sockets_unseen_read(struct sockets *state);

static inline size_t sockets_count(const struct sockets_view *view)
{
	return view->live.len / sizeof(struct sockets_entry);
}

static inline const struct sockets_entry *sockets_at(const struct sockets_view *view, size_t index)
{
	return (const struct sockets_entry *)view->live.data + index;
}

/* SYN-ACKs sent again for what never became a socket; the sockets have the others. */
static inline uint64_t sockets_synacks(const struct sockets_view *view)
{
	uint64_t all = view->sums[SOCKETS_SYNACKS], taken = view->sums[SOCKETS_SYNACKS_TAKEN];

	return all > taken ? all - taken : 0; /* a socket may have some of before */
}

/* sockets_owner.c: as the data path has it when a socket ends. NULL: nobody is known. */
const struct sockets_process *sockets_owner(const struct sockets_entry *entry);
/* "connect", "close", "files"; "" when nobody is known. */
const char *sockets_known_by(const struct sockets_entry *entry);
/* Its row of totals; that of the rest when nobody is known, but for the protocol. */
void sockets_key_of(const struct sockets_entry *entry, struct sockets_total_key *ret_key);
/* Whether it is a flow: a UDP socket may have asked in vain. */
bool sockets_is_flow(const struct sockets_entry *entry);
/* How many of those that live are. */
size_t sockets_flow_count(const struct sockets_view *view);
const char *sockets_state_name(uint8_t state);
const char *sockets_side_name(uint8_t side);
/* What is in totals of a socket that lives. */
void sockets_total_of_live(const struct sockets_entry *entry, struct sockets_total *ret_total);
void sockets_total_add(struct sockets_total *total, const struct sockets_total *more);

/* sockets_hands.c */
void sockets_hands_done(struct sockets_hands *hands);
/* Before the view is read anew, and behind that. Out of memory: what was handed on meanwhile is the
 * last one's. */
void sockets_hands_note(struct sockets_hands *hands, const struct sockets_view *view);
void sockets_hands_compare(struct sockets_hands *hands, const struct sockets *state);
/* A row of totals that goes to the rest: its owner had carried it. */
void sockets_hands_merge(struct sockets_hands *hands, const struct sockets_total_row *row);

/* sockets_thin.c: has the lightest rows of what was read make room when little is left. Whether
 * they did, which takes some ms, and the view is to be read anew. */
bool sockets_totals_thin(struct sockets *state);
/* All rows of totals are added to again: a daemon before may have been in the midst of it. */
void sockets_thin_end(struct sockets *state);

/* sockets_put.c */
void sockets_entry_put(const struct sockets *state, const struct sockets_entry *entry,
		       struct weir_json_out *json);
/* Whether something is watched, and what is not in the rows. */
void sockets_head_put(const struct sockets *state, struct weir_json_out *json);
void sockets_sums_put(const struct sockets *state, struct weir_json_out *json);

/* How often either end's window was closed; nothing where this kernel does not tell. */
void sockets_zero_put(const struct sockets *state, uint64_t sent, uint64_t received,
		      struct weir_json_out *json);

/* Members of an open object. */
void sockets_process_put(const struct sockets *state, const struct sockets_process *process,
			 const char *known_by, struct weir_json_out *json);
void sockets_owner_put(const struct sockets *state, const struct sockets_entry *entry,
		       struct weir_json_out *json);

/* sockets_command.c */
#define SOCKETS_COMMAND_TEXT (SOCKETS_COMMAND_BYTES + sizeof("…"))
/* Of `len` bytes as a process has them: arguments between blanks, "…" behind one that was cut. */
void sockets_command_text(const char *bytes, size_t len, bool is_cut,
			  char ret_text[SOCKETS_COMMAND_TEXT]);
/* Members of an open object, if it is known. Of a process that has a socket yet it may be read now;
 * of one that had it, it may run another program since. */
void sockets_command_put(const struct sockets *state, const struct sockets_process *process,
			 bool has_it_yet, struct weir_json_out *json);
/* What was kept of them, when they are no longer asked for. */
void sockets_commands_forget(struct sockets *state);

/* sockets_cookies.c: to all sockets of this network namespace, or of all that can be entered. */
int sockets_cookies_give(struct sockets *state);

/* sockets_flow.c */
/* One that ended is kept, if it is known whose it was. */
void sockets_past_take(struct sockets *state, const struct sockets_entry *entry);
/* Which lives at that end of a flow. NULL: none, or more than one. */
const struct sockets_entry *sockets_live_at(struct sockets *state,
					    const struct weir_flow_ends *flow, bool is_dst);
void sockets_flow_owner_put(void *data, const struct weir_flow_ends *ends,
			    struct weir_json_out *json);
bool sockets_flow_owner_get(void *data, const struct weir_flow_ends *ends,
			    struct weir_owner *ret_owners);

/* sockets_quality.c */
void sockets_measured_add(struct sockets *state, const struct sockets_entry *entry);
void sockets_quality_add(void *data, const struct weir_flow_ends *flow,
			 struct weir_flow_quality *quality);

/* sockets_top.c */
extern const struct weir_op sockets_top_op;

/* sockets_metrics.c */
int sockets_snapshot(void *data, struct weir_snapshot *snapshot);

#endif
