/* SPDX-License-Identifier: Apache-2.0 */
/* attack.json: what was usual, over restarts. Lost, it is learned again. */
#include "features/attack/attack_store.h"

#include <errno.h>
#include <string.h>

#include "base/kept.h"
#include "core/alarm.h"

#define RATE_MOST 1e10 /* a second; what says more was not written here */

static const struct weir_kept attack_kept = {
	.file = "attack.json",
	.version = 1,
	.bytes_max = 1u << 20,
	.rest = "what is usual is learned anew",
};

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

static int usual_read(const struct weir_json *json, struct weir_diag *why, void *list)
{
	const char *name = weir_json_str(weir_json_get(json, "name"), "");
	struct attack_usual usual = {};

	if (!name[0] || strlen(name) >= sizeof(usual.name))
		return weir_diag_error(why, NULL, "it has no name of an interface");
	memcpy(usual.name, name, strlen(name));
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		double rate =
			weir_json_real(weir_json_get(json, weir_flood_name((enum weir_flood)i)), 0);

		if (!(rate >= 0 && rate <= RATE_MOST))
			return weir_diag_error(why, NULL, "a rate of it is none");
		usual.rates[i] = rate;
	}
	attack_usual_note(list, &usual);
	return 0;
}

static int list_read(const struct weir_json *json, struct weir_diag *why, void *list)
{
	return weir_kept_each(json, "usual", usual_read, list, why);
}

int attack_store_load(const char *dir, struct weir_diag *diag, struct attack_usuals *ret_list)
{
	*ret_list = (struct attack_usuals){};
	int r = weir_kept_load(&attack_kept, dir, list_read, ret_list, diag);

	if (r)
		ret_list->count = 0;
	return r == -ENOMEM ? r : 0;
}

static void list_put(struct weir_json_out *json, const void *arg)
{
	const struct attack_usuals *list = arg;

	weir_json_open_array(json, "usual");
	for (size_t i = 0; i < list->count; i++) {
		weir_json_open_object(json, NULL);
		weir_json_put_str(json, "name", list->at[i].name);
		for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++)
			weir_json_put_real(json, weir_flood_name((enum weir_flood)flood),
					   list->at[i].rates[flood]);
		weir_json_close_object(json);
	}
	weir_json_close_array(json);
}

int attack_store_save(const char *dir, const struct attack_usuals *list)
{
	return weir_kept_save(&attack_kept, dir, list_put, list);
}
