/* SPDX-License-Identifier: Apache-2.0 */
/* A rule as members of an answer. */
#ifndef WEIR_RULES_SHOWN_H
#define WEIR_RULES_SHOWN_H

#include "features/rules/rules_state.h"

/* name (null without one), id, origin, action. */
void rules_put_who(const struct rules_standing *standing, struct weir_json_out *json);
/* packets, bytes: as read last. */
void rules_put_count(const struct rules_state *state, const struct rules_standing *standing,
		     struct weir_json_out *json);

#endif
