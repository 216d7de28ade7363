/* SPDX-License-Identifier: Apache-2.0 */
/* Weir's data path with a policy, attached nowhere: what weir-bench times by prog-run. */
#ifndef WEIR_BENCH_POLICY_H
#define WEIR_BENCH_POLICY_H

#include <stdint.h>

#include "core/object.h"

struct weir_commit;
struct weir_config;
struct weir_image;

struct bench_policy {
	struct weir_object *object;
	struct weir_commit *commit;
	struct weir_image *image;
	struct weir_config *config; /* what features keep of it is borrowed */
	double compile_ms;	    /* reading the list, checking and compiling */
	double load_ms;		    /* opening the object and having it verified */
	double stage_ms;	    /* the table into the kernel */
};

/* list_file NULL: an empty policy. 0, or -1 after saying what is wrong. */
int bench_policy_new(const char *list_file, struct bench_policy *ret_policy);
/* The same from the text of a weir.yaml. */
int bench_policy_parse(const char *text, size_t bytes, struct bench_policy *ret_policy);
void bench_policy_done(struct bench_policy *policy);

#endif
