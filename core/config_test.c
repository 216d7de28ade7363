/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of reading a configuration into structs. What refusals say is in tests/golden/config. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/unit/fake_features.h"

/* Reads what must be right. */
static struct weir_config *parse(const char *text)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	int r = weir_config_parse(text, strlen(text), "t.yaml", &diag, &config);
	if (r < 0 && diag.count > 0)
		fail_msg("%s:%u: %s", text, diag.entries[0].line, diag.entries[0].what);
	assert_int_equal(r, 0);
	assert_int_equal(diag.errors, 0);
	return config;
}

static const struct fake_section *fake_of(const struct weir_config *config)
{
	return config->sections[0];
}

/* Reads what must be refused, with its only problem there. */
static void assert_refused_at(const char *text, unsigned line, unsigned column)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(text, strlen(text), "t.yaml", &diag, &config), -EINVAL);
	assert_null(config);
	assert_int_equal(diag.errors, 1);
	assert_string_equal(diag.entries[0].file, "t.yaml");
	assert_int_equal(diag.entries[0].line, line);
	assert_int_equal(diag.entries[0].column, column);
}

static void config_empty_text_is_all_defaults(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("");
	assert_int_equal(config->interface_count, 0);
	assert_int_equal(config->memory.value, 256u << 20);
	assert_null(config->memory.text);
	assert_string_equal(config->api.listen, "127.0.0.1:11811");
	assert_null(config->api.certificate);
	assert_null(config->api.key);
	assert_int_equal(config->api.connections, 256);
	assert_int_equal(config->api.connections_per_address, 64);
	assert_int_equal(config->api.request_size.value, 1u << 20);
	assert_int_equal(config->api.upload_size.value, 512u << 20);
	assert_int_equal(config->api.idle_timeout.value, 30000000000);
	assert_null(config->api.socket_group);
	assert_int_equal(config->events.rate.value, 1000);
	assert_int_equal(config->events.sample, 1);
	assert_int_equal(config->events.keep, 1000);
	assert_string_equal(config->metrics.prefix, "weir_");
}

static void config_absent_section_is_its_defaults(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("memory: 1GiB\n");
	assert_true(fake_of(config)->enabled);
	assert_int_equal(fake_of(config)->live, 65536);
	assert_int_equal(fake_of(config)->pace.value, 10000);
	assert_int_equal(fake_of(config)->pool.slots, 8);
	assert_int_equal(fake_of(config)->list_count, 0);
}

static void config_section_of_a_feature_without_keys_is_not_null(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("bare: {}\n");
	assert_non_null(config->sections[1]);
	assert_null(config->sections[2]);
}

static void config_interfaces_are_read_in_order(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("interfaces:\n"
							    "  - name: eth0\n"
							    "    hook: tc\n"
							    "    egress: on\n"
							    "  - name: \"veth*\"\n"
							    "  - {name: wan, hook: xdp-generic}\n");
	assert_int_equal(config->interface_count, 3);
	assert_string_equal(config->interfaces[0].name, "eth0");
	assert_int_equal(config->interfaces[0].hook, WEIR_HOOK_TC);
	assert_true(config->interfaces[0].egress);
	assert_string_equal(config->interfaces[1].name, "veth*");
	assert_int_equal(config->interfaces[1].hook, WEIR_HOOK_AUTO);
	assert_false(config->interfaces[1].egress);
	assert_int_equal(config->interfaces[2].hook, WEIR_HOOK_XDP_GENERIC);
}

static void config_quantity_keeps_its_text(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("memory: 64MiB\n");
	assert_int_equal(config->memory.value, 67108864);
	assert_string_equal(config->memory.text, "64MiB");
}

