/* SPDX-License-Identifier: Apache-2.0 */
/* The words in cfg_alarm. */
#include "alarm.h"

#include <errno.h>

int weir_alarm_get(struct weir_object *object, uint32_t slot, uint32_t ifindex, uint32_t *ret_word)
{
	struct weir_map *map = weir_object_map(object, "cfg_alarm");
	uint64_t word = 0;
	int r = map ? weir_map_get(map, &slot, &word) : -ENOENT;

	if (r)
		return r;
	if (!ifindex || word >> 32 != ifindex)
		return -ENOENT;
	*ret_word = (uint32_t)word;
	return 0;
}

int weir_alarm_set(struct weir_object *object, uint32_t slot, uint32_t ifindex, uint32_t word)
{
	struct weir_map *map = weir_object_map(object, "cfg_alarm");
	uint64_t whole = ifindex ? (uint64_t)ifindex << 32 | word : 0;

	return map ? weir_map_set(map, &slot, &whole) : -ENOENT;
}

const char *weir_alarm_name(enum weir_alarm level)
{
	static const char *const names[WEIR_ALARMS] = {
		[WEIR_CALM] = "calm",
		[WEIR_ELEVATED] = "elevated",
		[WEIR_ATTACK] = "attack",
	};

	return names[level < WEIR_ALARMS ? level : WEIR_CALM];
}

const char *weir_flood_name(enum weir_flood flood)
{
	static const char *const names[WEIR_FLOOD_COUNT] = {
#define X(identifier, name, help) [identifier] = name,
		WEIR_FLOODS(X)
#undef X
	};

	return flood < WEIR_FLOOD_COUNT ? names[flood] : "none";
}
