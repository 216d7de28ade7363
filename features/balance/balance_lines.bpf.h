/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Lines of the policy that services and backends have (balance.h). */
#ifndef WEIR_BALANCE_LINES_BPF_H
#define WEIR_BALANCE_LINES_BPF_H

#include "../../bpf/lib/generation.h"
#include "balance.h"

static __always_inline void *balance_line(const struct pkt *p, __u32 line)
{
	return policy_line(p, WEIR_SECTION_BALANCE, line);
}

/* A second time in the front of the policy, where it is read without a call. */
static __always_inline const struct balance_head *balance_head(const struct pkt *p)
{
	const struct weir_policy_head *head = policy_head(p);

	return head ? (const struct balance_head *)head->roots[WEIR_ROOT_BALANCE] : NULL;
}

static __always_inline const struct balance_backend *backend_at(const struct pkt *p, __u32 row)
{
	const struct balance_head *head = balance_head(p);

	return head ? balance_line(p, head->backends + row) : NULL;
}

static __always_inline const struct balance_service *service_at(const struct pkt *p, __u32 row)
{
	const struct balance_head *head = balance_head(p);

	return head ? balance_line(p, head->services + row) : NULL;
}

/* NULL: nothing more is said of how it chooses. */
static __always_inline const struct balance_choice *choice_at(const struct pkt *p, __u32 row)
{
	const struct balance_head *head = balance_head(p);
	__u32 choices = head ? head->choices : 0;

	return choices ? balance_line(p, choices + row) : NULL;
}

#endif
