/* SPDX-License-Identifier: Apache-2.0 */
/* A policy laid out in lines: header, address table, then the sections of features. Pure memory:
 * the kernel is commit.c's. */
#include "image.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/policy_head.h"
#include "addr_table.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "config.h"
#include "names.h"

struct section {
	void *bytes;
	size_t size;
};

struct kept {
	const struct weir_feature *owner;
	void *kept;
	void (*free)(void *kept);
};

struct weir_image {
	uint32_t asks; /* enum weir_ask */
	struct weir_image_limit *limits;
	uint32_t limit_count, limit_capacity;
	uint64_t max_bytes;
	struct weir_label_view *labels; /* label 1 is labels[1] */
	uint32_t label_count, label_capacity;
	struct weir_names sets;
	struct weir_addr_table *table;
	struct weir_addr_compiled compiled;
	struct weir_label_view *class_views; /* of each class, one after another, as
						compiled.classes.label has them */
	bool classified;
	struct section sections[WEIR_SECTION_COUNT];
	struct weir_line roots[WEIR_ROOT_COUNT][WEIR_ROOT_LINES];
	struct weir_line *lines, *near;
	uint32_t line_count, near_count, near_fixed;
	struct weir_parts parts;
	enum weir_section parts_of;
	uint32_t all_count;			 /* lines, those of parts too */
	struct kept kept[WEIR_FEATURES_MAX + 1]; /* up to one without an owner */
};

static const enum weir_place section_places[] = {
#define X(identifier, place, help) [identifier] = place,
	WEIR_SECTIONS(X)
#undef X
};

/* aligned(64) in struct weir_line asks more of the heap than calloc gives. */
static void *lines_new(uint64_t count)
{
	struct weir_line *lines = aligned_alloc(WEIR_LINE_BYTES, count * WEIR_LINE_BYTES);

	if (lines)
		memset(lines, 0, count * WEIR_LINE_BYTES);
	return lines;
}

struct weir_image *weir_image_new(uint64_t max_bytes)
{
	_Static_assert(sizeof(*(struct weir_image *)0) % WEIR_LINE_BYTES == 0, "whole lines");
	_cleanup_image_ struct weir_image *image = lines_new(sizeof(*image) / WEIR_LINE_BYTES);

	if (!image)
		return NULL;
	image->max_bytes = max_bytes;
	image->table = weir_addr_table_new();
	return image->table ? weir_take(image) : NULL;
}

static void kept_free(struct weir_image *image)
{
	for (struct kept *at = image->kept; at->owner; at++) {
		at->free(at->kept);
		*at = (struct kept){};
	}
}

void weir_image_free(struct weir_image *image)
{
	if (!image)
		return;
	kept_free(image);
	weir_parts_done(&image->parts);
	weir_addr_table_free(image->table);
	if (image->classified)
		weir_addr_compiled_done(&image->compiled);
	for (int i = 0; i < WEIR_SECTION_COUNT; i++)
		free(image->sections[i].bytes);
	free(image->labels);
	free(image->limits);
	weir_names_done(&image->sets);
	free(image->class_views);
	free(image->lines);
	free(image->near);
	free(image);
}

static int labels_grow(struct weir_image *image)
{
	uint32_t capacity = image->label_capacity ? image->label_capacity * 2 : 64;
	struct weir_label_view *labels = realloc(image->labels, capacity * sizeof(*labels));

	if (!labels)
		return -ENOMEM;
	image->labels = labels;
	image->label_capacity = capacity;
	return 0;
}

int weir_image_label(struct weir_image *image, const struct weir_feature *owner, uint32_t tag,
		     uint32_t *ret_label)
{
	if (image->label_count + 1 >= image->label_capacity) {
		int r = labels_grow(image);

		if (r)
			return r;
	}
	*ret_label = ++image->label_count;
	image->labels[*ret_label] = (struct weir_label_view){ .owner = owner, .tag = tag };
	return 0;
}

int weir_image_name_label(struct weir_image *image, uint32_t label, const char *name)
{
	assert(label && label <= image->label_count && !image->classified);
	assert(!image->labels[label].set);
	return weir_names_add(&image->sets, name, &image->labels[label].set);
}

uint32_t weir_image_set_find(const struct weir_image *image, const char *name)
{
	return weir_names_find(&image->sets, name);
}

int weir_image_add_range(struct weir_image *image, uint32_t label, const struct weir_range *range)
{
	return weir_addr_table_add(image->table, &range->from, &range->to, label);
}

static int classify_refused(const struct weir_image *image, int r, struct weir_diag *diag)
{
	if (r == -E2BIG)
		weir_diag_error(diag, "use fewer lists, or lists that overlap less",
				"the lists overlap in more than %d different combinations",
				WEIR_ADDR_CLASSES_MAX - 1);
	else
		weir_diag_error(diag, "free memory, or make the lists smaller",
				"the address table cannot be built: %s", strerror(-r));
	return r;
}

