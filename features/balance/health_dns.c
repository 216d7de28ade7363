/* SPDX-License-Identifier: Apache-2.0 */
/* A question to a name server, by UDP. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/secret.h"
#include "features/balance/health.h"
#include "features/balance/health_dns.h"

static enum health_result dns_start(struct health_target *target)
{
	const struct health_text *text = &target->text->health;
	_cleanup_buf_ struct weir_buf message = { 0 };

	weir_random_bytes(&target->dns_id, sizeof(target->dns_id));
	if (health_dns_ask(text->query, (enum health_record)text->record, target->dns_id, &message))
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	return health_datagram_send(target, &message);
}

static enum health_result dns_ready(struct health_target *target, uint32_t events)
{
	unsigned char bytes[512];
	size_t len = sizeof(bytes);
	enum health_result result = health_datagram_read(target, bytes, &len);

	(void)events;
	return result != HEALTH_OK ? result :
				     health_dns_judge(target->dns_id, bytes, len, target->reason);
}

const struct health_probe health_dns_probe = {
	.start = dns_start,
	.ready = dns_ready,
	.events = EPOLLIN,
};
