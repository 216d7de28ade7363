/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, right and wrong, against a made-up table. */
#include "cli/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/fake_ops.h"
#include "cli/remote.h"

#define WORDS_MAX 16

struct parsed {
	struct weir_verbs verbs;
	struct weir_diag diag;
	struct weir_command command;
	int result;
	char line[256];
	char *words[WORDS_MAX];
};

/* Words of `line` apart by one blank; "weir" comes in front by itself. */
static void parse(struct parsed *parsed, const char *line)
{
	int count = 0;

	memset(parsed, 0, sizeof(*parsed));
	assert_int_equal(weir_verbs_init(&parsed->verbs, fake_op_at, fake_locals), 0);
	memcpy(parsed->line, line, strlen(line) + 1);
	static char program[] = "weir";
	parsed->words[count++] = program;
	for (char *at = parsed->line; *at && count < WORDS_MAX;) {
		size_t len = strcspn(at, " ");
		char *next = at[len] ? at + len + 1 : at + len;

		parsed->words[count++] = at;
		at[len] = '\0';
		at = next;
	}
	parsed->result = weir_command_parse(&parsed->verbs, count, parsed->words, &parsed->diag,
					    &parsed->command);
}

static void parsed_done(struct parsed *parsed)
{
	weir_diag_done(&parsed->diag);
	weir_verbs_done(&parsed->verbs);
}

#define _cleanup_parsed_ __attribute__((cleanup(parsed_done)))

static void assert_verb(const char *line, const char *name)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, line);
	assert_int_equal(parsed.result, 0);
	assert_non_null(parsed.command.verb);
	assert_string_equal(parsed.command.verb->op->name, name);
}

static void assert_value(const char *line, const char *name, const char *value)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, line);
	assert_int_equal(parsed.result, 0);
	assert_string_equal(weir_command_str(&parsed.command, name), value);
}

static void assert_refused(const char *line, const char *what, const char *mend)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, line);
	assert_int_equal(parsed.result, -EINVAL);
	assert_true(parsed.diag.count > 0);
	assert_string_equal(parsed.diag.entries[0].what, what);
	assert_string_equal(parsed.diag.entries[0].mend, mend);
}

static void verb_may_have_two_words(void **state)
{
	assert_verb("pool list", "pool.list");
	assert_verb("pool member add a", "pool.member.add");
	assert_verb("pool member del", "pool.member.del");
	assert_refused("pool member ad a", "unknown verb 'pool member ad'",
		       "did you mean 'weir pool member add'?");
	assert_refused("pool xyzzyx", "unknown verb 'pool xyzzyx'",
		       "there are: list, member add, member del");
}

static void part_of_a_verb_is_no_verb(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "pool member");
	assert_null(parsed.command.verb);
	assert_string_equal(parsed.command.noun, "pool");
}

static void what_may_be_many_is_put_together(void **state)
{
	assert_value("pool member add a --tag x", "tag", "x");
	assert_value("pool member add a --tag x --tag=y,z", "tag", "x,y,z");
	assert_value("pool member add a --tag x --tag y", "pool", "a");
	assert_refused("block add 192.0.2.1 --note a --note b", "note: given twice",
		       "give it once");
}

static void words_are_an_array_in_their_order(void **state)
{
	_cleanup_parsed_ struct parsed parsed;
	_cleanup_buf_ struct weir_buf target = { 0 }, body = { 0 };

	parse(&parsed, "pool member add a --word /bin/x --tag t --word=--quick --word b,c");
	assert_int_equal(parsed.result, 0);
	assert_int_equal(weir_remote_compose(&parsed.command, &target, &body), 0);
	assert_string_equal(weir_buf_str(&body),
			    "{\"pool\":\"a\",\"word\":[\"/bin/x\",\"--quick\",\"b,c\"],"
			    "\"tag\":\"t\"}");
}

static void one_word_is_its_operation(void **state)
{
	assert_verb("status", "status");
}

static void two_words_are_noun_and_verb(void **state)
{
	assert_verb("block list", "block.list");
}

static void global_flag_may_stand_anywhere(void **state)
{
	assert_value("--socket /tmp/a block list", "socket", "/tmp/a");
	assert_value("block --socket /tmp/a list", "socket", "/tmp/a");
	assert_value("block list --socket=/tmp/a", "socket", "/tmp/a");
}

static void positional_takes_the_word_without_a_flag(void **state)
{
	assert_value("block add 192.0.2.1 --ttl 10m", "entry", "192.0.2.1");
	assert_value("block add --ttl 10m 192.0.2.1", "entry", "192.0.2.1");
}

static void flag_alone_is_true(void **state)
{
	assert_value("block add 192.0.2.1 --quiet", "quiet", "true");
	assert_value("block add --quiet 192.0.2.1", "entry", "192.0.2.1");
}

static void flag_may_be_set_false(void **state)
{
	assert_value("block add 192.0.2.1 --quiet=false", "quiet", "false");
}

static void dash_alone_is_a_file(void **state)
{
	assert_value("block import - --list a", "file", "-");
}

static void two_dashes_end_the_flags(void **state)
{
	assert_value("block import --list a -- --odd-name", "file", "--odd-name");
}

static void upload_wants_its_file(void **state)
{
	assert_refused("block import --list a", "FILE is missing",
		       "file to send; - is standard input");
}

static void required_flag_is_named_when_missing(void **state)
{
	assert_refused("block import x", "--list NAME is missing", "which list");
}

static void unknown_noun_gets_the_nearest(void **state)
{
	assert_refused("blokc add", "unknown command 'blokc'", "did you mean 'weir block'?");
	assert_refused("interf attach", "unknown command 'interf'",
		       "did you mean 'weir interface'?");
}

