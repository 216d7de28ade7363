/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blaster SEND_NETNS DEVICE RECV_NETNS DEVICE: puts many packets on a wire and tells which arrived.
 * Standard input, over and over: a 32-bit count (of this machine's byte order), then so many struct
 * question; standard output: one byte each, 1 = it arrived. harness/blaster.py is its other side.
 * It judges by arrival alone and knows nothing of Weir.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX 128
#define BATCH 64
#define QUESTIONS_MAX (1 << 20)
#define SOCKETS 4
#define RECEIVE_BUFFER (64 << 20)

/* How the packet is dressed. */
enum dress {
	PLAIN,
	VLAN,
	QINQ,
	FRAGMENT,
	EXTENDED,
	DRESSES
};

struct question {
	unsigned char address[16]; /* of the source; a v4 address stands in the first four bytes */
	unsigned char is_v6;
	unsigned char dress;
};

struct frame {
	unsigned char bytes[FRAME_MAX];
	size_t len;
};

static void put(struct frame *frame, const void *bytes, size_t len)
{
	memcpy(frame->bytes + frame->len, bytes, len);
	frame->len += len;
}

static void put16(struct frame *frame, unsigned value)
{
	unsigned char bytes[2] = { (unsigned char)(value >> 8), (unsigned char)value };

	put(frame, bytes, sizeof(bytes));
}

static void put_v4(struct frame *frame, const struct question *question)
{
	unsigned options = question->dress == EXTENDED ? 4 : 0;
	unsigned char head[20] = { 0x45, 0, 0, 40, 0, 9, 0,   0,  64, 17,
				   0,	 0, 0, 0,  0, 0, 198, 18, 0,  1 };

	head[0] = (unsigned char)(0x40 + (20 + options) / 4);
	head[3] = (unsigned char)(head[3] + options);
	head[7] = question->dress == FRAGMENT ? 9 : 0; /* 72 bytes into its datagram */
	memcpy(head + 12, question->address, 4);
	put(frame, head, sizeof(head));
	put(frame, "\x01\x01\x01\x01", options);
}

static void put_v6(struct frame *frame, const struct question *question)
{
	unsigned char head[40] = { 0x60, 0, 0, 0, 0, 20, 17, 64 };
	static const unsigned char destination[16] = { 0x20, 1, 0xd, 0xb8, 0xff };
	unsigned char fragment[8] = { 17, 0, 0, 9 << 3, 0, 0, 0, 9 };
	static const unsigned char options[8] = { 17, 0, 1, 4 };

	if (question->dress == FRAGMENT || question->dress == EXTENDED) {
		head[5] += 8;
		head[6] = question->dress == FRAGMENT ? 44 : 60;
	}
	memcpy(head + 8, question->address, 16);
	memcpy(head + 24, destination, 16);
	put(frame, head, sizeof(head));
	if (question->dress == FRAGMENT)
		put(frame, fragment, sizeof(fragment));
	if (question->dress == EXTENDED)
		put(frame, options, sizeof(options));
}

/* 20 bytes behind IP: a UDP header, "weir-bla", the number. */
static void build(struct frame *frame, const struct question *question, __u32 number)
{
	frame->len = 0;
	put(frame, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01", 12);
	if (question->dress == QINQ) {
		put16(frame, ETH_P_8021AD);
		put16(frame, 5);
	}
	if (question->dress == VLAN || question->dress == QINQ) {
		put16(frame, ETH_P_8021Q);
		put16(frame, 6);
	}
	put16(frame, question->is_v6 ? ETH_P_IPV6 : ETH_P_IP);
	question->is_v6 ? put_v6(frame, question) : put_v4(frame, question);
	put(frame, "\x03\xe8\x07\xd0\0\x14\0\0weir-bla", 16);
	put(frame, &number, sizeof(number));
}

static int packet_socket(const char *netns, const char *device, int protocol)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
	    there = open(netns, O_RDONLY | O_CLOEXEC);
	int fd = setns(there, CLONE_NEWNET) ? -1 : socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons((unsigned short)protocol),
		.sll_ifindex = (int)if_nametoindex(device),
	};
	int bytes = RECEIVE_BUFFER;

	if (fd < 0 || !address.sll_ifindex ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || setns(home, CLONE_NEWNET)) {
		fprintf(stderr, "blaster: %s %s: %s\n", netns, device, strerror(errno));
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	close(home);
	close(there);
	return fd;
}

static void send_batch(int fd, const struct question *questions, __u32 first, __u32 count)
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH] = {};
	struct iovec parts[BATCH];

	for (__u32 i = 0; i < count; i++) {
		build(&frames[i], &questions[first + i], first + i);
		parts[i] = (struct iovec){ frames[i].bytes, frames[i].len };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (__u32 sent = 0; sent < count;) {
		int done = sendmmsg(fd, messages + sent, count - sent, 0);

		if (done < 0 && errno != ENOBUFS && errno != EAGAIN) {
			perror("blaster: send");
			exit(1);
		}
		sent += done > 0 ? (__u32)done : 0;
	}
}

