/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of services of run time: the table of health's keys, as arguments. */
#include "features/balance/health_given.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "features/balance/health_meaning.h"

#define PREFIX_MOST 128
#define NAME_BYTES 48 /* of an argument */

/* The keys of health, one behind the other, those of damping in its place. */
struct walk {
	char mark; /* between the words of a name: '-' or '_' */
	int (*each)(const struct weir_field *field, const char *name, size_t offset, void *arg);
	void *arg;
};

static int fields_walk(const struct weir_field *fields, const char *prefix, size_t offset,
		       const struct walk *walk)
{
	int r = 0;

	for (const struct weir_field *field = fields; field->key && !r; field++) {
		bool is_type = fields == health_fields && strcmp(field->key, "type") == 0;
		char name[NAME_BYTES];

		snprintf(name, sizeof(name), "%s%s%s", prefix, is_type ? "" : "-",
			 is_type ? "" : field->key);
		for (char *c = name; *c; c++)
			*c = *c == '-' ? walk->mark : *c;
		r = field->type == WEIR_FIELD_MAPPING ?
			    fields_walk(field->fields, name, offset + field->offset, walk) :
			    walk->each(field, name, offset + field->offset, walk->arg);
	}
	return r;
}

static int health_walk(const struct walk *walk)
{
	return fields_walk(health_fields, "health", 0, walk);
}

static bool is_type(const char *name)
{
	return strcmp(name, "health") == 0;
}

static int name_find(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

struct reading {
	const struct balance_edit *edit;
	struct health_text *text;
	char **words; /* of the command, where it is given */
};

static int time_read(const struct balance_edit *edit, const struct weir_field *field,
		     const char *name, struct weir_quantity *time)
{
	const char *text = balance_edit_str(edit, name);
	uint64_t ns = 0;

	if (!text || weir_duration_from_string(text, &ns) || ns < field->least || ns > field->most)
		return weir_diag_key(edit->diag, name, "write 50ms to 24h",
				     "'%.20s' is no time for checks", text ? text : "");
	*time = (struct weir_quantity){ .value = ns - ns % WEIR_NS_PER_MS };
	return 0;
}

/* 0 takes back what need not be there. */
static int number_read(const struct balance_edit *edit, const struct weir_field *field,
		       const char *name, uint32_t *number)
{
	const struct weir_json *value = weir_json_get(edit->args, name);
	const char *text = weir_json_str(value, NULL);
	bool is_zero = text ? strcmp(text, "0") == 0 : weir_json_int(value, 1) == 0;

	if (is_zero && !field->fallback) {
		*number = 0;
		return 0;
	}
	return balance_edit_number(edit, name, (uint32_t)field->least, (uint32_t)field->most, 0,
				   number);
}

static int choice_read(const struct balance_edit *edit, const struct weir_field *field,
		       const char *name, int *choice)
{
	_cleanup_buf_ struct weir_buf mend = { 0 };
	const char *text = balance_edit_str(edit, name);
	int found = text ? name_find(field->values, text) : -1;

	if (found >= 0) {
		*choice = found;
		return 0;
	}
	for (const char *const *value = field->values; *value; value++)
		weir_buf_addf(&mend, "%s%s", value == field->values ? "write one of: " : ", ",
			      *value);
	return weir_diag_key(edit->diag, name, weir_buf_str(&mend), "'%.20s' is not known",
			     text ? text : "");
}

/* An empty text is as none. */
static int word_read(const struct balance_edit *edit, const char *name, char **word)
{
	const char *text = balance_edit_str(edit, name);

	if (!text)
		return weir_diag_key(edit->diag, name, "write a text", "is no text");
	*word = *text ? (char *)text : NULL;
	return 0;
}

static int words_read(struct reading *reading, const char *name)
{
	const struct weir_json *list = weir_json_get(reading->edit->args, name);
	size_t count = weir_json_size(list);

	reading->words = calloc(count + 1, sizeof(char *));
	if (!reading->words)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const char *word = weir_json_str(weir_json_at(list, i), "");

		if (!*word)
			return weir_diag_key(reading->edit->diag, name,
					     "write [\"/usr/local/bin/check-web\", \"--quick\"]",
					     "the word %zu of them is empty, or no text", i + 1);
		reading->words[i] = (char *)word;
	}
	reading->text->command = reading->words;
	reading->text->command_count = (unsigned)count;
	return 0;
}

