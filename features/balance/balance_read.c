/* SPDX-License-Identifier: Apache-2.0 */
/* What the addresses of services and backends mean. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/ports.h"
#include "features/balance/balance_state.h"

/* Of no single host, of none but the one that asks, or never forwarded (RFC 4291, 2.5.6). */
static bool is_nobodys(const struct weir_addr *addr)
{
	const uint8_t *bytes = (const uint8_t *)addr;

	if (weir_addr_is_v4(addr)) /* 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and what is behind */
		return bytes[12] == 0 || bytes[12] == 127 || bytes[12] >= 224;
	if (bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80))
		return true; /* ff00::/8, fe80::/10 */
	return !addr->be64[0] && !addr->be32[2] && !memcmp(&bytes[12], "\0\0\0", 3) &&
	       bytes[15] <= 1; /* ::/127 */
}

int balance_addr_read(const char *text, const char *key, struct weir_diag *diag,
		      struct weir_addr *ret_addr)
{
	if (weir_addr_from_string(text, strlen(text), ret_addr))
		return weir_diag_key(diag, key, "write 192.0.2.1 or 2001:db8::1",
				     "'%.60s' is not an address", text);
	if (is_nobodys(ret_addr))
		return weir_diag_key(diag, key,
				     "write one that packets are routed to, as 192.0.2.1 or "
				     "2001:db8::1",
				     "'%.60s' is not the address of one host on a network", text);
	return 0;
}

uint8_t balance_proto_number(int proto)
{
	static const uint8_t numbers[] = {
		[BALANCE_TCP] = IPPROTO_TCP,
		[BALANCE_UDP] = IPPROTO_UDP,
		[BALANCE_SCTP] = IPPROTO_SCTP,
	};

	return numbers[proto];
}

int balance_proto_parse(const char *name)
{
	for (int i = 0; balance_proto_names[i]; i++)
		if (strcmp(name, balance_proto_names[i]) == 0)
			return i;
	return -1;
}

static uint8_t proto_of(const struct balance_text *text)
{
	return balance_proto_number(text->proto);
}

int balance_service_read_as(const struct balance_text *text, const char *key,
			    struct weir_diag *diag, struct balance_end *ret_end)
{
	*ret_end = (struct balance_end){
		.port = weir_ports_first(text->port),
		.proto = proto_of(text),
		.last = weir_ports_are_wide(text->port) ? weir_ports_last(text->port) : 0,
	};
	return balance_addr_read(text->address, key, diag, &ret_end->addr);
}

static bool is_other_family(const struct balance_text *service, const struct weir_addr *addr)
{
	struct weir_addr of_service;

	if (!strchr(service->address, ':')) /* most are, and are asked for each backend */
		return !weir_addr_is_v4(addr);
	return !weir_addr_from_string(service->address, strlen(service->address), &of_service) &&
	       weir_addr_is_v4(&of_service) != weir_addr_is_v4(addr);
}

int balance_source_read_as(const struct balance_text *service, const char *key,
			   struct weir_diag *diag, struct weir_addr *ret_source)
{
	*ret_source = (struct weir_addr){ 0 };
	if (!service->source)
		return 0;
	int r = balance_addr_read(service->source, key, diag, ret_source);

	if (r || !is_other_family(service, ret_source))
		return r;
	return weir_diag_key(diag, key, "write an address of this host of the service's family",
			     "'%s' cannot stand for the clients of '%s': one is IPv4 and the other "
			     "IPv6",
			     service->source, service->address);
}

/* Of several ports each has one of its own at the backend, by which its answers are known again:
 * from the backend's on, as many as the service has. */
static int backend_ports_read(const struct balance_text *service, uint32_t port, const char *key,
			      struct weir_diag *diag, struct balance_end *end)
{
	uint32_t first = weir_ports_first(service->port), last = weir_ports_last(service->port);
	uint32_t own = port ? port : first;

	end->port = (uint16_t)own;
	if (!weir_ports_are_wide(service->port))
		return 0;
	end->last = (uint16_t)(own + last - first);
	if (service->port == WEIR_PORTS_ALL && port)
		return weir_diag_key(diag, key, "leave the backend's port out",
				     "every port is the service's: each stays as it is, or answers "
				     "would not say which one the client spoke to");
	if (own + last - first <= UINT16_MAX)
		return 0;
	return weir_diag_key(diag, key, "write a lower port, or leave it out",
			     "the backend's ports are as many as the service's, and would end "
			     "behind 65535");
}

int balance_backend_read_as(const struct balance_text *service,
			    const struct balance_backend_text *text, const char *key,
			    struct weir_diag *diag, struct balance_end *ret_end)
{
	*ret_end = (struct balance_end){
		.proto = proto_of(service),
	};
	int r = balance_addr_read(text->address, key, diag, &ret_end->addr);

	r = backend_ports_read(service, text->port, key, diag, ret_end) ?: r;

	if (r || balance_tunnels(service) || !is_other_family(service, &ret_end->addr))
		return r;
	return weir_diag_key(diag, key,
			     "name a backend of the service's family, or a second service",
			     "'%s' cannot stand for '%s': one is IPv4 and the other IPv6",
			     text->address, service->address);
}

/* The key is written only where something is to be said of it: there may be 100,000 of them. */
int balance_service_read(const struct balance_section *section, unsigned index,
			 struct weir_diag *diag, struct balance_end *ret_end)
{
	const struct balance_text *service = &section->services[index];
	char key[64];
	int r = balance_service_read_as(service, "", NULL, ret_end);

	if (!r || !diag)
		return r;
	snprintf(key, sizeof(key), "balance.services[%u].address", index);
	return balance_service_read_as(service, key, diag, ret_end);
}

int balance_source_read(const struct balance_section *section, unsigned index,
			struct weir_diag *diag, struct weir_addr *ret_source)
{
	const struct balance_text *service = &section->services[index];
	char key[64];
	int r = balance_source_read_as(service, "", NULL, ret_source);

	if (!r || !diag)
		return r;
	snprintf(key, sizeof(key), "balance.services[%u].source", index);
	return balance_source_read_as(service, key, diag, ret_source);
}

int balance_backend_read(const struct balance_section *section, unsigned index, unsigned backend,
			 struct weir_diag *diag, struct balance_end *ret_end)
{
	const struct balance_text *service = &section->services[index];
	const struct balance_backend_text *text = &service->backends[backend];
	char key[64];
	int r = balance_backend_read_as(service, text, "", NULL, ret_end);

	if (!r || !diag)
		return r;
	snprintf(key, sizeof(key), "balance.services[%u].backends[%u].address", index, backend);
	return balance_backend_read_as(service, text, key, diag, ret_end);
}
