/* SPDX-License-Identifier: Apache-2.0 */
/* Grammar: weir NOUN VERB [positionals] [--flags], globals anywhere, "--" ends the flags. */
#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/ports.h"
#include "base/units.h"
#include "cli/nearest.h"

#define NAME_MAX_BYTES 80

/* What parsing carries along. */
struct parser {
	const struct weir_verbs *verbs;
	int argc;
	char **argv;
	int at;
	bool flags_ended;  /* "--" was seen */
	size_t positional; /* how many were taken */
	struct weir_diag *diag;
	struct weir_command *command;
};

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static const struct weir_arg *global_find(const char *name, size_t len)
{
	for (const struct weir_arg *arg = weir_global_args; arg->name; arg++)
		if (strlen(arg->name) == len && strncmp(arg->name, name, len) == 0)
			return arg;
	return NULL;
}

static const struct weir_arg *flag_find(const struct parser *parser, const char *name, size_t len)
{
	const struct weir_verb *verb = parser->command->verb;
	const struct weir_arg *arg;

	for (size_t i = 0; verb && (arg = weir_verb_arg(verb, i)); i++)
		if (!(arg->flags & WEIR_ARG_POSITIONAL) && strlen(arg->name) == len &&
		    strncmp(arg->name, name, len) == 0)
			return arg;
	return global_find(name, len);
}

static int uint_check(const char *text)
{
	char *end;

	errno = 0;
	(void)strtoull(text, &end, 10);
	return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' ? 0 : -EINVAL;
}

static int choice_check(const struct weir_arg *arg, const char *text, struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf all = { 0 };

	for (const char *const *choice = arg->choices; choice && *choice; choice++) {
		if (strcmp(*choice, text) == 0)
			return 0;
		weir_buf_addf(&all, "%s%s", all.len ? ", " : "", *choice);
	}
	_cleanup_buf_ struct weir_buf mend = { 0 };
	weir_buf_addf(&mend, "write one of: %s", weir_buf_str(&all));
	return weir_diag_error(diag, weir_buf_str(&mend), "%s: '%s' is not one of the choices",
			       arg->name, text);
}

static int port_check(const struct weir_arg *arg, const char *text, struct weir_diag *diag)
{
	uint32_t ports;

	if (!(arg->flags & WEIR_ARG_IS_PORT) ||
	    (!weir_ports_from_string(text, &ports) && ports <= UINT16_MAX))
		return 0;
	return weir_diag_error(diag, "write a number from 1 to 65535", "%s: '%s' is not a port",
			       arg->name, text);
}

static int value_check(const struct weir_arg *arg, const char *text, struct weir_diag *diag)
{
	struct weir_range range;
	uint64_t number;
	uint32_t ports;
	const char *why = "not an address";

	switch (arg->type) {
	case WEIR_ARG_UINT:
		if (uint_check(text) < 0)
			return weir_diag_error(diag, "write digits, as in 100",
					       "%s: '%s' is not a whole number", arg->name, text);
		return port_check(arg, text, diag);
	case WEIR_ARG_DURATION:
		if (weir_duration_from_string(text, &number) < 0)
			return weir_diag_error(diag,
					       "write a number and a unit, as in 30s, 10m, 1h, 7d",
					       "%s: '%s' is not a duration", arg->name, text);
		return 0;
	case WEIR_ARG_RANGE:
		if (weir_range_from_string(text, strlen(text), &range, NULL, &why) < 0)
			return weir_diag_error(diag,
					       "write 192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9 "
					       "or the same with IPv6",
					       "%s: '%s': %s", arg->name, text, why);
		return 0;
	case WEIR_ARG_PORTS:
		if (weir_ports_from_string(text, &ports) < 0)
			return weir_diag_error(diag, WEIR_PORTS_MEND, "%s: '%s' %s", arg->name,
					       text, weir_ports_fault(text));
		return 0;
	case WEIR_ARG_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return weir_diag_error(diag, "write it alone, or with =true or =false",
					       "%s: '%s' is neither true nor false", arg->name,
					       text);
		return 0;
	case WEIR_ARG_CHOICE:
		return choice_check(arg, text, diag);
	case WEIR_ARG_STRING:
	case WEIR_ARG_WORDS:
		return 0;
	}
	return 0;
}

