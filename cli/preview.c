/* SPDX-License-Identifier: Apache-2.0 */
/* Places each flow on its interface, then has it judged. */
#include "cli/preview.h"

#include <errno.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "abi/reason.h"
#include "base/cleanup.h"
#include "cli/devices.h"
#include "cli/state_copy.h"
#include "core/frame.h"
#include "core/probe.h"

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define STRANGER_PORT 40000

/* One look. */
struct look {
	const struct weir_preview_wish *wish;
	struct weir_devices devices;
	struct weir_probe_iface *ifaces; /* those that are watched */
	size_t iface_count;
	struct weir_probe *now, *next;
};

void weir_preview_done(struct weir_preview *preview)
{
	weir_flows_done(&preview->cut);
	weir_flows_done(&preview->closed);
}

static void look_done(struct look *look)
{
	weir_devices_done(&look->devices);
	free(look->ifaces);
	weir_probe_free(look->now);
	weir_probe_free(look->next);
}

static const struct weir_json *row_of(const struct weir_preview_wish *wish, const char *name)
{
	for (size_t i = 0; i < weir_json_size(wish->interfaces); i++) {
		const struct weir_json *row = weir_json_at(wish->interfaces, i);

		if (strcmp(weir_json_str(weir_json_get(row, "name"), ""), name) == 0)
			return row;
	}
	return NULL;
}

static bool filters_now(const struct weir_preview_wish *wish, const char *name)
{
	return weir_json_bool(weir_json_get(row_of(wish, name), "attached"), false);
}

static bool filters_egress_now(const struct weir_preview_wish *wish, const char *name)
{
	const struct weir_json *mode = weir_json_get(row_of(wish, name), "egress");

	return strcmp(weir_json_str(mode, "off"), "off") != 0;
}

static const struct weir_interface_config *interface_of(const struct weir_preview_wish *wish,
							const char *name)
{
	for (unsigned i = 0; i < wish->next->interface_count; i++)
		if (fnmatch(wish->next->interfaces[i].name, name, 0) == 0)
			return &wish->next->interfaces[i];
	return NULL;
}

/* By the daemon now, or by the configuration to come. */
static bool is_watched(const struct weir_preview_wish *wish, const char *name)
{
	return interface_of(wish, name) || filters_now(wish, name);
}

static bool is_egress_watched(const struct weir_preview_wish *wish, const char *name)
{
	const struct weir_interface_config *interface = interface_of(wish, name);

	return interface ? interface->egress : filters_egress_now(wish, name);
}

static bool has_ifindex(const struct look *look, uint32_t ifindex)
{
	for (size_t i = 0; i < look->iface_count; i++)
		if (look->ifaces[i].ifindex == ifindex)
			return true;
	return false;
}

static int look_start(struct look *look)
{
	int r = weir_devices_read(&look->devices);

	if (r < 0)
		return r;
	look->ifaces = calloc(look->devices.count + 1, sizeof(*look->ifaces));
	if (!look->ifaces)
		return -ENOMEM;
	for (size_t i = 0; i < look->devices.count; i++) {
		const struct weir_device_addr *device = &look->devices.at[i];

		if (!has_ifindex(look, device->ifindex) && is_watched(look->wish, device->name))
			look->ifaces[look->iface_count++] =
				(struct weir_probe_iface){ .ifindex = device->ifindex,
							   .name = device->name };
	}
	return 0;
}

/* `is_granted`: connections of now pass there where no rule speaks. */
static int probe_open(const struct look *look, const struct weir_config *config, bool is_granted,
		      struct weir_diag *diag, struct weir_probe **probe)
{
	_cleanup_state_copy_ char *copy = NULL;
	int r = *probe ? 0 : weir_state_copy(look->wish->state_dir, &copy);

	if (*probe)
		return 0;
	if (r < 0)
		return weir_diag_error(diag, "run it as root", "cannot copy %s: %s",
				       look->wish->state_dir, strerror(-r)),
		       r;
	return weir_probe_new(config,
			      &(struct weir_probe_options){ .state_dir = copy,
							    .ifaces = look->ifaces,
							    .iface_count = look->iface_count,
							    .learns = true,
							    .adopts = true,
							    .adopts_granted = is_granted },
			      diag, probe);
}

