/* SPDX-License-Identifier: Apache-2.0 */
/* Words are offered one by one: verbs and flags stand in tables, not in a list of words. */
#include "cli/nearest.h"

#include <string.h>

#include "base/nearest.h"

#define BEGUN_LEN 3 /* so many letters say which word was meant when it only was not finished */

void weir_nearest_offer(struct weir_nearest *nearest, const char *word)
{
	size_t typed_len = strlen(nearest->typed);
	unsigned distance = weir_edit_distance(nearest->typed, word);

	/* "interf" is interface, however many letters are wanting. */
	if (typed_len >= BEGUN_LEN && strncmp(nearest->typed, word, typed_len) == 0)
		distance = 1;
	if (distance > weir_edit_allowance(nearest->typed) ||
	    (nearest->word && distance >= nearest->distance))
		return;
	nearest->word = word;
	nearest->distance = distance;
}
