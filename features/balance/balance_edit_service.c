/* SPDX-License-Identifier: Apache-2.0 */
/* Services that come and go at run time, are disabled and enabled; and the balancer as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/health_given.h"

const char *balance_edit_str(const struct balance_edit *edit, const char *key)
{
	return weir_json_str(weir_json_get(edit->args, key), NULL);
}

bool balance_edit_flag(const struct balance_edit *edit, const char *key)
{
	return weir_args_flag(edit->args, key);
}

/* Numbers come as text too: a query knows nothing else. */
int balance_edit_number(const struct balance_edit *edit, const char *key, uint32_t least,
			uint32_t most, uint32_t fallback, uint32_t *ret_number)
{
	const struct weir_json *value = weir_json_get(edit->args, key);
	const char *text = weir_json_str(value, NULL);
	uint64_t number =
		text ? strtoull(text, NULL, 10) : (uint64_t)weir_json_int(value, fallback);

	if (value && (number < least || number > most))
		return weir_diag_key(edit->diag, key, "write a number that is",
				     "%llu is not between %u and %u", (unsigned long long)number,
				     least, most);
	*ret_number = (uint32_t)number;
	return 0;
}

int balance_edit_ports(const struct balance_edit *edit, const char *key, uint32_t *ret_ports)
{
	const struct weir_json *value = weir_json_get(edit->args, key);
	const char *text = weir_json_str(value, NULL);

	*ret_ports = (uint32_t)weir_json_int(value, 0);
	if (text ? !weir_ports_from_string(text, ret_ports) :
		   *ret_ports >= 1 && *ret_ports <= UINT16_MAX)
		return 0;
	return weir_diag_key(edit->diag, key, WEIR_PORTS_MEND, "it %s",
			     text ? weir_ports_fault(text) : "is not within 1 to 65535");
}

int balance_edit_find(struct balance_edit *edit, const char *name, unsigned *ret_service)
{
	int service = balance_live_find(edit->live, name, "name", edit->diag);

	if (service < 0)
		return -ENOENT;
	snprintf(edit->service, sizeof(edit->service), "%s", name);
	*ret_service = (unsigned)service;
	return 0;
}

/* One of its ports is somebody else's. */
static int ports_refuse(const struct balance_edit *edit, const struct balance_end *end,
			const char *key)
{
	struct balance_span span = balance_span_of(edit->live->all.service_count, -1, end, end);
	int service = balance_live_clash(edit->live, &span);

	if (service >= 0) {
		weir_diag_key(edit->diag, key, "choose another address or other ports",
			      "its ports overlap with those of the service '%s', or of a backend "
			      "of it, with the same address and protocol",
			      edit->live->all.services[service].name);
		return -EEXIST;
	}
	if (!balance_spans_are_full(&edit->live->spans, &span))
		return 0;
	weir_diag_key(edit->diag, key, "join ranges, or take all ports",
		      "this address and protocol have %d ranges of ports, which is the most",
		      BALANCE_RANGES_MOST);
	return -ENOSPC;
}

/* Who has an end already, in words. */
static int end_refuse(const struct balance_edit *edit, const struct balance_end *end,
		      const char *key)
{
	int backend, service = balance_live_end(edit->live, end, &backend);

	if (service < 0 || balance_edit_gives_way(edit, service, backend))
		return ports_refuse(edit, end, key);
	weir_diag_key(edit->diag, key,
		      backend < 0 ? "weir service backend add gives it backends" :
				    "choose another address or port",
		      "the %s '%s' has this address, port and protocol already",
		      backend < 0 ? "service" : "backend of the service",
		      edit->live->all.services[service].name);
	return -EEXIST;
}

static int name_refuse(const struct balance_edit *edit, const char *name)
{
	int service = balance_live_service(edit->live, name);

	if (service >= 0) {
		weir_diag_key(edit->diag, "name", "choose another name",
			      "there is a service '%s' already, %s", name,
			      edit->live->services[service].is_runtime ? "of run time" :
									 "in the configuration");
		return -EEXIST;
	}
	for (unsigned i = 0; i < edit->runtime->service_count; i++)
		if (strcmp(edit->runtime->services[i].name, name) == 0) {
			weir_diag_key(edit->diag, "name", "weir service del it first",
				      "there is a service '%s' of run time, which does not act",
				      name);
			return -EEXIST;
		}
	return 0;
}

int balance_edit_service_new(struct balance_edit *edit, const struct balance_text *text)
{
	struct balance_end end;
	struct weir_addr source;
	int r = balance_name_check(text->name, "", edit->diag);

	if (!r)
		r = balance_service_read_as(text, "address", edit->diag, &end);
	if (!r)
		r = balance_source_read_as(text, "source", edit->diag, &source);
	if (!r)
		r = balance_direct_source_check(text, "source", edit->diag);
	if (!r)
		r = balance_needs_check(edit->config, "name", edit->diag);
	if (!r)
		r = name_refuse(edit, text->name);
	if (!r)
		r = end_refuse(edit, &end, "address");
	if (!r && edit->live->all.service_count == BALANCE_SERVICES_MAX) {
		weir_diag_error(edit->diag, "weir service del what is not needed",
				"there are %d services, which is the most", BALANCE_SERVICES_MAX);
		r = -ENOSPC;
	}
	snprintf(edit->service, sizeof(edit->service), "%s", text->name);
	return r ? r : balance_runtime_add_service(edit->runtime, text);
}

