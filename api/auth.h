/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and whether that is believed: bearer tokens with roles, peer credentials, and the
 * guards against other sites' pages. */
#ifndef WEIR_API_AUTH_H
#define WEIR_API_AUTH_H

#include "../base/diag.h"
#include "../core/ops.h"
#include "http.h"
#include "listen.h"

#define WEIR_TOKENS_MAX 256
#define WEIR_TOKEN_BYTES_LEAST 32 /* of text; those we make are 64 hexadecimal digits */
#define WEIR_WHO_MAX 80

struct weir_tokens; /* immutable once read */

/*
 * Reads STATE_DIR/tokens.json, or makes it with one random token a role when it is not there. A
 * damaged file is kept aside and a new one made, told as a warning. Negative only when no tokens
 * can be had.
 */
int weir_tokens_open(const char *state_dir, struct weir_diag *diag,
		     struct weir_tokens **ret_tokens);
/* Reads it again: -EINVAL (told in diag) when it is damaged, -ENOENT when it is gone; nothing is
 * written. */
int weir_tokens_read(const char *state_dir, struct weir_diag *diag,
		     struct weir_tokens **ret_tokens);
void weir_tokens_free(struct weir_tokens *tokens);
bool weir_tokens_equal(const struct weir_tokens *a, const struct weir_tokens *b);

/* Who asks. */
struct weir_caller {
	enum weir_role role;
	char who[WEIR_WHO_MAX]; /* "uid 0", "token admin"; never the secret */
};

/*
 * On a unix socket: root and the daemon's own user are admin, everybody else whom the file mode let
 * in is a viewer. On TCP the bearer token decides; it is compared with every one, in constant time.
 * -ENOKEY: none was given; -EACCES: a wrong one.
 */
int weir_auth_identify(const struct weir_tokens *tokens, const struct weir_http_request *request,
		       struct weir_caller *ret_caller);
/*
 * Whether a Host header names us. A page of another site can have its name resolve to 127.0.0.1 and
 * then count as "same site" to a browser; on loopback only names that cannot be rebound pass.
 * Elsewhere TLS guards that: every host is ours.
 */
bool weir_auth_host_is_ours(const struct weir_listen *listen, const char *host);
/* Whether an Origin header (NULL: none) is that of a page served from the very address that is
 * asked. */
bool weir_auth_origin_is_ours(const char *origin, const char *host);

#endif