static void unknown_noun_far_from_all_gets_the_overview(void **state)
{
	assert_refused("zzzzzz", "unknown command 'zzzzzz'", "'weir help' shows all there are");
}

static void unknown_verb_gets_the_nearest(void **state)
{
	assert_refused("block lits", "unknown verb 'block lits'",
		       "did you mean 'weir block list'?");
}

static void unknown_verb_far_from_all_gets_the_list(void **state)
{
	assert_refused("block frobnicate", "unknown verb 'block frobnicate'",
		       "there are: add, list, import, export");
}

static void unknown_flag_gets_the_nearest(void **state)
{
	assert_refused("block add 192.0.2.1 --tll 5m", "unknown flag --tll", "did you mean --ttl?");
	assert_refused("block list --jsno", "unknown flag --jsno", "did you mean --json?");
}

static void unknown_flag_is_the_only_complaint(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "block add 192.0.2.1 --tll 5m");
	assert_int_equal(parsed.diag.count, 1);
}

static void flag_given_twice_is_refused(void **state)
{
	assert_refused("block list --limit 1 --limit 2", "limit: given twice", "give it once");
}

static void flag_without_its_value_is_refused(void **state)
{
	assert_refused("block list --limit", "--limit wants a value (N)",
		       "write its value after it");
}

static void number_must_be_digits(void **state)
{
	assert_refused("block list --limit -5", "limit: '-5' is not a whole number",
		       "write digits, as in 100");
	assert_refused("block list --limit 99999999999999999999",
		       "limit: '99999999999999999999' is not a whole number",
		       "write digits, as in 100");
}

static void duration_must_have_a_unit(void **state)
{
	assert_refused("block add 192.0.2.1 --ttl 10", "ttl: '10' is not a duration",
		       "write a number and a unit, as in 30s, 10m, 1h, 7d");
}

static void address_must_be_one(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "block add 192.0.2.1/33");
	assert_int_equal(parsed.result, -EINVAL);
	assert_non_null(strstr(parsed.diag.entries[0].what, "192.0.2.1/33"));
}

static void choice_must_be_one_of_them(void **state)
{
	assert_refused("block import x --list a --format xml",
		       "format: 'xml' is not one of the choices", "write one of: auto, text, csv");
}

static void word_too_many_is_refused(void **state)
{
	assert_refused("block list here", "'here' is one word too many",
		       "see --help for what there is");
}

static void expect_on_a_read_is_refused(void **state)
{
	assert_refused("block list --expect 5", "--expect is for verbs that change something",
		       "leave it away");
}

static void expect_on_a_write_is_taken(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "block add 192.0.2.1 --expect 18446744073709551615");
	assert_int_equal(parsed.result, 0);
	assert_true(weir_command_uint(&parsed.command, "expect", 0) == UINT64_MAX);
}

static void help_forgives_what_is_missing(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "block add --help");
	assert_int_equal(parsed.result, 0);
	assert_true(parsed.command.help);
	assert_string_equal(parsed.command.verb->op->name, "block.add");
}

static void noun_alone_has_no_verb(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "block");
	assert_int_equal(parsed.result, 0);
	assert_null(parsed.command.verb);
	assert_string_equal(parsed.command.noun, "block");
}

static void operation_with_a_local_twin_falls_back(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "status");
	assert_int_equal(parsed.command.verb->place, WEIR_VERB_FALLBACK);
	assert_string_equal(parsed.command.verb->op->summary, "Show what there is");
}

static void local_verb_is_found(void **state)
{
	_cleanup_parsed_ struct parsed parsed;

	parse(&parsed, "check");
	assert_int_equal(parsed.command.verb->place, WEIR_VERB_LOCAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_word_is_its_operation),
		cmocka_unit_test(verb_may_have_two_words),
		cmocka_unit_test(part_of_a_verb_is_no_verb),
		cmocka_unit_test(what_may_be_many_is_put_together),
		cmocka_unit_test(words_are_an_array_in_their_order),
		cmocka_unit_test(two_words_are_noun_and_verb),
		cmocka_unit_test(global_flag_may_stand_anywhere),
		cmocka_unit_test(positional_takes_the_word_without_a_flag),
		cmocka_unit_test(flag_alone_is_true),
		cmocka_unit_test(flag_may_be_set_false),
		cmocka_unit_test(dash_alone_is_a_file),
		cmocka_unit_test(two_dashes_end_the_flags),
		cmocka_unit_test(upload_wants_its_file),
		cmocka_unit_test(required_flag_is_named_when_missing),
		cmocka_unit_test(unknown_noun_gets_the_nearest),
		cmocka_unit_test(unknown_noun_far_from_all_gets_the_overview),
		cmocka_unit_test(unknown_verb_gets_the_nearest),
		cmocka_unit_test(unknown_verb_far_from_all_gets_the_list),
		cmocka_unit_test(unknown_flag_gets_the_nearest),
		cmocka_unit_test(unknown_flag_is_the_only_complaint),
		cmocka_unit_test(flag_given_twice_is_refused),
		cmocka_unit_test(flag_without_its_value_is_refused),
		cmocka_unit_test(number_must_be_digits),
		cmocka_unit_test(duration_must_have_a_unit),
		cmocka_unit_test(address_must_be_one),
		cmocka_unit_test(choice_must_be_one_of_them),
		cmocka_unit_test(word_too_many_is_refused),
		cmocka_unit_test(expect_on_a_read_is_refused),
		cmocka_unit_test(expect_on_a_write_is_taken),
		cmocka_unit_test(help_forgives_what_is_missing),
		cmocka_unit_test(noun_alone_has_no_verb),
		cmocka_unit_test(operation_with_a_local_twin_falls_back),
		cmocka_unit_test(local_verb_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
