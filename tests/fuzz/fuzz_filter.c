/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads any bytes as a filter. Right means that refusal is told at a place inside of the text, and
 * that what is read keeps to logic: `not` of it lets pass what it does not, twice it is itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define THINGS 16

enum {
	SRC,
	HOST,
	PORT,
	STATE,
	SIZE,
	AGE,
	NAME,
	NONE
};

static const char *const states[] = { "new", "established", "related", NULL };
static const struct weir_filter_field fields[] = {
	[SRC] = { "src", "", WEIR_FILTER_ADDRESS },
	[HOST] = { "host", "", WEIR_FILTER_ADDRESS },
	[PORT] = { "port", "", WEIR_FILTER_NUMBER, .max = 65535 },
	[STATE] = { "state", "", WEIR_FILTER_WORD, .words = states },
	[SIZE] = { "bytes", "", WEIR_FILTER_BYTES },
	[AGE] = { "age", "", WEIR_FILTER_DURATION },
	[NAME] = { "name", "", WEIR_FILTER_TEXT },
	[NONE] = { "none", "", WEIR_FILTER_NUMBER },
	{ NULL },
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* What is asked, and how often. */
struct thing {
	unsigned number;
	unsigned *asked;
};

static struct weir_addr addr_of(unsigned number)
{
	struct weir_addr addr = { 0 };
	uint8_t *bytes = (uint8_t *)&addr;
	if (number % 2)
		bytes[10] = bytes[11] = 0xff;
	bytes[number % 4 ? 12 : 0] = (uint8_t)(10 * number);
	bytes[15] = (uint8_t)number;
	return addr;
}

static size_t thing_get(const void *item, size_t field,
			union weir_filter_value values[WEIR_FILTER_EITHER_MAX])
{
	static const char *const names[] = { "", "eth0", "a b", "\xff*\\" };
	const struct thing *thing = item;
	unsigned number = thing->number;
	++*thing->asked;
	must(field <= NONE);
	if (field == SRC || field == HOST)
		values[0].addr = addr_of(number);
	else if (field == STATE)
		values[0].word = number % 3;
	else if (field == NAME)
		values[0].text = names[number % 4];
	else
		values[0].number = (uint64_t)number << (4 * number % 64);
	if (field == HOST)
		values[1].addr = addr_of(number + 1);
	if (field == PORT)
		values[1].number = 80;
	return field == NONE ? 0 : field == HOST || field == PORT ? 2 : 1;
}

/* Which of the things pass, a bit each. */
static unsigned passing(const struct weir_filter *filter)
{
	unsigned bits = 0;
	for (unsigned i = 0; i < THINGS; i++) {
		unsigned asked = 0;
		struct thing thing = { i, &asked };
		bits |= (unsigned)weir_filter_matches(filter, thing_get, &thing) << i;
		must(asked <= WEIR_FILTER_TESTS_MAX);
	}
	return bits;
}

/* At a limit the longer one is refused: then there is nothing to compare. */
static void check_made(const char *before, const char *between, const char *text, unsigned expected)
{
	_cleanup_buf_ struct weir_buf made = { 0 };
	_cleanup_filter_ struct weir_filter *filter = NULL;
	weir_buf_addf(&made, "%s(%s)", before, text);
	if (between)
		weir_buf_addf(&made, "%s(%s)", between, text);
	must(!made.failed);
	if (weir_filter_new(weir_buf_str(&made), fields, NULL, &filter) == 0)
		must(passing(filter) == expected);
}

static void check_refusal(const char *text, const struct weir_diag *diag)
{
	must(diag->errors == 1 && diag->count == 1);
	must(diag->entries[0].column >= 1 && diag->entries[0].column <= strlen(text) + 1);
	must(diag->entries[0].mend && diag->entries[0].mend[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own length, so that reading past the end is a fault. */
	char *text = malloc(size + 1);
	must(text);
	memcpy(text, data, size);
	text[size] = '\0';

	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_filter_ struct weir_filter *filter = NULL;
	int r = weir_filter_new(text, fields, &diag, &filter);
	must(r == 0 ? diag.count == 0 : !filter);
	if (r < 0) {
		check_refusal(text, &diag);
	} else {
		unsigned passed = passing(filter), all = (1u << THINGS) - 1;
		check_made("", NULL, text, passed);
		check_made("not ", NULL, text, all & ~passed);
		check_made("", " and ", text, passed);
		check_made("", "||", text, passed);
		check_made("", " or not ", text, all);
		check_made("", " not ", text, 0);
	}
	free(text);
	return 0;
}
