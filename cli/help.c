/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb takes, in words, for a terminal. The reference page is help_markdown.c. */
#include "cli/help.h"

#include <string.h>

#include "cli/table.h"

/* "ENTRY", "--ttl DURATION", "--force" */
static void arg_add(struct weir_buf *out, const struct weir_arg *arg)
{
	const char *metavar = arg->metavar ? arg->metavar : "TEXT";

	if (arg->flags & WEIR_ARG_POSITIONAL) {
		weir_buf_add_str(out, metavar);
		return;
	}
	weir_buf_addf(out, "--%s", arg->name);
	if (arg->type == WEIR_ARG_CHOICE && arg->choices && !arg->metavar) {
		for (const char *const *choice = arg->choices; *choice; choice++)
			weir_buf_addf(out, "%s%s", choice == arg->choices ? " " : "|", *choice);
	} else if (arg->type != WEIR_ARG_BOOL) {
		weir_buf_addf(out, " %s", metavar);
	}
}

void weir_help_synopsis(const struct weir_verb *verb, struct weir_buf *out)
{
	const struct weir_arg *arg;

	weir_buf_add_str(out, "weir ");
	weir_words_add(out, verb->op->name);
	/* Positionals first: they are what one must know by heart. */
	for (int flags = 0; flags < 2; flags++)
		for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++) {
			bool required = arg->flags & WEIR_ARG_REQUIRED;

			if (((arg->flags & WEIR_ARG_POSITIONAL) == 0) != (flags == 1))
				continue;
			weir_buf_add_str(out, required ? " " : " [");
			arg_add(out, arg);
			weir_buf_add_str(out, required ? "" : "]");
		}
}

static void arg_row(struct weir_table *table, const struct weir_arg *arg)
{
	_cleanup_buf_ struct weir_buf left = { 0 };
	_cleanup_buf_ struct weir_buf right = { 0 };

	arg_add(&left, arg);
	weir_buf_add_str(&right, arg->help ? arg->help : "");
	if (arg->type == WEIR_ARG_CHOICE && arg->choices && arg->metavar) {
		weir_buf_add_str(&right, ":");
		for (const char *const *choice = arg->choices; *choice; choice++)
			weir_buf_addf(&right, "%s %s", choice == arg->choices ? "" : ",", *choice);
	}
	if (arg->fallback)
		weir_buf_addf(&right, " (default %s)", arg->fallback);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&left));
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&right));
}

static const struct weir_column two_columns[] = { { "", false }, { "", false } };

static void globals_show(struct weir_buf *out)
{
	_cleanup_table_ struct weir_table table = {
		.columns = two_columns,
		.column_count = 2,
		.indent = 2,
	};

	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		arg_row(&table, arg);
	weir_buf_add_str(out, "\nEverywhere:\n");
	weir_table_print(&table, out);
}

void weir_help_verb(const struct weir_verb *verb, struct weir_buf *out)
{
	_cleanup_table_ struct weir_table table = {
		.columns = two_columns,
		.column_count = 2,
		.indent = 2,
	};
	const struct weir_arg *arg;

	weir_help_synopsis(verb, out);
	weir_buf_addf(out, "\n\n%s.\n", verb->op->summary);
	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		arg_row(&table, arg);
	if (weir_table_rows(&table) > 0)
		weir_buf_add_char(out, '\n');
	weir_table_print(&table, out);
	globals_show(out);
	if (verb->op->example)
		weir_buf_addf(out, "\nExample:\n  weir %s\n", verb->op->example);
}

static void verb_row(struct weir_table *table, const struct weir_verb *verb)
{
	_cleanup_buf_ struct weir_buf words = { 0 };

	weir_words_add(&words, verb->op->name);
	weir_table_cell(table, WEIR_COLOR_PLAIN, weir_buf_str(&words));
	weir_table_cell(table, WEIR_COLOR_PLAIN, verb->op->summary);
}

void weir_help_noun(const struct weir_verbs *verbs, const char *noun, struct weir_buf *out)
{
	_cleanup_table_ struct weir_table table = {
		.columns = two_columns,
		.column_count = 2,
		.indent = 2,
	};
	bool first = true;

	weir_buf_addf(out, "weir %s VERB …\n\n", noun);
	for (size_t i = 0; i < verbs->count; i++)
		if (weir_verb_has_noun(&verbs->rows[i], noun))
			verb_row(&table, &verbs->rows[i]);
	weir_table_print(&table, out);
	for (size_t i = 0; i < verbs->count; i++) {
		const struct weir_verb *verb = &verbs->rows[i];

		if (!weir_verb_has_noun(verb, noun) || !verb->op->example)
			continue;
		weir_buf_addf(out, "%s  weir %s\n", first ? "\nExamples:\n" : "",
			      verb->op->example);
		first = false;
	}
	weir_buf_addf(out, "\n'weir %s VERB --help' says what a verb takes.\n", noun);
}

void weir_help_overview(const struct weir_verbs *verbs, struct weir_buf *out)
{
	_cleanup_table_ struct weir_table table = {
		.columns = two_columns,
		.column_count = 2,
		.indent = 2,
	};

	weir_buf_add_str(out, "weir: packet filter in the kernel's fast path\n\n"
			      "weir COMMAND [WORDS] [--FLAGS]\n\n");
	/* Verbs of one noun together, whatever order the tables came in. */
	for (size_t i = 0; i < verbs->count; i++) {
		if (!weir_verbs_is_first_of_noun(verbs, i))
			continue;
		size_t len = weir_verb_noun_len(&verbs->rows[i]);
		for (size_t j = i; j < verbs->count; j++)
			if (weir_verb_noun_len(&verbs->rows[j]) == len &&
			    strncmp(verbs->rows[j].op->name, verbs->rows[i].op->name, len) == 0)
				verb_row(&table, &verbs->rows[j]);
	}
	weir_table_print(&table, out);
	globals_show(out);
	weir_buf_add_str(out,
			 "\nFirst steps:\n"
			 "  weir daemon --interface eth0      watch an interface (as root)\n"
			 "  weir status                       see what passes and what is dropped\n"
			 "  weir block add 192.0.2.0/24 --ttl 10m\n"
			 "  weir explain --src 192.0.2.7 --dst 198.51.100.1\n"
			 "\n'weir COMMAND --help' says what a command takes.\n"
			 "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon.\n");
}
