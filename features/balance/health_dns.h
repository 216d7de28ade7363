/* SPDX-License-Identifier: Apache-2.0 */
/* A question to a name server and what its answer is worth (RFC 1035, 4.1). */
#ifndef WEIR_HEALTH_DNS_H
#define WEIR_HEALTH_DNS_H

#include "base/buf.h"
#include "features/balance/health_machine.h"

enum health_record {
	HEALTH_A,
	HEALTH_AAAA,
	HEALTH_NS,
	HEALTH_SOA,
	HEALTH_MX,
	HEALTH_TXT,
	HEALTH_PTR,
};

/* -EINVAL: no name of a domain ("." is the root); -ENOMEM. */
int health_dns_ask(const char *name, enum health_record record, uint16_t id,
		   struct weir_buf *message);
/* HEALTH_PENDING: it answers another question. Good is NOERROR, with records or without. */
enum health_result health_dns_judge(uint16_t id, const void *message, size_t len,
				    char reason[HEALTH_REASON_TEXT]);

#endif
