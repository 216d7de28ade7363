/* SPDX-License-Identifier: Apache-2.0 */
/* Backends that come and go at run time, and are changed: of services of run time and of the
 * configuration alike. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/balance/balance_edit.h"

static const struct balance_live_backend *backend_at(const struct balance_edit *edit,
						     unsigned service, unsigned backend)
{
	return &edit->live->backends[edit->live->services[service].first + backend];
}

static int port_parse(const char *text, const char *key, struct weir_diag *diag, uint32_t *ret_port)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || port < 1 || port > 65535)
		return weir_diag_key(diag, key, "write a port from 1 to 65535",
				     "'%.20s' is not a port", text);
	*ret_port = (uint32_t)port;
	return 0;
}

/* Where the port begins, NULL: there is none. An address of IPv6 has colons of its own. */
static const char *port_of(const char *text)
{
	const char *bracket = strchr(text, ']'), *colon = strrchr(text, ':');

	if (text[0] == '[')
		return bracket && bracket[1] == ':' ? bracket + 2 : NULL;
	return colon && strchr(text, ':') == colon ? colon + 1 : NULL;
}

bool balance_edit_gives_way(const struct balance_edit *edit, int service, int backend)
{
	return backend >= 0 && backend_at(edit, (unsigned)service, (unsigned)backend)->is_leaving;
}

int balance_backend_parse(const char *text, const char *key, struct weir_diag *diag,
			  char address[WEIR_ADDR_TEXT], uint32_t *ret_port)
{
	const char *port = port_of(text);
	bool has_brackets = text[0] == '[';
	size_t len = port ? (size_t)(port - text) - 1 : strlen(text);
	struct weir_addr addr;

	if (has_brackets && (len < 2 || text[len - 1] != ']'))
		len = 0;
	else if (has_brackets)
		len -= 2;
	if (weir_addr_from_string(text + has_brackets, len, &addr))
		return weir_diag_key(diag, key, "write 192.0.2.1:80 or [2001:db8::1]:80",
				     "'%.60s' is not an address, with or without a port", text);
	weir_addr_to_string(&addr, address);
	*ret_port = 0;
	return port ? port_parse(port, key, diag, ret_port) : 0;
}

/* That end, or one with a port of it where each port is the backend's own. Of one service, or the
 * service itself. */
static bool has_port_of(const struct balance_text *service, const struct balance_end *other,
			bool is_service, const struct balance_end *end)
{
	struct balance_span one = balance_span_of(0, is_service ? -1 : 0, other, other),
			    two = balance_span_of(0, 0, other, end);

	if (service->forward != WEIR_FORWARD_NAT ||
	    memcmp(&other->addr, &end->addr, sizeof(end->addr)) != 0)
		return memcmp(other, end, sizeof(*end)) == 0;
	return balance_span_clashes(&one, &two);
}

/* Of this edit itself: `live` does not know them yet. */
static bool row_is_there(const struct balance_edit *edit, const struct balance_text *service,
			 const struct balance_end *end)
{
	unsigned from = edit->runtime->row_count - edit->count;

	for (unsigned i = from; i < edit->runtime->row_count; i++) {
		const struct balance_row *row = &edit->runtime->rows[i];
		const struct balance_backend_text text = { .address = row->address,
							   .port = row->port };
		struct balance_end other;

		if (balance_backend_read_as(service, &text, "", NULL, &other) == 0 &&
		    has_port_of(service, &other, false, end))
			return true;
	}
	return false;
}

/* Answers from one of its ports could not be told from those of another service's backend. */
static int ports_refuse(const struct balance_edit *edit, const struct balance_text *service,
			const struct balance_end *end, const char *key)
{
	int known = balance_live_service(edit->live, service->name), owner;
	struct balance_end own;

	balance_service_read_as(service, "", NULL, &own);
	struct balance_span span = balance_span_of(
		known < 0 ? edit->live->all.service_count : (unsigned)known, 0, &own, end);

	if (service->forward != WEIR_FORWARD_NAT)
		return 0;
	owner = balance_live_clash(edit->live, &span);
	if (owner >= 0) {
		weir_diag_key(edit->diag, key, "give each service ports of its own on the backend",
			      "its answers could not be told from those of the service '%s', "
			      "with which it has ports, address and protocol in common",
			      edit->live->all.services[owner].name);
		return -EEXIST;
	}
	if (!balance_spans_are_full(&edit->live->spans, &span))
		return 0;
	weir_diag_key(edit->diag, key, "join ranges of services, or take all ports",
		      "this address and protocol have %d ranges of ports, which is the most",
		      BALANCE_RANGES_MOST);
	return -ENOSPC;
}

