/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs that need no daemon, help and completion among them. */
#include "cli/local.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/render.h"
#include "cli/top/top.h"

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

static const struct weir_arg help_args[] = {
	{ .name = "noun",
	  .flags = WEIR_ARG_POSITIONAL,
	  .metavar = "NOUN",
	  .help = "about these commands" },
	{ .name = "verb",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REST,
	  .metavar = "VERB",
	  .help = "about this one" },
	{ .name = "markdown", .type = WEIR_ARG_BOOL, .help = "the reference page of all commands" },
	{ 0 },
};

static const struct weir_arg completion_args[] = {
	{ .name = "shell",
	  .type = WEIR_ARG_CHOICE,
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "SHELL",
	  .help = "which shell",
	  .choices = shells },
	{ 0 },
};

static const char *const hooks[] = { "auto", "xdp", "tc", "xdp-generic", NULL };
static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_forms[] = { "text", "journal", "json", NULL };

/* As daemon/options.c reads them: the daemon takes its command line by itself. */
static const struct weir_arg daemon_args[] = {
	{ .name = "config",
	  .metavar = "FILE",
	  .help = "configuration; need not exist",
	  .fallback = "/etc/weir/weir.yaml" },
	{ .name = "interface",
	  .metavar = "IF",
	  .help = "watch this interface or pattern too; may be repeated" },
	{ .name = "hook",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "HOOK",
	  .help = "where to attach to those",
	  .choices = hooks,
	  .fallback = "auto" },
	{ .name = "state-dir",
	  .metavar = "DIR",
	  .help = "what must survive a restart",
	  .fallback = "/var/lib/weir" },
	{ .name = "run-dir",
	  .metavar = "DIR",
	  .help = "where weir.sock stands",
	  .fallback = "/run/weir" },
	{ .name = "pin-dir",
	  .metavar = "DIR",
	  .help = "below /sys/fs/bpf",
	  .fallback = "/sys/fs/bpf/weir" },
	{ .name = "log",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "LEVEL",
	  .help = "how much is logged",
	  .choices = levels,
	  .fallback = "info" },
	{ .name = "log-format",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "FORM",
	  .help = "how it is written; journal under systemd, else text",
	  .choices = log_forms },
	{ 0 },
};

static const struct weir_arg check_args[] = {
	{ .name = "file",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "FILE",
	  .help = "a configuration; - is standard input. What was added at run time is not "
		  "looked at: apply says what does not go together with it" },
	{ 0 },
};

static const struct weir_arg config_file_args[] = {
	{ .name = "file",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "FILE",
	  .help = "a configuration; - is standard input" },
	{ 0 },
};

static const struct weir_arg replay_args[] = {
	{ .name = "file",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "FILE",
	  .help = "a pcap or pcapng capture; - is standard input" },
	{ .name = "config",
	  .metavar = "FILE",
	  .help = "judge by this configuration; what was added at run time is not in it",
	  .fallback = "/etc/weir/weir.yaml" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "stop after so many packets" },
	{ .name = "flows",
	  .type = WEIR_ARG_BOOL,
	  .help = "show its connections instead, as flow ended does, by the capture's clock" },
	{ 0 },
};

static const struct weir_arg rule_test_args[] = {
	{ .name = "file",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "FILE",
	  .help = "expectations, one a line; - is standard input" },
	{ .name = "config",
	  .metavar = "FILE",
	  .help = "try this configuration here, without a daemon; what was added at run time is "
		  "not in it" },
	{ 0 },
};

#define PIN_DIR_ARG                                                                \
	{                                                                          \
		.name = "pin-dir", .metavar = "DIR", .help = "where it is pinned", \
		.fallback = "/sys/fs/bpf/weir"                                     \
	}

static const struct weir_arg cleanup_args[] = {
	{ .name = "force", .type = WEIR_ARG_BOOL, .help = "really do it" },
	PIN_DIR_ARG,
	{ .name = "run-dir",
	  .metavar = "DIR",
	  .help = "where the socket stands",
	  .fallback = "/run/weir" },
	{ 0 },
};

static const char *const import_sources[] = { "nft", "iptables", NULL };

