/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of a dump that does not go as it should. recv() of this file stands before the library's:
 * it gives what the test has prepared, for a kernel cannot be made to interrupt a dump at will.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/kernel_flows_private.h"
#include "core/netlink.h"

#define PARTS_MAX 8
#define PART_BYTES 32768

#define MESSAGE 0x100 /* a type of nobody's */
#define INTERRUPTED 0x10
#define DONE 3
#define FAILED 2

/* What recv() gives in turn: -errno, or so many bytes. */
static struct part {
	ssize_t result;
	unsigned char bytes[PART_BYTES];
} parts[PARTS_MAX];
static size_t part_count, part_next, sockets_made;
static bool begins_again; /* the parts, for every socket */

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	assert_true(part_next < part_count);
	const struct part *part = &parts[part_next++];

	assert_true(flags & MSG_TRUNC);
	if (part->result < 0) {
		errno = (int)-part->result;
		return -1;
	}
	memcpy(bytes, part->bytes, (size_t)part->result < size ? (size_t)part->result : size);
	return part->result;
}

/* The request went to the kernel, as it were. */
ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
	sockets_made++;
	if (begins_again)
		part_next = 0;
	return (ssize_t)size;
}

static int reset(void **state)
{
	memset(parts, 0, sizeof(parts));
	part_count = part_next = sockets_made = 0;
	begins_again = false;
	return 0;
}

static void part_fails(int error)
{
	parts[part_count++].result = -error;
}

/* To the part begun last: a header and a number, which is what an end begins with too. */
static void message_add(uint16_t type, uint16_t flags, int32_t number)
{
	struct part *part = &parts[part_count - 1];
	struct nlmsghdr header = { .nlmsg_len = 20, .nlmsg_type = type, .nlmsg_flags = flags };

	memcpy(part->bytes + part->result, &header, sizeof(header));
	memcpy(part->bytes + part->result + sizeof(header), &number, sizeof(number));
	part->result += 20;
}

static void part_holds(uint16_t type, uint16_t flags, int32_t number)
{
	part_count++;
	message_add(type, flags, number);
}

struct told {
	int count, sum;
	int answer_at; /* a number; what is answered to it */
	int answer;
};

static int number_take(const struct nlmsghdr *message, void *arg)
{
	struct told *told = arg;
	int32_t number;

	memcpy(&number, NLMSG_DATA(message), sizeof(number));
	told->count++;
	told->sum += number;
	return number == told->answer_at ? told->answer : 0;
}

static const struct nlmsghdr request = { .nlmsg_len = sizeof(request) };

static int ask(struct told *told)
{
	return weir_netlink_ask(NETLINK_ROUTE, &request, number_take, told);
}

static void dump_is_read_to_its_end_over_parts(void **state)
{
	struct told told = { 0 };

	part_holds(MESSAGE, 0, 1);
	message_add(MESSAGE, 0, 2);
	part_holds(MESSAGE, 0, 4);
	message_add(DONE, 0, 0);
	message_add(MESSAGE, 0, 8); /* nothing of ours any more */
	assert_int_equal(ask(&told), 0);
	assert_int_equal(told.sum, 7);
	assert_int_equal(part_next, 2);
}

static void interruption_is_told_after_the_whole(void **state)
{
	struct told told = { 0 };

	part_holds(MESSAGE, INTERRUPTED, 1);
	part_holds(MESSAGE, 0, 2);
	message_add(DONE, 0, 0);
	assert_int_equal(ask(&told), -EAGAIN);
	assert_int_equal(told.sum, 3);
}

static void interruption_told_by_the_end_counts(void **state)
{
	struct told told = { 0 };

	part_holds(DONE, INTERRUPTED, 0);
	assert_int_equal(ask(&told), -EAGAIN);
}

static void error_of_the_kernel_is_returned(void **state)
{
	struct told told = { 0 };

	part_holds(FAILED, 0, -EPERM);
	assert_int_equal(ask(&told), -EPERM);
	part_holds(MESSAGE, 0, 1);
	message_add(DONE, 0, -ENOMEM);
	assert_int_equal(ask(&told), -ENOMEM);
}

static void failures_of_receiving_are_told_apart(void **state)
{
	struct told told = { 0 };

	part_fails(ENOBUFS);
	assert_int_equal(ask(&told), -ENOBUFS);
	part_fails(EAGAIN); /* nothing came in time */
	assert_int_equal(ask(&told), -ETIMEDOUT);
	part_fails(EINTR);
	part_holds(DONE, 0, 0);
	assert_int_equal(ask(&told), 0);
}

