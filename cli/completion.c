/* SPDX-License-Identifier: Apache-2.0 */
/* What every shell's script needs to know, and the script for bash. */
#include "cli/completion.h"

#include <string.h>

enum weir_completes weir_arg_completes(const struct weir_verb *verb, const struct weir_arg *arg)
{
	bool interface_verb = verb && weir_verb_has_noun(verb, "interface");

	if (arg->type == WEIR_ARG_CHOICE)
		return WEIR_COMPLETES_CHOICES;
	if (arg->type != WEIR_ARG_STRING)
		return WEIR_COMPLETES_NOTHING;
	if (weir_arg_is_file(arg) || (arg->metavar && strcmp(arg->metavar, "PATH") == 0))
		return WEIR_COMPLETES_FILES;
	if (arg->metavar && strcmp(arg->metavar, "DIR") == 0)
		return WEIR_COMPLETES_DIRECTORIES;
	if (strcmp(arg->name, "interface") == 0 ||
	    (interface_verb && (arg->flags & WEIR_ARG_POSITIONAL)))
		return WEIR_COMPLETES_INTERFACES;
	return WEIR_COMPLETES_NOTHING;
}

/* The words that can come first: each noun and each verb without one. */
static void firsts_add(const struct weir_verbs *verbs, struct weir_buf *out)
{
	for (size_t i = 0; i < verbs->count; i++) {
		if (!weir_verbs_is_first_of_noun(verbs, i))
			continue;
		weir_buf_addf(out, " %.*s", (int)weir_verb_noun_len(&verbs->rows[i]),
			      verbs->rows[i].op->name);
	}
}

static void noun_cases_add(const struct weir_verbs *verbs, struct weir_buf *out)
{
	_cleanup_buf_ struct weir_buf name = { 0 };
	size_t group = 0, dot = 0;

	while (weir_verbs_next_group(verbs, &group, &dot, &name)) {
		const char *word, *between = "";
		size_t row = 0, len;

		weir_buf_addf(out, "\t%s) printf '%%s' '", weir_buf_str(&name));
		for (; weir_verbs_next(verbs, weir_buf_str(&name), &row, &word, &len);
		     between = " ")
			weir_buf_addf(out, "%s%.*s", between, (int)len, word);
		weir_buf_add_str(out, "' ;;\n");
	}
}

static void flags_add(const struct weir_verb *verb, struct weir_buf *out)
{
	const struct weir_arg *arg;

	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		if (!(arg->flags & WEIR_ARG_POSITIONAL))
			weir_buf_addf(out, "--%s ", arg->name);
	for (arg = weir_global_args; arg->name; arg++)
		weir_buf_addf(out, "--%s ", arg->name);
}

/* "files", "dirs", "ifaces", "nothing" or "words a b c": what the script's own function
 * understands. */
static void kind_add(const struct weir_verb *verb, const struct weir_arg *arg, struct weir_buf *out)
{
	switch (weir_arg_completes(verb, arg)) {
	case WEIR_COMPLETES_CHOICES:
		weir_buf_add_str(out, "words");
		for (const char *const *choice = arg->choices; choice && *choice; choice++)
			weir_buf_addf(out, " %s", *choice);
		break;
	case WEIR_COMPLETES_FILES:
		weir_buf_add_str(out, "files");
		break;
	case WEIR_COMPLETES_DIRECTORIES:
		weir_buf_add_str(out, "dirs");
		break;
	case WEIR_COMPLETES_INTERFACES:
		weir_buf_add_str(out, "ifaces");
		break;
	case WEIR_COMPLETES_NOTHING:
		weir_buf_add_str(out, "nothing");
		break;
	}
}

static void value_cases_add(const struct weir_verbs *verbs, struct weir_buf *out)
{
	for (size_t i = 0; i < verbs->count; i++) {
		const struct weir_verb *verb = &verbs->rows[i];
		const struct weir_arg *arg;
		unsigned position = 0;

		for (size_t j = 0; (arg = weir_verb_arg(verb, j)); j++) {
			if (arg->type == WEIR_ARG_BOOL)
				continue;
			if (arg->flags & WEIR_ARG_POSITIONAL)
				weir_buf_addf(out, "\t%s:%u) printf '%%s' '", verb->op->name,
					      ++position);
			else
				weir_buf_addf(out, "\t%s:--%s) printf '%%s' '", verb->op->name,
					      arg->name);
			kind_add(verb, arg, out);
			weir_buf_add_str(out, "' ;;\n");
		}
	}
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++) {
		if (arg->type == WEIR_ARG_BOOL)
			continue;
		weir_buf_addf(out, "\t*:--%s) printf '%%s' '", arg->name);
		kind_add(NULL, arg, out);
		weir_buf_add_str(out, "' ;;\n");
	}
}

