/* SPDX-License-Identifier: Apache-2.0 */
/* Who went up or down, as an event; and how many are what, as metrics. */
#include "base/clock.h"
#include "features/balance/balance_wide.h"
#include "features/balance/health.h"

#define BACKENDS_TOLD 1000 /* one by one: a line each, every second */

static void sentence_add(const struct health_target *target, bool is_up, struct weir_buf *text)
{
	const struct balance_end *end = &target->key.backend;
	char address[WEIR_ADDR_TEXT];

	weir_addr_to_string(&end->addr, address);
	weir_buf_addf(text,
		      weir_addr_is_v4(&end->addr) ? "service %s: %s:%u is %s" :
						    "service %s: [%s]:%u is %s",
		      target->text->name, address, end->port, is_up ? "up" : "down");
}

void health_tell(const struct health_target *target, uint64_t lasted_ns)
{
	bool is_up = health_machine_is_up(&target->machine);
	const char *kind = is_up ? "health_up" : "health_down";
	_cleanup_buf_ struct weir_buf what = { 0 }, text = { 0 };
	struct weir_json_out json = { .out = &text };
	char address[WEIR_ADDR_TEXT];

	sentence_add(target, is_up, &what);
	weir_event_open(&json, kind);
	weir_json_put_str(&json, "what", weir_buf_str(&what));
	weir_json_put_str(&json, "service", target->text->name);
	weir_json_put_str(&json, "address",
			  weir_addr_to_string(&target->key.backend.addr, address));
	balance_ports_put(&json, "port", balance_end_ports(&target->key.backend));
	weir_json_put_str(&json, "check", health_type_names[target->text->health.type]);
	weir_json_put_str(&json, "detail", target->machine.reason);
	weir_json_put_uint(&json, "lasted_s", lasted_ns / WEIR_NS_PER_S);
	weir_json_close_object(&json);
	weir_engine_publish(target->health->engine, kind, weir_buf_str(&text), text.len);
}

static int results_sample(const struct health *health, struct weir_snapshot *snapshot)
{
	static const char *const names[] = {
		[HEALTH_OK] = "good",
		[HEALTH_FAILED] = "failed",
		[HEALTH_UNASKED] = "unasked",
	};
	int r = 0;

	for (int i = HEALTH_OK; i <= HEALTH_UNASKED && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_health_checks_total",
				      "Checks of backends that ended, since the daemon started.",
				      (double)health->results[i], "result=\"%s\"", names[i]);
	return r;
}

static int states_sample(const struct health *health, struct weir_snapshot *snapshot)
{
	uint64_t counts[HEALTH_STATES] = { 0 };
	int r = 0;

	for (unsigned i = 0; i < health->count; i++)
		counts[health->targets[i]->machine.state] +=
			health->targets[i]->duty == HEALTH_CHECKED;
	for (int i = 0; i < HEALTH_STATES && !r; i++)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "balance_health_backends",
				      "Backends that are checked, by what they are.",
				      (double)counts[i], "state=\"%s\"",
				      health_state_name((enum health_state)i));
	return r ? r :
		   weir_snapshot_add(snapshot, WEIR_SAMPLE_GAUGE, "balance_health_not_serving",
				     "Backends that are checked and down, or damped.",
				     (double)(counts[HEALTH_DOWN] + counts[HEALTH_DAMPED]), NULL);
}

static int target_sample(const struct health_target *target, struct weir_snapshot *snapshot)
{
	char address[WEIR_ADDR_TEXT], port[WEIR_PORTS_TEXT];

	return weir_snapshot_add(
		snapshot, WEIR_SAMPLE_GAUGE, "balance_health_up",
		"1: the backend gets new connections, 0: it does not.",
		health_machine_is_up(&target->machine), "service=\"%s\",address=\"%s\",port=\"%s\"",
		target->text->name, weir_addr_to_string(&target->key.backend.addr, address),
		weir_ports_to_string(balance_end_ports(&target->key.backend), port));
}

int health_snapshot(const struct health *health, struct weir_snapshot *snapshot)
{
	if (!health || !health->timer)
		return 0;
	int r = results_sample(health, snapshot);

	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_health_late_total",
				      "Checks that began later than they were due by more than "
				      "half their interval, since the daemon started.",
				      (double)health->late, NULL);
	if (!r)
		r = weir_snapshot_add(snapshot, WEIR_SAMPLE_COUNTER, "balance_health_changes_total",
				      "Policies that went live because a backend went up or down, "
				      "since the daemon started.",
				      (double)health->changes, NULL);
	if (!r)
		r = states_sample(health, snapshot);
	for (unsigned i = 0; i < health->count && i < BACKENDS_TOLD && !r; i++)
		if (health->targets[i]->duty == HEALTH_CHECKED)
			r = target_sample(health->targets[i], snapshot);
	return r;
}
