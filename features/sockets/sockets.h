/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the two sides of `sockets` agree on. */
#ifndef WEIR_SOCKETS_H
#define WEIR_SOCKETS_H

#include "../../abi/packet.h"

#define SOCKETS_MAX 65536	/* alive at once */
#define SOCKETS_ENDED_MAX 4096	/* the last so many that ended; a power of two */
#define SOCKETS_UNSEEN_MAX 1024 /* … whose end no program saw */
#define SOCKETS_TOTALS_MAX 2048
#define SOCKETS_LEAVING_MAX 512 /* rows of these that make room at once */
#define SOCKETS_CGROUPS_MAX 1024
#define SOCKETS_COMM_BYTES 16
#define SOCKETS_COMMANDS_MAX 4096
#define SOCKETS_COMMAND_BYTES 256 /* of a command line */
#define SOCKETS_CGROUP_BYTES 96	  /* of a name; a container's is 64 digits and what is around it */

enum sockets_by {
	SOCKETS_BY_NOBODY,
	SOCKETS_BY_CONNECT, /* it connected */
	SOCKETS_BY_CLOSE,   /* it was the last that had it */
	SOCKETS_BY_FILE,    /* it had it among its files when that was looked at */
};

/* How often a window was closed, and at which number last: one word, for one compare-and-swap. */
#define SOCKETS_ZERO_TIMES(word) ((__u32)((word) >> 32))
#define SOCKETS_ZERO_EDGE(word) ((__u32)(word))
#define SOCKETS_ZERO(times, edge) ((__u64)(times) << 32 | (edge))

#define SOCKETS_MARK_SEEN 1	/* counted as such; not a UDP socket that asks in vain, perhaps */
#define SOCKETS_MARK_UNSUMMED 2 /* it ended, and is in the totals of the rest */

enum sockets_side {
	SOCKETS_SIDE_UNKNOWN, /* it was there before */
	SOCKETS_SIDE_CLIENT,
	SOCKETS_SIDE_SERVER,
};

/* A process is its number and when it began: numbers come again. What it runs may change. */
struct sockets_process {
	__u64 began_ns; /* CLOCK_BOOTTIME; 0: none is known */
	__u64 cgroup;	/* identifier in the one hierarchy of version 2 */
	__u32 pid, uid;
	__u32 program; /* another one with each execve(), as the kernel counts them */
	__u32 pad;
	char comm[SOCKETS_COMM_BYTES]; /* of the process, not of its thread */
};

_Static_assert(sizeof(struct sockets_process) == 48, "the same on both sides");

struct sockets_command_key {
	__u64 began_ns;
	__u32 pid, program;
};

/* As it stood in the process's own memory. */
struct sockets_command {
	struct sockets_command_key of; /* written last: whose the text is */
	__u32 bytes;		       /* of all of it; 0: it is being written */
	__u32 pad;
	char text[SOCKETS_COMMAND_BYTES]; /* a zero behind each argument */
};

_Static_assert(sizeof(struct sockets_command) == 280, "the same on both sides");

/* As the kernel has them of a TCP socket. */
struct sockets_numbers {
	__u64 bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
	__u32 srtt_us, rttvar_us, min_rtt_us; /* 0: none was measured */
	__u32 cwnd, unacked, lost;	      /* segments, now */
	__u32 retransmits, out_of_order;      /* segments, so far */
	__u32 segments_sent, segments_received;
	__u32 send_window, receive_window; /* bytes, now */
};

_Static_assert(sizeof(struct sockets_numbers) == 80, "the same on both sides");

struct sockets_entry {
	__u64 cookie;
	__u64 at;		  /* the socket's address in the kernel */
	__u64 begun_ns, ended_ns; /* CLOCK_MONOTONIC; ended 0: it lives */
	struct weir_addr local, remote;
	__u16 local_port, remote_port; /* host byte order */
	__u8 proto, state;	       /* TCP_ESTABLISHED and so on */
	__u8 side, by;		       /* enum sockets_side; of `owner`: enum sockets_by */
	__u32 netns;
	__u32 handshake_us; /* 0: not known */
	__u32 resets_sent, resets_received;
	__u8 is_adopted; /* it was there before it was watched */
	__u8 is_gone;	 /* its end was missed */
	__u8 was_established;
	__u8 was_looked_at;		/* since it began, by a look at all sockets */
	__u32 marks;			/* SOCKETS_MARK_… */
	struct sockets_process owner;	/* by what it did */
	struct sockets_process holder;	/* another that was found to have it */
	__u64 owner_walk, holder_walk;	/* the last walk over all files that found it so */
	__u64 zero_sent, zero_received; /* windows that were closed: SOCKETS_ZERO_TIMES() */
	struct sockets_numbers numbers; /* as they were read last */
	struct sockets_numbers before;	/* … and when it was adopted: not counted in totals */
};

_Static_assert(sizeof(struct sockets_entry) == 384, "the same on both sides");

struct sockets_total_key {
	__u64 cgroup;
	__u32 uid;
	__u8 proto;
	__u8 pad[3];
	char comm[SOCKETS_COMM_BYTES];
};

_Static_assert(sizeof(struct sockets_total_key) == 32, "the same on both sides");

/* What sockets that ended had. */
struct sockets_total {
	__u64 sockets, failed; /* failed: never established */
	__u64 bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
	__u64 retransmits, out_of_order, resets_sent, resets_received;
	__u64 zero_windows_sent, zero_windows_received;
};

_Static_assert(sizeof(struct sockets_total) == 96, "the same on both sides");

/* The names are written down when the cgroup is met first: it may be gone before anybody looks. */
struct sockets_cgroup {
	char name[SOCKETS_CGROUP_BYTES], parent[SOCKETS_CGROUP_BYTES];
};

/* Rows of ctr_sock. */
enum sockets_sum {
	SOCKETS_SEEN,		  /* that were written down */
	SOCKETS_CROWDED,	  /* … for which there was no room */
	SOCKETS_ENDED,		  /* written down, and ended */
	SOCKETS_UNSUMMED,	  /* ended, and no row of totals had room */
	SOCKETS_SYNACKS,	  /* SYN-ACKs that were sent again */
	SOCKETS_SYNACKS_TAKEN,	  /* … which a socket has in its own number */
	SOCKETS_RESETS_NO_SOCKET, /* resets sent where nothing is connected */
	SOCKETS_FOREIGN,	  /* sockets of other namespaces */
	SOCKETS_SUMS,
};

/* Rows of tmp_sock_step. */
enum sockets_step {
	SOCKETS_STEP_DEPTH,  /* how often weir_sock_state runs on this processor: 0 or 1 each */
	SOCKETS_STEP_NESTED, /* steps of sockets that it missed meanwhile, and another took */
	SOCKETS_STEPS,
};

struct sockets_constants {
	__u8 all_namespaces;
	__u8 commands;
	__u8 gives_no_cookies; /* to sockets of files: this kernel refuses that */
	__u8 pad[5];
};

#endif
