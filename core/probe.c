/* SPDX-License-Identifier: Apache-2.0 */
/* Judging packets offline, by the very programs that judge them live. */
#include "probe_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/packet.h"
#include "base/addr.h"
#include "adopt.h"
#include "base/cleanup.h"
#include "commit.h"
#include "compile.h"
#include "feature.h"
#include "iface_rows.h"
#include "near.h"
#include "object.h"
#include "patch.h"

/* Features without an engine, and mostly without files: then they know only what the configuration
 * says. */
static int states_new(struct weir_probe *probe, const char *state_dir, struct weir_diag *diag)
{
	int r = 0;

	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->state_new)
			r = weir_features[i]->state_new(NULL, state_dir, diag, &probe->states[i]);
	return r;
}

static int object_load(struct weir_probe *probe, const struct weir_config *config,
		       const struct weir_image *image, bool learns, struct weir_diag *diag)
{
	struct weir_constants *constants = NULL;
	uint32_t near_lines = 0;

	weir_image_near(image, &near_lines);
	int r = weir_compile_constants(config, image, weir_near_capacity_for(near_lines, 0),
				       &constants);

	if (!r && learns)
		weir_constants_learn(constants);
	if (!r)
		r = weir_object_new(NULL, NULL, constants, diag, &probe->object);
	if (r)
		weir_constants_free(constants);
	for (size_t i = 0; weir_features[i] && !r; i++)
		if (weir_features[i]->attach)
			r = weir_features[i]->attach(probe->states[i], probe->object, diag);
	return r;
}

/* Rows of the interfaces, and what the staged policy says of each by its name. */
static int rows_take(struct weir_probe *probe, const struct weir_probe_options *options)
{
	int r = 0;

	for (size_t i = 0; i < options->iface_count && !r; i++) {
		uint32_t row;

		r = weir_iface_row_take(probe->object, options->ifaces[i].ifindex, false, &row);
		if (!r)
			weir_patch_staged_row(probe->commit, row, options->ifaces[i].name);
	}
	return r;
}

static int policy_load(struct weir_probe *probe, const struct weir_probe_options *options,
		       const struct weir_image *image, struct weir_diag *diag)
{
	int r = weir_commit_new(probe->object, NULL, diag, &probe->commit);

	if (!r)
		r = weir_commit_stage(probe->commit, image, diag);
	if (!r)
		r = rows_take(probe, options);
	if (r)
		return r;
	weir_commit_flip(probe->commit, 1);
	return 0;
}

int weir_probe_new(const struct weir_config *config, const struct weir_probe_options *options,
		   struct weir_diag *diag, struct weir_probe **ret_probe)
{
	static const struct weir_probe_options none;
	_cleanup_probe_ struct weir_probe *probe = calloc(1, sizeof(*probe));
	_cleanup_image_ struct weir_image *image = NULL;

	options = options ? options : &none;
	int r = probe ? states_new(probe, options->state_dir, diag) : -ENOMEM;
	struct weir_compile_input input = { .config = config,
					    .states = probe ? probe->states : NULL };

	if (!r)
		r = weir_compile_input(&input, diag, &image);
	if (!r)
		r = object_load(probe, config, image, options->learns, diag);
	if (!r && options->adopts)
		weir_adopt(probe->states, config,
			   options->adopts_granted ? WEIR_ADOPTED_GRANTED : WEIR_ADOPTED_KNOWN,
			   diag);
	if (!r)
		r = policy_load(probe, options, image, diag);
	if (r)
		return r;
	probe->follows = weir_image_follows(image, config);
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->live)
			weir_features[i]->live(probe->states[i], config);
	*ret_probe = weir_take(probe);
	return 0;
}

bool weir_probe_follows(const struct weir_probe *probe)
{
	return probe->follows;
}

void weir_probe_free(struct weir_probe *probe)
{
	if (!probe)
		return;
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->state_free && probe->states[i])
			weir_features[i]->state_free(probe->states[i]);
	weir_commit_free(probe->commit);
	weir_object_free(probe->object);
	free(probe);
}

int weir_probe_run(struct weir_probe *probe, enum weir_direction direction, const void *frame,
		   size_t captured, struct weir_probe_result *ret_result)
{
	return weir_probe_run_on(probe, direction, 0, frame, captured, ret_result);
}

int weir_probe_run_on(struct weir_probe *probe, enum weir_direction direction, uint32_t ifindex,
		      const void *frame, size_t captured, struct weir_probe_result *ret_result)
{
	enum weir_program program =
		direction == WEIR_EGRESS ? WEIR_PROGRAM_TC_OUT : WEIR_PROGRAM_XDP;

	if (captured < ETH_HLEN)
		return -EINVAL;
	return weir_object_probe(probe->object, program, frame, captured, ifindex, ret_result);
}

