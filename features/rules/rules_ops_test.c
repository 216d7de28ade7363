/* SPDX-License-Identifier: Apache-2.0 */
/* Edits, their order and their counters, on an engine and maps in plain memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "features/rules/rules_fake_engine.h"
#include "features/rules/rules_plan.h"

static const struct rules_state *rules(void)
{
	return engine.state;
}

/* Names in order, "-" for a rule without one. */
static void assert_order(const char *expected)
{
	_cleanup_buf_ struct weir_buf names = { 0 };
	for (uint32_t i = 0; i < rules()->order->count; i++) {
		const char *name = rules()->order->at[i].text->name;
		weir_buf_addf(&names, "%s%s", i ? " " : "", name ? name : "-");
	}
	assert_string_equal(weir_buf_str(&names), expected);
}

static uint32_t row_of(const char *name)
{
	const struct rules_standing *standing = rules_order_find(rules()->order, name);
	assert_non_null(standing);
	return standing->row;
}

static void add(const char *name, const char *more)
{
	char args[256];
	snprintf(args, sizeof(args), "{\"name\":\"%s\",\"action\":\"deny\"%s}", name, more);
	assert_int_equal(run("rule.add", args, NULL), 0);
}

static void wait_out_the_rest(void)
{
	struct rules_state *state = engine.state;
	for (uint32_t row = 0; row < RULES_ROWS; row++)
		if (state->hits.gone_ns[row])
			state->hits.gone_ns[row] = 1;
}

static void places_follow_anchors(void **state)
{
	configure("one", "192.0.2.1");
	configure(NULL, "192.0.2.2");
	configure("three", "192.0.2.3");
	go_live();
	add("a", ",\"before\":\"three\"");
	add("b", ",\"after\":\"one\"");
	add("c", ",\"first\":true");
	add("d", ",\"after\":\"a\"");
	add("e", "");
	assert_order("c one b - a d three e");
	restart();
	assert_order("c one b - a d three e");
	assert_int_equal(run("rule.del", "{\"name\":\"a\"}", NULL), 0);
	assert_order("c one b - d three e");
	(void)state;
}

static void anchor_of_a_rule_without_name_is_its_text(void **state)
{
	char more[64];
	configure("one", "192.0.2.1");
	configure(NULL, "192.0.2.2");
	go_live();
	snprintf(more, sizeof(more), ",\"after\":\"%u\"", rules()->order->at[1].row);
	add("a", more);
	engine.rules[2] = engine.rules[0];
	engine.rules[0] = engine.rules[1];
	engine.rules[1] = engine.rules[2];
	go_live();
	assert_order("- a one");
	engine.rules[0].src = (char *)"192.0.2.9";
	go_live();
	assert_order("- one a");
	(void)state;
}

/* "3" is the third rule to who reads a list, and never the rule of run time of number 3. */
static void number_of_a_rule_with_a_name_finds_nothing(void **state)
{
	char args[32];
	configure("one", "192.0.2.1");
	configure(NULL, "192.0.2.2");
	go_live();
	add("a", "");
	snprintf(args, sizeof(args), "{\"name\":\"%u\"}", row_of("a"));
	assert_int_equal(run("rule.del", args, NULL), -ENOENT);
	assert_order("one - a");
	assert_ptr_equal(rules_order_find(rules()->order, "2"), &rules()->order->at[1]);
	(void)state;
}

/* As a start finds it when the file was edited meanwhile. */
static void rule_of_run_time_is_edited_under_a_name_that_was_taken(void **state)
{
	go_live();
	add("a", "");
	add("b", "");
	configure("a", "192.0.2.1");
	weir_rules.state_free(engine.state);
	start();
	go_live();
	assert_order("a a b");
	assert_int_equal(run("rule.move", "{\"name\":\"a\",\"last\":true}", NULL), 0);
	assert_order("a b a");
	assert_int_equal(run("rule.del", "{\"name\":\"a\"}", NULL), 0);
	assert_order("a b");
	assert_int_equal(run("rule.del", "{\"name\":\"a\"}", NULL), -EINVAL);
	(void)state;
}