static const struct weir_arg rule_import_args[] = {
	{ .name = "file",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "FILE",
	  .help = "what 'nft -j list ruleset', iptables-save or ip6tables-save printed; - is "
		  "standard input" },
	{ .name = "from",
	  .type = WEIR_ARG_CHOICE,
	  .flags = WEIR_ARG_REQUIRED,
	  .metavar = "FIREWALL",
	  .help = "whose rules these are",
	  .choices = import_sources },
	{ .name = "output",
	  .metavar = "FILE",
	  .help = "where to write the YAML; without it, to standard output" },
	{ 0 },
};

static const char *const monitor_actions[] = { "start", "status", "realtime", "stop", NULL };

static const struct weir_arg monitor_args[] = {
	{ .name = "interface",
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "IF",
	  .help = "name of the interface" },
	{ .name = "action",
	  .type = WEIR_ARG_CHOICE,
	  .flags = WEIR_ARG_POSITIONAL | WEIR_ARG_REQUIRED,
	  .metavar = "ACTION",
	  .help = "what to do; realtime has a line each interval, until Ctrl-C",
	  .choices = monitor_actions },
	{ .name = "interval",
	  .metavar = "SECONDS",
	  .help = "between two lines of realtime",
	  .fallback = "1s" },
	{ 0 },
};

static const struct weir_arg summary_args[] = {
	{ .name = "interval",
	  .metavar = "SECONDS",
	  .help = "between two of them",
	  .fallback = "5s" },
	{ .name = "rounds",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "end after so many; without, at Ctrl-C" },
	{ .name = "lang",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "LANG",
	  .help = "in which language",
	  .choices = weir_summary_langs,
	  .fallback = "en" },
	{ 0 },
};

static const struct weir_arg doctor_args[] = { PIN_DIR_ARG, { 0 } };

