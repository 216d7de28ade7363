/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `balance:` in weir.yaml. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/compile.h"
#include "core/kernel_means.h"
#include "features/balance/balance_state.h"

#define SECTION(member) offsetof(struct balance_section, member)
#define SERVICE(member) offsetof(struct balance_text, member)
#define BACKEND(member) offsetof(struct balance_backend_text, member)

const char *const balance_proto_names[] = { "tcp", "udp", "sctp", NULL };
const char *const balance_forward_names[] = { "nat", "l2", "ipip", "gue", NULL };

static const struct weir_field backend_fields[] = {
	{ .key = "address",
	  .type = WEIR_FIELD_STRING,
	  .offset = BACKEND(address),
	  .required = true,
	  .help = "The backend's address, of the service's family." },
	{ .key = "port",
	  .type = WEIR_FIELD_UINT,
	  .offset = BACKEND(port),
	  .least = 1,
	  .most = 65535,
	  .or_else = "leave it out: then it is the service's",
	  .wants_value = true,
	  .help = "Its port. Without: the service's. Where that has a range, the port of its first "
		  "one; the others follow." },
	{ .key = "weight",
	  .type = WEIR_FIELD_UINT,
	  .offset = BACKEND(weight),
	  .fallback = "1",
	  .most = BALANCE_WEIGHT_MAX,
	  .wants_value = true,
	  .help = "Its share of new connections, beside the weights of the others. 0: it gets no "
		  "new ones, and keeps those it has." },
	{ 0 },
};

static const struct weir_field service_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = SERVICE(name),
	  .required = true,
	  .help = "The service's name: 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a letter "
		  "or digit." },
	{ .key = "address",
	  .type = WEIR_FIELD_STRING,
	  .offset = SERVICE(address),
	  .required = true,
	  .help = "The address that clients speak to. Packets to it must come by here: it is this "
		  "host's own, or routed to it." },
	{ .key = "port",
	  .type = WEIR_FIELD_PORTS,
	  .offset = SERVICE(port),
	  .required = true,
	  .help = "The port that clients speak to; or a range, 8000-8099; or all, every port that "
		  "is no other service's." },
	{ .key = "proto",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(proto),
	  .values = balance_proto_names,
	  .fallback = "tcp",
	  .wants_value = true,
	  .help = "tcp, udp or sctp." },
	{ .key = "source",
	  .type = WEIR_FIELD_STRING,
	  .offset = SERVICE(source),
	  .help = "An address of this host that backends see in the clients' place (full NAT), so "
		  "that they answer by here wherever clients are. Without: they see the clients." },
	{ .key = "forward",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(forward),
	  .values = balance_forward_names,
	  .fallback = "nat",
	  .wants_value = true,
	  .help = "How its packets reach a backend. nat: with the backend's address and port. The "
		  "others leave both alone, and the backend answers the client itself: l2, to its "
		  "MAC address; ipip, behind another IP header; gue, behind that and UDP." },
	{ .key = "scheduler",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(scheduler),
	  .values = balance_scheduler_names,
	  .fallback = "maglev",
	  .wants_value = true,
	  .help = "Which backend a new connection gets, by weights. maglev: what its source "
		  "address "
		  "and port say, the same on every host with this configuration; round-robin: the "
		  "next in turn; source-hash: what its source address says; least-connections: who "
		  "has the fewest connections for his weight, of two that are drawn, or of all "
		  "where "
		  "there are no more than 16." },
	{ .key = "client-prefix",
	  .type = WEIR_FIELD_UINT,
	  .offset = SERVICE(client_prefix),
	  .least = 1,
	  .most = 128,
	  .wants_value = true,
	  .help = "Of source-hash: how many bits of a client's address count; whoever has the same "
		  "ones gets the same backend. Without: all." },
	{ .key = "affinity",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SERVICE(affinity),
	  .size = sizeof(struct balance_affinity_text),
	  .fields = balance_affinity_fields,
	  .help = "A client that comes again gets the backend that he had, whatever `scheduler` "
		  "says." },
	{ .key = "backends",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SERVICE(backends),
	  .count_offset = SERVICE(backend_count),
	  .size = sizeof(struct balance_backend_text),
	  .fields = backend_fields,
	  .help = "Who serves it. Which one a connection goes to, `scheduler` says." },
	{ .key = "health",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SERVICE(health),
	  .size = sizeof(struct health_text),
	  .fields = health_fields,
	  .help = "How it is known which backends are up. Who is down gets no new connections." },
	{ .key = "on-all-down",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(on_all_down),
	  .values = health_all_down_names,
	  .fallback = "refuse",
	  .wants_value = true,
	  .help = "Where all backends are down: refuse drops what is new (drop_no_backend) and "
		  "tells its sender, drop does not tell, keep-all goes on as if all were up. "
		  "Where there is none, or all are drained, keep-all refuses." },
	{ .key = "announce",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SERVICE(announce),
	  .fallback = "false",
	  .wants_value = true,
	  .help = "Neighbours are told that this host has the service's address: when the service "
		  "begins to act, and when an interface or the address comes up." },
	{ 0 },
};

static const char *const shortcut_names[] = { "none", "tc", "xdp", NULL };

