/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments that wait for their first: who goes when, in which order, and what there is no room
 * for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "features/conntrack/conntrack_held.h"

#define MS 1000000ULL
#define NOW (1000 * MS)

static struct {
	uint32_t there;	   /* the datagram whose first has come, 0 for none */
	char sent[65536];  /* first bytes of frames, in order */
	char given_up[64]; /* numbers of datagrams */
	unsigned looks;
} world;

static bool is_there(void *arg, const struct conntrack_datagram *datagram)
{
	(void)arg;
	world.looks++;
	return world.there == datagram->id;
}

static void give_up(void *arg, const struct conntrack_datagram *datagram)
{
	size_t len = strlen(world.given_up);

	(void)arg;
	if (len + 4 < sizeof(world.given_up))
		snprintf(&world.given_up[len], sizeof(world.given_up) - len, "%u ", datagram->id);
}

static void send(void *arg, const struct weir_event_fragment *fragment)
{
	(void)arg;
	world.sent[strlen(world.sent)] = (char)fragment->data[0];
}

static int set_up(void **state)
{
	const struct conntrack_held_doors doors = { is_there, give_up, send, NULL };

	memset(&world, 0, sizeof(world));
	*state = conntrack_held_new(&doors);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	conntrack_held_free(*state);
	return 0;
}

/* Of the datagram `id`; its frame begins with `letter`. */
static int add_bytes(struct conntrack_held *held, uint32_t id, char letter, uint16_t bytes,
		     uint64_t now_ns)
{
	static struct weir_event_fragment fragment;

	fragment = (struct weir_event_fragment){
		.event = { .time_ns = now_ns, .proto = CONNTRACK_UDP, .ifindex = 7 },
		.id = id,
		.family = 4,
		.bytes = bytes,
	};
	memset(fragment.data, letter, fragment.bytes);
	return conntrack_held_add(held, &fragment, now_ns);
}

static int add(struct conntrack_held *held, uint32_t id, char letter, uint64_t now_ns)
{
	return add_bytes(held, id, letter, 100, now_ns);
}

/* As a timer would, until then. */
static void run_until(struct conntrack_held *held, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t next_ns = conntrack_held_run(held, from_ns);

	while (next_ns && next_ns <= to_ns) {
		uint64_t now_ns = next_ns > from_ns ? next_ns : from_ns;

		from_ns = now_ns;
		next_ns = conntrack_held_run(held, now_ns);
	}
}

static void held_pieces_go_in_order_once_their_first_is_there(void **state)
{
	add(*state, 1, 'a', NOW);
	add(*state, 2, 'x', NOW);
	add(*state, 1, 'b', NOW + 3 * MS);
	run_until(*state, NOW, NOW + 10 * MS);
	assert_string_equal(world.sent, "");
	world.there = 1;
	run_until(*state, NOW + 10 * MS, NOW + 40 * MS);
	assert_string_equal(world.sent, "ab");
	assert_int_equal(conntrack_held_count(*state), 1);
	assert_string_equal(world.given_up, "");
}

/* Its way goes on from where it was seen. */
static void first_that_is_there_is_given_a_millisecond(void **state)
{
	world.there = 1;
	add(*state, 1, 'a', NOW);
	assert_int_equal(conntrack_held_run(*state, NOW), NOW + MS);
	assert_string_equal(world.sent, "");
	assert_int_equal(conntrack_held_run(*state, NOW + MS), 0);
	assert_string_equal(world.sent, "a");
}

static void first_that_does_not_come_is_given_up_after_a_second(void **state)
{
	add(*state, 1, 'a', NOW);
	add(*state, 1, 'b', NOW + 500 * MS);
	run_until(*state, NOW, NOW + 999 * MS);
	assert_string_equal(world.sent, "");
	run_until(*state, NOW + 999 * MS, NOW + 1000 * MS);
	assert_string_equal(world.sent, "ab");
	assert_string_equal(world.given_up, "1 ");
	assert_int_equal(conntrack_held_alone(*state), 1);
}

static void one_that_waited_in_the_ring_is_given_up_by_its_own_time(void **state)
{
	static struct weir_event_fragment fragment = { .id = 1, .bytes = 100, .data = { 'a' } };

	fragment.event.time_ns = NOW;
	conntrack_held_add(*state, &fragment, NOW + 5000 * MS);
	conntrack_held_run(*state, NOW + 5000 * MS);
	assert_string_equal(world.sent, "a");
	assert_int_equal(conntrack_held_count(*state), 0);
}

