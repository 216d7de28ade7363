/* SPDX-License-Identifier: Apache-2.0 */
/* From text to YAML: read, fold, write. */
#include "cli/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/import_flat.h"

static void remarks_done(struct weir_import_remarks *remarks)
{
	for (size_t i = 0; i < remarks->count; i++) {
		free(remarks->at[i].where);
		free(remarks->at[i].rule);
		free(remarks->at[i].why);
	}
	free(remarks->at);
}

void weir_import_done(struct weir_import *import)
{
	weir_buf_done(&import->yaml);
	remarks_done(&import->unmapped);
	remarks_done(&import->notes);
	*import = (struct weir_import){ 0 };
}

/* Some are found while reading, others while folding. */
static int remark_compare(const void *a, const void *b)
{
	const struct weir_import_remark *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return strcmp(x->where, y->where);
}

static void remarks_sort(struct weir_import_remarks *remarks)
{
	if (remarks->count)
		qsort(remarks->at, remarks->count, sizeof(*remarks->at), remark_compare);
}

static int import_run(struct import *import, enum weir_import_from from, const char *text,
		      size_t len, struct weir_diag *diag)
{
	struct import_flats flats = { 0 };
	bool deny[IMPORT_WAYS] = { false };
	int result = from == WEIR_IMPORT_NFT ? import_nft_read(import, text, len, diag) :
					       import_iptables_read(import, text, len, diag);

	if (result < 0)
		return result;
	import_fold(import, &flats, deny);
	import_write(import, &flats, deny);
	remarks_sort(&import->result->unmapped);
	return import->arena.failed || import->result->yaml.failed ? -ENOMEM : 0;
}

int weir_import_text(enum weir_import_from from, const char *text, size_t len, const char *file,
		     struct weir_diag *diag, struct weir_import *ret_import)
{
	_cleanup_weir_import_ struct weir_import result = { 0 };
	struct import import = { .result = &result, .file = file };
	int code = import_run(&import, from, text, len, diag);

	import_arena_done(&import.arena);
	weir_json_free(import.source);
	if (code < 0)
		return code;
	*ret_import = result;
	result = (struct weir_import){ 0 };
	return 0;
}
