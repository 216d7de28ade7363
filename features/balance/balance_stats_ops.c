/* SPDX-License-Identifier: Apache-2.0 */
/* service stats: what was counted of services and of their backends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/engine.h"
#include "features/balance/balance_census.h"
#include "features/balance/balance_wide.h"

/* Of a backend, or of all of a service. */
struct stats {
	bool is_direct; /* what it answers is not seen */
	struct balance_tally total, last;
	struct balance_flows flows; /* that are in the table now */
	struct balance_latency latency;
};

struct stats_call {
	const struct balance *state;
	const struct balance_section *section;
	struct balance_flows *flows; /* of each place */
	const char *only;	     /* a service's name, or NULL */
	bool is_rate, is_latency;
	struct weir_json_out json;
};

static bool is_direct(const struct stats_call *call, unsigned service)
{
	return call->section->services[service].forward != WEIR_FORWARD_NAT;
}

static struct stats stats_of(const struct stats_call *call, uint32_t place)
{
	const struct balance_counts *counts = &call->state->counts;
	struct stats stats = {
		.is_direct = is_direct(call, counts->live.at[place].service_index),
		.total = balance_counts_of(counts, &counts->live.at[place]),
	};

	if (counts->sums)
		stats.last = counts->sums[place].last;
	stats.flows = call->flows[place];
	stats.latency = balance_latency_of(counts, &counts->live.at[place]);
	return stats;
}

static uint64_t per_s(const struct stats_call *call, uint64_t count)
{
	uint64_t span_ns = call->state->counts.span_ns;

	return span_ns ? (uint64_t)((double)count * WEIR_NS_PER_S / (double)span_ns + 0.5) : 0;
}

static void rates_put(struct stats_call *call, const struct balance_tally *last)
{
	struct weir_json_out *json = &call->json;

	weir_json_put_uint(json, "new_per_s", per_s(call, last->begun));
	weir_json_put_uint(json, "in_packets_per_s",
			   per_s(call, last->packets[BALANCE_TO_BACKEND]));
	weir_json_put_uint(json, "out_packets_per_s",
			   per_s(call, last->packets[BALANCE_TO_CLIENT]));
	weir_json_put_uint(json, "in_bytes_per_s", per_s(call, last->bytes[BALANCE_TO_BACKEND]));
	weir_json_put_uint(json, "out_bytes_per_s", per_s(call, last->bytes[BALANCE_TO_CLIENT]));
}

/* Neither way, and those that still wait for it are among them. CPUs count each for itself while
 * this is read, so an answer may be seen whose beginning is not. */
static uint64_t unanswered_of(const struct stats *stats)
{
	uint64_t known = stats->total.answered + stats->total.refused;

	return stats->total.begun > known ? stats->total.begun - known : 0;
}

static void totals_put(struct stats_call *call, const struct stats *stats)
{
	const struct balance_tally *total = &stats->total;
	struct weir_json_out *json = &call->json;

	weir_json_put_uint(json, "connections", total->begun);
	weir_json_put_uint(json, "new_per_s", per_s(call, stats->last.begun));
	weir_json_put_uint(json, "active", stats->flows.active);
	weir_json_put_uint(json, "inactive", stats->flows.inactive);
	weir_json_put_uint(json, "in_packets", total->packets[BALANCE_TO_BACKEND]);
	weir_json_put_uint(json, "out_packets", total->packets[BALANCE_TO_CLIENT]);
	weir_json_put_uint(json, "in_bytes", total->bytes[BALANCE_TO_BACKEND]);
	weir_json_put_uint(json, "out_bytes", total->bytes[BALANCE_TO_CLIENT]);
	weir_json_put_uint(json, "answered", total->answered);
	weir_json_put_uint(json, "refused", total->refused);
	if (stats->is_direct)
		weir_json_put_null(json, "unanswered");
	else
		weir_json_put_uint(json, "unanswered", unanswered_of(stats));
}

/* The upper end of the bucket that so many of a hundred lie in or below; of the last, its lower. */
static uint64_t share_us(const struct balance_latency *latency, uint64_t count, uint64_t percent)
{
	uint64_t below = 0;
	unsigned bucket = 0;

	while (bucket < BALANCE_LATENCIES - 1 &&
	       (below += latency->counts[bucket]) * 100 < count * percent)
		bucket++;
	if (bucket == BALANCE_LATENCIES - 1)
		bucket--;
	return (1ull << (bucket + BALANCE_LATENCY_SHIFT)) / 1000;
}

static void latency_put(struct stats_call *call, const struct stats *stats)
{
	const struct balance_latency *latency = &stats->latency;
	struct weir_json_out *json = &call->json;
	uint64_t count = 0;

	for (unsigned i = 0; i < BALANCE_LATENCIES; i++)
		count += latency->counts[i];
	weir_json_put_uint(json, "answered", stats->total.answered);
	weir_json_put_uint(json, "measured", count);
	weir_json_put_uint(json, "mean_us", count ? latency->sum_ns / count / 1000 : 0);
	weir_json_put_uint(json, "p50_us", count ? share_us(latency, count, 50) : 0);
	weir_json_put_uint(json, "p99_us", count ? share_us(latency, count, 99) : 0);
	weir_json_open_array(json, "buckets");
	for (unsigned i = 0; i < BALANCE_LATENCIES; i++)
		weir_json_put_uint(json, NULL, latency->counts[i]);
	weir_json_close_array(json);
}

