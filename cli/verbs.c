/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the operation table with the verbs of the CLI's own and looks things up in the result. */
#include "cli/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_ARG "file"

const struct weir_arg weir_global_args[] = {
	{ .name = "socket",
	  .metavar = "PATH",
	  .help = "socket of the daemon; also WEIR_SOCKET",
	  .fallback = "/run/weir/weir.sock" },
	{ .name = "json", .type = WEIR_ARG_BOOL, .help = "print the answer as JSON" },
	{ .name = "csv", .type = WEIR_ARG_BOOL, .help = "print its rows as CSV (RFC 4180)" },
	{ .name = "expect",
	  .type = WEIR_ARG_UINT,
	  .metavar = "REV",
	  .help = "change nothing unless this is the revision now" },
	{ .name = "timeout",
	  .type = WEIR_ARG_DURATION,
	  .metavar = "DURATION",
	  .help = "longest silence of the daemon",
	  .fallback = "2m" },
	{ .name = "no-color", .type = WEIR_ARG_BOOL, .help = "no colours; also NO_COLOR" },
	{ .name = "help", .type = WEIR_ARG_BOOL, .help = "show help" },
	{ 0 },
};

static const struct weir_arg upload_file = {
	.name = FILE_ARG,
	.flags = WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL,
	.metavar = "FILE",
	.help = "file to send; - is standard input",
};

static const struct weir_arg export_extra[] = {
	{ .name = FILE_ARG,
	  .flags = WEIR_ARG_POSITIONAL,
	  .metavar = "FILE",
	  .help = "where to write it; without it, to standard output" },
	{ 0 },
};

static const struct weir_arg block_add_extra[] = {
	{ .name = "force",
	  .type = WEIR_ARG_BOOL,
	  .help = "even when it holds the address of this SSH session" },
	{ 0 },
};

static const struct weir_arg apply_extra[] = {
	{ .name = "look",
	  .type = WEIR_ARG_BOOL,
	  .help = "show first which live connections it would cut, and ask; without this, when it "
		  "denies by default" },
	{ .name = "dry-run", .type = WEIR_ARG_BOOL, .help = "show that and change nothing" },
	{ .name = "yes", .type = WEIR_ARG_BOOL, .help = "apply it even so, without a question" },
	{ .name = "force", .type = WEIR_ARG_BOOL, .help = "even when it cuts this SSH session" },
	{ 0 },
};

static const struct weir_arg events_extra[] = {
	{ .name = "follow", .type = WEIR_ARG_BOOL, .help = "go on with each event as it happens" },
	{ 0 },
};

static const struct weir_arg status_extra[] = {
	{ .name = "pin-dir",
	  .metavar = "DIR",
	  .help = "without a daemon: where its maps are pinned",
	  .fallback = "/sys/fs/bpf/weir" },
	{ 0 },
};

static const struct weir_arg diff_extra[] = {
	{ .name = "state-dir",
	  .metavar = "DIR",
	  .help = "without a daemon: where it keeps the policy it applied last",
	  .fallback = "/var/lib/weir" },
	{ 0 },
};

/* By the whole name, or the word after the dot. */
static const struct {
	const char *word;
	const struct weir_arg *extra;
} extras[] = {
	{ "export", export_extra }, { "block.add", block_add_extra }, { "events", events_extra },
	{ "status", status_extra }, { "diff", diff_extra },	      { "apply", apply_extra },
};

static const struct weir_arg *extra_of(const struct weir_op *op)
{
	const char *dot = strchr(op->name, '.');
	const char *word = dot ? dot + 1 : op->name;

	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
		if (strcmp(extras[i].word, word) == 0 || strcmp(extras[i].word, op->name) == 0)
			return extras[i].extra;
	return NULL;
}

static struct weir_verb *verbs_find(const struct weir_verbs *verbs, const char *name)
{
	for (size_t i = 0; i < verbs->count; i++)
		if (strcmp(verbs->rows[i].op->name, name) == 0)
			return &verbs->rows[i];
	return NULL;
}

static void verbs_add_local(struct weir_verbs *verbs, const struct weir_local *local)
{
	struct weir_verb *known = verbs_find(verbs, local->op.name);

	if (known) {
		known->place = local->place;
		known->local = local->run;
		return;
	}
	verbs->rows[verbs->count++] = (struct weir_verb){
		.op = &local->op,
		.place = local->place,
		.local = local->run,
	};
}

int weir_verbs_init(struct weir_verbs *verbs, weir_op_source *source,
		    const struct weir_local *locals)
{
	size_t room = 0;

	while (source(room))
		room++;
	for (const struct weir_local *local = locals; local->op.name; local++)
		room++;
	*verbs = (struct weir_verbs){ .rows = calloc(room + 1, sizeof(*verbs->rows)) };
	if (!verbs->rows)
		return -ENOMEM;
	for (const struct weir_op *op = source(0); op; op = source(verbs->count))
		verbs->rows[verbs->count++] = (struct weir_verb){ .op = op, .extra = extra_of(op) };
	for (const struct weir_local *local = locals; local->op.name; local++)
		verbs_add_local(verbs, local);
	return 0;
}

