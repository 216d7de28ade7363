/* SPDX-License-Identifier: Apache-2.0 */
/* Says what is wrong with a filter, in which column, and how to mend it. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/filter_private.h"
#include "base/nearest.h"

#define SHOWN_MAX 40 /* bytes of a token that are repeated to who wrote it */

/* By type: what is to be written, and two examples behind FIELD OPERATOR. */
struct kind {
	const char *noun;
	const char *one;
	const char *range;
};

static const struct kind kinds[] = {
	[WEIR_FILTER_ADDRESS] = { "an address, a CIDR or a range", "192.0.2.0/24",
				  "192.0.2.1-192.0.2.9" },
	[WEIR_FILTER_NUMBER] = { "a number or a range", "10", "10-20" },
	[WEIR_FILTER_BYTES] = { "a size or a range", "10MB", "1KiB-64KiB" },
	[WEIR_FILTER_DURATION] = { "a duration with its unit, or a range", "30s", "1m-5m" },
	[WEIR_FILTER_TEXT] = { "a text, with * for anything", "web", "web*" },
};

int filter_refuse(const struct filter_reading *reading, const char *at, const char *mend,
		  const char *format, ...)
{
	_cleanup_buf_ struct weir_buf what = { 0 };
	unsigned column = (unsigned)(at - reading->text) + 1;
	va_list args;
	va_start(args, format);
	weir_buf_vaddf(&what, format, args);
	va_end(args);
	/* A place without a file or a line is shown nowhere, so the sentence names it as well. */
	int r = weir_diag_key(reading->diag, WEIR_FILTER_KEY, mend, "column %u: %s", column,
			      weir_buf_str(&what));
	struct weir_diag_entry *entry = weir_diag_last(reading->diag);
	if (entry)
		entry->column = column;
	return r;
}

/* A token as it was written, in quotes unless it has its own. */
static const char *token_show(const struct filter_token *token, struct weir_buf *shown)
{
	const char *quote = token->kind == FILTER_QUOTED ? "" : "'";
	size_t len = token->len > SHOWN_MAX ? SHOWN_MAX : token->len;
	while (len < token->len && len && (token->from[len] & 0xc0) == 0x80)
		len--;
	if (token->kind == FILTER_END)
		weir_buf_add_str(shown, "the end");
	else
		weir_buf_addf(shown, "%s%.*s%s%s", quote, (int)len, token->from,
			      len < token->len ? "..." : "", quote);
	return weir_buf_str(shown);
}

static void words_list(struct weir_buf *mend, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		weir_buf_add_str(mend, i == 0 ? "" : words[i + 1] ? ", " : " or ");
		weir_buf_add_str(mend, words[i]);
	}
}

static bool is_ordered(const struct filter_token *sign)
{
	return sign->kind == FILTER_COMPARE && sign->relation >= FILTER_BELOW;
}

/* "write a number or a range, as in port=10 or port=10-20" */
static void values_list(struct weir_buf *mend, const struct weir_filter_field *field,
			const struct filter_token *sign)
{
	const struct kind *kind = &kinds[field->type];
	if (field->type == WEIR_FILTER_WORD) {
		weir_buf_addf(mend, "write %s=", field->name);
		words_list(mend, field->words);
	} else if (sign && is_ordered(sign)) {
		weir_buf_addf(mend, "write one value, as in %s%.*s%s", field->name, (int)sign->len,
			      sign->from, kind->one);
	} else {
		weir_buf_addf(mend, "write %s, as in %s=%s or %s=%s", kind->noun, field->name,
			      kind->one, field->name, kind->range);
	}
}

static bool is_address(const char *text)
{
	struct weir_range range;
	return weir_range_from_string(text, strlen(text), &range, NULL, NULL) == 0;
}

static bool is_word_of(const struct weir_filter_field *field, const char *text)
{
	for (size_t i = 0; field->words[i]; i++)
		if (strcasecmp(field->words[i], text) == 0)
			return true;
	return false;
}

static bool is_value_of(const struct weir_filter_field *field, const char *text)
{
	switch (field->type) {
	case WEIR_FILTER_WORD:
		return is_word_of(field, text);
	case WEIR_FILTER_ADDRESS:
		return is_address(text);
	case WEIR_FILTER_NUMBER:
		return text[0] && !text[strspn(text, "0123456789")];
	default:
		return false;
	}
}

static const struct weir_filter_field *field_of_value(const struct filter_reading *reading,
						      const char *text)
{
	for (const struct weir_filter_field *field = reading->fields; field->name; field++)
		if (is_value_of(field, text))
			return field;
	return NULL;
}

static const char *field_nearest(const struct filter_reading *reading, const char *name)
{
	const char *best = NULL;
	unsigned best_distance = weir_edit_allowance(name) + 1;
	for (const struct weir_filter_field *field = reading->fields; field->name; field++) {
		unsigned distance = weir_edit_distance(name, field->name);
		if (distance >= best_distance)
			continue;
		best = field->name;
		best_distance = distance;
	}
	return best;
}

