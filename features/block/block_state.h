/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the feature share: its section of the configuration, its state, its changes.
 * Nothing outside includes it.
 */
#ifndef WEIR_BLOCK_STATE_H
#define WEIR_BLOCK_STATE_H

#include "core/engine.h"
#include "core/feature.h"
#include "features/block/block_conflict.h"
#include "features/block/block_file.h"
#include "features/block/block_formats.h"
#include "features/block/block_live.h"
#include "features/block/block_store.h"

struct block_list_config {
	char *name;
	int action; /* enum block_action */
	char **entries;
	unsigned entry_count;
	char *file;
	int format; /* enum block_format */
	char *note;
	bool hits;
};

struct block_section {
	bool enabled;
	uint32_t live;
	uint32_t v4_entries;
	uint32_t v6_entries;
	struct block_list_config *lists;
	unsigned list_count;
};

extern const struct weir_field block_fields[];
int block_check(const struct weir_config *config, const void *section, struct weir_diag *diag);

/*
 * What the last compile() made of a configuration, waiting for live(). A refused one is forgotten
 * by the next. The worker writes it and the loop takes it over, never at one time: between them
 * lies the engine's hand-over.
 */
struct block_plan {
	const struct weir_config *config;
	bool is_new; /* `files` was read for this configuration; else the state's stand */
	struct block_lists files; /* with is_new: owned */
	uint32_t *entry_hits;	  /* counter by the number of an entry label */
	size_t entry_count;
	size_t entry_capacity;
};

struct block_state {
	struct weir_engine *engine;
	char *dir;
	const struct weir_config *config; /* live; NULL before the first */
	struct block_lists files;	  /* lists of that configuration */
	struct block_lists runtime;
	struct block_plan plan;
	struct block_slots slots;
	struct block_live_set live;
	bool is_live;		 /* a policy of this run has gone live */
	bool has_folded;	 /* singles wait for the tick that takes them out of the live set */
	uint64_t folded_ns;	 /* since when */
	uint64_t next_expiry_ns; /* no single expires before; UINT64_MAX = none */
	int64_t ahead_ns;	 /* the time of day, of the clock nobody sets; 0: not known yet */
	uint64_t saved_ns;	 /* when files were last written because entries expired */
};

/*
 * One list before and after a change; old NULL: it is new; next NULL: it goes. `next` belongs to
 * the draft until accepted.
 */
struct block_draft_list {
	struct block_list *old;
	struct block_list *next;
};

struct block_draft {
	struct block_draft_list *lists;
	size_t count;
};

const struct block_section *block_section_of(const struct weir_config *config);
extern const struct weir_feature weir_block;

/* What the draft (may be NULL) makes of the list: itself, its successor, or NULL. */
const struct block_list *block_draft_view(const struct block_draft *draft,
					  const struct block_list *list);

/* block_image.c: the ranges of these and of the run-time lists into the image, and afterwards its
 * classes. -E2BIG: more entries than the configuration allows. */
int block_image_write(struct weir_compile *compile, struct block_plan *plan,
		      const struct block_lists *files);
int block_classes(struct weir_compile *compile);
/* block_plan.c: the configuration's lists, read and numbered. */
int block_compile(struct weir_compile *compile);
void block_plan_done(struct block_plan *plan);
/* The lowest id that no list has, or 0. */
uint32_t block_id_take(const struct block_lists *a, const struct block_lists *b,
		       const struct block_lists *c);

/* block_clock.c: entries hold for as long as they were to, by a clock that nobody sets. Where the
 * time of day was set, until when that is moves with it, in what is shown and in files. */
void block_clock_follow(struct block_state *state);

/* block_change.c: singles on the spot, and drafts. */
/*
 * Compares the subject (a list, or what is new in one) with every list of the other action; returns
 * how many entries conflict.
 */
size_t block_warn_conflicts(const struct block_state *state, const struct block_list *subject,
			    struct weir_diag *diag);
/* Puts a single of the list into the kernel, with a counter of its own while there are any. */
int block_single_enforce(struct block_state *state, struct block_list *list,
			 struct block_single *single);
void block_single_release(struct block_state *state, struct block_list *list,
			  struct block_single *single);
/*
 * Before the flip: singles of the draft come into force beside all there is, since some of them may
 * be leaving the compiled policy. Cannot fail; what the kernel refused is a warning.
 */
void block_draft_enforce(struct block_state *state, struct block_draft *draft,
			 struct weir_diag *diag);
/* After it: live set, counters and lists become what the draft says. Cannot fail. */
void block_draft_accept(struct block_state *state, struct block_draft *draft);
int block_draft_persist(const struct block_state *state, const struct block_draft *draft,
			struct weir_diag *diag);
void block_draft_done(struct block_draft *draft);
/* Recomputes which counters are used from what there is, the draft (may be NULL) included. */
void block_slots_settle(struct block_state *state, const struct block_draft *draft);
void block_expiry_settle(struct block_state *state);

extern const struct weir_op *const block_ops[];

#endif