const struct weir_local weir_locals[] = {
	{ .op = { .name = "check",
		  .summary = "Check a configuration and change nothing",
		  .args = check_args,
		  .example = "check /etc/weir/weir.yaml" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_check },
	{ .op = { .name = "diff",
		  .summary = "Show what applying a configuration would change",
		  .args = config_file_args,
		  .example = "diff weir.yaml" },
	  .place = WEIR_VERB_FALLBACK,
	  .run = weir_local_diff },
	{ .op = { .name = "status",
		  .summary = "Show what Weir does right now",
		  .example = "status" },
	  .place = WEIR_VERB_FALLBACK,
	  .run = weir_local_status },
	{ .op = { .name = "doctor",
		  .summary = "Check whether Weir can run here, and say what mends it",
		  .args = doctor_args,
		  .example = "doctor" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_doctor },
	{ .op = { .name = "monitor",
		  .summary = "Watch one interface, and see what goes by",
		  .args = monitor_args,
		  .example = "monitor eth0 realtime" },
	  .place = WEIR_VERB_CLIENT,
	  .run = weir_local_monitor },
	{ .op = { .name = "summary",
		  .summary = "Print every few seconds who carries most, and how many connections "
			     "there are",
		  .args = summary_args,
		  .example = "summary --interval 5s --lang zh" },
	  .place = WEIR_VERB_CLIENT,
	  .run = weir_local_summary },
	{ .op = { .name = "top",
		  .summary =
			  "Watch flows, hosts, ports, processes, services and drops on the whole "
			  "screen",
		  .args = weir_top_args,
		  .example = "top --tab hosts --filter 'port=443' --interval 2" },
	  .place = WEIR_VERB_CLIENT,
	  .run = weir_local_top },
	{ .op = { .name = "cleanup",
		  .summary = "Detach and unpin everything of Weir's, daemon or not",
		  .args = cleanup_args,
		  .example = "cleanup --force" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_cleanup },
	{ .op = { .name = "replay",
		  .summary = "Show how the packets of a capture would end",
		  .args = replay_args,
		  .example = "replay attack.pcap --config weir.yaml" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_replay },
	{ .op = { .name = "rule.import",
		  .summary = "Translate rules of nftables or iptables, and list what cannot be",
		  .args = rule_import_args,
		  .example = "rule import --from nft ruleset.json --output rules.yaml" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_rule_import },
	{ .op = { .name = "rule.test",
		  .summary = "Hold what would happen to packets against what is expected",
		  .role = WEIR_ROLE_VIEWER, /* of the daemon, which is asked without --config */
		  .args = rule_test_args,
		  .example = "rule test expected.txt --config weir.yaml" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_rule_test },
	{ .op = { .name = "daemon",
		  .summary = "Run the daemon in the foreground",
		  .args = daemon_args,
		  .example = "daemon --interface eth0" },
	  .place = WEIR_VERB_LOCAL },
	{ .op = { .name = "completion",
		  .summary = "Print the completion script of a shell",
		  .args = completion_args,
		  .example = "completion bash > /etc/bash_completion.d/weir" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_completion },
	{ .op = { .name = "help",
		  .summary = "Show help",
		  .args = help_args,
		  .example = "help block add" },
	  .place = WEIR_VERB_LOCAL,
	  .run = weir_local_help },
	{ .run = NULL },
};

int weir_local_show(const struct weir_command *command, struct weir_terminal *terminal,
		    const struct weir_buf *json)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf out = { 0 };

	if (terminal->json) {
		weir_buf_add(&out, weir_buf_str(json), json->len);
		weir_buf_add_char(&out, '\n');
		return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
	}
	if (weir_json_parse(weir_buf_str(json), json->len, "answer", &diag, &answer) < 0)
		return weir_local_refuse(terminal, &diag);
	weir_terminal_warnings(terminal, answer);
	struct weir_view view = {
		.answer = answer,
		.out = &out,
		.color = terminal->color,
		.csv = weir_command_flag(command, "csv"),
	};

	weir_render(&view, command->verb->op->name);
	return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}

int weir_local_refuse(struct weir_terminal *terminal, const struct weir_diag *diag)
{
	_cleanup_buf_ struct weir_buf out = { 0 };
	struct weir_json_out json = { .out = &out };

	weir_terminal_diag(terminal, diag);
	if (!terminal->json)
		return WEIR_EXIT_FAILED;
	weir_json_open_object(&json, NULL);
	weir_json_put_diag(&json, NULL, diag);
	weir_json_close_object(&json);
	weir_buf_add_char(&out, '\n');
	(void)weir_terminal_print(terminal, &out);
	return WEIR_EXIT_FAILED;
}

static int help_topic(const struct weir_command *command, const char *noun, struct weir_buf *out)
{
	const char *word = weir_command_str(command, "verb");
	bool has_verb = word;
	_cleanup_buf_ struct weir_buf name = { 0 };

	weir_buf_addf(&name, "%s%s", noun, word ? "." : "");
	for (; word && *word; word++)
		weir_buf_add_char(&name, *word == ' ' ? '.' : *word);
	const struct weir_verb *verb = weir_verbs_find(command->verbs, weir_buf_str(&name));
	if (verb)
		weir_help_verb(verb, out);
	else if (!has_verb && weir_verbs_have_noun(command->verbs, noun))
		weir_help_noun(command->verbs, noun, out);
	else
		return WEIR_EXIT_USAGE;
	return WEIR_EXIT_OK;
}

int weir_local_help(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *noun = weir_command_str(command, "noun");
	_cleanup_buf_ struct weir_buf out = { 0 };
	int code = WEIR_EXIT_OK;

	if (weir_command_flag(command, "markdown"))
		weir_help_markdown(command->verbs, &out);
	else if (!noun)
		weir_help_overview(command->verbs, &out);
	else
		code = help_topic(command, noun, &out);
	if (code != WEIR_EXIT_OK) {
		weir_terminal_problem(terminal, "'weir help' shows all there are",
				      "no command '%s'", noun);
		return code;
	}
	return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}

int weir_local_completion(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *shell = weir_command_str(command, "shell");
	_cleanup_buf_ struct weir_buf out = { 0 };

	if (strcmp(shell, "bash") == 0)
		weir_completion_bash(command->verbs, &out);
	else if (strcmp(shell, "zsh") == 0)
		weir_completion_zsh(command->verbs, &out);
	else
		weir_completion_fish(command->verbs, &out);
	return weir_terminal_print(terminal, &out) ? WEIR_EXIT_OK : WEIR_EXIT_FAILED;
}
