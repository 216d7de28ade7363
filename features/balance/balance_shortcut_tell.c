/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps packets from the shortcut, where it is asked for: by service check, which doctor asks.
 */
#include <string.h>

#include "features/balance/balance_reach.h"

static bool is_at_tc(const struct weir_interface_view *interface)
{
	return strncmp(interface->mode, "xdp", strlen("xdp")) != 0;
}

static void arrives_tell(enum balance_shortcut shortcut,
			 const struct weir_interface_view *interface, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf what = { 0 }, mend = { 0 };
	bool wants_tc = shortcut == BALANCE_SHORTCUT_TC;

	if (wants_tc ? is_at_tc(interface) : !strcmp(interface->mode, "xdp native"))
		return;
	weir_buf_addf(&what, "%s is at %s: what arrives by it goes %s", interface->name,
		      interface->mode,
		      is_at_tc(interface) ? "on from there, not from XDP" : "by the kernel");
	if (wants_tc)
		weir_buf_addf(&mend, "`hook: tc` for %s, or `shortcut: xdp`", interface->name);
	else
		weir_buf_addf(&mend, "`hook: xdp` for %s, if it takes native XDP", interface->name);
	balance_check_put(json, "shortcut", false, weir_buf_str(&what), weir_buf_str(&mend));
}

static void leaves_tell(const struct balance *state, const struct weir_interface_view *interface,
			struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf what = { 0 };

	if (state->senders[interface->ifindex % SHORTCUT_CELLS] == interface->ifindex)
		return;
	weir_buf_addf(&what, "%s takes nothing from XDP: what leaves by it goes by the kernel",
		      interface->name);
	balance_check_put(json, "shortcut", false, weir_buf_str(&what),
			  "of a veth, ethtool -K NAME gro on at its other end; a card may need an "
			  "XDP program of its own: `hook: xdp`");
}

void balance_shortcut_tell(const struct balance *state, const struct weir_snapshot *snapshot,
			   struct weir_json_out *json)
{
	enum balance_shortcut shortcut = balance_section_of(state)->shortcut;

	if (!shortcut || !snapshot)
		return;
	if (state->ways.by.by_more) {
		balance_check_put(json, "shortcut", false,
				  "the kernel has rules by protocol, port, mark or class: all goes "
				  "by it",
				  "ip rule and ip -6 rule show them");
		return;
	}
	for (size_t i = 0; i < snapshot->interface_count; i++) {
		/* Nobody who comes by lo is a client that is sent on. */
		if (!snapshot->interfaces[i].attached ||
		    !strcmp(snapshot->interfaces[i].name, "lo"))
			continue;
		arrives_tell(shortcut, &snapshot->interfaces[i], json);
		if (shortcut == BALANCE_SHORTCUT_XDP)
			leaves_tell(state, &snapshot->interfaces[i], json);
	}
	if (shortcut == BALANCE_SHORTCUT_XDP && state->unsummed.is_told)
		balance_check_put(json, "shortcut", false,
				  "packets arrive whose checksum is still to be computed: they go "
				  "by the kernel",
				  "ethtool -K NAME tx off at who sends them: of a veth, its other "
				  "end; of a virtual machine, its card; or `shortcut: tc`");
}
