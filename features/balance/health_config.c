/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `health:`. */
#include "base/clock.h"
#include "features/balance/health_machine.h"
#include "features/balance/health_text.h"

#define HEALTH(member) offsetof(struct health_text, member)
#define CHECKS_MOST HEALTH_CHECKS_MOST
#define LEAST_NS HEALTH_LEAST_NS
#define MOST_NS HEALTH_MOST_NS
/* Without a word of them. */
#define INTERVAL_NS (2 * WEIR_NS_PER_S)
#define TIMEOUT_NS WEIR_NS_PER_S
#define RISE 2
#define FALL 3
#define JITTER 10
#define DOWNS 5
#define MINUTE_NS (60 * WEIR_NS_PER_S)

const char *const health_type_names[] = { "none", "tcp", "tls",	    "http", "https",
					  "udp",  "dns", "command", NULL };
const char *const health_record_names[] = { "a", "aaaa", "ns", "soa", "mx", "txt", "ptr", NULL };
const char *const health_through_names[] = { "auto", "tunnel", "direct", NULL };
const char *const health_all_down_names[] = { "refuse", "keep-all", "drop", NULL };

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
	  .values = health_through_names,
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
	  .values = health_record_names,
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

void health_text_default(struct health_text *ret_text)
{
	*ret_text = (struct health_text){
		.interval.value = INTERVAL_NS,
		.timeout.value = TIMEOUT_NS,
		.rise = RISE,
		.fall = FALL,
		.jitter = JITTER,
		.damping = { .downs = DOWNS,
			     .within.value = 10 * MINUTE_NS,
			     .hold.value = MINUTE_NS,
			     .hold_most.value = 60 * MINUTE_NS },
	};
}