int weir_image_classify(struct weir_image *image, struct weir_diag *diag)
{
	int r = weir_addr_table_compile(image->table, WEIR_ADDRESSES_LINE, &image->compiled);

	if (r)
		return classify_refused(image, r, diag);
	image->classified = true;
	weir_addr_table_free(weir_take(image->table));
	const struct weir_addr_classes *classes = &image->compiled.classes;
	uint32_t total = classes->first[classes->count];

	image->class_views = calloc(total + 1, sizeof(*image->class_views));
	if (!image->class_views)
		return -ENOMEM;
	for (uint32_t i = 0; i < total; i++)
		image->class_views[i] = image->labels[classes->label[i]];
	return 0;
}

uint32_t weir_image_class_count(const struct weir_image *image)
{
	return image->compiled.classes.count;
}

size_t weir_image_class_labels(const struct weir_image *image, uint32_t class_id,
			       const struct weir_label_view **ret_labels)
{
	const struct weir_addr_classes *classes = &image->compiled.classes;

	if (class_id >= classes->count)
		return 0;
	*ret_labels = &image->class_views[classes->first[class_id]];
	return classes->first[class_id + 1] - classes->first[class_id];
}

void *weir_image_section(struct weir_image *image, enum weir_section section, size_t bytes)
{
	struct section *s = &image->sections[section];

	if (s->bytes || section == WEIR_SECTION_ADDRESSES)
		return NULL;
	s->bytes = calloc(1, bytes ? bytes : 1);
	s->size = bytes;
	return s->bytes;
}

void weir_image_parts_set(struct weir_image *image, enum weir_section section,
			  struct weir_parts *parts)
{
	for (int i = section + 1; i < WEIR_SECTION_COUNT; i++)
		assert(section_places[i] != WEIR_FAR);
	weir_parts_done(&image->parts);
	image->parts = *parts;
	image->parts_of = section;
	*parts = (struct weir_parts){};
}

const struct weir_parts *weir_image_parts(const struct weir_image *image)
{
	return &image->parts;
}

static uint32_t section_lines(const struct section *section)
{
	return (uint32_t)((section->size + WEIR_LINE_BYTES - 1) / WEIR_LINE_BYTES);
}

static struct kept *kept_find(const struct weir_image *image, const struct weir_feature *owner)
{
	const struct kept *at = image->kept;

	while (at->owner && at->owner != owner)
		at++;
	return (struct kept *)at;
}

void weir_image_keep(struct weir_image *image, const struct weir_feature *owner, void *kept,
		     void (*free)(void *kept))
{
	struct kept *at = kept_find(image, owner);

	if (at->owner)
		at->free(at->kept);
	*at = (struct kept){ .owner = owner, .kept = kept, .free = free };
}

void *weir_image_kept(const struct weir_image *image, const struct weir_feature *owner)
{
	return kept_find(image, owner)->kept;
}

void weir_image_ask(struct weir_image *image, enum weir_ask ask)
{
	image->asks |= ask;
}

bool weir_image_asks(const struct weir_image *image, enum weir_ask ask)
{
	return image && image->asks & ask;
}

int weir_image_limit_add(struct weir_image *image, const struct weir_image_limit *limit)
{
	if (image->limit_count == image->limit_capacity) {
		uint32_t capacity = image->limit_capacity ? image->limit_capacity * 2 : 8;
		struct weir_image_limit *limits =
			reallocarray(image->limits, capacity, sizeof(*limits));

		if (!limits)
			return -ENOMEM;
		image->limits = limits;
		image->limit_capacity = capacity;
	}
	image->limits[image->limit_count++] = *limit;
	return 0;
}

const struct weir_image_limit *weir_image_limits(const struct weir_image *image,
						 uint32_t *ret_count)
{
	*ret_count = image->limit_count;
	return image->limits;
}

void *weir_image_root(struct weir_image *image, enum weir_root root)
{
	return image->roots[root];
}

/* Lines of all sections of a place. */
static uint64_t place_lines(const struct weir_image *image, enum weir_place place)
{
	uint64_t lines = 0;

	for (int i = 0; i < WEIR_SECTION_COUNT; i++)
		if (section_places[i] == place)
			lines += section_lines(&image->sections[i]);
	return lines;
}

static int image_too_big(const struct weir_image *image, uint64_t bytes, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf needed = {}, allowed = {};

	weir_size_format(bytes, &needed);
	weir_size_format(image->max_bytes, &allowed);
	weir_diag_key(
		diag, "memory", "raise it, or make the lists smaller",
		"the compiled policy takes %s (%llu bytes), allowed are %s; nothing was changed",
		weir_buf_str(&needed), (unsigned long long)bytes, weir_buf_str(&allowed));
	return -E2BIG;
}

