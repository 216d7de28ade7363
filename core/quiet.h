/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps libbpf from printing where what it would print is an answer ("no such filter"), or is said
 * in one sentence by who asked. */
#ifndef WEIR_CORE_QUIET_H
#define WEIR_CORE_QUIET_H

#include <bpf/libbpf.h>

/* It prints nothing, in no thread, until the local that this goes into is left; that may stand
 * within another:
 *     _cleanup_quiet_ libbpf_print_fn_t print = weir_quiet(); */
libbpf_print_fn_t weir_quiet(void);
void weir_quiet_end(libbpf_print_fn_t *print);
#define _cleanup_quiet_ __attribute__((cleanup(weir_quiet_end), unused))

#endif
