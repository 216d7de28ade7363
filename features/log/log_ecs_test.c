/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/log/log_ecs.h"

/* 2031-05-01T12:30:00.250Z */
#define CREATED_NS 1935405000250999999ull

static int made(const char *kind, const char *json, struct log_record *record)
{
	struct log_happening happening = { .kind = kind,
					   .json = json,
					   .len = strlen(json),
					   .real_ns = CREATED_NS,
					   .sequence = 7 };

	return log_record_make(&happening, record);
}

static void assert_field(const struct log_record *record, const char *path, const char *wanted)
{
	const char *value = log_record_get(record, path);

	if (!wanted) {
		assert_null(value);
		return;
	}
	assert_non_null(value);
	assert_string_equal(value, wanted);
}

static void record_of_a_drop_has_ends_and_names(void **state)
{
	struct log_record record;

	assert_int_equal(
		made("drop",
		     "{\"time\":\"2031-05-01T12:30:00.100Z\",\"kind\":\"drop\",\"reason\":"
		     "\"drop_rule\",\"interface\":\"eth0\",\"direction\":\"egress\",\"src\":"
		     "\"192.0.2.1\",\"dst\":\"198.51.100.2\",\"proto\":6,\"sport\":1,\"dport\":22,"
		     "\"vlan\":7,\"len\":60,\"rule\":{\"id\":3,\"name\":\"no ssh\"},\"backend\":"
		     "\"a/b/[2001:db8::7]:80\"}",
		     &record),
		0);
	assert_field(&record, "@timestamp", "2031-05-01T12:30:00.100Z");
	assert_field(&record, "event.created", "2031-05-01T12:30:00.250Z");
	assert_field(&record, "source.ip", "192.0.2.1");
	assert_field(&record, "destination.port", "22");
	assert_field(&record, "network.vlan.id", "7");
	assert_field(&record, "network.transport", "tcp");
	assert_field(&record, "observer.egress.interface.name", "eth0");
	assert_field(&record, "observer.ingress.interface.name", NULL);
	assert_field(&record, "rule.id", "3");
	assert_field(&record, "rule.name", "no ssh");
	assert_field(&record, "server.ip", "2001:db8::7");
	assert_field(&record, "server.port", "80");
	assert_field(&record, "event.sequence", "7");
	assert_field(&record, "message",
		     "drop tcp 192.0.2.1:1 > 198.51.100.2:22 out eth0: drop_rule (rule no ssh)");
	log_record_done(&record);
}

static void record_of_a_flow_has_its_rule_and_its_process(void **state)
{
	struct log_record record;

	assert_int_equal(
		made("flow",
		     "{\"kind\":\"flow\",\"rule\":12,\"src_owner\":{\"process\":\"curl\",\"pid\":"
		     "71,"
		     "\"uid\":1000,\"command\":\"curl -s "
		     "x\"},\"dst_owner\":{\"process\":\"nginx\",\"pid\":72,\"uid\":33,"
		     "\"container\":\"c0ffee\"}}",
		     &record),
		0);
	assert_field(&record, "rule.id", "12");
	assert_field(&record, "process.name", "curl");
	assert_field(&record, "process.pid", "71");
	assert_field(&record, "process.command_line", "curl -s x");
	assert_field(&record, "user.id", "1000");
	assert_field(&record, "container.id", NULL);
	assert_non_null(log_record_get(&record, "weir.flow.dst_owner"));
	log_record_done(&record);
	assert_int_equal(made("flow",
			      "{\"kind\":\"flow\",\"dst_owner\":{\"process\":\"nginx\",\"pid\":72,"
			      "\"uid\":33,\"container\":\"c0ffee\"}}",
			      &record),
			 0);
	assert_field(&record, "process.name", "nginx");
	assert_field(&record, "process.command_line", NULL);
	assert_field(&record, "container.id", "c0ffee");
	log_record_done(&record);
}