static int field_read(const struct weir_field *field, const char *name, size_t offset, void *arg)
{
	struct reading *reading = arg;
	const struct balance_edit *edit = reading->edit;
	void *at = (char *)reading->text + offset;

	if (is_type(name) || !weir_json_get(edit->args, name))
		return 0;
	switch (field->type) {
	case WEIR_FIELD_DURATION:
		return time_read(edit, field, name, at);
	case WEIR_FIELD_UINT:
		return number_read(edit, field, name, at);
	case WEIR_FIELD_ENUM:
		return choice_read(edit, field, name, at);
	case WEIR_FIELD_BOOL:
		*(bool *)at = balance_edit_flag(edit, name);
		return 0;
	case WEIR_FIELD_STRING:
		return word_read(edit, name, at);
	default:
		return words_read(reading, name);
	}
}

/* Nobody is to believe that backends are checked. */
static int unchecked_refuse(const struct weir_field *field, const char *name, size_t offset,
			    void *arg)
{
	const struct balance_edit *edit = arg;

	(void)field;
	(void)offset;
	if (is_type(name) || !weir_json_get(edit->args, name))
		return 0;
	return weir_diag_key(edit->diag, name, "give --health tcp, or another",
			     "without --health backends are not checked");
}

/*
 * A command runs as the daemon's user, who may do anything to this host, where an operator may only
 * do so to traffic; and a file that is named is read by him. Who gives no such thing may change all
 * else of the service.
 */
static int role_check(const struct balance_edit *edit)
{
	static const struct {
		const char *name, *what;
	} hosts[] = {
		{ "health-command", "a program is run as the daemon's user" },
		{ "health-ca", "a file of this host is read as the daemon's user" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(hosts) && edit->role < WEIR_ROLE_ADMIN; i++) {
		if (!weir_json_get(edit->args, hosts[i].name))
			continue;
		weir_diag_key(edit->diag, hosts[i].name,
			      "have an administrator give it, or write it in weir.yaml",
			      "%s: that needs the role admin; this caller is %s", hosts[i].what,
			      weir_role_name(edit->role));
		return -EACCES;
	}
	return 0;
}

/* Of another type goes what that has no use for. */
static int type_read(const struct balance_edit *edit, struct health_text *health)
{
	const char *text = balance_edit_str(edit, "health");
	int type = text ? name_find(health_type_names, text) : health->type;

	if (type < 0)
		return weir_diag_key(edit->diag, "health",
				     "write tcp, tls, http, https, udp, dns or command",
				     "'%.20s' is no check", text);
	if (type == HEALTH_NONE)
		*health = (struct health_text){ 0 };
	else if (health->type == HEALTH_NONE)
		health_text_default(health);
	if (type != health->type)
		health_type_set(health, type);
	return 0;
}

static int checks_read(struct reading *reading, const struct balance_text *service)
{
	const struct walk unchecked = { '-', unchecked_refuse, (void *)reading->edit },
			  given = { '-', field_read, reading };
	int r = role_check(reading->edit);

	if (!r)
		r = type_read(reading->edit, reading->text);
	if (r || reading->text->type == HEALTH_NONE)
		return r ? r : health_walk(&unchecked);
	r = health_walk(&given);
	return r ? r : health_given_check(service, reading->edit->diag);
}

static int all_down_read(const struct balance_edit *edit, struct balance_text *service)
{
	const char *text = balance_edit_str(edit, "on-all-down");
	int all_down = text ? name_find(health_all_down_names, text) : service->on_all_down;

	if (all_down < 0)
		return weir_diag_key(edit->diag, "on-all-down", "write refuse, keep-all or drop",
				     "'%.20s' is none of them", text);
	service->on_all_down = all_down;
	return 0;
}

/* Of who is remembered, which is read before. */
static int affinity_prefix_read(const struct balance_edit *edit, struct balance_text *service)
{
	uint32_t *prefix = &service->affinity.client_prefix;

	return balance_edit_number(edit, "affinity-prefix", 0, PREFIX_MOST, *prefix, prefix) ?:
		       balance_affinity_prefix_check(
			       service, "affinity-prefix",
			       "give --affinity 10m beside it, or leave it out", edit->diag);
}

int health_given_read(const struct balance_edit *edit, struct balance_text *service,
		      char ***ret_words)
{
	struct reading reading = { .edit = edit, .text = &service->health };
	int r = checks_read(&reading, service);

	if (!r)
		r = all_down_read(edit, service);
	if (!r)
		r = balance_edit_number(edit, "client-prefix", 0, PREFIX_MOST,
					service->client_prefix, &service->client_prefix);
	if (!r)
		r = balance_client_prefix_check(service, "client-prefix", edit->diag);
	if (!r)
		r = affinity_prefix_read(edit, service);
	*ret_words = reading.words;
	return r;
}

struct putting {
	struct weir_json_out *json;
	const struct health_text *text;
	struct health_text without;
	bool is_exact;	     /* times: to be read again */
	enum weir_role role; /* of who reads it */
};

static void time_put(const struct putting *putting, const char *name, uint64_t ns)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	if (putting->is_exact)
		weir_buf_addf(&text, "%llums", (unsigned long long)(ns / WEIR_NS_PER_MS));
	else
		weir_duration_format(ns, &text);
	weir_json_put_str(putting->json, name, weir_buf_str(&text));
}

