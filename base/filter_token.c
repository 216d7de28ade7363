/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the text of a filter into tokens. */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/filter_private.h"

/* What ends a field or a value that stands without quotes. */
#define BLANKS " \t\r\n"
#define BARE_ENDS BLANKS "()=!<>,&|\"'"

struct sign {
	const char *text;
	enum filter_token_kind kind;
	enum filter_relation relation;
};

/* The longer ones first. */
static const struct sign signs[] = {
	{ "&&", FILTER_AND },
	{ "||", FILTER_OR },
	{ "==", FILTER_COMPARE, FILTER_EQUAL },
	{ "!=", FILTER_COMPARE, FILTER_UNEQUAL },
	{ "<=", FILTER_COMPARE, FILTER_AT_MOST },
	{ ">=", FILTER_COMPARE, FILTER_AT_LEAST },
	{ "=", FILTER_COMPARE, FILTER_EQUAL },
	{ "<", FILTER_COMPARE, FILTER_BELOW },
	{ ">", FILTER_COMPARE, FILTER_ABOVE },
	{ "!", FILTER_NOT },
	{ ",", FILTER_COMMA },
	{ "(", FILTER_OPEN },
	{ ")", FILTER_CLOSE },
};

static const struct sign words[] = {
	{ "and", FILTER_AND },
	{ "or", FILTER_OR },
	{ "not", FILTER_NOT },
};

static int token_read_quoted(struct filter_reading *reading, struct filter_token *token)
{
	char quote = *token->from;
	const char *p = token->from + 1;
	for (; *p && *p != quote; p++)
		if (*p == '\\' && p[1])
			p++;
	if (!*p)
		return filter_refuse(reading, token->from, "write the same quote behind the value",
				     "the quote %c is not closed", quote);
	token->kind = FILTER_QUOTED;
	token->len = (size_t)(p + 1 - token->from);
	return 0;
}

static void token_read_bare(struct filter_token *token)
{
	token->kind = FILTER_BARE;
	token->len = strcspn(token->from, BARE_ENDS);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++)
		if (strlen(words[i].text) == token->len &&
		    strncasecmp(token->from, words[i].text, token->len) == 0)
			token->kind = words[i].kind;
}

static bool token_read_sign(struct filter_token *token)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(signs); i++) {
		size_t len = strlen(signs[i].text);
		if (strncmp(token->from, signs[i].text, len) != 0)
			continue;
		token->kind = signs[i].kind;
		token->relation = signs[i].relation;
		token->len = len;
		return true;
	}
	return false;
}

static int token_read(struct filter_reading *reading, struct filter_token *token)
{
	if (*token->from == '"' || *token->from == '\'')
		return token_read_quoted(reading, token);
	if (!*token->from || token_read_sign(token))
		return 0;
	if (*token->from == '&' || *token->from == '|')
		return filter_refuse(reading, token->from,
				     *token->from == '&' ? "write && or and" : "write || or or",
				     "a single '%c' means nothing", *token->from);
	token_read_bare(token);
	return 0;
}

int filter_token_next(struct filter_reading *reading)
{
	struct filter_token token = {
		.kind = FILTER_END,
		.from = reading->next + strspn(reading->next, BLANKS),
	};
	int r = token_read(reading, &token);
	if (r < 0)
		return r;
	reading->token = token;
	reading->next = token.from + token.len;
	return 0;
}

size_t filter_token_value(const struct filter_token *token, char star, char *ret_value)
{
	bool is_quoted = token->kind == FILTER_QUOTED;
	const char *p = token->from + is_quoted, *end = token->from + token->len - is_quoted;
	size_t len = 0;
	for (; p < end; p++) {
		bool is_escaped = is_quoted && *p == '\\';
		p += is_escaped;
		ret_value[len++] = *p == '*' && !is_escaped ? star : *p;
	}
	return len;
}