static void config_keys_of_api_events_and_metrics_are_read(void **state)
{
	_cleanup_config_ struct weir_config *config =
		parse("api:\n"
		      "  listen: \"[::1]:9000\"\n"
		      "  certificate: /c.pem\n"
		      "  key: /k.pem\n"
		      "  connections: 7\n"
		      "  connections-per-address: 3\n"
		      "  request-size: 2MiB\n"
		      "  upload-size: 1GB\n"
		      "  idle-timeout: 1m30s\n"
		      "  socket-group: adm\n"
		      "events: {rate: 10kpps, sample: 100, keep: 0}\n"
		      "metrics: {prefix: \"fw:\"}\n");
	assert_string_equal(config->api.listen, "[::1]:9000");
	assert_string_equal(config->api.certificate, "/c.pem");
	assert_string_equal(config->api.key, "/k.pem");
	assert_int_equal(config->api.connections, 7);
	assert_int_equal(config->api.connections_per_address, 3);
	assert_int_equal(config->api.request_size.value, 2097152);
	assert_int_equal(config->api.upload_size.value, 1000000000);
	assert_int_equal(config->api.idle_timeout.value, 90000000000);
	assert_string_equal(config->api.socket_group, "adm");
	assert_int_equal(config->events.rate.value, 10000);
	assert_int_equal(config->events.sample, 100);
	assert_int_equal(config->events.keep, 0);
	assert_string_equal(config->metrics.prefix, "fw:");
}

static void config_section_of_a_feature_is_read(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("fake:\n"
							    "  enabled: no\n"
							    "  live: 16\n"
							    "  pool: {slots: 9, label: x}\n"
							    "  lists:\n"
							    "    - name: a\n"
							    "      action: deny\n"
							    "      entries: [1.2.3.4, \"b\"]\n"
							    "      ttl: 2s\n"
							    "    - {name: b, action: allow}\n");
	const struct fake_section *fake = fake_of(config);
	assert_false(fake->enabled);
	assert_int_equal(fake->live, 16);
	assert_int_equal(fake->pool.slots, 9);
	assert_string_equal(fake->pool.label, "x");
	assert_int_equal(fake->list_count, 2);
	assert_string_equal(fake->lists[0].name, "a");
	assert_int_equal(fake->lists[0].action, FAKE_DENY);
	assert_int_equal(fake->lists[0].entry_count, 2);
	assert_string_equal(fake->lists[0].entries[0], "1.2.3.4");
	assert_string_equal(fake->lists[0].entries[1], "b");
	assert_int_equal(fake->lists[0].ttl.value, 2000000000);
	assert_int_equal(fake->lists[1].action, FAKE_ALLOW);
	assert_int_equal(fake->lists[1].entry_count, 0);
	assert_int_equal(fake->lists[1].ttl.value, 0);
	assert_null(fake->lists[1].ttl.text);
}

static void config_null_value_is_as_if_absent(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("interfaces:\n"
							    "memory: ~\n"
							    "api: null\n"
							    "events:\n"
							    "  rate:\n"
							    "  sample: \"\"\n"
							    "fake:\n"
							    "  lists: Null\n"
							    "  pool: NULL\n");
	assert_int_equal(config->interface_count, 0);
	assert_int_equal(config->memory.value, 256u << 20);
	assert_string_equal(config->api.listen, "127.0.0.1:11811");
	assert_int_equal(config->events.rate.value, 1000);
	assert_int_equal(config->events.sample, 1);
	assert_int_equal(fake_of(config)->pool.slots, 8);
}

static void config_without_any_key_is_all_defaults(void **state)
{
	static const char *const texts[] = { "\n",   "# nothing\n", "---\n",	   "---\n...\n",
					     "{}\n", "~\n",	    "\xef\xbb\xbf" };
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(texts); i++) {
		_cleanup_config_ struct weir_config *config = parse(texts[i]);
		assert_int_equal(config->memory.value, 256u << 20);
	}
}

static void config_keeps_text_and_file_name(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("memory: 2MiB\n");
	assert_string_equal(config->text, "memory: 2MiB\n");
	assert_int_equal(config->len, 13);
	assert_string_equal(config->file, "t.yaml");
}

static void config_text_needs_no_nul_after_it(void **state)
{
	/* A heap block of the very size: ASan and valgrind see a byte read past it. */
	static const char text[] = "memory: 2MiB";
	size_t len = sizeof(text) - 1;
	_cleanup_free_ char *exact = malloc(len);
	assert_non_null(exact);
	memcpy(exact, text, len);
	_cleanup_config_ struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(exact, len, NULL, NULL, &config), 0);
	assert_int_equal(config->memory.value, 2u << 20);
	assert_null(config->file);
}

