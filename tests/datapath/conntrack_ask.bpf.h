/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What tests/datapath/conntrack_bpf.c asks of conntrack_bpf.bpf.c. */
#ifndef WEIR_TESTS_CONNTRACK_ASK_BPF_H
#define WEIR_TESTS_CONNTRACK_ASK_BPF_H

#include "features/conntrack/conntrack.h"

#define CONNTRACK_QUESTION_NOW 1000u /* tick */

struct conntrack_question {
	struct conntrack_key key;
	__u32 found; /* the flow's word as the packet found it */
	__u32 marks; /* and what is to become of it */
};

/* A segment without flags but ACK of the flow between ports 1 and 2, from interface 1. */
#define CONNTRACK_SEGMENT_LEN 100u /* of the frame */

struct conntrack_segment {
	__u32 seq, ack;
	__u32 bytes;
	__u32 side; /* 0: of the initiator, which has port 1 */
};

#endif
