/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives each packet on standard input, and many mutations of it, to the parser in the kernel
 * (parse_bpf.bpf.o, by prog-run) and to the same parser compiled natively, and compares struct pkt
 * byte by byte. Lines: LINK HEX, as tests/unit/parse_print.c reads. usage: parse_bpf OBJECT
 * MUTATIONS < LINES
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/lib/parse.h"

#define PACKET_BYTES_MIN 14 /* prog-run takes no less */
#define SKB_BYTES_SURE \
	54 /* newer kernels refuse to make an skb of Ethernet and half an IP header */
#define PACKET_BYTES_MAX 2048
#define LINE_BYTES (2 * PACKET_BYTES_MAX + 16)
#define TIMED_RUNS 100000 /* a millisecond or two: short enough to fall between what else runs */

struct kernel_parser {
	int xdp;
	int tc;
	int tc_ip;
	int out; /* map with the struct pkt of the last run */
};

struct packet {
	__u16 ethertype; /* 0: with Ethernet header; host byte order */
	size_t length;
	__u8 bytes[PACKET_BYTES_MAX];
};

/* Reproducible on every machine, unlike rand(). */
static __u32 random_next(__u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct pkt native_parse(const struct packet *packet)
{
	struct cursor c =
		cursor_init((void *)packet->bytes, (__u8 *)packet->bytes + packet->length);
	struct pkt p;

	memset(&p, 0, sizeof(p));
	p.len = packet->length;
	if (packet->ethertype)
		parse_ip(&c, &p, be16(packet->ethertype));
	else
		parse_packet(&c, &p);
	return p;
}

static int kernel_run(int program, const struct packet *packet, const struct kernel_parser *parser,
		      struct pkt *ret_pkt)
{
	struct __sk_buff skb = { .mark = be16(packet->ethertype) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = packet->length);
	__u32 zero = 0;

	if (program != parser->xdp) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	int r = bpf_prog_test_run_opts(program, &opts);

	return r ? r : bpf_map_lookup_elem(parser->out, &zero, ret_pkt);
}

static int packet_differs(int program, const char *name, const struct packet *packet,
			  const struct kernel_parser *parser)
{
	struct pkt native = native_parse(packet), kernel;
	int r = kernel_run(program, packet, parser, &kernel);

	if (r == -EINVAL && program != parser->xdp && packet->length < SKB_BYTES_SURE)
		return 0;
	if (r) {
		fprintf(stderr, "%s: prog-run of %zu bytes: %s\n", name, packet->length,
			strerror(-r));
		return 1;
	}
	if (!memcmp(&native, &kernel, sizeof(native)))
		return 0;
	fprintf(stderr, "%s: native seen %#x, kernel %#x, l4 %u and %u, of ", name, native.seen,
		kernel.seen, native.l4_offset, kernel.l4_offset);
	for (size_t n = 0; n < packet->length; n++)
		fprintf(stderr, "%02x", packet->bytes[n]);
	fprintf(stderr, "\n");
	return 1;
}

static int packet_check(const struct packet *packet, const struct kernel_parser *parser,
			unsigned long *checked)
{
	if (packet->length < PACKET_BYTES_MIN)
		return 0;
	*checked += packet->ethertype ? 1 : 2;
	if (packet->ethertype)
		return packet_differs(parser->tc_ip, "tc, no link header", packet, parser);
	return packet_differs(parser->xdp, "xdp", packet, parser) +
	       packet_differs(parser->tc, "tc", packet, parser);
}

/* Cut somewhere, or one to three bytes near the front made something else. */
static void packet_mutate(struct packet *packet, __u32 *random)
{
	if (random_next(random) % 3 == 0 && packet->length > PACKET_BYTES_MIN) {
		packet->length = PACKET_BYTES_MIN +
				 random_next(random) % (packet->length - PACKET_BYTES_MIN + 1);
		return;
	}
	for (__u32 n = random_next(random) % 3 + 1; n; n--)
		packet->bytes[random_next(random) % (packet->length < 96 ? packet->length : 96)] =
			random_next(random);
}

static int line_read(char *line, struct packet *ret_packet)
{
	char *hex = strchr(line, ' ');

	if (!hex)
		return -EINVAL;
	*hex++ = 0;
	ret_packet->ethertype = strcmp(line, "eth") ? strtoul(line, NULL, 16) : 0;
	ret_packet->length = 0;
	while (isxdigit(hex[0]) && isxdigit(hex[1]) && ret_packet->length < PACKET_BYTES_MAX) {
		const char digits[3] = { hex[0], hex[1] };

		ret_packet->bytes[ret_packet->length++] = strtoul(digits, NULL, 16);
		hex += 2;
	}
	return 0;
}

static int lines_check(const struct kernel_parser *parser, unsigned long mutations)
{
	static char line[LINE_BYTES];
	unsigned long checked = 0, differing = 0;
	__u32 random = 1;

	while (fgets(line, sizeof(line), stdin)) {
		struct packet packet = { 0 };

		if (line_read(line, &packet)) {
			fprintf(stderr, "parse_bpf: a line is not LINK HEX\n");
			return 1;
		}
		differing += packet_check(&packet, parser, &checked);
		for (unsigned long n = 0; n < mutations; n++) {
			struct packet mutated = packet;

			if (mutated.length)
				packet_mutate(&mutated, &random);
			differing += packet_check(&mutated, parser, &checked);
		}
	}
	printf("{\"checked\": %lu, \"differing\": %lu", checked, differing);
	return differing || !checked;
}

/* Nanoseconds a run, the best of several: other work on the machine only ever adds. */
static unsigned program_time(int program, const struct packet *packet)
{
	unsigned best = ~0u;

	for (int n = 0; n < 50; n++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
			    .data_size_in = packet->length, .repeat = TIMED_RUNS);

		if (!bpf_prog_test_run_opts(program, &opts) && opts.duration < best)
			best = opts.duration;
	}
	return best;
}

