/* SPDX-License-Identifier: Apache-2.0 */
/* State directory of the lists. What is in a list's file is block_file.c's. */
#include "features/block/block_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/kept.h"
#include "features/block/block_file.h"

#define LIST_PREFIX "block-"
#define LIST_SUFFIX ".json"
#define FILE_BYTES_MAX (1ull << 30)
#define FILE_MODE 0600

static const struct weir_kept index_kept = {
	.file = "block.json",
	.version = BLOCK_FILE_VERSION,
	.bytes_max = FILE_BYTES_MAX,
	.rest = "counters begin anew",
};
static const struct weir_kept list_kept = {
	.rest = "it is not loaded",
	.cure = "mend it and import it again, or delete it",
};

void block_lists_done(struct block_lists *lists)
{
	for (size_t i = 0; i < lists->count; i++)
		block_list_free(lists->at[i]);
	free(lists->at);
	*lists = (struct block_lists){ 0 };
}

int block_lists_reserve(struct block_lists *lists)
{
	struct block_list **at = reallocarray(lists->at, lists->count + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	lists->at = at;
	return 0;
}

int block_lists_add(struct block_lists *lists, struct block_list *list)
{
	if (block_lists_reserve(lists) < 0)
		return -ENOMEM;
	size_t place = lists->count++;
	/* Those of the configuration keep its order. */
	for (; list->origin != BLOCK_FROM_FILE && place &&
	       strcmp(lists->at[place - 1]->name, list->name) > 0;
	     place--)
		lists->at[place] = lists->at[place - 1];
	lists->at[place] = list;
	return 0;
}

void block_lists_remove(struct block_lists *lists, const struct block_list *list)
{
	size_t kept = 0;
	for (size_t i = 0; i < lists->count; i++)
		if (lists->at[i] != list)
			lists->at[kept++] = lists->at[i];
	lists->count = kept;
}

struct block_list *block_lists_find(const struct block_lists *lists, const char *name)
{
	for (size_t i = 0; i < lists->count; i++)
		if (strcmp(lists->at[i]->name, name) == 0)
			return lists->at[i];
	return NULL;
}

struct block_list *block_lists_by_id(const struct block_lists *lists, uint32_t id)
{
	for (size_t i = 0; i < lists->count; i++)
		if (lists->at[i]->id == id)
			return lists->at[i];
	return NULL;
}

static char *list_path(const char *dir, const char *name)
{
	_cleanup_buf_ struct weir_buf path = { 0 };
	weir_buf_addf(&path, "%s/" LIST_PREFIX "%s" LIST_SUFFIX, dir, name);
	return weir_buf_take(&path);
}

int block_store_save_list(const char *dir, const struct block_list *list)
{
	_cleanup_free_ char *path = list_path(dir, list->name);
	_cleanup_buf_ struct weir_buf text = { 0 };
	block_file_write(list, &text);
	if (!path || text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, FILE_MODE);
}

int block_store_remove_list(const char *dir, const char *name)
{
	_cleanup_free_ char *path = list_path(dir, name);
	if (!path)
		return -ENOMEM;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static void index_put_hits(struct weir_json_out *json, const struct block_list *list)
{
	weir_json_open_object(json, "hits");
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		for (size_t i = 0; i < list->set.half[family].count; i++) {
			struct block_entry entry;
			char text[WEIR_RANGE_TEXT];
			block_set_at(&list->set, (enum block_family)family, i, &entry);
			if (list->entry_hits[family])
				weir_json_put_uint(json, weir_range_to_string(&entry.range, text),
						   list->entry_hits[family][i]);
		}
	}
	weir_json_close_object(json);
}

static void index_put_lists(struct weir_json_out *json, const struct block_lists *lists)
{
	for (size_t i = 0; i < lists->count; i++) {
		const struct block_list *list = lists->at[i];
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", list->name);
		weir_json_put_str(json, "action", block_action_names[list->action]);
		weir_json_put_str(json, "origin", block_origin_names[list->origin]);
		weir_json_put_uint(json, "id", list->id);
		weir_json_put_uint(json, "hit", list->hit);
		if (list->has_entry_hits)
			index_put_hits(json, list);
		weir_json_close_object(json);
		weir_buf_add_char(json->out, '\n');
	}
}

struct index_lists {
	const struct block_lists *files, *runtime;
};

static void index_put(struct weir_json_out *json, const void *arg)
{
	const struct index_lists *lists = arg;

	weir_json_open_array(json, "lists");
	index_put_lists(json, lists->files);
	index_put_lists(json, lists->runtime);
	weir_json_close_array(json);
}

int block_store_save_index(const char *dir, const struct block_lists *files,
			   const struct block_lists *runtime)
{
	struct index_lists lists = { files, runtime };

	return weir_kept_save(&index_kept, dir, index_put, &lists);
}

static int hits_read(const char *key, const struct weir_json *value, void *arg)
{
	struct weir_range range;
	struct block_list *list = arg;
	if (weir_range_from_string(key, strlen(key), &range, NULL, NULL) < 0)
		return 0;
	char slot[16];
	snprintf(slot, sizeof(slot), "%u", (unsigned)weir_json_int(value, 0));
	/* The slot rides along as a note until the order of the entries is known. */
	return block_set_append(&list->set, &range, slot, strlen(slot));
}

static int stub_read_hits(struct block_list *list, const struct weir_json *hits)
{
	int r = weir_json_each(hits, hits_read, list);
	if (r == 0)
		r = block_set_seal(&list->set, NULL);
	for (int family = 0; r == 0 && family < BLOCK_FAMILIES; family++) {
		size_t count = list->set.half[family].count;
		list->entry_hits[family] = calloc(count + 1, sizeof(uint32_t));
		if (!list->entry_hits[family])
			return -ENOMEM;
		for (size_t i = 0; i < count; i++) {
			struct block_entry entry;
			block_set_at(&list->set, (enum block_family)family, i, &entry);
			list->entry_hits[family][i] =
				entry.note ? (uint32_t)strtoul(entry.note, NULL, 10) : 0;
			r = block_set_note(&list->set, (enum block_family)family, i, NULL);
		}
	}
	list->has_entry_hits = true;
	return r;
}

static int stub_read(const struct weir_json *json, struct weir_diag *why, void *stubs)
{
	const char *name = weir_json_str(weir_json_get(json, "name"), "");
	int action = block_action_from_string(weir_json_str(weir_json_get(json, "action"), ""));
	const char *origin = weir_json_str(weir_json_get(json, "origin"), "");
	int64_t id = weir_json_int(weir_json_get(json, "id"), 0),
		hit = weir_json_int(weir_json_get(json, "hit"), 0);
	if (block_name_fault(name) || action < 0 || id < 1 || id > BLOCK_LISTS_MAX || hit < 0 ||
	    hit >= WEIR_HITS_MAX)
		return weir_diag_error(why, NULL, "it has a wrong name, action, id or counter");
	_cleanup_list_ struct block_list *list =
		block_list_new(name, (enum block_action)action,
			       strcmp(origin, "file") == 0 ? BLOCK_FROM_FILE : BLOCK_FROM_RUNTIME);
	if (!list)
		return -ENOMEM;
	list->id = (uint32_t)id;
	list->hit = (uint32_t)hit;
	const struct weir_json *hits = weir_json_get(json, "hits");
	int r = hits ? stub_read_hits(list, hits) : 0;
	if (r == 0 && !block_lists_by_id(stubs, list->id))
		r = block_lists_add(stubs, list);
	else
		return r;
	if (r == 0)
		list = NULL;
	return r;
}

static int index_read(const struct weir_json *json, struct weir_diag *why, void *stubs)
{
	return weir_kept_each(json, "lists", stub_read, stubs, why);
}

static int index_load(const char *dir, struct weir_diag *diag, struct block_lists *stubs)
{
	int r = weir_kept_load(&index_kept, dir, index_read, stubs, diag);

	return r == -ENOMEM ? r : 0;
}

static bool name_of_file(const char *file, char name[BLOCK_NAME_MAX + 1])
{
	size_t len = strlen(file), around = strlen(LIST_PREFIX) + strlen(LIST_SUFFIX);
	if (len <= around || len - around > BLOCK_NAME_MAX ||
	    strncmp(file, LIST_PREFIX, strlen(LIST_PREFIX)) != 0 ||
	    strcmp(file + len - strlen(LIST_SUFFIX), LIST_SUFFIX) != 0)
		return false;
	memcpy(name, file + strlen(LIST_PREFIX), len - around);
	name[len - around] = '\0';
	return !block_name_fault(name);
}

static int list_read(const char *path, const char *name, struct weir_diag *why,
		     struct block_list **ret_list)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct block_now now = block_now();
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);
	if (r < 0)
		return weir_diag_error(why, NULL, "%s", strerror(-r)), r;
	_cleanup_list_ struct block_list *list = NULL;
	r = block_file_read(weir_buf_str(&text), text.len, &now, why, &list);
	if (r < 0)
		return r;
	if (strcmp(list->name, name) != 0 || list->origin == BLOCK_FROM_FILE)
		return weir_diag_error(why, NULL,
				       "it holds the list '%s', which is not the one its name says",
				       list->name);
	*ret_list = weir_take(list);
	return 0;
}

