/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow NETNS DEVICE DEVICE DELAY_MS: hands frames from each device to the other, each DELAY_MS
 * later. Says "ready" and goes on until its standard input ends. A kernel without netem is no
 * excuse, and without a queue that goes by time TC can hold nothing back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 10000
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
};

static long long delay_ns;

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

	if (way->end - way->first == WAITING_MAX) /* as a full queue */
		return;
	*last = (struct waiting){ now_ns() + delay_ns, (size_t)bytes, malloc((size_t)bytes) };
	if (!last->frame)
		fail("malloc");
	memcpy(last->frame, frame, (size_t)bytes);
	way->end++;
}

static void due_put(struct way *way)
{
	for (; way->first != way->end; way->first++) {
		struct waiting *next = &way->waiting[way->first % WAITING_MAX];

		if (next->due_ns > now_ns())
			break;
		put(way, next->frame, (ssize_t)next->bytes);
		free(next->frame);
	}
}

static void take(struct way *way)
{
	unsigned char frame[FRAME_MAX];
	ssize_t bytes = recv(way->from, frame, sizeof(frame), 0);

	if (bytes > 0)
		hand_on(way, frame, bytes);
}

/* Until something is due; -1: nothing is waited for but frames. */
static long long timeout_find(const struct way ways[2])
{
	long long timeout_ns = -1;

	for (int i = 0; i < 2; i++) {
		if (ways[i].first == ways[i].end)
			continue;
		long long ns = ways[i].waiting[ways[i].first % WAITING_MAX].due_ns - now_ns();

		if (ns < 0)
			ns = 0;
		if (timeout_ns < 0 || ns < timeout_ns)
			timeout_ns = ns;
	}
	return timeout_ns;
}

static void wait_for(struct pollfd wakes[3], long long timeout_ns)
{
	struct timespec timeout = { timeout_ns / (1000LL * NS_PER_MS),
				    timeout_ns % (1000LL * NS_PER_MS) };

	ppoll(wakes, 3, timeout_ns < 0 ? NULL : &timeout, NULL);
}

int main(int argc, char **argv)
{
	int netns = argc == 5 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (netns < 0 || setns(netns, CLONE_NEWNET))
		fail("usage: slow NETNS DEVICE DEVICE DELAY_MS");
	static struct way ways[2];

	ways[0].from = ways[1].to = device_open(argv[2]);
	ways[0].to = ways[1].from = device_open(argv[3]);
	delay_ns = strtol(argv[4], NULL, 10) * (long long)NS_PER_MS;
	be_in_time();
	puts("ready");
	fflush(stdout);
	struct pollfd wakes[3] = { { .fd = ways[0].from, .events = POLLIN },
				   { .fd = ways[1].from, .events = POLLIN },
				   { .fd = STDIN_FILENO, .events = POLLIN } };

	while (!wakes[2].revents) {
		wait_for(wakes, timeout_find(ways));
		due_put(&ways[0]);
		due_put(&ways[1]);
		for (int i = 0; i < 2; i++)
			if (wakes[i].revents)
				take(&ways[i]);
	}
	return 0;
}
