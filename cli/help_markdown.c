/* SPDX-License-Identifier: Apache-2.0 */
/* The reference page of all commands. */
#include <string.h>

#include "cli/help.h"

/* A cell of a Markdown table: a bar would end it, an angle bracket would be markup. */
static void cell_add(struct weir_buf *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			weir_buf_add_char(out, '\\');
		if (*text == '<')
			weir_buf_add_str(out, "&lt;");
		else
			weir_buf_add_char(out, *text);
	}
}

static void arg_line(struct weir_buf *out, const struct weir_arg *arg)
{
	const char *metavar = arg->metavar ? arg->metavar : "TEXT";

	if (arg->flags & WEIR_ARG_POSITIONAL)
		weir_buf_addf(out, "| `%s` | ", metavar);
	else if (arg->type == WEIR_ARG_BOOL)
		weir_buf_addf(out, "| `--%s` | ", arg->name);
	else
		weir_buf_addf(out, "| `--%s %s` | ", arg->name, metavar);
	cell_add(out, arg->help);
	if (arg->type == WEIR_ARG_CHOICE && arg->choices) {
		weir_buf_add_str(out, ":");
		for (const char *const *choice = arg->choices; *choice; choice++)
			weir_buf_addf(out, "%s `%s`", choice == arg->choices ? "" : ",", *choice);
	}
	weir_buf_add_str(out, " | ");
	if (arg->fallback)
		weir_buf_addf(out, "`%s`", arg->fallback);
	else if (arg->flags & WEIR_ARG_REQUIRED)
		weir_buf_add_str(out, "must be given");
	weir_buf_add_str(out, " |\n");
}

static const char *who_text(const struct weir_verb *verb)
{
	/* A row of the CLI's own that has a role asks the daemon by itself. */
	bool asks_daemon = !verb->op->run && verb->op->role != WEIR_ROLE_NONE;

	if (verb->place == WEIR_VERB_CLIENT)
		return "Asks the daemon.";
	if (verb->place == WEIR_VERB_LOCAL && !asks_daemon)
		return "Needs no daemon.";
	if (verb->place != WEIR_VERB_REMOTE)
		return "Works without a daemon too.";
	switch (verb->op->role) {
	case WEIR_ROLE_NONE:
	case WEIR_ROLE_VIEWER:
		return "Role: viewer.";
	case WEIR_ROLE_OPERATOR:
		return "Role: operator.";
	case WEIR_ROLE_ADMIN:
		return "Role: admin.";
	}
	return "";
}

static void verb_section(struct weir_buf *out, const struct weir_verb *verb)
{
	weir_buf_add_str(out, "\n### weir ");
	weir_words_add(out, verb->op->name);
	weir_buf_addf(out, "\n\n%s. %s\n\n", verb->op->summary, who_text(verb));
	if (!weir_verb_is_here(verb)) {
		_cleanup_buf_ struct weir_buf route = { 0 };

		weir_op_route(verb->op, &route);
		weir_buf_addf(out, "HTTP: `%s %s`\n\n",
			      verb->op->kind == WEIR_OP_READ ? "GET" : "POST",
			      weir_buf_str(&route));
	}
	weir_buf_add_str(out, "```\n");
	weir_help_synopsis(verb, out);
	weir_buf_add_str(out, "\n```\n");
	if (weir_verb_arg(verb, 0)) {
		const struct weir_arg *arg;

		weir_buf_add_str(out, "\n| argument | meaning | default |\n|---|---|---|\n");
		for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
			arg_line(out, arg);
	}
	if (verb->op->example)
		weir_buf_addf(out, "\nExample: `weir %s`\n", verb->op->example);
}

void weir_help_markdown(const struct weir_verbs *verbs, struct weir_buf *out)
{
	weir_buf_add_str(
		out,
		"# Commands\n\n"
		"<!-- Made by `weir help --markdown`; change the operation table, not this page. "
		"-->\n\n"
		"`weir NOUN VERB [words] [--flags]`. Flags may stand anywhere after the verb, as "
		"`--flag value` or\n"
		"`--flag=value`; `--` ends them. A file named `-` is standard input or output.\n\n"
		"Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon.\n\n"
		"## Flags of every command\n\n"
		"| argument | meaning | default |\n|---|---|---|\n");
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		arg_line(out, arg);
	for (size_t i = 0; i < verbs->count; i++) {
		if (!weir_verbs_is_first_of_noun(verbs, i))
			continue;
		size_t len = weir_verb_noun_len(&verbs->rows[i]);
		weir_buf_addf(out, "\n## %.*s\n", (int)len, verbs->rows[i].op->name);
		for (size_t j = i; j < verbs->count; j++)
			if (weir_verb_noun_len(&verbs->rows[j]) == len &&
			    strncmp(verbs->rows[j].op->name, verbs->rows[i].op->name, len) == 0)
				verb_section(out, &verbs->rows[j]);
	}
}