static void words_put(const struct putting *putting, const char *name)
{
	const struct health_text *text = putting->text;

	weir_json_open_array(putting->json, name);
	for (unsigned i = 0; i < text->command_count; i++)
		weir_json_put_str(putting->json, NULL, text->command[i]);
	weir_json_close_array(putting->json);
}

/* Those four are told of each, whatever they are. */
static bool is_told(const struct health_text *text, const void *at)
{
	return at == &text->interval || at == &text->timeout || at == &text->rise ||
	       at == &text->fall;
}

static bool is_hidden(const struct putting *putting, const void *at)
{
	return putting->role < WEIR_ROLE_OPERATOR &&
	       (at == &putting->text->send || at == &putting->text->command);
}

static int field_put(const struct weir_field *field, const char *name, size_t offset, void *arg)
{
	const struct putting *putting = arg;
	const void *at = (const char *)putting->text + offset,
		   *without = (const char *)&putting->without + offset;
	bool is_told_of = is_told(putting->text, at);

	if (is_hidden(putting, at))
		return 0;
	switch (field->type) {
	case WEIR_FIELD_DURATION: {
		uint64_t ns = ((const struct weir_quantity *)at)->value;

		if (is_told_of || ns != ((const struct weir_quantity *)without)->value)
			time_put(putting, name, ns);
		break;
	}
	case WEIR_FIELD_UINT:
		if (is_told_of || *(const uint32_t *)at != *(const uint32_t *)without)
			weir_json_put_uint(putting->json, name, *(const uint32_t *)at);
		break;
	case WEIR_FIELD_ENUM:
		if (*(const int *)at != *(const int *)without)
			weir_json_put_str(putting->json, name, field->values[*(const int *)at]);
		break;
	case WEIR_FIELD_BOOL:
		if (*(const bool *)at)
			weir_json_put_bool(putting->json, name, true);
		break;
	case WEIR_FIELD_STRING:
		if (*(char *const *)at)
			weir_json_put_str(putting->json, name, *(char *const *)at);
		break;
	default:
		if (putting->text->command_count)
			words_put(putting, name);
	}
	return 0;
}

static void fields_put(struct putting *putting, char mark)
{
	const struct walk walk = { mark, field_put, putting };

	if (putting->text->type == HEALTH_NONE)
		return;
	health_text_default(&putting->without);
	health_walk(&walk);
}

void health_given_put(const struct health_text *health, struct weir_json_out *json)
{
	struct putting putting = {
		.json = json, .text = health, .is_exact = true, .role = WEIR_ROLE_ADMIN
	};

	fields_put(&putting, '-');
}

void health_given_show(const struct health_text *health, enum weir_role role,
		       struct weir_json_out *json)
{
	struct putting putting = { .json = json, .text = health, .role = role };

	fields_put(&putting, '_');
}
