/* SPDX-License-Identifier: Apache-2.0 */
/* weir rule import: a foreign ruleset in, YAML out, and on standard error what is not in it. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/import.h"
#include "cli/local.h"

#define RULESET_MAX_BYTES ((size_t)256 << 20) /* a million addresses in nft's JSON are 30 MiB */
#define OUTPUT_MODE 0640

static int ruleset_read(const struct weir_command *command, struct weir_diag *diag,
			struct weir_import *ret_import)
{
	const char *path = weir_command_str(command, "file");
	const char *name = strcmp(path, "-") == 0 ? WEIR_STDIN_NAME : path;
	bool is_nft = strcmp(weir_command_str(command, "from"), "nft") == 0;
	_cleanup_buf_ struct weir_buf text = { 0 };
	int result = weir_file_read(path, RULESET_MAX_BYTES, &text);

	if (result < 0)
		return weir_diag_error(diag, NULL, "cannot read %s: %s", name, strerror(-result));
	return weir_import_text(is_nft ? WEIR_IMPORT_NFT : WEIR_IMPORT_IPTABLES,
				weir_buf_str(&text), text.len, name, diag, ret_import);
}

static void remarks_put(struct weir_json_out *json, const char *key,
			const struct weir_import_remarks *remarks)
{
	weir_json_open_array(json, key);
	for (size_t i = 0; i < remarks->count; i++) {
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "where", remarks->at[i].where);
		weir_json_put_str(json, "rule", remarks->at[i].rule);
		weir_json_put_str(json, "why", remarks->at[i].why);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

static void answer_put(const struct weir_import *import, struct weir_buf *out)
{
	struct weir_json_out json = { .out = out };

	weir_json_open_object(&json, NULL);
	weir_json_put_str(&json, "yaml", weir_buf_str(&import->yaml));
	weir_json_put_uint(&json, "mapped", import->mapped);
	remarks_put(&json, "unmapped", &import->unmapped);
	remarks_put(&json, "notes", &import->notes);
	weir_json_close_object(&json);
	weir_buf_add_char(out, '\n');
}

static void remarks_tell(struct weir_buf *out, const char *kind,
			 const struct weir_import_remarks *remarks)
{
	for (size_t i = 0; i < remarks->count; i++) {
		weir_buf_addf(out, "%s: ", kind);
		weir_buf_add_visible(out, remarks->at[i].where);
		weir_buf_add_str(out, ": ");
		weir_buf_add_visible(out, remarks->at[i].rule);
		weir_buf_add_str(out, "; ");
		weir_buf_add_visible(out, remarks->at[i].why);
		weir_buf_add_char(out, '\n');
	}
}

static void import_tell(const struct weir_terminal *terminal, const struct weir_import *import)
{
	_cleanup_buf_ struct weir_buf out = { 0 };

	remarks_tell(&out, "note", &import->notes);
	remarks_tell(&out, "not taken over", &import->unmapped);
	weir_buf_addf(&out, "%zu rule%s taken over, %zu thing%s not\n", import->mapped,
		      import->mapped == 1 ? "" : "s", import->unmapped.count,
		      import->unmapped.count == 1 ? "" : "s");
	(void)weir_terminal_write(terminal->err, weir_buf_str(&out), out.len);
}

static int output_write(struct weir_terminal *terminal, const char *path,
			const struct weir_buf *text)
{
	if (!path)
		return weir_terminal_print(terminal, text) ? 0 : -EPIPE;
	int result = weir_file_replace(path, weir_buf_str(text), text->len, OUTPUT_MODE);
	if (result < 0)
		weir_terminal_problem(terminal, NULL, "cannot write %s: %s", path,
				      strerror(-result));
	return result;
}

int weir_local_rule_import(const struct weir_command *command, struct weir_terminal *terminal)
{
	const char *output = weir_command_str(command, "output");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_weir_import_ struct weir_import import = { 0 };
	_cleanup_buf_ struct weir_buf answer = { 0 };
	int result = ruleset_read(command, &diag, &import);

	if (result < 0 && diag.errors == 0)
		weir_diag_error(&diag, NULL, "cannot translate it: %s", strerror(-result));
	if (result < 0)
		return weir_local_refuse(terminal, &diag);
	if (terminal->json)
		answer_put(&import, &answer);
	else
		import_tell(terminal, &import);
	if (!terminal->json || output)
		result = output_write(terminal, output, &import.yaml);
	if (terminal->json && result == 0)
		result = output_write(terminal, NULL, &answer);
	if (result < 0)
		return WEIR_EXIT_FAILED;
	return import.unmapped.count ? WEIR_EXIT_PARTLY : WEIR_EXIT_OK;
}
