/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the nodes of yaml_mark.h from libyaml's events; finding one by its path is yaml_find.c's.
 */
#include "core/yaml_mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "core/yaml_text.h"

/* Node 0 is never used, so that index 0 can say "none". */
struct weir_yaml {
	struct weir_yaml_node *nodes;
	uint32_t count;
	uint32_t capacity;
	uint32_t root;
};

/* A mapping or sequence that is not closed yet. */
struct open_node {
	uint32_t node;
	uint32_t last_child;
};

struct builder {
	yaml_parser_t *parser;
	struct weir_yaml *yaml;
	struct weir_diag *diag;
	struct open_node open[WEIR_YAML_DEPTH_MAX];
	unsigned depth;
	unsigned documents;
	size_t errors; /* told of, and worth going on to find more */
};

void weir_yaml_free(struct weir_yaml *yaml)
{
	if (!yaml)
		return;
	for (uint32_t i = 1; i < yaml->count; i++)
		free(yaml->nodes[i].text);
	free(yaml->nodes);
	free(yaml);
}

static void diag_place(struct weir_diag *diag, const yaml_mark_t *mark)
{
	struct weir_diag_entry *entry = weir_diag_last(diag);
	if (!entry)
		return;
	entry->line = (unsigned)mark->line + 1;
	entry->column = (unsigned)mark->column + 1;
}

/* libyaml's words for what it met, and ours for a person who wants the file to work. */
static const struct {
	const char *problem;
	const char *what;
	const char *mend;
} syntax_words[] = {
	{ "found a tab character that violates indentation", "a tab indents this line",
	  "replace the tab by spaces: YAML indents by spaces only" },
	{ "mapping values are not allowed in this context", "a ':' that cannot start a value here",
	  "quote a value that holds ': ', put ':' after the key above, or mend the indentation" },
	{ "did not find expected key", "expected a key here",
	  "indent this line like the other keys beside it" },
	{ "did not find expected '-' indicator", "expected a list entry here",
	  "indent this line like the entries beside it, or start it with '- '" },
	{ "could not find expected ':'", "the line before ends without ':' and value",
	  "write it as 'key: value'" },
	{ "did not find expected ',' or ']'", "expected ',' or ']' here",
	  "close the list with ']', or put ',' between its entries" },
	{ "did not find expected ',' or '}'", "expected ',' or '}' here",
	  "close the braces with '}', or put ',' between the keys" },
	{ "found unexpected end of stream", "quotes that are never closed", "close them" },
	{ "found unexpected document indicator", "quotes that are never closed", "close them" },
	{ "block sequence entries are not allowed in this context", "a list cannot start here",
	  "put the first '- ' on a line of its own, below the key" },
	{ "did not find expected <document start>", "the document ended before this line",
	  "indent this line like the first key of the file, or write it as 'key: value'" },
	{ "found unknown escape character", "this escape is not known inside double quotes",
	  "write \\\\ for a backslash, or use single quotes" },
};

/* The byte at a mark, which counts in characters; 0 at the end of the text. */
static char text_at(const char *text, size_t len, const yaml_mark_t *mark)
{
	const char *end = text + len;
	for (size_t line = 0; line < mark->line; line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			return 0;
		text = newline + 1;
	}
	size_t column = 0;
	for (; text < end; text++)
		if ((*text & 0xc0) != 0x80 && column++ == mark->column)
			return *text;
	return 0;
}

/* The end of the text tells nobody where quotes were forgotten: their start does. */
static bool is_about_quotes(const char *problem)
{
	return strncmp(problem, "found unexpected ", strlen("found unexpected ")) == 0;
}

static bool is_about_opening(const char *problem)
{
	return strncmp(problem, "did not find expected ',' or ", 29) == 0;
}

static int syntax_tell(const yaml_parser_t *parser, const char *text, size_t len,
		       struct weir_diag *diag)
{
	const char *problem = parser->problem ? parser->problem : "not YAML";
	const yaml_mark_t *mark = &parser->problem_mark;
	const char *what = problem;
	const char *mend = "see the lines just before: quotes, brackets and indentation";
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(syntax_words); i++) {
		if (strcmp(problem, syntax_words[i].problem) != 0)
			continue;
		what = syntax_words[i].what;
		mend = syntax_words[i].mend;
	}
	bool bad_token = strcmp(problem, "found character that cannot start any token") == 0;
	if (bad_token && text_at(text, len, mark) == '\t') {
		what = syntax_words[0].what;
		mend = syntax_words[0].mend;
	} else if (bad_token) {
		what = "a value cannot start with this character";
		mend = "put the value in quotes";
	}
	bool opened_above = is_about_opening(problem) && parser->context_mark.line < mark->line;
	if (opened_above)
		weir_diag_error(diag, mend, "%s: the bracket of line %zu is still open", what,
				parser->context_mark.line + 1);
	else
		weir_diag_error(diag, mend, "%s", what);
	diag_place(diag, is_about_quotes(problem) ? &parser->context_mark : mark);
	return -EINVAL;
}