#define BETWEEN ", "

/* Those of --backend, one behind the other; `list` is cut up. */
static int backends_add(struct balance_edit *edit, const struct balance_text *service, char *list)
{
	int r = 0;

	for (char *word = list + strspn(list, BETWEEN); *word && !r;
	     word += strspn(word, BETWEEN)) {
		char address[WEIR_ADDR_TEXT];
		struct balance_backend_text text = { .address = address, .weight = 1 };
		size_t len = strcspn(word, BETWEEN);
		char *next = word + len + (word[len] != '\0');

		word[len] = '\0';
		r = balance_backend_parse(word, "backend", edit->diag, address, &text.port);
		if (!r)
			r = balance_edit_backend_new(edit, service, &text, "backend");
		edit->count += !r;
		word = next;
	}
	return r;
}

int balance_edit_add(struct balance_edit *edit)
{
	const char *proto = balance_edit_str(edit, "proto"),
		   *backends = balance_edit_str(edit, "backend"),
		   *forward = balance_edit_str(edit, "forward"),
		   *scheduler = balance_edit_str(edit, "scheduler"),
		   *affinity = balance_edit_str(edit, "affinity");
	_cleanup_free_ char *list = strdup(backends ? backends : "");
	_cleanup_free_ char **words = NULL;
	struct balance_text text = {
		.name = (char *)balance_edit_str(edit, "name"),
		.address = (char *)balance_edit_str(edit, "address"),
		.proto = proto ? balance_proto_parse(proto) : BALANCE_TCP,
		.forward = forward ? balance_forward_parse(forward) : WEIR_FORWARD_NAT,
		.source = (char *)balance_edit_str(edit, "source"),
		.announce = balance_edit_flag(edit, "announce"),
		.scheduler = scheduler ? balance_scheduler_parse(scheduler) : BALANCE_MAGLEV,
	};
	int r = list ? balance_edit_ports(edit, "port", &text.port) : -ENOMEM;

	if (!r && affinity)
		r = balance_affinity_parse(affinity, edit->diag, &text.affinity);
	if (!r)
		r = health_given_read(edit, &text, &words);
	if (!r)
		r = balance_edit_service_new(edit, &text);
	edit->result = "added";
	r = r ? r : backends_add(edit, &text, list);
	edit->several = edit->count > 1 ? edit->count : 0;
	return r;
}

int balance_edit_service_gone(struct balance_edit *edit, unsigned service)
{
	const struct balance_text *text = &edit->live->all.services[service];

	if (!edit->live->services[service].is_runtime)
		return weir_diag_key(edit->diag, "name",
				     "weir service disable it, or take it out there and weir "
				     "apply",
				     "the service '%s' is part of the configuration", text->name);
	edit->count = balance_staying(text);
	balance_runtime_del_service(edit->runtime, text->name);
	return 0;
}

/* One that does not act must go too. */
static bool del_unacting(struct balance_edit *edit, const char *name)
{
	for (unsigned i = 0; i < edit->runtime->service_count; i++) {
		enum balance_fate fate = edit->live->service_fates[i];

		if (fate == BALANCE_ACTS || strcmp(edit->runtime->services[i].name, name) != 0)
			continue;
		balance_runtime_del_service(edit->runtime, name);
		return true;
	}
	return false;
}

int balance_edit_del(struct balance_edit *edit)
{
	const char *name = balance_edit_str(edit, "name");
	unsigned service;

	edit->result = "deleted";
	snprintf(edit->service, sizeof(edit->service), "%s", name);
	if (del_unacting(edit, name))
		return 0;
	int r = balance_edit_find(edit, name, &service);

	return r ? r : balance_edit_service_gone(edit, service);
}

int balance_edit_enable(struct balance_edit *edit)
{
	unsigned service;
	int r = balance_edit_find(edit, balance_edit_str(edit, "name"), &service);

	edit->result = "enabled";
	if (!r)
		balance_runtime_enable(edit->runtime, edit->service);
	return r;
}

int balance_edit_disable(struct balance_edit *edit)
{
	unsigned service;
	int r = balance_edit_find(edit, balance_edit_str(edit, "name"), &service);

	edit->result = "disabled";
	if (r || !edit->live->services[service].is_enabled)
		return r;
	return balance_runtime_disable(edit->runtime, edit->service);
}

int balance_edit_on(struct balance_edit *edit)
{
	edit->result = "enabled";
	edit->runtime->is_off = false;
	return 0;
}

int balance_edit_off(struct balance_edit *edit)
{
	edit->result = "disabled";
	edit->runtime->is_off = true;
	return 0;
}
