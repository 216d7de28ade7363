/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `synproxy:` in weir.yaml. What an entry means is synproxy_read.c's. */
#include <errno.h>
#include <stdio.h>

#include "core/compile.h"
#include "features/synproxy/synproxy_state.h"

#define SECTION(member) offsetof(struct synproxy_section, member)
#define SERVICE(member) offsetof(struct synproxy_text, member)

const char *const synproxy_mode_names[] = { "always", "rate", NULL };

const char *const synproxy_where_names[] = { "here", "behind", "both", NULL };

static const struct weir_field service_fields[] = {
	{ .key = "ports",
	  .type = WEIR_FIELD_STRING,
	  .offset = SERVICE(ports),
	  .required = true,
	  .help = "TCP ports of the service, up to 8 ports and ranges: 80, 443, 8000-8100." },
	{ .key = "to",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = SERVICE(to),
	  .count_offset = SERVICE(to_count),
	  .help = "Up to 4 addresses or prefixes at which it is. Without: at all of this host." },
	{ .key = "where",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(where),
	  .values = synproxy_where_names,
	  .fallback = "here",
	  .wants_value = true,
	  .help = "here: programs of this host; behind: servers that it forwards to, which `to` "
		  "must name; both." },
	{ .key = "mode",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SERVICE(mode),
	  .values = synproxy_mode_names,
	  .fallback = "rate",
	  .wants_value = true,
	  .help = "always: each SYN is answered with a cookie; rate: while there are many." },
	{ .key = "on",
	  .type = WEIR_FIELD_RATE,
	  .offset = SERVICE(on),
	  .fallback = "1000/s",
	  .least = 1,
	  .most = 1000000000,
	  .wants_value = true,
	  .help = "With mode rate: from so many SYNs to the service on they are answered." },
	{ .key = "off",
	  .type = WEIR_FIELD_RATE,
	  .offset = SERVICE(off),
	  .least = 1,
	  .most = 1000000000,
	  .wants_value = true,
	  .help = "... and until they have been fewer than so many for the time of `hold`. Half of "
		  "`on` without it." },
	{ .key = "hold",
	  .type = WEIR_FIELD_DURATION,
	  .offset = SERVICE(hold),
	  .fallback = "30s",
	  .least = 3000000000,
	  .most = 86400000000000,
	  .wants_value = true,
	  .help = "How long SYNs have to be few before they are left to the listener again." },
	{ 0 },
};

const struct weir_field synproxy_fields[] = {
	{ .key = "services",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SECTION(services),
	  .count_offset = SECTION(service_count),
	  .size = sizeof(struct synproxy_text),
	  .fields = service_fields,
	  .help = "Services whose SYNs are answered with cookies, 16 at most; the "
		  "first that a packet is for decides." },
	{ .key = "mss",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(mss),
	  .fallback = "1460",
	  .least = 536,
	  .most = 9000,
	  .help = "The largest TCP segment that answers ask for over IPv4, the MTU less 40; over "
		  "IPv6 20 bytes less." },
	{ 0 },
};

static int services_check(const struct synproxy_section *section, struct weir_diag *diag)
{
	struct synproxy_meaning meanings[SYNPROXY_SERVICES_MAX];
	int result = 0;

	if (section->service_count > SYNPROXY_SERVICES_MAX)
		return weir_diag_key(diag, "synproxy.services", "leave some out",
				     "%u services, where %d are the most", section->service_count,
				     SYNPROXY_SERVICES_MAX);
	for (unsigned i = 0; i < section->service_count; i++) {
		int r = synproxy_read(&section->services[i], i, diag, &meanings[i]);

		result = result ? result : r;
	}
	if (!result)
		synproxy_covered_tell(meanings, section->service_count, diag);
	return result;
}

int synproxy_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct synproxy_section *section = data;
	int result = services_check(section, diag);

	if (section->service_count && !weir_config_tracks(config))
		return weir_diag_key(diag, "synproxy.services",
				     "write `conntrack: {enabled: auto}`, or leave `services` out",
				     "connections are not tracked, by the configuration: nobody "
				     "would know which packets belong to one that has begun");
	if (!result && section->service_count && synproxy_lack())
		weir_diag_warning_key(diag, "synproxy.services",
				      "limits on SYNs stand in (`weir limit show`); use Linux 6.0 "
				      "or later",
				      "SYNs are not answered: %s", synproxy_lack());
	else if (!result && weir_config_names_xdp(config) && synproxy_lack_at_xdp(section))
		weir_diag_warning_key(diag, "synproxy.services",
				      "write `hook: auto` or `tc` at interfaces, or use Linux 6.6 "
				      "or later",
				      "SYNs that arrive at XDP are not answered: %s",
				      synproxy_lack_at_xdp(section));
	return result;
}
