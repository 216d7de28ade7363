/* SPDX-License-Identifier: Apache-2.0 */
/* Distances between words, for suggestions in refusals. */
#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

#define FAR 99u

static unsigned least_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned weir_edit_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);
	if (a_len > WEIR_NEAREST_BYTES_MAX || b_len > WEIR_NEAREST_BYTES_MAX)
		return FAR;

	/* rows[i % 3][j]: distance between the first i letters of a and the first j of b. */
	unsigned rows[3][WEIR_NEAREST_BYTES_MAX + 1];
	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned changed = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least_of(changed, least_of(above[j], row[j - 1]) + 1);
			bool swapped =
				i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swapped)
				row[j] = least_of(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

unsigned weir_edit_allowance(const char *word)
{
	size_t third = strlen(word) / 3;
	return third > 0 ? (unsigned)least_of(FAR - 1, (unsigned)third) : 1;
}

const char *weir_nearest(const char *word, const char *const *words)
{
	const char *best = NULL;
	unsigned best_distance = weir_edit_allowance(word) + 1;
	for (size_t i = 0; words[i]; i++) {
		unsigned distance = weir_edit_distance(word, words[i]);
		if (distance >= best_distance)
			continue;
		best = words[i];
		best_distance = distance;
	}
	return best;
}
