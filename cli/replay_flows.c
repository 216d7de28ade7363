/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_flows.h"

#include <errno.h>

#include "base/cleanup.h"

static void flow_take(void *arg, const char *json, size_t len)
{
	struct weir_replay_flows *flows = arg;

	(void)len;
	weir_json_put_raw(&flows->json, NULL, json);
	flows->count++;
}

int weir_replay_flows_begin(struct weir_replay_flows *flows, struct weir_probe *probe)
{
	flows->json = (struct weir_json_out){ .out = &flows->text };
	flows->replay = (struct weir_replay){ .flow = flow_take, .arg = flows };
	weir_json_open_object(&flows->json, NULL);
	weir_json_open_array(&flows->json, "flows");
	return weir_replay_begin(probe, &flows->replay);
}

int weir_replay_flows_end(struct weir_replay_flows *flows, const struct weir_replay_sums *sums)
{
	static const char *const counts[] = { "shown", "total", "kept", "made", "keep" };

	weir_replay_stop(&flows->replay); /* the last flows come now */
	weir_json_close_array(&flows->json);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(counts); i++)
		weir_json_put_uint(&flows->json, counts[i], flows->count);
	weir_replay_sums_put(sums, &flows->json);
	weir_replay_put_account(&flows->replay, &flows->json);
	weir_json_close_object(&flows->json);
	return flows->text.failed ? -ENOMEM : 0;
}

void weir_replay_flows_done(struct weir_replay_flows *flows)
{
	weir_replay_done(&flows->replay);
	weir_buf_done(&flows->text);
}
