/* SPDX-License-Identifier: Apache-2.0 */
/* What is of run time, in balance.json. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "features/balance/balance_live.h"

#define FILE_NAME "balance.json"
#define FILE_VERSION 1
#define FILE_BYTES_MAX (64u << 20)
#define FILE_MODE 0600

static void service_put(const struct balance_text *text, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", text->name);
	weir_json_put_str(json, "address", text->address);
	balance_ports_put(json, "port", text->port);
	weir_json_put_str(json, "proto", balance_proto_names[text->proto]);
	if (text->scheduler)
		weir_json_put_str(json, "scheduler", balance_scheduler_names[text->scheduler]);
	if (text->affinity.timeout.value)
		weir_json_put_uint(json, "affinity_s",
				   text->affinity.timeout.value / WEIR_NS_PER_S);
	if (text->source)
		weir_json_put_str(json, "source", text->source);
	weir_json_close_object(json);
	weir_buf_add_char(json->out, '\n');
}

static void row_put(const struct balance_row *row, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "service", row->service);
	weir_json_put_str(json, "address", row->address);
	weir_json_put_uint(json, "port", row->port);
	if (row->has_weight)
		weir_json_put_uint(json, "weight", row->weight);
	if (row->is_added)
		weir_json_put_bool(json, "added", true);
	if (row->is_drained)
		weir_json_put_bool(json, "drained", true);
	weir_json_close_object(json);
	weir_buf_add_char(json->out, '\n');
}

int balance_store_save(const char *dir, const struct balance_runtime *runtime)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	if (!dir)
		return 0;
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", FILE_VERSION);
	weir_json_put_bool(&json, "off", runtime->is_off);
	weir_json_open_array(&json, "services");
	for (unsigned i = 0; i < runtime->service_count; i++)
		service_put(&runtime->services[i], &json);
	weir_json_close_array(&json);
	weir_json_open_array(&json, "backends");
	for (unsigned i = 0; i < runtime->row_count; i++)
		row_put(&runtime->rows[i], &json);
	weir_json_close_array(&json);
	weir_json_open_array(&json, "disabled");
	for (unsigned i = 0; i < runtime->disabled_count; i++)
		weir_json_put_str(&json, NULL, runtime->disabled[i]);
	weir_json_close_array(&json);
	weir_json_close_object(&json);
	weir_buf_add_char(&text, '\n');
	if (!path || text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, FILE_MODE);
}

/* A number within bounds, or -1. */
static int64_t number_get(const struct weir_json *object, const char *key, int64_t least,
			  int64_t most)
{
	int64_t number = weir_json_int(weir_json_get(object, key), -1);

	return number >= least && number <= most ? number : -1;
}

/* What no longer means anything must not keep the policy from being compiled. */
static int service_get(const struct weir_json *object, struct weir_diag *why,
		       struct balance_runtime *runtime)
{
	const char *proto = weir_json_str(weir_json_get(object, "proto"), "");
	const struct weir_json *port = weir_json_get(object, "port");
	struct balance_text text = {
		.name = (char *)weir_json_str(weir_json_get(object, "name"), ""),
		.address = (char *)weir_json_str(weir_json_get(object, "address"), ""),
		.port = (uint32_t)number_get(object, "port", 1, 65535),
		.source = (char *)weir_json_str(weir_json_get(object, "source"), NULL),
	};
	struct weir_addr source;
	struct balance_end end;

	text.scheduler = balance_scheduler_parse(
		weir_json_str(weir_json_get(object, "scheduler"), "maglev"));
	while (balance_proto_names[text.proto] && strcmp(balance_proto_names[text.proto], proto))
		text.proto++;
	if (weir_json_str(port, NULL) &&
	    weir_ports_from_string(weir_json_str(port, ""), &text.port))
		text.port = 0;
	if (!balance_proto_names[text.proto] || !text.port || text.port == UINT32_MAX)
		return weir_diag_error(why, NULL, "a service has no port or no protocol");
	text.affinity.timeout.value =
		(uint64_t)weir_json_int(weir_json_get(object, "affinity_s"), 0) * WEIR_NS_PER_S;
	if (text.affinity.timeout.value > BALANCE_AFFINITY_MOST_NS)
		return weir_diag_error(why, NULL, "a service has no known affinity");
	if (text.scheduler < 0)
		return weir_diag_error(why, NULL, "a service has no known scheduler");
	int r = balance_name_check(text.name, "", why)			     ?:
			balance_service_read_as(&text, "address", why, &end) ?:
			balance_source_read_as(&text, "source", why, &source);