static void config_refused_leaves_the_result_untouched(void **state)
{
	struct weir_config *before = (struct weir_config *)state;
	struct weir_config *config = before;
	assert_int_equal(weir_config_parse("memory: x", 9, NULL, NULL, &config), -EINVAL);
	assert_ptr_equal(config, before);
}

static void config_problem_of_a_feature_is_at_its_entry(void **state)
{
	assert_refused_at("fake:\n"
			  "  lists:\n"
			  "    - {name: a, action: deny}\n"
			  "    - name: b\n"
			  "      action: deny\n"
			  "      entries:\n"
			  "        - fine\n"
			  "        - wrong\n",
			  8, 11);
}

static void config_problem_of_a_key_that_is_absent_is_at_what_holds_it(void **state)
{
	assert_refused_at("memory: 2MiB\napi:\n  key: k.pem\n", 3, 8);
}

static void config_value_is_refused_at_its_first_character(void **state)
{
	assert_refused_at("events:\n  sample: 0\n", 2, 11);
}

static void config_too_long_is_refused(void **state)
{
	size_t len = (size_t)WEIR_CONFIG_BYTES_MAX + 1;
	_cleanup_free_ char *text = calloc(1, len);
	assert_non_null(text);
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(text, len, "t.yaml", &diag, &config), -EINVAL);
	assert_int_equal(diag.count, 1);
	assert_string_equal(diag.entries[0].what,
			    "the configuration has 67108865 bytes, 67108864 are the most");
}

static void config_deep_nesting_is_refused_without_deep_recursion(void **state)
{
	size_t len = 1u << 20;
	_cleanup_free_ char *text = malloc(len + 1);
	assert_non_null(text);
	memset(text, '[', len);
	text[len] = 0;
	assert_refused_at(text, 1, 33);
}

static void config_problems_past_what_is_kept_are_counted(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	for (unsigned i = 0; i < 100; i++)
		weir_buf_addf(&text, "no-such-key-%u: 1\n", i);
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	int r = weir_config_parse(weir_buf_str(&text), text.len, "t.yaml", &diag, &config);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(diag.errors, 100);
	assert_int_equal(diag.count, WEIR_DIAG_MAX);
}

static void config_problems_stand_in_the_order_of_the_text(void **state)
{
	static const char text[] = "metrics: {prefix: 1x}\n"
				   "api: {listen: nowhere}\n"
				   "interfaces: [{name: a/b}]\n";
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(text, strlen(text), NULL, &diag, &config), -EINVAL);
	assert_int_equal(diag.count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(diag.entries[i].line, i + 1);
}

static void config_problems_told_before_keep_their_place(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_warning(&diag, NULL, "from before");
	struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse("a: 1", 4, "t.yaml", &diag, &config), -EINVAL);
	assert_int_equal(diag.count, 2);
	assert_string_equal(diag.entries[0].what, "from before");
	assert_null(diag.entries[0].file);
}

static void config_locate_fills_line_and_column_of_keys_only(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("memory: 2MiB\nfake:\n  live: 20\n");
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_diag_key(&diag, "fake.live", NULL, "too few");
	weir_diag_error(&diag, NULL, "about nothing in the file");
	weir_config_locate(config, &diag);
	assert_int_equal(diag.entries[0].line, 3);
	assert_int_equal(diag.entries[0].column, 9);
	assert_string_equal(diag.entries[0].file, "t.yaml");
	assert_int_equal(diag.entries[1].line, 0);
	assert_null(diag.entries[1].file);
}

#define ODD_LISTS                         \
	"fake:\n"                         \
	"  lists:\n"                      \
	"    - name: a\n"                 \
	"      action: deny\n"            \
	"      entries: [even, odd]\n"    \
	"    - {name: b, action: deny,\n" \
	"       entries: [odd]}\n"        \
	"interfaces: [{name: eth0}]\n"