static int value_add(struct parser *parser, const struct weir_arg *arg, const char *text)
{
	struct weir_command *command = parser->command;

	if (arg->type != WEIR_ARG_WORDS && weir_command_str(command, arg->name))
		return weir_diag_error(parser->diag, "give it once", "%s: given twice", arg->name);
	if (command->count == WEIR_COMMAND_VALUES_MAX)
		return weir_diag_error(parser->diag, NULL, "too many arguments");
	command->values[command->count++] = (struct weir_value){ arg, text };
	return value_check(arg, text, parser->diag);
}

/* One word more of the argument that takes all of them, or is given more than once. */
static int rest_add(struct parser *parser, const struct weir_arg *arg, const char *word,
		    char between)
{
	struct weir_command *command = parser->command;
	size_t len = strlen(command->rest), more = strlen(word);

	if (len + more + 2 > sizeof(command->rest))
		return weir_diag_error(parser->diag, "make it shorter", "%s: too long",
				       arg->metavar);
	if (len)
		command->rest[len++] = between;
	memcpy(command->rest + len, word, more + 1);
	return len ? 0 : value_add(parser, arg, command->rest);
}

static int flag_unknown(const struct parser *parser, const char *name, size_t len)
{
	char typed[NAME_MAX_BYTES];
	struct weir_nearest nearest = { .typed = typed };
	const struct weir_verb *verb = parser->command->verb;
	const struct weir_arg *arg;
	_cleanup_buf_ struct weir_buf mend = { 0 };

	if (len >= sizeof(typed))
		len = sizeof(typed) - 1;
	memcpy(typed, name, len);
	typed[len] = '\0';
	for (size_t i = 0; verb && (arg = weir_verb_arg(verb, i)); i++)
		if (!(arg->flags & WEIR_ARG_POSITIONAL))
			weir_nearest_offer(&nearest, arg->name);
	for (arg = weir_global_args; arg->name; arg++)
		weir_nearest_offer(&nearest, arg->name);
	if (nearest.word)
		weir_buf_addf(&mend, "did you mean --%s?", nearest.word);
	else if (!verb)
		weir_buf_add_str(&mend, "flags of a verb stand after the verb");
	else
		weir_buf_add_str(&mend, "see --help for the flags there are");
	return weir_diag_error(parser->diag, weir_buf_str(&mend), "unknown flag --%s", typed);
}

static int short_flag(struct parser *parser, const char *word)
{
	if (strcmp(word, "-h") == 0) {
		parser->command->help = true;
		return 0;
	}
	if (strcmp(word, "-V") == 0) {
		parser->command->version = true;
		return 0;
	}
	return weir_diag_error(parser->diag, "flags are written out, with two dashes",
			       "unknown flag %s", word);
}

/* Takes argv[at], and argv[at + 1] when the flag has a value there. */
static int flag_take(struct parser *parser)
{
	const char *word = parser->argv[parser->at++];

	if (word[1] != '-')
		return short_flag(parser, word);
	const char *name = word + 2;
	size_t len = strcspn(name, "=");
	const char *text = name[len] ? name + len + 1 : NULL;

	if (strcmp(name, "version") == 0 && !parser->command->verb) {
		parser->command->version = true;
		return 0;
	}
	const struct weir_arg *arg = flag_find(parser, name, len);
	if (!arg)
		return flag_unknown(parser, name, len);
	if (!text && arg->type == WEIR_ARG_BOOL)
		text = "true";
	if (!text) {
		if (parser->at >= parser->argc)
			return weir_diag_error(parser->diag, "write its value after it",
					       "--%s wants a value (%s)", arg->name,
					       arg->metavar ? arg->metavar : "TEXT");
		text = parser->argv[parser->at++];
	}
	if (strcmp(arg->name, "help") == 0 && global_find(name, len) == arg) {
		parser->command->help = true;
		return 0;
	}
	return arg->flags & WEIR_ARG_MANY ? rest_add(parser, arg, text, ',') :
					    value_add(parser, arg, text);
}

