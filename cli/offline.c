/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen and taken away without a daemon: the data path goes on by itself, so one must be
 * able to look at it and stop it. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/local.h"
#include "core/offline.h"

#define DEFAULT_PIN_DIR "/sys/fs/bpf/weir"
#define DEFAULT_RUN_DIR "/run/weir"

static const char *pin_dir_of(const struct weir_command *command)
{
	const char *given = weir_command_str(command, "pin-dir");

	return given ? given : DEFAULT_PIN_DIR;
}

static const char *mend_of(int result)
{
	return result == -EPERM || result == -EACCES ? "run it as root" : NULL;
}

int weir_local_status(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *pin_dir = pin_dir_of(command);
	_cleanup_buf_ struct weir_buf json = { 0 };
	int result = weir_offline_status(pin_dir, &json);

	if (result == -ENOENT) {
		weir_terminal_problem(terminal,
				      "start it with 'weir daemon' or 'systemctl start weir'",
				      "no daemon runs and nothing is pinned at %s", pin_dir);
		return WEIR_EXIT_NO_DAEMON;
	}
	if (result < 0) {
		weir_terminal_problem(terminal, mend_of(result),
				      "no daemon runs, and %s cannot be read: %s", pin_dir,
				      strerror(-result));
		return WEIR_EXIT_NO_DAEMON;
	}
	return weir_local_show(command, terminal, &json);
}

static bool is_clean(const struct weir_buf *text)
{
	_cleanup_json_ struct weir_json *json = NULL;

	return weir_json_parse(weir_buf_str(text), text->len, NULL, NULL, &json) == 0 &&
	       weir_json_size(weir_json_get(json, "failed")) == 0;
}

int weir_local_cleanup(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *run_dir = weir_command_str(command, "run-dir");
	_cleanup_buf_ struct weir_buf json = { 0 };

	if (!weir_command_flag(command, "force")) {
		weir_terminal_problem(
			terminal, "write --force to do it",
			"this ends all filtering and forgets counters and blocked addresses");
		return WEIR_EXIT_USAGE;
	}
	int result = weir_cleanup(pin_dir_of(command), run_dir ? run_dir : DEFAULT_RUN_DIR, &json);
	if (result < 0) {
		weir_terminal_problem(terminal, mend_of(result), "cannot clean up %s: %s",
				      pin_dir_of(command), strerror(-result));
		return WEIR_EXIT_FAILED;
	}
	int code = weir_local_show(command, terminal, &json);
	return code == WEIR_EXIT_OK && !is_clean(&json) ? WEIR_EXIT_FAILED : code;
}
