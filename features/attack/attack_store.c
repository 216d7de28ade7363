/* SPDX-License-Identifier: Apache-2.0 */
/* attack.json: what was usual, over restarts. Lost, it is learned again. */
#include "features/attack/attack_store.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "core/alarm.h"

#define FILE_NAME "attack.json"
#define FILE_VERSION 1
#define FILE_BYTES_MAX (1u << 20)
#define FILE_MODE 0600
#define RATE_MOST 1e10 /* a second; what says more was not written here */

const struct attack_usual *attack_usual_find(const struct attack_usuals *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i].name, name) == 0)
			return &list->at[i];
	return NULL;
}

static void usual_drop(struct attack_usuals *list, size_t at)
{
	list->count--;
	memmove(&list->at[at], &list->at[at + 1], (list->count - at) * sizeof(list->at[0]));
}

/* To the end of the list: at its front is what was not noted for longest. */
void attack_usual_note(struct attack_usuals *list, const struct attack_usual *usual)
{
	const struct attack_usual *before = attack_usual_find(list, usual->name);

	if (before)
		usual_drop(list, (size_t)(before - list->at));
	else if (list->count == ATTACK_USUAL_MAX)
		usual_drop(list, 0);
	list->at[list->count++] = *usual;
}

static int usual_read(const struct weir_json *json, struct attack_usuals *list)
{
	const char *name = weir_json_str(weir_json_get(json, "name"), "");
	struct attack_usual usual = {};

	if (!name[0] || strlen(name) >= sizeof(usual.name))
		return -EINVAL;
	memcpy(usual.name, name, strlen(name));
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		double rate =
			weir_json_real(weir_json_get(json, weir_flood_name((enum weir_flood)i)), 0);

		if (!(rate >= 0 && rate <= RATE_MOST))
			return -EINVAL;
		usual.rates[i] = rate;
	}
	attack_usual_note(list, &usual);
	return 0;
}

static int list_read(const struct weir_json *json, struct attack_usuals *list)
{
	const struct weir_json *rows = weir_json_get(json, "usual");
	int r = 0;

	if (weir_json_int(weir_json_get(json, "version"), 0) != FILE_VERSION || !rows ||
	    weir_json_type(rows) != WEIR_JSON_ARRAY)
		return -EINVAL;
	for (size_t i = 0; i < weir_json_size(rows) && !r; i++)
		r = usual_read(weir_json_at(rows, i), list);
	return r;
}

static void damaged(const char *path, struct weir_diag *diag)
{
	_cleanup_free_ char *kept = NULL;
	int r = weir_file_keep_aside(path, &kept);

	weir_diag_warning(diag, r ? "move the file away by hand" : NULL,
			  "%s is damaged%s%s: what is usual is learned anew", path,
			  kept ? ", and kept as " : "", kept ? kept : "");
}

int attack_store_load(const char *dir, struct weir_diag *diag, struct attack_usuals *ret_list)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = {};
	_cleanup_json_ struct weir_json *json = NULL;

	*ret_list = (struct attack_usuals){};
	if (!path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = weir_json_parse(weir_buf_str(&text), text.len, NULL, NULL, &json);
	if (!r)
		r = list_read(json, ret_list);
	if (r == -ENOMEM || !r)
		return r;
	ret_list->count = 0;
	damaged(path, diag);
	return 0;
}

int attack_store_save(const char *dir, const struct attack_usuals *list)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	if (!path)
		return dir ? -ENOMEM : 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", FILE_VERSION);
	weir_json_open_array(&json, "usual");
	for (size_t i = 0; i < list->count; i++) {
		weir_json_open_object(&json, NULL);
		weir_json_put_str(&json, "name", list->at[i].name);
		for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++)
			weir_json_put_real(&json, weir_flood_name((enum weir_flood)flood),
					   list->at[i].rates[flood]);
		weir_json_close_object(&json);
	}
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	return text.failed ? -ENOMEM : weir_file_replace(path, text.data, text.len, FILE_MODE);
}
