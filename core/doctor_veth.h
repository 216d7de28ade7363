/* SPDX-License-Identifier: Apache-2.0 */
/* A pair of devices to try things on; for doctor_hooks.c alone, in a namespace of its own. */
#ifndef WEIR_CORE_DOCTOR_VETH_H
#define WEIR_CORE_DOCTOR_VETH_H

/*
 * Makes a veth pair in the calling thread's network namespace and sets both ends up; returns the
 * ifindex of one. -EOPNOTSUPP: this kernel has no veth.
 */
int weir_doctor_veth(void);

#endif
