/* SPDX-License-Identifier: Apache-2.0 */
/* Decides who a request is from. Where tokens are kept is tokens.c's business. */
#include "api/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/connections.h"
#include "api/tokens.h"
#include "base/secret.h"

/* Every token is compared, also after the right one was found: time tells nothing about which one
 * it was. */
static const struct weir_token *tokens_find(const struct weir_tokens *tokens, const char *secret)
{
	const struct weir_token *found = NULL;
	for (size_t i = 0; i < tokens->count; i++)
		if (weir_secret_equal(secret, tokens->tokens[i].secret))
			found = &tokens->tokens[i];
	return found;
}

static int identify_peer(uid_t uid, struct weir_caller *ret_caller)
{
	ret_caller->role = uid == 0 || uid == geteuid() ? WEIR_ROLE_ADMIN : WEIR_ROLE_VIEWER;
	snprintf(ret_caller->who, sizeof(ret_caller->who), "uid %u", (unsigned)uid);
	return 0;
}

int weir_auth_identify(const struct weir_tokens *tokens, const struct weir_http_request *request,
		       struct weir_caller *ret_caller)
{
	uid_t uid;
	int r = request->connection ? weir_connection_peer_uid(request->connection, &uid) : -ENOMEM;
	if (r != -EOPNOTSUPP)
		return r < 0 ? -EACCES : identify_peer(uid, ret_caller);

	const char *given = weir_http_request_header(request, "Authorization");
	if (!given || strncasecmp(given, "Bearer ", 7) != 0)
		return -ENOKEY;
	const struct weir_token *token = tokens_find(tokens, given + 7 + strspn(given + 7, " "));
	if (!token)
		return -EACCES;
	ret_caller->role = token->role;
	snprintf(ret_caller->who, sizeof(ret_caller->who), "token %s", token->name);
	return 0;
}

/* Length of the host in "host", "host:port", "[v6]" or "[v6]:port", with the brackets. */
static size_t host_len(const char *host)
{
	const char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
	return bracket ? (size_t)(bracket - host) + 1 : strcspn(host, ":");
}

static bool host_is(const char *host, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

bool weir_auth_host_is_ours(const struct weir_listen *listen, const char *host)
{
	if (!listen->is_loopback || !host)
		return true;
	size_t len = host_len(host);
	if (host_is(host, len, "127.0.0.1") || host_is(host, len, "localhost") ||
	    host_is(host, len, "[::1]"))
		return true;
	return host_is(host, len, listen->host);
}

bool weir_auth_origin_is_ours(const char *origin, const char *host)
{
	if (!origin)
		return true;
	const char *after = strstr(origin, "://");
	return after && host && strcasecmp(after + 3, host) == 0;
}
