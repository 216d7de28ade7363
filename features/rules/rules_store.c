/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "features/rules/rules_text.h"

#define FILE_NAME "rules.json"
#define FILE_VERSION 1
#define FILE_BYTES_MAX (1u << 28)
#define FILE_MODE 0600

static void list_put(struct weir_json_out *json, const struct rules_list *list)
{
	weir_json_open_array(json, "rules");
	for (uint32_t i = 0; i < list->count; i++) {
		const struct rules_entry *entry = &list->at[i];
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "place", rules_where_names[entry->where]);
		if (entry->anchor)
			weir_json_put_str(json, "anchor", entry->anchor);
		rules_text_put(&entry->text, json);
		weir_json_close_object(json);
		weir_buf_add_char(json->out, '\n');
	}
	weir_json_close_array(json);
}

static void rows_put(struct weir_json_out *json, const struct rules_index *rows)
{
	weir_json_open_object(json, "rows");
	for (uint32_t i = 0; i < rows->slot_count; i++) {
		char key[17];
		if (!rows->slots[i].key)
			continue;
		snprintf(key, sizeof(key), "%016" PRIx64, rows->slots[i].key);
		weir_json_put_uint(json, key, rows->slots[i].value);
	}
	weir_json_close_object(json);
}

int rules_store_save(const char *dir, const struct rules_list *list, const struct rules_index *rows)
{
	if (!dir)
		return 0;
	_cleanup_free_ char *path = weir_path_join(dir, FILE_NAME);
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", FILE_VERSION);
	weir_json_put_uint(&json, "named", list->named);
	list_put(&json, list);
	rows_put(&json, rows);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	if (!path || text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, FILE_MODE);
}

static int where_get(const struct weir_json *object, size_t index, struct weir_diag *why,
		     struct rules_entry *entry)
{
	const char *place = weir_json_str(weir_json_get(object, "place"), "");
	const char *anchor = weir_json_str(weir_json_get(object, "anchor"), NULL);
	int where = 0;
	while (rules_where_names[where] && strcmp(rules_where_names[where], place) != 0)
		where++;
	entry->where = (enum rules_where)where;
	bool wants_anchor = where == RULES_BEFORE || where == RULES_AFTER;
	if (!rules_where_names[where] || wants_anchor != !!anchor)
		return weir_diag_error(why, NULL, "rules[%zu] has no place", index);
	entry->anchor = anchor ? strdup(anchor) : NULL;
	return anchor && !entry->anchor ? -ENOMEM : 0;
}

/* What no longer means anything must not keep the policy from being compiled. */
static int text_check(const struct rules_text *text, size_t index, struct weir_diag *why)
{
	struct rules_rule rule;
	char path[32];
	snprintf(path, sizeof(path), "rules[%zu]", index);
	if (!text->name)
		return weir_diag_error(why, NULL, "%s has no name", path);
	int r = rules_rule_read(text, path, why, &rule);
	if (r == 0)
		rules_rule_done(&rule);
	return r;
}

static int entry_read(const struct weir_json *object, size_t index, struct weir_diag *why,
		      struct rules_list *list)
{
	_cleanup_entry_ struct rules_entry entry = { 0 };
	int r = rules_text_get(object, why, &entry.text);
	if (r == 0)
		r = text_check(&entry.text, index, why);
	if (r == 0)
		r = where_get(object, index, why, &entry);
	if (r == 0 && rules_list_find(list, entry.text.name) < list->count)
		r = weir_diag_error(why, NULL, "rules[%zu] has the name of another", index);
	return r ? r : rules_list_insert(list, list->count, &entry);
}

