/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's side: into the queue, and what is to be seen of it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "features/log/log_worker.h"

#define END_WAIT_S 3

struct log_sink *log_sink_new(enum log_place place)
{
	struct log_sink *sink = calloc(1, sizeof(*sink));
	pthread_condattr_t steady;
	pthread_attr_t detached;
	pthread_t thread;

	if (!sink)
		return NULL;
	sink->place = place;
	sink->end = &sink->first;
	pthread_mutex_init(&sink->lock, NULL);
	/* By the clock nobody sets: a wait of a second is one. */
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&sink->work, &steady);
	pthread_cond_init(&sink->over, &steady);
	pthread_condattr_destroy(&steady);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&thread, &detached, log_worker_run, sink);

	pthread_attr_destroy(&detached);
	if (r) {
		free(sink);
		return NULL;
	}
	return sink;
}

static uint64_t lost_sum(const struct log_sink *sink)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < log_kind_count; i++)
		sum += sink->view.lost[i];
	return sum;
}

/* How many were lost so far. */
static uint64_t sink_end(struct log_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	sink->is_ending = true;
	uint64_t lost = lost_sum(sink);

	pthread_cond_broadcast(&sink->work);
	pthread_mutex_unlock(&sink->lock);
	return lost;
}

/* How many were lost, with those that wait yet. */
static uint64_t sink_free(struct log_sink *sink, const struct timespec *until)
{
	int r = 0;

	pthread_mutex_lock(&sink->lock);
	while (!sink->is_over && !r)
		r = pthread_cond_timedwait(&sink->over, &sink->lock, until);
	bool is_over = sink->is_over;
	uint64_t lost = lost_sum(sink) + sink->waiting;

	pthread_mutex_unlock(&sink->lock);
	if (!is_over)
		return lost; /* its thread hangs in the kernel and has it; the process ends */
	log_entries_free(sink->first);
	if (sink->next)
		sink->next->free(sink->next);
	free(sink);
	return lost;
}

void log_sinks_free(struct log_sink *const sinks[LOG_PLACES], uint64_t ret_lost[LOG_PLACES])
{
	struct timespec until;

	for (size_t i = 0; i < LOG_PLACES; i++)
		ret_lost[i] = sinks[i] ? sink_end(sinks[i]) : 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_WAIT_S;
	for (size_t i = 0; i < LOG_PLACES; i++)
		if (sinks[i])
			ret_lost[i] = sink_free(sinks[i], &until) - ret_lost[i];
}

void log_entries_free(struct log_entry *first)
{
	while (first) {
		struct log_entry *entry = first;

		first = entry->next;
		free(entry);
	}
}

static struct log_target *target_new(enum log_place place, const struct log_want *want)
{
	static struct log_target *(*const makers[LOG_PLACES])(const struct log_want *) = {
		[LOG_PLACE_FILE] = log_file_new,
		[LOG_PLACE_SYSLOG] = log_syslog_new,
		[LOG_PLACE_JOURNAL] = log_journal_new,
	};

	return makers[place](want);
}

bool log_sink_want(struct log_sink *sink, const struct log_want *want)
{
	struct log_target *next = want->is_on ? target_new(sink->place, want) : NULL;

	pthread_mutex_lock(&sink->lock);
	sink->is_on = next != NULL;
	sink->kinds = want->kinds;
	if (sink->next)
		sink->next->free(sink->next);
	sink->next = next;
	sink->is_left = !next;
	memset(sink->view.where, 0, sizeof(sink->view.where));
	if (next)
		memcpy(sink->view.where, next->where, sizeof(next->where));
	pthread_cond_signal(&sink->work);
	pthread_mutex_unlock(&sink->lock);
	return next || !want->is_on;
}

bool log_sink_wants(const struct log_sink *sink, size_t kind)
{
	return sink && sink->is_on && (sink->kinds >> kind & 1);
}

static struct log_entry *entry_new(const struct log_happening *happening)
{
	size_t name = strlen(happening->kind) + 1, size = name + happening->len + 1;
	struct log_entry *entry = malloc(sizeof(*entry) + size);

	if (!entry)
		return NULL;
	*entry = (struct log_entry){ .happening = *happening,
				     .kind = log_kind_find(happening->kind),
				     .size = sizeof(*entry) + size };
	memcpy(entry->bytes, happening->kind, name);
	memcpy(entry->bytes + name, happening->json, happening->len);
	entry->bytes[name + happening->len] = '\0';
	entry->happening.kind = entry->bytes;
	entry->happening.json = entry->bytes + name;
	return entry;
}

void log_sink_put(struct log_sink *sink, const struct log_happening *happening)
{
	struct log_entry *entry = entry_new(happening);

	pthread_mutex_lock(&sink->lock);
	sink->sequence++;
	if (!entry || sink->bytes + entry->size > LOG_QUEUE_BYTES) {
		sink->view.lost[log_kind_find(happening->kind)]++;
		sink->lost_before++;
		free(entry);
	} else {
		entry->happening.sequence = sink->sequence;
		entry->happening.lost = sink->lost_before;
		sink->lost_before = 0;
		sink->waiting++;
		sink->bytes += entry->size;
		*sink->end = entry;
		sink->end = &entry->next;
		pthread_cond_signal(&sink->work);
	}
	pthread_mutex_unlock(&sink->lock);
}

void log_sink_look(struct log_sink *sink, struct log_sink_view *ret_view)
{
	pthread_mutex_lock(&sink->lock);
	*ret_view = sink->view;
	ret_view->is_on = sink->is_on;
	ret_view->waiting = sink->waiting;
	ret_view->waiting_bytes = sink->bytes;
	ret_view->lost_all = lost_sum(sink);
	pthread_mutex_unlock(&sink->lock);
}

bool log_sink_has_news(struct log_sink *sink, struct log_sink_view *ret_view)
{
	log_sink_look(sink, ret_view);
	bool is_bad = ret_view->problem[0];

	if (is_bad == sink->told)
		return false;
	sink->told = is_bad;
	return true;
}
