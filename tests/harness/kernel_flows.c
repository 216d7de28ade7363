/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_flows [LIMIT]: the connections that the kernel knows, one JSON object a line, by
 * core/kernel_flows.h; what diag says on standard error. LIMIT flows and no more: each() ends it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "core/kernel_flows.h"

#define LIMIT_REACHED 1

static const char *const stages[] = {
	[WEIR_KERNEL_FLOW_UNSTAGED] = "unstaged",
	[WEIR_KERNEL_FLOW_OPENING] = "opening",
	[WEIR_KERNEL_FLOW_ESTABLISHED] = "established",
	[WEIR_KERNEL_FLOW_INITIATOR_CLOSED] = "initiator-closed",
	[WEIR_KERNEL_FLOW_RESPONDER_CLOSED] = "responder-closed",
	[WEIR_KERNEL_FLOW_BOTH_CLOSED] = "both-closed",
	[WEIR_KERNEL_FLOW_TIME_WAIT] = "time-wait",
	[WEIR_KERNEL_FLOW_RESET] = "reset",
};

static int flow_print(const struct weir_kernel_flow *flow, void *arg)
{
	unsigned long *left = arg;
	char initiator[WEIR_ADDR_TEXT], responder[WEIR_ADDR_TEXT];

	printf("{\"source\":\"%s\",\"proto\":%u,\"initiator\":\"%s\",\"initiator_port\":%u,"
	       "\"responder\":\"%s\",\"responder_port\":%u,\"stage\":\"%s\",\"answered\":%s,"
	       "\"assured\":%s,\"initiator_scale\":%d,\"responder_scale\":%d,\"timeout_s\":%u,"
	       "\"mark\":%u}\n",
	       flow->source == WEIR_KERNEL_FLOW_SOCKET ? "socket" : "conntrack", flow->proto,
	       weir_addr_to_string(&flow->initiator, initiator), ntohs(flow->initiator_port),
	       weir_addr_to_string(&flow->responder, responder), ntohs(flow->responder_port),
	       stages[flow->stage], flow->answered ? "true" : "false",
	       flow->assured ? "true" : "false", flow->initiator_scale, flow->responder_scale,
	       flow->timeout_s, flow->mark);
	return --*left ? 0 : LIMIT_REACHED;
}

int main(int argc, char **argv)
{
	unsigned long left = argc > 1 ? strtoul(argv[1], NULL, 10) : 0; /* 0 comes round */
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf text = { 0 };
	int r = weir_kernel_flows_each(&diag, flow_print, &left);

	weir_diag_format(&diag, &text);
	fputs(weir_buf_str(&text), stderr);
	return r == 0 || r == LIMIT_REACHED ? 0 : 1;
}
