/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking is for terminals. Elsewhere what would be cut ends the command, unless --yes or --confirm
 * says that it may; and so does a look that was not possible, which may have missed anything. Ports
 * that close to strangers are shown and stop nobody: that is what denying by default is for.
 */
#include "cli/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/reason.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/local.h"
#include "cli/lockout.h"
#include "cli/preview.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "core/compile.h"

#define KEPT_NOTE "kept: the SSH session that applied default deny"
#define MEND "--yes applies it even so, --confirm 60s applies it on trial"

struct gate {
	const struct weir_command *command;
	struct weir_terminal *terminal;
	uint64_t *expect;
	struct weir_config *now, *next;
	struct weir_json *status;
	struct weir_flow session;
	bool has_session, is_dry, is_blind; /* blind: the look was not possible */
	struct weir_preview preview;
};

static void gate_done(struct gate *gate)
{
	weir_preview_done(&gate->preview);
	weir_config_free(gate->now);
	weir_config_free(gate->next);
	weir_json_free(gate->status);
}

static bool is_wanted(const struct gate *gate)
{
	return gate->is_dry || weir_command_flag(gate->command, "look") ||
	       weir_config_denies_by_default(gate->next);
}

static int next_parse(struct gate *gate, const struct weir_buf *text, struct weir_diag *diag)
{
	const char *file = weir_command_str(gate->command, "file");

	return weir_config_parse(weir_buf_str(text), text->len,
				 strcmp(file, "-") == 0 ? WEIR_STDIN_NAME : file, diag,
				 &gate->next);
}

/* What is live, and where the daemon keeps what was added at run time. */
static int now_ask(struct gate *gate, struct weir_diag *diag)
{
	_cleanup_json_ struct weir_json *shown = NULL;
	struct weir_question status = { .target = "/api/v1/status" };
	struct weir_question config = { .target = "/api/v1/config/show" };
	int r = weir_ask(gate->command, &status, diag, &gate->status);

	if (r == 0)
		r = weir_ask(gate->command, &config, diag, &shown);
	if (r < 0)
		return r;
	const char *text = weir_json_str(weir_json_get(shown, "text"), "");

	return weir_config_parse(text, strlen(text),
				 weir_json_str(weir_json_get(shown, "file"), NULL), diag,
				 &gate->now);
}

static void look(struct gate *gate)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_preview_wish wish = {
		.now = gate->now,
		.next = gate->next,
		.state_dir = weir_json_str(weir_json_get(gate->status, "state_dir"), ""),
		.interfaces = weir_json_get(gate->status, "interfaces"),
		.session = gate->has_session ? &gate->session : NULL,
		.is_tracked_now = weir_json_bool(
			weir_json_get(weir_json_get(gate->status, "conntrack"), "on"), false),
	};

	weir_preview_done(&gate->preview);
	gate->preview = (struct weir_preview){ 0 };
	gate->is_blind = weir_preview_make(&wish, &diag, &gate->preview) < 0;
	if (!gate->is_blind)
		return;
	weir_terminal_problem(gate->terminal, NULL, "cannot look at what would be cut:");
	weir_terminal_diag(gate->terminal, &diag);
}

/* Only what nobody spoke about is for an allow entry to mend: rules come before it. */
static void session_keep(struct gate *gate)
{
	_cleanup_buf_ struct weir_buf body = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_json_ struct weir_json *answer = NULL;
	struct weir_json_out json = { .out = &body };
	char text[WEIR_ADDR_TEXT];

	if (gate->is_dry || gate->preview.session_reason != WEIR_DROP_POLICY)
		return;
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "entry", weir_addr_to_string(&gate->session.src, text));
	weir_json_put_str(&json, "note", KEPT_NOTE);
	weir_json_close_object(&json);
	struct weir_question question = {
		.target = "/api/v1/allow/add",
		.body = weir_buf_str(&body),
		.expect = weir_command_str(gate->command, "expect") ? gate->expect : NULL,
	};
	if (weir_ask(gate->command, &question, &diag, &answer) < 0) {
		weir_terminal_diag(gate->terminal, &diag);
		return;
	}
	*gate->expect = (uint64_t)weir_json_int(weir_json_get(answer, "revision"), 0);
	_cleanup_buf_ struct weir_buf told = { 0 };
	weir_buf_addf(&told, "allowed %s, where you are logged in from: weir allow del %s\n", text,
		      text);
	(void)weir_terminal_write(gate->terminal->err, weir_buf_str(&told), told.len);
	look(gate);
}

