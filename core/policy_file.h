/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE_DIR/policy.json: the configuration that was applied last, the one before it (for rollback)
 * and the revision. One file, replaced whole: after a crash it is the old or the new, never a mix.
 */
#ifndef WEIR_CORE_POLICY_FILE_H
#define WEIR_CORE_POLICY_FILE_H

#include <stdint.h>

#include "../base/diag.h"

struct weir_policy_text {
	char *text; /* NULL = none */
	char *file; /* where it came from, may be NULL */
};

/* `current` is on trial: it is taken back unless it is confirmed in time. */
struct weir_policy_trial {
	struct weir_policy_text confirmed; /* what was live before, and is to be again */
	uint64_t until_ns;		   /* CLOCK_REALTIME, a whole second; 0 = no trial */
	uint64_t within_ns;		   /* how long it was given */
};

struct weir_policy_file {
	struct weir_policy_text current, previous; /* `previous` was confirmed, as all that is not
						      on trial */
	struct weir_policy_trial trial;
	uint64_t revision;
	uint64_t config_hash; /* of the configuration file when `current` was applied: a later edit
				 of that file wins at start */
	uint64_t changed_ns;  /* CLOCK_REALTIME */
};

/* A damaged file is kept aside and told of in diag as a warning; the result is then as if there
 * were none. state_dir NULL: none. */
int weir_policy_file_read(const char *state_dir, struct weir_diag *diag,
			  struct weir_policy_file *ret_policy);
int weir_policy_file_write(const char *state_dir, const struct weir_policy_file *policy);
void weir_policy_file_done(struct weir_policy_file *policy);
/* NULLs are copied as NULLs. -ENOMEM: nothing was. */
int weir_policy_text_copy(const struct weir_policy_text *text, struct weir_policy_text *ret_text);
void weir_policy_text_done(struct weir_policy_text *text);

#endif
