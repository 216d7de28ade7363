/* SPDX-License-Identifier: Apache-2.0 */
/* One string a field; the shorter of "what it is" and "what it is not". */
#include "cli/import_fields.h"

#include <string.h>

#include "cli/import_addrs.h"
#include "cli/import_names.h"

typedef void put_fn(const char *key, const char *value, void *arg);

static void comma(struct weir_buf *text)
{
	if (text->len)
		weir_buf_add_str(text, ", ");
}

static const char *number_word(enum import_number number, uint32_t value)
{
	static const char *const families[] = { "ipv4", "ipv6" };
	static const char *const fragments[] = { "none", "first", "later" };

	switch (number) {
	case IMPORT_FAMILY:
		return families[value];
	case IMPORT_FRAGMENT:
		return fragments[value];
	case IMPORT_STATE:
		return import_state_name(value);
	case IMPORT_PROTO:
		return import_proto_name(value);
	default:
		return NULL;
	}
}

static void span_put(enum import_number number, struct import_span span, const char *prefix,
		     struct weir_buf *text)
{
	/* What has names has no runs: "new-related" means nothing. */
	bool is_named =
		number == IMPORT_FAMILY || number == IMPORT_FRAGMENT || number == IMPORT_STATE;

	for (uint32_t value = span.from; is_named && value <= span.to; value++) {
		comma(text);
		weir_buf_addf(text, "%s%s", prefix, number_word(number, value));
	}
	if (is_named)
		return;
	comma(text);
	const char *word = span.from == span.to ? number_word(number, span.from) : NULL;
	weir_buf_add_str(text, prefix);
	if (word)
		weir_buf_add_str(text, word);
	else if (span.from == span.to)
		weir_buf_addf(text, "%u", span.from);
	else
		weir_buf_addf(text, "%u-%u", span.from, span.to);
}

static void spans_put(struct import *import, enum import_number number, struct import_spans spans,
		      struct weir_buf *text)
{
	struct import_spans rest =
		import_spans_not(&import->arena, spans, import_number_max(number));
	bool is_shorter = rest.count > 0 && rest.count < spans.count;
	struct import_spans shown = is_shorter ? rest : spans;

	for (size_t i = 0; i < shown.count; i++)
		span_put(number, shown.at[i], is_shorter ? "not " : "", text);
}

static void addrs_put(struct import_addrs addrs, const char *prefix, struct weir_buf *text)
{
	for (size_t i = 0; i < addrs.count; i++) {
		comma(text);
		weir_buf_add_str(text, prefix);
		import_addr_format(&addrs.at[i], text);
	}
}

static void words_put(struct import_words words, const char *prefix, struct weir_buf *text)
{
	for (size_t i = 0; i < words.count; i++) {
		comma(text);
		weir_buf_addf(text, "%s%s", prefix, words.at[i]);
	}
}

static void flag_names_put(uint8_t bits, struct weir_buf *text)
{
	bool is_first = true;

	for (unsigned i = 0; i < 8; i++)
		if (bits & (1u << i)) {
			weir_buf_addf(text, "%s%s", is_first ? "" : ",", import_flag_name(i));
			is_first = false;
		}
}

static void flags_put(struct import_flags flags, struct weir_buf *text)
{
	for (size_t i = 0; i < flags.count; i++) {
		struct import_flag_pair pair = flags.at[i];
		if (text->len)
			weir_buf_add_char(text, ' ');
		if (pair.value)
			flag_names_put(pair.value, text);
		else
			weir_buf_add_str(text, "none");
		weir_buf_add_char(text, '/');
		if (pair.mask == 0xff)
			weir_buf_add_str(text, "all");
		else
			flag_names_put(pair.mask, text);
	}
}

/* Runs of whole minutes: the readers see to that. */
static void hours_put(struct import_spans seconds, const char *days, struct weir_buf *text)
{
	for (size_t i = 0; i < seconds.count; i++) {
		uint32_t from = seconds.at[i].from / 60, to = (seconds.at[i].to + 1) / 60;
		comma(text);
		weir_buf_addf(text, "%s %02u:%02u-%02u:%02u", days, from / 60, from % 60, to / 60,
			      to % 60);
	}
}