static void row_stays_while_the_rule_stands(void **state)
{
	configure("one", "192.0.2.1");
	configure(NULL, "192.0.2.2");
	go_live();
	add("a", "");
	uint32_t rows[] = { row_of("one"), rules()->order->at[1].row, row_of("a") };
	configure("two", "192.0.2.4");
	engine.rules[3] = engine.rules[0];
	engine.rules[0] = engine.rules[2];
	engine.rules[2] = engine.rules[3];
	go_live();
	restart();
	assert_order("two - one a");
	assert_int_equal(row_of("one"), rows[0]);
	assert_int_equal(rules()->order->at[1].row, rows[1]);
	assert_int_equal(row_of("a"), rows[2]);
	(void)state;
}

static void row_of_a_rule_that_went_rests_and_is_zeroed(void **state)
{
	go_live();
	add("a", "");
	uint32_t row = row_of("a");
	counters.rows[row].packets = 7;
	assert_int_equal(run("rule.del", "{\"name\":\"a\"}", NULL), 0);
	add("b", "");
	assert_int_not_equal(row_of("b"), row);
	wait_out_the_rest();
	add("c", "");
	assert_int_equal(row_of("c"), row);
	assert_int_equal(counters.rows[row].packets, 0);
	(void)state;
}

/* Four policies of 9,000 rules of their own, all within a second. */
static void rows_do_not_run_out_while_they_rest(void **state)
{
	static char sources[9000][20];
	static struct rules_text many[9000];
	struct rules_text *kept = engine.section.rules;
	engine.section.rules = many;
	engine.section.rule_count = 9000;
	for (uint32_t policy = 0; policy < 4; policy++) {
		for (uint32_t i = 0; i < 9000; i++) {
			snprintf(sources[i], sizeof(sources[i]), "10.%u.%u.%u", policy, i / 256,
				 i % 256);
			many[i] = (struct rules_text){ .src = sources[i],
						       .enabled = true,
						       .action = RULES_DENY };
		}
		go_live();
		for (uint32_t i = 0; i < 9000; i++) {
			uint32_t row = rules()->order->at[i].row;
			assert_int_not_equal(row, 0);
			assert_ptr_equal(rules_order_by_row(rules()->order, row),
					 &rules()->order->at[i]);
		}
	}
	engine.section.rules = kept;
	(void)state;
}

static void row_of_a_refused_rule_is_free_again(void **state)
{
	go_live();
	engine.fail_switch = -EIO;
	assert_int_equal(run("rule.add", "{\"name\":\"a\",\"action\":\"deny\"}", NULL), -EIO);
	engine.fail_switch = 0;
	add("b", "");
	assert_int_equal(row_of("b"), 1);
	(void)state;
}

static void edit_that_did_not_come_to_be_live_is_not_in_the_file(void **state)
{
	go_live();
	add("a", "");
	engine.fail_switch = -EIO;
	assert_int_equal(run("rule.add", "{\"name\":\"b\",\"action\":\"deny\"}", NULL), -EIO);
	assert_int_equal(run("rule.del", "{\"name\":\"a\"}", NULL), -EIO);
	engine.fail_switch = 0;
	assert_order("a");
	restart();
	assert_order("a");
	(void)state;
}

static void counts_are_read_once_and_one_on_demand(void **state)
{
	_cleanup_json_ struct weir_json *answer = NULL;
	struct rules_state *of = engine.state;
	go_live();
	add("a", "");
	counters.rows[row_of("a")] = (struct weir_count){ 3, 300 };
	assert_int_equal(run("rule.hits", "{\"name\":\"a\"}", &answer), 0);
	const struct weir_json *row = weir_json_at(weir_json_get(answer, "rules"), 0);
	assert_int_equal(weir_json_int(weir_json_get(row, "packets"), 0), 3);
	assert_int_equal(weir_json_int(weir_json_get(row, "bytes"), 0), 300);
	counters.rows[row_of("a")].packets = 4;
	assert_int_equal(rules_hits_count(&of->hits, row_of("a")).packets, 3);
	assert_int_equal(weir_rules.snapshot(of, NULL), 0);
	assert_int_equal(rules_hits_count(&of->hits, row_of("a")).packets, 4);
	(void)state;
}

