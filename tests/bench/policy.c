/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling one list and loading the packet programs with it, as the daemon does at start. */
#include "tests/bench/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/commit.h"
#include "core/compile.h"
#include "core/near.h"
#include "tests/bench/bench.h"

static double now_ms(void)
{
	return weir_clock_monotonic_ns() / 1e6;
}

static uint32_t near_capacity(const struct weir_image *image)
{
	uint32_t lines = 0;

	weir_image_near(image, &lines);
	return weir_near_capacity_for(lines, 0);
}

static int policy_compile(const char *text, size_t bytes, struct weir_diag *diag,
			  struct bench_policy *policy, struct weir_constants **ret_constants)
{
	double start = now_ms();
	int r = weir_config_parse(text, bytes, "bench", diag, &policy->config);

	if (!r)
		r = weir_compile(policy->config, diag, &policy->image);
	if (!r)
		r = weir_compile_constants(policy->config, policy->image,
					   near_capacity(policy->image), ret_constants);
	policy->compile_ms = now_ms() - start;
	return r;
}

static int policy_load(struct weir_constants *constants, struct weir_diag *diag,
		       struct bench_policy *policy)
{
	double start = now_ms();
	int r = weir_object_new(NULL, NULL, constants, diag, &policy->object);

	if (r) {
		weir_constants_free(constants);
		return r;
	}
	policy->load_ms = now_ms() - start;
	start = now_ms();
	r = weir_commit_new(policy->object, NULL, diag, &policy->commit);
	if (!r)
		r = weir_commit_stage(policy->commit, policy->image, diag);
	if (!r)
		weir_commit_flip(policy->commit, 1);
	policy->stage_ms = now_ms() - start;
	return r;
}

int bench_policy_new(const char *list_file, struct bench_policy *ret_policy)
{
	char text[4500] = "";

	if (list_file)
		snprintf(text, sizeof(text),
			 "memory: 1GiB\nblock:\n  lists:\n  - name: bench\n    action: deny\n"
			 "    file: %s\n",
			 list_file);
	return bench_policy_parse(text, strlen(text), ret_policy);
}

int bench_policy_parse(const char *text, size_t bytes, struct bench_policy *ret_policy)
{
	_cleanup_diag_ struct weir_diag diag = {};
	_cleanup_buf_ struct weir_buf said = {};
	struct weir_constants *constants = NULL;
	struct bench_policy policy = {};
	int r = policy_compile(text, bytes, &diag, &policy, &constants);

	if (!r)
		r = policy_load(constants, &diag, &policy);
	if (!r) {
		*ret_policy = policy;
		return 0;
	}
	weir_diag_format(&diag, &said);
	fprintf(stderr, "weir-bench: %.*s\n", (int)said.len, said.data ? said.data : "");
	bench_policy_done(&policy);
	return -1;
}

void bench_policy_done(struct bench_policy *policy)
{
	weir_commit_free(policy->commit);
	weir_object_free(policy->object);
	weir_image_free(policy->image);
	weir_config_free(policy->config);
}
