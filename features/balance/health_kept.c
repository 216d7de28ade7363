/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is down, from one run to the next. In the run's directory, which is empty after a reboot:
 * nobody's packets have gone past anybody then, and what was known is of hosts as they were before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/kept.h"
#include "features/balance/health.h"

#define KEY_TEXT (2 * sizeof(struct health_key) + 1)

static const struct weir_kept health_kept = {
	.file = HEALTH_FILE,
	.version = 1,
	.bytes_max = 1u << 28,
	.rest = "backends that are down get connections until their checks find it again",
};

static void key_format(const struct health_key *key, char text[KEY_TEXT])
{
	const uint8_t *bytes = (const void *)key;

	for (size_t i = 0; i < sizeof(*key); i++)
		snprintf(&text[2 * i], 3, "%02x", bytes[i]);
}

static int key_parse(const char *text, struct health_key *ret_key)
{
	uint8_t *bytes = (void *)ret_key;

	if (strlen(text) != KEY_TEXT - 1 || strspn(text, "0123456789abcdef") != KEY_TEXT - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(*ret_key); i++) {
		const char digits[] = { text[2 * i], text[2 * i + 1], 0 };

		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return 0;
}

static void down_put(const struct health_key *key, const struct health_note *note,
		     struct weir_json_out *json)
{
	char key_text[KEY_TEXT], check[17], address[WEIR_ADDR_TEXT];

	key_format(key, key_text);
	snprintf(check, sizeof(check), "%016" PRIx64, note->check);
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "address", weir_addr_to_string(&key->backend.addr, address));
	weir_json_put_str(json, "reason", note->reason);
	weir_json_put_str(json, "key", key_text);
	weir_json_put_str(json, "check", check);
	weir_json_close_object(json);
}

static void set_put(struct weir_json_out *json, const void *arg)
{
	const struct health_set *set = arg;

	weir_json_open_array(json, "down");
	for (uint32_t i = 0; set && i < set->count; i++)
		down_put(&set->keys[i], &set->notes[i], json);
	weir_json_close_array(json);
}

int health_kept_save(const char *dir, const struct health_set *set)
{
	return weir_kept_save(&health_kept, dir, set_put, set);
}

struct down {
	struct health_key key; /* first: they are sorted by it */
	struct health_note note;
};

struct downs {
	struct down *at;
	uint32_t count;
};

static int down_get(const struct weir_json *object, struct weir_diag *why, void *arg)
{
	struct downs *downs = arg;
	struct down *down = &downs->at[downs->count];
	const char *check = weir_json_str(weir_json_get(object, "check"), "");

	if (key_parse(weir_json_str(weir_json_get(object, "key"), ""), &down->key))
		return weir_diag_error(why, NULL, "a backend has no key");
	down->note.check = strtoull(check, NULL, 16);
	snprintf(down->note.reason, sizeof(down->note.reason), "%s",
		 weir_json_str(weir_json_get(object, "reason"), ""));
	downs->count++;
	return 0;
}

static int down_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct health_key));
}

/* One that is there twice is found by either. */
static struct health_set *set_of(struct downs *downs)
{
	struct health_set *set = health_set_new(downs->count);

	qsort(downs->at, downs->count, sizeof(*downs->at), down_compare);
	for (uint32_t i = 0; set && i < downs->count; i++) {
		set->keys[i] = downs->at[i].key;
		set->notes[i] = downs->at[i].note;
		set->count++;
	}
	return set;
}

static int set_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	const struct weir_json *list = weir_json_get(json, "down");
	struct health_set **ret_set = arg;

	if (!list || weir_json_type(list) != WEIR_JSON_ARRAY)
		return weir_diag_error(why, NULL, "it does not say who is down");
	_cleanup_free_ struct down *room = calloc(weir_json_size(list) + 1, sizeof(*room));
	struct downs downs = { .at = room };
	int r = room ? weir_kept_each(json, "down", down_get, &downs, why) : -ENOMEM;

	if (r)
		return r;
	*ret_set = set_of(&downs);
	return *ret_set ? 0 : -ENOMEM;
}

int health_kept_load(const char *dir, struct weir_diag *diag, struct health_set **ret_set)
{
	struct health_set *set = NULL;
	int r = weir_kept_load(&health_kept, dir, set_read, &set, diag);

	if (r == -ENOMEM)
		return r;
	*ret_set = set;
	return 0;
}
