/* SPDX-License-Identifier: Apache-2.0 */
/* The file of tokens: {"tokens":[{"name":"admin","role":"admin","token":"…"}]}, mode 0600. Its
 * content never leaves this process. */
#include "api/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"

#define TOKENS_FILE "tokens.json"
#define TOKENS_FILE_BYTES_MAX (1u << 20)
#define TOKEN_RANDOM_BYTES 32

static const enum weir_role roles[] = { WEIR_ROLE_ADMIN, WEIR_ROLE_OPERATOR, WEIR_ROLE_VIEWER };

void weir_tokens_free(struct weir_tokens *tokens)
{
	if (!tokens)
		return;
	for (size_t i = 0; i < tokens->count; i++) {
		if (tokens->tokens[i].secret)
			explicit_bzero(tokens->tokens[i].secret, strlen(tokens->tokens[i].secret));
		free(tokens->tokens[i].secret);
		free(tokens->tokens[i].name);
	}
	free(tokens);
}

WEIR_DEFINE_CLEANUP(struct weir_tokens *, weir_tokens_free);

bool weir_tokens_equal(const struct weir_tokens *a, const struct weir_tokens *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct weir_token *x = &a->tokens[i], *y = &b->tokens[i];
		if (x->role != y->role || strcmp(x->name, y->name) != 0 ||
		    strcmp(x->secret, y->secret) != 0)
			return false;
	}
	return true;
}

static int tokens_add(struct weir_tokens *tokens, const char *name, const char *secret,
		      enum weir_role role)
{
	struct weir_token *token = &tokens->tokens[tokens->count++];
	token->name = strdup(name);
	token->secret = strdup(secret);
	token->role = role;
	return token->name && token->secret ? 0 : -ENOMEM;
}

static enum weir_role role_from_string(const char *text)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(roles); i++)
		if (strcmp(text, weir_role_name(roles[i])) == 0)
			return roles[i];
	return WEIR_ROLE_NONE;
}

static int token_refuse(struct weir_diag *diag, const char *path, size_t index, const char *mend,
			const char *what)
{
	weir_diag_error(diag, mend, "%s: tokens[%zu] %s", path, index, what);
	return -EINVAL;
}

static int token_from_json(const struct weir_json *row, const char *path, size_t index,
			   struct weir_tokens *tokens, struct weir_diag *diag)
{
	const char *name = weir_json_str(weir_json_get(row, "name"), "");
	const char *secret = weir_json_str(weir_json_get(row, "token"), "");
	enum weir_role role = role_from_string(weir_json_str(weir_json_get(row, "role"), ""));

	if (name[0] == '\0')
		return token_refuse(diag, path, index, "give it one; it is what the record shows",
				    "has no name");
	if (role == WEIR_ROLE_NONE)
		return token_refuse(diag, path, index, "write viewer, operator or admin",
				    "has no known role");
	if (strlen(secret) < WEIR_TOKEN_BYTES_LEAST)
		return token_refuse(diag, path, index, "make one with: openssl rand -hex 32",
				    "has a token of fewer than 32 characters");
	return tokens_add(tokens, name, secret, role);
}

static int tokens_from_json(const struct weir_json *json, const char *path, struct weir_diag *diag,
			    struct weir_tokens **ret_tokens)
{
	const struct weir_json *rows = weir_json_get(json, "tokens");
	size_t count = weir_json_size(rows);
	if (!rows || weir_json_type(rows) != WEIR_JSON_ARRAY || count > WEIR_TOKENS_MAX) {
		weir_diag_error(diag,
				"write {\"tokens\": [{\"name\": …, \"role\": …, \"token\": …}]}",
				"%s: no list of at most %d tokens", path, WEIR_TOKENS_MAX);
		return -EINVAL;
	}
	_cleanup_(weir_tokens_freep) struct weir_tokens *tokens = calloc(1, sizeof(*tokens));
	if (!tokens)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int r = token_from_json(weir_json_at(rows, i), path, i, tokens, diag);
		if (r < 0)
			return r;
	}
	*ret_tokens = weir_take(tokens);
	return 0;
}

static void tokens_warn_if_readable(const char *path, struct weir_diag *diag)
{
	struct stat facts;
	if (stat(path, &facts) == 0 && (facts.st_mode & 077))
		weir_diag_warning(
			diag, "chmod 600 it, and change the tokens if others may have read them",
			"%s can be read by others than its owner", path);
}

/* The parser's own sentence may quote what stands at the fault, which here may be a secret: only
 * the place is told. */
