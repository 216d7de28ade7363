/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The packet programs as they are, but with one stage that rejects in the place of all others, and
 * no policy needed. For tests/datapath/reject_bpf_test.py and reject_live_test.py only.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/reject.h"
#include "bpf/lib/remote.h"
#include "features/block/block.bpf.h"
#include "features/rules/rules.bpf.h"

/* What is rejected: everything, with this answer, or by port: 4000 to 4999 by default, 5000 to 5999
 * as prohibited, and whatever has no ports and is longer than 1,000 bytes by default. */
const volatile __u32 reject_everything;

static __always_inline enum weir_reason rejecting_stage(struct pkt *p)
{
	__u32 port = be16(p->dport);

	if (reject_everything)
		p->reject = reject_everything;
	else if (port / 1000 == 4 || (!(p->seen & PKT_PORTS) && p->len > 1000))
		p->reject = WEIR_REJECT_DEFAULT;
	else if (port / 1000 == 5)
		p->reject = WEIR_REJECT_ADMIN;
	return p->reject ? WEIR_DROP_REJECT : WEIR_PASS;
}

#define end_classify(p, end) 0
#define rules_stage(p) WEIR_PASS
#define block_stage rejecting_stage

#include "bpf/tc.h"
#include "bpf/xdp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
