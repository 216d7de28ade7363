/* SPDX-License-Identifier: Apache-2.0 */
/* A preview as an answer: what the renderer shows and --json prints. */
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "abi/reason.h"
#include "base/cleanup.h"
#include "cli/preview.h"
#include "cli/socket_owner.h"
#include "core/snapshot.h"

static void put_end(struct weir_json_out *json, const struct weir_flow *flow)
{
	char text[WEIR_ADDR_TEXT], name[IF_NAMESIZE];

	weir_json_put_str(json, "local", weir_addr_to_string(&flow->dst, text));
	weir_json_put_uint(json, "local_port", flow->dport);
	if (flow->ifindex && if_indextoname(flow->ifindex, name))
		weir_json_put_str(json, "interface", name);
	weir_json_put_str(json, "reason", weir_reason_name((enum weir_reason)flow->reason));
}

static void put_flow(struct weir_json_out *json, const struct weir_flow *flow, const char *program)
{
	char text[WEIR_ADDR_TEXT];

	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "proto", flow->proto == IPPROTO_TCP ? "tcp" : "udp");
	if (flow->kind != WEIR_FLOW_PORT) {
		weir_json_put_str(json, "peer", weir_addr_to_string(&flow->src, text));
		weir_json_put_uint(json, "peer_port", flow->sport);
		weir_json_put_bool(json, "forwarded", flow->kind == WEIR_FLOW_FORWARDED);
	}
	put_end(json, flow);
	if (program[0])
		weir_json_put_str(json, "program", program);
	weir_json_close_object(json);
}

static void put_flows(struct weir_json_out *json, const char *key, const struct weir_flows *flows,
		      const struct weir_socket_owner *owners)
{
	weir_json_open_array(json, key);
	for (size_t i = 0; i < flows->count; i++)
		put_flow(json, &flows->at[i], owners ? owners[i].name : "");
	weir_json_close_array(json);
}

static void owners_begin(struct weir_socket_owner *owners, const struct weir_flows *flows)
{
	for (size_t i = 0; i < flows->count; i++)
		owners[i].inode = flows->at[i].inode;
}

void weir_preview_put(const struct weir_preview *preview, struct weir_buf *text)
{
	size_t cut = preview->cut.count, closed = preview->closed.count;
	/* Without memory for them the names are left out. */
	_cleanup_free_ struct weir_socket_owner *owners = calloc(cut + closed + 1, sizeof(*owners));
	struct weir_json_out json = { .out = text };

	if (owners) {
		owners_begin(owners, &preview->cut);
		owners_begin(owners + cut, &preview->closed);
		weir_socket_owners_find(owners, cut + closed);
	}
	weir_json_open_object(&json, NULL);
	put_flows(&json, "cut", &preview->cut, owners);
	put_flows(&json, "closed_ports", &preview->closed, owners ? owners + cut : NULL);
	weir_json_put_uint(&json, "looked_at", preview->looked_at);
	if (preview->session_reason)
		weir_json_put_str(&json, "ssh_session",
				  weir_reason_name((enum weir_reason)preview->session_reason));
	weir_json_close_object(&json);
}
