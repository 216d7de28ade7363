/* SPDX-License-Identifier: Apache-2.0 */
/* From the members of an event to fields, by the tables. */
#include "features/log/log_ecs.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "features/log/log_community.h"

#define FIELDS_AFTER_REST 2 /* the message, and how many were left out */

/* As tshark and the integrations of Elastic call them. */
static const struct {
	uint8_t number;
	const char *name;
} transports[] = {
	{ IPPROTO_TCP, "tcp" },	  { IPPROTO_UDP, "udp" },	  { IPPROTO_ICMP, "icmp" },
	{ IPPROTO_SCTP, "sctp" }, { IPPROTO_GRE, "gre" },	  { IPPROTO_ICMPV6, "ipv6-icmp" },
	{ IPPROTO_ESP, "esp" },	  { IPPROTO_AH, "ah" },		  { IPPROTO_IGMP, "igmp" },
	{ IPPROTO_DCCP, "dccp" }, { IPPROTO_UDPLITE, "udplite" },
};

static const struct weir_json *member_of(const struct weir_json *event, const char *key)
{
	const char *dot = strchr(key, '.');
	char name[32];

	if (!dot)
		return weir_json_get(event, key);
	snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
	return weir_json_get(weir_json_get(event, name), dot + 1);
}

static void keyword_add(struct log_record *record, const char *path, const struct weir_json *value)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (weir_json_type(value) == WEIR_JSON_STRING) {
		log_record_add(record, path, LOG_TEXT, weir_json_str(value, ""));
		return;
	}
	if (weir_json_type(value) != WEIR_JSON_NULL && !weir_json_add(value, &text))
		log_record_add(record, path, LOG_TEXT, weir_buf_str(&text));
}

static void long_add(struct log_record *record, const char *path, const struct weir_json *value)
{
	if (weir_json_type(value) == WEIR_JSON_INTEGER)
		log_record_addf(record, path, LOG_NUMBER, "%" PRId64, weir_json_int(value, 0));
}

/* "web/192.0.2.7:80" or "web/[2001:db8::7]:80"; a name may hold slashes and no address does. */
static void backend_add(struct log_record *record, const char *name)
{
	const char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
	const char *from = slash ? slash + 1 : name;
	struct weir_addr addr;
	char path[LOG_PATH_BYTES], text[WEIR_ADDR_TEXT];

	if (!colon || colon <= from)
		return;
	size_t len = (size_t)(colon - from);

	if (from[0] == '[' && len > 2) {
		from++;
		len -= 2;
	}
	if (weir_addr_from_string(from, len, &addr))
		return;
	snprintf(path, sizeof(path), "server.ip");
	log_record_add(record, path, LOG_TEXT, weir_addr_to_string(&addr, text));
	if (strspn(colon + 1, "0123456789") == strlen(colon + 1))
		log_record_add(record, "server.port", LOG_NUMBER, colon + 1);
}

/* ECS has one process for a line: names of one and the container of another would be nobody's. */
static void owner_add(struct log_record *record, const struct weir_json *owner)
{
	const struct weir_json *container = weir_json_get(owner, "container");

	if (log_record_get(record, "process.name") || !weir_json_get(owner, "process"))
		return;
	keyword_add(record, "process.name", weir_json_get(owner, "process"));
	long_add(record, "process.pid", weir_json_get(owner, "pid"));
	if (weir_json_get(owner, "command"))
		keyword_add(record, "process.command_line", weir_json_get(owner, "command"));
	keyword_add(record, "user.id", weir_json_get(owner, "uid"));
	if (container)
		keyword_add(record, "container.id", container);
}

/* All with milliseconds, whoever wrote them. */
static void date_add(struct log_record *record, const char *path, const char *time)
{
	char when[WEIR_CLOCK_MS_TEXT];
	uint64_t real_ns;

	if (!weir_clock_parse(time, &real_ns))
		log_record_add(record, path, LOG_TEXT, weir_clock_format_ms(real_ns, when));
}

static void member_add(struct log_record *record, const struct log_member *member,
		       const struct weir_json *value)
{
	switch (member->as) {
	case LOG_AS_LONG:
		long_add(record, member->path, value);
		break;
	case LOG_AS_BACKEND:
		backend_add(record, weir_json_str(value, ""));
		break;
	case LOG_AS_OWNER:
		owner_add(record, value);
		break;
	case LOG_AS_DATE:
		date_add(record, member->path, weir_json_str(value, ""));
		break;
	case LOG_AS_KEYWORD:
		keyword_add(record, member->path, value);
		break;
	}
}

