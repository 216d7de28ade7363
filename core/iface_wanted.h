/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interfaces are wanted, by name or pattern. What was asked for at run time is kept in
 * STATE_DIR/interfaces.json, so it survives a restart; what the configuration wants is not: the
 * configuration says it.
 */
#ifndef WEIR_CORE_IFACE_WANTED_H
#define WEIR_CORE_IFACE_WANTED_H

#include "config.h"

#define WEIR_WANTED_MAX 256

struct weir_wanted {
	char name[64];
	enum weir_hook hook;
	bool egress;
	bool at_run_time;
};

struct weir_wanted_list {
	struct weir_wanted at[WEIR_WANTED_MAX];
	size_t count;
};

/* A name of its own outranks a pattern, run time the file. NULL: not wanted. */
const struct weir_wanted *weir_wanted_find(const struct weir_wanted_list *list, const char *name);
/* Whether an entry is exactly this name, not only a pattern of it. */
bool weir_wanted_has_name(const struct weir_wanted_list *list, const char *name);
bool weir_wanted_differ(const struct weir_wanted *a, const struct weir_wanted *b);
/* Replaces an entry of the same name and origin. -ENOSPC when full. */
int weir_wanted_add(struct weir_wanted_list *list, const struct weir_interface_config *config,
		    bool at_run_time);
/* Everything the configuration wanted goes; what was asked for at run time stays. */
void weir_wanted_forget_config(struct weir_wanted_list *list);
/* All entries of exactly this name. */
void weir_wanted_remove(struct weir_wanted_list *list, const char *name);

/* state_dir NULL: nothing is kept. A damaged file is kept aside and told of as a warning. */
int weir_wanted_load(struct weir_wanted_list *list, const char *state_dir, struct weir_diag *diag);
int weir_wanted_save(const struct weir_wanted_list *list, const char *state_dir);

#endif
