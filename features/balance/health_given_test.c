/* SPDX-License-Identifier: Apache-2.0 */
/* What commands say of checks: as the file says it, and refused as there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "features/balance/balance_edit_fake.h"

#define ADD "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":80,"

static void refused(const char *more, const char *key, const char *what)
{
	_cleanup_policy_ struct policy policy = { .role = WEIR_ROLE_ADMIN };
	char args[512];

	policy_make(&policy);
	snprintf(args, sizeof(args), ADD "%s}", more);
	assert_int_equal(edit(&policy, balance_edit_add, args), -EINVAL);
	assert_string_equal(policy.diag.entries[0].key, key);
	assert_non_null(strstr(policy.diag.entries[0].what, what));
	assert_non_null(policy.diag.entries[0].mend);
	assert_true(balance_runtime_is_empty(&policy.runtime));
}

static void what_cannot_be_checked_is_refused_at_its_key(void **state)
{
	(void)state;
	refused("\"health\":\"smell\"", "health", "'smell' is no check");
	refused("\"health-port\":81", "health-port", "without --health");
	refused("\"health\":\"tcp\",\"health-interval\":\"49ms\"", "health-interval", "'49ms'");
	refused("\"health\":\"tcp\",\"health-interval\":\"25h\"", "health-interval", "'25h'");
	refused("\"health\":\"tcp\",\"health-interval\":\"500ms\"", "health-timeout", "longer");
	refused("\"health\":\"tcp\",\"health-rise\":0", "health-rise", "0 is not between 1 and");
	refused("\"health\":\"tcp\",\"health-fall\":256", "health-fall", "between 1 and 255");
	refused("\"health\":\"tcp\",\"health-port\":65536", "health-port", "between 1 and 65535");
	refused("\"health\":\"tcp\",\"health-path\":\"/\"", "health-path", "of type tcp");
	refused("\"health\":\"http\",\"health-path\":\"ok\"", "health-path", "not the path");
	refused("\"health\":\"http\",\"health-path\":\"/a b\"", "health-path", "not the path");
	refused("\"on-all-down\":\"keep\"", "on-all-down", "'keep' is none of them");
}

#define HEALTH(type) "\"health\":\"" type "\","

static void words_of_other_types_are_refused_at_their_key(void **state)
{
	(void)state;
	refused(HEALTH("tcp") "\"health-host\":\"a.test\"", "health-host", "of type tcp");
	refused(HEALTH("tls") "\"health-status\":\"200\"", "health-status", "of type tls");
	refused(HEALTH("udp") "\"health-body\":\"fine\"", "health-body", "of type udp");
	refused(HEALTH("tcp") "\"health-send\":\"x\"", "health-send", "of type tcp");
	refused(HEALTH("dns") "\"health-query\":\".\",\"health-expect\":\"x\"", "health-expect",
		"of type dns");
	refused(HEALTH("http") "\"health-query\":\"a.test\"", "health-query", "of type http");
	refused(HEALTH("http") "\"health-verify\":true", "health-verify", "meets a certificate");
	refused(HEALTH("tcp") "\"health-command\":[\"/bin/true\"]", "health-command",
		"of type command alone");
	refused("\"health-jitter\":3", "health-jitter", "without --health");
	refused(HEALTH("none") "\"health-damping-hold\":\"1m\"", "health-damping-hold",
		"without --health");
}

static void words_that_mean_nothing_are_refused_at_their_key(void **state)
{
	(void)state;
	refused(HEALTH("http") "\"health-host\":\"a b\"", "health-host", "name of a host");
	refused(HEALTH("http") "\"health-status\":\"99\"", "health-status", "status numbers");
	refused(HEALTH("udp") "\"health-send\":\"hex:0\"", "health-send", "not hexadecimal");
	refused(HEALTH("udp") "\"health-expect\":\"hex:xy\"", "health-expect", "not hexadecimal");
	refused("\"health\":\"dns\"", "health-query", "needs a name");
	refused(HEALTH("dns") "\"health-query\":\"a..b\"", "health-query", "name of a domain");
	refused(HEALTH("dns") "\"health-query\":\".\",\"health-record\":\"axfr\"", "health-record",
		"'axfr'");
	refused(HEALTH("https") "\"health-verify\":true", "health-verify", "none is given");
	refused(HEALTH("https") "\"health-ca\":\"/etc/ca.pem\"", "health-ca", "not looked at");
	refused(HEALTH("https") "\"health-ca\":\"ca.pem\",\"health-verify\":\"true\","
				"\"health-host\":\"a.test\"",
		"health-ca", "whole path");
	refused("\"health\":\"command\"", "health-command", "needs a program");
	refused(HEALTH("command") "\"health-command\":[\"true\"]", "health-command", "whole path");
	refused(HEALTH("command") "\"health-command\":[\"/bin/true\",\"\"]", "health-command",
		"the word 2 of them is empty");
	refused(HEALTH("tcp") "\"health-jitter\":51", "health-jitter", "between 0 and 50");
	refused(HEALTH("tcp") "\"health-damping-downs\":33", "health-damping-downs", "between 0");
	refused(HEALTH("tcp") "\"health-damping-hold\":\"2h\"", "health-damping-hold", "the most");
	refused(HEALTH("tcp") "\"health-through\":\"back\"", "health-through", "'back'");
}

static void tunnel_that_cannot_be_is_refused(void **state)
{
	(void)state;
	refused(HEALTH("tcp") "\"health-through\":\"tunnel\"", "health-through", "own address");
	refused(HEALTH("udp") "\"health-through\":\"tunnel\",\"forward\":\"l2\"", "health-through",
		"needs an answer");
	refused(HEALTH("command") "\"health-through\":\"tunnel\",\"forward\":\"l2\","
				  "\"health-command\":[\"/bin/true\"]",
		"health-through", "a connection or a datagram");
	refused(HEALTH("tcp") "\"health-through\":\"tunnel\",\"forward\":\"ipip\","
			      "\"backend\":\"fd00::1\"",
		"backend", "another family");
}

static void command_and_file_are_an_administrators(void **state)
{
	static const char *const more[] = {
		HEALTH("command") "\"health-command\":[\"/bin/true\"]",
		HEALTH("tls") "\"health-verify\":true,\"health-host\":\"a.test\","
			      "\"health-ca\":\"/etc/ca.pem\"",
	};

	(void)state;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(more); i++) {
		_cleanup_policy_ struct policy policy = { .role = WEIR_ROLE_OPERATOR };
		char args[256];

		policy_make(&policy);
		snprintf(args, sizeof(args), ADD "%s}", more[i]);
		assert_int_equal(edit(&policy, balance_edit_add, args), -EACCES);
		assert_string_equal(policy.diag.entries[0].key, i ? "health-ca" : "health-command");
		assert_non_null(strstr(policy.diag.entries[0].what, "needs the role admin"));
		assert_non_null(strstr(policy.diag.entries[0].what, "is operator"));
		assert_true(balance_runtime_is_empty(&policy.runtime));
		policy.role = WEIR_ROLE_ADMIN;
		assert_int_equal(edit(&policy, balance_edit_add, args), 0);
	}
}

static void prefix_is_of_source_hash_and_of_the_family(void **state)
{
	(void)state;
	refused("\"client-prefix\":24", "client-prefix", "scheduler: maglev");
	refused("\"scheduler\":\"source-hash\",\"client-prefix\":33", "client-prefix", "32 bits");
	refused("\"scheduler\":\"source-hash\",\"client-prefix\":129", "client-prefix", "128");
}

static void all_ports_have_none_to_be_asked(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_add,
			      "{\"name\":\"more\",\"address\":\"192.0.2.2\",\"port\":\"all\","
			      "\"health\":\"tcp\"}"),
			 -EINVAL);
	assert_string_equal(policy.diag.entries[0].key, "health-port");
}

static void word_same(const char *a, const char *b)
{
	assert_string_equal(a ? a : "(none)", b ? b : "(none)");
}

static void health_same(const struct health_text *a, const struct health_text *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->interval.value, b->interval.value);
	assert_int_equal(a->timeout.value, b->timeout.value);
	assert_int_equal(a->rise, b->rise);
	assert_int_equal(a->fall, b->fall);
	assert_int_equal(a->jitter, b->jitter);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->through, b->through);
	assert_int_equal(a->damping.downs, b->damping.downs);
	assert_int_equal(a->damping.within.value, b->damping.within.value);
	assert_int_equal(a->damping.hold.value, b->damping.hold.value);
	assert_int_equal(a->damping.hold_most.value, b->damping.hold_most.value);
	word_same(a->path, b->path);
	word_same(a->host, b->host);
	word_same(a->status, b->status);
	word_same(a->body, b->body);
	word_same(a->send, b->send);
	word_same(a->expect, b->expect);
	word_same(a->query, b->query);
	word_same(a->ca, b->ca);
	assert_int_equal(a->verify, b->verify);
	assert_int_equal(a->record, b->record);
	assert_int_equal(a->command_count, b->command_count);
	for (unsigned i = 0; i < a->command_count; i++)
		assert_string_equal(a->command[i], b->command[i]);
}

/* The same, given by a command and written in a file; and that is in balance.json. */
static void given_as_written(const char *given, const char *written)
{
	_cleanup_policy_ struct policy policy = { .role = WEIR_ROLE_ADMIN }, file = { 0 };
	char args[512], text[512], dir[] = "/tmp/weir-given-XXXXXX", path[64];
	struct balance_runtime kept = { 0 };

	policy_make(&policy);
	snprintf(args, sizeof(args), ADD "%s}", given);
	assert_int_equal(edit(&policy, balance_edit_add, args), 0);
	snprintf(text, sizeof(text),
		 "interfaces: [{name: eth0}]\nbalance:\n  services:\n"
		 "    - {name: more, address: 192.0.2.2, port: 80, backends: [], %s}\n",
		 written);
	policy_make_of(&file, text);
	const struct balance_section *section =
		file.config->sections[weir_feature_index(&weir_balance)];
	const struct balance_text *a = &policy.runtime.services[0], *b = &section->services[0];

	assert_int_equal(a->client_prefix, b->client_prefix);
	assert_int_equal(a->on_all_down, b->on_all_down);
	health_same(&a->health, &b->health);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(balance_store_save(dir, &policy.runtime), 0);
	assert_int_equal(balance_store_load(dir, &policy.diag, &kept), 0);
	assert_int_equal(kept.service_count, 1);
	health_same(&kept.services[0].health, &b->health);
	balance_runtime_done(&kept);
	snprintf(path, sizeof(path), "%s/balance.json", dir);
	unlink(path);
	rmdir(dir);
}

