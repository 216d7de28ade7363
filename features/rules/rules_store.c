/* SPDX-License-Identifier: Apache-2.0 */
#include "features/rules/rules_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/kept.h"
#include "features/rules/rules_text.h"

static const struct weir_kept rules_kept = {
	.file = "rules.json",
	.version = 1,
	.bytes_max = 1u << 28,
	.rest = "what is good of it is read",
	.cure = "add again what is missing",
};

struct kept_rules {
	struct rules_list *list;
	struct rules_index *rows;
};

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

static void all_put(struct weir_json_out *json, const void *arg)
{
	const struct kept_rules *all = arg;

	weir_json_put_uint(json, "named", all->list->named);
	list_put(json, all->list);
	rows_put(json, all->rows);
}

int rules_store_save(const char *dir, const struct rules_list *list, const struct rules_index *rows)
{
	struct kept_rules all = { (struct rules_list *)list, (struct rules_index *)rows };

	return weir_kept_save(&rules_kept, dir, all_put, &all);
}

static int where_get(const struct weir_json *object, struct weir_diag *why,
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
		return weir_diag_error(why, NULL, "it has no place");
	entry->anchor = anchor ? strdup(anchor) : NULL;
	return anchor && !entry->anchor ? -ENOMEM : 0;
}

/* What no longer means anything must not keep the policy from being compiled. */
static int text_check(const struct rules_text *text, struct weir_diag *why)
{
	struct rules_rule rule;

	if (!text->name)
		return weir_diag_error(why, NULL, "it has no name");
	int r = rules_rule_read(text, "", why, &rule);

	if (r == 0)
		rules_rule_done(&rule);
	return r;
}

static int entry_read(const struct weir_json *object, struct weir_diag *why, void *arg)
{
	_cleanup_entry_ struct rules_entry entry = { 0 };
	struct rules_list *list = arg;
	int r = rules_text_get(object, why, &entry.text);

	if (r == 0)
		r = text_check(&entry.text, why);
	if (r == 0)
		r = where_get(object, why, &entry);
	if (r == 0 && rules_list_find(list, entry.text.name) < list->count)
		r = weir_diag_error(why, NULL, "it has the name of another");
	return r ? r : rules_list_insert(list, list->count, &entry);
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

static int all_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	struct kept_rules *all = arg;

	all->list->named = (uint32_t)weir_json_int(weir_json_get(json, "named"), 0);
	int r = weir_kept_each(json, "rules", entry_read, all->list, why);

	return r == -ENOMEM ? r : (rows_read(weir_json_get(json, "rows"), why, all->rows) ?: r);
}

int rules_store_load(const char *dir, struct weir_diag *diag, struct rules_list *ret_list,
		     struct rules_index *ret_rows, bool *ret_is_damaged)
{
	_cleanup_rules_list_ struct rules_list list = { 0 };
	_cleanup_index_ struct rules_index rows = { 0 };
	struct kept_rules all = { &list, &rows };
	int r = weir_kept_load(&rules_kept, dir, all_read, &all, diag);

	if (r == -ENOMEM || !dir)
		return r;
	*ret_is_damaged = r < 0;
	*ret_list = list;
	*ret_rows = rows;
	list = (struct rules_list){ 0 };
	rows = (struct rules_index){ 0 };
	return 0;
}