/* The packet that arrives, or the answer to it that leaves. */
static int judge_way(struct weir_probe *probe, const struct weir_flow *flow,
		     enum weir_direction direction, uint32_t *ret_reason)
{
	bool is_in = direction == WEIR_INGRESS, is_port = flow->kind == WEIR_FLOW_PORT;
	struct weir_frame_spec spec = {
		.src = is_in ? flow->src : flow->dst,
		.dst = is_in ? flow->dst : flow->src,
		.proto = flow->proto,
		.sport = is_in ? flow->sport : flow->dport,
		.dport = is_in ? flow->dport : flow->sport,
		.given = flow->proto == IPPROTO_TCP ? WEIR_FRAME_TCP_FLAGS : 0,
		.tcp_flags = !is_port ? TCP_ACK :
			     is_in    ? TCP_SYN :
					TCP_SYN | TCP_ACK,
	};
	unsigned char frame[WEIR_FRAME_BYTES];
	struct weir_probe_result result;
	int r = weir_frame_complete(&spec, NULL);

	if (r == 0)
		r = weir_probe_run_on(probe, direction, flow->ifindex, frame,
				      weir_frame_build(&spec, frame), &result);
	if (r == 0)
		*ret_reason = result.reason;
	return r;
}

static int judge(struct weir_probe *probe, const struct weir_flow *flow, bool has_egress,
		 uint32_t *ret_reason)
{
	int r = judge_way(probe, flow, WEIR_INGRESS, ret_reason);

	return r < 0 || !has_egress || weir_reason_is_drop(*ret_reason) ?
		       r :
		       judge_way(probe, flow, WEIR_EGRESS, ret_reason);
}

/* 1: passes now and will be dropped; flow->reason says how. 0, or -errno. */
static int flow_is_cut(struct look *look, struct weir_flow *flow, struct weir_diag *diag)
{
	char name[IF_NAMESIZE] = "";
	bool is_there = if_indextoname(flow->ifindex, name);
	uint32_t reason = 0;
	int r = judge(look->next, flow,
		      is_egress_watched(look->wish, name) || weir_probe_follows(look->next),
		      &flow->reason);

	if (r < 0 || !weir_reason_is_drop(flow->reason))
		return r;
	if (!is_there || !filters_now(look->wish, name))
		return 1;
	r = probe_open(look, look->wish->now, true, diag, &look->now);
	if (r == 0)
		r = judge(look->now, flow, filters_egress_now(look->wish, name), &reason);
	return r < 0 ? r : !weir_reason_is_drop(reason);
}

/* Where packets of the connection arrive, when that is watched. */
static bool flow_place(const struct look *look, struct weir_flow *flow)
{
	const struct weir_device_addr *here = weir_devices_with(&look->devices, &flow->dst);
	bool is_to_us = here;

	if (weir_devices_with(&look->devices, &flow->src) ||
	    weir_addr_is_v4(&flow->src) != weir_addr_is_v4(&flow->dst) ||
	    is_to_us != (flow->kind != WEIR_FLOW_FORWARDED))
		return false;
	if (flow->kind == WEIR_FLOW_FORWARDED)
		here = weir_devices_towards(&look->devices, &flow->src);
	flow->ifindex = here && has_ifindex(look, here->ifindex) ? here->ifindex : 0;
	return flow->ifindex;
}

static int connection_look(struct look *look, const struct weir_flow *live, struct weir_diag *diag,
			   struct weir_preview *preview)
{
	struct weir_flow flow = *live;

	if (!flow_place(look, &flow))
		return 0;
	preview->looked_at++;
	int r = flow_is_cut(look, &flow, diag);

	return r > 0 ? weir_flows_add(&preview->cut, &flow) : r;
}

static bool is_any(const struct weir_addr *addr)
{
	static const unsigned char v6[16], v4[16] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, v6, sizeof(v6)) == 0 || memcmp(addr, v4, sizeof(v4)) == 0;
}

