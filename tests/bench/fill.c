/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the pinned IPv4 map of xdp-filter, whose own command adds one address a process. The entry
 * that the command added before says what a value looks like.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

/* fill PIN LIST.BIN */
int bench_fill(int argc, char **argv)
{
	_cleanup_close_ int fd = argc == 2 ? bpf_obj_get(argv[0]) : -1;
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *value = cpus > 0 ? calloc((size_t)cpus, sizeof(*value)) : NULL;
	struct bench_list list = {};
	uint32_t first;
	int r = 0;

	if (fd < 0 || !value || bpf_map_get_next_key(fd, NULL, &first) ||
	    bpf_map_lookup_elem(fd, &first, value) || bench_list_read(argv[1], &list)) {
		bench_error("usage: weir-bench fill PIN LIST.BIN, with an entry in the map");
		return 2;
	}
	for (size_t i = 0; !r && i < list.count; i++)
		if (list.prefixes[i].addr.be32[3] != first &&
		    bpf_map_update_elem(fd, &list.prefixes[i].addr.be32[3], value, BPF_ANY))
			r = bench_error("filling the map");
	bench_list_done(&list);
	return r ? 1 : 0;
}
