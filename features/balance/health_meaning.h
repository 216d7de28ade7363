/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with `health` of a service, said at the key of the file, or at the argument of a
 * command where the service is of run time. */
#ifndef WEIR_HEALTH_MEANING_H
#define WEIR_HEALTH_MEANING_H

#include "features/balance/balance_state.h"

#define HEALTH_IS_GIVEN (-1)

struct health_place {
	const struct balance_text *service;
	int index; /* of the service in the file; HEALTH_IS_GIVEN: it is of run time */
	struct weir_diag *diag;
};

/* `name` is that of a key below `health`, "damping.hold" of one below that. -EINVAL. */
int health_refuse(const struct health_place *place, const char *name, const char *mend,
		  const char *what);
/* How to mend it, where that is not said alike in both. */
const char *health_mend(const struct health_place *place, const char *written, const char *given);

/* A service of run time, of whose backends those count that its text has. */
int health_given_check(const struct balance_text *service, struct weir_diag *diag);
/* health_tunnel.c: what `through` says that cannot be. */
int health_tunnel_check(const struct health_place *place);
/* Takes away what a check of this type has no use for. */
void health_type_set(struct health_text *text, enum health_type type);

#endif
