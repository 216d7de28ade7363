/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `health:`. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/balance/balance_wide.h"
#include "features/balance/health_bytes.h"
#include "features/balance/health_dns.h"
#include "features/balance/health_http.h"
#include "features/balance/health_machine.h"
#include "features/balance/health_tunnel.h"

#define HEALTH(member) offsetof(struct health_text, member)
#define CHECKS_MOST 255
#define WEBS (1U << HEALTH_HTTP | 1U << HEALTH_HTTPS)
#define TLSES (1U << HEALTH_HTTPS | 1U << HEALTH_TLS)
#define LEAST_NS (50 * WEIR_NS_PER_MS)
#define MOST_NS (24 * 3600 * WEIR_NS_PER_S)
/* Without a word of them. */
#define INTERVAL_NS (2 * WEIR_NS_PER_S)
#define TIMEOUT_NS WEIR_NS_PER_S
#define RISE 2
#define FALL 3

const char *const health_type_names[] = { "none", "tcp", "tls",	    "http", "https",
					  "udp",  "dns", "command", NULL };
static const char *const record_names[] = { "a", "aaaa", "ns", "soa", "mx", "txt", "ptr", NULL };
static const char *const through_names[] = { "auto", "tunnel", "direct", NULL };
const char *const health_all_down_names[] = { "refuse", "keep-all", NULL };

#define TIME_FIELD(yaml, member, without, words)                                              \
	{                                                                                     \
		.key = yaml, .type = WEIR_FIELD_DURATION, .offset = HEALTH(member),           \
		.fallback = without, .wants_value = true, .least = LEAST_NS, .most = MOST_NS, \
		.help = words,                                                                \
	}
#define COUNT_FIELD(yaml, member, without, fewest, highest, words)                          \
	{                                                                                   \
		.key = yaml, .type = WEIR_FIELD_UINT, .offset = HEALTH(member),             \
		.fallback = without, .wants_value = true, .least = fewest, .most = highest, \
		.help = words,                                                              \
	}

#define WORD_FIELD(yaml, member, words)                                           \
	{                                                                         \
		.key = yaml, .type = WEIR_FIELD_STRING, .offset = HEALTH(member), \
		.wants_value = true, .help = words,                               \
	}

#define DAMPING_FIELD(yaml, member, without, words)                                          \
	{                                                                                    \
		.key = yaml, .type = WEIR_FIELD_DURATION,                                    \
		.offset = offsetof(struct health_damping_text, member), .fallback = without, \
		.wants_value = true, .least = LEAST_NS, .most = MOST_NS, .help = words,      \
	}

static const struct weir_field damping_fields[] = {
	{ .key = "downs",
	  .type = WEIR_FIELD_UINT,
	  .offset = offsetof(struct health_damping_text, downs),
	  .fallback = "5",
	  .most = HEALTH_DOWNS_MOST,
	  .wants_value = true,
	  .help = "Who goes down so often within the time is held down. 0: nobody is." },
	DAMPING_FIELD("within", within, "10m", "The time in which it counts."),
	DAMPING_FIELD("hold", hold, "1m",
		      "How long it is held down the first time; then twice as long, and so on, "
		      "until "
		      "it has stayed up for `within`."),
	DAMPING_FIELD("hold-most", hold_most, "1h", "How long at most."),
	{ 0 },
};

