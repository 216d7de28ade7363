/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the view of an answer. */
#include "cli/csv.h"
#include "cli/render.h"

#include <string.h>

static const struct {
	const char *name; /* of an operation, or ".word" for every noun's */
	void (*render)(const struct weir_view *view);
	const char *needs; /* the view is only for answers with this member */
} renderers[] = {
	{ "status", weir_render_status, "interfaces" },
	{ "explain", weir_render_explain, "verdict" },
	{ "events", weir_render_events, "events" },
	{ "apply", weir_render_apply, "revision" },
	{ "apply", weir_render_preview, "cut" },
	{ "reload", weir_render_apply, "revision" },
	{ "confirm", weir_render_confirm, "confirmed" },
	{ "diff", weir_render_diff, "changes" },
	{ "rollback", weir_render_rollback, "revision" },
	{ "config.show", weir_render_config, "text" },
	{ "limit.preset", weir_render_config, "text" },
	{ "interface.list", weir_render_interfaces, "interfaces" },
	{ "interface.attach", weir_render_interfaces, "interfaces" },
	{ "interface.detach", weir_render_interfaces, "interfaces" },
	{ "monitor", weir_render_interfaces, "interfaces" },
	{ "doctor", weir_render_doctor, "checks" },
	{ "service.check", weir_render_checks, "checks" },
	{ "check", weir_render_check, "classes" },
	{ "replay", weir_render_replay_flows, "flows" },
	{ "replay", weir_render_replay, "packets" },
	{ "rule.test", weir_render_expectations, "failures" },
	{ "cleanup", weir_render_cleanup, "removed" },
	{ "rule.list", weir_render_rules, "rules" },
	{ "rule.hits", weir_render_rule_hits, "rules" },
	{ "rule.add", weir_render_rule_edit, "result" },
	{ "rule.del", weir_render_rule_edit, "result" },
	{ "rule.move", weir_render_rule_edit, "result" },
	{ "rule.enable", weir_render_rule_edit, "result" },
	{ "rule.disable", weir_render_rule_edit, "result" },
	{ "limit.add", weir_render_limit_edit, "result" },
	{ "limit.del", weir_render_limit_edit, "result" },
	{ "flow.list", weir_render_flows, "flows" },
	{ "flows", weir_render_flow_top, "by" },
	{ "flows", weir_render_flows, "flows" },
	{ "flow.ended", weir_render_flow_ended, "made" },
	{ "flow.top", weir_render_flow_top, "by" },
	{ "flow.show", weir_render_flow_details, "flows" },
	{ "flow.count", weir_render_flow_count, "states" },
	{ "flow.flush", weir_render_flow_flush, "flushed" },
	{ "attack.show", weir_render_attack, "interfaces" },
	{ "drops", weir_render_drops, "watched" },
	{ "quality", weir_render_quality, "watched" },
	{ "socket.list", weir_render_sockets, "watched" },
	{ "socket.top", weir_render_socket_top, "watched" },
	{ "service.list", weir_render_services, "services" },
	{ "service.stats", weir_render_services, "services" },
	{ "service.backend.list", weir_render_backends, "backends" },
	{ "service.health", weir_render_health, "backends" },
	{ "service.add", weir_render_balance_edit, "result" },
	{ "service.set", weir_render_balance_edit, "result" },
	{ "service.del", weir_render_balance_edit, "result" },
	{ "service.enable", weir_render_balance_edit, "result" },
	{ "service.disable", weir_render_balance_edit, "result" },
	{ "service.backend.add", weir_render_balance_edit, "result" },
	{ "service.backend.del", weir_render_balance_edit, "result" },
	{ "service.backend.set", weir_render_balance_edit, "result" },
	{ "service.backend.drain", weir_render_balance_edit, "result" },
	{ "service.backend.undrain", weir_render_balance_edit, "result" },
	{ "lb.add-dnat", weir_render_balance_edit, "result" },
	{ "lb.remove-dnat", weir_render_balance_edit, "result" },
	{ "lb.enable", weir_render_balance_edit, "result" },
	{ "lb.disable", weir_render_balance_edit, "result" },
	{ "lb.list-dnat", weir_render_dnat, "dnat" },
	{ "lb.status", weir_render_lb_status, "connections" },
	{ "lb.cleanup", weir_render_lb_cleanup, "forgotten" },
	{ ".list", weir_render_entries, "entries" },
	{ ".lists", weir_render_lists, "lists" },
	{ ".import", weir_render_import, "list" },
	{ ".add", weir_render_added, "result" },
	{ ".del", weir_render_removed, "removed" },
	{ ".clear", weir_render_removed, "removed" },
};

static bool is_for(const char *pattern, const char *op_name)
{
	const char *dot = strchr(op_name, '.');

	return strcmp(pattern, op_name) == 0 || (dot && strcmp(pattern, dot) == 0);
}

void weir_render(const struct weir_view *view, const char *op_name)
{
	if (view->csv) {
		weir_csv_write(view->answer, view->out);
		return;
	}
	for (size_t i = 0; i < sizeof(renderers) / sizeof(renderers[0]); i++) {
		if (!is_for(renderers[i].name, op_name) ||
		    !weir_json_get(view->answer, renderers[i].needs))
			continue;
		renderers[i].render(view);
		return;
	}
	weir_view_generic(view, view->answer, 0);
}
