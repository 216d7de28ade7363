/* SPDX-License-Identifier: Apache-2.0 */
/* What is of run time, in balance.json. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/kept.h"
#include "features/balance/health_given.h"

static const struct weir_kept balance_kept = {
	.file = "balance.json",
	.version = 1,
	.bytes_max = 64u << 20,
	.rest = "what is good of it is read",
	.cure = "add again what is missing",
};

static void service_put(const struct balance_text *text, struct weir_json_out *json)
{
	weir_json_open_object(json, NULL);
	weir_json_put_str(json, "name", text->name);
	weir_json_put_str(json, "address", text->address);
	balance_ports_put(json, "port", text->port);
	weir_json_put_str(json, "proto", balance_proto_names[text->proto]);
	if (text->forward)
		weir_json_put_str(json, "forward", balance_forward_names[text->forward]);
	if (text->scheduler)
		weir_json_put_str(json, "scheduler", balance_scheduler_names[text->scheduler]);
	if (text->client_prefix)
		weir_json_put_uint(json, "client-prefix", text->client_prefix);
	if (text->on_all_down)
		weir_json_put_str(json, "on-all-down", health_all_down_names[text->on_all_down]);
	health_given_put(&text->health, json);
	if (text->affinity.timeout.value)
		weir_json_put_uint(json, "affinity_s",
				   text->affinity.timeout.value / WEIR_NS_PER_S);
	if (text->affinity.client_prefix)
		weir_json_put_uint(json, "affinity-prefix", text->affinity.client_prefix);
	if (text->source)
		weir_json_put_str(json, "source", text->source);
	if (text->announce)
		weir_json_put_bool(json, "announce", true);
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
	if (row->is_leaving)
		weir_json_put_bool(json, "leaving", true);
	weir_json_close_object(json);
	weir_buf_add_char(json->out, '\n');
}

static void runtime_put(struct weir_json_out *json, const void *arg)
{
	const struct balance_runtime *runtime = arg;

	weir_json_put_bool(json, "off", runtime->is_off);
	weir_json_open_array(json, "services");
	for (unsigned i = 0; i < runtime->service_count; i++)
		service_put(&runtime->services[i], json);
	weir_json_close_array(json);
	weir_json_open_array(json, "backends");
	for (unsigned i = 0; i < runtime->row_count; i++)
		row_put(&runtime->rows[i], json);
	weir_json_close_array(json);
	weir_json_open_array(json, "disabled");
	for (unsigned i = 0; i < runtime->disabled_count; i++)
		weir_json_put_str(json, NULL, runtime->disabled[i]);
	weir_json_close_array(json);
}

int balance_store_save(const char *dir, const struct balance_runtime *runtime)
{
	return weir_kept_save(&balance_kept, dir, runtime_put, runtime);
}

/* A number within bounds, or -1. */
static int64_t number_get(const struct weir_json *object, const char *key, int64_t least,
			  int64_t most)
{
	int64_t number = weir_json_int(weir_json_get(object, key), -1);

	return number >= least && number <= most ? number : -1;
}

/* What no longer means anything must not keep the policy from being compiled. */
static int service_get(const struct weir_json *object, struct weir_diag *why, void *runtime)
{
	const char *proto = weir_json_str(weir_json_get(object, "proto"), "");
	const struct weir_json *port = weir_json_get(object, "port");
	struct balance_text text = {
		.name = (char *)weir_json_str(weir_json_get(object, "name"), ""),
		.address = (char *)weir_json_str(weir_json_get(object, "address"), ""),
		.port = (uint32_t)number_get(object, "port", 1, 65535),
		.source = (char *)weir_json_str(weir_json_get(object, "source"), NULL),
		.announce = weir_json_bool(weir_json_get(object, "announce"), false),
	};
	struct weir_addr source;
	struct balance_end end;

	text.forward =
		balance_forward_parse(weir_json_str(weir_json_get(object, "forward"), "nat"));
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
	if (text.scheduler < 0 || text.forward < 0)
		return weir_diag_error(why, NULL, "a service has no known scheduler or forward");
	/* Whoever gave it had the role, and the file is the daemon's own. */
	const struct balance_edit given = { .args = object, .role = WEIR_ROLE_ADMIN, .diag = why };
	_cleanup_free_ char **words = NULL;
	int r = balance_name_check(text.name, "", why)			      ?:
			balance_service_read_as(&text, "address", why, &end)  ?:
			balance_source_read_as(&text, "source", why, &source) ?:
			balance_direct_source_check(&text, "source", why)     ?:
			health_given_read(&given, &text, &words);

	return r ? r : balance_runtime_add_service(runtime, &text);
}

static int row_get(const struct weir_json *object, struct weir_diag *why, void *runtime)
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
		.is_leaving = weir_json_bool(weir_json_get(object, "leaving"), false),
	};
	struct weir_addr addr;

	if (port < 0 || (weight && number_get(object, "weight", 0, BALANCE_WEIGHT_MAX) < 0) ||
	    (row.is_added && !weight))
		return weir_diag_error(why, NULL, "a backend has no port or no weight");
	int r = balance_addr_read(row.address, "address", why, &addr);

	return r ? r : balance_runtime_add_row(runtime, &row);
}

static int disabled_get(const struct weir_json *name, struct weir_diag *why, void *runtime)
{
	const char *text = weir_json_str(name, "");
	int r = balance_name_check(text, "disabled", why);

	return r ? r : balance_runtime_disable(runtime, text);
}

static int runtime_read(const struct weir_json *json, struct weir_diag *why, void *arg)
{
	static const struct {
		const char *key;
		weir_kept_read *read;
	} lists[] = { { "services", service_get },
		      { "backends", row_get },
		      { "disabled", disabled_get } };
	struct balance_runtime *runtime = arg;
	int result = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lists) && result != -ENOMEM; i++) {
		int r = weir_kept_each(json, lists[i].key, lists[i].read, runtime, why);

		result = r ? r : result;
	}
	runtime->is_off = weir_json_bool(weir_json_get(json, "off"), false);
	return result;
}

int balance_store_load(const char *dir, struct weir_diag *diag, struct balance_runtime *ret_runtime)
{
	struct balance_runtime runtime = { 0 };
	int r = weir_kept_load(&balance_kept, dir, runtime_read, &runtime, diag);

	if (r == -ENOMEM) {
		balance_runtime_done(&runtime);
		return r;
	}
	if (r)
		balance_store_save(dir, &runtime);
	*ret_runtime = runtime;
	return 0;
}
