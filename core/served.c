/* SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "engine.h"
#include "feature.h"

bool weir_served_name(struct weir_engine *engine, const struct weir_served_flow *flow,
		      struct weir_buf *name)
{
	for (size_t i = 0; engine && weir_features[i]; i++)
		if (weir_features[i]->served_name &&
		    weir_features[i]->served_name(weir_engine_state(engine, weir_features[i]), flow,
						  name))
			return true;
	return false;
}

void weir_served_each(struct weir_engine *engine,
		      void (*each)(const struct weir_served_flow *flow, void *arg), void *arg)
{
	for (size_t i = 0; engine && weir_features[i]; i++)
		if (weir_features[i]->served_each)
			weir_features[i]->served_each(weir_engine_state(engine, weir_features[i]),
						      each, arg);
}
