/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/look.h"

#include <stdlib.h>
#include <string.h>

struct top_look *top_look_new(size_t tab, size_t way, const char *filter)
{
	struct top_look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	look->tab = tab;
	look->way = way;
	look->filter = strdup(filter);
	if (look->filter)
		return look;
	top_look_free(look);
	return NULL;
}

void top_look_free(struct top_look *look)
{
	if (!look)
		return;
	weir_json_free(look->status);
	weir_json_free(look->answer);
	free(look->filter);
	for (size_t i = 0; i < TOP_DETAILS; i++) {
		weir_json_free(look->told[i]);
		free(look->detail[i]);
	}
	free(look->problem);
	free(look->mend);
	free(look);
}
