/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "base/clock.h"
#include "events.h"
#include "feature.h"
#include "object.h"
#include "probe_private.h"

int weir_replay_config(struct weir_config *config, struct weir_diag *diag)
{
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->replay)
			r = weir_features[i]->replay->section(config->sections[i], diag);
	return r;
}

static void event_hear(void *arg, const struct weir_event *event)
{
	struct weir_replay *replay = arg;

	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->replay && weir_features[i]->event)
			weir_features[i]->event(replay->probe->states[i], event);
}

int weir_replay_begin(struct weir_probe *probe, struct weir_replay *replay)
{
	int r = weir_events_new(probe->object, event_hear, replay, &replay->events);

	replay->probe = probe;
	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->replay)
			weir_features[i]->replay->begin(probe->states[i], replay);
	return r;
}

/* What is past its time is looked for as the daemon does: once a second. */
static void replay_tick(struct weir_replay *replay)
{
	if (replay->now_ns - replay->ticked_ns < WEIR_NS_PER_S)
		return;
	replay->ticked_ns = replay->now_ns;
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->replay)
			weir_features[i]->replay->tick(replay->probe->states[i]);
}

int weir_replay_run(struct weir_replay *replay, const struct weir_replay_packet *packet,
		    struct weir_probe_result *ret_result)
{
	if (packet->time_ns > replay->now_ns)
		replay->now_ns = packet->time_ns;
	replay_tick(replay);
	struct weir_probe_told told = { .now_ns = replay->now_ns, .bytes = packet->wire_bytes };
	int r = weir_object_tell(replay->probe->object, &told);

	if (!r)
		r = weir_probe_run(replay->probe, WEIR_INGRESS, packet->frame, packet->captured,
				   ret_result);
	/* At once: the ring never fills, and every record is heard. */
	weir_events_drain(replay->events);
	return r;
}

void weir_replay_stop(struct weir_replay *replay)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->replay)
			weir_features[i]->replay->stop(replay->probe->states[i]);
}

void weir_replay_put_account(struct weir_replay *replay, struct weir_json_out *json)
{
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->replay)
			weir_features[i]->replay->account(replay->probe->states[i], json);
}

void weir_replay_done(struct weir_replay *replay)
{
	weir_events_free(replay->events);
	replay->events = NULL;
}
