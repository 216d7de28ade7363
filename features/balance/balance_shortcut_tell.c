/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps packets from the shortcut, where it is asked for: by service check, which doctor asks.
 */
#include <string.h>

#include "features/balance/balance_reach.h"

static void arrives_tell(const struct weir_interface_view *interface, struct weir_json_out *json)
{
	_cleanup_buf_ struct weir_buf what = { 0 }, mend = { 0 };

	if (strcmp(interface->mode, "xdp native") == 0)
		return;
	weir_buf_addf(&what, "%s is at %s: what arrives by it goes by the kernel", interface->name,
		      interface->mode);
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
	if (balance_section_of(state)->shortcut != BALANCE_SHORTCUT_XDP || !snapshot)
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
		arrives_tell(&snapshot->interfaces[i], json);
		leaves_tell(state, &snapshot->interfaces[i], json);
	}
}
