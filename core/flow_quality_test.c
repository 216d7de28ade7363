/* SPDX-License-Identifier: Apache-2.0 */
/* Several may know of one flow: the first to know a number has it, and what nobody knows is absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/feature.h"
#include "core/flow_quality.h"

/* The engine goes over them; here nobody asks it. */
const struct weir_feature *const weir_features[] = { NULL };

static const struct weir_flow_quality by_socket = {
	.by = WEIR_QUALITY_BY_SOCKET,
	.side = { { .known = WEIR_QUALITY_RETRANSMITS, .retransmits = 0 },
		  { .known = WEIR_QUALITY_RTT | WEIR_QUALITY_RESETS,
		    .rtt_us = 1500,
		    .resets = 2 } },
}, by_packets = {
	.by = WEIR_QUALITY_BY_PACKETS,
	.handshake_us = 250,
	.side = { { .known = WEIR_QUALITY_RETRANSMITS | WEIR_QUALITY_OUT_OF_ORDER,
		    .retransmits = 9,
		    .out_of_order = 4 } },
};

static void assert_put(const struct weir_flow_quality *quality, const char *expected)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	struct weir_json_out json = { .out = &text };

	weir_json_open_object(&json, NULL);
	weir_flow_quality_put(quality, &json);
	weir_json_close_object(&json);
	assert_string_equal(weir_buf_str(&text), expected);
}

static void nothing_known_is_put_as_nothing(void **state)
{
	const struct weir_flow_quality none = { 0 };

	(void)state;
	assert_put(&none, "{}");
}

static void what_is_known_as_none_is_zero_and_what_is_not_known_absent(void **state)
{
	(void)state;
	assert_put(&by_socket,
		   "{\"quality\":{\"known_by\":\"socket\",\"src_side\":{\"retransmits\":0},"
		   "\"dst_side\":{\"rtt_ms\":1.5,\"resets\":2}}}");
}

static void who_comes_second_adds_what_is_not_known_yet(void **state)
{
	struct weir_flow_quality quality = { 0 };

	(void)state;
	weir_flow_quality_add(&quality, &by_socket);
	weir_flow_quality_add(&quality, &by_packets);
	assert_put(&quality,
		   "{\"quality\":{\"known_by\":\"socket and packets\",\"handshake_ms\":0.25,"
		   "\"src_side\":{\"retransmits\":0,\"out_of_order\":4},"
		   "\"dst_side\":{\"rtt_ms\":1.5,\"resets\":2}}}");
}

static void who_has_nothing_new_is_not_named(void **state)
{
	struct weir_flow_quality quality = { 0 };

	(void)state;
	weir_flow_quality_add(&quality, &by_packets);
	weir_flow_quality_add(&quality, &by_packets);
	assert_int_equal(quality.by, WEIR_QUALITY_BY_PACKETS);
}

static void other_direction_has_the_sides_the_other_way_around(void **state)
{
	struct weir_flow_quality turned = weir_flow_quality_turned(&by_socket);

	(void)state;
	assert_put(&turned, "{\"quality\":{\"known_by\":\"socket\",\"src_side\":{\"rtt_ms\":1.5,"
			    "\"resets\":2},"
			    "\"dst_side\":{\"retransmits\":0}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_is_put_as_nothing),
		cmocka_unit_test(what_is_known_as_none_is_zero_and_what_is_not_known_absent),
		cmocka_unit_test(who_comes_second_adds_what_is_not_known_yet),
		cmocka_unit_test(who_has_nothing_new_is_not_named),
		cmocka_unit_test(other_direction_has_the_sides_the_other_way_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
