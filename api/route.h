/* SPDX-License-Identifier: Apache-2.0 */
/* Where a path leads: to a row of the operation table or to one of the few resources that are none.
 */
#ifndef WEIR_API_ROUTE_H
#define WEIR_API_ROUTE_H

#include <stdbool.h>

#include "../base/buf.h"
#include "../core/ops.h"

enum weir_route_kind {
	WEIR_ROUTE_NONE,
	WEIR_ROUTE_OP,
	WEIR_ROUTE_HEALTH,
	WEIR_ROUTE_METRICS,
	WEIR_ROUTE_STREAM,
	WEIR_ROUTE_OPENAPI,
	WEIR_ROUTE_OPERATIONS,
};

struct weir_route {
	enum weir_route_kind kind;
	const struct weir_op *op; /* WEIR_ROUTE_OP only */
	enum weir_role role;	  /* least that may ask; WEIR_ROLE_NONE: everybody */
};

/* Kind WEIR_ROUTE_NONE when it leads nowhere. */
struct weir_route weir_route_find(const char *path);
/* The route nearest to a path that leads nowhere (for "did you mean"); false when none is near. */
bool weir_route_nearest(const char *path, struct weir_buf *route);
/* "GET, HEAD, OPTIONS" */
const char *weir_route_methods(const struct weir_route *route);
bool weir_route_takes(const struct weir_route *route, const char *method);

#endif
