/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to the two outputs, colours, and the one form all problems are shown in. */
#include "cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void weir_terminal_init(struct weir_terminal *terminal, bool json, bool no_color)
{
	const char *term = getenv("TERM");
	const char *refused = getenv("NO_COLOR");
	bool wanted = !no_color && !(refused && refused[0]) && !(term && strcmp(term, "dumb") == 0);

	*terminal = (struct weir_terminal){
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
		.color = wanted && isatty(STDOUT_FILENO),
		.color_err = wanted && isatty(STDERR_FILENO),
		.progress = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0),
		.json = json,
	};
}

int weir_terminal_write(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			text += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

bool weir_terminal_print(const struct weir_terminal *terminal, const struct weir_buf *text)
{
	return !text->failed &&
	       weir_terminal_write(terminal->out, weir_buf_str(text), text->len) == 0;
}

static const char *const color_codes[] = {
	[WEIR_COLOR_PLAIN] = "",	[WEIR_COLOR_BAD] = "\033[31m",
	[WEIR_COLOR_GOOD] = "\033[32m", [WEIR_COLOR_WARN] = "\033[33m",
	[WEIR_COLOR_DIM] = "\033[2m",	[WEIR_COLOR_HEAD] = "\033[1m",
};

const char *weir_color_on(enum weir_color color, bool on)
{
	return on ? color_codes[color] : "";
}

const char *weir_color_off(enum weir_color color, bool on)
{
	return on && color != WEIR_COLOR_PLAIN ? "\033[0m" : "";
}

size_t weir_text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

/* A problem wherever it came from: our own diag, or the daemon's JSON. */
struct problem {
	bool is_warning;
	const char *file;
	uint64_t line, column;
	const char *key, *what, *mend;
};

static void problem_print(const struct weir_terminal *terminal, const struct problem *problem)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	enum weir_color color = problem->is_warning ? WEIR_COLOR_WARN : WEIR_COLOR_BAD;

	if (problem->file) {
		weir_buf_add_visible(&text, problem->file);
		weir_buf_add_char(&text, ':');
		if (problem->line)
			weir_buf_addf(&text, "%llu:", (unsigned long long)problem->line);
		if (problem->line && problem->column)
			weir_buf_addf(&text, "%llu:", (unsigned long long)problem->column);
		weir_buf_add_char(&text, ' ');
	} else {
		weir_buf_add_str(&text, "weir: ");
		if (problem->line)
			weir_buf_addf(&text, "line %llu: ", (unsigned long long)problem->line);
	}
	if (problem->is_warning)
		weir_buf_addf(&text, "%swarning%s: ", weir_color_on(color, terminal->color_err),
			      weir_color_off(color, terminal->color_err));
	if (problem->key) {
		weir_buf_add_visible(&text, problem->key);
		weir_buf_add_str(&text, ": ");
	}
	weir_buf_add_visible(&text, problem->what);
	weir_buf_add_char(&text, '\n');
	if (problem->mend && problem->mend[0]) {
		weir_buf_add_str(&text, "      ");
		weir_buf_add_visible(&text, problem->mend);
		weir_buf_add_char(&text, '\n');
	}
	(void)weir_terminal_write(terminal->err, weir_buf_str(&text), text.len);
}

static void left_out_print(const struct weir_terminal *terminal, uint64_t count)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (count == 0)
		return;
	weir_buf_addf(&text, "weir: and %llu more\n", (unsigned long long)count);
	(void)weir_terminal_write(terminal->err, weir_buf_str(&text), text.len);
}

void weir_terminal_diag(const struct weir_terminal *terminal, const struct weir_diag *diag)
{
	for (size_t i = 0; i < diag->count; i++) {
		const struct weir_diag_entry *entry = &diag->entries[i];

		problem_print(terminal, &(struct problem){
						.is_warning = entry->level == WEIR_DIAG_WARNING,
						.file = entry->file,
						.line = entry->line,
						.column = entry->column,
						.key = entry->key,
						.what = entry->what,
						.mend = entry->mend,
					});
	}
	left_out_print(terminal, diag->dropped);
}

void weir_terminal_problem(const struct weir_terminal *terminal, const char *mend,
			   const char *format, ...)
{
	_cleanup_buf_ struct weir_buf what = { 0 };
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&what, format, args);
	va_end(args);
	problem_print(terminal, &(struct problem){ .what = weir_buf_str(&what), .mend = mend });
}

static const char *member_str(const struct weir_json *object, const char *key)
{
	return weir_json_str(weir_json_get(object, key), NULL);
}

static void json_problem_print(const struct weir_terminal *terminal, const struct weir_json *entry,
			       const char *sent)
{
	const char *level = member_str(entry, "level");
	const char *what = member_str(entry, "what");
	const char *file = member_str(entry, "file");

	if (!file && weir_json_int(weir_json_get(entry, "line"), 0) > 0)
		file = sent;

	problem_print(terminal,
		      &(struct problem){
			      .is_warning = level && strcmp(level, "warning") == 0,
			      .file = file,
			      .line = (uint64_t)weir_json_int(weir_json_get(entry, "line"), 0),
			      .column = (uint64_t)weir_json_int(weir_json_get(entry, "column"), 0),
			      .key = member_str(entry, "key"),
			      .what = what ? what : "refused",
			      .mend = member_str(entry, "mend"),
		      });
}

void weir_terminal_problems(const struct weir_terminal *terminal, const struct weir_json *answer,
			    const char *file)
{
	const struct weir_json *problems = weir_json_get(answer, "problems");
	const char *error = member_str(answer, "error");

	for (size_t i = 0; i < weir_json_size(problems); i++)
		json_problem_print(terminal, weir_json_at(problems, i), file);
	if (weir_json_size(problems) == 0)
		weir_terminal_problem(terminal, member_str(answer, "mend"), "%s",
				      error ? error : "refused without a reason");
	left_out_print(terminal,
		       (uint64_t)weir_json_int(weir_json_get(answer, "problems_left_out"), 0));
}

void weir_terminal_warnings(const struct weir_terminal *terminal, const struct weir_json *answer)
{
	const struct weir_json *warnings = weir_json_get(answer, "warnings");

	if (warnings && weir_json_type(warnings) == WEIR_JSON_OBJECT)
		warnings = weir_json_get(warnings, "problems");
	for (size_t i = 0; i < weir_json_size(warnings); i++) {
		const struct weir_json *entry = weir_json_at(warnings, i);
		const char *text = weir_json_str(entry, NULL);

		if (text)
			problem_print(terminal,
				      &(struct problem){ .is_warning = true, .what = text });
		else
			json_problem_print(terminal, entry, NULL);
	}
}