const struct weir_field balance_fields[] = {
	{ .key = "services",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SECTION(services),
	  .count_offset = SECTION(service_count),
	  .size = sizeof(struct balance_text),
	  .fields = service_fields,
	  .help = "Addresses whose connections are shared out among backends." },
	{ .key = "shortcut",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SECTION(shortcut),
	  .values = shortcut_names,
	  .fallback = "none",
	  .wants_value = true,
	  .help = "Packets of established connections go from the hook where they arrive straight "
		  "to the interface they leave by, past nftables and what else the kernel would "
		  "do to what it forwards. tc: from TC. xdp: from native XDP where both "
		  "interfaces can, with all for backends that answer clients themselves, past "
		  "queueing disciplines too; from TC what arrives there." },
	{ .key = "shortcut-flows",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(shortcut_flows),
	  .fallback = "262144",
	  .most = 16777216,
	  .wants_value = true,
	  .help = "Flows of which `shortcut: xdp` remembers how their last packet was sent on, 64 "
		  "bytes each (128 of IPv6), shared out among the CPUs: the next packet is sent "
		  "likewise, and met by no other stage. 0: none. Taken by datagrams, and by "
		  "packets to backends that answer clients themselves." },
	{ .key = "source-ports",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(source_ports),
	  .fallback = "262144",
	  .least = 1024,
	  .most = 16777216,
	  .wants_value = true,
	  .help = "Lines for connections of services with `source`, 64 bytes each, taken only when "
		  "there are such services. One that finds none of its eight free is dropped "
		  "(drop_no_port), of which the chance is one in 250 when half are in use." },
	{ .key = "affinity-clients",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(affinity_clients),
	  .fallback = "65536",
	  .least = 1024,
	  .most = 16777216,
	  .wants_value = true,
	  .help = "Places for clients of services with `affinity`, 32 bytes each, taken only when "
		  "there are such services. Where eight have the same place in the table, the "
		  "ninth takes that of who would be forgotten first (`displaced` in weir "
		  "status)." },
	{ .key = "tunnel-source",
	  .type = WEIR_FIELD_STRING,
	  .offset = SECTION(tunnel_source),
	  .help = "The IPv4 address that ipip and gue send from. Without: the one that the route "
		  "to the backend gives." },
	{ .key = "tunnel-source6",
	  .type = WEIR_FIELD_STRING,
	  .offset = SECTION(tunnel_source6),
	  .help = "Likewise the IPv6 address." },
	{ 0 },
};

static bool name_is_good(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= BALANCE_NAME_MAX && strchr(first, name[0]) &&
	       strspn(name, all) == len;
}

int balance_name_check(const char *name, const char *path, struct weir_diag *diag)
{
	char key[64];

	if (name_is_good(name))
		return 0;
	snprintf(key, sizeof(key), "%s%sname", path, *path ? "." : "");
	return weir_diag_key(diag, key,
			     "write 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a letter or "
			     "digit",
			     "'%.40s' is not a name", name);
}

static int service_check(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag)
{
	struct balance_end end;
	struct weir_addr source;
	char path[48];

	snprintf(path, sizeof(path), "balance.services[%u]", index);
	int name = balance_name_check(section->services[index].name, path, diag);
	int r = balance_service_read(section, index, diag, &end);

	r = balance_source_read(section, index, diag, &source) ?: r;
	for (unsigned i = 0; i < section->services[index].backend_count; i++)
		r = balance_backend_read(section, index, i, diag, &end) ?: r;
	r = balance_scheduler_check(section, index, diag) ?: r;
	r = balance_affinity_check(section, index, diag) ?: r;
	r = health_check(section, index, diag) ?: r;
	return name ?: r;
}

/* Packets are to arrive at XDP, which cannot translate by itself. `auto` takes TC then. */
static void behind_xdp_check(const struct weir_config *config, const char *key,
			     struct weir_diag *diag)
{
	if (!weir_config_names_xdp(config) || weir_kernel_has_tcx())
		return;
	weir_diag_warning_key(diag, key,
			      "write `hook: auto` or `tc` at interfaces, or use Linux 6.6 or later",
			      "what arrives at XDP is not shared out: this kernel takes no program "
			      "behind XDP (TCX, Linux 6.6), which translates");
}

int balance_needs_check(const struct weir_config *config, const char *key, struct weir_diag *diag)
{
	if (!weir_config_tracks(config))
		return weir_diag_key(diag, key,
				     "write `conntrack: {enabled: auto}`, or leave `services` out",
				     "connections are not tracked, by the configuration: nobody "
				     "would know whose answers are whose");
	behind_xdp_check(config, key, diag);
	return 0;
}

int balance_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct balance_section *section = data;
	int result = 0;

	if (!section->service_count)
		return 0;
	if (section->service_count > BALANCE_SERVICES_MAX)
		return weir_diag_key(diag, "balance.services", "leave some out",
				     "%u services, where %d are the most", section->service_count,
				     BALANCE_SERVICES_MAX);
	for (unsigned i = 0; i < section->service_count; i++)
		result = service_check(section, i, diag) ?: result;
	if (!result)
		result = balance_direct_check(section, diag) ?: balance_twice_check(section, diag);
	if (!weir_config_tracks(config) || !result)
		result = balance_needs_check(config, "balance.services", diag);
	return result;
}
