/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists written in the forms that block_formats.c reads, so that what is exported can be imported
 * again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "features/block/block_formats.h"

struct export
{
	struct weir_buf *text;
	enum block_format format;
	const struct block_now *now;
	struct weir_json_out json;
	enum block_family family; /* of this pass, where the format separates them */
};

/* A note may hold anything; on one line only what ends no line may stand. */
static void put_line_note(struct weir_buf *text, const char *note)
{
	weir_buf_add_str(text, " # ");
	weir_buf_add_visible(text, note);
}

static int export_text(struct export *export, const struct block_shown *shown)
{
	char entry[WEIR_RANGE_TEXT];
	weir_buf_add_str(export->text, weir_range_to_string(&shown->range, entry));
	if (shown->note)
		put_line_note(export->text, shown->note);
	return weir_buf_add_char(export->text, '\n');
}

static void put_quoted(struct weir_buf *text, const char *value)
{
	weir_buf_add_char(text, '"');
	for (const char *p = value; *p; p++) {
		if (*p == '"')
			weir_buf_add_char(text, '"');
		weir_buf_add_char(text, *p == '\n' || *p == '\r' ? ' ' : *p);
	}
	weir_buf_add_char(text, '"');
}

static int export_csv(struct export *export, const struct block_shown *shown)
{
	char entry[WEIR_RANGE_TEXT], until[21];
	weir_buf_add_str(export->text, weir_range_to_string(&shown->range, entry));
	weir_buf_add_char(export->text, ',');
	if (shown->note)
		put_quoted(export->text, shown->note);
	weir_buf_add_char(export->text, ',');
	if (shown->until_ns)
		weir_buf_add_str(export->text, weir_clock_format(shown->until_ns, until));
	return weir_buf_add_char(export->text, '\n');
}

static int export_json(struct export *export, const struct block_shown *shown)
{
	char entry[WEIR_RANGE_TEXT];
	weir_range_to_string(&shown->range, entry);
	if (!shown->note && !shown->until_ns) {
		weir_json_put_str(&export->json, NULL, entry);
		return weir_buf_add_char(export->text, '\n');
	}
	weir_json_open_object(&export->json, NULL);
	weir_json_put_str(&export->json, "entry", entry);
	if (shown->note)
		weir_json_put_str(&export->json, "note", shown->note);
	if (shown->until_ns)
		weir_json_put_time(&export->json, "until", shown->until_ns);
	weir_json_close_object(&export->json);
	return weir_buf_add_char(export->text, '\n');
}

static void put_ipset_prefix(struct export *export, const struct block_shown *shown,
			     const struct weir_prefix *prefix)
{
	char entry[WEIR_RANGE_TEXT];
	bool is_v4 = export->family == BLOCK_V4;
	weir_buf_addf(export->text, "add %s%s %s", shown->list->name, is_v4 ? "" : "-v6",
		      weir_prefix_to_string(prefix, entry));
	if (shown->until_ns)
		weir_buf_addf(export->text, " timeout %llu",
			      (unsigned long long)((shown->until_ns - export->now->real_ns) /
							   WEIR_NS_PER_S +
						   1));
	weir_buf_add_char(export->text, '\n');
}

/* hash:net knows neither ranges nor /0: the fewest prefixes, and a /0 as two halves. */
static int export_netset(struct export *export, const struct block_shown *shown)
{
	if (block_family_of(&shown->range) != export->family)
		return 0;
	struct weir_prefix prefixes[WEIR_RANGE_PREFIXES_MAX];
	size_t count = weir_range_to_prefixes(&shown->range, prefixes);
	unsigned widest = export->family == BLOCK_V4 ? 96 : 0;
	for (size_t i = 0; i < count; i++) {
		struct weir_prefix half = prefixes[i];
		if (half.length == widest) {
			half.length++;
			put_ipset_prefix(export, shown, &half);
			half.addr.bytes[widest / 8] |= 0x80;
		}
		put_ipset_prefix(export, shown, &half);
	}
	return export->text->failed ? -1 : 0;
}

static int export_visit(const struct block_shown *shown, void *arg)
{
	struct export *export = arg;
	if (shown->until_ns && shown->until_ns <= export->now->real_ns)
		return 0;
	switch (export->format) {
	case BLOCK_FORMAT_CSV:
		return export_csv(export, shown);
	case BLOCK_FORMAT_JSON:
		return export_json(export, shown);
	case BLOCK_FORMAT_NETSET:
		return export_netset(export, shown);
	default:
		return export_text(export, shown);
	}
}

static void export_ipset(struct export *export, const struct block_list *list)
{
	for (int family = 0; family < BLOCK_FAMILIES; family++) {
		size_t count = block_list_count(list, (enum block_family)family);
		if (!count)
			continue;
		export->family = (enum block_family)family;
		weir_buf_addf(export->text,
			      "create %s%s hash:net family %s maxelem %zu timeout 0\n", list->name,
			      family == BLOCK_V4 ? "" : "-v6",
			      family == BLOCK_V4 ? "inet" : "inet6",
			      count < 65536 ? 65536 : count * 2);
		block_list_each(list, export_visit, export);
	}
}

void block_export_write(const struct block_list *const *lists, size_t count,
			enum block_format format, const struct block_now *now,
			struct weir_buf *text)
{
	struct export export = {
		.text = text, .format = format, .now = now, .json = { .out = text }
	};
	if (format == BLOCK_FORMAT_CSV)
		weir_buf_add_str(text, "entry,note,until\n");
	if (format == BLOCK_FORMAT_JSON)
		weir_json_open_array(&export.json, NULL);
	for (size_t i = 0; i < count; i++) {
		if (format == BLOCK_FORMAT_TEXT || format == BLOCK_FORMAT_AUTO)
			weir_buf_addf(text, "# %s list %s\n", block_action_names[lists[i]->action],
				      lists[i]->name);
		if (format == BLOCK_FORMAT_NETSET)
			export_ipset(&export, lists[i]);
		else
			block_list_each(lists[i], export_visit, &export);
	}
	if (format == BLOCK_FORMAT_JSON) {
		weir_json_close_array(&export.json);
		weir_buf_add_char(text, '\n');
	}
}
