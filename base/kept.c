/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kept.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

#define FILE_MODE 0600

static int text_read(const struct weir_kept *kept, const struct weir_buf *text,
		     weir_kept_read *read, void *arg, struct weir_diag *why)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(weir_buf_str(text), text->len, NULL, why, &json);

	if (r)
		return r;
	if (weir_json_int(weir_json_get(json, "version"), 0) != kept->version)
		return weir_diag_error(why, NULL, "it is of another version");
	return read(json, why, arg);
}

void weir_kept_aside(const struct weir_kept *kept, const char *path, const struct weir_diag *why,
		     struct weir_diag *diag)
{
	_cleanup_free_ char *aside = NULL;
	_cleanup_buf_ struct weir_buf reason = { 0 };

	for (size_t i = 0; i < why->count && !reason.len; i++)
		if (why->entries[i].level == WEIR_DIAG_ERROR)
			weir_diag_entry_format(&why->entries[i], &reason);
	if (!reason.len)
		weir_buf_addf(&reason, "unreadable");
	int r = weir_file_keep_aside(path, &aside);

	if (r < 0)
		weir_diag_warning(diag, "move the file away by hand",
				  "%s is damaged (%s) and cannot be renamed: %s; %s", path,
				  weir_buf_str(&reason), strerror(-r), kept->rest);
	else
		weir_diag_warning(diag, kept->cure, "%s is damaged (%s), and kept as %s: %s", path,
				  weir_buf_str(&reason), aside ? aside : "a file beside it",
				  kept->rest);
}

int weir_kept_load(const struct weir_kept *kept, const char *dir, weir_kept_read *read, void *arg,
		   struct weir_diag *diag)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, kept->file) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag why = { 0 };

	if (!path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, kept->bytes_max, &text);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = text_read(kept, &text, read, arg, &why);
	else if (r != -ENOMEM)
		weir_diag_error(&why, NULL, "%s", strerror(-r));
	if (!r || r == -ENOMEM)
		return r;
	weir_kept_aside(kept, path, &why, diag);
	return -EINVAL;
}

int weir_kept_save(const struct weir_kept *kept, const char *dir, weir_kept_put *put,
		   const void *arg)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, kept->file) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	if (!path)
		return dir ? -ENOMEM : 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", kept->version);
	put(&json, arg);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	return text.failed ? -ENOMEM : weir_file_replace(path, text.data, text.len, FILE_MODE);
}

int weir_kept_each(const struct weir_json *json, const char *key, weir_kept_read *read, void *arg,
		   struct weir_diag *why)
{
	const struct weir_json *list = weir_json_get(json, key);
	int result = 0;

	if (!list || weir_json_type(list) != WEIR_JSON_ARRAY)
		return weir_diag_error(why, NULL, "its %s are no list", key);
	for (size_t i = 0; i < weir_json_size(list) && result != -ENOMEM; i++) {
		_cleanup_diag_ struct weir_diag told = { 0 }; /* warnings were told when it came */
		int r = read(weir_json_at(list, i), &told, arg);

		for (size_t j = 0; r == -EINVAL && j < told.count; j++)
			if (told.entries[j].level == WEIR_DIAG_ERROR)
				weir_diag_error(why, NULL, "%s[%zu]: %s", key, i,
						told.entries[j].what);
		result = r < 0 ? r : result;
	}
	return result;
}
