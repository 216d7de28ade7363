/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `limit` share in user space. Nothing outside includes it. */
#ifndef WEIR_LIMIT_STATE_H
#define WEIR_LIMIT_STATE_H

#include "base/addr.h"
#include "base/units.h"
#include "core/feature.h"
#include "features/limit/limit.h"

#define LIMIT_NAME_MAX 31

/* An entry of `limits:`, as written. */
struct limit_text {
	char *name;
	int proto; /* enum limit_proto */
	char *sport, *dport;
	int flags;     /* enum limit_flags */
	int direction; /* enum weir_direction */
	char *per;
	char *packets, *bytes, *connections; /* a rate of one of them */
	uint32_t burst;			     /* packets or connections; 0: not given */
	struct weir_quantity burst_bytes;
	int when;   /* enum weir_alarm: from which level on it acts */
	int action; /* 0: drop, the only one so far */
	bool dry_run;
	char *block_after; /* a rate of packets over the limit; NULL: nobody is blocked */
	struct weir_quantity block_for, block_most;
	bool block_dry_run;
};

enum limit_proto {
	LIMIT_PROTO_ANY,
	LIMIT_PROTO_ICMP,
	LIMIT_PROTO_TCP,
	LIMIT_PROTO_UDP,
};

enum limit_flags {
	LIMIT_FLAGS_ANY,
	LIMIT_FLAGS_SYN,
};

struct limit_section {
	uint32_t sources;
	char **presets;
	unsigned preset_count;
	struct limit_text *limits;
	unsigned limit_count;
};

/* Limits that are written once for all who serve such a thing. */
struct limit_preset_row {
	struct limit_text text;
	const char *why; /* these figures */
};

struct limit_preset {
	const char *name, *summary;
	const struct limit_preset_row *rows;
	unsigned count;
};

enum limit_origin {
	LIMIT_FROM_FILE,
	LIMIT_FROM_PRESET,
	LIMIT_FROM_RUNTIME,
};

extern const char *const limit_origin_names[];

/* Limits added by operations, in the order they came. */
struct limit_runtime {
	struct limit_text at[LIMITS_MAX];
	unsigned count;
};

/* A limit that is in force. */
struct limit_entry {
	const struct limit_text *text; /* borrowed */
	enum limit_origin origin;
	const char *preset; /* its name, LIMIT_FROM_PRESET */
};

/* All that are, in order: those of the configuration, of run time, of presets. */
struct limit_list {
	struct limit_entry at[LIMITS_MAX];
	unsigned count;
	unsigned left_out; /* for want of room */
};

/* When a source is put on a list, and for how long. */
struct limit_block {
	uint64_t after, within_ns; /* packets over the limit in that time; 0: never */
	uint64_t for_ns, most_ns;  /* the first time; doubled each time, up to */
	bool is_dry;
};

/* What an entry means. */
struct limit_meaning {
	struct weir_rate rate; /* of packets or bytes */
	uint64_t burst;	       /* packets or bytes */
	struct limit_row row;  /* without `count` */
	struct limit_ports ports;
	struct limit_block block;
};

/* Of a limit since its counters were made. */
struct limit_sums {
	struct limit_count of[LIMITS_MAX];
};

/* Limits of rules beside those of this feature: rules bound them. */
#define LIMIT_KNOWN_MAX (LIMITS_MAX + 256)

/* Limits that rules hold packets to, which other features tell of. */
struct limit_guests {
	struct weir_image_limit at[LIMIT_KNOWN_MAX - LIMITS_MAX];
	unsigned count;
};

#define LIMIT_TOP_ENTRIES 512

/* A limit of the live policy, as events name it, and what of its excess they have told. */
struct limit_known {
	char name[WEIR_IMAGE_LIMIT_TEXT];
	struct limit_row row;
	struct limit_block block;
	uint32_t rule; /* events name it by its rule; 0: by its row */
	bool is_looked_at;
	uint64_t over;	  /* packets over it, as counted at the last look */
	uint64_t pending; /* of them, those that no event stands for yet */
	uint64_t untold;  /* … and none will: events were capped, lost or switched off */
	uint32_t told;	  /* events since the last look */
	uint32_t quiet;	  /* looks without any, while some are pending */
};

