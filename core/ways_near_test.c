/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the kernel's messages about neighbours (rtnetlink(7)) make an end of a way. */
#include "ways_near.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct message {
	struct nlmsghdr header;
	struct ndmsg told;
	struct rtattr dst_head;
	unsigned char dst[4];
	struct rtattr link_head;
	unsigned char link[8]; /* six of them */
};

static struct message message_of(uint16_t type, uint16_t state, unsigned char host,
				 unsigned char link)
{
	return (struct message){
		.header = { .nlmsg_len = sizeof(struct message) - 2, .nlmsg_type = type },
		.told = { .ndm_family = AF_INET, .ndm_ifindex = 7, .ndm_state = state },
		.dst_head = { .rta_len = RTA_LENGTH(4), .rta_type = NDA_DST },
		.dst = { 192, 0, 2, host },
		.link_head = { .rta_len = RTA_LENGTH(6), .rta_type = NDA_LLADDR },
		.link = { 2, 0, 0, 0, 0, link },
	};
}

static bool note(struct weir_ways_near *near, uint16_t type, uint16_t state, unsigned char host,
		 unsigned char link)
{
	struct message message = message_of(type, state, host, link);

	return weir_ways_near_note(near, &message.header);
}

static void making_sure_of_who_is_known_changes_nothing(void **state)
{
	static const uint16_t states[] = { NUD_STALE, NUD_DELAY,     NUD_PROBE,	   NUD_REACHABLE,
					   NUD_NOARP, NUD_REACHABLE, NUD_PERMANENT };
	struct weir_ways_near near = { .is_whole = true };

	assert_false(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 1));
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		assert_false(note(&near, RTM_NEWNEIGH, states[i], 1, 1));
	weir_ways_near_clear(&near);
	(void)state;
}

static void another_link_address_is_a_change_once(void **state)
{
	struct weir_ways_near near = { .is_whole = true };

	assert_false(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 1));
	assert_true(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 2));
	assert_false(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 2));
	assert_true(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 1));
	weir_ways_near_clear(&near);
	(void)state;
}

static void who_cannot_be_reached_any_more_is_a_change_once(void **state)
{
	static const uint16_t states[] = { NUD_FAILED, NUD_INCOMPLETE, NUD_NONE };
	struct weir_ways_near near = { .is_whole = true };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		assert_false(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 1));
		assert_true(note(&near, RTM_NEWNEIGH, states[i], 1, 1));
		assert_false(note(&near, RTM_NEWNEIGH, states[i], 1, 1));
		assert_false(note(&near, RTM_DELNEIGH, NUD_FAILED, 1, 1));
	}
	weir_ways_near_clear(&near);
	(void)state;
}

static void who_is_forgotten_unused_may_still_be_sent_to(void **state)
{
	struct weir_ways_near near = { .is_whole = true };

	for (unsigned char link = 1; link < 3; link++) {
		assert_int_equal(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, link), link > 1);
		assert_false(note(&near, RTM_DELNEIGH, NUD_STALE, 1, link));
		assert_false(note(&near, RTM_DELNEIGH, NUD_STALE, 1, link));
		assert_int_equal(near.forgotten, 1);
	}
	assert_false(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 2));
	assert_int_equal(near.forgotten, 0);
	assert_false(note(&near, RTM_DELNEIGH, NUD_STALE, 1, 2));
	assert_false(note(&near, RTM_DELNEIGH, NUD_STALE, 2, 2)); /* never known */
	assert_true(note(&near, RTM_NEWNEIGH, NUD_FAILED, 1, 0));
	assert_int_equal(near.forgotten, 0);
	weir_ways_near_clear(&near);
	(void)state;
}

