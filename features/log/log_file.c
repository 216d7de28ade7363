/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines into a file, whole or not at all. Before each batch it is looked whether the file is still
 * the one by that name: logrotate may move it, and somebody may remove it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/log/log_target.h"

#define FILE_MODE 0640
#define FOLDER_MODE 0750
#define ROTATE_AGAIN_NS (60 * WEIR_NS_PER_S)

struct log_file {
	struct log_target target; /* first */
	int fd;			  /* -1: not open */
	uint64_t size;
	uint64_t rotate_after_ns; /* it failed: not before then */
};

static void problem_set(struct log_file *file, const char *what, int error)
{
	log_problem_set(&file->target, what, error);
}

static void file_close(struct log_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* /var/log/weir is not there before the first line; what stands above it is nobody's to make. */
static void folder_make(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!slash || slash == folder)
		return;
	*slash = '\0';
	mkdir(folder, FOLDER_MODE);
}

/* A daemon that was killed, or a disk that was full, may have left half a line: the next must not
 * become part of it. */
static bool ends_whole(int fd, uint64_t size)
{
	char last = '\n';

	return size == 0 || pread(fd, &last, 1, (off_t)size - 1) != 1 || last == '\n';
}

static int file_open(struct log_file *file)
{
	struct stat stat;

	folder_make(file->target.where);
	/* O_NONBLOCK: a pipe without a reader must not hold the thread; it is refused below. */
	int fd = open(file->target.where,
		      O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);

	if (fd < 0 || fstat(fd, &stat)) {
		problem_set(file, "cannot be opened", errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(stat.st_mode)) {
		problem_set(file, "cannot be written", ENOTSUP);
		close(fd);
		return -1;
	}
	file->fd = fd;
	file->size = (uint64_t)stat.st_size;
	if (!ends_whole(fd, file->size) && write(fd, "\n", 1) == 1)
		file->size++;
	return 0;
}

/* Opens it, if it is not the one by that name any more. */
static int file_ready(struct log_file *file)
{
	struct stat open_one, named;

	if (file->fd >= 0 && (fstat(file->fd, &open_one) || stat(file->target.where, &named) ||
			      open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev))
		file_close(file);
	if (file->fd < 0)
		return file_open(file);
	file->size = (uint64_t)open_one.st_size; /* it may have been cut (copytruncate) */
	return 0;
}

/* Where it cannot be rotated it grows on: lines are worth more than the bound, and it is told. */
static int file_rotate(struct log_file *file)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (now_ns < file->rotate_after_ns)
		return 0;
	int r = log_rotate(file->target.where, file->target.want.keep);

	if (r) {
		problem_set(file, "cannot be rotated, and grows on", -r);
		file->rotate_after_ns = now_ns + ROTATE_AGAIN_NS;
		return 0;
	}
	file->rotate_after_ns = 0;
	file->target.rotated++;
	file_close(file);
	return file_open(file);
}

/* `len` bytes that end with a line; returns how many stand in the file, of whole lines alone. */
static size_t lines_write(struct log_file *file, const char *lines, size_t len)
{
	ssize_t n = write(file->fd, lines, len);

	if (n == (ssize_t)len) {
		file->size += len;
		return len;
	}
	problem_set(file, "cannot be written", n < 0 ? errno : ENOSPC);
	size_t whole = n > 0 ? (size_t)n : 0;

	while (whole > 0 && lines[whole - 1] != '\n')
		whole--;
	/* Its first half goes again; should that fail, opening it anew ends the line. */
	if (n > 0 && (size_t)n > whole && ftruncate(file->fd, (off_t)(file->size + whole)))
		file_close(file);
	file->size += whole;
	return whole;
}

/* How many of the lines from `from` on have room, one at the least. */
static size_t fitting(const struct log_file *file, const size_t *ends, size_t from, size_t count)
{
	size_t start = from ? ends[from - 1] : 0, to = from + 1;

	while (to < count && file->size + (ends[to] - start) <= file->target.want.size)
		to++;
	return to;
}

static size_t batch_write(struct log_file *file, const char *lines, const size_t *ends,
			  size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t start = done ? ends[done - 1] : 0;

		if (file->size && file->size + (ends[done] - start) > file->target.want.size &&
		    file_rotate(file))
			return done;
		/* What cannot be rotated takes all. */
		size_t to = file->rotate_after_ns ? count : fitting(file, ends, done, count);
		size_t wrote = lines_write(file, lines + start, ends[to - 1] - start);

		while (done < to && ends[done] <= start + wrote)
			done++;
		if (done < to)
			return done;
	}
	return done;
}

static size_t file_put(struct log_target *target, struct log_entry *const *entries, size_t count)
{
	struct log_file *file = (struct log_file *)target;
	_cleanup_buf_ struct weir_buf lines = { 0 };
	_cleanup_free_ size_t *ends = calloc(count, sizeof(*ends));

	if (!ends || file_ready(file))
		return 0;
	if (!file->rotate_after_ns)
		target->problem[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		struct log_record record;
		size_t before = lines.len;

		entries[i]->is_bad = log_record_make(&entries[i]->happening, &record) != 0;
		if (!entries[i]->is_bad)
			log_record_write(&record, &lines);
		log_record_done(&record);
		if (lines.failed)
			return 0;
		ends[i] = entries[i]->is_bad ? before : lines.len;
	}
	return batch_write(file, weir_buf_str(&lines), ends, count);
}

static bool target_open(struct log_target *target)
{
	struct log_file *file = (struct log_file *)target;

	if (file_ready(file))
		return false;
	if (weir_clock_monotonic_ns() >= file->rotate_after_ns)
		target->problem[0] = '\0';
	return !target->problem[0];
}

static void file_free(struct log_target *target)
{
	struct log_file *file = (struct log_file *)target;

	file_close(file);
	free(file);
}

struct log_target *log_file_new(const struct log_want *want)
{
	struct log_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = -1;
	file->target = (struct log_target){
		.want = *want, .put = file_put, .open = target_open, .free = file_free
	};
	log_where_set(&file->target, want->where);
	return &file->target;
}
