/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the checks are core's, the exit code is what scripts ask for. */
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/local.h"
#include "core/doctor.h"

#define DEFAULT_PIN_DIR "/sys/fs/bpf/weir"

static bool is_fit(const struct weir_buf *text)
{
	_cleanup_json_ struct weir_json *json = NULL;

	if (weir_json_parse(weir_buf_str(text), text->len, NULL, NULL, &json) < 0)
		return false;
	const struct weir_json *checks = weir_json_get(json, "checks");
	for (size_t i = 0; i < weir_json_size(checks); i++) {
		const struct weir_json *check = weir_json_at(checks, i);
		const char *level = weir_json_str(weir_json_get(check, "level"), "");

		if (!weir_json_bool(weir_json_get(check, "ok"), false) &&
		    strcmp(level, "warning") != 0)
			return false;
	}
	return true;
}

/* Checks that a daemon makes itself; where none runs there is nothing more to look at. */
static void running_add(const struct weir_command *command, struct weir_buf *list)
{
	static const char *const targets[] = { "/api/v1/service/check", "/api/v1/log/check" };

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		_cleanup_json_ struct weir_json *answer = NULL;
		struct weir_question question = { .target = targets[i] };

		(void)weir_ask(command, &question, NULL, &answer);
		const struct weir_json *checks = weir_json_get(answer, "checks");
		for (size_t n = 0; n < weir_json_size(checks); n++) {
			weir_buf_add_char(list, list->len > 1 ? ',' : ' ');
			weir_json_add(weir_json_at(checks, n), list);
		}
	}
}

int weir_local_doctor(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *pin_dir = weir_command_str(command, "pin-dir");
	_cleanup_buf_ struct weir_buf json = { 0 }, list = { 0 };
	_cleanup_json_ struct weir_json *running = NULL;

	weir_buf_add_char(&list, '[');
	running_add(command, &list);
	weir_buf_add_char(&list, ']');
	(void)weir_json_parse(weir_buf_str(&list), list.len, NULL, NULL, &running);
	int result = weir_doctor(pin_dir ? pin_dir : DEFAULT_PIN_DIR, running, &json);

	if (result < 0) {
		weir_terminal_problem(terminal, NULL, "cannot examine this machine: %s",
				      strerror(-result));
		return WEIR_EXIT_FAILED;
	}
	int code = weir_local_show(command, terminal, &json);
	return code == WEIR_EXIT_OK && !is_fit(&json) ? WEIR_EXIT_FAILED : code;
}
