/* SPDX-License-Identifier: Apache-2.0 */
/* Switching the watching on and off, and reading what was counted once a second. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/drops/drops_state.h"

#define ETHERTYPE_ARP_NUMBER 0x0806

static const struct weir_trace_program programs[] = {
	{ "weir_drops", "kfree_skb", WEIR_TRACE_TRACEPOINT, .is_optional = false },
	{ 0 },
};

static const char *const maps[] = { "cfg_trace", "st_drops", "st_drop_flows", "ctr_drops", NULL };

static const char *pin_dir_of(const struct drops *state)
{
	return weir_engine_options(state->engine)->pin_dir;
}

void drops_watch_end(struct drops *state)
{
	weir_tracer_free(state->tracer);
	state->tracer = NULL;
	free(state->view);
	free(state->before);
	free(state->names);
	state->view = state->before = NULL;
	state->names = NULL;
	state->told = (struct drops_told){ 0 };
	drops_reasons_done(&state->reasons);
}

static int watch_load(struct drops *state, const struct weir_kernel_types *types,
		      struct weir_diag *diag)
{
	state->constants = (struct drops_constants){
		.none = drops_reason_number(&state->reasons, "NOT_DROPPED_YET"),
		.consumed = drops_reason_number(&state->reasons, "CONSUMED"),
	};
	state->named[0] = (struct weir_trace_constant){ "drops_constants", &state->constants,
							sizeof(state->constants) };
	state->plan = (struct weir_trace_plan){ "cfg_trace", programs, maps, state->named };
	return weir_tracer_new(pin_dir_of(state), types, &state->plan, diag, &state->tracer);
}

static int watch_begin(struct drops *state, struct weir_diag *diag)
{
	_cleanup_(weir_kernel_types_freep) struct weir_kernel_types *types = NULL;
	int r = weir_kernel_types_new(diag, &types);

	if (r)
		return r;
	state->view = calloc(1, sizeof(*state->view));
	state->before = calloc(1, sizeof(*state->before));
	state->names = calloc(1, sizeof(*state->names));
	if (!state->view || !state->before || !state->names)
		return -ENOMEM;
	r = drops_reasons_read(types, &state->reasons);
	if (!r)
		r = watch_load(state, types, diag);
	if (!r)
		drops_kept_take(state);
	return r;
}

static void watch_switch_on(struct drops *state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = watch_begin(state, &diag);

	state->why[0] = '\0';
	if (!r) {
		drops_tick(state, weir_clock_monotonic_ns());
		return;
	}
	snprintf(state->why, sizeof(state->why), "%s", weir_diag_why(&diag, r));
	drops_watch_end(state);
	weir_engine_warn(state->engine, "drops", "drops of the kernel are not watched: %s",
			 state->why);
}

/* Off, at the first look too: a daemon before may have left its programs on. */
void drops_live(void *data, const struct weir_config *config)
{
	struct drops *state = data;
	const struct drops_section *section = config->sections[weir_feature_index(&weir_drops)];

	if (!state->engine || (state->was_asked && state->is_on == section->enabled))
		return;
	state->was_asked = true;
	state->is_on = section->enabled;
	if (state->is_on) {
		watch_switch_on(state);
		return;
	}
	drops_watch_end(state);
	drops_kept_remove(state);
	state->why[0] = '\0';
	weir_tracer_remove(pin_dir_of(state),
			   &(struct weir_trace_plan){ "cfg_trace", programs, maps, state->named });
}

static int row_each(const void *key, const void *value, void *arg)
{
	struct drops_view *view = arg;

	if (view->row_count == DROPS_ROWS_MAX)
		return 0;
	struct drops_seen_row *row = &view->rows[view->row_count++];

	memcpy(&row->key, key, sizeof(row->key));
	memcpy(&row->row, value, sizeof(row->row));
	row->per_second = 0;
	return 0;
}

static int flow_each(const void *key, const void *value, void *arg)
{
	struct drops_view *view = arg;

	if (view->flow_count == DROPS_FLOWS_MAX)
		return 0;
	struct drops_seen_flow *flow = &view->flows[view->flow_count++];

	memcpy(&flow->key, key, sizeof(flow->key));
	memcpy(&flow->flow, value, sizeof(flow->flow));
	return 0;
}