static bool is_of_kind(const struct log_member *member, const struct log_kind *kind)
{
	return !member->kind || (kind->name && strcmp(member->kind, kind->name) == 0);
}

static void members_add(struct log_record *record, const struct weir_json *event)
{
	for (const struct log_member *member = log_members; member->key; member++) {
		const struct weir_json *value =
			is_of_kind(member, record->kind) ? member_of(event, member->key) : NULL;
		if (value)
			member_add(record, member, value);
	}
}

struct rest {
	struct log_record *record;
	const char *kind;
};

/* Whether ECS has all of it. */
static bool is_told(const struct rest *rest, const char *key)
{
	static const char *const elsewhere[] = { "kind", "interface", "proto" };

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(elsewhere); i++)
		if (strcmp(key, elsewhere[i]) == 0)
			return true;
	for (const struct log_member *member = log_members; member->key; member++)
		if (is_of_kind(member, rest->record->kind) && !member->stays &&
		    strcmp(member->key, key) == 0)
			return true;
	return false;
}

/* Each kind has an object of its own: what two kinds call alike need not be of one type, and an
 * index would refuse the second. */
static int rest_add(const char *key, const struct weir_json *value, void *arg)
{
	const struct rest *rest = arg;
	_cleanup_buf_ struct weir_buf text = { 0 };
	char path[LOG_PATH_BYTES];

	if (is_told(rest, key) || weir_json_type(value) == WEIR_JSON_NULL)
		return 0;
	if (rest->record->count >= LOG_FIELDS_MAX - FIELDS_AFTER_REST) {
		rest->record->left_out++;
		return 0;
	}
	snprintf(path, sizeof(path), "weir.%s.%s", rest->kind, key);
	if (weir_json_type(value) == WEIR_JSON_STRING)
		log_record_add(rest->record, path, LOG_TEXT, weir_json_str(value, ""));
	else if (!weir_json_add(value, &text))
		log_record_add(rest->record, path,
			       weir_json_type(value) == WEIR_JSON_INTEGER ? LOG_NUMBER : LOG_JSON,
			       weir_buf_str(&text));
	return 0;
}

static const char *transport_name(int64_t number)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(transports); i++)
		if (transports[i].number == number)
			return transports[i].name;
	return NULL;
}

/* Events of packets have the number, those of flows the name. */
static int64_t proto_of(const struct weir_json *event)
{
	const struct weir_json *proto = weir_json_get(event, "proto");
	const char *name = weir_json_str(proto, "");

	if (!proto || weir_json_type(proto) == WEIR_JSON_INTEGER)
		return weir_json_int(proto, -1);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(transports); i++)
		if (strcmp(transports[i].name, name) == 0)
			return transports[i].number;
	return strcmp(name, "icmpv6") == 0 ? IPPROTO_ICMPV6 : -1;
}

static bool flow_read(const struct log_record *record, int64_t proto, struct log_flow *ret_flow)
{
	const char *src = log_record_get(record, "source.ip");
	const char *dst = log_record_get(record, "destination.ip");
	const char *sport = log_record_get(record, "source.port");
	const char *dport = log_record_get(record, "destination.port");

	if (proto < 0 || proto > 255 || !src || !dst ||
	    weir_addr_from_string(src, strlen(src), &ret_flow->src) ||
	    weir_addr_from_string(dst, strlen(dst), &ret_flow->dst))
		return false;
	ret_flow->proto = (uint8_t)proto;
	ret_flow->has_ports = sport || dport;
	ret_flow->sport = (uint16_t)strtoul(sport ? sport : "0", NULL, 10);
	ret_flow->dport = (uint16_t)strtoul(dport ? dport : "0", NULL, 10);
	return weir_addr_is_v4(&ret_flow->src) == weir_addr_is_v4(&ret_flow->dst);
}

/* A hash without the type of an ICMP message, or the ports of a later fragment, would be another
 * flow's. */
static bool has_community(const struct log_flow *flow)
{
	static const uint8_t with_ports[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

	if (flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6)
		return false;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(with_ports); i++)
		if (flow->proto == with_ports[i])
			return flow->has_ports;
	return true;
}

static void network_add(struct log_record *record, const struct weir_json *event)
{
	int64_t proto = proto_of(event);
	struct log_flow flow = { 0 };
	char id[LOG_COMMUNITY_TEXT];

	if (!flow_read(record, proto, &flow))
		return;
	log_record_addf(record, "network.iana_number", LOG_TEXT, "%" PRId64, proto);
	log_record_add(record, "network.transport", LOG_TEXT, transport_name(proto));
	log_record_add(record, "network.type", LOG_TEXT,
		       weir_addr_is_v4(&flow.src) ? "ipv4" : "ipv6");
	if (!has_community(&flow))
		return;
	log_community_id(&flow, id);
	log_record_add(record, "network.community_id", LOG_TEXT, id);
}