/* The token in small letters, as fields and words are; cut where nothing is near any more. */
static void token_lower(const struct filter_token *token, char text[WEIR_NEAREST_BYTES_MAX + 2])
{
	size_t len = token->len;
	if (len > WEIR_NEAREST_BYTES_MAX + 1)
		len = WEIR_NEAREST_BYTES_MAX + 1;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)tolower((unsigned char)token->from[i]);
	text[len] = '\0';
}

/*
 * A value alone is the slip of who knows what he looks for and not how its field is called, or of
 * who thinks that spaces part the values of a list.
 */
static void field_suggest(const struct filter_reading *reading, struct weir_buf *mend)
{
	char name[WEIR_NEAREST_BYTES_MAX + 2];
	token_lower(&reading->token, name);
	const struct weir_filter_field *field = field_of_value(reading, name);
	const char *near = field_nearest(reading, name);

	if (field && reading->filter->test_count)
		weir_buf_addf(mend, "write %s=%s, or a comma between values of one field",
			      field->name, name);
	else if (field)
		weir_buf_addf(mend, "write %s=%s", field->name, name);
	else if (near)
		weir_buf_addf(mend, "did you mean '%s'?", near);
	else
		weir_buf_add_str(mend, "the fields are ");
	for (size_t i = 0; !field && !near && reading->fields[i].name; i++)
		weir_buf_addf(mend, "%s%s", i ? ", " : "", reading->fields[i].name);
}

int filter_refuse_field(const struct filter_reading *reading)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	field_suggest(reading, &mend);
	return filter_refuse(reading, reading->token.from, weir_buf_str(&mend), "%s is not a field",
			     token_show(&reading->token, &shown));
}

int filter_refuse_start(const struct filter_reading *reading)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	values_list(&mend, &reading->fields[0], NULL);
	return filter_refuse(reading, reading->token.from, weir_buf_str(&mend),
			     "%s where a field should be", token_show(&reading->token, &shown));
}

int filter_refuse_rest(const struct filter_reading *reading)
{
	_cleanup_buf_ struct weir_buf shown = { 0 };
	const char *at = reading->token.from;
	switch (reading->token.kind) {
	case FILTER_CLOSE:
		return filter_refuse(reading, at, "take it out, or write ( where it begins",
				     "this ')' closes nothing");
	case FILTER_QUOTED:
		return filter_refuse(reading, at, "write one value, or a comma between two",
				     "%s behind a value", token_show(&reading->token, &shown));
	default:
		return filter_refuse(reading, at, "write 'and' or 'or', then another comparison",
				     "%s behind a value", token_show(&reading->token, &shown));
	}
}

int filter_refuse_no_operator(const struct filter_reading *reading,
			      const struct weir_filter_field *field)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	values_list(&mend, field, NULL);
	return filter_refuse(reading, reading->token.from, weir_buf_str(&mend),
			     "an operator is missing behind '%s'", field->name);
}

int filter_refuse_order(const struct filter_reading *reading,
			const struct filter_comparison *comparison)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	values_list(&mend, comparison->field, NULL);
	return filter_refuse(reading, comparison->sign.from, weir_buf_str(&mend),
			     "%s is for numbers, sizes and durations, and '%s' is none of them",
			     token_show(&comparison->sign, &shown), comparison->field->name);
}

/* A value that is `and`, `or` or `not` is taken for the word between comparisons. */
int filter_refuse_no_value(const struct filter_reading *reading,
			   const struct filter_comparison *comparison)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	const struct filter_token *token = &reading->token;
	values_list(&mend, comparison->field, &comparison->sign);
	bool is_said = token->kind >= FILTER_AND && isalpha((unsigned char)*token->from);
	if (is_said && comparison->field->type == WEIR_FILTER_TEXT)
		weir_buf_addf(&mend, "; write \"%.*s\" if that is the value", (int)token->len,
			      token->from);
	return filter_refuse(reading, token->from, weir_buf_str(&mend),
			     "%s where a value of '%s' should be", token_show(token, &shown),
			     comparison->field->name);
}

int filter_refuse_value(const struct filter_reading *reading,
			const struct filter_comparison *comparison, const char *why)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	values_list(&mend, comparison->field, &comparison->sign);
	return filter_refuse(reading, reading->token.from, weir_buf_str(&mend), "%s: %s",
			     token_show(&reading->token, &shown), why);
}

int filter_refuse_word(const struct filter_reading *reading,
		       const struct filter_comparison *comparison)
{
	_cleanup_buf_ struct weir_buf mend = { 0 }, shown = { 0 };
	char text[WEIR_NEAREST_BYTES_MAX + 2];
	struct filter_token inner = reading->token;
	if (inner.kind == FILTER_QUOTED) {
		inner.from++;
		inner.len -= 2;
	}
	token_lower(&inner, text);
	const char *near = weir_nearest(text, comparison->field->words);
	if (near)
		weir_buf_addf(&mend, "did you mean '%s'? It is ", near);
	else
		weir_buf_addf(&mend, "write %s=", comparison->field->name);
	words_list(&mend, comparison->field->words);
	return filter_refuse(reading, reading->token.from, weir_buf_str(&mend),
			     "%s is no value of '%s'", token_show(&reading->token, &shown),
			     comparison->field->name);
}