/* The first event that cannot be is the end; libyaml cannot go on after one. */
static int parser_fail(const struct builder *builder, const char *text, size_t len)
{
	if (builder->parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return syntax_tell(builder->parser, text, len, builder->diag);
}

/* Tells of `word` at the mark; the reading goes on, to find what else is wrong. */
static void builder_refuse(struct builder *builder, const yaml_mark_t *mark, const char *what,
			   const char *word, const char *mend)
{
	char shown[WEIR_TEXT_SHOWN];
	builder->errors++;
	weir_diag_error(builder->diag, mend, "%s: %s", what, weir_text_shorten(word, shown));
	diag_place(builder->diag, mark);
}

static int nodes_reserve(struct weir_yaml *yaml)
{
	if (yaml->count < yaml->capacity)
		return 0;
	uint32_t capacity = yaml->capacity ? yaml->capacity * 2 : 64;
	struct weir_yaml_node *nodes = reallocarray(yaml->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	yaml->nodes = nodes;
	yaml->capacity = capacity;
	if (yaml->count == 0)
		yaml->nodes[yaml->count++] = (struct weir_yaml_node){ 0 };
	return 0;
}

/* Takes `text`, also on failure. */
static int node_add(struct builder *builder, enum weir_yaml_kind kind, const yaml_event_t *event,
		    char *text)
{
	struct weir_yaml *yaml = builder->yaml;
	if (nodes_reserve(yaml) < 0) {
		free(text);
		return -ENOMEM;
	}
	uint32_t index = yaml->count++;
	yaml->nodes[index] = (struct weir_yaml_node){
		.kind = kind,
		.line = (uint32_t)event->start_mark.line + 1,
		.column = (uint32_t)event->start_mark.column + 1,
		.text = text,
	};
	if (builder->depth == 0) {
		yaml->root = index;
		return 0;
	}
	struct open_node *parent = &builder->open[builder->depth - 1];
	if (parent->last_child)
		yaml->nodes[parent->last_child].next = index;
	else
		yaml->nodes[parent->node].child = index;
	parent->last_child = index;
	return 0;
}

static void tag_refuse(struct builder *builder, const yaml_event_t *event, const yaml_char_t *tag)
{
	if (tag)
		builder_refuse(builder, &event->start_mark, "a tag means nothing here",
			       (const char *)tag, "leave it out");
}

static int scalar_add(struct builder *builder, yaml_event_t *event)
{
	size_t len = event->data.scalar.length;
	char *text = (char *)weir_take(event->data.scalar.value);
	tag_refuse(builder, event, event->data.scalar.tag);
	if (memchr(text, 0, len))
		builder_refuse(builder, &event->start_mark, "a NUL character inside a value", text,
			       "leave the \\0 out");
	return node_add(builder, WEIR_YAML_SCALAR, event, text);
}

static int container_open(struct builder *builder, enum weir_yaml_kind kind,
			  const yaml_event_t *event, const yaml_char_t *tag)
{
	tag_refuse(builder, event, tag);
	if (builder->depth == WEIR_YAML_DEPTH_MAX) {
		weir_diag_error(builder->diag, "no key of a configuration lies as deep",
				"more than %u levels inside one another", WEIR_YAML_DEPTH_MAX);
		diag_place(builder->diag, &event->start_mark);
		return -EINVAL;
	}
	int r = node_add(builder, kind, event, NULL);
	if (r < 0)
		return r;
	builder->open[builder->depth++] = (struct open_node){ builder->yaml->count - 1, 0 };
	return 0;
}

static int event_add(struct builder *builder, yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (builder->documents++ == 0)
			return 0;
		weir_diag_error(builder->diag, "keep one document: leave out this '---'",
				"a second document starts here");
		diag_place(builder->diag, &event->start_mark);
		return -EINVAL;
	case YAML_ALIAS_EVENT:
		builder_refuse(builder, &event->start_mark, "aliases are not understood",
			       (const char *)event->data.alias.anchor, "write the value itself");
		return node_add(builder, WEIR_YAML_SCALAR, event, NULL);
	case YAML_SCALAR_EVENT:
		return scalar_add(builder, event);
	case YAML_MAPPING_START_EVENT:
		return container_open(builder, WEIR_YAML_MAPPING, event,
				      event->data.mapping_start.tag);
	case YAML_SEQUENCE_START_EVENT:
		return container_open(builder, WEIR_YAML_SEQUENCE, event,
				      event->data.sequence_start.tag);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		builder->depth--;
		return 0;
	default:
		return 0;
	}
}

static int events_read(struct builder *builder, const char *text, size_t len)
{
	for (bool end = false; !end;) {
		yaml_event_t event;
		if (!yaml_parser_parse(builder->parser, &event))
			return parser_fail(builder, text, len);
		end = event.type == YAML_STREAM_END_EVENT;
		int r = event_add(builder, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return builder->errors ? -EINVAL : 0;
}

static int document_read(const char *text, size_t len, struct weir_diag *diag,
			 struct weir_yaml *yaml)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	struct builder builder = { .parser = &parser, .yaml = yaml, .diag = diag };
	int r = events_read(&builder, text, len);
	yaml_parser_delete(&parser);
	return r;
}

int weir_yaml_parse(const char *text, size_t len, struct weir_diag *diag,
		    struct weir_yaml **ret_yaml)
{
	int r = weir_yaml_text_check(text, len, diag);
	if (r < 0)
		return r;
	_cleanup_yaml_ struct weir_yaml *yaml = calloc(1, sizeof(*yaml));
	r = yaml ? document_read(text, len, diag, yaml) : -ENOMEM;
	if (r < 0)
		return r;
	*ret_yaml = weir_take(yaml);
	return 0;
}

const struct weir_yaml_node *weir_yaml_root(const struct weir_yaml *yaml)
{
	return yaml->root ? &yaml->nodes[yaml->root] : NULL;
}

const struct weir_yaml_node *weir_yaml_child(const struct weir_yaml *yaml,
					     const struct weir_yaml_node *node)
{
	return node->child ? &yaml->nodes[node->child] : NULL;
}

const struct weir_yaml_node *weir_yaml_next(const struct weir_yaml *yaml,
					    const struct weir_yaml_node *node)
{
	return node->next ? &yaml->nodes[node->next] : NULL;
}