/* What a command leaves out is as what the file leaves out. */
static void given_is_as_written(void **state)
{
	(void)state;
	given_as_written(
		HEALTH("http") "\"health-path\":\"/ok\",\"health-fall\":1,"
			       "\"on-all-down\":\"keep-all\",\"scheduler\":\"source-hash\","
			       "\"client-prefix\":24",
		"health: {type: http, path: /ok, fall: 1}, on-all-down: keep-all, "
		"scheduler: source-hash, client-prefix: 24");
	given_as_written(HEALTH("https") "\"health-host\":\"a.test\",\"health-verify\":true,"
					 "\"health-ca\":\"/etc/ca.pem\",\"health-status\":\"200, "
					 "404\",\"health-body\":\"fine\",\"health-port\":8443",
			 "health: {type: https, host: a.test, verify: true, ca: /etc/ca.pem, "
			 "status: \"200, 404\", body: fine, port: 8443}");
	given_as_written(HEALTH("udp") "\"health-send\":\"hex:00 ff\",\"health-expect\":\"pong\"",
			 "health: {type: udp, send: \"hex:00 ff\", expect: pong}");
	given_as_written(HEALTH("dns") "\"health-query\":\"a.test\",\"health-record\":\"mx\"",
			 "health: {type: dns, query: a.test, record: mx}");
	given_as_written(HEALTH("command") "\"health-command\":[\"/bin/check\",\"--a, b\"]",
			 "health: {type: command, command: [/bin/check, \"--a, b\"]}");
	given_as_written(HEALTH("tcp") "\"forward\":\"gue\",\"health-through\":\"tunnel\","
				       "\"health-jitter\":0,\"health-rise\":7,"
				       "\"health-interval\":\"1h30m10s\",\"health-timeout\":"
				       "\"90s\",\"health-damping-downs\":2,"
				       "\"health-damping-within\":\"1h\",\"health-damping-hold\":"
				       "\"30s\",\"health-damping-hold-most\":\"30m\"",
			 "forward: gue, health: {type: tcp, through: tunnel, jitter: 0, rise: 7, "
			 "interval: 1h30m10s, timeout: 90s, damping: {downs: 2, within: 1h, "
			 "hold: 30s, hold-most: 30m}}");
}

