/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lossy NETNS DEVICE DEVICE LOST HELD [DELAY_MS]: hands frames from each device to the other, and
 * loses one of each LOST at random, and lets some that came after overtake one of each HELD; 0:
 * none. Each waits for DELAY_MS at the least. Says "ready" and goes on until its standard input
 * ends; then it says how many it has lost and held. What it draws is the same each time. A kernel
 * without netem is no excuse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 10000
#define OVERTAKEN_BY 4 /* frames */
#define PATIENCE_MS 5  /* for frames that would overtake */
#define WAITING_MAX 4096
#define NS_PER_MS 1000000

/* What is to take a certain time must not wait for a processor besides. It sleeps nearly always. */
static void be_in_time(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_FIFO, &first);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

struct waiting {
	long long due_ns;
	size_t bytes;
	unsigned char *frame;
};

struct way {
	int from, to;
	struct waiting waiting[WAITING_MAX]; /* a ring, the first to come first */
	unsigned first, end;
	unsigned char held[FRAME_MAX];
	ssize_t held_bytes; /* 0: none is */
	unsigned overtakers;
};

static unsigned lost_each, held_each;
static long long delay_ns;
static unsigned long lost, held;
static unsigned long long drawn = 0x9e3779b97f4a7c15;

/* Marsaglia, "Xorshift RNGs" (2003). */
static bool one_of(unsigned each)
{
	drawn ^= drawn << 13;
	drawn ^= drawn >> 7;
	drawn ^= drawn << 17;
	return each && drawn % each == 0;
}

static int device_open(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	int room = 64 << 20, yes = 1;

	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		fail(name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)))
		fail("PACKET_IGNORE_OUTGOING");
	return fd;
}

static void put(const struct way *way, const unsigned char *frame, ssize_t bytes)
{
	/* A full queue loses it, as a wire may. */
	if (send(way->to, frame, (size_t)bytes, 0) != bytes && errno != ENOBUFS && errno != EAGAIN)
		fail("send");
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL * NS_PER_MS + now.tv_nsec;
}

static void hand_on(struct way *way, const unsigned char *frame, ssize_t bytes)
{
	struct waiting *last = &way->waiting[way->end % WAITING_MAX];

	if (!delay_ns) {
		put(way, frame, bytes);
		return;
	}
	if (way->end - way->first == WAITING_MAX) /* as a full queue */
		return;
	*last = (struct waiting){ now_ns() + delay_ns, (size_t)bytes, malloc((size_t)bytes) };
	if (!last->frame)
		fail("malloc");
	memcpy(last->frame, frame, (size_t)bytes);
	way->end++;
}

/* Whether any was due. */
static bool due_put(struct way *way)
{
	bool any = false;

	for (; way->first != way->end; way->first++) {
		struct waiting *next = &way->waiting[way->first % WAITING_MAX];

		if (next->due_ns > now_ns())
			break;
		put(way, next->frame, (ssize_t)next->bytes);
		free(next->frame);
		any = true;
	}
	return any;
}

static void sooner(long long *timeout_ns, long long ns)
{
	if (ns < 0)
		ns = 0;
	if (*timeout_ns < 0 || ns < *timeout_ns)
		*timeout_ns = ns;
}

static void let_go(struct way *way)
{
	if (way->held_bytes)
		hand_on(way, way->held, way->held_bytes);
	way->held_bytes = 0;
}

static void take(struct way *way)
{
	unsigned char frame[FRAME_MAX];
	ssize_t bytes = recv(way->from, frame, sizeof(frame), 0);

	if (bytes <= 0)
		return;
	if (one_of(lost_each)) {
		lost++;
		return;
	}
	if (!way->held_bytes && one_of(held_each)) {
		memcpy(way->held, frame, (size_t)bytes);
		way->held_bytes = bytes;
		way->overtakers = OVERTAKEN_BY;
		held++;
		return;
	}
	hand_on(way, frame, bytes);
	if (way->held_bytes && !--way->overtakers)
		let_go(way);
}

/* Until something arrives or is due; -1: nothing is waited for but frames. */
static long long timeout_find(const struct way ways[2])
{
	long long timeout_ns = -1;

	for (int i = 0; i < 2; i++) {
		const struct way *way = &ways[i];

		if (way->held_bytes)
			sooner(&timeout_ns, PATIENCE_MS * NS_PER_MS);
		if (way->first != way->end)
			sooner(&timeout_ns,
			       way->waiting[way->first % WAITING_MAX].due_ns - now_ns());
	}
	return timeout_ns;
}

static int wait_for(struct pollfd wakes[3], long long timeout_ns)
{
	struct timespec timeout = { timeout_ns / (1000LL * NS_PER_MS),
				    timeout_ns % (1000LL * NS_PER_MS) };

	return ppoll(wakes, 3, timeout_ns < 0 ? NULL : &timeout, NULL);
}

int main(int argc, char **argv)
{
	int netns = argc == 6 || argc == 7 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (netns < 0 || setns(netns, CLONE_NEWNET))
		fail("usage: lossy NETNS DEVICE DEVICE LOST HELD [DELAY_MS]");
	static struct way ways[2];

	ways[0].from = ways[1].to = device_open(argv[2]);
	ways[0].to = ways[1].from = device_open(argv[3]);
	lost_each = (unsigned)strtoul(argv[4], NULL, 10);
	held_each = (unsigned)strtoul(argv[5], NULL, 10);
	delay_ns = argc == 7 ? strtol(argv[6], NULL, 10) * (long long)NS_PER_MS : 0;
	if (delay_ns)
		be_in_time();
	puts("ready");
	fflush(stdout);
	struct pollfd wakes[3] = { { .fd = ways[0].from, .events = POLLIN },
				   { .fd = ways[1].from, .events = POLLIN },
				   { .fd = STDIN_FILENO, .events = POLLIN } };

	while (!wakes[2].revents) {
		int woken = wait_for(wakes, timeout_find(ways));
		bool was_due = due_put(&ways[0]) | due_put(&ways[1]);

		if (!woken && !was_due) {
			let_go(&ways[0]);
			let_go(&ways[1]);
		}
		for (int i = 0; i < 2; i++)
			if (wakes[i].revents)
				take(&ways[i]);
	}
	printf("%lu %lu\n", lost, held);
	return 0;
}
