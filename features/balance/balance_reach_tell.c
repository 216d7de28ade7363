/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of the ways to backends: by service check, which doctor asks, and as warnings. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "core/engine.h"
#include "features/balance/balance_live.h"
#include "features/balance/balance_reach.h"

#define TOLD_MOST 8
#define TCP_V4_BYTES 40 /* IP and TCP headers, without options */
#define TCP_V6_BYTES 60
#define PORTS_LAST 60999 /* that sockets get, as Linux has it */

static void narrow_write(const struct balance_reach_finding *finding, const char *backend,
			 struct weir_buf *what, struct weir_buf *mend)
{
	uint32_t fits = finding->has > finding->outer ? finding->has - finding->outer : 0;
	uint32_t headers = strchr(finding->service->address, ':') ? TCP_V6_BYTES : TCP_V4_BYTES;

	weir_buf_addf(what,
		      "the way to the backend %s by %s takes %u bytes, and packets of clients of "
		      "up to %u need %u with the headers of %s: what is longer than %u does not "
		      "get there",
		      backend, finding->link, finding->has, finding->wants - finding->outer,
		      finding->wants, balance_forward_names[finding->service->forward], fits);
	weir_buf_addf(mend, "make it %u bytes wide (ip link set dev %s mtu %u, and so on the way)",
		      finding->wants, finding->link, finding->wants);
	if (fits > headers)
		weir_buf_addf(
			mend,
			", or let backends ask for an MSS of %u (ip route change … advmss %u)",
			fits - headers, fits - headers);
}

static void ports_write(const struct balance_reach_finding *finding, const char *source,
			struct weir_buf *what, struct weir_buf *mend)
{
	uint32_t first = BALANCE_PORT_FIRST + BALANCE_PORT_COUNT;

	weir_buf_addf(
		what,
		"this host's own sockets get ports from %u on, and ports of %s up to %u stand "
		"for clients (source): a health check's may be a client's at the same backend",
		finding->has, source, first - 1);
	weir_buf_addf(mend, "sysctl -w net.ipv4.ip_local_port_range=\"%u %u\"", first,
		      finding->wants > first ? finding->wants : PORTS_LAST);
}

void balance_reach_write(const struct balance_reach_finding *finding, struct weir_buf *what,
			 struct weir_buf *mend)
{
	char backend[WEIR_ADDR_TEXT];

	weir_addr_to_string(&finding->backend, backend);
	switch (finding->fault) {
	case BALANCE_NO_ROUTE:
		weir_buf_addf(what, "this host has no route to the backend %s", backend);
		weir_buf_addf(mend, "ip route add %s/%d via ROUTER, or write the address it has",
			      backend, weir_addr_is_v4(&finding->backend) ? 32 : 128);
		break;
	case BALANCE_NOT_FORWARDED:
		weir_buf_addf(what, "this host does not forward packets, as to the backend %s",
			      backend);
		weir_buf_add_str(mend, weir_addr_is_v4(&finding->backend) ?
					       "sysctl -w net.ipv4.ip_forward=1" :
					       "sysctl -w net.ipv6.conf.all.forwarding=1");
		break;
	case BALANCE_BEHIND_ROUTER:
		weir_buf_addf(what,
			      "the backend %s is behind a router, which would get packets that "
			      "bear the service's address",
			      backend);
		weir_buf_addf(mend, "write `forward: ipip` or `gue`, or an address of the backend "
				    "on a link of this host");
		break;
	case BALANCE_TOO_NARROW:
		narrow_write(finding, backend, what, mend);
		break;
	case BALANCE_FOREIGN_SOURCE:
		weir_buf_addf(
			what,
			"%s stands for its clients (source) and is no address of this host, so "
			"nothing that backends answer comes back",
			backend);
		weir_buf_addf(mend, "ip addr add %s/%d dev INTERFACE, or write one that it has",
			      backend, weir_addr_is_v4(&finding->backend) ? 32 : 128);
		break;
	case BALANCE_SHARED_PORTS:
		ports_write(finding, backend, what, mend);
		break;
	default:
		return;
	}
	if (finding->count > 1)
		weir_buf_addf(what, "; likewise %u more", finding->count - 1);
}

/* --- warnings ------------------------------------------------------------------------------ */

/* A worker may not look at what is attached: what is to be is what the configuration and the
 * command line name. */
struct named {
	const struct weir_config *config;
	const struct weir_engine_options *options;
};

static bool is_named(const void *arg, const struct weir_device *device)
{
	const struct named *named = arg;

	for (unsigned i = 0; i < named->config->interface_count; i++)
		if (fnmatch(named->config->interfaces[i].name, device->name, 0) == 0)
			return true;
	for (const char *const *name = named->options->interfaces; name && *name; name++)
		if (fnmatch(*name, device->name, 0) == 0)
			return true;
	return false;
}

struct warnings {
	struct weir_diag *diag;
	unsigned count;
};

static void warn(void *arg, const struct balance_reach_finding *finding)
{
	struct warnings *warnings = arg;
	_cleanup_buf_ struct weir_buf what = { 0 }, mend = { 0 };

	if (warnings->count++ >= TOLD_MOST)
		return;
	balance_reach_write(finding, &what, &mend);
	weir_diag_warning(warnings->diag, weir_buf_str(&mend), "service '%s': %s",
			  finding->service->name, weir_buf_str(&what));
}