/* A service with those, of which this is then changed. */
static int set_after(struct policy *policy, const char *made, const char *set)
{
	char args[512];

	policy->role = WEIR_ROLE_ADMIN;
	policy_make(policy);
	snprintf(args, sizeof(args), ADD "%s}", made);
	assert_int_equal(edit(policy, balance_edit_add, args), 0);
	policy->role = WEIR_ROLE_OPERATOR;
	snprintf(args, sizeof(args), "{\"name\":\"more\"%s}", set);
	return edit(policy, balance_edit_set, args);
}

static void what_is_set_leaves_the_rest(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };
	const struct balance_text *text;

	(void)state;
	assert_int_equal(
		set_after(&policy,
			  "\"affinity\":\"1h\",\"announce\":true,"
			  "\"on-all-down\":\"keep-all\"," HEALTH("http") "\"health-path\":\"/ok\","
									 "\"health-jitter\":1",
			  ",\"health-status\":\"200\",\"scheduler\":\"round-robin\""),
		0);
	text = &policy.runtime.services[0];
	assert_int_equal(policy.runtime.service_count, 1);
	assert_int_equal(text->scheduler, BALANCE_ROUND_ROBIN);
	assert_int_equal(text->affinity.timeout.value, 3600000000000);
	assert_true(text->announce);
	assert_int_equal(text->on_all_down, HEALTH_KEEP_ALL);
	assert_int_equal(text->health.type, HEALTH_HTTP);
	assert_int_equal(text->health.jitter, 1);
	assert_string_equal(text->health.path, "/ok");
	assert_string_equal(text->health.status, "200");
}

