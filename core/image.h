/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled policy in memory, before the kernel has it: sections of 64-byte lines and the address
 * table that all features share. */
#ifndef WEIR_CORE_IMAGE_H
#define WEIR_CORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/image.h"
#include "../abi/limit.h"
#include "../base/addr.h"
#include "../base/diag.h"
#include "image_parts.h"

#define WEIR_IMAGE_LIMIT_TEXT 48

struct weir_feature;
struct weir_image;

/* max_bytes: past it, weir_image_seal() refuses with what is needed and what is allowed. */
struct weir_image *weir_image_new(uint64_t max_bytes);
void weir_image_free(struct weir_image *image);
static inline void weir_image_freep(struct weir_image **image)
{
	weir_image_free(*image);
}
#define _cleanup_image_ __attribute__((cleanup(weir_image_freep)))

/*
 * A label stands for one set of addresses of one feature (a list, the source of a rule). `tag` is
 * the feature's own number for it, given back by weir_image_class_labels(). Labels are numbered
 * from 1 in the order they are made.
 */
int weir_image_label(struct weir_image *image, const struct weir_feature *owner, uint32_t tag,
		     uint32_t *ret_label);
/*
 * The label's addresses are (part of) the named set `name`: several labels may bear one name. A
 * label bears one name at most. Before weir_image_classify(). -ENOMEM.
 */
int weir_image_name_label(struct weir_image *image, uint32_t label, const char *name);
/*
 * The number of the named set, from 1; 0 = no such. It is known as soon as a label bears the name,
 * so a feature that compiles later in the pipeline may ask.
 */
uint32_t weir_image_set_find(const struct weir_image *image, const char *name);
/* Cheap: called a million times. Ranges may overlap and repeat. */
int weir_image_add_range(struct weir_image *image, uint32_t label, const struct weir_range *range);

/* Folds all ranges into the address table. Classes are known afterwards. */
int weir_image_classify(struct weir_image *image, struct weir_diag *diag);
/* Classes, class 0 ("in nothing") included. */
uint32_t weir_image_class_count(const struct weir_image *image);
/* The labels whose addresses the class has, in the order they were made; returns how many.
 * Borrowed. */
struct weir_label_view {
	const struct weir_feature *owner;
	uint32_t tag;
	uint32_t set; /* number of the named set it is part of, 0 = none */
};
size_t weir_image_class_labels(const struct weir_image *image, uint32_t class_id,
			       const struct weir_label_view **ret_labels);

/* What a policy wants of the data path besides its tables. */
enum weir_ask {
	WEIR_ASK_CONNECTIONS = 1 << 0, /* that connections are tracked */
	WEIR_ASK_BUCKETS = 1 << 1,     /* that there are buckets to hold packets to a limit by */
	WEIR_ASK_ANSWERS = 1 << 2,     /* that packets may become answers to themselves */
	WEIR_ASK_RELAYS = 1 << 3,      /* that connections which are relayed go on */
};
/* A feature asks while it compiles; whoever can give it looks when constants are made. */
void weir_image_ask(struct weir_image *image, enum weir_ask ask);
/* NULL, no policy yet: nothing is asked for. */
bool weir_image_asks(const struct weir_image *image, enum weir_ask ask);

/* A limit that a rule holds packets to: told of while the rules compile, so that whoever has the
 * buckets can show it and who is over it. */
struct weir_image_limit {
	char name[WEIR_IMAGE_LIMIT_TEXT]; /* of the rule, or its number */
	char rate[WEIR_IMAGE_LIMIT_TEXT], per[WEIR_IMAGE_LIMIT_TEXT]; /* as written */
	uint64_t burst;						      /* packets or bytes */
	bool counts_bytes;
	struct limit_row row;
	uint32_t rule;	      /* what events name it by */
	const char *counters; /* a map of struct weir_count; static text */
	uint32_t all, over; /* its rows there: packets that the rule matched; of them, those over */
};

/* -ENOMEM. */
int weir_image_limit_add(struct weir_image *image, const struct weir_image_limit *limit);
/* In the order they were added; borrowed until the image is freed. */
const struct weir_image_limit *weir_image_limits(const struct weir_image *image,
						 uint32_t *ret_count);

/* A zeroed section of at least `bytes`; NULL when out of memory. Valid until the image is freed.
 * Each section once. */
void *weir_image_section(struct weir_image *image, enum weir_section section, size_t bytes);
/*
 * The section goes on, behind what weir_image_section() gave, with parts, whose `base` is counted
 * from where it begins; the image owns them from now on. Only the far section that comes last may
 * have such.
 */
void weir_image_parts_set(struct weir_image *image, enum weir_section section,
			  struct weir_parts *parts);
/* `base` in lines of the image. */
const struct weir_parts *weir_image_parts(const struct weir_image *image);
/* Makes all of them, so that weir_image_lines() has them: for who looks at a policy without a
 * kernel. -ENOMEM. */
int weir_image_parts_make(struct weir_image *image);
/*
 * What a feature found out while it compiled and wants when classes are known; freed as the image
 * is sealed, since it may borrow from the configuration. One a feature.
 */
void weir_image_keep(struct weir_image *image, const struct weir_feature *owner, void *kept,
		     void (*free)(void *kept));
/* NULL when there is none. */
void *weir_image_kept(const struct weir_image *image, const struct weir_feature *owner);
/* The feature's root (zeroed, WEIR_ROOT_LINES lines): what every packet reads. Until sealed. */
void *weir_image_root(struct weir_image *image, enum weir_root root);
/* Lays everything out in lines. After this the image is immutable. -E2BIG past the ceiling. */
int weir_image_seal(struct weir_image *image, struct weir_diag *diag);
/* All but parts. */
const struct weir_line *weir_image_lines(const struct weir_image *image, uint32_t *ret_count);
/* With parts. */
uint32_t weir_image_line_count(const struct weir_image *image);
/* Bytes of all of it, near lines too: what is held against the ceiling and shown. */
uint64_t weir_image_bytes(const struct weir_image *image);
/* What belongs into tab_near: sections marked near, then patched ones; line 0 is nobody's. */
const struct weir_line *weir_image_near(const struct weir_image *image, uint32_t *ret_count);
/* How many of these lines tell whether an image is live: all but the patched ones. */
uint32_t weir_image_near_fixed(const struct weir_image *image);
/* Class of an address as the data path would find it (the native build of bpf/lib/classify.h). */
uint32_t weir_image_lookup(const struct weir_image *image, const struct weir_addr *addr);

#endif
