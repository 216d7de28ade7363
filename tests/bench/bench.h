/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of weir-bench, which does what must be done in C; tests/bench/run decides what is
 * measured. */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/packet.h"

struct bpf_object;
struct bench_ruleset;
struct bench_state;
struct bench_tuple;
struct weir_object;

/* An entry of list.bin. */
struct bench_prefix {
	struct weir_addr addr;
	uint32_t length; /* of the family */
};

struct bench_list {
	struct bench_prefix *prefixes;
	size_t count;
};

/* The benchmark's own packet programs, loaded. */
struct bench_programs {
	struct bpf_object *object;
	struct weir_addr *keys;	     /* mapped, BENCH_KEYS of them */
	struct bench_tuple *tuples;  /* mapped, BENCH_TUPLES_MAX of them */
	struct bench_ruleset *rules; /* mapped: what the linear walk goes through */
	struct bench_state *state;
};

/* Says what failed, with errno, and returns -1. */
int bench_error(const char *what);

/* Subcommands: arguments after the name; 0, or 1 after saying what is wrong. */
int bench_shape(int argc, char **argv);
int bench_net(int argc, char **argv);
int bench_frames(int argc, char **argv);
int bench_flood(int argc, char **argv);
int bench_size(int argc, char **argv);
int bench_fill(int argc, char **argv);
int bench_ruleset(int argc, char **argv);
int bench_rules(int argc, char **argv);
int bench_track(int argc, char **argv);
int bench_flows(int argc, char **argv);
int bench_taken(int argc, char **argv);
int bench_survive(int argc, char **argv);
int bench_limit(int argc, char **argv);
int bench_attack(int argc, char **argv);
int bench_serve(int argc, char **argv);
int bench_maglev(int argc, char **argv);
int bench_services(int argc, char **argv);
int bench_serve_files(int argc, char **argv);
int bench_onward(int argc, char **argv);
int bench_account(int argc, char **argv);
int bench_read(int argc, char **argv);

/* Nanoseconds of processor that this thread and the ksoftirqd of its CPU have used; -1 unknown. */
int64_t bench_cpu_ns(void);
/* The ksoftirqd alone. */
int64_t bench_softirq_ns(void);
/* Binds the thread to the last CPU, where bench_cpu_ns() looks for ksoftirqd. */
int bench_pin(void);

int bench_list_read(const char *file, struct bench_list *ret_list);
void bench_list_done(struct bench_list *list);

/* `weir` (may be NULL): its maps of the same name are used, so that look-ups see its policy. */
int bench_programs_load(const struct weir_object *weir, struct bench_programs *ret_programs);
/* Before it: the hashes that count flows (bench_counts.bpf.h) hold so many from now on. */
void bench_counts_hold(uint32_t flows);
void bench_programs_done(struct bench_programs *programs);
int bench_program(const struct bench_programs *programs, const char *name);
int bench_map(const struct bench_programs *programs, const char *name);
/* Puts the addresses of a file before the generator. */
int bench_keys_read(struct bench_programs *programs, const char *file);
/* Likewise five-tuples, of which the file has any power of two up to BENCH_TUPLES_MAX, and the
 * rules of the linear walk. */
int bench_tuples_read(struct bench_programs *programs, const char *file);
int bench_rules_read(struct bench_programs *programs, const char *file);
int bench_trie_fill(const struct bench_programs *programs, const struct bench_list *list,
		    bool is_v4);
/* A UDP packet of BENCH_FRAME_BYTES from nowhere to 02:00:00:00:00:02. */
void bench_frame_make(bool is_v4, unsigned char *frame);
/* One of BENCH_TUPLE_FRAME_BYTES; all that a tuple says is still zero. Behind a TCP header without
 * options stand those of a usual SYN (BENCH_SYN_OFFSET makes them its own). */
void bench_tuple_frame_make(bool is_v4, unsigned char *frame);
/* All but addresses, ports and protocol: well-formed as TCP (a SYN without options) and as UDP. */
void bench_tuple_set(bool is_v4, struct bench_tuple *tuple);

#endif
