/* SPDX-License-Identifier: Apache-2.0 */
/* Which answer is shown how: a row an operation, and the generic view for all others. */
#ifndef WEIR_CLI_RENDER_H
#define WEIR_CLI_RENDER_H

#include "cli/view.h"

/* Writes the text for the answer of the operation named. */
void weir_render(const struct weir_view *view, const char *op_name);

/* The views themselves; each shows view->answer. */
void weir_render_status(const struct weir_view *view);
void weir_render_interfaces(const struct weir_view *view);
void weir_render_doctor(const struct weir_view *view);
void weir_render_checks(const struct weir_view *view);
void weir_render_entries(const struct weir_view *view);
void weir_render_lists(const struct weir_view *view);
void weir_render_import(const struct weir_view *view);
void weir_render_added(const struct weir_view *view);
void weir_render_removed(const struct weir_view *view);
void weir_render_rules(const struct weir_view *view);
void weir_render_rule_hits(const struct weir_view *view);
void weir_render_rule_edit(const struct weir_view *view);
void weir_render_limit_edit(const struct weir_view *view);
void weir_render_flows(const struct weir_view *view);
void weir_render_flow_top(const struct weir_view *view);
void weir_render_flow_ended(const struct weir_view *view);
/* Its table alone. */
void weir_render_flow_records(const struct weir_view *view);
/* One that ends just now, as a line. */
void weir_render_flow_event(const struct weir_view *view, const struct weir_json *flow);
/* Where nothing is tracked, why; returns whether that was all there is to say. */
bool weir_flow_note_show(const struct weir_view *view);
void weir_render_flow_details(const struct weir_view *view);
void weir_render_flow_count(const struct weir_view *view);
void weir_render_flow_flush(const struct weir_view *view);
/* The line of status on connection tracking. */
/* render_account.c: cells of a flow that is counted, nothing for others. */
bool weir_flow_is_counted(const struct weir_json *flow);
void weir_flow_packets_add(struct weir_buf *out, const struct weir_json *flow);
void weir_flow_bytes_add(struct weir_buf *out, const struct weir_json *flow);
/* "10.20", "10", "none", or "?": it is not known. */
void weir_flow_vlan_add(struct weir_buf *out, const struct weir_json *flow);
bool weir_flows_have_vlans(const struct weir_json *flows);
/* NULL: flows are not counted. */
void weir_render_account_status(const struct weir_view *view, const struct weir_json *account);
void weir_render_flow_status(const struct weir_view *view, const struct weir_json *conntrack);
/* The part of status that counts rules and tells default policies. */
void weir_render_rules_status(const struct weir_view *view, const struct weir_json *rules);
/* "ssh-guard (deny, runtime)"; a rule without a name is "number 12". */
void weir_render_rule_name(struct weir_buf *out, const struct weir_json *rule);
/* How much each interface is under attack: its line of status, and all that is known. */
void weir_render_attack_status(const struct weir_view *view, const struct weir_json *attack);
void weir_render_attack(const struct weir_view *view);
/* What the kernel gives up, and why. */
void weir_render_drops(const struct weir_view *view);
void weir_render_quality(const struct weir_view *view);
/* A line of status each. */
void weir_render_quality_status(const struct weir_view *view, const struct weir_json *quality);
void weir_render_sockets_status(const struct weir_view *view, const struct weir_json *sockets);
void weir_render_sockets(const struct weir_view *view);
void weir_render_socket_top(const struct weir_view *view);
/* The balancer: what became of an edit; what services and backends there are; list-dnat; who is
 * served by whom; what was forgotten. */
void weir_render_balance_edit(const struct weir_view *view);
void weir_render_services(const struct weir_view *view);
void weir_render_backends(const struct weir_view *view);
void weir_render_health(const struct weir_view *view);
void weir_render_dnat(const struct weir_view *view);
void weir_render_lb_status(const struct weir_view *view);
void weir_render_lb_cleanup(const struct weir_view *view);
void weir_render_explain(const struct weir_view *view);
void weir_render_events(const struct weir_view *view);
void weir_render_config(const struct weir_view *view);
void weir_render_apply(const struct weir_view *view);
void weir_render_preview(const struct weir_view *view);
void weir_render_confirm(const struct weir_view *view);
/* That what is live is on trial, from the answer's "confirm"; nothing without it. */
void weir_render_trial(const struct weir_view *view);
void weir_render_diff(const struct weir_view *view);
void weir_render_rollback(const struct weir_view *view);
void weir_render_cleanup(const struct weir_view *view);
void weir_render_check(const struct weir_view *view);
void weir_render_replay(const struct weir_view *view);
void weir_render_replay_flows(const struct weir_view *view);
void weir_render_expectations(const struct weir_view *view);
/* An array of {name, action, origin, v4, v6, hits} as a table. */
void weir_render_list_rows(const struct weir_view *view, const struct weir_json *lists);
/* An array of {reason, verdict, help, packets, bytes} as a table; reasons without packets are left
 * out. */
void weir_render_reasons(const struct weir_view *view, const struct weir_json *reasons);
/* One event as one line; `kind` may be NULL when the event says it itself. */
void weir_render_event(const struct weir_view *view, const char *kind,
		       const struct weir_json *event);

#endif
