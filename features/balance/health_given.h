/* SPDX-License-Identifier: Apache-2.0 */
/* What a command says of a service's checks; balance.json says it likewise. Every key of `health:`
 * is an argument: `type` is "health", `jitter` "health-jitter", `hold` of `damping`
 * "health-damping-hold". */
#ifndef WEIR_HEALTH_GIVEN_H
#define WEIR_HEALTH_GIVEN_H

#include "features/balance/balance_edit.h"

/*
 * What edit->args has of `health`, `on-all-down` and `client-prefix` takes the place of what the
 * service has, or of what it would have without; all else of the service must be there. The texts
 * are borrowed from the arguments, but for the words of a command, whose array is on the heap and
 * the caller's: *ret_words, to be freed behind the service. -EINVAL, -EACCES with a message;
 * -ENOMEM.
 */
int health_given_read(const struct balance_edit *edit, struct balance_text *service,
		      char ***ret_words);
/* Members that are read by that, where they are not as without. */
void health_given_put(const struct health_text *health, struct weir_json_out *json);
/* The same for people: what is sent and run is an operator's to know, as the configuration is. */
void health_given_show(const struct health_text *health, enum weir_role role,
		       struct weir_json_out *json);

#endif
