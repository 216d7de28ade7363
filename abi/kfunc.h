/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Functions of the kernel that have no number of their own: which one they have is in its BTF. The
 * programs call a number that is no helper's; it is replaced before they are loaded, where the
 * kernel has the function. So an object that does not need it loads without BTF, where libbpf would
 * want one for any `__ksym`. What calls it stands behind a constant.
 */
#ifndef WEIR_ABI_KFUNC_H
#define WEIR_ABI_KFUNC_H

/* A row: X(identifier, number it is called by, name). */
#define WEIR_KFUNCS(X) \
	X(WEIR_KFUNC_SK_ASSIGN_TCP_REQSK, 0x77650001, "bpf_sk_assign_tcp_reqsk") /* Linux 6.9 */

#define X(identifier, number, name) identifier = number,
enum weir_kfunc {
	WEIR_KFUNCS(X)
};
#undef X

#endif
