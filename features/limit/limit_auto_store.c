/* SPDX-License-Identifier: Apache-2.0 */
/* Who was blocked and for how long, over restarts: limit-blocks.json in the state directory. The
 * blocks themselves are the deny list's, and kept by it. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/kept.h"
#include "features/limit/limit_state.h"

static const struct weir_kept auto_kept = {
	.file = "limit-blocks.json",
	.version = 1,
	.bytes_max = 1u << 20,
	.rest = "what is good of it is read",
	.cure = "nothing is to be done: blocks stand, the next ones begin short",
};

/* Both clocks at one instant: the file has wall time, which outlives a reboot. */
struct instant {
	int64_t monotonic_ns, real_ns;
};

static struct instant instant_now(uint64_t now_ns)
{
	return (struct instant){ (int64_t)now_ns, (int64_t)weir_clock_real_ns() };
}

static void time_put(const struct instant *now, const char *key, int64_t monotonic_ns,
		     struct weir_json_out *json)
{
	int64_t real_ns = now->real_ns + (monotonic_ns - now->monotonic_ns);

	weir_json_put_time(json, key, (uint64_t)real_ns);
}

static void offender_put(const struct limit_offender *offender, const struct instant *now,
			 struct weir_json_out *json)
{
	char entry[WEIR_RANGE_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "entry", weir_range_to_string(&offender->range, entry));
	time_put(now, "from", offender->from_ns, json);
	time_put(now, "until", offender->until_ns, json);
	weir_json_put_uint(json, "length_s", offender->length_ns / WEIR_NS_PER_S);
	weir_json_close_object(json);
	weir_buf_add_char(json->out, '\n');
}

struct kept_auto {
	struct instant now;
	const struct limit_auto *from;
	struct limit_auto *into;
};

static void blocked_put(struct weir_json_out *json, const void *arg)
{
	const struct kept_auto *kept = arg;

	weir_json_open_array(json, "blocked");
	for (unsigned i = 0; i < LIMIT_OFFENDERS; i++)
		if (kept->from->at[i].length_ns)
			offender_put(&kept->from->at[i], &kept->now, json);
	weir_json_close_array(json);
}

int limit_auto_save(const char *dir, const struct limit_auto *autos, uint64_t now_ns)
{
	struct kept_auto kept = { .now = instant_now(now_ns), .from = autos };

	return weir_kept_save(&auto_kept, dir, blocked_put, &kept);
}

static int time_get(const struct weir_json *object, const char *key, const struct instant *now,
		    int64_t *ret_monotonic_ns)
{
	uint64_t real_ns;
	int r = weir_clock_parse(weir_json_str(weir_json_get(object, key), ""), &real_ns);

	if (!r)
		*ret_monotonic_ns = now->monotonic_ns + ((int64_t)real_ns - now->real_ns);
	return r;
}

/* Where the clock was set back, nobody is taken to be blocked for longer than he was to be. */
static void offender_settle(struct limit_offender *offender, const struct instant *now)
{
	if (offender->from_ns <= now->monotonic_ns)
		return;
	offender->from_ns = now->monotonic_ns;
	offender->until_ns = now->monotonic_ns + (int64_t)offender->length_ns;
}

static int offender_get(const struct weir_json *object, const struct instant *now,
			struct limit_offender *ret_offender)
{
	struct limit_offender offender = {};
	const char *entry = weir_json_str(weir_json_get(object, "entry"), ""), *why;
	int64_t length_s = weir_json_int(weir_json_get(object, "length_s"), 0);
	bool had_host_bits;

	if (length_s <= 0 || length_s > LIMIT_BLOCK_MOST_S ||
	    weir_range_from_string(entry, strlen(entry), &offender.range, &had_host_bits, &why) ||
	    time_get(object, "from", now, &offender.from_ns) ||
	    time_get(object, "until", now, &offender.until_ns))
		return -EINVAL;
	offender.length_ns = (uint64_t)length_s * WEIR_NS_PER_S;
	offender_settle(&offender, now);
	*ret_offender = offender;
	return 0;
}

static int blocked_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	const struct weir_json *blocked = weir_json_get(json, "blocked");
	struct kept_auto *kept = arg;
	unsigned count = 0;
	int result = 0;

	for (size_t i = 0; i < weir_json_size(blocked) && count < LIMIT_OFFENDERS; i++)
		if (offender_get(weir_json_at(blocked, i), &kept->now, &kept->into->at[count]))
			result = weir_diag_error(why, NULL, "blocked[%zu] is no block", i);
		else
			count++;
	return result;
}

int limit_auto_load(const char *dir, struct weir_diag *diag, uint64_t now_ns,
		    struct limit_auto *autos)
{
	struct kept_auto kept = { .now = instant_now(now_ns), .into = autos };
	int r = weir_kept_load(&auto_kept, dir, blocked_read, &kept, diag);

	return r == -ENOMEM ? r : 0;
}
