/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the features of interfaces and policies as they meet. */
#include "patch.h"

#include <net/if.h>

#include "feature.h"
#include "iface_rows.h"

struct patching {
	struct weir_commit *commit;
	unsigned slot;
};

static void patch_one(const struct patching *patching, uint32_t row, const char *name)
{
	struct weir_policy_view view = weir_commit_view(patching->commit, patching->slot);
	struct weir_iface_patch patch = {
		.head = view.head, .near = view.near, .slot = row, .name = name
	};

	if (view.head->header.magic != WEIR_IMAGE_MAGIC)
		return;
	for (size_t i = 0; weir_features[i]; i++)
		if (weir_features[i]->interface)
			weir_features[i]->interface(&patch);
}

/* A device that is gone keeps its row until netlink has told of it: no packet asks for it. */
static void patch_row(void *arg, uint32_t ifindex, uint32_t row)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		patch_one(arg, row, name);
}

void weir_patch_staged(struct weir_commit *commit, struct weir_object *object)
{
	struct patching patching = { .commit = commit, .slot = !weir_commit_slot(commit) };

	weir_iface_rows_each(object, patch_row, &patching);
}

void weir_patch_staged_row(struct weir_commit *commit, uint32_t row, const char *name)
{
	patch_one(&(struct patching){ .commit = commit, .slot = !weir_commit_slot(commit) }, row,
		  name);
}

void weir_patch_live(struct weir_commit *commit, uint32_t row, const char *name)
{
	patch_one(&(struct patching){ .commit = commit, .slot = weir_commit_slot(commit) }, row,
		  name);
}
