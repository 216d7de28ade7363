/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operation table. One row gives the HTTP route, the CLI verb with its completion, the role it
 * needs, its OpenAPI entry and its line in the reference. "block.add" is POST /api/v1/block/add and
 * `weir block add`.
 */
#ifndef WEIR_CORE_OPS_H
#define WEIR_CORE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/diag.h"
#include "../base/json.h"

struct weir_engine;

enum weir_role {
	WEIR_ROLE_NONE,
	WEIR_ROLE_VIEWER,
	WEIR_ROLE_OPERATOR,
	WEIR_ROLE_ADMIN,
};

enum weir_arg_type {
	WEIR_ARG_STRING,
	WEIR_ARG_UINT,
	WEIR_ARG_BOOL,	   /* a flag on the command line */
	WEIR_ARG_DURATION, /* "10m" */
	WEIR_ARG_RANGE,	   /* address, CIDR or FROM-TO */
	WEIR_ARG_PORTS,	   /* a port as a number or text, "8000-8099", "all" */
	WEIR_ARG_CHOICE,   /* one of `choices` */
	WEIR_ARG_WORDS,	   /* an array of texts; on the command line given once for each */
};

#define WEIR_ARG_REQUIRED 1 /* refused without it */
#define WEIR_ARG_POSITIONAL \
	2 /* stands without a flag on the command line, in the order of the table */
#define WEIR_ARG_REST \
	4 /* positional, the last: all words that are left, with a blank between them */
#define WEIR_ARG_MANY \
	8 /* a text that may be given more than once: all of them, with a comma between them */

#define WEIR_ARG_IS_PORT \
	16 /* a number from 1 to 65535, which the command line refuses to be anything else */

struct weir_arg {
	const char *name; /* "ttl": --ttl on the command line, "ttl" in JSON and in the query of a
			     GET */
	enum weir_arg_type type;
	unsigned flags;
	const char *metavar; /* "DURATION", for help */
	const char *help;
	const char *const *choices; /* NULL-terminated, for WEIR_ARG_CHOICE */
	const char *fallback;	    /* the default as text, for help and OpenAPI; NULL = none */
};

enum weir_op_kind {
	WEIR_OP_READ,	/* GET, arguments in the query */
	WEIR_OP_WRITE,	/* POST, arguments in a JSON object, honours If-Match */
	WEIR_OP_UPLOAD, /* POST, arguments in the query, the body is a file (the CLI's positional
			   `file`), honours If-Match */
};

struct weir_call;

struct weir_op {
	const char *name;    /* "block.add" */
	const char *summary; /* one line, imperative */
	enum weir_op_kind kind;
	enum weir_role role;
	const struct weir_arg *args; /* up to one with name NULL; NULL = none */
	const char *upload;	     /* WEIR_OP_UPLOAD: what the file is, "a list of addresses" */
	const char *example; /* what a person types after `weir `, for help and the reference */
	/*
	 * Answers the call: writes a JSON document to call->reply and returns 0; or returns -errno
	 * with call->diag saying why; or returns WEIR_OP_PENDING and calls weir_call_finish() later
	 * from the loop's thread. Arguments are checked against the table before.
	 */
	int (*run)(struct weir_engine *engine, struct weir_call *call);
	const void *closure; /* for rows that share `run` */
	/* Loop, right before run(), also where a worker calls that. NULL: nothing. */
	void (*before)(struct weir_engine *engine);
	/* Loop, once run() has returned, whatever it got done. NULL: nothing. */
	void (*after)(struct weir_engine *engine);
	/*
	 * Whether this call, which changes nothing, takes so long that the loop must not run it:
	 * then run() is called on a worker's thread, in its turn among the changes, and returns 0
	 * or -errno. It may read the state of features, which stays as it is then. NULL: never.
	 */
	bool (*is_heavy)(struct weir_engine *engine, const struct weir_call *call);
};

#define WEIR_OP_PENDING 1

/* One request, from whichever door. */
struct weir_call {
	const struct weir_op *op;
	struct weir_json *args; /* an object; never NULL */
	struct weir_buf body;	/* WEIR_OP_UPLOAD */
	enum weir_role role;	/* of the caller */
	const char *who;	/* for the record: "uid 0", "token admin" */
	bool has_expected;	/* If-Match was given */
	uint64_t expected;	/* … and this is the revision it named */

	struct weir_buf reply; /* JSON, on success */
	struct weir_diag diag; /* problems and warnings */
	int result;	       /* 0 or -errno, set by weir_call_finish */
	void (*finished)(
		struct weir_call *call); /* the door's: sends the answer, then frees the call */
	void *door;
};

struct weir_call *weir_call_new(const struct weir_op *op);
void weir_call_free(struct weir_call *call);
/* Argument of the call, or NULL/fallback when absent. */
const char *weir_call_str(const struct weir_call *call, const char *name);
uint64_t weir_call_uint(const struct weir_call *call, const char *name, uint64_t fallback);
bool weir_call_flag(const struct weir_call *call, const char *name);
/* A WEIR_ARG_BOOL among arguments, which may come as text: true, 1 and "" are true. */
bool weir_args_flag(const struct weir_json *args, const char *name);
/*
 * Checks role, arguments and If-Match, then runs the op; calls call->finished exactly once, now or
 * later. Errors: -EACCES role, -EINVAL arguments (each named in diag), -ESTALE revision moved on,
 * and whatever the op returns.
 */
void weir_call_run(struct weir_engine *engine, struct weir_call *call);
void weir_call_finish(struct weir_call *call, int result);

/* HTTP status for a result: 0 200, -EINVAL 400, -EACCES 403, -ENOENT 404, -EEXIST 409, -ESTALE 409,
 * -EBUSY 503, -ENOSPC and -E2BIG 507, else 500. */
unsigned weir_result_to_http(int result);
const char *weir_role_name(enum weir_role role);

/* All operations of engine and features, in table order. `index` from 0; NULL past the end. */
const struct weir_op *weir_op_at(size_t index);
const struct weir_op *weir_op_find(const char *name);
/* "/api/v1/block/add" for "block.add". */
void weir_op_route(const struct weir_op *op, struct weir_buf *route);

#endif
