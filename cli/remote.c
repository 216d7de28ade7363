/* SPDX-License-Identifier: Apache-2.0 */
/* Composes requests and deals with answers. How bytes travel is client.c's business, how they look
 * render*.c's. */
#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/change_progress.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/gate.h"
#include "cli/lockout.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "core/config.h"

#define DEFAULT_SOCKET "/run/weir/weir.sock"
#define DEFAULT_TIMEOUT_MS (2 * 60 * 1000)

const char *weir_remote_socket(const struct weir_command *command)
{
	const char *given = weir_command_str(command, "socket");
	const char *environment = getenv("WEIR_SOCKET");

	if (given)
		return given;
	return environment && environment[0] ? environment : DEFAULT_SOCKET;
}

uint64_t weir_remote_timeout_ms(const struct weir_command *command)
{
	const char *given = weir_command_str(command, "timeout");
	uint64_t ns = 0;

	if (!given || weir_duration_from_string(given, &ns) < 0 || ns < WEIR_NS_PER_MS)
		return DEFAULT_TIMEOUT_MS;
	return ns / WEIR_NS_PER_MS;
}

static void query_add(struct weir_buf *target, const struct weir_value *value)
{
	weir_buf_add_char(target, strchr(weir_buf_str(target), '?') ? '&' : '?');
	weir_query_add_escaped(target, value->arg->name);
	weir_buf_add_char(target, '=');
	weir_query_add_escaped(target, value->text);
}

/* All words of its argument, which stand among the other values. */
static void words_add(struct weir_json_out *json, const struct weir_command *command,
		      const struct weir_value *first)
{
	for (const struct weir_value *value = command->values; value < first; value++)
		if (value->arg == first->arg)
			return; /* with that one */
	weir_json_open_array(json, first->arg->name);
	for (const struct weir_value *value = first; value < command->values + command->count;
	     value++)
		if (value->arg == first->arg)
			weir_json_put_str(json, NULL, value->text);
	weir_json_close_array(json);
}

static void member_add(struct weir_json_out *json, const struct weir_command *command,
		       const struct weir_value *value)
{
	if (value->arg->type == WEIR_ARG_UINT)
		weir_json_put_uint(json, value->arg->name, strtoull(value->text, NULL, 10));
	else if (value->arg->type == WEIR_ARG_BOOL)
		weir_json_put_bool(json, value->arg->name, strcmp(value->text, "true") == 0);
	else if (value->arg->type == WEIR_ARG_WORDS)
		words_add(json, command, value);
	else
		weir_json_put_str(json, value->arg->name, value->text);
}

/* What the file is called here is how the daemon's messages name it, and where relative names in it
 * start. */
static void name_add(const struct weir_command *command, struct weir_buf *target)
{
	const struct weir_arg *arg = weir_verb_arg_find(command->verb, "name");
	const char *file = weir_command_str(command, "file");

	if (command->verb->op->kind != WEIR_OP_UPLOAD || !arg ||
	    weir_command_str(command, "name") || !file)
		return;
	bool is_stdin = strcmp(file, "-") == 0;
	_cleanup_free_ char *path = realpath(is_stdin ? "." : file, NULL);
	_cleanup_free_ char *stdin_path =
		is_stdin && path ? weir_path_join(path, WEIR_STDIN_NAME) : NULL;
	const char *name = is_stdin ? stdin_path : path;
	if (name)
		query_add(target, &(struct weir_value){ arg, name });
}

int weir_remote_compose(const struct weir_command *command, struct weir_buf *target,
			struct weir_buf *body)
{
	const struct weir_verb *verb = command->verb;
	bool is_write = verb->op->kind == WEIR_OP_WRITE;
	struct weir_json_out json = { .out = body };

	weir_op_route(verb->op, target);
	if (is_write)
		weir_json_open_object(&json, NULL);
	for (size_t i = 0; i < command->count; i++) {
		const struct weir_value *value = &command->values[i];

		if (!weir_verb_sends(verb, value->arg))
			continue;
		if (is_write)
			member_add(&json, command, value);
		else
			query_add(target, value);
	}
	name_add(command, target);
	if (is_write)
		weir_json_close_object(&json);
	return target->failed || body->failed ? -ENOMEM : 0;
}

int weir_remote_failed(struct weir_terminal *terminal, int result, const struct weir_diag *diag)
{
	weir_terminal_diag(terminal, diag);
	return result == -ENOENT || result == -ECONNREFUSED ? WEIR_EXIT_NO_DAEMON :
							      WEIR_EXIT_FAILED;
}