static void stats_put(struct stats_call *call, const struct stats *stats)
{
	if (call->is_latency)
		latency_put(call, stats);
	else if (call->is_rate)
		rates_put(call, &stats->last);
	else
		totals_put(call, stats);
	weir_json_close_object(&call->json);
}

static bool is_wanted(const struct stats_call *call, unsigned service)
{
	return !call->only || strcmp(call->only, call->section->services[service].name) == 0;
}

static void service_put(struct stats_call *call, unsigned service, const struct stats *stats)
{
	const struct balance_text *text = &call->section->services[service];

	weir_json_open_object(&call->json, NULL);
	weir_json_put_str(&call->json, "name", text->name);
	weir_json_put_str(&call->json, "address", text->address);
	balance_ports_put(&call->json, "port", text->port);
	weir_json_put_str(&call->json, "proto", balance_proto_names[text->proto]);
	stats_put(call, stats);
}

static void services_put(struct stats_call *call)
{
	uint32_t place = 0;

	weir_json_open_array(&call->json, "services");
	for (unsigned i = 0; i < call->section->service_count; i++) {
		struct stats sum = { .is_direct = is_direct(call, i) };

		for (unsigned j = 0; j < call->section->services[i].backend_count; j++, place++) {
			struct stats stats =
				is_wanted(call, i) ? stats_of(call, place) : (struct stats){ 0 };

			balance_tally_add(&sum.total, &stats.total);
			balance_tally_add(&sum.last, &stats.last);
			balance_latency_add(&sum.latency, &stats.latency);
			balance_flows_add(&sum.flows, &stats.flows);
		}
		if (is_wanted(call, i))
			service_put(call, i, &sum);
	}
	weir_json_close_array(&call->json);
}

static void backend_put(struct stats_call *call, const struct balance_place *place)
{
	const struct balance_text *service = &call->section->services[place->service_index];
	const struct balance_backend_text *text = &service->backends[place->backend_index];
	struct stats stats = stats_of(call, (uint32_t)(place - call->state->counts.live.at));

	weir_json_open_object(&call->json, NULL);
	weir_json_put_str(&call->json, "service", service->name);
	weir_json_put_str(&call->json, "address", text->address);
	balance_ports_put(&call->json, "port", balance_backend_ports(service, text));
	if (place->backend_index >= balance_staying(service))
		weir_json_put_bool(&call->json, "leaving", true);
	stats_put(call, &stats);
}

static void backends_put(struct stats_call *call)
{
	const struct balance_plan *live = &call->state->counts.live;

	weir_json_open_array(&call->json, "backends");
	for (uint32_t i = 0; i < live->count && call->section->service_count; i++)
		if (is_wanted(call, live->at[i].service_index))
			backend_put(call, &live->at[i]);
	weir_json_close_array(&call->json);
}

static int run_stats(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = weir_engine_state(engine, &weir_balance);
	const char *only = weir_call_str(call, "service");
	int r = balance_acting_check(state, only, "service", &call->diag);

	if (r)
		return r;
	struct stats_call stats = {
		.state = state,
		.section = balance_acting_of(state),
		.only = only,
		.is_rate = weir_call_flag(call, "rate"),
		.is_latency = weir_call_flag(call, "latency"),
		.json = { .out = &call->reply },
	};
	_cleanup_free_ struct balance_flows *flows =
		calloc(state->counts.live.count + 1ul, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	stats.flows = flows;
	balance_flows_count(engine, state, flows);
	weir_json_open_object(&stats.json, NULL);
	services_put(&stats);
	backends_put(&stats);
	weir_json_close_object(&stats.json);
	return 0;
}

/* It reads what a change replaces on its worker, so it takes its turn there. */
static bool stats_are_heavy(struct weir_engine *engine, const struct weir_call *call)
{
	(void)engine, (void)call;
	return true;
}

static const struct weir_arg args[] = {
	{ .name = "service",
	  .flags = WEIR_ARG_POSITIONAL,
	  .metavar = "SERVICE",
	  .help = "of this service alone" },
	{ .name = "rate",
	  .type = WEIR_ARG_BOOL,
	  .help = "what was counted in the last second, and not since ever" },
	{ .name = "latency",
	  .type = WEIR_ARG_BOOL,
	  .help = "how long backends took to answer a SYN, as seen here" },
	{ 0 },
};

const struct weir_op balance_stats_op = {
	.name = "service.stats",
	.summary = "Show what was counted of services and of their backends",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = args,
	.example = "service stats web",
	.run = run_stats,
	.is_heavy = stats_are_heavy,
};