/* Lays the sections of a place out from line `at`; returns the line behind them. */
static uint32_t place_lay_out(struct weir_image *image, enum weir_place place,
			      struct weir_line *lines, uint32_t at)
{
	struct weir_image_header *header = (void *)image->lines;

	for (int i = 0; i < WEIR_SECTION_COUNT; i++) {
		if (section_places[i] != place || !image->sections[i].bytes)
			continue;
		header->first_line[i] = at;
		memcpy(&lines[at], image->sections[i].bytes, image->sections[i].size);
		at += section_lines(&image->sections[i]);
	}
	return at;
}

static void image_lay_out(struct weir_image *image)
{
	struct weir_image_header *header = (void *)image->lines;
	uint32_t behind = WEIR_ADDRESSES_LINE + image->compiled.line_count;

	*header = (struct weir_image_header){ .magic = WEIR_IMAGE_MAGIC,
					      .lines = image->all_count,
					      .classes = image->compiled.classes.count,
					      .near_lines = image->near_count };
	header->first_line[WEIR_SECTION_ADDRESSES] = WEIR_ADDRESSES_LINE;
	memcpy(&image->lines[1], image->roots, sizeof(image->roots));
	memcpy(&image->lines[WEIR_ADDRESSES_LINE], image->compiled.line,
	       (size_t)image->compiled.line_count * WEIR_LINE_BYTES);
	place_lay_out(image, WEIR_FAR, image->lines, behind);
	image->near_fixed = place_lay_out(image, WEIR_NEAR, image->near, 1);
	header->patched_line = image->near_fixed;
	place_lay_out(image, WEIR_PATCHED, image->near, image->near_fixed);
	image->parts.base += header->first_line[image->parts_of];
}

/* Behind `lines` of what is made at once. */
static uint64_t all_lines(const struct weir_image *image, uint64_t lines)
{
	const struct weir_parts *parts = &image->parts;
	uint64_t begin = lines - section_lines(&image->sections[image->parts_of]);

	return parts->count ? begin + parts->base + weir_parts_end(parts) : lines;
}

int weir_image_seal(struct weir_image *image, struct weir_diag *diag)
{
	uint64_t lines = WEIR_ADDRESSES_LINE + image->compiled.line_count +
			 place_lines(image, WEIR_FAR),
		 near = 1 + place_lines(image, WEIR_NEAR) + place_lines(image, WEIR_PATCHED),
		 all = all_lines(image, lines);

	if ((all + near) * WEIR_LINE_BYTES > image->max_bytes)
		return image_too_big(image, (all + near) * WEIR_LINE_BYTES, diag);
	image->lines = lines_new(lines);
	image->near = lines_new(near);
	if (!image->lines || !image->near)
		return -ENOMEM;
	image->line_count = (uint32_t)lines;
	image->all_count = (uint32_t)all;
	image->near_count = (uint32_t)near;
	image_lay_out(image);
	kept_free(image);
	free(weir_take(image->compiled.line));
	return 0;
}

uint64_t weir_image_bytes(const struct weir_image *image)
{
	return ((uint64_t)image->all_count + image->near_count) * WEIR_LINE_BYTES;
}

const struct weir_line *weir_image_near(const struct weir_image *image, uint32_t *ret_count)
{
	*ret_count = image->near_count;
	return image->near;
}

uint32_t weir_image_near_fixed(const struct weir_image *image)
{
	return image->near_fixed;
}

const struct weir_line *weir_image_lines(const struct weir_image *image, uint32_t *ret_count)
{
	*ret_count = image->line_count;
	return image->lines;
}

uint32_t weir_image_line_count(const struct weir_image *image)
{
	return image->all_count;
}

int weir_image_parts_make(struct weir_image *image)
{
	const struct weir_parts *parts = &image->parts;
	struct weir_line *lines = parts->count ? lines_new(image->all_count) : NULL;
	int r = 0;

	if (!lines)
		return parts->count ? -ENOMEM : 0;
	memcpy(lines, image->lines, (size_t)image->line_count * sizeof(*lines));
	for (uint32_t i = 0; i < parts->count && !r; i++)
		r = parts->make(parts->of, i, &lines[parts->base + parts->at[i].line]);
	free(image->lines);
	image->lines = lines;
	return r;
}

uint32_t weir_image_lookup(const struct weir_image *image, const struct weir_addr *addr)
{
	struct weir_addr_compiled view = image->compiled;

	view.line = &image->lines[WEIR_ADDRESSES_LINE];
	view.first_line = WEIR_ADDRESSES_LINE;
	return weir_addr_compiled_lookup(&view, addr, weir_addr_is_v4(addr));
}