static void part_that_was_cut_is_a_loss(void **state)
{
	struct told told = { 0 };

	part_holds(MESSAGE, 0, 1);
	parts[0].result = PART_BYTES + 4;
	assert_int_equal(ask(&told), -ENOBUFS);
	assert_int_equal(told.count, 0);
}

static void message_that_lies_of_its_length_is_not_read(void **state)
{
	struct told told = { 0 };

	part_holds(MESSAGE, 0, 1);
	parts[0].bytes[0] = 21;
	part_holds(MESSAGE, 0, 2);
	parts[1].bytes[0] = 15;
	part_holds(DONE, 0, 0);
	assert_int_equal(ask(&told), 0);
	assert_int_equal(told.count, 0);
}

static void answer_of_the_caller_ends_it(void **state)
{
	struct told told = { .answer_at = 2, .answer = -EAGAIN };

	part_holds(MESSAGE, 0, 1);
	message_add(MESSAGE, 0, 2);
	message_add(MESSAGE, 0, 4);
	assert_int_equal(ask(&told), -EAGAIN);
	assert_int_equal(told.sum, 3);
}

static int ask_again(struct kernel_flow_telling *telling, struct told *told)
{
	return weir_kernel_flows_ask(telling, NETLINK_ROUTE, &request, number_take, told);
}

static void interrupted_dump_is_asked_for_four_times_in_all(void **state)
{
	struct kernel_flow_telling telling = { 0 };
	struct told told = { 0 };

	begins_again = true;
	part_holds(MESSAGE, INTERRUPTED, 1);
	message_add(DONE, 0, 0);
	assert_int_equal(ask_again(&telling, &told), 0);
	assert_int_equal(sockets_made, 4);
	assert_true(telling.has_gaps);
}

static void dump_is_whole_once_it_was_not_interrupted(void **state)
{
	struct kernel_flow_telling telling = { 0 };
	struct told told = { 0 };

	part_holds(MESSAGE, INTERRUPTED, 1);
	message_add(DONE, 0, 0);
	part_fails(ENOBUFS);
	part_holds(MESSAGE, 0, 1);
	message_add(DONE, 0, 0);
	assert_int_equal(ask_again(&telling, &told), 0);
	assert_int_equal(sockets_made, 3);
	assert_false(telling.has_gaps);
}

static void other_failures_are_not_asked_for_again(void **state)
{
	struct kernel_flow_telling telling = { 0 };
	struct told told = { 0 };

	part_holds(FAILED, 0, -EPERM);
	assert_int_equal(ask_again(&telling, &told), -EPERM);
	part_fails(EAGAIN);
	assert_int_equal(ask_again(&telling, &told), -ETIMEDOUT);
	assert_int_equal(sockets_made, 2);
	assert_false(telling.has_gaps);
}

static int flow_refuse(const struct weir_kernel_flow *flow, void *arg)
{
	return -EAGAIN;
}

static int flow_make(const struct nlmsghdr *message, void *arg)
{
	return weir_kernel_flow_tell(arg, &(struct weir_kernel_flow){ 0 });
}

static void caller_who_ends_it_with_eagain_is_not_told_again(void **state)
{
	struct kernel_flow_telling telling = { .each = flow_refuse };

	begins_again = true;
	part_holds(MESSAGE, 0, 1);
	assert_int_equal(weir_kernel_flows_ask(&telling, NETLINK_ROUTE, &request, flow_make,
					       &telling),
			 -EAGAIN);
	assert_int_equal(sockets_made, 1);
	assert_false(telling.has_gaps);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dump_is_read_to_its_end_over_parts),
		TEST(interruption_is_told_after_the_whole),
		TEST(interruption_told_by_the_end_counts),
		TEST(error_of_the_kernel_is_returned),
		TEST(failures_of_receiving_are_told_apart),
		TEST(part_that_was_cut_is_a_loss),
		TEST(message_that_lies_of_its_length_is_not_read),
		TEST(answer_of_the_caller_ends_it),
		TEST(interrupted_dump_is_asked_for_four_times_in_all),
		TEST(dump_is_whole_once_it_was_not_interrupted),
		TEST(other_failures_are_not_asked_for_again),
		TEST(caller_who_ends_it_with_eagain_is_not_told_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
