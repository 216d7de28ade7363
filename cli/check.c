/* SPDX-License-Identifier: Apache-2.0 */
/* check and diff of a configuration in this process: nothing is changed, no daemon is asked. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/local.h"
#include "core/compile.h"
#include "core/config_diff.h"
#include "core/policy_file.h"

#define DEFAULT_STATE_DIR "/var/lib/weir"

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
	return weir_config_parse(weir_buf_str(&text), text.len,
				 strcmp(path, "-") == 0 ? WEIR_STDIN_NAME : path, diag, ret_config);
}

static void check_put(const struct weir_config *config, const struct weir_image *image,
		      const struct weir_diag *diag, struct weir_buf *out)
{
	struct weir_json_out json = { .out = out };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "file", config->file);
	weir_json_put_uint(&json, "interfaces", config->interface_count);
	weir_json_put_uint(&json, "classes", weir_image_class_count(image));
	weir_json_put_uint(&json, "bytes", weir_image_bytes(image));
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
	weir_config_advise(config, &diag);
	check_put(config, image, &diag, &json);
	return weir_local_show(command, terminal, &json);
}

int weir_local_diff(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *state_dir = weir_command_str(command, "state-dir");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	_cleanup_(weir_policy_file_done) struct weir_policy_file policy = { 0 };
	_cleanup_buf_ struct weir_buf answer = { 0 };
	int result = weir_local_config(weir_command_str(command, "file"), &diag, &config);

	state_dir = state_dir ? state_dir : DEFAULT_STATE_DIR;
	if (result == 0)
		result = weir_policy_file_read(state_dir, &diag, &policy);
	if (result == 0 && !policy.current.text)
		weir_diag_warning(&diag, "name its directory with --state-dir",
				  "no daemon runs and none has applied a configuration in %s: "
				  "compared with the defaults",
				  state_dir);
	if (result == 0)
		result = weir_config_diff(policy.current.text ? policy.current.text : "",
					  config->text, &diag, &answer);
	if (result < 0 && diag.errors == 0)
		weir_diag_error(&diag, "run it as root", "cannot read the policy applied last: %s",
				strerror(-result));
	if (diag.errors > 0)
		return weir_local_refuse(terminal, &diag);
	weir_terminal_diag(terminal, &diag);
	return weir_local_show(command, terminal, &answer);
}