static void message_of_a_quality_event_says_how_many_are_measured(void **state)
{
	struct log_record record;

	assert_int_equal(made("quality",
			      "{\"kind\":\"quality\",\"what\":\"sampling\",\"sample\":8,"
			      "\"before\":2}",
			      &record),
			 0);
	assert_field(&record, "event.action", "sampling-changed");
	assert_field(&record, "weir.quality.sample", "8");
	assert_field(&record, "message",
		     "quality: measures 1 of 8 connections, before 1 of 2 connections");
	log_record_done(&record);
	assert_int_equal(
		made("quality", "{\"kind\":\"quality\",\"sample\":0,\"before\":1}", &record), 0);
	assert_field(&record, "message", "quality: measures none, before all");
	log_record_done(&record);
}

static void record_of_an_unknown_kind_keeps_all_of_it_under_its_name(void **state)
{
	struct log_record record;
	_cleanup_buf_ struct weir_buf line = { 0 };

	assert_int_equal(made("odd", "{\"kind\":\"odd\",\"a\":{\"b\":[1,2]},\"n\":3,\"x\":null}",
			      &record),
			 0);
	assert_field(&record, "event.dataset", "weir.odd");
	assert_field(&record, "@timestamp", "2031-05-01T12:30:00.250Z");
	assert_field(&record, "weir.odd.a", "{\"b\":[1,2]}");
	assert_field(&record, "weir.odd.n", "3");
	assert_field(&record, "weir.odd.x", NULL);
	log_record_done(&record);
}

static void line_nests_objects_and_ends_once(void **state)
{
	struct log_record record = { 0 };
	_cleanup_buf_ struct weir_buf line = { 0 };

	log_record_add(&record, "b.c.d", LOG_NUMBER, "1");
	log_record_add(&record, "b-c", LOG_TEXT, "a\nb");
	log_record_add(&record, "b.a", LOG_TEXT, "x");
	log_record_add(&record, "a", LOG_JSON, "[1]");
	log_record_add(&record, "b.c.e", LOG_NUMBER, "2");
	log_record_add(&record, "b.a", LOG_TEXT, "the first stays");
	log_record_write(&record, &line);
	assert_string_equal(weir_buf_str(&line),
			    "{\"a\":[1],\"b\":{\"a\":\"x\",\"c\":{\"d\":1,\"e\":2}},"
			    "\"b-c\":\"a\\nb\"}\n");
	log_record_done(&record);
}

static void record_of_what_is_no_object_is_refused(void **state)
{
	struct log_record record;

	assert_int_equal(made("drop", "{\"src\":", &record), -EINVAL);
	log_record_done(&record);
	assert_int_equal(made("drop", "[]", &record), -EINVAL);
	log_record_done(&record);
}

static void record_with_too_many_members_says_how_many_it_lacks(void **state)
{
	_cleanup_buf_ struct weir_buf json = { 0 };
	struct log_record record;

	weir_buf_add_char(&json, '{');
	for (int i = 0; i < 200; i++)
		weir_buf_addf(&json, "%s\"m%d\":1", i ? "," : "", i);
	weir_buf_add_char(&json, '}');
	assert_int_equal(made("odd", weir_buf_str(&json), &record), 0);
	assert_non_null(log_record_get(&record, "message"));
	const char *left_out = log_record_get(&record, "weir.log.fields_left_out");
	int there = 0;

	for (unsigned i = 0; i < record.count; i++)
		there += strncmp(record.fields[i].path, "weir.odd.", 9) == 0;
	assert_in_range(there, 50, LOG_FIELDS_MAX);
	assert_non_null(left_out);
	assert_int_equal(there + strtol(left_out, NULL, 10), 200);
	log_record_done(&record);
}

static void message_of_text_from_outside_stays_one_line(void **state)
{
	struct log_record record;

	assert_int_equal(
		made("warning", "{\"kind\":\"warning\",\"what\":\"a\\nweir: b\"}", &record), 0);
	assert_field(&record, "message", "warning: a\\x0aweir: b");
	log_record_done(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_of_a_drop_has_ends_and_names),
		cmocka_unit_test(record_of_a_flow_has_its_rule_and_its_process),
		cmocka_unit_test(message_of_a_quality_event_says_how_many_are_measured),
		cmocka_unit_test(record_of_an_unknown_kind_keeps_all_of_it_under_its_name),
		cmocka_unit_test(line_nests_objects_and_ends_once),
		cmocka_unit_test(record_of_what_is_no_object_is_refused),
		cmocka_unit_test(record_with_too_many_members_says_how_many_it_lacks),
		cmocka_unit_test(message_of_text_from_outside_stays_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
