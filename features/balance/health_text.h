/* SPDX-License-Identifier: Apache-2.0 */
/* What `health:` of a service says, as written. */
#ifndef WEIR_HEALTH_TEXT_H
#define WEIR_HEALTH_TEXT_H

#include "base/clock.h"
#include "core/config.h"

enum health_type {
	HEALTH_NONE,
	HEALTH_TCP,
	HEALTH_TLS,
	HEALTH_HTTP,
	HEALTH_HTTPS,
	HEALTH_UDP,
	HEALTH_DNS,
	HEALTH_COMMAND,
	HEALTH_TYPES,
};

enum health_through {
	HEALTH_AUTO, /* by the tunnel, where there is one and it can be */
	HEALTH_TUNNEL,
	HEALTH_DIRECT,
};

enum health_all_down {
	HEALTH_REFUSE,
	HEALTH_KEEP_ALL,
	HEALTH_DROP,
};

struct health_damping_text {
	uint32_t downs; /* 0: nobody is held */
	struct weir_quantity within, hold, hold_most;
};

struct health_text {
	int type; /* enum health_type */
	struct weir_quantity interval, timeout;
	uint32_t rise, fall;
	uint32_t jitter; /* of 100 */
	uint32_t port;	 /* 0: the backend's */
	int through;	 /* enum health_through */
	struct health_damping_text damping;
	/* NULL: not written. */
	char *path, *host, *status, *body;
	char *send, *expect; /* as health_bytes.h has them */
	char *query;	     /* the name of a domain */
	bool verify;	     /* the certificate, for `host` */
	char *ca;	     /* the file of those who may sign it; NULL: the system's */
	int record;	     /* enum health_record */
	char **command;	     /* a word each; the program first */
	unsigned command_count;
};

extern const struct weir_field health_fields[];
extern const char *const health_type_names[];
extern const char *const health_record_names[];
extern const char *const health_through_names[];
extern const char *const health_all_down_names[];

#define HEALTH_LEAST_NS (50 * WEIR_NS_PER_MS)
#define HEALTH_MOST_NS (24 * 3600 * WEIR_NS_PER_S)
#define HEALTH_CHECKS_MOST 255

/* What a service has of which nothing is written. */
void health_text_default(struct health_text *ret_text);
/* health_text.c: with words of its own, for health_text_done(). -ENOMEM. */
int health_text_copy(const struct health_text *from, struct health_text *ret_text);
void health_text_done(struct health_text *text);

#endif