static int taken_refuse(const struct balance_edit *edit, const struct balance_text *service,
			const struct balance_end *end, const char *key)
{
	int known = balance_live_service(edit->live, service->name);
	struct balance_end own,
		wanted = known < 0 ? *end : balance_end_in(&edit->live->all, (unsigned)known, end);
	/* Who is sent packets as they are may stand in any service: of a new one he is nobody's. */
	bool is_new_direct = known < 0 && service->forward != WEIR_FORWARD_NAT;
	int backend, owner = is_new_direct ? -1 : balance_live_end(edit->live, &wanted, &backend);

	/* Who leaves comes back, or gives way: the row stays behind, and does not act any more. */
	bool gives_way = owner >= 0 && balance_edit_gives_way(edit, owner, backend),
	     is_back = gives_way && owner == known;

	if (gives_way)
		owner = -1;
	balance_service_read_as(service, "", NULL, &own);
	if (owner < 0 && has_port_of(service, &own, true, end))
		weir_diag_key(edit->diag, key, "name the address of a server",
			      "the service itself has this address, port and protocol");
	else if (owner < 0 && row_is_there(edit, service, end))
		weir_diag_key(edit->diag, key, "name it once",
			      "it is there twice, or a port of it");
	else if (owner < 0)
		return is_back ? 0 : ports_refuse(edit, service, end, key);
	else if (strcmp(edit->live->all.services[owner].name, service->name) == 0 && backend >= 0)
		weir_diag_key(edit->diag, key, "weir service backend set changes its weight",
			      "the service '%s' has this backend already", service->name);
	else
		weir_diag_key(edit->diag, key, "give each service a port of its own on the backend",
			      "its answers could not be told from those of the service '%s', "
			      "which has the same address, port and protocol",
			      edit->live->all.services[owner].name);
	return -EEXIST;
}

int balance_edit_backend_new(struct balance_edit *edit, const struct balance_text *service,
			     const struct balance_backend_text *text, const char *key)
{
	struct balance_row row = { .is_added = true, .has_weight = true };
	struct balance_end end;
	int known = balance_live_service(edit->live, service->name);
	int r = balance_backend_read_as(service, text, key, edit->diag, &end);

	if (!r)
		r = balance_direct_backend_check(service, text, key, key, edit->diag);
	if (!r)
		r = health_tunnel_backend_check(service, &end, key, edit->diag);
	if (!r)
		r = taken_refuse(edit, service, &end, key);
	if (!r && known >= 0 &&
	    edit->live->all.services[known].backend_count >= BALANCE_BACKENDS_MAX) {
		weir_diag_error(edit->diag, "weir service backend del what is not needed",
				"the service has %d backends, which is the most",
				BALANCE_BACKENDS_MAX);
		r = -ENOSPC;
	}
	if (r)
		return r;
	weir_addr_to_string(&end.addr, edit->address);
	edit->port = balance_end_ports(&end);
	row.service = service->name;
	row.address = edit->address;
	row.port = end.port;
	row.weight = text->weight;
	return balance_runtime_add_row(edit->runtime, &row);
}

/* The service and, behind it, what BACKEND says. */
static int words_read(struct balance_edit *edit, unsigned *ret_service,
		      struct balance_backend_text *ret_text, char address[WEIR_ADDR_TEXT])
{
	int r = balance_edit_find(edit, balance_edit_str(edit, "service"), ret_service);

	if (!r)
		r = balance_backend_parse(balance_edit_str(edit, "backend"), "backend", edit->diag,
					  address, &ret_text->port);
	ret_text->address = address;
	return r;
}

int balance_edit_backend_add(struct balance_edit *edit)
{
	char address[WEIR_ADDR_TEXT];
	struct balance_backend_text text;
	unsigned service;
	int r = words_read(edit, &service, &text, address);

	edit->result = "added";
	if (!r)
		r = balance_edit_number(edit, "weight", 0, BALANCE_WEIGHT_MAX, 1, &text.weight);
	return r ? r :
		   balance_edit_backend_new(edit, &edit->live->all.services[service], &text,
					    "backend");
}

/* That is what the command wants: to be rid of what lives too. */
static bool is_now(const struct balance_edit *edit)
{
	return balance_edit_flag(edit, "now");
}

static int stays_check(const struct balance_edit *edit, unsigned service, unsigned backend)
{
	if (!backend_at(edit, service, backend)->is_leaving || is_now(edit))
		return 0;
	weir_diag_key(edit->diag, "backend",
		      "weir service backend add brings it back, del --now cuts them",
		      "the backend %s of '%s' is deleted, and there for connections that live",
		      edit->address, edit->live->all.services[service].name);
	return -ENOENT;
}