/* The good ones among them; -EINVAL when others were not. */
static int list_read(const struct weir_json *array, struct weir_diag *why, struct rules_list *list)
{
	int result = 0;
	for (size_t i = 0; i < weir_json_size(array); i++) {
		struct weir_diag told = { 0 }; /* warnings were told when the rule was added */
		int r = entry_read(weir_json_at(array, i), i, &told, list);
		for (size_t j = 0; r == -EINVAL && j < told.count; j++)
			if (told.entries[j].level == WEIR_DIAG_ERROR)
				weir_diag_error(why, NULL, "rules[%zu]: %s", i,
						told.entries[j].what);
		weir_diag_done(&told);
		if (r == -ENOMEM)
			return r;
		result = r < 0 ? r : result;
	}
	return result;
}

struct rows_reading {
	struct rules_index *rows;
	bool used[RULES_ROWS];
};

static int row_read(const char *key, const struct weir_json *value, void *arg)
{
	struct rows_reading *reading = arg;
	uint64_t identity = strtoull(key, NULL, 16);
	int64_t row = weir_json_int(value, 0);
	if (!identity || row < 1 || row >= RULES_ROWS || reading->used[row])
		return -EINVAL;
	reading->used[row] = true;
	return rules_index_set(reading->rows, identity, (uint32_t)row);
}

static int rows_read(const struct weir_json *object, struct weir_diag *why,
		     struct rules_index *rows)
{
	_cleanup_free_ struct rows_reading *reading = calloc(1, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	reading->rows = rows;
	int r = weir_json_each(object, row_read, reading);
	if (r == -EINVAL) {
		rules_index_done(rows);
		weir_diag_error(why, NULL, "its rows are not those of counters");
	}
	return r;
}

static int file_parse(const struct weir_buf *text, struct weir_diag *why, struct rules_list *list,
		      struct rules_index *rows)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(weir_buf_str(text), text->len, NULL, why, &json);
	if (r < 0)
		return r;
	if (weir_json_int(weir_json_get(json, "version"), 0) != FILE_VERSION)
		return weir_diag_error(why, NULL, "it is of another version");
	const struct weir_json *rules = weir_json_get(json, "rules");
	if (!rules || weir_json_type(rules) != WEIR_JSON_ARRAY)
		return weir_diag_error(why, NULL, "its rules are no list");
	list->named = (uint32_t)weir_json_int(weir_json_get(json, "named"), 0);
	int list_result = list_read(rules, why, list);
	r = rows_read(weir_json_get(json, "rows"), why, rows);
	return list_result == -ENOMEM || !r ? list_result : r;
}

/* Put where the next write cannot reach it. */
static int file_keep_aside(const char *path, const struct weir_diag *why, uint32_t read,
			   struct weir_diag *diag)
{
	_cleanup_free_ char *kept = NULL;
	_cleanup_buf_ struct weir_buf reason = { 0 };
	if (why->count)
		weir_diag_entry_format(&why->entries[0], &reason);
	int r = weir_file_keep_aside(path, &kept);
	if (r < 0)
		return weir_diag_warning(diag, "move the file away by hand",
					 "%s cannot be used and cannot be renamed: %s", path,
					 strerror(-r));
	return weir_diag_warning(diag, "add again what is missing",
				 "%s is damaged (%s): %u rules of it are read, it is kept as %s",
				 path, reason.len ? weir_buf_str(&reason) : "unreadable", read,
				 kept ? kept : "a file beside it");
}

int rules_store_load(const char *dir, struct weir_diag *diag, struct rules_list *ret_list,
		     struct rules_index *ret_rows, bool *ret_is_damaged)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag why = { 0 };
	_cleanup_rules_list_ struct rules_list list = { 0 };
	_cleanup_index_ struct rules_index rows = { 0 };
	if (!dir || !path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = file_parse(&text, &why, &list, &rows);
	if (r == -ENOMEM)
		return r;
	*ret_is_damaged = r < 0;
	if (r < 0)
		file_keep_aside(path, &why, list.count, diag);
	*ret_list = list;
	*ret_rows = rows;
	list = (struct rules_list){ 0 };
	rows = (struct rules_index){ 0 };
	return 0;
}