static int program_fd(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}

static void times_print(struct bpf_object *object)
{
	static const struct {
		const char *name, *hex;
	} timed[] = {
		{ "ipv4_tcp",
		  "eth 020000000002020000000001080045b80028000140003d060000c0000201c6336402"
		  "123400500000000100000002501201000000000000000000000000000" },
		{ "ipv6_tcp",
		  "eth "
		  "02000000000202000000000186dd60000000001406ff20010db80000000000000000000000012001"
		  "0db8"
		  "000000000000000000000002123400500000000100000002501201000000000000" },
		{ "qinq_ipv4_tcp",
		  "eth 02000000000202000000000188a800078100006408004500002800014000400600"
		  "00c0000201c633640212340050000000010000000250120100000000000000" },
	};

	for (size_t n = 0; n < sizeof(timed) / sizeof(timed[0]); n++) {
		char line[LINE_BYTES];
		struct packet packet = { 0 };

		snprintf(line, sizeof(line), "%s", timed[n].hex);
		if (!line_read(line, &packet))
			printf(", \"%s_ns\": %d", timed[n].name,
			       (int)program_time(program_fd(object, "parse_only"), &packet) -
				       (int)program_time(program_fd(object, "parse_nothing"),
							 &packet));
	}
}

static void verified_print(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		struct bpf_prog_info info = { 0 };
		__u32 size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			printf(", \"%s_verified\": %u, \"%s_jited_bytes\": %u",
			       bpf_program__name(program), info.verified_insns,
			       bpf_program__name(program), info.jited_prog_len);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: parse_bpf OBJECT MUTATIONS < LINES\n");
		return 2;
	}
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);

	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "parse_bpf: cannot load %s\n", argv[1]);
		return 1;
	}
	struct kernel_parser parser = {
		.xdp = program_fd(object, "parse_xdp"),
		.tc = program_fd(object, "parse_tc"),
		.tc_ip = program_fd(object, "parse_tc_ip"),
		.out = bpf_object__find_map_fd_by_name(object, "out"),
	};
	int failed = lines_check(&parser, strtoul(argv[2], NULL, 10));

	times_print(object);
	verified_print(object);
	printf("}\n");
	bpf_object__close(object);
	return failed;
}