void weir_verbs_done(struct weir_verbs *verbs)
{
	free(verbs->rows);
	*verbs = (struct weir_verbs){ 0 };
}

const struct weir_verb *weir_verbs_find(const struct weir_verbs *verbs, const char *name)
{
	return verbs_find(verbs, name);
}

size_t weir_verb_noun_len(const struct weir_verb *verb)
{
	return strcspn(verb->op->name, ".");
}

const char *weir_verb_word(const struct weir_verb *verb)
{
	const char *dot = strchr(verb->op->name, '.');

	return dot ? dot + 1 : NULL;
}

void weir_words_add(struct weir_buf *out, const char *name)
{
	for (; *name; name++)
		weir_buf_add_char(out, *name == '.' ? ' ' : *name);
}

/* Whether the name is that many bytes of `of`, and words behind them. */
static bool is_behind(const char *name, const char *of, size_t len)
{
	return strncmp(name, of, len) == 0 && name[len] == '.';
}

static bool is_first_behind(const struct weir_verbs *verbs, size_t row, const char *of, size_t len)
{
	for (size_t i = 0; i < row; i++)
		if (is_behind(verbs->rows[i].op->name, of, len))
			return false;
	return true;
}

bool weir_verbs_next(const struct weir_verbs *verbs, const char *name, size_t *row,
		     const char **ret_word, size_t *ret_len)
{
	size_t len = strlen(name);

	for (; *row < verbs->count; ++*row) {
		const char *of = verbs->rows[*row].op->name;

		if (!is_behind(of, name, len))
			continue;
		*ret_word = of + len + 1;
		*ret_len = strcspn(*ret_word, ".");
		size_t all = len + 1 + *ret_len;

		if (of[all] && !is_first_behind(verbs, *row, of, all))
			continue;
		++*row;
		return true;
	}
	return false;
}

bool weir_verbs_next_group(const struct weir_verbs *verbs, size_t *row, size_t *dot,
			   struct weir_buf *ret_name)
{
	for (; *row < verbs->count; ++*row, *dot = 0) {
		const char *name = verbs->rows[*row].op->name;

		while (name[*dot]) {
			size_t len = *dot + strcspn(name + *dot, ".");

			*dot = len + (name[len] != '\0');
			if (!name[len] || !is_first_behind(verbs, *row, name, len))
				continue;
			weir_buf_clear(ret_name);
			weir_buf_add(ret_name, name, len);
			return true;
		}
	}
	return false;
}

bool weir_verb_has_noun(const struct weir_verb *verb, const char *noun)
{
	size_t len = weir_verb_noun_len(verb);

	return weir_verb_word(verb) && strlen(noun) == len &&
	       strncmp(verb->op->name, noun, len) == 0;
}

bool weir_verbs_have_noun(const struct weir_verbs *verbs, const char *noun)
{
	for (size_t i = 0; i < verbs->count; i++)
		if (weir_verb_has_noun(&verbs->rows[i], noun))
			return true;
	return false;
}

bool weir_verbs_is_first_of_noun(const struct weir_verbs *verbs, size_t index)
{
	const struct weir_verb *verb = &verbs->rows[index];
	size_t len = weir_verb_noun_len(verb);

	for (size_t i = 0; i < index; i++)
		if (weir_verb_noun_len(&verbs->rows[i]) == len &&
		    strncmp(verbs->rows[i].op->name, verb->op->name, len) == 0)
			return false;
	return true;
}

static size_t args_count(const struct weir_arg *args)
{
	size_t count = 0;

	while (args && args[count].name)
		count++;
	return count;
}

const struct weir_arg *weir_verb_arg(const struct weir_verb *verb, size_t index)
{
	size_t count = args_count(verb->op->args);

	if (index < count)
		return &verb->op->args[index];
	index -= count;
	if (verb->op->kind == WEIR_OP_UPLOAD) {
		if (index == 0)
			return &upload_file;
		index--;
	}
	return index < args_count(verb->extra) ? &verb->extra[index] : NULL;
}

const struct weir_arg *weir_verb_arg_find(const struct weir_verb *verb, const char *name)
{
	const struct weir_arg *arg;

	for (size_t i = 0; (arg = weir_verb_arg(verb, i)); i++)
		if (strcmp(arg->name, name) == 0)
			return arg;
	return NULL;
}

bool weir_verb_sends(const struct weir_verb *verb, const struct weir_arg *arg)
{
	size_t count = args_count(verb->op->args);

	return verb->op->args && arg >= verb->op->args && arg < verb->op->args + count;
}

bool weir_arg_is_file(const struct weir_arg *arg)
{
	return arg->metavar && strncmp(arg->metavar, "FILE", 4) == 0;
}
