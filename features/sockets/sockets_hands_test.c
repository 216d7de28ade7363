/* SPDX-License-Identifier: Apache-2.0 */
/* What each has of sockets that were handed on between two looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "features/sockets/sockets_state.h"

#define TCP 6

struct looks {
	struct sockets state;
	struct sockets_entry ended[SOCKETS_ENDED_MAX];
};

static int looks_open(void **state)
{
	struct looks *looks = calloc(1, sizeof(*looks));

	looks->state.view = calloc(1, sizeof(*looks->state.view));
	looks->state.ended = looks->ended;
	*state = looks;
	return 0;
}

static int looks_close(void **state)
{
	struct looks *looks = *state;

	sockets_hands_done(&looks->state.hands);
	weir_buf_done(&looks->state.view->live);
	free(looks->state.view);
	free(looks);
	return 0;
}

static struct sockets_entry entry_of(uint64_t cookie, const char *comm, uint64_t sent)
{
	struct sockets_entry entry = { .cookie = cookie, .proto = TCP };

	entry.by = comm ? SOCKETS_BY_CONNECT : SOCKETS_BY_NOBODY;
	if (comm)
		strncpy(entry.owner.comm, comm, sizeof(entry.owner.comm) - 1);
	entry.numbers.bytes_sent = sent;
	entry.numbers.bytes_received = 2 * sent;
	return entry;
}

static void lives(struct looks *looks, uint64_t cookie, const char *comm, uint64_t sent)
{
	struct sockets_entry entry = entry_of(cookie, comm, sent);

	weir_buf_add(&looks->state.view->live, &entry, sizeof(entry));
}

static void has_ended(struct looks *looks, uint64_t cookie, const char *comm, uint64_t sent)
{
	looks->ended[looks->state.view->turn++ % SOCKETS_ENDED_MAX] = entry_of(cookie, comm, sent);
}

static void has_ended_without_room(struct looks *looks, uint64_t cookie, const char *comm,
				   uint64_t sent)
{
	size_t place = looks->state.view->turn % SOCKETS_ENDED_MAX;

	has_ended(looks, cookie, comm, sent);
	looks->ended[place].marks |= SOCKETS_MARK_UNSUMMED;
}

static void look_begin(struct looks *looks)
{
	sockets_hands_note(&looks->state.hands, looks->state.view);
	weir_buf_clear(&looks->state.view->live);
}

static void look_end(struct looks *looks)
{
	sockets_hands_compare(&looks->state.hands, &looks->state);
}

static void handed_is(const struct looks *looks, const char *comm, int64_t sent)
{
	const struct sockets_hands *hands = &looks->state.hands;

	for (size_t i = 0; i < hands->count; i++)
		if (strcmp(hands->rows[i].key.comm, comm) == 0) {
			assert_int_equal(hands->rows[i].sent, sent);
			assert_int_equal(hands->rows[i].received, 2 * sent);
			return;
		}
	assert_int_equal(sent, 0);
}

static void what_goes_on_with_the_same_is_not_handed_on(void **state)
{
	struct looks *looks = *state;

	lives(looks, 7, "cat", 100);
	look_begin(looks);
	lives(looks, 7, "cat", 500);
	lives(looks, 8, "dog", 50);
	look_end(looks);
	handed_is(looks, "cat", 0);
	handed_is(looks, "dog", 0);
}

static void heir_has_what_came_since(void **state)
{
	struct looks *looks = *state;

	lives(looks, 9, "owl", 1);
	lives(looks, 7, "cat", 100);
	look_begin(looks);
	lives(looks, 7, "dog", 130); /* of which 30 are the heir's */
	lives(looks, 9, "owl", 2);
	look_end(looks);
	handed_is(looks, "cat", -100);
	handed_is(looks, "dog", 100);
	handed_is(looks, "owl", 0);
	look_begin(looks);
	lives(looks, 7, "cat", 200);
	look_end(looks);
	handed_is(looks, "cat", 30);
	handed_is(looks, "dog", -30);
}

