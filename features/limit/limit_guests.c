/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of rules. The rules hold packets to them and count; the buckets are this feature's, and so
 * is showing who is over which limit. What they are comes by way of the image.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/map.h"
#include "core/object.h"
#include "features/limit/limit_state.h"

/* The worker's side: a refused policy is forgotten by the next. */
int limit_guests_note(struct weir_compile *compile)
{
	struct limit *state = compile->state;
	struct limit_guests *next = state ? &state->next_guests : NULL;
	uint32_t count;
	const struct weir_image_limit *guests = weir_image_limits(compile->image, &count);

	if (!next)
		return 0;
	if (count > WEIR_ARRAY_SIZE(next->at))
		return weir_diag_error(compile->diag, NULL, "%u limits of rules are too many",
				       count);
	next->count = count;
	if (count)
		memcpy(next->at, guests, count * sizeof(*guests));
	return 0;
}

struct limit_count limit_guest_count(const struct limit *state,
				     const struct weir_image_limit *guest)
{
	struct weir_map *counters =
		state->object ? weir_object_map(state->object, guest->counters) : NULL;
	struct weir_count all = {}, over = {};

	if (counters) {
		/* Those over it first: what comes between the looks has then passed. */
		weir_map_sum(counters, guest->over, 1, 2, (uint64_t *)&over);
		weir_map_sum(counters, guest->all, 1, 2, (uint64_t *)&all);
	}
	return (struct limit_count){
		.passed = all.packets > over.packets ? all.packets - over.packets : 0,
		.passed_bytes = all.bytes > over.bytes ? all.bytes - over.bytes : 0,
		.over = over.packets,
		.over_bytes = over.bytes,
	};
}

void limit_guest_put(const struct limit *state, const struct weir_image_limit *guest,
		     struct weir_json_out *json)
{
	struct limit_count count = limit_guest_count(state, guest);

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", guest->name);
	weir_json_put_str(json, "origin", "rule");
	weir_json_put_str(json, "per", guest->per);
	weir_json_put_str(json, "counts", guest->counts_bytes ? "bytes" : "packets");
	weir_json_put_str(json, "rate", guest->rate);
	weir_json_put_uint(json, "burst", guest->burst);
	weir_json_put_uint(json, "passed", count.passed);
	weir_json_put_uint(json, "passed_bytes", count.passed_bytes);
	weir_json_put_uint(json, "over", count.over);
	weir_json_put_uint(json, "over_bytes", count.over_bytes);
	weir_json_close_object(json);
}
