/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `conntrack:` in weir.yaml. */
#include "features/conntrack/conntrack_state.h"

#define SECTION(member) offsetof(struct conntrack_section, member)
#define CAPACITY_MOST 16000000

static const char *const switch_names[] = { "auto", "true", "false", NULL };

#define TIMEOUT(identifier, name, timeout, words)                        \
	{ .key = name,                                                   \
	  .type = WEIR_FIELD_DURATION,                                   \
	  .offset = (size_t)(identifier) * sizeof(struct weir_quantity), \
	  .fallback = timeout,                                           \
	  .least = CONNTRACK_TIMEOUT_LEAST_NS,                           \
	  .most = CONNTRACK_TIMEOUT_MOST_NS,                             \
	  .help = words "." },

#define HELPERS(member) (offsetof(struct conntrack_section, helpers.member) - SECTION(helpers))

static const struct weir_field helper_fields[] = {
	{ .key = "ftp",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = HELPERS(ftp),
	  .count_offset = HELPERS(ftp_count),
	  .help = "Ports of FTP servers, [21] as a rule: the data connections they and their "
		  "clients agree on are let in, from and to the two only." },
	{ 0 },
};

static const struct weir_field timeout_fields[] = { CONNTRACK_STATES(TIMEOUT){ 0 } };

const struct weir_field conntrack_fields[] = {
	{ .key = "enabled",
	  .type = WEIR_FIELD_ENUM,
	  .offset = SECTION(enabled),
	  .values = switch_names,
	  .fallback = "auto",
	  .help = "Whether connections are tracked. auto: when a default policy or a last rule "
		  "denies, or a rule asks for a state." },
	{ .key = "capacity",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(capacity),
	  .fallback = "100000",
	  .least = 1,
	  .most = CAPACITY_MOST,
	  .help = "Flows that have proven themselves: both sides were seen, and the first again. "
		  "About 165 bytes each. A quarter of the room is for TCP whose handshake was "
		  "seen." },
	{ .key = "half-open",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(half_open),
	  .fallback = "65536",
	  .least = 1,
	  .most = CAPACITY_MOST,
	  .help = "Flows that have not. In a flood the oldest make room, and only here." },
	{ .key = "window-check",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(window_check),
	  .fallback = "true",
	  .help = "TCP packets whose numbers lie outside what both sides have room for are "
		  "invalid." },
	{ .key = "pick-up",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(pick_up),
	  .fallback = "true",
	  .help = "TCP connections whose beginning was not seen are new, not invalid." },
	{ .key = "asymmetric",
	  .type = WEIR_FIELD_BOOL,
	  .offset = SECTION(asymmetric),
	  .fallback = "false",
	  .help = "Only one direction of a connection may come by here: it counts as established "
		  "without an answer, and windows are not checked. None has then shown that its "
		  "sender hears the answers, so a quarter of the room stays unused." },
	{ .key = "timeouts",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(timeouts),
	  .size = sizeof(((struct conntrack_section *)0)->timeouts),
	  .fields = timeout_fields,
	  .help = "How long a flow is remembered after its last packet, by its state." },
	{ .key = "helpers",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = SECTION(helpers),
	  .size = sizeof(((struct conntrack_section *)0)->helpers),
	  .fields = helper_fields,
	  .help = "Protocols whose words open second connections." },
	{ 0 },
};
