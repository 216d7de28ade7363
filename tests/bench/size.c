/* SPDX-License-Identifier: Apache-2.0 */
/* What the packet programs weigh: instructions verified, time to load, bytes of machine code. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/policy.h"

static uint32_t verified_most(const struct weir_object *object)
{
	uint32_t most = 0;

	for (int i = 0; i < WEIR_PROGRAM_COUNT; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		int fd = weir_object_program_fd(object, i);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.verified_insns > most)
			most = info.verified_insns;
	}
	return most;
}

/* size ROUNDS: prints a JSON object. */
int bench_size(int argc, char **argv)
{
	unsigned rounds = argc == 1 ? (unsigned)strtoul(argv[0], NULL, 10) : 0;
	uint32_t jited = 0, most = 0;
	uint64_t verified = 0;

	if (!rounds) {
		fputs("usage: weir-bench size ROUNDS\n", stderr);
		return 2;
	}
	printf("{\"load_ms\":[");
	for (unsigned i = 0; i < rounds; i++) {
		struct bench_policy policy;

		if (bench_policy_new(NULL, &policy))
			return 1;
		printf("%s%.2f", i ? "," : "", policy.load_ms);
		weir_object_size(policy.object, &jited, &verified);
		most = verified_most(policy.object);
		bench_policy_done(&policy);
	}
	printf("],\"verified\":%llu,\"verified_most\":%u,\"jited_bytes\":%u}\n",
	       (unsigned long long)verified, most, jited);
	return 0;
}
