/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include "engine.h"
#include "feature.h"

void weir_owner_put(struct weir_engine *engine, const struct weir_flow_ends *ends,
		    struct weir_json_out *json)
{
	for (size_t i = 0; engine && weir_features[i]; i++)
		if (weir_features[i]->owner_put)
			weir_features[i]->owner_put(weir_engine_state(engine, weir_features[i]),
						    ends, json);
}

bool weir_owner_get(struct weir_engine *engine, const struct weir_flow_ends *ends,
		    struct weir_owner *ret_owners)
{
	for (size_t i = 0; engine && weir_features[i]; i++)
		if (weir_features[i]->owner_get &&
		    weir_features[i]->owner_get(weir_engine_state(engine, weir_features[i]), ends,
						ret_owners))
			return true;
	return false;
}
