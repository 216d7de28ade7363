/* SPDX-License-Identifier: Apache-2.0 */
/* What BPF objects beside the data path's have in common (trace.c, measure.c): maps that are pinned
 * and taken up again. */
#ifndef WEIR_CORE_ASIDE_H
#define WEIR_CORE_ASIDE_H

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdbool.h>

/* Prints nothing: what is said of a failure is said in one sentence, by who asked. */
int weir_aside_quiet(enum libbpf_print_level level, const char *format, va_list args);
/* Whether an open map is laid out as that of the object is to be, and as large. */
bool weir_aside_map_fits(const struct bpf_map *map, int fd);
/* `maps` ends with NULL. */
bool weir_aside_has(const char *const *maps, const char *name);

#endif
