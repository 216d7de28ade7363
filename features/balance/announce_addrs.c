/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses services want told of, and what is said where that cannot be. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "features/balance/announce.h"

/* Interfaces are attached and addresses given meanwhile, before anybody is told what is missing. */
#define PATIENCE_NS (3 * WEIR_NS_PER_S)

static int addr_compare(const void *a, const void *b)
{
	const struct announce_addr *x = a, *y = b;

	return weir_addr_compare(&x->addr, &y->addr);
}

struct announce_addr *announce_addr_find(const struct announce *announce,
					 const struct weir_addr *addr)
{
	const struct announce_addr key = { .addr = *addr };

	return announce->addr_count ? bsearch(&key, announce->addrs, announce->addr_count,
					      sizeof(key), addr_compare) :
				      NULL;
}

struct announce_addr *announce_addrs(const struct announce *announce,
				     const struct balance_section *acting, unsigned *ret_count)
{
	struct announce_addr *addrs = calloc(acting->service_count + 1ul, sizeof(*addrs));
	uint64_t now_ns = weir_clock_monotonic_ns();
	struct balance_end end;
	unsigned count = 0, kept = 0;

	for (unsigned i = 0; addrs && i < acting->service_count; i++)
		if (acting->services[i].announce && !balance_service_read(acting, i, NULL, &end))
			addrs[count++].addr = end.addr;
	if (count)
		qsort(addrs, count, sizeof(*addrs), addr_compare);
	for (unsigned i = 0; i < count; i++) {
		if (kept && addr_compare(&addrs[kept - 1], &addrs[i]) == 0)
			continue;
		const struct announce_addr *before = announce_addr_find(announce, &addrs[i].addr);

		addrs[kept] = addrs[i];
		addrs[kept++].since_ns = before ? before->since_ns : now_ns;
	}
	*ret_count = kept;
	return addrs;
}

static bool is_placed(const struct announce *announce, const struct weir_addr *addr)
{
	for (unsigned i = 0; i < announce->count; i++)
		if (weir_addr_compare(&announce->places[i].addr, addr) == 0)
			return true;
	return false;
}

#define UNPLACED                                                                             \
	"%s is not announced: no watched interface that is up has it, or is in its network " \
	"while this host has it"
#define UNPLACED_MEND "ip addr add %s/%d dev INTERFACE"

static int host_bits(const struct weir_addr *addr)
{
	return weir_addr_is_v4(addr) ? 32 : 128;
}

void announce_advise(const struct announce *announce, const struct weir_addr *addr,
		     struct weir_diag *diag)
{
	struct announce_host host = { 0 };
	char text[WEIR_ADDR_TEXT], mend[WEIR_ADDR_TEXT + sizeof(UNPLACED_MEND)];
	bool is_there = false;

	if (!announce || announce_host_read(announce->engine, &host))
		return;
	for (unsigned i = 0; i < host.link_count && !is_there; i++)
		is_there = announce_is_there(&host, &host.links[i], addr);
	announce_host_done(&host);
	if (is_there)
		return;
	weir_addr_to_string(addr, text);
	snprintf(mend, sizeof(mend), UNPLACED_MEND, text, host_bits(addr));
	weir_diag_warning(diag, mend, UNPLACED, text);
}

/* Said once of each: an address that is kept elsewhere, as by a standby, is no fault. */
static void addr_warn(struct announce *announce, const struct announce_addr *addr)
{
	char text[WEIR_ADDR_TEXT];

	if (is_placed(announce, &addr->addr))
		return;
	weir_addr_to_string(&addr->addr, text);
	weir_engine_warn(announce->engine, weir_balance.name,
			 UNPLACED ". Where neighbours are to find it here: " UNPLACED_MEND, text,
			 text, host_bits(&addr->addr));
}

void announce_addrs_look(struct announce *announce)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	for (unsigned i = 0; i < announce->addr_count; i++) {
		struct announce_addr *addr = &announce->addrs[i];

		if (!addr->since_ns || now_ns - addr->since_ns < PATIENCE_NS)
			continue;
		addr_warn(announce, addr);
		addr->since_ns = 0;
	}
}