/* The next word that is no flag, flags before it taken; NULL at the end. */
static const char *word_next(struct parser *parser, int *ret_result)
{
	while (parser->at < parser->argc) {
		const char *word = parser->argv[parser->at];

		if (parser->flags_ended || !is_flag(word)) {
			parser->at++;
			return word;
		}
		if (strcmp(word, "--") == 0) {
			parser->flags_ended = true;
			parser->at++;
		} else if (flag_take(parser) < 0) {
			*ret_result = -EINVAL;
		}
	}
	return NULL;
}

static int noun_unknown(const struct parser *parser, const char *typed)
{
	struct weir_nearest nearest = { .typed = typed };
	char nouns[64][NAME_MAX_BYTES];
	size_t count = 0;

	for (size_t i = 0; i < parser->verbs->count && count < 64; i++) {
		const struct weir_verb *verb = &parser->verbs->rows[i];
		size_t len = weir_verb_noun_len(verb);

		if (!weir_verbs_is_first_of_noun(parser->verbs, i) || len >= NAME_MAX_BYTES)
			continue;
		memcpy(nouns[count], verb->op->name, len);
		nouns[count][len] = '\0';
		weir_nearest_offer(&nearest, nouns[count++]);
	}
	_cleanup_buf_ struct weir_buf mend = { 0 };
	if (nearest.word)
		weir_buf_addf(&mend, "did you mean 'weir %s'?", nearest.word);
	else
		weir_buf_add_str(&mend, "'weir help' shows all there are");
	return weir_diag_error(parser->diag, weir_buf_str(&mend), "unknown command '%s'", typed);
}

/* `typed` is what stands behind the noun, with dots between the words. */
static int verb_unknown(const struct parser *parser, const char *noun, const char *typed)
{
	struct weir_nearest nearest = { .typed = typed };
	_cleanup_buf_ struct weir_buf mend = { 0 }, all = { 0 }, words = { 0 };

	for (size_t i = 0; i < parser->verbs->count; i++) {
		const struct weir_verb *verb = &parser->verbs->rows[i];

		if (!weir_verb_has_noun(verb, noun))
			continue;
		weir_nearest_offer(&nearest, weir_verb_word(verb));
		weir_buf_add_str(&all, all.len ? ", " : "");
		weir_words_add(&all, weir_verb_word(verb));
	}
	if (nearest.word) {
		weir_buf_addf(&mend, "did you mean 'weir %s ", noun);
		weir_words_add(&mend, nearest.word);
		weir_buf_add_str(&mend, "'?");
	} else {
		weir_buf_addf(&mend, "there are: %s", weir_buf_str(&all));
	}
	weir_words_add(&words, typed);
	return weir_diag_error(parser->diag, weir_buf_str(&mend), "unknown verb '%s %s'", noun,
			       weir_buf_str(&words));
}

static bool has_words_behind(const struct parser *parser, const char *name)
{
	const char *word;
	size_t row = 0, len;

	return weir_verbs_next(parser->verbs, name, &row, &word, &len);
}

/* Finds the verb in the first words, as many as its name has; leaves verb NULL and help set when
 * there is none to run. */
static int verb_take(struct parser *parser)
{
	struct weir_command *command = parser->command;
	int result = 0;
	const char *first = word_next(parser, &result);

	if (!first || result < 0)
		return result;
	if (!weir_verbs_have_noun(parser->verbs, first)) {
		command->verb = weir_verbs_find(parser->verbs, first);
		return command->verb ? result : noun_unknown(parser, first);
	}
	command->noun = first;
	_cleanup_buf_ struct weir_buf name = { 0 };
	weir_buf_add_str(&name, first);
	while (has_words_behind(parser, weir_buf_str(&name))) {
		const char *word = word_next(parser, &result);

		if (!word || result < 0)
			return result;
		weir_buf_addf(&name, ".%s", word);
	}
	command->verb = weir_verbs_find(parser->verbs, weir_buf_str(&name));
	return command->verb ? result :
			       verb_unknown(parser, first, weir_buf_str(&name) + strlen(first) + 1);
}

