/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a sink: takes what waits, in order, and tries again where it could not write. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/log/log_worker.h"

#define BATCH 128
#define BATCHES_BEFORE_CHANGE 64

void log_where_set(struct log_target *target, const char *where)
{
	strncpy(target->where, where, sizeof(target->where) - 1);
	target->want.where = target->where;
}

void log_problem_set(struct log_target *target, const char *what, int error)
{
	_cleanup_buf_ struct weir_buf text = { 0 };

	weir_buf_addf(&text, "%s: %s: %s", target->where, what, strerror(error));
	strncpy(target->problem, weir_buf_str(&text), sizeof(target->problem) - 1);
}

static void result_note(struct log_sink *sink, const struct log_target *target)
{
	if (target->problem[0] && !sink->view.problem[0])
		sink->view.since_ns = weir_clock_monotonic_ns();
	memcpy(sink->view.problem, target->problem, sizeof(target->problem));
}

/* Without the lock: what blocks must not hold the loop. */
static void target_try(struct log_sink *sink)
{
	struct log_target *target = sink->target;

	pthread_mutex_unlock(&sink->lock);
	target->open(target);
	pthread_mutex_lock(&sink->lock);
	result_note(sink, target);
}

static void target_take(struct log_sink *sink)
{
	struct log_target *before = sink->target;

	sink->target = sink->next;
	sink->next = NULL;
	sink->is_left = false;
	pthread_mutex_unlock(&sink->lock);
	if (before)
		before->free(before);
	pthread_mutex_lock(&sink->lock);
	if (sink->target)
		target_try(sink);
	else
		sink->view.problem[0] = '\0';
}

static size_t batch_take(struct log_sink *sink, struct log_entry *batch[BATCH])
{
	size_t count = 0;

	for (struct log_entry *entry = sink->first; entry && count < BATCH; entry = entry->next)
		batch[count++] = entry;
	return count;
}

/* The first `count` of the queue are over: written, or `lost`. Who was lost after it was taken in
 * is counted, and the next that waits says so. */
static void entries_end(struct log_sink *sink, size_t count, bool are_lost)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < count; i++) {
		struct log_entry *entry = sink->first;
		bool is_lost = are_lost || entry->is_bad;

		sink->view.written += !is_lost;
		sink->view.lost[entry->kind] += is_lost;
		lost = is_lost ? lost + 1 + entry->happening.lost : 0;
		sink->waiting--;
		sink->bytes -= entry->size;
		sink->first = entry->next;
		free(entry);
	}
	if (!sink->first) {
		sink->end = &sink->first;
		sink->lost_before += lost;
	} else {
		sink->first->happening.lost += lost;
	}
}

/* With the lock, and again at its end. Whether all of a batch went. */
static bool batch_put(struct log_sink *sink)
{
	struct log_entry *batch[BATCH];
	size_t count = batch_take(sink, batch);
	struct log_target *target = sink->target;
	uint64_t rotated = target->rotated;

	/* The loop only adds behind what is taken here. */
	pthread_mutex_unlock(&sink->lock);
	size_t done = target->put(target, batch, count);

	pthread_mutex_lock(&sink->lock);
	entries_end(sink, done, false);
	sink->view.rotated += target->rotated - rotated;
	result_note(sink, target);
	return done == count;
}

static void second_wait(struct log_sink *sink)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	while (!r && !sink->is_ending && !sink->next && !sink->is_left)
		r = pthread_cond_timedwait(&sink->work, &sink->lock, &until);
}

/* What waits goes to where it was meant to go, as far as that can be. */
static void change_make(struct log_sink *sink)
{
	for (int i = 0; i < BATCHES_BEFORE_CHANGE && sink->target && sink->first; i++)
		if (!batch_put(sink))
			break;
	target_take(sink);
	if (!sink->target)
		entries_end(sink, (size_t)sink->waiting, true);
}

static void queue_work(struct log_sink *sink)
{
	if (!sink->first) {
		target_try(sink);
		if (sink->view.problem[0])
			second_wait(sink);
	} else if (!batch_put(sink)) {
		if (sink->is_ending)
			entries_end(sink, (size_t)sink->waiting, true);
		else
			second_wait(sink);
	}
}

void *log_worker_run(void *arg)
{
	struct log_sink *sink = arg;

	pthread_mutex_lock(&sink->lock);
	while (!sink->is_ending || sink->first) {
		if (sink->next || sink->is_left)
			change_make(sink);
		else if (sink->target && (sink->first || sink->view.problem[0]))
			queue_work(sink);
		else if (sink->first)
			entries_end(sink, (size_t)sink->waiting, true);
		else
			pthread_cond_wait(&sink->work, &sink->lock);
	}
	struct log_target *target = sink->target;

	pthread_mutex_unlock(&sink->lock);
	if (target)
		target->free(target);
	pthread_mutex_lock(&sink->lock);
	sink->is_over = true;
	pthread_cond_broadcast(&sink->over);
	pthread_mutex_unlock(&sink->lock);
	return NULL;
}
