/* SPDX-License-Identifier: Apache-2.0 */
/* `health` of services of run time, which have words of their own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "features/balance/health_text.h"

/* Those of health_fields that are of this type; `at` NULL begins. */
static const struct weir_field *field_next(const struct weir_field *at, enum weir_field_type type)
{
	at = at ? at + 1 : health_fields;
	while (at->key && at->type != type)
		at++;
	return at->key ? at : NULL;
}

static void command_done(struct health_text *text)
{
	for (unsigned i = 0; i < text->command_count; i++)
		free(text->command[i]);
	free(text->command);
}

void health_text_done(struct health_text *text)
{
	const struct weir_field *field = NULL;

	while ((field = field_next(field, WEIR_FIELD_STRING)))
		free(*(char **)((char *)text + field->offset));
	command_done(text);
	*text = (struct health_text){ 0 };
}

static bool command_copy(const struct health_text *from, struct health_text *to)
{
	to->command = calloc(from->command_count + 1ul, sizeof(char *));
	for (unsigned i = 0; to->command && i < from->command_count; i++) {
		to->command[i] = strdup(from->command[i]);
		if (!to->command[i])
			return false;
		to->command_count++;
	}
	return to->command;
}

int health_text_copy(const struct health_text *from, struct health_text *ret_text)
{
	struct health_text copy = *from;
	const struct weir_field *field = NULL;
	bool is_whole = true;

	copy.command = NULL;
	copy.command_count = 0;
	copy.interval.text = copy.timeout.text = NULL; /* the file's own */
	copy.damping.within.text = copy.damping.hold.text = copy.damping.hold_most.text = NULL;
	while ((field = field_next(field, WEIR_FIELD_STRING))) {
		char **word = (char **)((char *)&copy + field->offset);

		if (!*word)
			continue;
		*word = strdup(*word);
		is_whole = is_whole && *word;
	}
	if (from->command_count)
		is_whole = command_copy(from, &copy) && is_whole;
	if (!is_whole) {
		health_text_done(&copy);
		return -ENOMEM;
	}
	*ret_text = copy;
	return 0;
}