/* Who is over a limit. */
struct limit_over {
	uint64_t limit; /* its row's id */
	struct weir_addr addr;
	bool has_addr, has_service;
	uint8_t length; /* of the prefix, in the 128-bit address */
	uint8_t proto;
	uint16_t port;
	uint64_t since_ns, last_ns;   /* CLOCK_MONOTONIC */
	double over;		      /* packets, estimated */
	double error;		      /* so many of them at most are those of others */
	double pps;		      /* of late */
	uint64_t told;		      /* events this stands on */
	uint32_t told_now, error_now; /* since the last look */
	/* Towards a block: since when, what, and on how many events that stands. */
	uint64_t window_ns;
	double window_over;
	uint64_t window_told;
	bool offends;
};

/* Space-Saving: Metwally, Agrawal, El Abbadi, 2005. A key 0: nobody's. */
struct limit_top {
	struct limit_known known[LIMIT_KNOWN_MAX];
	unsigned known_count;
	uint64_t keys[LIMIT_TOP_ENTRIES];
	struct limit_over at[LIMIT_TOP_ENTRIES];
	uint64_t looked_ns;
};

#define LIMIT_OFFENDERS 1024
#define LIMIT_BLOCK_MOST_S (365 * 86400)

/* Who was put on a list, and how long, so that the next time is longer. */
struct limit_offender {
	struct weir_range range;
	uint64_t length_ns;	   /* 0: nobody */
	int64_t from_ns, until_ns; /* CLOCK_MONOTONIC; below zero before the machine started */
};

/* A memory, and no bound of who can be blocked. */
struct limit_auto {
	struct limit_offender at[LIMIT_OFFENDERS];
	uint64_t blocked, spared, refused;
	uint64_t forgotten; /* while blocked, for want of room: the next time is a first time */
	bool is_new;	    /* the file does not say so yet */
	uint64_t saved_ns;
};

struct limit {
	struct weir_engine *engine; /* NULL: a look at a configuration */
	char *dir;		    /* NULL: nothing is kept */
	struct limit_runtime runtime;
	const struct weir_config *config; /* live; NULL before the first */
	struct weir_map *counters;	  /* borrowed from the object; NULL before the first */
	struct weir_object *object;	  /* borrowed; NULL before the first */
	struct limit_guests guests, next_guests; /* live; of what was compiled last (a worker's) */
	struct weir_map_memory buckets;		 /* st_limit */
	uint32_t lines;				 /* of it that are in use; 0: off */
	uint32_t sweep;				 /* line that is looked at next */
	uint64_t owing, owing_seen; /* buckets in this round of the sweep, and in the last */
	struct limit_top top;
	struct limit_auto autos;
};

extern const struct weir_feature weir_limit;
extern const struct weir_field limit_fields[], limit_limit_fields[];
extern const struct limit_preset limit_presets[]; /* up to one without a name */
extern const struct weir_op *const limit_ops[];
extern const char *const limit_proto_names[], *const limit_flag_names[],
						      *const limit_direction_names[];

/* limit_config.c */
int limit_check(const struct weir_config *config, const void *section, struct weir_diag *diag);
/* limit_read.c: what an entry means; -EINVAL: diag (may be NULL) says why not, of keys behind
 * `path`, which may be empty. */
int limit_read(const struct limit_text *text, const char *path, struct weir_diag *diag,
	       struct limit_meaning *ret_meaning);
/* What is told of a limit: "packets", and its rate as written. */
const char *limit_counts(const struct limit_text *text);
const char *limit_rate(const struct limit_text *text);
/* Whether connection tracking is to say what it is about. */
bool limit_needs_tracking(const struct limit_text *text);
/* limit_list.c: `runtime` may be NULL. */
void limit_list_make(const struct limit_section *section, const struct limit_runtime *runtime,
		     struct limit_list *ret_list);
/* NULL: no limit of that name is in force. */
const struct limit_entry *limit_list_find(const struct limit_list *list, const char *name);
const struct limit_preset *limit_preset_find(const char *name);
/* Says that it is none, and which name is the nearest. */
int limit_preset_refuse(const char *name, const char *key, struct weir_diag *diag);
/* limit_text.c */
void limit_text_done(struct limit_text *text);
/* -ENOMEM. */
int limit_text_copy(const struct limit_text *text, struct limit_text *ret_text);
/* Members of an open object: what is given. */
void limit_text_put(const struct limit_text *text, struct weir_json_out *json);
/* From such members; others are not looked at. -EINVAL with a message, -ENOMEM. */
int limit_text_get(const struct weir_json *object, struct weir_diag *diag,
		   struct limit_text *ret_text);