int drops_row_compare(const void *a, const void *b)
{
	return memcmp(&((const struct drops_seen_row *)a)->key,
		      &((const struct drops_seen_row *)b)->key, sizeof(struct drops_key));
}

static void more_set(struct drops_view *view, const struct drops_view *before)
{
	for (size_t i = 0; i < view->row_count; i++) {
		struct drops_seen_row *row = &view->rows[i];
		const struct drops_seen_row *old = bsearch(row, before->rows, before->row_count,
							   sizeof(*row), drops_row_compare);

		row->more = (struct drops_count){
			row->row.packets - (old ? old->row.packets : 0),
			row->row.bytes - (old ? old->row.bytes : 0),
		};
	}
}

/* At the first look after a start nothing is known of how fast it was: no rate, and no spike. */
static void rates_set(struct drops_view *view, const struct drops_view *before)
{
	double seconds = (double)(view->read_ns - before->read_ns) / (double)WEIR_NS_PER_S;

	if (!before->read_ns || seconds <= 0)
		return;
	for (size_t i = 0; i < view->row_count; i++)
		view->rows[i].per_second = (double)view->rows[i].more.packets / seconds;
}

static int sums_read(struct weir_map *map, struct drops_count sums[DROPS_SUMS])
{
	uint64_t words[DROPS_SUMS][2];
	int r = weir_map_sum(map, 0, DROPS_SUMS, WEIR_ARRAY_SIZE(words[0]), words[0]);

	for (size_t i = 0; i < DROPS_SUMS && !r; i++)
		sums[i] = (struct drops_count){ words[i][0], words[i][1] };
	return r;
}

/* Sums first: what comes in between is in a row and not in the sum yet, never the other way. */
static int view_read(const struct drops *state, struct drops_view *view)
{
	struct weir_map *sums = weir_tracer_map(state->tracer, "ctr_drops"),
			*rows = weir_tracer_map(state->tracer, "st_drops"),
			*flows = weir_tracer_map(state->tracer, "st_drop_flows");

	if (!sums || !rows || !flows)
		return -ENOENT;
	view->row_count = view->flow_count = 0;
	int r = sums_read(sums, view->sums);

	if (!r)
		r = weir_map_each(rows, row_each, view);
	if (!r)
		r = weir_map_each(flows, flow_each, view);
	view->missed = weir_tracer_missed(state->tracer);
	return r;
}

void drops_tick(void *data, uint64_t now_ns)
{
	struct drops *state = data;

	if (!state->tracer)
		return;
	struct drops_view *view = state->before;

	if (view_read(state, view))
		return;
	view->read_ns = now_ns;
	qsort(view->rows, view->row_count, sizeof(view->rows[0]), drops_row_compare);
	drops_kept_check(state, view);
	more_set(view, state->view);
	rates_set(view, state->view);
	drops_names_follow(state->names, view);
	if (drops_told_add(state, view))
		drops_kept_save(state, view);
	state->before = state->view;
	state->view = view;
}

bool drops_is_verdict(const struct drops *state, uint32_t reason)
{
	static const char *const verdicts[] = { "TC_INGRESS", "TC_EGRESS", "XDP" };
	char text[DROPS_REASON_BYTES];
	const char *name = drops_reason_name(&state->reasons, reason, text);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(verdicts); i++)
		if (strcmp(name, verdicts[i]) == 0)
			return true;
	return false;
}

const char *drops_proto_name(const struct drops_key *key, char text[8])
{
	static const struct {
		uint8_t number;
		const char *name;
	} protos[] = {
		{ IPPROTO_TCP, "tcp" },		{ IPPROTO_UDP, "udp" },
		{ IPPROTO_ICMP, "icmp" },	{ IPPROTO_ICMPV6, "icmpv6" },
		{ IPPROTO_SCTP, "sctp" },	{ IPPROTO_IGMP, "igmp" },
		{ IPPROTO_GRE, "gre" },		{ IPPROTO_ESP, "esp" },
		{ IPPROTO_UDPLITE, "udplite" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(protos); i++)
		if (key->proto == protos[i].number)
			return protos[i].name;
	if (key->proto)
		snprintf(text, 8, "%u", key->proto);
	else if (key->ethertype == ETHERTYPE_ARP_NUMBER)
		return "arp";
	else if (key->ethertype)
		snprintf(text, 8, "0x%04x", key->ethertype);
	else
		return "";
	return text;
}