	return r ? r : balance_runtime_add_service(runtime, &text);
}

static int row_get(const struct weir_json *object, struct weir_diag *why,
		   struct balance_runtime *runtime)
{
	const struct weir_json *weight = weir_json_get(object, "weight");
	int64_t port = number_get(object, "port", 0, 65535);
	struct balance_row row = {
		.service = (char *)weir_json_str(weir_json_get(object, "service"), ""),
		.address = (char *)weir_json_str(weir_json_get(object, "address"), ""),
		.port = (uint32_t)port,
		.weight = (uint32_t)number_get(object, "weight", 0, BALANCE_WEIGHT_MAX),
		.has_weight = weight,
		.is_added = weir_json_bool(weir_json_get(object, "added"), false),
		.is_drained = weir_json_bool(weir_json_get(object, "drained"), false),
	};
	struct weir_addr addr;

	if (port < 0 || (weight && number_get(object, "weight", 0, BALANCE_WEIGHT_MAX) < 0) ||
	    (row.is_added && !weight))
		return weir_diag_error(why, NULL, "a backend has no port or no weight");
	int r = balance_addr_read(row.address, "address", why, &addr);

	return r ? r : balance_runtime_add_row(runtime, &row);
}

static int disabled_get(const struct weir_json *name, struct weir_diag *why,
			struct balance_runtime *runtime)
{
	const char *text = weir_json_str(name, "");
	int r = balance_name_check(text, "disabled", why);

	return r ? r : balance_runtime_disable(runtime, text);
}

typedef int entry_get(const struct weir_json *entry, struct weir_diag *why,
		      struct balance_runtime *runtime);

/* Reads on behind what is wrong; the first of it is what is said. */
static int list_get(const struct weir_json *json, const char *key, entry_get *get,
		    struct weir_diag *why, struct balance_runtime *runtime)
{
	const struct weir_json *list = weir_json_get(json, key);
	int result = 0;

	if (!list || weir_json_type(list) != WEIR_JSON_ARRAY)
		return weir_diag_error(why, NULL, "its %s are no list", key);
	for (size_t i = 0; i < weir_json_size(list) && result != -ENOMEM; i++) {
		int r = get(weir_json_at(list, i), why, runtime);

		result = r < 0 ? r : result;
	}
	return result;
}

static int file_parse(const struct weir_buf *text, struct weir_diag *why,
		      struct balance_runtime *runtime)
{
	_cleanup_json_ struct weir_json *json = NULL;
	int r = weir_json_parse(weir_buf_str(text), text->len, NULL, why, &json);

	if (r < 0)
		return r;
	if (weir_json_int(weir_json_get(json, "version"), 0) != FILE_VERSION)
		return weir_diag_error(why, NULL, "it is of another version");
	int services = list_get(json, "services", service_get, why, runtime);
	int rows =
		services == -ENOMEM ? -ENOMEM : list_get(json, "backends", row_get, why, runtime);
	int disabled =
		rows == -ENOMEM ? -ENOMEM : list_get(json, "disabled", disabled_get, why, runtime);

	runtime->is_off = weir_json_bool(weir_json_get(json, "off"), false);
	return disabled == -ENOMEM ? -ENOMEM : services ?: rows ?: disabled;
}

/* Put where the next write cannot reach it. */
static void file_keep_aside(const char *path, const struct weir_diag *why, struct weir_diag *diag)
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
		weir_diag_warning(
			diag, "add again what is missing",
			"%s is damaged (%s): what is good of it is read, it is kept as %s", path,
			reason.len ? weir_buf_str(&reason) : "unreadable",
			kept ? kept : "a file beside it");
}

int balance_store_load(const char *dir, struct weir_diag *diag, struct balance_runtime *ret_runtime)
{
	_cleanup_free_ char *path = dir ? weir_path_join(dir, FILE_NAME) : NULL;
	_cleanup_buf_ struct weir_buf text = { 0 };
	_cleanup_diag_ struct weir_diag why = { 0 };
	struct balance_runtime runtime = { 0 };

	if (!dir || !path)
		return dir ? -ENOMEM : 0;
	int r = weir_file_read(path, FILE_BYTES_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = file_parse(&text, &why, &runtime);
	if (r == -ENOMEM) {
		balance_runtime_done(&runtime);
		return r;
	}
	if (r < 0) {
		file_keep_aside(path, &why, diag);
		balance_store_save(dir, &runtime);
	}
	*ret_runtime = runtime;
	return 0;
}
