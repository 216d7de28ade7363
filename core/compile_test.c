/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what a configuration as a whole says of itself, with a made-up feature. */
#include "core/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_features.h"

static bool denies_by_default(const char *text)
{
	_cleanup_config_ struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	return weir_config_denies_by_default(config);
}

static void configuration_denies_by_default_when_one_feature_does(void **state)
{
	assert_false(denies_by_default(""));
	assert_false(denies_by_default("fake: {enabled: true}\n"));
	assert_true(denies_by_default("fake: {enabled: false}\n"));
}

static bool tracks(const char *text)
{
	_cleanup_config_ struct weir_config *config = NULL;

	assert_int_equal(weir_config_parse(text, strlen(text), NULL, NULL, &config), 0);
	return weir_config_tracks(config);
}

static void configuration_tracks_when_one_feature_does(void **state)
{
	assert_true(tracks("fake: {enabled: true}\n"));
	assert_false(tracks("fake: {enabled: false}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_denies_by_default_when_one_feature_does),
		cmocka_unit_test(configuration_tracks_when_one_feature_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