void balance_reach_advise(const struct weir_compile *compile, const struct balance_section *section)
{
	const struct balance *state = compile->state;
	unsigned seen;

	/* Of a start nothing is told: links and routes may be on their way, too. */
	if (!state || !state->engine || !state->config || state->config == compile->config ||
	    !section->service_count)
		return;
	const struct named named = { compile->config, weir_engine_options(state->engine) };
	struct balance_reach reach = { .is_watched = is_named, .arg = &named };
	struct warnings warnings = { .diag = compile->diag };

	if (!balance_reach_open(&reach))
		balance_reach_look(&reach, section, warn, &warnings, &seen);
	if (warnings.count > TOLD_MOST)
		weir_diag_warning(compile->diag, "weir service check",
				  "%u more of the ways to backends are wanting",
				  warnings.count - TOLD_MOST);
	balance_reach_done(&reach);
}

void balance_reach_advise_one(const struct balance *state, const struct balance_section *section,
			      const struct balance_text *service, const struct weir_addr *backend,
			      struct weir_diag *diag)
{
	const struct named named = { weir_engine_config(state->engine),
				     weir_engine_options(state->engine) };
	struct balance_reach reach = { .is_watched = is_named, .arg = &named };
	struct balance_reach_finding finding = { 0 };
	struct warnings warnings = { .diag = diag };

	if (!balance_reach_open(&reach) &&
	    !balance_reach_one(&reach, section, service, backend, &finding) &&
	    finding.fault != BALANCE_REACHED)
		warn(&warnings, &finding);
	balance_reach_done(&reach);
}

void balance_reach_advise_source(const struct balance_text *service, struct weir_diag *diag)
{
	struct warnings warnings = { .diag = diag };

	balance_reach_source(service, warn, &warnings);
	balance_reach_ports(service, 1, warn, &warnings);
}

/* --- service check ------------------------------------------------------------------------- */

static bool is_attached(const void *arg, const struct weir_device *device)
{
	const struct weir_snapshot *snapshot = arg;

	for (size_t i = 0; snapshot && i < snapshot->interface_count; i++)
		if (snapshot->interfaces[i].attached &&
		    snapshot->interfaces[i].ifindex == device->ifindex)
			return true;
	return false;
}

struct checks {
	struct weir_json_out *json;
	unsigned faults;
};

void balance_check_put(struct weir_json_out *json, const char *check, bool is_ok, const char *found,
		       const char *mend)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "check", check);
	weir_json_put_bool(json, "ok", is_ok);
	weir_json_put_str(json, "level", is_ok ? "ok" : "warning");
	weir_json_put_str(json, "found", found);
	weir_json_put_str(json, "mend", mend);
	weir_json_close_object(json);
}

static void fault_put(void *arg, const struct balance_reach_finding *finding)
{
	struct checks *checks = arg;
	_cleanup_buf_ struct weir_buf what = { 0 }, mend = { 0 }, name = { 0 };

	checks->faults++;
	weir_buf_addf(&name, "service %s", finding->service->name);
	balance_reach_write(finding, &what, &mend);
	balance_check_put(checks->json, weir_buf_str(&name), false, weir_buf_str(&what),
			  weir_buf_str(&mend));
}

static void rest_put(struct checks *checks, unsigned seen, unsigned all, int error)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (error)
		weir_buf_addf(&text, "not checked: the kernel's routes cannot be read: %s",
			      strerror(-error));
	else if (seen < all)
		weir_buf_addf(&text, "the first %u of %u backends were looked at", seen, all);
	else
		weir_buf_addf(&text, "%u looked at", seen);
	if (error || !checks->faults || seen < all)
		balance_check_put(checks->json, "ways to backends", !error, weir_buf_str(&text),
				  NULL);
}

static int run_check(struct weir_engine *engine, struct weir_call *call)
{
	struct balance *state = weir_engine_state(engine, &weir_balance);
	const struct balance_live *live = balance_live_of(state);
	struct balance_reach reach = { .is_watched = is_attached,
				       .arg = weir_engine_snapshot(engine) };
	struct weir_json_out json = { .out = &call->reply };
	struct checks checks = { .json = &json };
	unsigned seen = 0, all = 0;

	if (!live)
		return -ENOMEM;
	for (unsigned i = 0; i < live->acting.service_count; i++)
		all += balance_staying(&live->acting.services[i]);
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "checks");
	int r = all ? balance_reach_open(&reach) : 0;

	if (!r && all)
		r = balance_reach_look(&reach, &live->acting, fault_put, &checks, &seen);
	if (all)
		rest_put(&checks, seen, all, r);
	if (all)
		balance_shortcut_tell(state, reach.arg, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	balance_reach_done(&reach);
	return 0;
}

const struct weir_op balance_reach_op = {
	.name = "service.check",
	.summary = "Say to which backends this host has no way, or too narrow a one",
	.kind = WEIR_OP_READ,
	.role = WEIR_ROLE_VIEWER,
	.example = "service check",
	.run = run_check,
};