static int list_load(const char *dir, const char *name, struct weir_diag *diag,
		     struct block_lists *lists)
{
	_cleanup_free_ char *path = list_path(dir, name);
	_cleanup_diag_ struct weir_diag why = { 0 };
	_cleanup_list_ struct block_list *list = NULL;
	if (!path)
		return -ENOMEM;
	int r = list_read(path, name, &why, &list);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return weir_kept_aside(&list_kept, path, &why, diag), 0;
	r = block_lists_add(lists, list);
	if (r == 0)
		list = NULL;
	return r;
}

/*
 * A run-time list has the id and the counter it had; the rest of the index is the configuration's.
 */
static int stubs_share_out(struct block_lists *stubs, struct block_lists *files,
			   const struct block_lists *runtime)
{
	for (size_t i = 0; i < stubs->count; i++) {
		struct block_list *stub = stubs->at[i];
		struct block_list *list = block_lists_find(runtime, stub->name);
		if (stub->origin == BLOCK_FROM_FILE) {
			if (block_lists_add(files, stub) < 0)
				return -ENOMEM;
			stubs->at[i] = NULL;
		} else if (list && !list->id) {
			list->id = stub->id;
			list->hit = stub->hit;
		}
	}
	return 0;
}

int block_store_load(const char *dir, struct weir_diag *diag, struct block_lists *ret_files,
		     struct block_lists *ret_runtime)
{
	_cleanup_lists_ struct block_lists stubs = { 0 }, files = { 0 }, runtime = { 0 };
	if (!dir)
		return 0;
	int r = index_load(dir, diag, &stubs);
	if (r < 0)
		return r;
	_cleanup_closedir_ DIR *opened = opendir(dir);
	if (!opened)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *entry; r == 0 && (entry = readdir(opened));) {
		char name[BLOCK_NAME_MAX + 1];
		if (name_of_file(entry->d_name, name))
			r = list_load(dir, name, diag, &runtime);
	}
	if (r == 0)
		r = stubs_share_out(&stubs, &files, &runtime);
	if (r < 0)
		return r;
	*ret_files = files;
	*ret_runtime = runtime;
	files = runtime = (struct block_lists){ 0 };
	return 0;
}
