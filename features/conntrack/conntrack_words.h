/* SPDX-License-Identifier: Apache-2.0 */
/* What filters ask of a flow and JSON says of it alike. */
#ifndef WEIR_CONNTRACK_WORDS_H
#define WEIR_CONNTRACK_WORDS_H

#include "features/conntrack/conntrack_view.h"

enum conntrack_stage {
	CONNTRACK_STAGE_OPENING,
	CONNTRACK_STAGE_ESTABLISHED,
	CONNTRACK_STAGE_CLOSING,
	CONNTRACK_STAGE_RESET,
	CONNTRACK_STAGE_NONE
};

/* By number, with NULL behind the last. */
extern const char *const conntrack_state_words[], *const conntrack_stage_words[],
							  *const conntrack_proto_words[],
								  *const conntrack_table_words[];

/* Which of conntrack_proto_words; "other" is all that have no name there. */
size_t conntrack_proto_word(uint8_t proto);
enum conntrack_stage conntrack_stage_of(enum conntrack_state state);
enum conntrack_state conntrack_view_state(const struct conntrack_view *view);
uint64_t conntrack_age_ns(const struct conntrack_view *view);
uint64_t conntrack_expires_ns(const struct conntrack_view *view);
uint64_t conntrack_idle_ns(const struct conntrack_view *view);
/* Of the interface by which it was let in (CONNTRACK_PLACE_IN) or out; NULL: by none. The text
 * lasts until the next for that place, of this thread or of the view's names. */
const char *conntrack_place_name(const struct conntrack_view *view, unsigned bit);
uint16_t conntrack_flow_rule(const struct conntrack_flow *flow); /* 0: none */
bool conntrack_is_icmp(const struct conntrack_flow *flow);

#endif
