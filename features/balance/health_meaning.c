/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys of `health` go together, and what their words may be. */
#include "features/balance/health_meaning.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/ports.h"
#include "features/balance/health_bytes.h"
#include "features/balance/health_dns.h"
#include "features/balance/health_http.h"

#define HEALTH(member) offsetof(struct health_text, member)
#define WEBS (1U << HEALTH_HTTP | 1U << HEALTH_HTTPS)
#define TLSES (1U << HEALTH_HTTPS | 1U << HEALTH_TLS)

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

/* "damping.hold" is health-damping-hold of a command; which word of several is not said there. */
static void argument_name(const char *name, char *key, size_t size)
{
	snprintf(key, size, "health-%.*s", (int)strcspn(name, "["), name);
	for (char *c = key; *c; c++)
		*c = *c == '.' ? '-' : *c;
}

int health_refuse(const struct health_place *place, const char *name, const char *mend,
		  const char *what)
{
	char key[80];

	if (place->index == HEALTH_IS_GIVEN)
		argument_name(name, key, sizeof(key));
	else
		snprintf(key, sizeof(key), "balance.services[%d].health.%s", place->index, name);
	return weir_diag_key(place->diag, key, mend, "%s", what);
}

const char *health_mend(const struct health_place *place, const char *written, const char *given)
{
	return place->index == HEALTH_IS_GIVEN ? given : written;
}

static char **word_at(struct health_text *text, size_t offset)
{
	return (char **)((char *)text + offset);
}

static const char *word_of(const struct health_text *text, size_t offset)
{
	return *(char *const *)((const char *)text + offset);
}

void health_type_set(struct health_text *text, enum health_type type)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++)
		if (!(words[i].types & 1U << type))
			*word_at(text, words[i].offset) = NULL;
	text->verify = text->verify && TLSES & 1U << type;
	if (type != HEALTH_DNS)
		text->record = HEALTH_A;
	if (type != HEALTH_COMMAND)
		text->command_count = 0;
	text->type = type;
}

static int words_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;
	const char *type = health_type_names[text->type];
	char what[80];
	int r = 0;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(words); i++) {
		if (!word_of(text, words[i].offset) || words[i].types & 1U << text->type)
			continue;
		snprintf(what, sizeof(what), "says nothing about a check of type %s", type);
		r = health_refuse(place, words[i].key,
				  health_mend(place, "leave it out, or write another `type`",
					      "leave it out, or give another --health"),
				  what);
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

static int web_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;
	int r = 0;

	if (text->path && (*text->path != '/' || !is_one_word(text->path)))
		r = health_refuse(place, "path",
				  "write it as it stands behind the host, as /health",
				  "is not the path of a page");
	if (text->host && !is_one_word(text->host))
		r = health_refuse(place, "host", "write a name, as www.example.org",
				  "is not the name of a host");
	if (text->status && health_status_has(text->status, 0) < 0)
		r = health_refuse(place, "status",
				  "write numbers from 100 to 599 and ranges of them, as 200, "
				  "300-399",
				  "is not a list of status numbers");
	return r;
}

static int bytes_check(const struct health_place *place, const char *name, const char *text)
{
	_cleanup_buf_ struct weir_buf bytes = { 0 };

	return health_bytes_add(text, &bytes) != -EINVAL ?
		       0 :
		       health_refuse(place, name, "write two digits a byte, as hex:00 01 ff",
				     "is not hexadecimal");
}

static int query_check(const struct health_place *place)
{
	_cleanup_buf_ struct weir_buf message = { 0 };
	const struct health_text *text = &place->service->health;

	if (text->type != HEALTH_DNS)
		return 0;
	return text->query && health_dns_ask(text->query, HEALTH_A, 0, &message) != -EINVAL ?
		       0 :
		       health_refuse(place, "query",
				     "write the name of a domain, as example.org, or .",
				     text->query ? "is not the name of a domain" :
						   "a check of type dns needs a name to ask about");
}