static void room_for_the_forgotten_has_an_end(void **state)
{
	struct weir_ways_near near = { .is_whole = true };
	struct message message = message_of(RTM_NEWNEIGH, NUD_STALE, 1, 1);
	unsigned count = 0;

	for (; near.is_whole && count < 100000; count++) {
		message.told.ndm_ifindex = (int)count;
		message.header.nlmsg_type = RTM_NEWNEIGH;
		assert_false(weir_ways_near_note(&near, &message.header));
		message.header.nlmsg_type = RTM_DELNEIGH;
		bool changes = weir_ways_near_note(&near, &message.header);

		assert_int_equal(changes, !near.is_whole);
	}
	assert_int_equal(count, 16385);
	weir_ways_near_ask(&near);
	assert_true(near.is_whole);
	assert_int_equal(near.forgotten, 0);
	weir_ways_near_clear(&near);
	(void)state;
}

/* Such as somebody makes who looks for hosts. */
static void addresses_that_nobody_has_change_nothing(void **state)
{
	struct weir_ways_near near = { .is_whole = true };

	assert_false(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 1));
	for (unsigned host = 2; host < 255; host++) {
		assert_false(note(&near, RTM_NEWNEIGH, NUD_INCOMPLETE, (unsigned char)host, 0));
		assert_false(note(&near, RTM_NEWNEIGH, NUD_FAILED, (unsigned char)host, 0));
	}
	assert_true(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 9));
	weir_ways_near_clear(&near);
	(void)state;
}

static void neighbours_are_told_apart(void **state)
{
	struct weir_ways_near near = { .is_whole = true };
	struct message message = message_of(RTM_NEWNEIGH, NUD_STALE, 1, 2);

	assert_false(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 1));
	assert_false(note(&near, RTM_NEWNEIGH, NUD_STALE, 2, 2));
	message.told.ndm_ifindex = 8; /* the same address at another link */
	assert_false(weir_ways_near_note(&near, &message.header));
	message.told.ndm_ifindex = 7;
	assert_true(weir_ways_near_note(&near, &message.header));
	weir_ways_near_clear(&near);
	(void)state;
}

static void what_bridges_learn_and_proxies_answer_is_no_neighbour(void **state)
{
	struct weir_ways_near near = { .is_whole = true };
	struct message message = message_of(RTM_NEWNEIGH, NUD_STALE, 1, 2);

	assert_false(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 1));
	message.told.ndm_family = AF_BRIDGE;
	assert_false(weir_ways_near_note(&near, &message.header));
	message.told.ndm_family = AF_INET;
	message.told.ndm_flags = NTF_PROXY;
	assert_false(weir_ways_near_note(&near, &message.header));
	assert_false(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 1));
	weir_ways_near_clear(&near);
	(void)state;
}

static void while_not_all_are_known_each_may_be_a_change(void **state)
{
	struct weir_ways_near near = { 0 };

	assert_true(note(&near, RTM_NEWNEIGH, NUD_STALE, 1, 1));
	assert_true(note(&near, RTM_NEWNEIGH, NUD_REACHABLE, 1, 1));
	assert_true(note(&near, RTM_NEWNEIGH, NUD_FAILED, 2, 0));
	weir_ways_near_clear(&near);
	assert_null(near.tree);
	(void)state;
}

/* The machine's own: there may be none, but the kernel answers. */
static void the_kernel_is_asked(void **state)
{
	struct weir_ways_near near = { 0 };

	weir_ways_near_ask(&near);
	assert_true(near.is_whole);
	weir_ways_near_clear(&near);
	assert_false(near.is_whole);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(making_sure_of_who_is_known_changes_nothing),
		cmocka_unit_test(another_link_address_is_a_change_once),
		cmocka_unit_test(who_cannot_be_reached_any_more_is_a_change_once),
		cmocka_unit_test(who_is_forgotten_unused_may_still_be_sent_to),
		cmocka_unit_test(room_for_the_forgotten_has_an_end),
		cmocka_unit_test(addresses_that_nobody_has_change_nothing),
		cmocka_unit_test(neighbours_are_told_apart),
		cmocka_unit_test(what_bridges_learn_and_proxies_answer_is_no_neighbour),
		cmocka_unit_test(while_not_all_are_known_each_may_be_a_change),
		cmocka_unit_test(the_kernel_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
