/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reaching a line of a compiled image: a map look-up in the kernel, an array index in native tests
 * and fuzzers.
 */
#ifndef WEIR_BPF_IMAGE_H
#define WEIR_BPF_IMAGE_H

#include <stdbool.h>

#include "../../abi/image.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>

/* NULL when the image has no such line, which a well-formed image never asks for; the verifier
 * wants it checked. */
static __always_inline void *image_line(void *image, __u32 line)
{
	return bpf_map_lookup_elem(image, &line);
}
#else
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

static __always_inline void *image_line(void *image, __u32 line)
{
	return (struct weir_line *)image + line;
}
#endif

#endif
