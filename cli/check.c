/* SPDX-License-Identifier: Apache-2.0 */
/* check and diff of a configuration in this process: nothing is changed, no daemon is asked. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/line_diff.h"
#include "cli/local.h"
#include "core/compile.h"
#include "core/policy_file.h"

int weir_local_config(const char *path, struct weir_diag *diag, struct weir_config **ret_config)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	int result = weir_file_read(path, WEIR_CONFIG_BYTES_MAX, &text);

	if (result == -EFBIG)
		return weir_diag_error(
			diag, "put long lists into files of their own (block.lists[].file)",
			"%s: larger than %u MiB", path, WEIR_CONFIG_BYTES_MAX >> 20);
	if (result < 0)
		return weir_diag_error(diag, NULL, "cannot read %s: %s", path, strerror(-result));
	return weir_config_parse(weir_buf_str(&text), text.len, path, diag, ret_config);
}

static void check_put(const struct weir_config *config, const struct weir_image *image,
		      const struct weir_diag *diag, struct weir_buf *out)
{
	struct weir_json_out json = { .out = out };
	uint32_t lines = 0;

	(void)weir_image_lines(image, &lines);
	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "file", config->file);
	weir_json_put_uint(&json, "interfaces", config->interface_count);
	weir_json_put_uint(&json, "classes", weir_image_class_count(image));
	weir_json_put_uint(&json, "bytes", (uint64_t)lines * WEIR_LINE_BYTES);
	weir_json_put_uint(&json, "limit_bytes", config->memory.value);
	if (diag->count > 0)
		weir_json_put_diag(&json, "warnings", diag);
	weir_json_close_object(&json);
}

int weir_local_check(const struct weir_command *command, struct weir_terminal *terminal)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_image_ struct weir_image *image = NULL;
	_cleanup_buf_ struct weir_buf json = { 0 };
	int result = weir_local_config(weir_command_str(command, "file"), &diag, &config);

	if (result == 0)
		result = weir_compile(config, &diag, &image);
	if (result < 0 && diag.errors == 0)
		weir_diag_error(&diag, NULL, "cannot compile: %s", strerror(-result));
	if (diag.errors > 0)
		return weir_local_refuse(terminal, &diag);
	check_put(config, image, &diag, &json);
	return weir_local_show(command, terminal, &json);
}

int weir_local_diff(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *state_dir = weir_command_str(command, "state-dir");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_buf_ struct weir_buf answer = { 0 };
	struct weir_policy_file policy = { 0 };
	struct weir_json_out json = { .out = &answer };
	int result = weir_local_config(weir_command_str(command, "file"), &diag, &config);

	if (result == 0)
		result = weir_policy_file_read(state_dir ? state_dir : "/var/lib/weir", &diag,
					       &policy);
	if (result < 0 && diag.errors == 0)
		weir_diag_error(&diag, "run it as root", "cannot read the policy applied last: %s",
				strerror(-result));
	if (diag.errors > 0)
		return weir_local_refuse(terminal, &diag);
	const char *applied = policy.current.text ? policy.current.text : "";
	weir_terminal_diag(terminal, &diag);
	weir_json_open_object(&json, NULL);
	weir_json_put_bool(&json, "changed", strcmp(applied, config->text) != 0);
	weir_json_put_uint(&json, "revision", policy.revision);
	weir_json_open_array(&json, "changes");
	(void)weir_line_diff(applied, config->text, &json);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_policy_file_done(&policy);
	return weir_local_show(command, terminal, &answer);
}
