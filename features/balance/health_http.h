/* SPDX-License-Identifier: Apache-2.0 */
/* What a web server answers, read from the bytes that have come so far (RFC 9112). */
#ifndef WEIR_HEALTH_HTTP_H
#define WEIR_HEALTH_HTTP_H

#include "base/buf.h"
#include "features/balance/health_machine.h"

#define HEALTH_HTTP_BYTES 65536 /* of an answer that are read */
#define HEALTH_STATUS_ANY "200-399"

/* What a good answer is. */
struct health_http_wanted {
	const char *status; /* "200", "200-299, 404" */
	const char *body;   /* text that is in it; NULL: any */
};

/* HEALTH_PENDING: more must come, which cannot be after `is_end`. Text is cut to size. */
enum health_result health_http_judge(const struct health_http_wanted *wanted, const char *bytes,
				     size_t len, bool is_end, char reason[HEALTH_REASON_TEXT]);
/* Whether a list of numbers and ranges from 100 to 599 has it; -EINVAL: it is no such list. */
int health_status_has(const char *list, unsigned status);

#endif
