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

const char *const balance_proto_names[] = { "tcp", "udp", NULL };
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
	  .wants_value = true,
	  .help = "Its port. Without: the service's." },
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
	  .type = WEIR_FIELD_UINT,
	  .offset = SERVICE(port),
	  .required = true,
	  .least = 1,
	  .most = 65535,
	  .help = "The port that clients speak to." },
	{ .key = "proto",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(proto),
	  .values = balance_proto_names,
	  .fallback = "tcp",
	  .wants_value = true,
	  .help = "tcp or udp." },
	{ .key = "forward",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(forward),
	  .values = balance_forward_names,
	  .fallback = "nat",
	  .wants_value = true,
	  .help = "How its packets reach a backend. nat: with the backend's address and port. The "
		  "others leave both alone, and the backend answers the client itself: l2, to its "
		  "MAC address; ipip, behind another IP header; gue, behind that and UDP." },
	{ .key = "backends",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SERVICE(backends),
	  .count_offset = SERVICE(backend_count),
	  .size = sizeof(struct balance_backend_text),
	  .fields = backend_fields,
	  .help = "Who serves it. Which one a connection goes to, its source says, by Maglev "
		  "hashing: the same one on every host with this configuration." },
	{ 0 },
};

const struct weir_field balance_fields[] = {
	{ .key = "services",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SECTION(services),
	  .count_offset = SECTION(service_count),
	  .size = sizeof(struct balance_text),
	  .fields = service_fields,
	  .help = "Addresses whose connections are shared out among backends." },
	{ .key = "source",
	  .type = WEIR_FIELD_STRING,
	  .offset = SECTION(source),
	  .help = "The IPv4 address that ipip and gue send from. Without: the one that the route "
		  "to "
		  "the backend gives." },
	{ .key = "source6",
	  .type = WEIR_FIELD_STRING,
	  .offset = SECTION(source6),
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

static int name_check(const struct balance_section *section, unsigned index, struct weir_diag *diag)
{
	const char *name = section->services[index].name;
	char key[64];

	if (name_is_good(name))
		return 0;
	snprintf(key, sizeof(key), "balance.services[%u].name", index);
	return weir_diag_key(diag, key,
			     "write 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a letter or "
			     "digit",
			     "'%.40s' is not a name", name);
}

static int service_check(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag)
{
	struct balance_end end;
	int name = name_check(section, index, diag);
	int r = balance_service_read(section, index, diag, &end);

	for (unsigned i = 0; i < section->services[index].backend_count; i++)
		r = balance_backend_read(section, index, i, diag, &end) ?: r;
	return name ?: r;
}

/* Somewhere packets may arrive at XDP, which cannot translate by itself. */
static void behind_xdp_check(const struct weir_config *config, struct weir_diag *diag)
{
	bool is_at_tc = config->interface_count > 0;

	for (unsigned i = 0; i < config->interface_count; i++)
		is_at_tc = is_at_tc && config->interfaces[i].hook == WEIR_HOOK_TC;
	if (is_at_tc || weir_kernel_has_tcx())
		return;
	weir_diag_warning_key(diag, "balance.services",
			      "write `hook: tc` at interfaces, or use Linux 6.6 or later",
			      "what arrives at XDP is not shared out: this kernel takes no program "
			      "behind XDP (TCX, Linux 6.6), which translates");
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
	if (!weir_config_tracks(config))
		result =
			weir_diag_key(diag, "balance.services",
				      "write `conntrack: {enabled: auto}`, or leave `services` out",
				      "connections are not tracked, by the configuration: nobody "
				      "would know whose answers are whose");
	if (!result)
		behind_xdp_check(config, diag);
	return result;
}
