/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of FTP, by hand: they come from anybody and have no NUL. */
#include "features/conntrack/conntrack_ftp.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/cleanup.h"

#define HOST_PORT_NUMBERS 6
#define PORT_UNPRIVILEGED 1024

/* What is left of one line; its end is no part of it. */
struct text {
	const char *at;
	const char *end;
};

/* Every reader leaves its sentence here. */
struct reading {
	const struct conntrack_ftp_payload *payload;
	struct conntrack_ftp_offer offer;
};

static bool text_is_empty(const struct text *text)
{
	return text->at == text->end;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool text_takes(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(text->end - text->at) < len || strncasecmp(text->at, word, len) != 0)
		return false;
	text->at += len;
	return true;
}

static void text_skip_spaces(struct text *text)
{
	while (!text_is_empty(text) && *text->at == ' ')
		text->at++;
}

/* What stands before the next delimiter, which is passed over; false when there is none. */
static bool text_takes_field(struct text *text, char delimiter, struct text *ret_field)
{
	const char *found = memchr(text->at, delimiter, (size_t)(text->end - text->at));

	if (!found)
		return false;
	*ret_field = (struct text){ .at = text->at, .end = found };
	text->at = found + 1;
	return true;
}

/* As many digits as there are, so that none is left over: more than max reads as max + 1. False
 * without any. */
static bool text_takes_number(struct text *text, uint32_t max, uint32_t *ret_number)
{
	const char *first = text->at;
	uint32_t number = 0;

	for (; !text_is_empty(text) && is_digit(*text->at); text->at++) {
		number = number * 10 + (uint32_t)(*text->at - '0');
		if (number > max)
			number = max + 1;
	}
	*ret_number = number;
	return text->at != first;
}

static enum conntrack_ftp_found refused(struct reading *reading, const char *why)
{
	reading->offer.why = why;
	return CONNTRACK_FTP_REFUSED;
}

static enum conntrack_ftp_found offered(struct reading *reading, const struct weir_addr *addr,
					uint32_t port)
{
	bool is_client = reading->payload->side == CONNTRACK_FTP_CLIENT;

	if (port > UINT16_MAX)
		return refused(reading, "a port is at most 65535");
	if (!port)
		return refused(reading, "port 0 is none");
	if (is_client && port < PORT_UNPRIVILEGED)
		return refused(reading, "a client that names a port below 1024 sends the server to "
					"a service of somebody (bounce attack)");
	reading->offer.addr = *addr;
	reading->offer.port = htons((uint16_t)port);
	reading->offer.is_foreign = memcmp(addr, &reading->payload->sender, sizeof(*addr)) != 0;
	return CONNTRACK_FTP_OFFER;
}

/* Six numbers with commas between, whatever their size: the shape of h1,h2,h3,h4,p1,p2. */
static bool text_takes_six(struct text *text, uint32_t numbers[HOST_PORT_NUMBERS])
{
	for (int i = 0; i < HOST_PORT_NUMBERS; i++) {
		if (i && (text_is_empty(text) || *text->at++ != ','))
			return false;
		if (!text_takes_number(text, UINT8_MAX, &numbers[i]))
			return false;
	}
	return text_is_empty(text) || *text->at != ',';
}

static enum conntrack_ftp_found six_read(struct reading *reading,
					 const uint32_t numbers[HOST_PORT_NUMBERS])
{
	struct weir_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };

	for (int i = 0; i < HOST_PORT_NUMBERS; i++)
		if (numbers[i] > UINT8_MAX)
			return refused(reading, "a number is past 255");
	for (int i = 0; i < 4; i++)
		addr.bytes[12 + i] = (uint8_t)numbers[i];
	return offered(reading, &addr, numbers[4] << 8 | numbers[5]);
}

/* PORT h1,h2,h3,h4,p1,p2 (RFC 959, 4.1.2) */
static enum conntrack_ftp_found port_read(struct reading *reading, struct text text)
{
	uint32_t numbers[HOST_PORT_NUMBERS];

	text_skip_spaces(&text);
	bool is_whole = text_takes_six(&text, numbers);

	text_skip_spaces(&text);
	if (!is_whole || !text_is_empty(&text))
		return refused(reading, "PORT wants six numbers and nothing else");
	return six_read(reading, numbers);
}

static bool field_is_number(struct text field, uint32_t max, uint32_t *ret_number)
{
	return text_takes_number(&field, max, ret_number) && text_is_empty(&field);
}

/* EPRT |family|address|port|, with any printable character for the bar (RFC 2428, 2) */
static enum conntrack_ftp_found eprt_read(struct reading *reading, struct text text)
{
	struct text fields[3];
	uint32_t family, port;
	struct weir_addr addr;

