/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and methods. What happens at the end of a route is handler.c's. */
#include "api/route.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"

#define PREFIX "/api/v1/"
#define OP_NAME_MAX 64
#define DISTANCE_MAX 4 /* of a whole path: its greater part is right by itself */

/* The resources that are not operations. */
static const struct {
	const char *path;
	enum weir_route_kind kind;
	enum weir_role role;
} fixed[] = {
	{ "/healthz", WEIR_ROUTE_HEALTH, WEIR_ROLE_NONE },
	{ "/metrics", WEIR_ROUTE_METRICS, WEIR_ROLE_VIEWER },
	{ PREFIX "stream", WEIR_ROUTE_STREAM, WEIR_ROLE_VIEWER },
	{ PREFIX "openapi.json", WEIR_ROUTE_OPENAPI, WEIR_ROLE_VIEWER },
	{ PREFIX "operations", WEIR_ROUTE_OPERATIONS, WEIR_ROLE_VIEWER },
};

static const struct weir_op *op_of_path(const char *path)
{
	char name[OP_NAME_MAX];
	const char *rest = path + strlen(PREFIX);
	size_t len = strlen(rest);
	/* A dot in the path would be a second way to write the same route. */
	if (len == 0 || len >= sizeof(name) || strchr(rest, '.'))
		return NULL;
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)(rest[i] == '/' ? '.' : rest[i]);
	return weir_op_find(name);
}

struct weir_route weir_route_find(const char *path)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(fixed); i++)
		if (strcmp(path, fixed[i].path) == 0)
			return (struct weir_route){ fixed[i].kind, NULL, fixed[i].role };
	if (strncmp(path, PREFIX, strlen(PREFIX)) != 0)
		return (struct weir_route){ WEIR_ROUTE_NONE };
	const struct weir_op *op = op_of_path(path);
	return op ? (struct weir_route){ WEIR_ROUTE_OP, op, op->role } :
		    (struct weir_route){ WEIR_ROUTE_NONE };
}

static void nearest_try(const char *path, const char *candidate, unsigned *least,
			struct weir_buf *route)
{
	unsigned d = weir_edit_distance(path, candidate);
	if (d >= *least)
		return;
	*least = d;
	weir_buf_clear(route);
	weir_buf_add_str(route, candidate);
}

bool weir_route_nearest(const char *path, struct weir_buf *route)
{
	unsigned least = DISTANCE_MAX + 1;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(fixed); i++)
		nearest_try(path, fixed[i].path, &least, route);
	_cleanup_buf_ struct weir_buf candidate = { 0 };
	const struct weir_op *op;
	for (size_t i = 0; (op = weir_op_at(i)); i++) {
		weir_buf_clear(&candidate);
		weir_op_route(op, &candidate);
		nearest_try(path, weir_buf_str(&candidate), &least, route);
	}
	return least <= DISTANCE_MAX;
}

static bool route_is_post(const struct weir_route *route)
{
	return route->kind == WEIR_ROUTE_OP && route->op->kind != WEIR_OP_READ;
}

const char *weir_route_methods(const struct weir_route *route)
{
	return route_is_post(route) ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

bool weir_route_takes(const struct weir_route *route, const char *method)
{
	if (strcmp(method, "OPTIONS") == 0)
		return true;
	if (route_is_post(route))
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}