/* Opens what is to be sent; size -1 for what has none (a pipe). Standard input may be a file that
 * was read in part. */
static int upload_open(const char *path, struct weir_diag *diag, int *ret_fd, int64_t *ret_size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	_cleanup_close_ int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) :
					    open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return weir_diag_error(diag, NULL, "cannot open %s: %s", path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return weir_diag_error(diag, "name a file in it", "%s is a directory", path);
	off_t at = S_ISREG(status.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	*ret_size = at >= 0 && at <= status.st_size ? (int64_t)(status.st_size - at) : -1;
	*ret_fd = weir_take_fd(fd);
	return 0;
}

/* Read whole, since it is looked at before it is sent. More than a configuration may have is the
 * daemon's to refuse: what is read then is sure to be too large. */
static int text_read(const char *path, struct weir_diag *diag, struct weir_buf *text)
{
	_cleanup_close_ int fd = -1;
	int64_t size;
	char piece[64 << 10];
	ssize_t got = 1;
	int r = upload_open(path, diag, &fd, &size);

	while (r == 0 && got > 0 && text->len <= WEIR_CONFIG_BYTES_MAX) {
		got = read(fd, piece, sizeof(piece));
		if (got > 0)
			r = weir_buf_add(text, piece, (size_t)got);
	}
	if (r == 0 && got < 0)
		r = weir_diag_error(diag, NULL, "cannot read %s: %s", path, strerror(errno));
	return r;
}

static bool is_apply(const struct weir_command *command)
{
	return strcmp(command->verb->op->name, "apply") == 0;
}

static bool is_export(const struct weir_verb *verb)
{
	const char *word = weir_verb_word(verb);

	return word && strcmp(word, "export") == 0;
}

static int export_write(const struct weir_command *command, struct weir_terminal *terminal,
			const struct weir_json *answer)
{
	const char *path = weir_command_str(command, "file");
	const char *text = weir_json_str(weir_json_get(answer, "text"), "");
	size_t len = strlen(text);

	if (!path || strcmp(path, "-") == 0)
		return weir_terminal_write(terminal->out, text, len) == 0 ? WEIR_EXIT_OK :
									    WEIR_EXIT_FAILED;
	int result = weir_file_replace(path, text, len, 0644);
	if (result < 0) {
		weir_terminal_problem(terminal, "what was there is unchanged",
				      "cannot write %s: %s", path, strerror(-result));
		return WEIR_EXIT_FAILED;
	}
	return WEIR_EXIT_OK;
}

/* A sheet has no line for it. */
static void cut_tell(struct weir_terminal *terminal, const struct weir_json *answer)
{
	static const char *const names[] = { "matching", "total", "groups" };
	uint64_t shown = weir_view_uint(answer, "shown"), all = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(names) && !all; i++)
		all = weir_view_uint(answer, names[i]);
	if (weir_json_get(answer, "shown") && shown < all)
		weir_terminal_problem(terminal, "--limit N takes more, where there is one",
				      "%" PRIu64 " of %" PRIu64 " rows", shown, all);
}

static int success_show(const struct weir_command *command, struct weir_terminal *terminal,
			const struct weir_json *json, uint64_t elapsed_ms)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_view view = {
		.answer = json,
		.out = &out,
		.color = terminal->color,
		.csv = weir_command_flag(command, "csv"),
		.elapsed_ms = elapsed_ms,
	};

	weir_terminal_warnings(terminal, json);
	if (is_export(command->verb) && weir_json_get(json, "text"))
		return export_write(command, terminal, json);
	weir_render(&view, command->verb->op->name);
	if (view.csv)
		cut_tell(terminal, json);
	return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}

static int answer_show(const struct weir_command *command, struct weir_terminal *terminal,
		       struct weir_answer *answer, uint64_t elapsed_ms)
{
	bool refused = answer->status / 100 != 2;
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };

	if (weir_json_parse(weir_buf_str(&answer->body), answer->body.len, "answer", &diag, &json) <
	    0) {
		weir_terminal_problem(terminal, "is this socket a Weir daemon's?",
				      "the answer (HTTP %u) is not JSON", answer->status);
		return WEIR_EXIT_FAILED;
	}
	if (terminal->json) {
		weir_buf_add_char(&answer->body, '\n');
		if (!weir_terminal_print(terminal, &answer->body))
			return WEIR_EXIT_FAILED;
	}
	if (!refused)
		return terminal->json ? WEIR_EXIT_OK :
					success_show(command, terminal, json, elapsed_ms);
	const char *file = weir_command_str(command, "file");
	weir_terminal_problems(terminal, json,
			       file && strcmp(file, "-") == 0 ? WEIR_STDIN_NAME : file);
	if (answer->status == 409 && weir_command_str(command, "expect") &&
	    weir_json_get(json, "revision"))
		weir_terminal_problem(terminal, NULL, "the revision now is %llu",
				      (unsigned long long)weir_view_uint(json, "revision"));
	return WEIR_EXIT_FAILED;
}