	text_skip_spaces(&text);
	if (text_is_empty(&text) || *text.at <= ' ' || *text.at > '~')
		return refused(reading, "EPRT wants a delimiter");
	char delimiter = *text.at++;

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(fields); i++)
		if (!text_takes_field(&text, delimiter, &fields[i]))
			return refused(reading, "EPRT wants a family, an address and a port");
	text_skip_spaces(&text);
	if (!text_is_empty(&text) || !field_is_number(fields[2], UINT16_MAX, &port) ||
	    !field_is_number(fields[0], UINT8_MAX, &family))
		return refused(reading, "EPRT wants a family, an address and a port");
	if (family != 1 && family != 2)
		return refused(reading, "EPRT knows the families 1 and 2");
	if (weir_addr_from_string(fields[1].at, (size_t)(fields[1].end - fields[1].at), &addr) ||
	    weir_addr_is_v4(&addr) != (family == 1))
		return refused(reading, "EPRT wants an address of its family");
	return offered(reading, &addr, port);
}

/* 227 text h1,h2,h3,h4,p1,p2: parentheses and text are as they please (RFC 1123, 4.1.2.6). The
 * first six numbers count; a version or a time in the text before is no such thing. */
static enum conntrack_ftp_found pasv_read(struct reading *reading, struct text text)
{
	while (!text_is_empty(&text)) {
		uint32_t numbers[HOST_PORT_NUMBERS];
		struct text tried = text;

		if (!is_digit(*text.at)) {
			text.at++;
			continue;
		}
		if (text_takes_six(&tried, numbers))
			return six_read(reading, numbers);
		/* Another count of numbers: none of them begins six. */
		while (!text_is_empty(&text) && (is_digit(*text.at) || *text.at == ','))
			text.at++;
	}
	return refused(reading, "227 names no address and port");
}

/* 229 text (|||port|): the fields of EPRT, two of them empty (RFC 2428, 3) */
static enum conntrack_ftp_found epsv_read(struct reading *reading, struct text text)
{
	struct text before, field;
	uint32_t port;

	if (!text_takes_field(&text, '(', &before) || text_is_empty(&text))
		return refused(reading, "229 names no port");
	char delimiter = *text.at++;

	for (int i = 0; i < 2; i++)
		if (!text_takes_field(&text, delimiter, &field) || !text_is_empty(&field))
			return refused(reading, "229 must name neither family nor address");
	if (delimiter <= ' ' || delimiter > '~' || !text_takes_field(&text, delimiter, &field) ||
	    !field_is_number(field, UINT16_MAX, &port) || !text_takes(&text, ")"))
		return refused(reading, "229 names no port");
	return offered(reading, &reading->payload->sender, port);
}

/* The space belongs to the word: "227-" begins a reply of several lines, and its last has one. */
static const struct {
	const char *word;
	enum conntrack_ftp_found (*read)(struct reading *reading, struct text text);
	enum conntrack_ftp_kind kind;
	enum conntrack_ftp_side side;
} lines[] = {
	{ "PORT ", port_read, CONNTRACK_FTP_PORT, CONNTRACK_FTP_CLIENT },
	{ "EPRT ", eprt_read, CONNTRACK_FTP_EPRT, CONNTRACK_FTP_CLIENT },
	{ "227 ", pasv_read, CONNTRACK_FTP_PASV, CONNTRACK_FTP_SERVER },
	{ "229 ", epsv_read, CONNTRACK_FTP_EPSV, CONNTRACK_FTP_SERVER },
};

static enum conntrack_ftp_found line_read(struct reading *reading, struct text line)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(lines); i++) {
		struct text rest = line;

		if (lines[i].side != reading->payload->side || !text_takes(&rest, lines[i].word))
			continue;
		reading->offer.kind = lines[i].kind;
		return lines[i].read(reading, rest);
	}
	return CONNTRACK_FTP_NOTHING;
}

/* The line at *offset, without its CR and LF, and *offset is behind it; false for the last one,
 * which has no end. */
static bool line_take(const struct conntrack_ftp_payload *payload, size_t *offset,
		      struct text *ret_line)
{
	const char *bytes = payload->bytes;
	const char *end = memchr(bytes + *offset, '\n', payload->len - *offset);

	if (!end)
		return false;
	*ret_line = (struct text){ .at = bytes + *offset, .end = end };
	*offset = (size_t)(end + 1 - bytes);
	if (!text_is_empty(ret_line) && end[-1] == '\r')
		ret_line->end--;
	return true;
}

enum conntrack_ftp_found conntrack_ftp_next(const struct conntrack_ftp_payload *payload,
					    size_t *offset, struct conntrack_ftp_offer *ret_offer)
{
	struct text line;

	if (!payload->len)
		return CONNTRACK_FTP_NOTHING;
	while (line_take(payload, offset, &line)) {
		struct reading reading = { .payload = payload };
		enum conntrack_ftp_found found = line_read(&reading, line);

		if (found == CONNTRACK_FTP_NOTHING)
			continue;
		*ret_offer = reading.offer;
		return found;
	}
	return CONNTRACK_FTP_NOTHING;
}
