/* SPDX-License-Identifier: Apache-2.0 */
/* A throw-away copy of the daemon's state folder, for a private copy of the data path. */
#ifndef WEIR_CLI_STATE_COPY_H
#define WEIR_CLI_STATE_COPY_H

/* The files of state_dir in a new folder below TMPDIR or /tmp. -errno. */
int weir_state_copy(const char *state_dir, char **ret_copy);
/* Removes it and frees its name. NULL is allowed. */
void weir_state_copy_free(char *copy);
static inline void weir_state_copy_freep(char **copy)
{
	weir_state_copy_free(*copy);
}
#define _cleanup_state_copy_ __attribute__((cleanup(weir_state_copy_freep)))

#endif