const struct weir_field health_fields[] = {
	{ .key = "type",
	  .type = WEIR_FIELD_ENUM,
	  .offset = HEALTH(type),
	  .values = health_type_names,
	  .fallback = "none",
	  .wants_value = true,
	  .help = "What a check is. none: backends are not checked, and count as up. tcp: a "
		  "connection is accepted. tls: and a TLS handshake is done. "
		  "http, https: a GET is answered with a good status. "
		  "udp: a datagram is not refused, or is answered as expected. "
		  "dns: a question is answered with NOERROR. "
		  "command: a program ends with 0." },
	TIME_FIELD("interval", interval, "2s",
		   "From the beginning of a check to that of the next."),
	TIME_FIELD("timeout", timeout, "1s",
		   "A check that has no answer by then has failed. Not more than interval."),
	COUNT_FIELD("rise", rise, "2", 1, CHECKS_MOST,
		    "A backend that is down is up again when so many checks in a row were good."),
	COUNT_FIELD("fall", fall, "3", 1, CHECKS_MOST,
		    "It is down when so many in a row have failed."),
	COUNT_FIELD("jitter", jitter, "10", 0, 50,
		    "Hundredths of interval that a check may begin early, by chance, so that "
		    "many do not go on together."),
	{ .key = "port",
	  .type = WEIR_FIELD_UINT,
	  .offset = HEALTH(port),
	  .least = 1,
	  .most = 65535,
	  .wants_value = true,
	  .help = "The port that is asked. Without: the backend's, of a "
		  "range the first." },
	{ .key = "through",
	  .type = WEIR_FIELD_ENUM,
	  .offset = HEALTH(through),
	  .values = through_names,
	  .fallback = "auto",
	  .wants_value = true,
	  .help = "The way that a check goes, where `forward` is not nat. tunnel: that of the "
		  "service's packets, to the service's address. direct: to the backend's own. "
		  "auto: tunnel where that can be." },
	{ .key = "damping",
	  .type = WEIR_FIELD_MAPPING,
	  .offset = HEALTH(damping),
	  .size = sizeof(struct health_damping_text),
	  .fields = damping_fields,
	  .help = "What is done about a backend that comes and goes." },
	WORD_FIELD("path", path, "http, https: what is asked for. Without: /."),
	WORD_FIELD("host", host,
		   "http, https, tls: whose page it is, and whom the handshake asks for. Without: "
		   "the "
		   "address, and nobody."),
	{ .key = "verify",
	  .type = WEIR_FIELD_BOOL,
	  .offset = HEALTH(verify),
	  .fallback = "false",
	  .wants_value = true,
	  .help = "https, tls: the certificate must be valid, and for `host`." },
	WORD_FIELD("ca", ca,
		   "https, tls: a file of the certificates, PEM, that may have signed the "
		   "server's, "
		   "by its whole path. Without: the system's."),
	WORD_FIELD("status", status,
		   "http, https: what is good, numbers and ranges such as \"200, 300-399\". "
		   "Without: "
		   "200-399."),
	WORD_FIELD("body", body,
		   "http, https: text that must stand in the first 64 KiB of the answer. Without: "
		   "any."),
	WORD_FIELD("send", send,
		   "udp: what the datagram holds: text, or bytes as \"hex:00 01 ff\". Without: "
		   "nothing."),
	WORD_FIELD("expect", expect,
		   "udp: what must stand in the answer, written likewise. Without: no answer is "
		   "needed, and a port that nobody refuses is good."),
	WORD_FIELD("query", query, "dns: the name that is asked about; . is the root."),
	{ .key = "record",
	  .type = WEIR_FIELD_ENUM,
	  .offset = HEALTH(record),
	  .values = record_names,
	  .fallback = "a",
	  .wants_value = true,
	  .help = "dns: which of its records is asked for." },
	{ .key = "command",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = HEALTH(command),
	  .count_offset = HEALTH(command_count),
	  .help = "command: the program, by its whole path, and its arguments. No shell reads "
		  "them. WEIR_SERVICE, WEIR_ADDRESS and WEIR_PORT are in its environment." },
	{ 0 },
};

/* Keys that not every type has a use for. */
static const struct {
	const char *key;
	size_t offset;
	uint32_t types; /* a bit each */
} words[] = {
	{ "path", HEALTH(path), WEBS },
	{ "host", HEALTH(host), WEBS | 1U << HEALTH_TLS },
	{ "ca", HEALTH(ca), TLSES },
	{ "status", HEALTH(status), WEBS },
	{ "body", HEALTH(body), WEBS },
	{ "query", HEALTH(query), 1U << HEALTH_DNS },
	{ "send", HEALTH(send), 1U << HEALTH_UDP },
	{ "expect", HEALTH(expect), 1U << HEALTH_UDP },
};

struct place {
	const struct health_text *text;
	unsigned index; /* of the service */
	struct weir_diag *diag;
};

static int refuse(const struct place *place, const char *name, const char *mend, const char *what)
{
	char key[80];

	snprintf(key, sizeof(key), "balance.services[%u].health.%s", place->index, name);
	return weir_diag_key(place->diag, key, mend, "%s", what);
}

static const char *word_of(const struct health_text *text, size_t offset)
{
	return *(char *const *)((const char *)text + offset);
}

static int words_check(const struct place *place)
{
	const char *type = health_type_names[place->text->type];
	char what[80];
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++) {
		if (!word_of(place->text, words[i].offset) ||
		    words[i].types & 1U << place->text->type)
			continue;
		snprintf(what, sizeof(what), "says nothing about a check of type %s", type);
		r = refuse(place, words[i].key, "leave it out, or write another `type`", what);
	}
	return r;
}

/* What would end the line of a request, or be two words of it. */
static bool is_one_word(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 127)
			return false;
	return true;
}