static void edits_of_what_is_not_there_are_refused(void **state)
{
	configure("one", "192.0.2.1");
	go_live();
	assert_int_equal(run("rule.del", "{\"name\":\"absent\"}", NULL), -ENOENT);
	assert_int_equal(run("rule.del", "{\"name\":\"one\"}", NULL), -EINVAL);
	assert_int_equal(run("rule.move", "{\"name\":\"one\",\"first\":true}", NULL), -EINVAL);
	assert_int_equal(run("rule.add", "{\"name\":\"one\",\"action\":\"deny\"}", NULL), -EEXIST);
	assert_int_equal(run("rule.add", "{\"action\":\"deny\",\"before\":\"absent\"}", NULL),
			 -ENOENT);
	assert_int_equal(run("rule.add", "{\"action\":\"deny\",\"dport\":\"x\"}", NULL), -EINVAL);
	assert_int_equal(run("rule.add", "{\"action\":\"deny\",\"src\":\"nowhere\"}", NULL),
			 -EINVAL);
	assert_order("one");
	assert_int_equal(engine.revision, 0);
	(void)state;
}

static void start_goes_on_with_a_set_that_is_gone(void **state)
{
	struct weir_diag diag = { 0 };
	configure("one", "nowhere");
	assert_int_equal(compile(NULL, &diag), 0);
	assert_int_equal(diag.count, 1);
	assert_int_equal(diag.entries[0].level, WEIR_DIAG_WARNING);
	assert_string_equal(diag.entries[0].key, "rules.rules[0].src");
	weir_rules.live(engine.state, &engine.config);
	weir_diag_done(&diag);
	(void)state;
}

/* Else one list that went would stand in the way of every rule and list that is to be added. */
static void set_that_was_missing_already_refuses_no_other_change(void **state)
{
	struct weir_diag diag = { 0 };
	configure("one", "nowhere");
	go_live();
	add("a", "");
	assert_order("one a");
	assert_int_equal(run("rule.add", "{\"action\":\"deny\",\"src\":\"elsewhere\"}", NULL),
			 -EINVAL);
	configure("two", "elsewhere");
	assert_int_equal(compile(NULL, &diag), -EINVAL);
	weir_diag_done(&diag);
	(void)state;
}

static void service_add(const char *name, const char *addr, uint16_t port)
{
	struct weir_service_end end = { .service = name, .proto = 6, .ports = { port, port } };
	assert_int_equal(weir_addr_from_string(addr, strlen(addr), &end.addr), 0);
	assert_int_equal(weir_services_add(&fake_services, &end), 0);
}

/* For policies whose rules name none. */
static void services_forget(void)
{
	weir_services_done(&fake_services);
}

static void service_that_is_not_there_is_refused_or_warned_of_as_a_set_is(void **state)
{
	_cleanup_diag_ struct weir_diag refused = { 0 }, warned = { 0 };
	service_add("web", "192.0.2.1", 80);
	go_live();
	add("a", ",\"service\":\"web\"");
	assert_int_equal(run("rule.add", "{\"action\":\"deny\",\"service\":\"wob\"}", NULL),
			 -EINVAL);
	services_forget();
	assert_int_equal(compile(NULL, &refused), -EINVAL);
	assert_int_equal(refused.count, 1);
	assert_string_equal(refused.entries[0].key, "rule a.service");
	assert_string_equal(refused.entries[0].what, "there is no service 'web'");
	assert_string_equal(refused.entries[0].mend,
			    "define it under balance.services, or make it with weir service add");
	weir_rules.state_free(engine.state);
	start();
	assert_int_equal(compile(NULL, &warned), 0);
	assert_int_equal(warned.count, 1);
	assert_int_equal(warned.entries[0].level, WEIR_DIAG_WARNING);
	assert_string_equal(warned.entries[0].key, "rule a.service");
	assert_string_equal(warned.entries[0].what,
			    "there is no service 'web' here: it matches nothing");
	go_live();
	add("b", "");
	assert_order("a b");
	(void)state;
}

