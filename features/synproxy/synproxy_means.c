/* SPDX-License-Identifier: Apache-2.0 */
/* By which of the kernel's means connections come about, and what is to be said where there are
 * none. */
#include <stddef.h>

#include "core/kernel_means.h"
#include "core/kfunc.h"
#include "features/synproxy/synproxy_state.h"

const char *synproxy_lack(void)
{
	return weir_kernel_has_raw_cookies() ?
		       NULL :
		       "this kernel has no bpf_tcp_raw_gen_syncookie_ipv4 (Linux 6.0), by which "
		       "cookies are made";
}

static bool kernel_hands(void)
{
	return weir_kfunc_is_there(WEIR_KFUNC_SK_ASSIGN_TCP_REQSK);
}

bool synproxy_section_relays(const struct synproxy_section *section)
{
	for (unsigned i = 0; i < section->service_count; i++)
		if (section->services[i].where != SYNPROXY_AT_HERE || !kernel_hands())
			return true;
	return false;
}

const char *synproxy_lack_at_xdp(const struct synproxy_section *section)
{
	if (!synproxy_section_relays(section) || weir_kernel_has_tcx())
		return NULL;
	return "this kernel takes no program behind XDP (TCX, Linux 6.6), where numbers of a "
	       "relayed connection are translated";
}

void synproxy_means(struct weir_cookie_constants *constants)
{
	constants->hands = kernel_hands();
	constants->behind_xdp = weir_kernel_has_tcx();
}