static int web_check(const struct place *place)
{
	const struct health_text *text = place->text;
	int r = 0;

	if (text->path && (*text->path != '/' || !is_one_word(text->path)))
		r = refuse(place, "path", "write it as it stands behind the host, as /health",
			   "is not the path of a page");
	if (text->host && !is_one_word(text->host))
		r = refuse(place, "host", "write a name, as www.example.org",
			   "is not the name of a host");
	if (text->status && health_status_has(text->status, 0) < 0)
		r = refuse(place, "status",
			   "write numbers from 100 to 599 and ranges of them, as 200, 300-399",
			   "is not a list of status numbers");
	return r;
}

static int bytes_check(const struct place *place, const char *name, const char *text)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	return health_bytes_add(text, &bytes) != -EINVAL ?
		       0 :
		       refuse(place, name, "write two digits a byte, as hex:00 01 ff",
			      "is not hexadecimal");
}

static int query_check(const struct place *place)
{
	_cleanup_buf_ struct weir_buf message = { 0 };
	const struct health_text *text = place->text;

	if (text->type != HEALTH_DNS)
		return 0;
	return text->query && health_dns_ask(text->query, HEALTH_A, 0, &message) != -EINVAL ?
		       0 :
		       refuse(place, "query", "write the name of a domain, as example.org, or .",
			      text->query ? "is not the name of a domain" :
					    "a check of type dns needs a name to ask about");
}

static int verify_check(const struct place *place)
{
	const struct health_text *text = place->text;

	if (text->verify && !(TLSES & 1U << text->type))
		return refuse(place, "verify", "leave it out, or write `type: https` or `tls`",
			      "no other check meets a certificate");
	if (text->verify && !text->host)
		return refuse(place, "verify", "write `host: www.example.org`",
			      "a certificate is for a name, and there is no `host`");
	if (text->ca && !text->verify)
		return refuse(place, "ca", "write `verify: true`, or leave it out",
			      "certificates are not looked at");
	if (text->ca && *text->ca != '/')
		return refuse(place, "ca", "write /etc/ssl/certs/internal.pem",
			      "is not the whole path of a file");
	return 0;
}

static int command_check(const struct place *place)
{
	const struct health_text *text = place->text;

	if (text->type != HEALTH_COMMAND && text->command_count)
		return refuse(place, "command", "leave it out, or write `type: command`",
			      "is run by a check of type command alone");
	if (text->type == HEALTH_COMMAND && (!text->command_count || *text->command[0] != '/'))
		return refuse(place, text->command_count ? "command[0]" : "command",
			      "write [/usr/local/bin/check-web, --quick]",
			      "a check of type command needs a program, by its whole path");
	return 0;
}

/* Says something of checks, but not what one is: none is made, and all count as up. */
static void idle_warn(const struct place *place, const char *service)
{
	const struct health_text *text = place->text;
	char key[64];

	if (text->type != HEALTH_NONE ||
	    (!text->port && text->interval.value == INTERVAL_NS &&
	     text->timeout.value == TIMEOUT_NS && text->rise == RISE && text->fall == FALL))
		return;
	snprintf(key, sizeof(key), "balance.services[%u].health", place->index);
	weir_diag_warning_key(place->diag, key, "write `type: tcp`, or another",
			      "has no type: backends of '%s' are not checked", service);
}

int health_check(const struct balance_section *section, unsigned index, struct weir_diag *diag)
{
	const struct place place = { &section->services[index].health, index, diag };
	int r = words_check(&place);

	idle_warn(&place, section->services[index].name);
	if (place.text->timeout.value > place.text->interval.value)
		r = refuse(&place, "timeout", "write a shorter one, or a longer interval",
			   "a check may not take longer than the interval between two");
	if (place.text->damping.hold.value > place.text->damping.hold_most.value)
		r = refuse(&place, "damping.hold", "write a shorter one, or a longer hold-most",
			   "is longer than the most");
	if (section->services[index].port == WEIR_PORTS_ALL && place.text->type != HEALTH_NONE &&
	    !place.text->port)
		r = refuse(&place, "port", "write `port: 80` under `health`",
			   "the service has every port: which one is asked is not said");
	r = web_check(&place) ?: r;
	r = bytes_check(&place, "send", place.text->send) ?: r;
	r = bytes_check(&place, "expect", place.text->expect) ?: r;
	r = query_check(&place) ?: r;
	r = verify_check(&place) ?: r;
	r = health_tunnel_check(section, index, diag) ?: r;
	return command_check(&place) ?: r;
}
