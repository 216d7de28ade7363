/* SPDX-License-Identifier: Apache-2.0 */
/* The features, in the order in which a packet meets them. The only file that knows them all. */
#include "core/feature.h"

extern const struct weir_feature weir_sanity;
extern const struct weir_feature weir_block;
extern const struct weir_feature weir_limit;
extern const struct weir_feature weir_conntrack;
extern const struct weir_feature weir_synproxy;
extern const struct weir_feature weir_rules;
extern const struct weir_feature weir_balance;
extern const struct weir_feature weir_attack;
extern const struct weir_feature weir_drops;
extern const struct weir_feature weir_sockets;
extern const struct weir_feature weir_quality;
extern const struct weir_feature weir_log_feature;

const struct weir_feature *const weir_features[] = {
	/* clang-format off */
	&weir_sanity,
	&weir_block,
	&weir_limit,
	&weir_conntrack,
	&weir_synproxy,
	&weir_rules,
	&weir_balance,
	&weir_attack,
	&weir_drops,
	&weir_sockets,
	&weir_quality,
	&weir_log_feature,
	NULL,
	/* clang-format on */
};
