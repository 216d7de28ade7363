/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for fish: one `complete` a word or flag, each under the condition that its
 * verb was typed. */
#include <string.h>

#include "cli/completion.h"

static void quoted_add(struct weir_buf *out, const char *text)
{
	weir_buf_add_char(out, '\'');
	for (; text && *text; text++) {
		if (*text == '\'' || *text == '\\')
			weir_buf_add_char(out, '\\');
		weir_buf_add_char(out, *text);
	}
	weir_buf_add_char(out, '\'');
}

static void source_add(const struct weir_verb *verb, const struct weir_arg *arg,
		       struct weir_buf *out)
{
	_cleanup_buf_ struct weir_buf words = { 0 };

	switch (weir_arg_completes(verb, arg)) {
	case WEIR_COMPLETES_CHOICES:
		for (const char *const *choice = arg->choices; choice && *choice; choice++)
			weir_buf_addf(&words, "%s ", *choice);
		weir_buf_add_str(out, " -f -a ");
		quoted_add(out, weir_buf_str(&words));
		break;
	case WEIR_COMPLETES_FILES:
		weir_buf_add_str(out, " -F");
		break;
	case WEIR_COMPLETES_DIRECTORIES:
		weir_buf_add_str(out, " -f -a '(__fish_complete_directories)'");
		break;
	case WEIR_COMPLETES_INTERFACES:
		weir_buf_add_str(out, " -f -a '(command ls /sys/class/net)'");
		break;
	case WEIR_COMPLETES_NOTHING:
		weir_buf_add_str(out, " -f");
		break;
	}
}

static void condition_add(const struct weir_verb *verb, struct weir_buf *out)
{
	weir_buf_add_str(out, "complete -c weir -n '__weir_at ");
	weir_words_add(out, verb->op->name);
	weir_buf_add_char(out, '\'');
}

static void arg_add(const struct weir_verb *verb, const struct weir_arg *arg, struct weir_buf *out)
{
	if (arg->flags & WEIR_ARG_POSITIONAL) {
		if (weir_arg_completes(verb, arg) == WEIR_COMPLETES_NOTHING)
			return;
		condition_add(verb, out);
		source_add(verb, arg, out);
		weir_buf_add_char(out, '\n');
		return;
	}
	if (verb)
		condition_add(verb, out);
	else
		weir_buf_add_str(out, "complete -c weir");
	weir_buf_addf(out, " -l %s", arg->name);
	if (arg->type != WEIR_ARG_BOOL) {
		weir_buf_add_str(out, " -r");
		source_add(verb, arg, out);
	}
	weir_buf_add_str(out, " -d ");
	quoted_add(out, arg->help);
	weir_buf_add_char(out, '\n');
}

static void verb_add(const struct weir_verbs *verbs, size_t index, struct weir_buf *out)
{
	const struct weir_verb *verb = &verbs->rows[index];
	const char *word = weir_verb_word(verb);
	const struct weir_arg *arg;

	if (weir_verbs_is_first_of_noun(verbs, index)) {
		weir_buf_addf(out, "complete -c weir -n '__weir_at' -a %.*s",
			      (int)weir_verb_noun_len(verb), verb->op->name);
		if (!word) {
			weir_buf_add_str(out, " -d ");
			quoted_add(out, verb->op->summary);
		}
		weir_buf_add_char(out, '\n');
	}
	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		arg_add(verb, arg, out);
}

/* Those that can stand behind `name`. */
static void words_add(const struct weir_verbs *verbs, const char *name, struct weir_buf *out)
{
	const char *word;
	size_t row = 0, len;

	while (weir_verbs_next(verbs, name, &row, &word, &len)) {
		weir_buf_add_str(out, "complete -c weir -n '__weir_at ");
		weir_words_add(out, name);
		weir_buf_addf(out, "' -a %.*s", (int)len, word);
		if (!word[len]) {
			weir_buf_add_str(out, " -d ");
			quoted_add(out, verbs->rows[row - 1].op->summary);
		}
		weir_buf_add_char(out, '\n');
	}
}

void weir_completion_fish(const struct weir_verbs *verbs, struct weir_buf *out)
{
	/* The words typed so far are exactly those given, or begin with a whole noun and verb. */
	weir_buf_add_str(out, "# fish completion for weir, made by: weir completion fish\n"
			      "set -g __weir_nouns");
	_cleanup_buf_ struct weir_buf group = { 0 };
	size_t row = 0, dot = 0;

	while (weir_verbs_next_group(verbs, &row, &dot, &group)) {
		weir_buf_add_str(out, " '");
		weir_words_add(out, weir_buf_str(&group));
		weir_buf_add_char(out, '\'');
	}
	weir_buf_add_str(out, "\n\nfunction __weir_at\n"
			      "\tset -l words (commandline -opc)\n"
			      "\tset -l typed\n"
			      "\tfor word in $words[2..-1]\n"
			      "\t\tstring match -q -- '-*' $word; or set -a typed $word\n"
			      "\tend\n"
			      "\tset -l depth 1\n"
			      "\tcontains -- \"$typed[1]\" $__weir_nouns; and set depth 2\n"
			      "\tcontains -- \"$typed[1..2]\" $__weir_nouns; and set depth 3\n"
			      "\ttest (count $typed) -gt $depth; and set typed $typed[1..$depth]\n"
			      "\ttest \"$typed\" = \"$argv\"\n"
			      "end\n\ncomplete -c weir -f\n");
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		arg_add(NULL, arg, out);
	for (size_t i = 0; i < verbs->count; i++)
		verb_add(verbs, i, out);
	for (row = dot = 0; weir_verbs_next_group(verbs, &row, &dot, &group);)
		words_add(verbs, weir_buf_str(&group), out);
}
