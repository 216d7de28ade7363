/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told in metrics, from one run to the next: a file of the run's directory, which has the
 * lifetime of the rows. They have counts by the number of a device, not by the names under which
 * these were told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/kept.h"
#include "core/engine.h"
#include "features/drops/drops_state.h"

#define FILE_KIND 0x7765697264000001ull /* the last byte: of its layout */
#define FILE_BYTES_MAX (1u << 20)

struct head {
	uint64_t kind;
	uint32_t series_count, row_count;
	struct drops_count others;
};

/* As far as it is told. */
struct kept_row {
	struct drops_key key;
	struct drops_count count;
};

static char *path_of(const struct drops *state)
{
	return weir_path_join(weir_engine_options(state->engine)->run_dir, DROPS_TOLD_FILE);
}

static void count_add(struct drops_count *sum, const struct drops_count *count)
{
	sum->packets += count->packets;
	sum->bytes += count->bytes;
}

/* All that is told is of rows, and all of rows is told. */
static bool is_whole(const struct head *head, const struct drops_series *series,
		     const struct kept_row *rows)
{
	struct drops_count told = head->others, counted = { 0 };

	for (size_t i = 0; i < head->series_count; i++) {
		if (!memchr(series[i].device, '\0', sizeof(series[i].device)))
			return false;
		count_add(&told, &series[i].count);
	}
	for (size_t i = 0; i < head->row_count; i++) {
		if (i && memcmp(&rows[i - 1].key, &rows[i].key, sizeof(rows[i].key)) >= 0)
			return false;
		count_add(&counted, &rows[i].count);
	}
	return told.packets == counted.packets && told.bytes == counted.bytes;
}

static bool is_good(const struct weir_buf *file)
{
	struct head head;

	if (file->len < sizeof(head))
		return false;
	memcpy(&head, file->data, sizeof(head));
	if (head.kind != FILE_KIND || head.series_count > DROPS_SERIES_MAX ||
	    head.row_count > DROPS_ROWS_MAX ||
	    file->len != sizeof(head) + head.series_count * sizeof(struct drops_series) +
				 head.row_count * sizeof(struct kept_row))
		return false;
	const struct drops_series *series = (const void *)(file->data + sizeof(head));

	return is_whole(&head, series, (const void *)(series + head.series_count));
}

int drops_kept_read(struct drops *state, struct weir_diag *diag)
{
	static const struct weir_kept kept = {
		.file = DROPS_TOLD_FILE,
		.rest = "what metrics tell of drops goes by what devices are called now",
	};
	_cleanup_free_ char *path = path_of(state);
	_cleanup_buf_ struct weir_buf file = { 0 };
	_cleanup_diag_ struct weir_diag why = { 0 };
	int r = path ? weir_file_read(path, FILE_BYTES_MAX, &file) : -ENOMEM;

	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOMEM ? r : 0;
	if (r) {
		weir_diag_error(&why, NULL, "%s", strerror(-r));
	} else if (!is_good(&file)) {
		weir_diag_error(&why, NULL, "it is not whole, or of another version");
	} else {
		state->kept = file;
		file = (struct weir_buf){ 0 };
	}
	if (why.count)
		weir_kept_aside(&kept, path, &why, diag);
	return 0;
}

void drops_kept_take(struct drops *state)
{
	struct drops_view *view = state->view;
	struct head head;

	if (!state->kept.len)
		return;
	memcpy(&head, state->kept.data, sizeof(head));
	const struct drops_series *series = (const void *)(state->kept.data + sizeof(head));
	const struct kept_row *rows = (const void *)(series + head.series_count);

	memcpy(state->told.series, series, head.series_count * sizeof(*series));
	state->told.count = head.series_count;
	state->told.others = head.others;
	for (size_t i = 0; i < head.row_count; i++) {
		view->rows[i].key = rows[i].key;
		view->rows[i].row.packets = rows[i].count.packets;
		view->rows[i].row.bytes = rows[i].count.bytes;
	}
	view->row_count = head.row_count;
	weir_buf_done(&state->kept);
}

static bool is_begun_by(const struct drops_view *view, const struct drops_seen_row *kept)
{
	const struct drops_seen_row *row =
		bsearch(kept, view->rows, view->row_count, sizeof(*row), drops_row_compare);

	return row && row->row.packets >= kept->row.packets && row->row.bytes >= kept->row.bytes;
}

void drops_kept_check(struct drops *state, const struct drops_view *view)
{
	const struct drops_view *kept = state->view;

	for (size_t i = 0; !kept->read_ns && i < kept->row_count; i++)
		if (!is_begun_by(view, &kept->rows[i])) {
			state->told = (struct drops_told){ 0 };
			state->view->row_count = 0;
		}
}

static void file_fill(const struct drops *state, const struct drops_view *view,
		      struct weir_buf *file)
{
	const struct head head = { FILE_KIND, (uint32_t)state->told.count,
				   (uint32_t)view->row_count, state->told.others };

	weir_buf_add(file, &head, sizeof(head));
	weir_buf_add(file, state->told.series, state->told.count * sizeof(state->told.series[0]));
	for (size_t i = 0; i < view->row_count; i++) {
		const struct drops_seen_row *row = &view->rows[i];
		const struct kept_row kept = { row->key, { row->row.packets, row->row.bytes } };

		weir_buf_add(file, &kept, sizeof(kept));
	}
}

void drops_kept_save(struct drops *state, const struct drops_view *view)
{
	_cleanup_free_ char *path = path_of(state);
	_cleanup_buf_ struct weir_buf file = { 0 };

	file_fill(state, view, &file);
	int r = path && !file.failed ? weir_file_put(path, file.data, file.len) : -ENOMEM;

	if (r && !state->is_loss_told)
		weir_engine_warn(state->engine, "drops",
				 "what is told of drops cannot be kept in the run's directory: %s; "
				 "after a restart a device that was renamed is told otherwise",
				 strerror(-r));
	state->is_loss_told = r != 0;
}

void drops_kept_remove(struct drops *state)
{
	_cleanup_free_ char *path = path_of(state);

	weir_buf_done(&state->kept);
	if (path)
		unlink(path);
}
