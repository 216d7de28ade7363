/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small fields folded together: their classes multiplied number the rows of a mix. As long as those
 * stay few, most policies look up one row for protocol, flags, family and all the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_fields.h"

#define MIX_ROWS_MAX 4096u	 /* at first */
#define MIX_ROWS_LAST (1u << 18) /* any fields fit into four mixes then */

struct mix {
	uint32_t rows; /* product of the classes; 0: not in use */
	uint32_t keys; /* bits of the fields in it */
};

struct mixes {
	struct rules_build *build;
	struct rules_classified field[RULES_FIELDS];
	int mix_of[RULES_FIELDS];
	uint32_t stride[RULES_FIELDS];
	struct mix mix[RULES_MIXES];
};

static void mixes_done(struct mixes *mixes)
{
	for (int i = 0; i < RULES_FIELDS; i++)
		rules_classified_done(&mixes->field[i]);
}

static bool asks_mix(const struct rules_rule *rule, const void *arg)
{
	return rule->given & *(const uint32_t *)arg;
}

/* False when the fields do not fit into so many mixes of at most `most` rows. */
static bool mixes_arrange(struct mixes *mixes, uint32_t most)
{
	int at = 0;
	memset(mixes->mix, 0, sizeof(mixes->mix));
	for (int i = 0; i < RULES_FIELDS; i++) {
		uint32_t classes = mixes->field[i].classes;
		if (!classes)
			continue;
		if (mixes->mix[at].rows && mixes->mix[at].rows * classes > most)
			at++;
		if (at == RULES_MIXES)
			return false;
		struct mix *mix = &mixes->mix[at];
		mixes->mix_of[i] = at;
		mixes->stride[i] = mix->rows ? mix->rows : 1;
		mix->rows = mixes->stride[i] * classes;
		mix->keys |= 1u << RULES_KEY_FIELD(i);
	}
	return true;
}

/* The rules that all the classes of this row meet. */
static void row_words(const struct mixes *mixes, int mix, uint32_t row, __u64 *words)
{
	memset(words, 0xff, RULES_WORDS_MAX * sizeof(*words));
	for (int i = 0; i < RULES_FIELDS; i++) {
		const struct rules_classified *field = &mixes->field[i];
		if (!field->classes || mixes->mix_of[i] != mix)
			continue;
		const __u64 *met = field->words[row / mixes->stride[i] % field->classes];
		for (uint32_t j = 0; j < mixes->build->bits.words; j++)
			words[j] &= met[j];
	}
}

static int mix_build(struct mixes *mixes, int mix)
{
	struct rules_build *build = mixes->build;
	enum rules_dimension dimension = (enum rules_dimension)(RULES_MIX + mix);
	_cleanup_free_ uint16_t *row_of = calloc(mixes->mix[mix].rows + 1, sizeof(*row_of));
	__u64 words[RULES_WORDS_MAX];
	struct rules_rows rows;
	rules_build_ask(build, dimension, asks_mix, &mixes->mix[mix].keys);
	if (!row_of)
		return -ENOMEM;
	rules_rows_init(&rows, build->root->wild[dimension], build->bits.words);
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < mixes->mix[mix].rows; i++) {
		uint32_t row = 0;
		row_words(mixes, mix, i, words);
		r = rules_rows_get(&rows, words, &row);
		row_of[i] = (uint16_t)row;
		if (r == 0 && row > UINT16_MAX)
			r = -E2BIG;
	}
	if (r == 0)
		r = rules_build_table(build, dimension, row_of, mixes->mix[mix].rows, &rows);
	rules_rows_done(&rows);
	return r;
}

static int field_write(struct mixes *mixes, int field)
{
	struct rules_build *build = mixes->build;
	const struct rules_classified *classified = &mixes->field[field];
	struct rules_field_table *table = &build->root->field[field];
	int mix = mixes->mix_of[field];
	int r = rules_lines_add(&build->lines, (classified->values + 63) / 64, &table->table);
	if (r < 0)
		return r;
	memcpy(&build->lines.at[table->table], classified->class_of, classified->values);
	table->stride[mix / 2] = (__u64)mixes->stride[field] << (mix & 1) * 32;
	build->root->fields |= 1u << field;
	return 0;
}

static int mixes_write(struct mixes *mixes)
{
	int r = 0;
	for (int i = 0; r == 0 && i < RULES_FIELDS; i++)
		r = mixes->field[i].classes ? field_write(mixes, i) : 0;
	for (int i = 0; r == 0 && i < RULES_MIXES; i++)
		r = mixes->mix[i].rows ? mix_build(mixes, i) : 0;
	if (r == -E2BIG)
		weir_diag_error(mixes->build->compile->diag,
				"use fewer different values of these fields",
				"the rules tell too many kinds of protocol, flags, ICMP type, DSCP "
				"and time apart");
	return r;
}

int rules_build_mixes(struct rules_build *build)
{
	_cleanup_free_ struct mixes *mixes = calloc(1, sizeof(*mixes));
	uint32_t most = MIX_ROWS_MAX;
	int r = mixes ? 0 : -ENOMEM;
	for (int i = 0; r == 0 && i < RULES_FIELDS; i++)
		r = rules_field_classify(build, (enum rules_field)i, &mixes->field[i]);
	if (r == 0) {
		mixes->build = build;
		while (!mixes_arrange(mixes, most) && most < MIX_ROWS_LAST)
			most *= 2;
		r = mixes_write(mixes);
	}
	if (mixes)
		mixes_done(mixes);
	return r;
}
