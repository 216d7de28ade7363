/* SPDX-License-Identifier: Apache-2.0 */
/* An event as a sentence: what people read in syslog, the journal and Kibana's list. */
#include <string.h>

#include "features/log/log_ecs.h"

static void end_add(const struct log_record *record, const char *ip_path, const char *port_path,
		    struct weir_buf *text)
{
	const char *ip = log_record_get(record, ip_path), *port = log_record_get(record, port_path);
	bool wants_brackets = port && ip && strchr(ip, ':');

	weir_buf_addf(text, wants_brackets ? " [%s]" : " %s", ip ? ip : "?");
	if (port)
		weir_buf_addf(text, ":%s", port);
}

static void place_add(const struct log_record *record, struct weir_buf *text)
{
	const char *in = log_record_get(record, "observer.ingress.interface.name");
	const char *out = log_record_get(record, "observer.egress.interface.name");

	if (in)
		weir_buf_addf(text, " in %s", in);
	if (out)
		weir_buf_addf(text, " out %s", out);
}

/* "drop tcp 192.0.2.7:4711 > 198.51.100.1:22 in eth0: drop_blocked (list bad)" */
static void packet_add(const struct log_record *record, const struct weir_json *event,
		       struct weir_buf *text)
{
	const char *proto = log_record_get(record, "network.transport");
	const char *number = log_record_get(record, "network.iana_number");
	const char *reason = log_record_get(record, "event.reason");
	const char *list = weir_json_str(weir_json_get(event, "list"), NULL);
	const char *rule = log_record_get(record, "rule.name");

	weir_buf_addf(text, " %s%s", proto || !number ? "" : "protocol ",
		      proto  ? proto :
		      number ? number :
			       "?");
	end_add(record, "source.ip", "source.port", text);
	weir_buf_add_str(text, " >");
	end_add(record, "destination.ip", "destination.port", text);
	place_add(record, text);
	if (reason)
		weir_buf_addf(text, ": %s", reason);
	if (list)
		weir_buf_addf(text, " (list %s)", list);
	if (rule)
		weir_buf_addf(text, " (rule %s)", rule);
}

static void attack_add(const struct weir_json *event, struct weir_buf *text)
{
	weir_buf_addf(text, " on %s: %s, was %s",
		      weir_json_str(weir_json_get(event, "interface"), "?"),
		      weir_json_str(weir_json_get(event, "level"), "?"),
		      weir_json_str(weir_json_get(event, "was"), "?"));
}

/* "1 of 8 connections"; 0: it is paused. */
static void sample_add(const struct weir_json *event, const char *key, struct weir_buf *text)
{
	long long sample = weir_json_int(weir_json_get(event, key), 0);

	if (sample > 1)
		weir_buf_addf(text, "1 of %lld connections", sample);
	else
		weir_buf_add_str(text, sample ? "all" : "none");
}

/* "quality: measures 1 of 8 connections, before 1 of 2 connections" */
static void quality_add(const struct weir_json *event, struct weir_buf *text)
{
	weir_buf_add_str(text, ": measures ");
	sample_add(event, "sample", text);
	weir_buf_add_str(text, ", before ");
	sample_add(event, "before", text);
}

static void rest_add(const struct weir_json *event, struct weir_buf *text)
{
	const char *interface = weir_json_str(weir_json_get(event, "interface"), NULL);
	const char *what = weir_json_str(weir_json_get(event, "what"), NULL);
	const char *detail = weir_json_str(weir_json_get(event, "detail"), NULL);
	const char *who = weir_json_str(weir_json_get(event, "who"), NULL);
	const struct weir_json *revision = weir_json_get(event, "revision");

	if (interface)
		weir_buf_addf(text, " %s", interface);
	if (what)
		weir_buf_addf(text, ": %s", what);
	if (detail && detail[0])
		weir_buf_addf(text, ": %s", detail);
	if (revision)
		weir_buf_addf(text, ", revision %lld", (long long)weir_json_int(revision, 0));
	if (who)
		weir_buf_addf(text, ", by %s", who);
}

/* Text from outside can neither steer a terminal nor forge a line. */
void log_message_write(const struct log_record *record, const struct weir_json *event,
		       struct weir_buf *text)
{
	_cleanup_buf_ struct weir_buf plain = { 0 };
	const char *kind = weir_json_str(weir_json_get(event, "kind"), "event");

	weir_buf_add_str(&plain, kind);
	if (log_record_get(record, "source.ip"))
		packet_add(record, event, &plain);
	else if (strcmp(kind, "attack") == 0)
		attack_add(event, &plain);
	else if (strcmp(kind, "quality") == 0)
		quality_add(event, &plain);
	else
		rest_add(event, &plain);
	weir_buf_add_visible(text, weir_buf_str(&plain));
	text->failed |= plain.failed;
}