static const struct weir_arg *positional_at(const struct weir_verb *verb, size_t index)
{
	const struct weir_arg *arg;

	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		if ((arg->flags & WEIR_ARG_POSITIONAL) && index-- == 0)
			return arg;
	return NULL;
}

static int positional_take(struct parser *parser, const char *word)
{
	const struct weir_arg *arg = positional_at(parser->command->verb, parser->positional);

	if (arg && arg->flags & WEIR_ARG_REST)
		return rest_add(parser, arg, word, ' ');
	parser->positional++;

	if (!arg)
		return weir_diag_error(parser->diag, "see --help for what there is",
				       "'%s' is one word too many", word);
	return value_add(parser, arg, word);
}

static int required_check(const struct parser *parser)
{
	const struct weir_arg *arg;
	int result = 0;

	for (size_t i = 0; (arg = weir_verb_arg(parser->command->verb, i)); i++) {
		if (!(arg->flags & WEIR_ARG_REQUIRED) ||
		    weir_command_str(parser->command, arg->name))
			continue;
		const char *metavar = arg->metavar ? arg->metavar : "TEXT";
		if (arg->flags & WEIR_ARG_POSITIONAL)
			result = weir_diag_error(parser->diag, arg->help, "%s is missing", metavar);
		else
			result = weir_diag_error(parser->diag, arg->help, "--%s %s is missing",
						 arg->name, metavar);
	}
	return result;
}

/* A revision on a read would be a promise nobody keeps. */
static int expect_check(const struct parser *parser)
{
	const struct weir_verb *verb = parser->command->verb;

	if (!weir_command_str(parser->command, "expect") ||
	    (verb->op->kind != WEIR_OP_READ && !weir_verb_is_here(verb)))
		return 0;
	return weir_diag_error(parser->diag, "leave it away",
			       "--expect is for verbs that change something");
}

int weir_command_parse(const struct weir_verbs *verbs, int argc, char **argv,
		       struct weir_diag *diag, struct weir_command *ret_command)
{
	struct weir_command *command = ret_command;
	struct parser parser = {
		.verbs = verbs,
		.argc = argc,
		.argv = argv,
		.at = 1,
		.diag = diag,
		.command = command,
	};

	*command = (struct weir_command){ .verbs = verbs };
	int result = verb_take(&parser);
	const char *word;

	while (command->verb && (word = word_next(&parser, &result))) {
		/* The value of a flag nobody knows is no word too many. */
		if (result < 0 && !positional_at(command->verb, parser.positional))
			continue;
		if (positional_take(&parser, word) < 0)
			result = -EINVAL;
	}
	/* Whoever asks for help may have come here because the rest was wrong. */
	if (command->help && (command->verb || command->noun || result == 0))
		result = 0;
	else if (command->verb && result == 0)
		result = required_check(&parser) < 0 ? -EINVAL : expect_check(&parser);
	return result;
}

const char *weir_command_str(const struct weir_command *command, const char *name)
{
	for (size_t i = 0; i < command->count; i++)
		if (strcmp(command->values[i].arg->name, name) == 0)
			return command->values[i].text;
	return NULL;
}

bool weir_command_flag(const struct weir_command *command, const char *name)
{
	const char *text = weir_command_str(command, name);

	return text && strcmp(text, "true") == 0;
}

uint64_t weir_command_uint(const struct weir_command *command, const char *name, uint64_t fallback)
{
	const char *text = weir_command_str(command, name);

	return text ? strtoull(text, NULL, 10) : fallback;
}
