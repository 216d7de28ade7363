/* SPDX-License-Identifier: Apache-2.0 */
/* add-dnat and remove-dnat: a service and one of its backends in one line. The service is made with
 * its first backend, of a name that says what it is, and goes with the last. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "features/balance/health_given.h"

/* For --source: backends are to see the clients, wherever those are. */
#define NO_SOURCE "none"
#define NAME_SEED 0x646e6174ULL

/* 192.168.1.100-80-tcp; what is too long for a name, as most of IPv6, has a hash instead. */
static void name_make(const struct balance_text *text, const struct balance_end *end,
		      char name[BALANCE_NAME_MAX + 1])
{
	char ports[WEIR_PORTS_TEXT];

	weir_ports_to_string(text->port, ports);
	int len = snprintf(name, BALANCE_NAME_MAX + 1, "%s-%s-%s", text->address, ports,
			   balance_proto_names[text->proto]);

	for (char *c = name; *c; c++)
		*c = *c == ':' ? '.' : *c;
	if (len > BALANCE_NAME_MAX || !isalnum(name[0]))
		snprintf(name, BALANCE_NAME_MAX + 1, "vip%08x-%s-%s",
			 (unsigned)weir_hash_bytes(end, sizeof(*end), NAME_SEED), ports,
			 balance_proto_names[text->proto]);
}

/* What --vip, --vport and --protocol say. `name` is its own if it has none yet. */
static int vip_read(struct balance_edit *edit, struct balance_text *text,
		    char address[WEIR_ADDR_TEXT], char name[BALANCE_NAME_MAX + 1],
		    struct balance_end *ret_end)
{
	const char *proto = balance_edit_str(edit, "protocol"),
		   *source = balance_edit_str(edit, "source");

	*text = (struct balance_text){
		.name = name,
		.address = (char *)balance_edit_str(edit, "vip"),
		.proto = proto ? balance_proto_parse(proto) : BALANCE_TCP,
		.source = source && strcmp(source, NO_SOURCE) != 0 ? (char *)source : NULL,
		.announce = balance_edit_flag(edit, "announce"),
	};
	int r = balance_edit_ports(edit, "vport", &text->port);

	if (!r)
		r = balance_service_read_as(text, "vip", edit->diag, ret_end);
	if (r)
		return r;
	weir_addr_to_string(&ret_end->addr, address);
	text->address = address;
	name_make(text, ret_end, name);
	return 0;
}

/* Who has no word of a source, and whose clients may be his backends' neighbours: those would
 * answer past this host, in a name that the client does not know. */
static int source_choose(struct balance_edit *edit, const struct balance_end *vip,
			 struct balance_text *text, char source[WEIR_ADDR_TEXT])
{
	const char *rip = balance_edit_str(edit, "rip");
	struct weir_addr backend, own;

	if (balance_edit_str(edit, "source") || !rip || !edit->neighbours)
		return 0;
	int r = balance_addr_read(rip, "rip", edit->diag, &backend);

	if (r || !edit->neighbours(&vip->addr, &backend, &own))
		return r;
	text->source = (char *)weir_addr_to_string(&own, source);
	return weir_diag_warning(edit->diag, "where backends answer by this host: --source none",
				 "%s and %s are in one network, where backends would answer "
				 "clients past this host: they see %s in the clients' place",
				 text->address, rip, source);
}

/* Likewise of a backend more: a service has its source from its first one on. Who says that it has
 * none knows. */
static int source_warn(struct balance_edit *edit, const struct balance_end *vip,
		       const struct balance_text *known)
{
	const char *rip = balance_edit_str(edit, "rip");
	struct weir_addr backend, own;
	char source[WEIR_ADDR_TEXT];

	if (known->source || known->forward != WEIR_FORWARD_NAT ||
	    balance_edit_str(edit, "source") || !rip || !edit->neighbours)
		return 0;
	int r = balance_addr_read(rip, "rip", edit->diag, &backend);

	if (r || !edit->neighbours(&vip->addr, &backend, &own))
		return r;
	return weir_diag_warning(
		edit->diag,
		"weir lb remove-dnat of the whole service, then add-dnat of each backend with "
		"--source; or have backends answer by this host, and say --source none",
		"%s and %s are in one network, where the backend answers clients past this host, "
		"and the service '%s' has no source, as %s would be",
		known->address, rip, known->name, weir_addr_to_string(&own, source));
}

static int vip_service(const struct balance_edit *edit, const struct balance_end *end)
{
	int backend, service = balance_live_end(edit->live, end, &backend);

	return backend < 0 ? service : -1;
}

/* --source is of the service: it may be said again, and not be another. */
static int source_check(const struct balance_edit *edit, unsigned service, const char *source)
{
	const struct balance_text *known = &edit->live->all.services[service];
	struct balance_text text = *known;
	struct weir_addr said, is;

	text.source = (char *)source;
	int r = balance_source_read_as(&text, "source", edit->diag, &said);

	balance_source_read_as(known, "source", NULL, &is);
	if (r || memcmp(&said, &is, sizeof(is)) == 0)
		return r;
	return weir_diag_key(edit->diag, "source", "leave it out, or weir lb remove-dnat first",
			     "the service '%s' is there already, and has %s%s", known->name,
			     known->source ? "the source " : "none",
			     known->source ? known->source : "");
}

static int announce_check(const struct balance_edit *edit, unsigned service, bool wants)
{
	const struct balance_text *known = &edit->live->all.services[service];

	if (!wants || known->announce)
		return 0;
	return weir_diag_key(edit->diag, "announce",
			     "leave it out; weir service announce tells of its address now",
			     "the service '%s' is there already, and is not announced by itself",
			     known->name);
}