/* As the data path will have them: of two services one counter, one limit, and two rules. */
static void parts_of_a_rule_have_its_counter_and_its_limit(void **state)
{
	_cleanup_image_ struct weir_image *image = weir_image_new(1 << 24);
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_compile made = { .config = &engine.config,
				     .section = &engine.section,
				     .state = engine.state,
				     .image = image,
				     .diag = &diag };
	uint32_t limits = 0;
	service_add("web", "192.0.2.1", 80);
	service_add("tls", "192.0.2.1", 443);
	service_add("web6", "2001:db8::1", 80);
	engine.rules[0] = (struct rules_text){ .service = (char *)"web, tls, web6",
					       .enabled = true,
					       .action = RULES_LIMIT,
					       .rate = (char *)"1/s" };
	engine.rules[1] = engine.rules[0];
	engine.rules[1].service = (char *)"web";
	engine.section.rule_count = 2;
	assert_int_equal(weir_rules.compile(&made), 0);
	const struct rules_plan *plan = weir_image_kept(image, &weir_rules);
	assert_int_equal(plan->count, 3);
	assert_int_equal(plan->rows[0], plan->rows[1]);
	assert_int_not_equal(plan->rows[0], plan->rows[2]);
	assert_true(rules_plan_goes_on(plan, 1));
	assert_false(rules_plan_goes_on(plan, 2));
	weir_image_limits(image, &limits);
	assert_int_equal(limits, 2);
	services_forget();
	(void)state;
}

/* The calendar says it in another way: day, hour and minute. */
static void clock_is_the_minute_of_the_week(void **state)
{
	struct rules_clock clock;
	setenv("TZ", "NPT-5:45", 1);
	weir_rules.tick(engine.state, 0);
	uint64_t before = weir_clock_monotonic_ns();
	memcpy(&clock, &clock_map.rows[0], sizeof(clock));
	time_t now = time(NULL);
	struct tm tm;
	localtime_r(&now, &tm);
	uint64_t minute = (before + clock.offset_ns) / 60 / WEIR_NS_PER_S % RULES_FIELD_VALUES;
	uint64_t expected = (uint64_t)((tm.tm_wday + 6) % 7 * 1440 + tm.tm_hour * 60 + tm.tm_min);
	/* A minute may end between the two looks. */
	assert_true(minute == expected || (minute + 1) % RULES_FIELD_VALUES == expected);
	(void)state;
}

static void look_without_a_directory_knows_the_configuration(void **state)
{
	void *look = NULL, *kept = engine.state;
	struct weir_diag diag = { 0 };
	configure("one", "192.0.2.1");
	assert_int_equal(weir_rules.state_new(NULL, NULL, &diag, &look), 0);
	engine.state = look;
	go_live();
	assert_order("one");
	assert_int_equal(row_of("one"), 1);
	weir_rules.state_free(look);
	engine.state = kept;
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(places_follow_anchors),
		TEST(anchor_of_a_rule_without_name_is_its_text),
		TEST(number_of_a_rule_with_a_name_finds_nothing),
		TEST(rule_of_run_time_is_edited_under_a_name_that_was_taken),
		TEST(row_stays_while_the_rule_stands),
		TEST(row_of_a_rule_that_went_rests_and_is_zeroed),
		TEST(rows_do_not_run_out_while_they_rest),
		TEST(row_of_a_refused_rule_is_free_again),
		TEST(edit_that_did_not_come_to_be_live_is_not_in_the_file),
		TEST(counts_are_read_once_and_one_on_demand),
		TEST(edits_of_what_is_not_there_are_refused),
		TEST(start_goes_on_with_a_set_that_is_gone),
		TEST(set_that_was_missing_already_refuses_no_other_change),
		TEST(service_that_is_not_there_is_refused_or_warned_of_as_a_set_is),
		TEST(parts_of_a_rule_have_its_counter_and_its_limit),
		TEST(clock_is_the_minute_of_the_week),
		TEST(look_without_a_directory_knows_the_configuration),
	};
	return cmocka_run_group_tests_name("rules_ops", tests, NULL, NULL);
}
