/* SPDX-License-Identifier: Apache-2.0 */
#include "image_parts.h"

#include <stdlib.h>

void weir_parts_done(struct weir_parts *parts)
{
	free(parts->at);
	if (parts->free)
		parts->free(parts->of);
	*parts = (struct weir_parts){};
}

uint32_t weir_parts_end(const struct weir_parts *parts)
{
	const struct weir_part *last = parts->count ? &parts->at[parts->count - 1] : NULL;

	return last ? last->line + last->lines : 0;
}
