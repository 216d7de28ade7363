/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Time in the data path: CLOCK_MONOTONIC, coarse. 5 ns against 33 for the exact clock, and exact to
 * a scheduler tick (1 to 10 ms), which is finer than any expiry a person writes.
 */
#ifndef WEIR_BPF_CLOCK_H
#define WEIR_BPF_CLOCK_H

static __always_inline __u64 clock_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}

#endif
