/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of run time, in memory and in limit.json. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/kept.h"
#include "features/limit/limit_state.h"

static const struct weir_kept limit_kept = {
	.file = "limit.json",
	.version = 1,
	.bytes_max = 1u << 20,
	.rest = "what is good of it is read",
	.cure = "add again what is missing",
};

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

static void runtime_put(struct weir_json_out *json, const void *arg)
{
	const struct limit_runtime *runtime = arg;

	weir_json_open_array(json, "limits");
	for (unsigned i = 0; i < runtime->count; i++) {
		weir_json_open_object(json, NULL);
		limit_text_put(&runtime->at[i], json);
		weir_json_close_object(json);
		weir_buf_add_char(json->out, '\n');
	}
	weir_json_close_array(json);
}

int limit_store_save(const char *dir, const struct limit_runtime *runtime)
{
	return weir_kept_save(&limit_kept, dir, runtime_put, runtime);
}

/* What no longer means anything must not keep the policy from being compiled. */
static int entry_read(const struct weir_json *object, struct weir_diag *why, void *arg)
{
	struct limit_runtime *runtime = arg;
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

static int runtime_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	return weir_kept_each(json, "limits", entry_read, arg, why);
}

int limit_store_load(const char *dir, struct weir_diag *diag, struct limit_runtime *ret_runtime)
{
	struct limit_runtime runtime = { .count = 0 };
	int r = weir_kept_load(&limit_kept, dir, runtime_read, &runtime, diag);

	if (r == -ENOMEM) {
		limit_runtime_done(&runtime);
		return r;
	}
	if (r)
		limit_store_save(dir, &runtime);
	*ret_runtime = runtime;
	return 0;
}
