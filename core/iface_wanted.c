/* SPDX-License-Identifier: Apache-2.0 */
/* The list of wanted interfaces and its file. */
#include "iface_wanted.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#define WANTED_VERSION 1
#define WANTED_BYTES_MAX (1u << 20)

static const char *const hook_names[] = { "auto", "xdp", "tc", "xdp-generic" };

const struct weir_wanted *weir_wanted_find(const struct weir_wanted_list *list, const char *name)
{
	const struct weir_wanted *exact = NULL, *pattern = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct weir_wanted *wanted = &list->at[i];

		if (strcmp(wanted->name, name) == 0 && (!exact || wanted->at_run_time))
			exact = wanted;
		else if (!pattern && fnmatch(wanted->name, name, 0) == 0)
			pattern = wanted;
	}
	return exact ? exact : pattern;
}

bool weir_wanted_has_name(const struct weir_wanted_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i].name, name) == 0)
			return true;
	return false;
}

bool weir_wanted_differ(const struct weir_wanted *a, const struct weir_wanted *b)
{
	return a->hook != b->hook || a->egress != b->egress;
}

static struct weir_wanted *wanted_same(struct weir_wanted_list *list, const char *name,
				       bool at_run_time)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].at_run_time == at_run_time && strcmp(list->at[i].name, name) == 0)
			return &list->at[i];
	return NULL;
}

int weir_wanted_add(struct weir_wanted_list *list, const struct weir_interface_config *config,
		    bool at_run_time)
{
	struct weir_wanted *wanted = wanted_same(list, config->name, at_run_time);

	if (!wanted && list->count == WEIR_WANTED_MAX)
		return -ENOSPC;
	if (!wanted)
		wanted = &list->at[list->count++];
	*wanted = (struct weir_wanted){ .hook = config->hook,
					.egress = config->egress,
					.at_run_time = at_run_time };
	snprintf(wanted->name, sizeof(wanted->name), "%s", config->name);
	return 0;
}

void weir_wanted_forget_config(struct weir_wanted_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].at_run_time)
			list->at[kept++] = list->at[i];
	list->count = kept;
}

void weir_wanted_remove(struct weir_wanted_list *list, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i].name, name))
			list->at[kept++] = list->at[i];
	list->count = kept;
}

static int entry_take(struct weir_wanted_list *list, const struct weir_json *json)
{
	const char *name = weir_json_str(weir_json_get(json, "name"), NULL);
	const char *hook = weir_json_str(weir_json_get(json, "hook"), "auto");
	struct weir_interface_config config = { .name = (char *)name, .hook = -1 };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(hook_names); i++)
		if (strcmp(hook_names[i], hook) == 0)
			config.hook = (int)i;
	config.egress = weir_json_bool(weir_json_get(json, "egress"), false);
	return name && config.hook >= 0 ? weir_wanted_add(list, &config, true) : -EINVAL;
}

static int list_take(struct weir_wanted_list *list, const struct weir_json *json)
{
	const struct weir_json *entries = weir_json_get(json, "attached");
	int r = weir_json_int(weir_json_get(json, "version"), 0) == WANTED_VERSION ? 0 : -EINVAL;

	for (size_t i = 0; i < weir_json_size(entries) && !r; i++)
		r = entry_take(list, weir_json_at(entries, i));
	return r;
}

static void damaged(const char *path, struct weir_diag *diag)
{
	_cleanup_free_ char *kept = NULL;

	weir_file_keep_aside(path, &kept);
	weir_diag_warning(diag, "weir interface attach IF",
			  "%s: damaged, kept as %s; the configuration alone says what is watched",
			  path, kept ? kept : "it was");
}

int weir_wanted_load(struct weir_wanted_list *list, const char *state_dir, struct weir_diag *diag)
{
	_cleanup_free_ char *path = state_dir ? weir_path_join(state_dir, "interfaces.json") : NULL;
	_cleanup_buf_ struct weir_buf text = {};
	_cleanup_diag_ struct weir_diag parse = {};
	_cleanup_json_ struct weir_json *json = NULL;

	if (!path)
		return state_dir ? -ENOMEM : 0;
	int r = weir_file_read(path, WANTED_BYTES_MAX, &text);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = weir_json_parse(weir_buf_str(&text), text.len, path, &parse, &json);
	if (!r)
		r = list_take(list, json);
	if (r && r != -ENOMEM)
		damaged(path, diag);
	return r == -ENOMEM ? r : 0;
}

int weir_wanted_save(const struct weir_wanted_list *list, const char *state_dir)
{
	_cleanup_free_ char *path = state_dir ? weir_path_join(state_dir, "interfaces.json") : NULL;
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };

	if (!path)
		return state_dir ? -ENOMEM : 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", WANTED_VERSION);
	weir_json_open_array(&json, "attached");
	for (size_t i = 0; i < list->count; i++) {
		if (!list->at[i].at_run_time)
			continue;
		weir_json_open_object(&json, NULL);
		weir_json_put_str(&json, "name", list->at[i].name);
		weir_json_put_str(&json, "hook", hook_names[list->at[i].hook]);
		weir_json_put_bool(&json, "egress", list->at[i].egress);
		weir_json_close_object(&json);
	}
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	return text.failed ? -ENOMEM : weir_file_replace(path, text.data, text.len, 0600);
}
