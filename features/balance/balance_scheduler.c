/* SPDX-License-Identifier: Apache-2.0 */
/* How a service chooses: slots, and what says which of them a new connection gets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "features/balance/balance_maglev.h"
#include "features/balance/balance_state.h"
#include "features/balance/balance_turns.h"

#define V4_BITS 32
#define ADDR_BITS 128

const char *const balance_scheduler_names[] = { "maglev", "round-robin", "source-hash",
						"least-connections", NULL };

int balance_scheduler_parse(const char *name)
{
	for (int i = 0; balance_scheduler_names[i]; i++)
		if (strcmp(balance_scheduler_names[i], name) == 0)
			return i;
	return -1;
}

int balance_scheduler_check(const struct balance_section *section, unsigned index,
			    struct weir_diag *diag)
{
	char key[64];

	snprintf(key, sizeof(key), "balance.services[%u].client-prefix", index);
	return balance_client_prefix_check(&section->services[index], key, diag);
}

int balance_client_prefix_check(const struct balance_text *service, const char *key,
				struct weir_diag *diag)
{
	struct balance_end end;

	if (service->client_prefix && service->scheduler != BALANCE_SOURCE_HASH)
		return weir_diag_key(diag, key, "leave it out, or write `scheduler: source-hash`",
				     "with `scheduler: %s` nobody asks for it",
				     balance_scheduler_names[service->scheduler]);
	if (service->client_prefix <= V4_BITS || balance_service_read_as(service, "", NULL, &end) ||
	    !weir_addr_is_v4(&end.addr))
		return 0;
	return weir_diag_key(diag, key, "write 1 to 32", "an IPv4 address has %d bits, not %u",
			     V4_BITS, service->client_prefix);
}

uint8_t balance_choice_flags(const struct balance_text *text)
{
	return (uint8_t)((text->scheduler == BALANCE_LEAST_CONNECTIONS ? BALANCE_BY_ACTIVE : 0) |
			 (text->affinity.timeout.value ? BALANCE_REMEMBERS : 0));
}

/* IPv4 addresses stand behind 96 bits that all have. */
struct weir_addr balance_prefix_mask(uint32_t prefix, bool is_v4)
{
	uint32_t bits = prefix ? prefix : ADDR_BITS;
	struct weir_addr mask = { 0 };
	uint8_t *bytes = (uint8_t *)&mask;

	if (prefix && is_v4)
		bits += ADDR_BITS - V4_BITS;
	for (uint32_t i = 0; i < ADDR_BITS; i++)
		if (i < bits)
			bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return mask;
}

static void mask_write(const struct balance_text *text, struct balance_service *service)
{
	service->mask = balance_prefix_mask(text->client_prefix, weir_addr_is_v4(&service->addr));
	service->port_mask = text->scheduler == BALANCE_SOURCE_HASH ? 0 : 0xffff;
}

/* Where only one gets connections, one slot says as much as 65,537. */
int balance_scheduler_slots(enum balance_scheduler scheduler,
			    const struct balance_maglev_backend *shares, unsigned count)
{
	unsigned taking = 0;

	for (unsigned i = 0; i < count; i++)
		taking += shares[i].weight > 0;
	if (taking < 2)
		return (int)taking;
	return scheduler == BALANCE_ROUND_ROBIN ? balance_turns_count(shares, count) :
						  BALANCE_SLOTS;
}

void balance_scheduler_write(const struct balance_text *text, struct balance_service *service)
{
	service->takes_turns = text->scheduler == BALANCE_ROUND_ROBIN;
	mask_write(text, service);
}

int balance_scheduler_fill(enum balance_scheduler scheduler,
			   const struct balance_maglev_backend *shares, unsigned count,
			   uint16_t *slots)
{
	int r = scheduler == BALANCE_ROUND_ROBIN ? balance_turns_fill(shares, count, slots) :
						   balance_maglev_fill(shares, count, slots);

	return r < 0 ? r : 0;
}