/* A socket bound to :: takes IPv4 too, unless told otherwise, which /proc does not show. */
static bool is_reached_by(const struct weir_flow *port, const struct weir_device_addr *device)
{
	if (!is_any(&port->dst))
		return weir_addr_compare(&port->dst, &device->addr) == 0;
	return !weir_addr_is_v4(&port->dst) || weir_addr_is_v4(&device->addr);
}

static bool is_known(const struct weir_flows *closed, const struct weir_flow *port)
{
	for (size_t i = 0; i < closed->count; i++)
		if (closed->at[i].proto == port->proto && closed->at[i].dport == port->dport &&
		    is_any(&closed->at[i].dst) == is_any(&port->dst))
			return true;
	return false;
}

/* A packet of somebody who is named nowhere, to this address of ours. */
static struct weir_flow stranger_of(const struct weir_flow *port,
				    const struct weir_device_addr *device)
{
	const char *from = weir_addr_is_v4(&device->addr) ? "192.0.2.1" : "2001:db8::1";
	struct weir_flow flow = *port;

	(void)weir_addr_from_string(from, strlen(from), &flow.src);
	flow.sport = STRANGER_PORT;
	flow.dst = device->addr;
	flow.ifindex = device->ifindex;
	return flow;
}

/* Closed: no address of it will be reached, and one is now. */
static int port_look(struct look *look, const struct weir_flow *port, struct weir_diag *diag,
		     struct weir_preview *preview)
{
	struct weir_flow closed = *port;
	bool is_cut = false;

	if (is_known(&preview->closed, port))
		return 0;
	for (size_t i = 0; i < look->devices.count; i++) {
		const struct weir_device_addr *device = &look->devices.at[i];
		struct weir_flow flow = stranger_of(port, device);

		if (!has_ifindex(look, device->ifindex) || !is_reached_by(port, device))
			continue;
		preview->looked_at++;
		int r = flow_is_cut(look, &flow, diag);

		if (r < 0 || !weir_reason_is_drop(flow.reason))
			return r;
		is_cut |= r;
		closed.reason = flow.reason;
	}
	return is_cut ? weir_flows_add(&preview->closed, &closed) : 0;
}

static int session_look(struct look *look, struct weir_diag *diag, struct weir_preview *preview)
{
	struct weir_flow flow;

	if (!look->wish->session)
		return 0;
	flow = *look->wish->session;
	if (!flow_place(look, &flow))
		return 0;
	/* Should the line break, he is to come in again: asked as for a new one. */
	flow.kind = WEIR_FLOW_PORT;
	flow.sport = STRANGER_PORT;
	int r = flow_is_cut(look, &flow, diag);

	if (r > 0)
		preview->session_reason = flow.reason;
	return r < 0 ? r : 0;
}

/* Listed before the probe takes over what the kernel knows: whoever begins in between is not asked
 * about, rather than taken for a stranger. */
static int all_look(struct look *look, struct weir_diag *diag, struct weir_preview *preview)
{
	_cleanup_flows_ struct weir_flows flows = { 0 };
	int r = weir_flows_read(&flows);

	if (r == 0)
		r = probe_open(look, look->wish->next, !look->wish->is_tracked_now, diag,
			       &look->next);
	if (r == 0)
		r = session_look(look, diag, preview);
	for (size_t i = 0; i < flows.count && r == 0; i++)
		r = flows.at[i].kind == WEIR_FLOW_PORT ?
			    port_look(look, &flows.at[i], diag, preview) :
			    connection_look(look, &flows.at[i], diag, preview);
	return r;
}

int weir_preview_make(const struct weir_preview_wish *wish, struct weir_diag *diag,
		      struct weir_preview *ret_preview)
{
	_cleanup_(look_done) struct look look = { .wish = wish };
	_cleanup_preview_ struct weir_preview preview = { 0 };
	int r = look_start(&look);

	if (r == 0 && look.iface_count > 0)
		r = all_look(&look, diag, &preview);
	if (r < 0) {
		if (!diag->errors)
			weir_diag_error(diag, r == -EPERM ? "run it as root" : NULL, "%s",
					strerror(-r));
		return r;
	}
	*ret_preview = preview;
	preview = (struct weir_preview){ 0 };
	return 0;
}