static void observer_add(struct log_record *record, const struct weir_json *event)
{
	const char *direction = weir_json_str(weir_json_get(event, "direction"), "");
	bool leaves = strcmp(direction, "egress") == 0;
	char host[65] = "";

	if (gethostname(host, sizeof(host) - 1) == 0)
		log_record_add(record, "observer.hostname", LOG_TEXT, host);
	log_record_add(record, "observer.product", LOG_TEXT, "Weir");
	log_record_add(record, "observer.type", LOG_TEXT, "firewall");
	log_record_add(record, "observer.version", LOG_TEXT, WEIR_VERSION);
	log_record_add(record,
		       leaves ? "observer.egress.interface.name" :
				"observer.ingress.interface.name",
		       LOG_TEXT, weir_json_str(weir_json_get(event, "interface"), NULL));
}

static void list_add(struct log_record *record, const char *path, const char *const *words,
		     size_t count)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	weir_json_open_array(&json, NULL);
	for (size_t i = 0; i < count && words[i]; i++)
		weir_json_put_str(&json, NULL, words[i]);
	weir_json_close_array(&json);
	log_record_add(record, path, LOG_JSON, weir_buf_str(&text));
}

static void event_add(struct log_record *record, const char *name)
{
	const struct log_kind *kind = record->kind;

	log_record_add(record, "event.kind", LOG_TEXT, kind->ecs_kind);
	list_add(record, "event.category", &kind->category, 1);
	list_add(record, "event.type", kind->type, WEIR_ARRAY_SIZE(kind->type));
	log_record_add(record, "event.action", LOG_TEXT, kind->action ? kind->action : name);
	log_record_add(record, "event.outcome", LOG_TEXT, kind->outcome);
	log_record_add(record, "event.module", LOG_TEXT, "weir");
	log_record_addf(record, "event.dataset", LOG_TEXT, "weir.%s", name);
	log_record_add(record, "ecs.version", LOG_TEXT, LOG_ECS_VERSION);
}

/* What the log knows itself. A packet's event is one packet. */
static void own_add(struct log_record *record, const struct log_happening *happening)
{
	char when[WEIR_CLOCK_MS_TEXT], path[LOG_PATH_BYTES];

	log_record_add(record, "event.created", LOG_TEXT,
		       weir_clock_format_ms(happening->real_ns, when));
	log_record_add(record, "@timestamp", LOG_TEXT, when); /* of an event without a time */
	log_record_addf(record, "event.sequence", LOG_NUMBER, "%" PRIu64, happening->sequence);
	if (happening->lost)
		log_record_addf(record, "weir.log.lost", LOG_NUMBER, "%" PRIu64, happening->lost);
	if (!happening->sample)
		return;
	if (log_record_get(record, "network.bytes"))
		log_record_add(record, "network.packets", LOG_NUMBER, "1");
	snprintf(path, sizeof(path), "weir.%s.sample", happening->kind);
	log_record_addf(record, path, LOG_NUMBER, "%u", happening->sample);
	snprintf(path, sizeof(path), "weir.%s.left_out", happening->kind);
	log_record_addf(record, path, LOG_NUMBER, "%" PRIu64, happening->left_out);
}

int log_record_make(const struct log_happening *happening, struct log_record *record)
{
	_cleanup_json_ struct weir_json *event = NULL;
	_cleanup_buf_ struct weir_buf message = { 0 };
	struct rest rest = { record, happening->kind };

	*record = (struct log_record){ .kind = &log_kinds[log_kind_find(happening->kind)] };
	int r = weir_json_parse(happening->json, happening->len, NULL, NULL, &event);

	if (r)
		return r;
	if (weir_json_type(event) != WEIR_JSON_OBJECT)
		return -EINVAL;
	members_add(record, event);
	event_add(record, happening->kind);
	network_add(record, event);
	observer_add(record, event);
	own_add(record, happening);
	weir_json_each(event, rest_add, &rest);
	if (record->left_out)
		log_record_addf(record, "weir.log.fields_left_out", LOG_NUMBER, "%u",
				record->left_out);
	log_message_write(record, event, &message);
	log_record_add(record, "message", LOG_TEXT, weir_buf_str(&message));
	return record->failed || message.failed ? -ENOMEM : 0;
}
