/* SPDX-License-Identifier: Apache-2.0 */
/* Presets: that they say what they are switched on as, and give way to what a user writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/compile.h"
#include "features/limit/limit_state.h"

/* Read without a word said about it. */
static struct weir_config *config_of(const char *text)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf told = { 0 };
	struct weir_config *config = NULL;
	int r = weir_config_parse(text, strlen(text), "f", &diag, &config);

	weir_diag_format(&diag, &told);
	if (r || diag.count)
		fail_msg("%s\nis told: %s", text, weir_buf_str(&told));
	return config;
}

static struct limit_list list_of(const struct weir_config *config)
{
	struct limit_list list;

	limit_list_make(config->sections[weir_feature_index(&weir_limit)], NULL, &list);
	return list;
}

static void same_limit(const struct limit_text *one, const struct limit_text *other)
{
	struct limit_meaning a, b;

	assert_string_equal(one->name, other->name);
	assert_int_equal(one->proto, other->proto);
	assert_int_equal(one->direction, other->direction);
	assert_int_equal(limit_read(one, "", NULL, &a), 0);
	assert_int_equal(limit_read(other, "", NULL, &b), 0);
	assert_int_equal(limit_needs_tracking(one), limit_needs_tracking(other));
	assert_int_equal(a.burst, b.burst);
	assert_memory_equal(&a.row, &b.row, sizeof(a.row));
	assert_memory_equal(&a.ports, &b.ports, sizeof(a.ports));
}

static void what_is_printed_is_what_is_switched_on(void **state)
{
	for (const struct limit_preset *preset = limit_presets; preset->name; preset++) {
		_cleanup_buf_ struct weir_buf yaml = { 0 }, named = { 0 };

		limit_preset_yaml(preset, &yaml);
		weir_buf_addf(&named, "limit: {presets: [%s]}", preset->name);
		struct weir_config *printed = config_of(weir_buf_str(&yaml));
		struct weir_config *switched_on = config_of(weir_buf_str(&named));
		struct limit_list a = list_of(printed), b = list_of(switched_on);

		assert_int_equal(a.count, preset->count);
		assert_int_equal(b.count, preset->count);
		for (unsigned i = 0; i < a.count; i++) {
			assert_int_equal(a.at[i].origin, LIMIT_FROM_FILE);
			assert_int_equal(b.at[i].origin, LIMIT_FROM_PRESET);
			same_limit(a.at[i].text, b.at[i].text);
		}
		weir_config_free(printed);
		weir_config_free(switched_on);
	}
	(void)state;
}

/* By hand: 10 a second and 50 at once are netxfw's figures. */
static void icmp_is_ten_a_second_and_fifty_at_once(void **state)
{
	struct weir_config *config = config_of("limit: {presets: [icmp]}");
	struct limit_list list = list_of(config);
	struct limit_meaning meaning;

	assert_int_equal(list.count, 1);
	assert_int_equal(list.at[0].text->proto, LIMIT_PROTO_ICMP);
	assert_int_equal(limit_read(list.at[0].text, "", NULL, &meaning), 0);
	assert_int_equal(meaning.row.per, 100000000ULL << 14);
	assert_int_equal(meaning.burst, 50);
	assert_int_equal(meaning.row.end, LIMIT_PER_SOURCE);
	weir_config_free(config);
	(void)state;
}

static void known_reflectors_are_in_it(void **state)
{
	static const uint16_t reflectors[] = { 53, 123, 1900, 11211, 389, 19, 17, 161, 5353 };
	struct weir_config *config = config_of("limit: {presets: [amplification]}");
	struct limit_list list = list_of(config);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(reflectors); i++) {
		unsigned holding = 0;

		for (unsigned j = 0; j < list.count; j++) {
			struct limit_meaning meaning;

			assert_int_equal(limit_read(list.at[j].text, "", NULL, &meaning), 0);
			assert_int_equal(list.at[j].text->proto, LIMIT_PROTO_UDP);
			for (int k = 0; k < LIMIT_SPANS; k++)
				holding += meaning.ports.sport[k].from <= reflectors[i] &&
					   reflectors[i] <= meaning.ports.sport[k].to;
		}
		assert_int_equal(holding, 1);
	}
	weir_config_free(config);
	(void)state;
}

static void all_presets_have_room_together(void **state)
{
	struct weir_config *config =
		config_of("limit: {presets: [web, dns, game, ssh, icmp, amplification, web]}");
	struct limit_list list = list_of(config);

	assert_int_equal(list.count, 3 + 2 + 3 + 2 + 1 + 5);
	assert_int_equal(list.left_out, 0);
	weir_config_free(config);
	(void)state;
}

static void own_entry_stands_in_the_place_of_the_presets(void **state)
{
	struct weir_config *config = config_of("limit:\n  presets: [icmp, ssh]\n  limits:\n"
					       "    - {name: icmp, proto: icmp, packets: 7/s}\n"
					       "    - {name: own, packets: 1/s}\n");
	struct limit_list list = list_of(config);
	const char *names[] = { "icmp", "own", "ssh-connections", "ssh-networks" };

	assert_int_equal(list.count, WEIR_ARRAY_SIZE(names));
	for (unsigned i = 0; i < list.count; i++)
		assert_string_equal(list.at[i].text->name, names[i]);
	assert_int_equal(list.at[0].origin, LIMIT_FROM_FILE);
	assert_string_equal(list.at[0].text->packets, "7/s");
	assert_string_equal(list.at[2].preset, "ssh");
	weir_config_free(config);
	(void)state;
}

static void is_refused(const char *text, const char *what)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	_cleanup_buf_ struct weir_buf told = { 0 };
	struct weir_config *config = NULL;

	assert_true(weir_config_parse(text, strlen(text), "f", &diag, &config) < 0);
	weir_diag_format(&diag, &told);
	if (!strstr(weir_buf_str(&told), what))
		fail_msg("%s\nis told: %s\nwanted: %s", text, weir_buf_str(&told), what);
}

static void unknown_preset_is_refused_with_the_nearest(void **state)
{
	is_refused("limit:\n  presets: [icmp, webb]\n",
		   "f:2:19: limit.presets[1]: 'webb' is not a preset; did you mean 'web'?");
	is_refused("limit: {presets: [quake-server]}",
		   "'quake-server' is not a preset; write one of web, dns, game, ssh, icmp, "
		   "amplification");
	(void)state;
}

static void presets_count_among_the_most(void **state)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_add_str(&text, "limit:\n  presets: [icmp]\n  limits:\n");
	for (int i = 0; i < LIMITS_MAX; i++)
		weir_buf_addf(&text, "    - {name: l%d, packets: 1/s}\n", i);
	is_refused(weir_buf_str(&text),
		   "33 limits, where 32 are the most, those of presets among them");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_what_is_switched_on),
		cmocka_unit_test(icmp_is_ten_a_second_and_fifty_at_once),
		cmocka_unit_test(known_reflectors_are_in_it),
		cmocka_unit_test(all_presets_have_room_together),
		cmocka_unit_test(own_entry_stands_in_the_place_of_the_presets),
		cmocka_unit_test(unknown_preset_is_refused_with_the_nearest),
		cmocka_unit_test(presets_count_among_the_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
