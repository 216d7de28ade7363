/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the token table, for tokens.c and auth.c only. */
#ifndef WEIR_API_TOKENS_H
#define WEIR_API_TOKENS_H

#include "auth.h"

struct weir_token {
	char *name;
	char *secret;
	enum weir_role role;
};

struct weir_tokens {
	struct weir_token tokens[WEIR_TOKENS_MAX];
	size_t count;
};

#endif