/* Marks what lies in the socket. */
static void receive_all(int fd, unsigned char *arrived, __u32 count)
{
	static unsigned char bytes[BATCH][FRAME_MAX];
	struct mmsghdr messages[BATCH] = {};
	struct iovec parts[BATCH];
	int got;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ bytes[i], FRAME_MAX };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while ((got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL)) > 0) {
		for (int i = 0; i < got; i++) {
			__u32 number, len = messages[i].msg_len;

			if (len < 12 || memcmp(bytes[i] + len - 12, "weir-bla", 8) != 0)
				continue;
			memcpy(&number, bytes[i] + len - 4, 4);
			if (number < count)
				arrived[number] = 1;
		}
	}
}

/* An ARP frame passes always; frames of one CPU keep their order: once it is there, nothing can
 * still be under way. */
static void await_end(int out, int in)
{
	unsigned char frame[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,
				    9,	  8,	6,    0,    1,	  8,	0, 6, 4, 0, 1 };
	char got[FRAME_MAX];

	if (send(out, frame, sizeof(frame), 0) != sizeof(frame) ||
	    recv(in, got, sizeof(got), 0) < 0) {
		perror("blaster: the last frame");
		exit(1);
	}
}

static void pin_to_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void answer(int out, const int *in, int end, const struct question *questions, __u32 count)
{
	static unsigned char arrived[QUESTIONS_MAX];

	memset(arrived, 0, count);
	pin_to_one_cpu();
	for (__u32 first = 0; first < count; first += BATCH) {
		send_batch(out, questions, first, count - first < BATCH ? count - first : BATCH);
		for (int i = 0; i < SOCKETS; i++)
			receive_all(in[i], arrived, count);
	}
	await_end(out, end);
	for (int i = 0; i < SOCKETS; i++)
		receive_all(in[i], arrived, count);
	fwrite(arrived, 1, count, stdout);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct question questions[QUESTIONS_MAX];
	static const int protocols[SOCKETS] = { ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD };
	int in[SOCKETS];
	__u32 count;

	if (argc != 5) {
		fprintf(stderr, "usage: blaster SEND_NETNS DEVICE RECV_NETNS DEVICE\n");
		return 2;
	}
	int out = packet_socket(argv[1], argv[2], 0),
	    end = packet_socket(argv[3], argv[4], ETH_P_ARP);

	for (int i = 0; i < SOCKETS; i++)
		in[i] = packet_socket(argv[3], argv[4], protocols[i]);
	while (fread(&count, sizeof(count), 1, stdin) == 1) {
		if (count > QUESTIONS_MAX ||
		    fread(questions, sizeof(*questions), count, stdin) != count) {
			fprintf(stderr, "blaster: bad question\n");
			return 1;
		}
		answer(out, in, end, questions, count);
	}
	return 0;
}
