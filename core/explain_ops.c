/* SPDX-License-Identifier: Apache-2.0 */
/* The operation that asks the live program about a packet. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "engine_private.h"
#include "feature.h"
#include "frame_fields.h"
#include "object.h"
#include "packet_names.h"
#include "probe.h"

static int field_set(struct weir_call *call, const char *key, struct weir_frame_spec *spec)
{
	const char *text = weir_call_str(call, key);
	char number[24];

	if (!weir_json_get(call->args, key))
		return 0;
	if (!text) {
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)weir_call_uint(call, key, 0));
		text = number;
	}
	return weir_frame_set(spec, key, text, &call->diag);
}

static int explain_spec(struct weir_call *call, struct weir_frame_spec *spec)
{
	spec->proto = IPPROTO_TCP;
	for (const struct weir_arg *arg = call->op->args; arg->name; arg++)
		if (weir_frame_has_field(arg->name))
			field_set(call, arg->name, spec);
	return call->diag.errors ? -EINVAL : weir_frame_complete(spec, &call->diag);
}

static void explain_put(struct weir_engine *engine, const struct weir_probe_result *result,
			enum weir_program program, struct weir_call *call)
{
	struct weir_json_out json = { .out = &call->reply };
	const char *interface = weir_call_str(call, "interface");

	weir_json_open_object(&json, NULL);
	weir_verdict_put(engine->states, result, &json);
	weir_json_put_uint(&json, "revision", result->generation);
	if (interface)
		weir_json_put_str(&json, "interface", interface);
	weir_json_put_str(&json, "direction",
			  result->direction == WEIR_INGRESS ? "ingress" : "egress");
	weir_json_put_uint(&json, "program_id", weir_object_program_id(engine->object, program));
	weir_probe_put_packet(result, &json);
	weir_json_close_object(&json);
}

/* The program of the interface that is asked about; without one, that of the first that is
 * attached; with none attached, the XDP one. */
static int explain_program(struct weir_engine *engine, struct weir_call *call,
			   enum weir_program *ret_program, uint32_t *ret_ifindex)
{
	const char *interface = weir_call_str(call, "interface"),
		   *way = weir_call_str(call, "direction");
	enum weir_direction direction =
		way && strcmp(way, "egress") == 0 ? WEIR_EGRESS : WEIR_INGRESS;
	int r = weir_interfaces_program(engine->interfaces, interface, direction, ret_program,
					ret_ifindex);

	if (r && interface) {
		weir_diag_key(&call->diag, "interface", "weir interface list",
			      "%s is not watched in that direction", interface);
		return -ENOENT;
	}
	if (r) {
		*ret_program = direction == WEIR_INGRESS ? WEIR_PROGRAM_XDP : WEIR_PROGRAM_TC_OUT;
		*ret_ifindex = 0;
	}
	return 0;
}

static int run_explain(struct weir_engine *engine, struct weir_call *call)
{
	struct weir_frame_spec spec = {};
	struct weir_probe_result result;
	unsigned char frame[WEIR_FRAME_BYTES];
	enum weir_program program;
	uint32_t ifindex;
	int r = explain_spec(call, &spec);

	if (!r)
		r = explain_program(engine, call, &program, &ifindex);
	if (r)
		return r;
	size_t len = weir_frame_build(&spec, frame);

	r = weir_object_probe(engine->object, program, frame, len, ifindex, &result);
	if (!r)
		explain_put(engine, &result, program, call);
	return r;
}

static const char *const direction_names[] = { "ingress", "egress", NULL };

static const struct weir_arg explain_args[] = {
	{ "src", WEIR_ARG_STRING, WEIR_ARG_REQUIRED, "ADDR", "source address", NULL, NULL },
	{ "dst", WEIR_ARG_STRING, WEIR_ARG_REQUIRED, "ADDR", "destination address", NULL, NULL },
	{ "proto", WEIR_ARG_STRING, 0, "PROTO", "tcp, udp, icmp, sctp, gre, esp … or a number",
	  NULL, "tcp" },
	{ "sport", WEIR_ARG_UINT, 0, "PORT", "source port", NULL, "0" },
	{ "dport", WEIR_ARG_UINT, 0, "PORT", "destination port", NULL, "0" },
	{ "tcp-flags", WEIR_ARG_STRING, 0, "FLAGS", WEIR_TCP_FLAG_WORDS, NULL, "syn" },
	{ "icmp-type", WEIR_ARG_STRING, 0, "TYPE", WEIR_ICMP_TYPE_WORDS, NULL, "echo-request" },
	{ "icmp-code", WEIR_ARG_UINT, 0, "N", "ICMP code", NULL, "0" },
	{ "length", WEIR_ARG_UINT, 0, "BYTES", "of the IP packet, its headers included", NULL,
	  NULL },
	{ "dscp", WEIR_ARG_STRING, 0, "DSCP", WEIR_DSCP_WORDS, NULL, "0" },
	{ "ttl", WEIR_ARG_UINT, 0, "N", "TTL or hop limit", NULL, "64" },
	{ "fragment", WEIR_ARG_CHOICE, 0, "WHICH",
	  "the first fragment of a packet, or a later one, without ports", weir_fragment_names,
	  "none" },
	{ "vlan", WEIR_ARG_UINT, 0, "ID", "with an 802.1Q tag", NULL, NULL },
	{ "interface", WEIR_ARG_STRING, 0, "IF",
	  "as if on this interface; without it, the first that is watched", NULL, NULL },
	{ "direction", WEIR_ARG_CHOICE, 0, "WAY", "arriving or leaving there", direction_names,
	  "ingress" },
	{ 0 },
};

const struct weir_op weir_explain_op = {
	.name = "explain",
	.summary = "Say what would happen to a packet and why, by asking the live program",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.args = explain_args,
	.example = "explain --src 192.0.2.7 --dst 198.51.100.1 --proto tcp --dport 443",
	.run = run_explain,
};