static bool checks_are(const struct balance_text *text, const struct balance_text *other)
{
	_cleanup_buf_ struct weir_buf one = { 0 }, two = { 0 };
	struct weir_json_out of_one = { .out = &one }, of_two = { .out = &two };

	health_given_put(&text->health, &of_one);
	health_given_put(&other->health, &of_two);
	return text->health.type == other->health.type && text->on_all_down == other->on_all_down &&
	       strcmp(weir_buf_str(&one), weir_buf_str(&two)) == 0;
}

static int is_of_checks(const char *key, const struct weir_json *value, void *arg)
{
	(void)value, (void)arg;
	return strncmp(key, "health", strlen("health")) == 0 || strcmp(key, "on-all-down") == 0;
}

/* Likewise of the service: what is said of checks must be what they are. */
static int checks_check(const struct balance_edit *edit, unsigned service)
{
	const struct balance_text *known = &edit->live->all.services[service];
	struct balance_text text = *known;
	_cleanup_free_ char **words = NULL;

	if (!weir_json_each(edit->args, is_of_checks, NULL))
		return 0;
	int r = health_given_read(edit, &text, &words);

	if (r || checks_are(&text, known))
		return r;
	return weir_diag_key(edit->diag, "health",
			     edit->live->services[service].is_runtime ?
				     "leave it out; weir service set changes it" :
				     "leave it out, or change it in weir.yaml",
			     "the service '%s' is there already, and is checked otherwise",
			     known->name);
}

/* What is said of the service beside the backend. */
static int known_check(struct balance_edit *edit, unsigned service, const struct balance_end *vip,
		       const struct balance_text *said)
{
	bool says = balance_edit_str(edit, "source"); /* `none` too, which is no source */
	int r = says ? source_check(edit, service, said->source) :
		       source_warn(edit, vip, &edit->live->all.services[service]);

	if (!r)
		r = announce_check(edit, service, said->announce);
	return r ? r : checks_check(edit, service);
}

int balance_edit_dnat_add(struct balance_edit *edit)
{
	char address[WEIR_ADDR_TEXT], name[BALANCE_NAME_MAX + 1], source[WEIR_ADDR_TEXT];
	_cleanup_free_ char **words = NULL;
	struct balance_text text;
	struct balance_end end;
	struct balance_backend_text backend = { .address = (char *)balance_edit_str(edit, "rip"),
						.weight = 1 };
	int r = vip_read(edit, &text, address, name, &end);
	int known = r ? -1 : vip_service(edit, &end);

	edit->result = "added";
	if (!r)
		r = balance_edit_number(edit, "rport", 1, 65535, 0, &backend.port);
	if (!r && known < 0)
		r = source_choose(edit, &end, &text, source);
	if (!r && known < 0)
		r = health_given_read(edit, &text, &words);
	if (!r && known < 0)
		r = balance_edit_service_new(edit, &text);
	if (!r && known >= 0)
		r = known_check(edit, (unsigned)known, &end, &text);
	if (!r && known >= 0)
		text = edit->live->all.services[known];
	snprintf(edit->service, sizeof(edit->service), "%s", text.name);
	return r ? r : balance_edit_backend_new(edit, &text, &backend, "rip");
}

/* The one that --rip and --rport say; its service too, if it was made for it. */
static int one_remove(struct balance_edit *edit, unsigned service, const char *made_name)
{
	const struct balance_text *text = &edit->live->all.services[service];
	struct balance_backend_text backend = { .address = (char *)balance_edit_str(edit, "rip") };
	struct balance_end end;
	char ports[WEIR_PORTS_TEXT];
	int r = balance_edit_number(edit, "rport", 1, 65535, 0, &backend.port);

	if (!r)
		r = balance_backend_read_as(text, &backend, "rip", edit->diag, &end);
	if (r)
		return r;
	int at = balance_live_backend(edit->live, service, &end);

	weir_addr_to_string(&end.addr, edit->address);
	edit->port = balance_end_ports(&end);
	if (at < 0) {
		weir_diag_key(edit->diag, "rip", "see `weir lb list-dnat`",
			      "no traffic is sent to %s port %s there", edit->address,
			      weir_ports_to_string(edit->port, ports));
		return -ENOENT;
	}
	r = balance_edit_backend_gone(edit, service, (unsigned)at);
	if (!r && (unsigned)at < balance_staying(text) && balance_staying(text) == 1 &&
	    edit->live->services[service].is_runtime && strcmp(text->name, made_name) == 0)
		balance_runtime_del_service(edit->runtime, text->name);
	return r;
}

int balance_edit_dnat_remove(struct balance_edit *edit)
{
	char address[WEIR_ADDR_TEXT], name[BALANCE_NAME_MAX + 1];
	struct balance_text text;
	struct balance_end end;
	char ports[WEIR_PORTS_TEXT];
	int r = vip_read(edit, &text, address, name, &end);
	int service = r ? -1 : vip_service(edit, &end);

	edit->result = "removed";
	if (r)
		return r;
	if (!balance_edit_str(edit, "rip") && weir_json_get(edit->args, "rport"))
		return weir_diag_key(edit->diag, "rport", "write --rip too",
				     "which backend is meant is not said");
	if (service < 0) {
		weir_diag_key(edit->diag, "vip", "see `weir lb list-dnat`",
			      "there is no service at %s port %s, %s", address,
			      weir_ports_to_string(text.port, ports),
			      balance_proto_names[text.proto]);
		return -ENOENT;
	}
	snprintf(edit->service, sizeof(edit->service), "%s",
		 edit->live->all.services[service].name);
	if (balance_edit_str(edit, "rip"))
		return one_remove(edit, (unsigned)service, name);
	return balance_edit_service_gone(edit, (unsigned)service);
}