/* As it would stand in weir.yaml. */
void limit_preset_yaml(const struct limit_preset *preset, struct weir_buf *yaml);
/* limit_compile.c */
/* Lines of st_limit that so many buckets are. */
uint32_t limit_lines(uint32_t sources);
/* Row of the counters of each limit, in the order of the list. */
void limit_count_rows(const struct limit_list *list, uint16_t rows[LIMITS_MAX]);
/* What is looked for in a policy; NULL: it has no limits. */
const struct limit_root *limit_root_of(const struct weir_image *image, enum limit_look look);
int limit_compile(struct weir_compile *compile);
/* limit_store.c: limit.json in the state directory. `dir` NULL: nothing is kept. */
void limit_runtime_done(struct limit_runtime *runtime);
int limit_runtime_copy(const struct limit_runtime *from, struct limit_runtime *ret_runtime);
/* Where it stands, or `count`. */
unsigned limit_runtime_find(const struct limit_runtime *runtime, const char *name);
int limit_store_save(const char *dir, const struct limit_runtime *runtime);
/* What is damaged is kept aside and told of as a warning; what is good of it is read. -ENOMEM. */
int limit_store_load(const char *dir, struct weir_diag *diag, struct limit_runtime *ret_runtime);
/* limit_config.c: what both the configuration and operations are held to. */
int limit_name_check(const char *name, const char *path, struct weir_diag *diag);
/* That others tell what it goes by: what begins a connection, what is an attack. */
int limit_needs_check(const struct weir_config *config, const struct limit_text *text,
		      const char *path, struct weir_diag *diag);
extern const char *const limit_when_names[];
/* limit_ops_edit.c */
extern const struct weir_op limit_add_op, limit_del_op;
/* limit_top.c: the limits of a policy that went live. */
void limit_top_live(struct limit_top *top, const struct limit_list *list,
		    const struct limit_guests *guests);
void limit_top_event(struct limit_top *top, const struct weir_event *event);
/* About once a second: `over` are the packets over each of the known, as counted. */
void limit_top_look(struct limit_top *top, const uint64_t over[LIMIT_KNOWN_MAX], uint64_t now_ns);
const struct limit_known *limit_top_known(const struct limit_top *top, uint64_t id);
/* limit_auto.c: how long an offender is to be blocked; 0: not now, since it is. */
uint64_t limit_auto_length(struct limit_auto *autos, const struct weir_range *range,
			   const struct limit_block *block, uint64_t now_ns);
/* limit_auto_store.c: `dir` NULL: nothing is kept. */
int limit_auto_save(const char *dir, const struct limit_auto *autos, uint64_t now_ns);
/* What is damaged is kept aside and told of as a warning. -ENOMEM. */
int limit_auto_load(const char *dir, struct weir_diag *diag, uint64_t now_ns,
		    struct limit_auto *autos);
/* limit_auto_run.c: those whom the last look found. */
void limit_auto_run(struct limit *state, uint64_t now_ns);
/* Writes down who is blocked, where that has changed. */
void limit_auto_keep(struct limit *state, uint64_t now_ns);
/* limit_top_ops.c */
extern const struct weir_op limit_top_op;
/* limit_table.c */
int limit_table_take(struct limit *state, struct weir_object *object);
/* A part of it: words that are past are cleared before they could come round, others counted. */
void limit_table_sweep(struct limit *state, uint64_t now_ns);
/* limit.c: of the live policy; without an engine there are none. */
void limit_live(const struct limit *state, struct limit_list *ret_list);
void limit_sums_read(const struct limit *state, const struct limit_list *list,
		     struct limit_sums *ret_sums);
/* Of limits of rules together: crowded and raced. */
struct limit_count limit_unheld(const struct limit *state);
/* Whether there are buckets in use: capacity and use are shown. */
bool limit_is_on(const struct limit *state, const struct limit_list *list);

/* limit_guests.c: limits of rules. */
int limit_guests_note(struct weir_compile *compile);
/* Of all that came by; and of those over it. Without a program: zero. */
struct limit_count limit_guest_count(const struct limit *state,
				     const struct weir_image_limit *guest);
void limit_guest_put(const struct limit *state, const struct weir_image_limit *guest,
		     struct weir_json_out *json);

#endif