static bool is_terminal(const struct gate *gate)
{
	return strcmp(weir_command_str(gate->command, "file"), "-") != 0 && isatty(STDIN_FILENO) &&
	       isatty(gate->terminal->err);
}

static bool is_answered_yes(const struct gate *gate)
{
	static const char question[] = "apply? [y/N] ";
	char answer[16] = "";

	(void)weir_terminal_write(gate->terminal->err, question, sizeof(question) - 1);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Above what comes of it, and not among what a script reads. */
static void preview_show(const struct gate *gate, const struct weir_buf *text)
{
	_cleanup_json_ struct weir_json *json = NULL;
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_view view = { .out = &out, .color = gate->terminal->color_err };

	if (weir_json_parse(weir_buf_str(text), text->len, NULL, NULL, &json) < 0)
		return;
	view.answer = json;
	weir_render_preview(&view);
	(void)weir_terminal_write(gate->terminal->err, weir_buf_str(&out), out.len);
}

static int refuse(const struct gate *gate, const struct weir_buf *preview,
		  const struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_json_out json = { .out = &out };

	weir_terminal_diag(gate->terminal, diag);
	if (!gate->terminal->json)
		return WEIR_EXIT_FAILED;
	weir_json_open_object(&json, NULL);
	weir_json_put_diag(&json, NULL, diag);
	weir_json_put_raw(&json, "preview", weir_buf_str(preview));
	weir_json_close_object(&json);
	weir_buf_add_char(&out, '\n');
	(void)weir_terminal_print(gate->terminal, &out);
	return WEIR_EXIT_FAILED;
}

static int settle(const struct gate *gate, const struct weir_buf *preview)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	size_t cut = gate->preview.cut.count;

	if (gate->preview.session_reason && !weir_command_flag(gate->command, "force")) {
		weir_diag_error(&diag,
				"let its address through by a rule before the one that drops it, "
				"or add --force",
				"the SSH session you are in would be cut (%s): nothing was applied",
				weir_reason_name((enum weir_reason)gate->preview.session_reason));
		return refuse(gate, preview, &diag);
	}
	if (weir_command_flag(gate->command, "yes") || weir_command_str(gate->command, "confirm"))
		return WEIR_GATE_OPEN;
	if (cut == 0 && !gate->is_blind && (gate->preview.closed.count == 0 || !is_terminal(gate)))
		return WEIR_GATE_OPEN;
	if (is_terminal(gate) && is_answered_yes(gate))
		return WEIR_GATE_OPEN;
	if (gate->is_blind)
		weir_diag_error(&diag, MEND, "what would be cut is not known: nothing was applied");
	else
		weir_diag_error(&diag, MEND, "%zu live %s would be cut: nothing was applied", cut,
				cut == 1 ? "connection" : "connections");
	return refuse(gate, preview, &diag);
}

static int gate_run(struct gate *gate)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	gate->has_session = weir_lockout_session(&gate->session);
	look(gate);
	session_keep(gate);
	weir_preview_put(&gate->preview, &text);
	if (gate->is_dry)
		return gate->is_blind ? WEIR_EXIT_FAILED :
					weir_local_show(gate->command, gate->terminal, &text);
	if (gate->preview.cut.count || gate->preview.closed.count)
		preview_show(gate, &text);
	return settle(gate, &text);
}

int weir_gate_pass(const struct weir_command *command, struct weir_terminal *terminal,
		   const struct weir_buf *text, uint64_t *expect)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_(gate_done) struct gate gate = {
		.command = command,
		.terminal = terminal,
		.expect = expect,
		.is_dry = weir_command_flag(command, "dry-run"),
	};

	if (next_parse(&gate, text, &diag) < 0)
		return gate.is_dry ? weir_local_refuse(terminal, &diag) : WEIR_GATE_OPEN;
	if (!is_wanted(&gate))
		return WEIR_GATE_OPEN;
	int r = now_ask(&gate, &diag);

	/* Who may not even ask may not apply either: the daemon says so. */
	if (r < 0)
		return gate.is_dry ? weir_remote_failed(terminal, r, &diag) : WEIR_GATE_OPEN;
	return gate_run(&gate);
}