static void another_type_drops_what_it_has_no_use_for(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(set_after(&policy,
				   HEALTH("command") "\"health-command\":[\"/bin/true\",\"-x\"],"
						     "\"health-rise\":9",
				   ",\"health\":\"udp\",\"health-send\":\"x\""),
			 0);
	const struct health_text *health = &policy.runtime.services[0].health;

	assert_int_equal(health->type, HEALTH_UDP);
	assert_int_equal(health->command_count, 0);
	assert_int_equal(health->rise, 9);
	assert_string_equal(health->send, "x");
	assert_int_equal(
		set_after(&other, HEALTH("tcp") "\"health-rise\":9", ",\"health\":\"none\""), 0);
	assert_int_equal(other.runtime.services[0].health.type, HEALTH_NONE);
}

static void set_refused(const char *set, const char *key, const char *what, int result)
{
	_cleanup_policy_ struct policy policy = { 0 };

	assert_int_equal(set_after(&policy,
				   HEALTH("tcp") "\"forward\":\"ipip\","
						 "\"backend\":\"fd00::1\"",
				   set),
			 result);
	assert_string_equal(policy.diag.entries[0].key ? policy.diag.entries[0].key : "", key);
	assert_non_null(strstr(policy.diag.entries[0].what, what));
	assert_non_null(policy.diag.entries[0].mend);
	assert_int_equal(policy.runtime.services[0].health.type, HEALTH_TCP);
}

static void what_cannot_be_set_is_refused_at_its_key(void **state)
{
	(void)state;
	set_refused("", "", "is not said", -EINVAL);
	set_refused(",\"affinity\":\"31d\"", "affinity", "no time to remember", -EINVAL);
	set_refused(",\"health-path\":\"/\"", "health-path", "of type tcp", -EINVAL);
	set_refused(",\"health\":\"command\",\"health-command\":[\"/bin/true\"]", "health-command",
		    "needs the role admin", -EACCES);
	/* Of the backends that it has. */
	set_refused(",\"health-through\":\"tunnel\"", "health-through", "another family", -EINVAL);
}

static void service_of_the_file_is_changed_there(void **state)
{
	_cleanup_policy_ struct policy policy = { .role = WEIR_ROLE_ADMIN };

	(void)state;
	policy_make(&policy);
	assert_int_equal(edit(&policy, balance_edit_set,
			      "{\"name\":\"web\",\"scheduler\":\"round-robin\"}"),
			 -EINVAL);
	assert_string_equal(policy.diag.entries[0].mend, "change it in weir.yaml, then weir apply");
	assert_int_equal(edit(&policy, balance_edit_set,
			      "{\"name\":\"nobody\",\"scheduler\":\"round-robin\"}"),
			 -ENOENT);
}

static void direct_backends_are_asked_by_the_tunnel(void **state)
{
	_cleanup_policy_ struct policy policy = { 0 };

	(void)state;
	policy_make(&policy);
	assert_int_equal(
		edit(&policy, balance_edit_add, ADD "\"health\":\"tcp\",\"forward\":\"ipip\"}"), 0);
	assert_int_equal(policy.runtime.services[0].health.through, HEALTH_AUTO);
	assert_true(health_tunnels(&policy.runtime.services[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_checked_is_refused_at_its_key),
		cmocka_unit_test(prefix_is_of_source_hash_and_of_the_family),
		cmocka_unit_test(all_ports_have_none_to_be_asked),
		cmocka_unit_test(given_is_as_written),
		cmocka_unit_test(words_of_other_types_are_refused_at_their_key),
		cmocka_unit_test(words_that_mean_nothing_are_refused_at_their_key),
		cmocka_unit_test(tunnel_that_cannot_be_is_refused),
		cmocka_unit_test(command_and_file_are_an_administrators),
		cmocka_unit_test(what_is_set_leaves_the_rest),
		cmocka_unit_test(another_type_drops_what_it_has_no_use_for),
		cmocka_unit_test(what_cannot_be_set_is_refused_at_its_key),
		cmocka_unit_test(service_of_the_file_is_changed_there),
		cmocka_unit_test(direct_backends_are_asked_by_the_tunnel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