static int tokens_parse(struct weir_buf *text, const char *path, struct weir_diag *diag,
			struct weir_json **ret_json)
{
	_cleanup_diag_ struct weir_diag why = { 0 };
	int r = weir_json_parse(text->data, text->len, NULL, &why, ret_json);
	if (text->data)
		explicit_bzero(text->data, text->len);
	if (r == -EINVAL) {
		const struct weir_diag_entry *entry = weir_diag_last(&why);
		weir_diag_error(diag, NULL, "%s: not valid JSON at line %u, column %u", path,
				entry ? entry->line : 0, entry ? entry->column : 0);
	}
	return r;
}

static int tokens_read_file(const char *path, struct weir_diag *diag,
			    struct weir_tokens **ret_tokens)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_file_read(path, TOKENS_FILE_BYTES_MAX, &text);
	if (r == -EFBIG) {
		weir_diag_error(diag, NULL, "%s is larger than any list of tokens", path);
		return -EINVAL;
	}
	if (r < 0) {
		weir_diag_error(diag, NULL, "cannot read %s: %s", path, strerror(-r));
		return r;
	}
	tokens_warn_if_readable(path, diag);
	r = tokens_parse(&text, path, diag, &json);
	return r < 0 ? r : tokens_from_json(json, path, diag, ret_tokens);
}

int weir_tokens_read(const char *state_dir, struct weir_diag *diag, struct weir_tokens **ret_tokens)
{
	_cleanup_free_ char *path = weir_path_join(state_dir, TOKENS_FILE);
	return path ? tokens_read_file(path, diag, ret_tokens) : -ENOMEM;
}

static void tokens_to_json(const struct weir_tokens *tokens, struct weir_buf *text)
{
	struct weir_json_out json = { .out = text };
	weir_json_open_object(&json, NULL);
	weir_json_open_array(&json, "tokens");
	for (size_t i = 0; i < tokens->count; i++) {
		weir_json_open_object(&json, NULL);
		weir_json_put_str(&json, "name", tokens->tokens[i].name);
		weir_json_put_str(&json, "role", weir_role_name(tokens->tokens[i].role));
		weir_json_put_str(&json, "token", tokens->tokens[i].secret);
		weir_json_close_object(&json);
	}
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(text, '\n');
}

static int tokens_make(const char *path, struct weir_diag *diag, struct weir_tokens **ret_tokens)
{
	_cleanup_(weir_tokens_freep) struct weir_tokens *tokens = calloc(1, sizeof(*tokens));
	if (!tokens)
		return -ENOMEM;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(roles); i++) {
		_cleanup_free_ char *secret = weir_random_hex(TOKEN_RANDOM_BYTES);
		if (!secret || tokens_add(tokens, weir_role_name(roles[i]), secret, roles[i]) < 0)
			return -ENOMEM;
	}
	_cleanup_buf_ struct weir_buf text = { 0 };
	tokens_to_json(tokens, &text);
	int r = text.failed ? -ENOMEM : weir_file_replace(path, text.data, text.len, 0600);
	if (r < 0) {
		weir_diag_error(diag, NULL, "cannot write %s: %s", path, strerror(-r));
		return r;
	}
	*ret_tokens = weir_take(tokens);
	return 0;
}

int weir_tokens_open(const char *state_dir, struct weir_diag *diag, struct weir_tokens **ret_tokens)
{
	_cleanup_diag_ struct weir_diag why = { 0 };
	_cleanup_free_ char *path = weir_path_join(state_dir, TOKENS_FILE);
	if (!path)
		return -ENOMEM;
	int r = tokens_read_file(path, &why, ret_tokens);
	if (r == 0 && why.count > 0)
		weir_diag_warning(diag, why.entries[0].mend, "%s", why.entries[0].what);
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		return tokens_make(path, diag, ret_tokens);
	/* Unreadable is not damaged: renaming away what we may not read would lose good tokens. */
	if (r != -EINVAL) {
		weir_diag_error(diag, NULL, "cannot read %s: %s", path, strerror(-r));
		return r;
	}
	_cleanup_free_ char *kept = NULL;
	r = weir_file_keep_aside(path, &kept);
	if (r < 0) {
		weir_diag_error(diag, NULL, "cannot rename the damaged %s: %s", path, strerror(-r));
		return r;
	}
	weir_diag_warning(
		diag, "hand out the new tokens, or mend the old file and put it back",
		"the file of tokens was damaged (%s); it is kept as %s and new tokens were made",
		why.count ? why.entries[why.count - 1].what : "unreadable", kept ? kept : path);
	return tokens_make(path, diag, ret_tokens);
}
