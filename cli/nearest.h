/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …?": the known word that is fewest keystrokes away from the one that was typed. */
#ifndef WEIR_CLI_NEAREST_H
#define WEIR_CLI_NEAREST_H

/* Zero-initialise but `typed`, offer each known word, then look at `word`: NULL when none is near
 * enough. */
struct weir_nearest {
	const char *typed;
	const char *word; /* borrowed from what was offered */
	unsigned distance;
};

void weir_nearest_offer(struct weir_nearest *nearest, const char *word);

#endif
