/* SPDX-License-Identifier: Apache-2.0 */
/* Services by name: one feature has them (struct weir_feature's `services`), and another asks which
 * packets go to one (weir_compile_services()). */
#ifndef WEIR_CORE_SERVICES_H
#define WEIR_CORE_SERVICES_H

#include <stdint.h>

#include "../base/addr.h"

/* Where packets to a service go. One of several ranges of ports has an end for each, all of one
 * address and protocol. */
struct weir_service_end {
	const char *service; /* its name, borrowed from the configuration or the feature's state */
	struct weir_addr addr;
	struct weir_span ports; /* host byte order */
	uint8_t proto;
};

/* Zero-initialised is empty. */
struct weir_services {
	struct weir_service_end *at;
	uint32_t count, capacity;
};

#define _cleanup_services_ __attribute__((cleanup(weir_services_done)))

void weir_services_done(struct weir_services *services);
/* -ENOMEM. */
int weir_services_add(struct weir_services *services, const struct weir_service_end *end);
/* By names and ports, once all are there. */
void weir_services_sort(struct weir_services *services);
/* The ends of the service of that name, *ret_count of them in a row; NULL: there is no such
 * service. They are sorted. */
const struct weir_service_end *weir_services_find(const struct weir_services *services,
						  const char *name, uint32_t *ret_count);

#endif