/* A file of this size is worth a bar at once; what takes no time needs none. */
#define BAR_FROM_BYTES (1 << 20)

static int remote_ask(const struct weir_command *command, struct weir_terminal *terminal,
		      struct weir_request *request)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_answer_ struct weir_answer answer = { 0 };
	struct weir_progress progress = {
		.fd = terminal->err,
		.on = terminal->progress && command->verb->op->kind != WEIR_OP_READ,
		.total = request->body_fd_size > 0 ? (uint64_t)request->body_fd_size : 0,
		.working = command->verb->op->kind == WEIR_OP_UPLOAD ? "compiling" : "working",
		.quiet_ms = request->body_fd_size > BAR_FROM_BYTES ? 0 : 200,
	};

	struct weir_change_progress watching = { &progress, request->socket, 0 };

	request->progress = weir_change_progress_tell;
	request->arg = &watching;
	weir_progress_start(&progress);
	int result = weir_client_ask(request, &diag, &answer);
	uint64_t elapsed_ms = weir_progress_elapsed_ms(&progress);
	weir_progress_clear(&progress);
	if (result == 0)
		return answer_show(command, terminal, &answer, elapsed_ms);
	if ((result == -ENOENT || result == -ECONNREFUSED) && command->verb->local)
		return command->verb->local(command, terminal);
	return weir_remote_failed(terminal, result, &diag);
}

/* What goes with the request: arguments as JSON, or a file. */
static int body_attach(const struct weir_command *command, struct weir_buf *body,
		       struct weir_diag *diag, struct weir_request *request, int *ret_fd)
{
	enum weir_op_kind kind = command->verb->op->kind;

	if (kind == WEIR_OP_READ)
		return 0;
	request->content_type =
		kind == WEIR_OP_WRITE ? "application/json" : "application/octet-stream";
	if (kind == WEIR_OP_WRITE || is_apply(command)) {
		request->body = weir_buf_str(body);
		request->body_len = body->len;
		return 0;
	}
	int r = upload_open(weir_command_str(command, "file"), diag, ret_fd,
			    &request->body_fd_size);

	request->body_fd = *ret_fd;
	return r;
}

static int request_send(const struct weir_command *command, struct weir_terminal *terminal,
			struct weir_buf *body, const uint64_t *expect)
{
	_cleanup_buf_ struct weir_buf target = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_close_ int file = -1;
	struct weir_request request = {
		.socket = weir_remote_socket(command),
		.method = command->verb->op->kind == WEIR_OP_READ ? "GET" : "POST",
		.expect = weir_command_str(command, "expect") ? expect : NULL,
		.timeout_ms = weir_remote_timeout_ms(command),
		.body_fd = -1,
	};

	if (weir_remote_compose(command, &target, body) < 0) {
		weir_terminal_problem(terminal, NULL, "out of memory");
		return WEIR_EXIT_FAILED;
	}
	request.target = weir_buf_str(&target);
	if (body_attach(command, body, &diag, &request, &file) < 0) {
		weir_terminal_diag(terminal, &diag);
		return WEIR_EXIT_FAILED;
	}
	return remote_ask(command, terminal, &request);
}

static int apply_run(const struct weir_command *command, struct weir_terminal *terminal,
		     uint64_t *expect)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };

	if (text_read(weir_command_str(command, "file"), &diag, &text) < 0) {
		weir_terminal_diag(terminal, &diag);
		return WEIR_EXIT_FAILED;
	}
	int code = weir_gate_pass(command, terminal, &text, expect);

	return code == WEIR_GATE_OPEN ? request_send(command, terminal, &text, expect) : code;
}

int weir_remote_run(const struct weir_command *command, struct weir_terminal *terminal)
{
	uint64_t expect = weir_command_uint(command, "expect", 0);
	_cleanup_buf_ struct weir_buf body = { 0 };

	if (weir_command_flag(command, "follow") &&
	    !weir_verb_sends(command->verb, weir_verb_arg_find(command->verb, "follow")))
		return weir_follow_run(command, terminal);
	if (!weir_lockout_is_averted(command, terminal))
		return WEIR_EXIT_FAILED;
	if (is_apply(command))
		return apply_run(command, terminal, &expect);
	return request_send(command, terminal, &body, &expect);
}