static void socket_that_ended_as_another_s_was_handed_on(void **state)
{
	struct looks *looks = *state;

	has_ended(looks, 7, "old", 9); /* before the look: not compared */
	lives(looks, 7, "cat", 100);
	lives(looks, 8, NULL, 40);
	look_begin(looks);
	has_ended(looks, 7, "dog", 130);
	has_ended(looks, 8, "dog", 45);
	has_ended(looks, 9, "dog", 77); /* began and ended in between: all his */
	look_end(looks);
	handed_is(looks, "cat", -100);
	handed_is(looks, "", -40);
	handed_is(looks, "dog", 140);
}

static void socket_that_ended_without_room_in_totals_is_handed_to_the_rest(void **state)
{
	struct looks *looks = *state;

	lives(looks, 7, "cat", 100);
	lives(looks, 8, "owl", 40);
	lives(looks, 9, "dog", 10);
	look_begin(looks);
	has_ended(looks, 7, "cat", 130);
	has_ended_without_room(looks, 8, "owl", 45);
	has_ended_without_room(looks, 9, "elk", 15);  /* of which the dog carried 10 */
	has_ended_without_room(looks, 10, "fox", 77); /* nobody was told that he had it */
	look_end(looks);
	handed_is(looks, "cat", 0);
	handed_is(looks, "owl", -45);
	handed_is(looks, "dog", -10);
	handed_is(looks, "elk", 10 - 15);
	handed_is(looks, "fox", 0);
	handed_is(looks, "", 45 + 15);
}

static void what_is_handed_on_without_room_stays_whole(void **state)
{
	struct looks *looks = *state;
	char name[SOCKETS_COMM_BYTES];
	int64_t sent = 0;

	for (unsigned i = 0; i < SOCKETS_HANDS_MAX; i++) {
		snprintf(name, sizeof(name), "one-%u", i);
		lives(looks, i + 1, name, 100);
	}
	look_begin(looks);
	for (unsigned i = 0; i < SOCKETS_HANDS_MAX; i++) {
		snprintf(name, sizeof(name), "two-%u", i);
		lives(looks, i + 1, name, 100);
	}
	look_end(looks);
	for (size_t i = 0; i < looks->state.hands.count; i++)
		sent += looks->state.hands.rows[i].sent;
	assert_int_equal(sent, 0);
	handed_is(looks, "one-0", -100);
	handed_is(looks, "two-0", 100);
}

static struct sockets_total_row row_that_leaves(unsigned number, uint64_t sent)
{
	struct sockets_total_row row = { .key = { .proto = TCP } };

	snprintf(row.key.comm, sizeof(row.key.comm), "job-%u", number);
	row.total.bytes_sent = sent;
	row.total.bytes_received = 2 * sent;
	return row;
}

/* Three times as many as there is room for, so many a look: those who have gone make room. */
static void rows_that_leave_are_handed_to_the_rest_whole_however_many(void **state)
{
	struct looks *looks = *state;
	const unsigned each = SOCKETS_LEAVING_MAX, rounds = 3 * SOCKETS_HANDS_MAX / each;

	looks->state.view->total_count = 1; /* the rest's */
	lives(looks, 7, "cat", 100);
	for (unsigned round = 0; round < rounds; round++) {
		look_begin(looks);
		for (unsigned i = 0; i < each; i++) {
			const struct sockets_total_row row = row_that_leaves(round * each + i, 10);

			sockets_hands_merge(&looks->state.hands, &row);
		}
		lives(looks, 7, round % 2 ? "cat" : "dog", 100);
		look_end(looks);
		handed_is(looks, "", 10 * (int64_t)(round + 1) * each);
	}
	handed_is(looks, "dog", 0);
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, looks_open, looks_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_goes_on_with_the_same_is_not_handed_on),
		CASE(heir_has_what_came_since),
		CASE(socket_that_ended_as_another_s_was_handed_on),
		CASE(socket_that_ended_without_room_in_totals_is_handed_to_the_rest),
		CASE(what_is_handed_on_without_room_stays_whole),
		CASE(rows_that_leave_are_handed_to_the_rest_whole_however_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
