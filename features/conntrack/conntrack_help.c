/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers: what is said on control connections becomes expectations. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "features/conntrack/conntrack_ftp.h"
#include "features/conntrack/conntrack_hold.h"
#include "features/conntrack/conntrack_record.h"
#include "features/conntrack/conntrack_state.h"

#define EXPECTED_TICKS (300u * 60) /* five minutes, as nf_conntrack has it */

/* A port of 1 to 65535, or 0. */
static uint16_t port_of(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && !*end && port <= 0xffff ? (uint16_t)port : 0;
}

int conntrack_helpers_check(const struct weir_config *config, const void *data,
			    struct weir_diag *diag)
{
	const struct conntrack_section *section = data;
	int result = 0;

	(void)config;
	if (section->helpers.ftp_count > CONNTRACK_HELPER_PORTS)
		result = weir_diag_key(diag, "conntrack.helpers.ftp", "name fewer",
				       "%u ports, where %d are the most",
				       section->helpers.ftp_count, CONNTRACK_HELPER_PORTS);
	for (unsigned i = 0; i < section->helpers.ftp_count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "conntrack.helpers.ftp[%u]", i);
		if (!port_of(section->helpers.ftp[i]))
			result = weir_diag_key(diag, key, "write a port of 1 to 65535, as 21",
					       "'%s' is no port", section->helpers.ftp[i]);
	}
	return result;
}

bool conntrack_helpers_fill(const struct conntrack_section *section,
			    struct conntrack_helpers *helpers)
{
	for (unsigned i = 0; i < section->helpers.ftp_count && i < CONNTRACK_HELPER_PORTS; i++)
		helpers->ftp[i] = htons(port_of(section->helpers.ftp[i]));
	return section->helpers.ftp_count > 0;
}

static bool is_by_client(enum conntrack_ftp_kind kind)
{
	return kind == CONNTRACK_FTP_PORT || kind == CONNTRACK_FTP_EPRT;
}

/* Who sent the offer waits, the other end connects. */
static void offer_expect(struct conntrack *state, const struct weir_event *event,
			 const struct conntrack_ftp_offer *offer)
{
	uint32_t ends = conntrack_now() + EXPECTED_TICKS;
	struct conntrack_expectation expectation = {
		.src = event->dst,
		.dst = event->src,
		.dport = offer->port,
		.proto = CONNTRACK_TCP,
		.family = weir_addr_is_v4(&event->src) ? 4 : 6,
	};

	/* Elsewhere than to himself nobody opens anything: a server behind a translator has to say
	 * its outer address, and a bounce is refused. */
	if (offer->is_foreign || weir_map_set(state->expected, &expectation, &ends))
		state->offers_refused++;
	else
		state->expectations++;
}

void conntrack_event(void *data, const struct weir_event *event)
{
	struct conntrack *state = data;
	const struct weir_event_payload *told = (const struct weir_event_payload *)event;
	struct conntrack_ftp_offer offer;
	size_t offset = 0;

	conntrack_hold_event(state->hold, event);
	if (event->kind == WEIR_EVENT_FLOW)
		conntrack_records_hear(state, (const struct weir_event_flow *)event);
	if (event->kind != WEIR_EVENT_PAYLOAD || !state->expected)
		return;
	struct conntrack_ftp_payload payload = {
		.bytes = told->data,
		.len = told->bytes < WEIR_PAYLOAD_BYTES ? told->bytes : WEIR_PAYLOAD_BYTES,
		.side = told->side ? CONNTRACK_FTP_SERVER : CONNTRACK_FTP_CLIENT,
		.sender = event->src,
	};
	enum conntrack_ftp_found found;

	while ((found = conntrack_ftp_next(&payload, &offset, &offer)) != CONNTRACK_FTP_NOTHING) {
		bool is_his = is_by_client(offer.kind) == (payload.side == CONNTRACK_FTP_CLIENT);

		if (found == CONNTRACK_FTP_OFFER && is_his)
			offer_expect(state, event, &offer);
		else
			state->offers_refused++;
	}
}

struct sweeping {
	struct conntrack_expectation gone[64];
	size_t count;
	uint32_t now;
};

static int expectation_look(const void *key, const void *value, void *arg)
{
	struct sweeping *sweeping = arg;
	uint32_t ends;

	memcpy(&ends, value, sizeof(ends));
	if ((int32_t)(ends - sweeping->now) <= 0)
		memcpy(&sweeping->gone[sweeping->count++], key, sizeof(sweeping->gone[0]));
	return sweeping->count == sizeof(sweeping->gone) / sizeof(sweeping->gone[0]);
}

void conntrack_expectations_sweep(struct conntrack *state, uint32_t now)
{
	struct sweeping sweeping = { .now = now };

	if (!state->expected || weir_map_capacity(state->expected) < CONNTRACK_EXPECTED)
		return;
	weir_map_each(state->expected, expectation_look, &sweeping);
	for (size_t i = 0; i < sweeping.count; i++)
		weir_map_del(state->expected, &sweeping.gone[i]);
}
