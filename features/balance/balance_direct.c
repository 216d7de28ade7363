/* SPDX-License-Identifier: Apache-2.0 */
/* Services whose backends answer the client themselves (DSR), and whose packets so must reach them
 * as they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ports.h"
#include "features/balance/balance_state.h"

int balance_forward_parse(const char *name)
{
	for (int i = 0; balance_forward_names[i]; i++)
		if (strcmp(balance_forward_names[i], name) == 0)
			return i;
	return -1;
}

bool balance_tunnels(const struct balance_text *service)
{
	return service->forward == WEIR_FORWARD_IPIP || service->forward == WEIR_FORWARD_GUE;
}

int balance_direct_backend_check(const struct balance_text *service,
				 const struct balance_backend_text *text, const char *port_key,
				 const char *address_key, struct weir_diag *diag)
{
	struct balance_end here, there;
	char ports[WEIR_PORTS_TEXT];

	if (service->forward == WEIR_FORWARD_NAT)
		return 0;
	if (balance_service_read_as(service, "", NULL, &here) ||
	    balance_backend_read_as(service, text, "", NULL, &there))
		return -EINVAL;
	if (text->port && text->port != weir_ports_first(service->port))
		return weir_diag_key(diag, port_key, "leave it out, or write `forward: nat`",
				     "`forward: %s` changes no port, and the service's is %s",
				     balance_forward_names[service->forward],
				     weir_ports_to_string(service->port, ports));
	if (memcmp(&here.addr, &there.addr, sizeof(here.addr)) != 0)
		return 0;
	return weir_diag_key(diag, address_key, "write the backend's own address",
			     "it is the service's, by which every backend is known to clients: "
			     "nothing says which one it is");
}

static int backend_check(const struct balance_section *section, unsigned index, unsigned backend,
			 struct weir_diag *diag)
{
	const struct balance_text *service = &section->services[index];
	char port[64], address[64];

	snprintf(port, sizeof(port), "balance.services[%u].backends[%u].port", index, backend);
	snprintf(address, sizeof(address), "balance.services[%u].backends[%u].address", index,
		 backend);
	return balance_direct_backend_check(service, &service->backends[backend], port, address,
					    diag);
}

/* Of the clients' place there is nothing to be kept: nobody's answers come by here. */
int balance_direct_source_check(const struct balance_text *service, const char *key,
				struct weir_diag *diag)
{
	if (service->forward == WEIR_FORWARD_NAT || !service->source)
		return 0;
	return weir_diag_key(diag, key, "leave it out, or write `forward: nat`",
			     "with `forward: %s` backends see the clients, whom they answer "
			     "themselves",
			     balance_forward_names[service->forward]);
}

static int service_check(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag)
{
	char key[64];

	snprintf(key, sizeof(key), "balance.services[%u].source", index);
	int r = balance_direct_source_check(&section->services[index], key, diag);

	for (unsigned i = 0; i < section->services[index].backend_count; i++)
		r = backend_check(section, index, i, diag) ?: r;
	return r;
}

static int source_read(const char *text, bool wants_v4, struct weir_addr *ret_addr)
{
	if (weir_addr_from_string(text, strlen(text), ret_addr))
		return -EINVAL;
	return weir_addr_is_v4(ret_addr) == wants_v4 ? 0 : -EINVAL;
}

static int source_check(const char *text, bool wants_v4, struct weir_diag *diag)
{
	struct weir_addr addr;

	if (!text || !source_read(text, wants_v4, &addr))
		return 0;
	return weir_diag_key(diag, wants_v4 ? "balance.tunnel-source" : "balance.tunnel-source6",
			     wants_v4 ? "write 192.0.2.1, or leave it out" :
					"write 2001:db8::1, or leave it out",
			     "'%.60s' is not an %s address", text, wants_v4 ? "IPv4" : "IPv6");
}

int balance_direct_check(const struct balance_section *section, struct weir_diag *diag)
{
	int r = source_check(section->tunnel_source, true, diag);

	r = source_check(section->tunnel_source6, false, diag) ?: r;
	for (unsigned i = 0; i < section->service_count; i++)
		r = service_check(section, i, diag) ?: r;
	return r;
}

void balance_sources_read(const struct balance_section *section, struct weir_addr ret_sources[2])
{
	const char *texts[] = { section->tunnel_source, section->tunnel_source6 };

	for (int i = 0; i < 2; i++)
		if (!texts[i] || source_read(texts[i], !i, &ret_sources[i]))
			ret_sources[i] = (struct weir_addr){ 0 };
}