static int verify_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;

	if (text->verify && !(TLSES & 1U << text->type))
		return health_refuse(place, "verify",
				     health_mend(place,
						 "leave it out, or write `type: https` or `tls`",
						 "leave it out, or give --health https or tls"),
				     "no other check meets a certificate");
	if (text->verify && !text->host)
		return health_refuse(place, "verify",
				     health_mend(place, "write `host: www.example.org`",
						 "give --health-host www.example.org"),
				     health_mend(place,
						 "a certificate is for a name, and there is no "
						 "`host`",
						 "a certificate is for a name, and none is given"));
	if (text->ca && !text->verify)
		return health_refuse(place, "ca",
				     health_mend(place, "write `verify: true`, or leave it out",
						 "give --health-verify, or leave it out"),
				     "certificates are not looked at");
	if (text->ca && *text->ca != '/')
		return health_refuse(place, "ca", "write /etc/ssl/certs/internal.pem",
				     "is not the whole path of a file");
	return 0;
}

static int command_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;

	if (text->type != HEALTH_COMMAND && text->command_count)
		return health_refuse(place, "command",
				     health_mend(place, "leave it out, or write `type: command`",
						 "leave it out, or give --health command"),
				     "is run by a check of type command alone");
	if (text->type == HEALTH_COMMAND && (!text->command_count || *text->command[0] != '/'))
		return health_refuse(place, text->command_count ? "command[0]" : "command",
				     health_mend(place, "write [/usr/local/bin/check-web, --quick]",
						 "give --health-command /usr/local/bin/check-web "
						 "--health-command=--quick"),
				     "a check of type command needs a program, by its whole path");
	return 0;
}

static int numbers_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;
	int r = 0;

	if (text->timeout.value > text->interval.value)
		r = health_refuse(place, "timeout", "write a shorter one, or a longer interval",
				  "a check may not take longer than the interval between two");
	if (text->damping.hold.value > text->damping.hold_most.value)
		r = health_refuse(place, "damping.hold",
				  "write a shorter one, or a longer hold-most",
				  "is longer than the most");
	if (place->service->port == WEIR_PORTS_ALL && text->type != HEALTH_NONE && !text->port)
		r = health_refuse(place, "port",
				  health_mend(place, "write `port: 80` under `health`",
					      "give --health-port 80"),
				  "the service has every port: which one is asked is not said");
	return r;
}

static int place_check(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;
	int r = words_check(place);

	r = numbers_check(place) ?: r;
	r = web_check(place) ?: r;
	r = bytes_check(place, "send", text->send) ?: r;
	r = bytes_check(place, "expect", text->expect) ?: r;
	r = query_check(place) ?: r;
	r = verify_check(place) ?: r;
	r = health_tunnel_check(place) ?: r;
	return command_check(place) ?: r;
}

int health_given_check(const struct balance_text *service, struct weir_diag *diag)
{
	const struct health_place place = { service, HEALTH_IS_GIVEN, diag };

	return place_check(&place);
}

/* Says something of checks, but not what one is: none is made, and all count as up. */
static void idle_warn(const struct health_place *place)
{
	const struct health_text *text = &place->service->health;
	struct health_text without;
	char key[64];

	health_text_default(&without);
	if (text->type != HEALTH_NONE ||
	    (!text->port && text->interval.value == without.interval.value &&
	     text->timeout.value == without.timeout.value && text->rise == without.rise &&
	     text->fall == without.fall))
		return;
	snprintf(key, sizeof(key), "balance.services[%d].health", place->index);
	weir_diag_warning_key(place->diag, key, "write `type: tcp`, or another",
			      "has no type: backends of '%s' are not checked",
			      place->service->name);
}

int health_check(const struct balance_section *section, unsigned index, struct weir_diag *diag)
{
	const struct health_place place = { &section->services[index], (int)index, diag };

	idle_warn(&place);
	return place_check(&place);
}