static void schedule_put(struct import *import, const struct import_match *match,
			 struct weir_buf *text)
{
	bool has_days = import_match_has(match, IMPORT_DAY);
	struct import_spans days = match->number[IMPORT_DAY];
	struct import_spans all = import_spans_one(&import->arena, 0, 86399);
	struct import_spans seconds =
		import_match_has(match, IMPORT_SECOND) ? match->number[IMPORT_SECOND] : all;

	if (!has_days)
		hours_put(seconds, "mon-sun", text);
	for (size_t i = 0; has_days && i < days.count; i++) {
		_cleanup_buf_ struct weir_buf range = { 0 };
		weir_buf_add_str(&range, import_day_name(days.at[i].from));
		if (days.at[i].to > days.at[i].from)
			weir_buf_addf(&range, "-%s", import_day_name(days.at[i].to));
		hours_put(seconds, weir_buf_str(&range), text);
	}
}

static bool is_told_by_addr(const struct import_match *match)
{
	for (int end = 0; end < IMPORT_ENDS; end++) {
		const struct import_addrs *in = &match->addr[end].in;
		size_t literal = 0;
		while (literal < in->count && !in->at[literal].set)
			literal++;
		if (in->count && literal == in->count)
			return true;
	}
	return false;
}

struct writer {
	struct import *import;
	const struct import_match *match;
	put_fn *put;
	void *arg;
};

static void writer_put(const struct writer *writer, const char *key, struct weir_buf *text)
{
	if (text->len)
		writer->put(key, weir_buf_str(text), writer->arg);
	writer->import->arena.failed |= text->failed;
	weir_buf_clear(text);
}

static void writer_number(const struct writer *writer, const char *key, enum import_number number)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (!import_match_has(writer->match, number))
		return;
	spans_put(writer->import, number, writer->match->number[number], &text);
	writer_put(writer, key, &text);
}

static void writer_addr(const struct writer *writer, const char *key, enum import_end end)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	addrs_put(writer->match->addr[end].in, "", &text);
	addrs_put(writer->match->addr[end].out, "not ", &text);
	writer_put(writer, key, &text);
}

static void writer_ends(const struct writer *writer)
{
	if (!is_told_by_addr(writer->match))
		writer_number(writer, "family", IMPORT_FAMILY);
	writer_addr(writer, "src", IMPORT_SRC);
	writer_addr(writer, "dst", IMPORT_DST);
}

static void writer_rest(const struct writer *writer)
{
	static const struct {
		const char *key;
		enum import_number number;
	} rows[] = {
		{ "proto", IMPORT_PROTO },	   { "sport", IMPORT_SPORT },
		{ "dport", IMPORT_DPORT },	   { "icmp-type", IMPORT_ICMP_TYPE },
		{ "icmp-code", IMPORT_ICMP_CODE }, { "state", IMPORT_STATE },
		{ "fragment", IMPORT_FRAGMENT },   { "length", IMPORT_LENGTH },
		{ "dscp", IMPORT_DSCP },	   { "vlan", IMPORT_VLAN },
	};
	_cleanup_buf_ struct weir_buf text = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		writer_number(writer, rows[i].key, rows[i].number);
	if (writer->match->has_flags)
		flags_put(writer->match->flags, &text);
	writer_put(writer, "tcp-flags", &text);
	if (import_match_has(writer->match, IMPORT_DAY) ||
	    import_match_has(writer->match, IMPORT_SECOND))
		schedule_put(writer->import, writer->match, &text);
	writer_put(writer, "schedule", &text);
}

void import_fields_each(struct import *import, const struct import_flat *flat, put_fn *put,
			void *arg)
{
	struct writer writer = { .import = import, .match = &flat->match, .put = put, .arg = arg };
	const struct import_name_field *iface = &flat->match.iface[flat->way];
	_cleanup_buf_ struct weir_buf text = { 0 };

	words_put(iface->in, "", &text);
	words_put(iface->out, "not ", &text);
	writer_put(&writer, "interface", &text);
	put("direction", flat->way == IMPORT_IN ? "ingress" : "egress", arg);
	writer_ends(&writer);
	writer_rest(&writer);
}
