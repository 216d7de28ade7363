/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known word that a mistyped one is nearest to. */
#ifndef WEIR_BASE_NEAREST_H
#define WEIR_BASE_NEAREST_H

#define WEIR_NEAREST_BYTES_MAX 64 /* longer words are near to nothing */

/*
 * How many letters must be put in, left out, changed, or swapped with their neighbour to make b of
 * a (optimal string alignment distance). 99 when either is longer than WEIR_NEAREST_BYTES_MAX.
 */
unsigned weir_edit_distance(const char *a, const char *b);
/* The most typing errors a word may have and still be meant: one in three letters, at least one. */
unsigned weir_edit_allowance(const char *word);
/*
 * The nearest of the NULL-terminated words, the first of several; NULL when none is near.
 * Borrowed.
 */
const char *weir_nearest(const char *word, const char *const *words);

#endif