void weir_verdict_from_probe(const struct weir_probe_result *result,
			     struct weir_verdict *ret_verdict)
{
	*ret_verdict = (struct weir_verdict){
		.reason = result->reason,
		.generation = result->generation,
		.ifindex = result->ifindex,
		.class_id = result->class_id,
		.list = result->list,
		.hit = result->hit,
		.rule = result->rule,
		.held = result->held,
		.backend = result->backend,
		.src = result->src,
		.dst = result->dst,
		.sport = result->sport,
		.dport = result->dport,
		.proto = result->proto,
		.direction = result->direction,
	};
}

static void describe(void *const *states, const struct weir_probe_result *result,
		     struct weir_json_out *json)
{
	struct weir_verdict verdict;

	weir_verdict_from_probe(result, &verdict);
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->describe)
			weir_features[i]->describe(states[i], &verdict, json);
}

void weir_probe_describe(struct weir_probe *probe, const struct weir_probe_result *result,
			 struct weir_json_out *json)
{
	describe(probe->states, result, json);
}

static const char *conn_state_name(uint8_t state)
{
	static const char *const names[WEIR_CONN_STATES] = {
		[WEIR_CONN_UNTRACKED] = "untracked",	 [WEIR_CONN_NEW] = "new",
		[WEIR_CONN_ESTABLISHED] = "established", [WEIR_CONN_RELATED] = "related",
		[WEIR_CONN_INVALID] = "invalid",
	};

	return state < WEIR_CONN_STATES ? names[state] : "?";
}

void weir_verdict_put(void *const *states, const struct weir_probe_result *result,
		      struct weir_json_out *json)
{
	weir_json_put_str(json, "verdict", weir_reason_is_drop(result->reason) ? "drop" : "pass");
	weir_json_put_str(json, "reason", weir_reason_name(result->reason));
	weir_json_put_str(json, "help", weir_reason_help(result->reason));
	weir_json_put_str(json, "stage", weir_reason_stage(result->reason));
	weir_json_put_str(json, "state", conn_state_name(result->state));
	describe(states, result, json);
}

void weir_probe_put_verdict(struct weir_probe *probe, const struct weir_probe_result *result,
			    struct weir_json_out *json)
{
	weir_verdict_put(probe->states, result, json);
}

static void put_seen(uint32_t seen, struct weir_json_out *json)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} bits[] = {
		{ PKT_MPLS, "mpls" },
		{ PKT_FRAGMENT, "fragment" },
		{ PKT_LATER_FRAGMENT, "later-fragment" },
		{ PKT_OPTIONS, "options" },
		{ PKT_MALFORMED, "malformed" },
		{ PKT_TOO_DEEP, "too-deep" },
		{ PKT_UNREADABLE, "unreadable" },
		{ PKT_NEIGHBOUR, "neighbour" },
		{ PKT_ARP, "arp" },
	};

	weir_json_open_array(json, "seen");
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(bits); i++)
		if (seen & bits[i].bit)
			weir_json_put_str(json, NULL, bits[i].name);
	weir_json_close_array(json);
}

static void put_transport(const struct weir_probe_result *result, struct weir_json_out *json)
{
	weir_json_put_uint(json, "proto", result->proto);
	if (result->seen & PKT_PORTS) {
		weir_json_put_uint(json, "sport", ntohs(result->sport));
		weir_json_put_uint(json, "dport", ntohs(result->dport));
	}
	if (result->seen & PKT_TCP)
		weir_json_put_uint(json, "tcp_flags", result->tcp_flags);
	if (result->seen & PKT_ICMP) {
		weir_json_put_uint(json, "icmp_type", result->icmp_type);
		weir_json_put_uint(json, "icmp_code", result->icmp_code);
	}
}

void weir_probe_put_packet(const struct weir_probe_result *result, struct weir_json_out *json)
{
	char text[WEIR_ADDR_TEXT], ethertype[8];

	weir_json_open_object(json, "packet");
	snprintf(ethertype, sizeof(ethertype), "0x%04x", ntohs(result->ethertype));
	weir_json_put_str(json, "ethertype", ethertype);
	if (result->seen & PKT_VLAN)
		weir_json_put_uint(json, "vlan", result->vlan);
	if (result->seen & PKT_IP) {
		weir_json_put_str(json, "src", weir_addr_to_string(&result->src, text));
		weir_json_put_str(json, "dst", weir_addr_to_string(&result->dst, text));
		weir_json_put_uint(json, "ttl", result->ttl);
		weir_json_put_uint(json, "dscp", result->dscp);
		put_transport(result, json);
	}
	put_seen(result->seen, json);
	weir_json_close_object(json);
}
