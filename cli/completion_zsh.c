/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for zsh: one _arguments call a verb. */
#include <string.h>

#include "cli/completion.h"

/* Text inside single quotes and inside an _arguments spec, where colon and brackets mean something.
 */
static void spec_text_add(struct weir_buf *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '\'')
			weir_buf_add_str(out, "'\\''");
		else if (strchr(":[]\\", *text))
			weir_buf_addf(out, "\\%c", *text);
		else
			weir_buf_add_char(out, *text);
	}
}

static void action_add(const struct weir_verb *verb, const struct weir_arg *arg,
		       struct weir_buf *out)
{
	switch (weir_arg_completes(verb, arg)) {
	case WEIR_COMPLETES_CHOICES:
		weir_buf_add_char(out, '(');
		for (const char *const *choice = arg->choices; choice && *choice; choice++)
			weir_buf_addf(out, "%s%s", choice == arg->choices ? "" : " ", *choice);
		weir_buf_add_char(out, ')');
		break;
	case WEIR_COMPLETES_FILES:
		weir_buf_add_str(out, "_files");
		break;
	case WEIR_COMPLETES_DIRECTORIES:
		weir_buf_add_str(out, "_files -/");
		break;
	case WEIR_COMPLETES_INTERFACES:
		weir_buf_add_str(out, "__weir_ifaces");
		break;
	case WEIR_COMPLETES_NOTHING:
		weir_buf_add_char(out, ' ');
		break;
	}
}

static void arg_spec_add(const struct weir_verb *verb, const struct weir_arg *arg,
			 struct weir_buf *out)
{
	if (arg->flags & WEIR_ARG_POSITIONAL) {
		weir_buf_addf(out, " '%s", arg->flags & WEIR_ARG_REQUIRED ? ":" : "::");
		spec_text_add(out, arg->metavar ? arg->metavar : arg->name);
		weir_buf_add_char(out, ':');
		action_add(verb, arg, out);
	} else {
		weir_buf_addf(out, " '--%s%s[", arg->name, arg->type == WEIR_ARG_BOOL ? "" : "=");
		spec_text_add(out, arg->help);
		weir_buf_add_char(out, ']');
		if (arg->type != WEIR_ARG_BOOL) {
			weir_buf_add_char(out, ':');
			spec_text_add(out, arg->metavar ? arg->metavar : arg->name);
			weir_buf_add_char(out, ':');
			action_add(verb, arg, out);
		}
	}
	weir_buf_add_char(out, '\'');
}

static void verb_case_add(const struct weir_verb *verb, struct weir_buf *out)
{
	const struct weir_arg *arg;

	weir_buf_addf(out, "\t%s) _arguments $globals", verb->op->name);
	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		arg_spec_add(verb, arg, out);
	weir_buf_add_str(out, " ;;\n");
}

/* "'add:Add an address' …" for _describe. */
static void firsts_add(const struct weir_verbs *verbs, struct weir_buf *out)
{
	for (size_t i = 0; i < verbs->count; i++) {
		const struct weir_verb *verb = &verbs->rows[i];

		if (!weir_verbs_is_first_of_noun(verbs, i))
			continue;
		weir_buf_addf(out, " '%.*s:", (int)weir_verb_noun_len(verb), verb->op->name);
		spec_text_add(out, weir_verb_word(verb) ? "…" : verb->op->summary);
		weir_buf_add_char(out, '\'');
	}
}

static void words_add(const struct weir_verbs *verbs, const char *name, struct weir_buf *out)
{
	const char *word;
	size_t row = 0, len;

	while (weir_verbs_next(verbs, name, &row, &word, &len)) {
		weir_buf_addf(out, " '%.*s:", (int)len, word);
		spec_text_add(out, word[len] ? "…" : verbs->rows[row - 1].op->summary);
		weir_buf_add_char(out, '\'');
	}
}

static void groups_add(const struct weir_verbs *verbs, struct weir_buf *out)
{
	_cleanup_buf_ struct weir_buf name = { 0 };
	size_t row = 0, dot = 0;

	while (weir_verbs_next_group(verbs, &row, &dot, &name)) {
		weir_buf_addf(out, "\t%s) verbs=(", weir_buf_str(&name));
		words_add(verbs, weir_buf_str(&name), out);
		weir_buf_add_str(out, " ) ;;\n");
	}
}

void weir_completion_zsh(const struct weir_verbs *verbs, struct weir_buf *out)
{
	weir_buf_add_str(
		out, "#compdef weir\n# zsh completion for weir, made by: weir completion zsh\n\n"
		     "__weir_ifaces()\n{\n"
		     "\tlocal -a names=( /sys/class/net/*(N:t) )\n"
		     "\t_describe interface names\n}\n\n"
		     "__weir_verbs()\n{\n\tverbs=()\n\tcase $1 in\n");
	groups_add(verbs, out);
	weir_buf_add_str(out,
			 "\tesac\n}\n\n"
			 "_weir()\n{\n\tlocal -a first verbs globals\n\tlocal name\n\tglobals=(");
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		arg_spec_add(NULL, arg, out);
	weir_buf_add_str(out, " )\n\tfirst=(");
	firsts_add(verbs, out);
	weir_buf_add_str(out, " )\n"
			      "\tif (( CURRENT == 2 )); then _describe command first; return; fi\n"
			      "\tname=$words[2]\n\t__weir_verbs $name\n"
			      "\twhile (( $#verbs )); do\n"
			      "\t\tif (( CURRENT == 3 )); then _describe verb verbs; return; fi\n"
			      "\t\tname=$name.$words[3]\n"
			      "\t\tshift words; (( CURRENT-- ))\n"
			      "\t\t__weir_verbs $name\n"
			      "\tdone\n"
			      "\tshift words; (( CURRENT-- ))\n"
			      "\tcase $name in\n");
	for (size_t i = 0; i < verbs->count; i++)
		verb_case_add(&verbs->rows[i], out);
	weir_buf_add_str(out, "\tesac\n}\n\n"
			      "if [[ $funcstack[1] == _weir ]]; then _weir \"$@\"; else compdef "
			      "_weir weir; fi\n");
}