static void config_advice_is_in_the_order_of_the_text_with_places(void **state)
{
	_cleanup_config_ struct weir_config *config = parse(ODD_LISTS);
	_cleanup_diag_ struct weir_diag diag = { 0 };
	weir_config_advise(config, &diag);
	assert_int_equal(diag.errors, 0);
	assert_int_equal(diag.count, 2);
	assert_int_equal(diag.entries[0].level, WEIR_DIAG_WARNING);
	assert_string_equal(diag.entries[0].file, "t.yaml");
	assert_string_equal(diag.entries[0].key, "fake.lists[0].entries[1]");
	assert_int_equal(diag.entries[0].line, 5);
	assert_int_equal(diag.entries[0].column, 23);
	assert_string_equal(diag.entries[1].key, "fake.lists[1].entries[0]");
	assert_int_equal(diag.entries[1].line, 7);
	assert_int_equal(diag.entries[1].column, 18);
}

static void config_advice_is_not_given_when_reading(void **state)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_config_ struct weir_config *config = NULL;
	assert_int_equal(weir_config_parse(ODD_LISTS, strlen(ODD_LISTS), "t", &diag, &config), 0);
	assert_int_equal(diag.count, 0);
}

static void config_lines_are_those_of_the_keys(void **state)
{
	_cleanup_config_ struct weir_config *config = parse(ODD_LISTS);
	static const char *const paths[] = { "fake.lists[1]", "fake.lists[0].entries[0]", "fake" };
	unsigned lines[3] = { 0 };
	weir_config_lines(config, paths, 3, lines);
	assert_int_equal(lines[0], 6);
	assert_int_equal(lines[1], 5);
	assert_int_equal(lines[2], 2);
}

static void config_lines_of_an_empty_text_are_unknown(void **state)
{
	_cleanup_config_ struct weir_config *config = parse("");
	unsigned line = 7;
	weir_config_lines(config, (const char *const[]){ "fake" }, 1, &line);
	assert_int_equal(line, 0);
}

static void config_many_entries_are_all_read(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_add_str(&text, "fake:\n  lists:\n  - name: a\n    action: deny\n    entries:\n");
	for (unsigned i = 0; i < 20000; i++)
		weir_buf_addf(&text, "    - e%u\n", i);
	_cleanup_config_ struct weir_config *config = parse(weir_buf_str(&text));
	assert_int_equal(fake_of(config)->lists[0].entry_count, 20000);
	assert_string_equal(fake_of(config)->lists[0].entries[19999], "e19999");
}

static void config_free_accepts_null(void **state)
{
	weir_config_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_empty_text_is_all_defaults),
		cmocka_unit_test(config_absent_section_is_its_defaults),
		cmocka_unit_test(config_section_of_a_feature_without_keys_is_not_null),
		cmocka_unit_test(config_interfaces_are_read_in_order),
		cmocka_unit_test(config_quantity_keeps_its_text),
		cmocka_unit_test(config_keys_of_api_events_and_metrics_are_read),
		cmocka_unit_test(config_section_of_a_feature_is_read),
		cmocka_unit_test(config_null_value_is_as_if_absent),
		cmocka_unit_test(config_without_any_key_is_all_defaults),
		cmocka_unit_test(config_keeps_text_and_file_name),
		cmocka_unit_test(config_text_needs_no_nul_after_it),
		cmocka_unit_test(config_refused_leaves_the_result_untouched),
		cmocka_unit_test(config_problem_of_a_feature_is_at_its_entry),
		cmocka_unit_test(config_problem_of_a_key_that_is_absent_is_at_what_holds_it),
		cmocka_unit_test(config_value_is_refused_at_its_first_character),
		cmocka_unit_test(config_too_long_is_refused),
		cmocka_unit_test(config_deep_nesting_is_refused_without_deep_recursion),
		cmocka_unit_test(config_problems_past_what_is_kept_are_counted),
		cmocka_unit_test(config_problems_stand_in_the_order_of_the_text),
		cmocka_unit_test(config_problems_told_before_keep_their_place),
		cmocka_unit_test(config_locate_fills_line_and_column_of_keys_only),
		cmocka_unit_test(config_advice_is_in_the_order_of_the_text_with_places),
		cmocka_unit_test(config_advice_is_not_given_when_reading),
		cmocka_unit_test(config_lines_are_those_of_the_keys),
		cmocka_unit_test(config_lines_of_an_empty_text_are_unknown),
		cmocka_unit_test(config_many_entries_are_all_read),
		cmocka_unit_test(config_free_accepts_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
