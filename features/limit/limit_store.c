/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of run time, in memory and in limit.json. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/limit/limit_state.h"

#define FILE_NAME "limit.json"
#define FILE_VERSION 1
#define FILE_BYTES_MAX (1u << 20)
#define FILE_MODE 0600

void limit_runtime_done(struct limit_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->count; i++)
		limit_text_done(&runtime->at[i]);
	runtime->count = 0;
}

int limit_runtime_copy(const struct limit_runtime *from, struct limit_runtime *ret_runtime)
{
	struct limit_runtime copy = { .count = 0 };
	int r = 0;

	for (; copy.count < from->count; copy.count++) {
		r = limit_text_copy(&from->at[copy.count], &copy.at[copy.count]);
		if (r)
			break;
	}
	if (r)
		limit_runtime_done(&copy);
	else
		*ret_runtime = copy;
	return r;
}

unsigned limit_runtime_find(const struct limit_runtime *runtime, const char *name)
{
	unsigned i = 0;

	while (i < runtime->count && strcmp(runtime->at[i].name, name) != 0)
		i++;
	return i;
}

int limit_store_save(const char *dir, const struct limit_runtime *runtime)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	if (!dir)
		return 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", FILE_VERSION);
	weir_json_open_array(&json, "limits");
	for (unsigned i = 0; i < runtime->count; i++) {
		weir_json_open_object(&json, NULL);
		limit_text_put(&runtime->at[i], &json);
		weir_json_close_object(&json);
		weir_buf_add_char(&text, '\n');
	}
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	if (!path || text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, FILE_MODE);
}

/* What no longer means anything must not keep the policy from being compiled. */
static int entry_read(const struct weir_json *object, struct weir_diag *why,
		      struct limit_runtime *runtime)
{
	struct limit_text text;
	struct limit_meaning meaning;
	int r = limit_text_get(object, why, &text);

	if (r)
		return r;
	r = limit_name_check(text.name, "", why) ?: limit_read(&text, "", why, &meaning);
	if (!r && (runtime->count == LIMITS_MAX ||
		   limit_runtime_find(runtime, text.name) < runtime->count))
		r = weir_diag_error(why, NULL, "'%s' is there twice, or one too many", text.name);
	if (r)
		limit_text_done(&text);
	else
		runtime->at[runtime->count++] = text;
	return r;
}

static int file_parse(const struct weir_buf *text, struct weir_diag *why,
		      struct limit_runtime *runtime)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int result = weir_json_parse(weir_buf_str(text), text->len, NULL, why, &json);

	if (result < 0)
		return result;
	if (weir_json_int(weir_json_get(json, "version"), 0) != FILE_VERSION)
		return weir_diag_error(why, NULL, "it is of another version");
	const struct weir_json *limits = weir_json_get(json, "limits");

	if (!limits || weir_json_type(limits) != WEIR_JSON_ARRAY)
		return weir_diag_error(why, NULL, "its limits are no list");
	for (size_t i = 0; i < weir_json_size(limits) && result != -ENOMEM; i++) {
		_cleanup_diag_ struct weir_diag told = { 0 }; /* warnings were told when it came */
		int r = entry_read(weir_json_at(limits, i), &told, runtime);

		for (size_t j = 0; r == -EINVAL && j < told.count; j++)
			if (told.entries[j].level == WEIR_DIAG_ERROR)
				weir_diag_error(why, NULL, "limits[%zu]: %s", i,
						told.entries[j].what);
		result = r < 0 ? r : result;
	}
	return result;
}

/* Put where the next write cannot reach it. */
static void file_keep_aside(const char *path, const struct weir_diag *why, unsigned read,
			    struct weir_diag *diag)
{
	_cleanup_free_ char *kept = NULL;
	_cleanup_buf_ struct weir_buf reason = { 0 };

	if (why->count)
		weir_diag_entry_format(&why->entries[0], &reason);
	int r = weir_file_keep_aside(path, &kept);

	if (r < 0)
		weir_diag_warning(diag, "move the file away by hand",
				  "%s cannot be used and cannot be renamed: %s", path,
				  strerror(-r));
	else
		weir_diag_warning(diag, "add again what is missing",
				  "%s is damaged (%s): %u limits of it are read, it is kept as %s",
				  path, reason.len ? weir_buf_str(&reason) : "unreadable", read,
				  kept ? kept : "a file beside it");
}

int limit_store_load(const char *dir, struct weir_diag *diag, struct limit_runtime *ret_runtime)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag why = { 0 };
	struct limit_runtime runtime = { .count = 0 };

	if (!dir || !path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = file_parse(&text, &why, &runtime);
	if (r == -ENOMEM) {
		limit_runtime_done(&runtime);
		return r;
	}
	if (r < 0) {
		file_keep_aside(path, &why, runtime.count, diag);
		limit_store_save(dir, &runtime);
	}
	*ret_runtime = runtime;
	return 0;
}