static const char bash_body[] =
	"\n"
	"__weir_reply()\n"
	"{\n"
	"\tlocal kind=${1%% *} words=${1#* }\n"
	"\tcase $kind in\n"
	"\twords) COMPREPLY=($(compgen -W \"$words\" -- \"$2\")) ;;\n"
	"\tfiles) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
	"\tdirs) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
	"\tifaces) COMPREPLY=($(compgen -W \"$(ls /sys/class/net)\" -- \"$2\")) ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"__weir()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} noun= verb= name=\n"
	"\tlocal i word kind position=1\n"
	"\tCOMPREPLY=()\n"
	"\t# bash splits --flag=value in three words\n"
	"\tif [[ $cur == = ]]; then cur=; prev=${COMP_WORDS[COMP_CWORD-1]}; fi\n"
	"\tif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ $word == -?* ]]; then\n"
	"\t\t\t[[ -n $(__weir_value \"$name:$word\") ]] && {\n"
	"\t\t\t\t((i++))\n"
	"\t\t\t\t[[ ${COMP_WORDS[i]} == = ]] && ((i++))\n"
	"\t\t\t}\n"
	"\t\telif [[ -z $noun ]]; then\n"
	"\t\t\tnoun=$word\n"
	"\t\t\t[[ -z $(__weir_verbs \"$noun\") ]] && name=$noun\n"
	"\t\telif [[ -z $name ]]; then\n"
	"\t\t\tname=$noun.$word\n"
	"\t\t\t[[ -n $(__weir_verbs \"$name\") ]] && noun=$name name=\n"
	"\t\telse\n"
	"\t\t\t((position++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $prev == --* ]]; then\n"
	"\t\tkind=$(__weir_value \"$name:$prev\")\n"
	"\t\tif [[ -n $kind ]]; then __weir_reply \"$kind\" \"$cur\"; return; fi\n"
	"\tfi\n"
	"\tif [[ $cur == -* ]]; then\n"
	"\t\t__weir_reply \"words $(__weir_flags \"$name\")\" \"$cur\"\n"
	"\telif [[ -z $noun ]]; then\n"
	"\t\t__weir_reply \"words$__weir_first\" \"$cur\"\n"
	"\telif [[ -z $name ]]; then\n"
	"\t\t__weir_reply \"words $(__weir_verbs \"$noun\")\" \"$cur\"\n"
	"\telse\n"
	"\t\t__weir_reply \"$(__weir_value \"$name:$position\")\" \"$cur\"\n"
	"\tfi\n"
	"}\n"
	"complete -F __weir weir\n";

void weir_completion_bash(const struct weir_verbs *verbs, struct weir_buf *out)
{
	weir_buf_add_str(
		out, "# bash completion for weir, made by: weir completion bash\n__weir_first='");
	firsts_add(verbs, out);
	weir_buf_add_str(out, "'\n\n__weir_verbs()\n{\n\tcase $1 in\n");
	noun_cases_add(verbs, out);
	weir_buf_add_str(out, "\tesac\n}\n\n__weir_flags()\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < verbs->count; i++) {
		weir_buf_addf(out, "\t%s) printf '%%s' '", verbs->rows[i].op->name);
		flags_add(&verbs->rows[i], out);
		weir_buf_add_str(out, "' ;;\n");
	}
	weir_buf_add_str(out, "\t*) printf '%s' '");
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		weir_buf_addf(out, "--%s ", arg->name);
	weir_buf_add_str(out, "' ;;\n\tesac\n}\n\n__weir_value()\n{\n\tcase $1 in\n");
	value_cases_add(verbs, out);
	weir_buf_add_str(out, "\tesac\n}\n");
	weir_buf_add_str(out, bash_body);
}