static void looks_become_rare(void **state)
{
	add(*state, 1, 'a', NOW);
	run_until(*state, NOW, NOW + 999 * MS);
	/* 0, 1, 3, 7, 15, 31, 63, and one each 50 ms up to 999. */
	assert_int_equal(world.looks, 7 + 18);
}

static void what_has_no_room_goes_at_once_and_holds_the_rest_of_its_datagram_no_more(void **state)
{
	uint32_t kept = 0;

	while (conntrack_held_has_room(*state))
		assert_int_equal(add(*state, 10 + kept++, 'a', NOW), 0);
	assert_int_equal(kept, 1024);
	assert_int_equal(add(*state, 1, 'z', NOW), -ENOSPC);
	assert_string_equal(world.sent, "z");
	assert_string_equal(world.given_up, "1 ");
	assert_int_equal(conntrack_held_count(*state), kept);
}

static void bytes_are_bounded_as_fragments_are(void **state)
{
	uint32_t kept = 0;

	while (!add_bytes(*state, 10 + kept, 'a', 1500, NOW))
		kept++;
	/* Of 1,500 bytes in a mebibyte; room is asked for 1,600. */
	assert_int_equal(kept, 698);
}

static void one_that_comes_round_is_dropped(void **state)
{
	add(*state, 1, 'a', NOW);
	run_until(*state, NOW, NOW + 1000 * MS);
	assert_string_equal(world.sent, "a");
	assert_int_equal(add(*state, 1, 'b', NOW + 1500 * MS), -ELOOP);
	assert_string_equal(world.sent, "a");
	assert_int_equal(add(*state, 1, 'c', NOW + 3001 * MS), 0);
}

static void one_that_was_on_its_way_when_its_datagram_was_given_up_goes_at_once(void **state)
{
	static struct weir_event_fragment late = { .event = { .proto = CONNTRACK_UDP },
						   .id = 1,
						   .family = 4,
						   .bytes = 100,
						   .data = { 'l' } };

	add(*state, 1, 'a', NOW);
	run_until(*state, NOW, NOW + 1000 * MS);
	late.event.time_ns = NOW + 1010 * MS; /* not all was written by then */
	assert_int_equal(conntrack_held_add(*state, &late, NOW + 1011 * MS), 0);
	assert_string_equal(world.sent, "al");
	assert_int_equal(conntrack_held_count(*state), 0);
}

static void many_go_in_batches(void **state)
{
	for (unsigned i = 0; i < 2 * CONNTRACK_HELD_BATCH; i++)
		add(*state, 1, 'a', NOW);
	world.there = 1;
	conntrack_held_run(*state, NOW);
	assert_true(conntrack_held_run(*state, NOW + MS) <= NOW + MS);
	assert_int_equal(strlen(world.sent), CONNTRACK_HELD_BATCH);
	assert_int_equal(conntrack_held_run(*state, NOW + MS), 0);
	assert_int_equal(strlen(world.sent), 2 * CONNTRACK_HELD_BATCH);
}

static void at_the_end_all_go(void **state)
{
	add(*state, 1, 'a', NOW);
	add(*state, 2, 'x', NOW);
	add(*state, 1, 'b', NOW);
	conntrack_held_end(*state, NOW + MS);
	assert_string_equal(world.sent, "axb");
	assert_string_equal(world.given_up, "1 2 ");
	assert_int_equal(conntrack_held_run(*state, NOW + MS), 0);
	add(*state, 3, 'n', NOW + MS);
	assert_int_equal(conntrack_held_count(*state), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(held_pieces_go_in_order_once_their_first_is_there),
		TEST(first_that_is_there_is_given_a_millisecond),
		TEST(first_that_does_not_come_is_given_up_after_a_second),
		TEST(one_that_waited_in_the_ring_is_given_up_by_its_own_time),
		TEST(looks_become_rare),
		TEST(what_has_no_room_goes_at_once_and_holds_the_rest_of_its_datagram_no_more),
		TEST(bytes_are_bounded_as_fragments_are),
		TEST(one_that_comes_round_is_dropped),
		TEST(one_that_was_on_its_way_when_its_datagram_was_given_up_goes_at_once),
		TEST(many_go_in_batches),
		TEST(at_the_end_all_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