static int backend_find(struct balance_edit *edit, unsigned *ret_service, unsigned *ret_backend)
{
	char address[WEIR_ADDR_TEXT];
	struct balance_backend_text text;
	struct balance_end end;
	int r = words_read(edit, ret_service, &text, address);

	if (r)
		return r;
	const struct balance_text *service = &edit->live->all.services[*ret_service];

	r = balance_backend_read_as(service, &text, "backend", edit->diag, &end);
	if (r)
		return r;
	int backend = balance_live_backend(edit->live, *ret_service, &end);
	char ports[WEIR_PORTS_TEXT];

	weir_addr_to_string(&end.addr, edit->address);
	edit->port = balance_end_ports(&end);
	if (backend < 0) {
		weir_diag_key(edit->diag, "backend", "see `weir service backend list`",
			      "the service '%s' has no backend %s port %s", service->name,
			      edit->address, weir_ports_to_string(edit->port, ports));
		return -ENOENT;
	}
	*ret_backend = (unsigned)backend;
	return 0;
}

/* … that stays: who leaves has no weight to be changed. */
static int staying_find(struct balance_edit *edit, unsigned *ret_service, unsigned *ret_backend)
{
	int r = backend_find(edit, ret_service, ret_backend);

	return r ? r : stays_check(edit, *ret_service, *ret_backend);
}

int balance_edit_backend_gone(struct balance_edit *edit, unsigned service, unsigned backend)
{
	const struct balance_live_backend *gone = backend_at(edit, service, backend);
	char address[WEIR_ADDR_TEXT], ports[WEIR_PORTS_TEXT];

	if (!gone->is_runtime)
		return weir_diag_key(edit->diag, "backend",
				     "weir service backend drain it, or take it out there and weir "
				     "apply",
				     "the backend %s port %s of '%s' is part of the configuration",
				     weir_addr_to_string(&gone->end.addr, address),
				     weir_ports_to_string(balance_end_ports(&gone->end), ports),
				     edit->live->all.services[service].name);
	struct balance_row *row = &edit->runtime->rows[gone->row - 1];
	bool is_met = !edit->runtime->is_off && edit->live->services[service].is_enabled;
	int r = stays_check(edit, service, backend);

	if (r)
		return r;
	edit->count++;
	if (is_met && !is_now(edit)) {
		row->is_leaving = true;
		row->is_drained = false;
	} else {
		balance_runtime_del_row(edit->runtime, gone->row - 1);
	}
	return 0;
}

int balance_edit_backend_del(struct balance_edit *edit)
{
	unsigned service, backend;
	int r = backend_find(edit, &service, &backend);

	edit->result = "deleted";
	return r ? r : balance_edit_backend_gone(edit, service, backend);
}

/* What is to be said of it from now on: nothing, where it is what the configuration says. */
static int backend_put(struct balance_edit *edit, unsigned service, unsigned backend,
		       uint32_t weight, bool is_drained)
{
	const struct balance_live_backend *of = backend_at(edit, service, backend);
	bool is_changed = of->is_runtime || weight != of->weight_written;
	struct balance_row row = {
		.service = edit->service,
		.address = edit->address,
		.port = weir_ports_first(edit->port),
		.weight = weight,
		.has_weight = is_changed,
		.is_added = of->is_runtime,
		.is_drained = is_drained,
	};

	if (of->row && !is_changed && !is_drained) {
		balance_runtime_del_row(edit->runtime, of->row - 1);
		return 0;
	}
	if (!of->row)
		return is_changed || is_drained ? balance_runtime_add_row(edit->runtime, &row) : 0;
	struct balance_row *own = &edit->runtime->rows[of->row - 1];

	own->weight = row.weight;
	own->has_weight = row.has_weight;
	own->is_drained = row.is_drained;
	return 0;
}

int balance_edit_backend_set(struct balance_edit *edit)
{
	unsigned service, backend;
	uint32_t weight = 1;
	int r = balance_edit_number(edit, "weight", 0, BALANCE_WEIGHT_MAX, 1, &weight) ?:
			staying_find(edit, &service, &backend);

	edit->result = "set";
	return r ? r :
		   backend_put(edit, service, backend, weight,
			       backend_at(edit, service, backend)->is_drained);
}

static int drain_put(struct balance_edit *edit, bool is_drained)
{
	unsigned service, backend;
	int r = staying_find(edit, &service, &backend);

	return r ? r :
		   backend_put(edit, service, backend, backend_at(edit, service, backend)->weight,
			       is_drained);
}

int balance_edit_backend_drain(struct balance_edit *edit)
{
	edit->result = "drained";
	return drain_put(edit, true);
}

int balance_edit_backend_undrain(struct balance_edit *edit)
{
	edit->result = "undrained";
	return drain_put(edit, false);
}
