/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/asker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/top/deed.h"
#include "cli/top/tabs.h"

#define STOP_MS 200 /* that an answer under way has to come in */

struct top_asker {
	const struct weir_command *command;
	pthread_t thread;
	int event_fd;

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	bool is_stopped;
	struct top_look *wanted, *seen;
	struct top_deed *due, *done;
};

void top_deed_free(struct top_deed *deed)
{
	if (!deed)
		return;
	for (size_t i = 0; i < TOP_DEED_WORDS; i++)
		free(deed->words[i]);
	free(deed->said);
	free(deed);
}

/* The daemon's sentence without the address it was asked at, which nobody typed. */
static void problem_keep(struct top_look *look, int result, const char *target,
			 const struct weir_diag *diag)
{
	const char *what = weir_diag_why(diag, result);
	size_t len = strlen(target);

	if (strncmp(what, target, len) == 0 && strncmp(what + len, ": ", 2) == 0)
		what += len + 2;
	look->fate = result == -EINVAL ? TOP_REFUSED : TOP_GONE;
	look->problem = strdup(what);
	look->mend = diag->count && diag->entries[0].mend ? strdup(diag->entries[0].mend) : NULL;
}

static int ask(const struct weir_command *command, struct top_look *look, const char *target,
	       struct weir_json **ret_answer)
{
	struct weir_question question = { .target = target };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = weir_ask(command, &question, &diag, ret_answer);

	if (r)
		problem_keep(look, r, target, &diag);
	return r;
}

static const struct top_way *way_of(const struct top_look *look)
{
	return &top_tabs[look->tab].ways[look->way];
}

static void target_add(const struct top_look *look, struct weir_buf *out)
{
	const struct top_way *way = way_of(look);
	const char *between = strchr(way->target, '?') ? "&" : "?";

	weir_buf_add_str(out, way->target);
	if (look->by) {
		weir_buf_addf(out, "%sby=%s", between, look->by);
		between = "&";
	}
	if (look->filter[0] && way->filtered != TOP_FILTER_NONE) {
		weir_buf_addf(out, "%sfilter=", between);
		weir_query_add_escaped(out, look->filter);
	}
}

/* Nothing where the row is gone, or nobody knows of such things. */
static void told_ask(const struct weir_command *command, const char *target,
		     struct weir_json **ret_told)
{
	struct weir_question question = { .target = target };

	(void)weir_ask(command, &question, NULL, ret_told);
}

/* Totals are kept of all flows alone, and where the configuration has them. */
static bool ended_ask(const struct weir_command *command, struct top_look *look, const char *target)
{
	_cleanup_buf_ struct weir_buf whole = { 0 };

	if (!way_of(look)->has_ended || look->filter[0])
		return false;
	weir_buf_addf(&whole, "%s&ended=true", target);
	told_ask(command, weir_buf_str(&whole), &look->answer);
	return look->answer;
}

static void rows_ask(const struct weir_command *command, struct top_look *look)
{
	_cleanup_buf_ struct weir_buf target = { 0 };

	target_add(look, &target);
	if (!ended_ask(command, look, weir_buf_str(&target)))
		ask(command, look, weir_buf_str(&target), &look->answer);
}

static void look_ask(const struct weir_command *command, struct top_look *look)
{
	look->fate = TOP_ANSWERED;
	if (ask(command, look, "/api/v1/status", &look->status) == 0 && way_of(look)->target)
		rows_ask(command, look);
	look->at_ns = weir_clock_monotonic_ns();
	for (size_t i = 0; i < TOP_DETAILS; i++)
		if (look->fate == TOP_ANSWERED && look->detail[i])
			told_ask(command, look->detail[i], &look->told[i]);
}

static void look_hand(struct top_asker *asker, struct top_look *look)
{
	pthread_mutex_lock(&asker->mutex);
	top_look_free(asker->seen);
	asker->seen = look;
	pthread_mutex_unlock(&asker->mutex);
}

static void deed_hand(struct top_asker *asker, struct top_deed *deed)
{
	pthread_mutex_lock(&asker->mutex);
	top_deed_free(asker->done);
	asker->done = deed;
	pthread_mutex_unlock(&asker->mutex);
}

/* False: it is to end. */
static bool work_wait(struct top_asker *asker, struct top_look **ret_look,
		      struct top_deed **ret_deed)
{
	bool goes_on;

	pthread_mutex_lock(&asker->mutex);
	while (!asker->is_stopped && !asker->wanted && !asker->due)
		pthread_cond_wait(&asker->changed, &asker->mutex);
	goes_on = !asker->is_stopped;
	*ret_deed = weir_take(asker->due);
	*ret_look = *ret_deed ? NULL : weir_take(asker->wanted);
	pthread_mutex_unlock(&asker->mutex);
	return goes_on;
}

static void *asker_run(void *arg)
{
	struct top_asker *asker = arg;
	struct top_look *look;
	struct top_deed *deed;

	while (work_wait(asker, &look, &deed)) {
		if (deed) {
			top_deed_run(asker->command, deed);
			deed_hand(asker, deed);
		} else {
			look_ask(asker->command, look);
			look_hand(asker, look);
		}
		(void)eventfd_write(asker->event_fd, 1);
	}
	top_look_free(look);
	top_deed_free(deed);
	return NULL;
}

/* Signals are for the thread that has the terminal. */
static int thread_start(struct top_asker *asker)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(&asker->thread, NULL, asker_run, asker);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int top_asker_start(const struct weir_command *command, struct top_asker **ret_asker)
{
	struct top_asker *asker = calloc(1, sizeof(*asker));

	if (!asker)
		return -ENOMEM;
	asker->command = command;
	pthread_mutex_init(&asker->mutex, NULL);
	pthread_cond_init(&asker->changed, NULL);
	asker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = asker->event_fd < 0 ? -errno : thread_start(asker);

	if (r) {
		if (asker->event_fd >= 0)
			close(asker->event_fd);
		free(asker);
		return r;
	}
	*ret_asker = asker;
	return 0;
}

/* The thread may hang in an answer for as long as --timeout: then all is left to it, and the end of
 * the process takes it away. */
void top_asker_stop(struct top_asker *asker)
{
	struct timespec until;

	pthread_mutex_lock(&asker->mutex);
	asker->is_stopped = true;
	pthread_cond_signal(&asker->changed);
	pthread_mutex_unlock(&asker->mutex);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += STOP_MS * (long)WEIR_NS_PER_MS;
	until.tv_sec += until.tv_nsec / (long)WEIR_NS_PER_S;
	until.tv_nsec %= (long)WEIR_NS_PER_S;
	if (pthread_timedjoin_np(asker->thread, NULL, &until))
		return;
	close(asker->event_fd);
	top_look_free(asker->wanted);
	top_look_free(asker->seen);
	top_deed_free(asker->due);
	top_deed_free(asker->done);
	free(asker);
}

int top_asker_fd(const struct top_asker *asker)
{
	return asker->event_fd;
}

void top_asker_look(struct top_asker *asker, struct top_look *look)
{
	pthread_mutex_lock(&asker->mutex);
	top_look_free(asker->wanted);
	asker->wanted = look;
	pthread_cond_signal(&asker->changed);
	pthread_mutex_unlock(&asker->mutex);
}

void top_asker_do(struct top_asker *asker, struct top_deed *deed)
{
	pthread_mutex_lock(&asker->mutex);
	top_deed_free(asker->due);
	asker->due = deed;
	pthread_cond_signal(&asker->changed);
	pthread_mutex_unlock(&asker->mutex);
}

struct top_look *top_asker_seen(struct top_asker *asker)
{
	eventfd_t count;

	(void)eventfd_read(asker->event_fd, &count);
	pthread_mutex_lock(&asker->mutex);
	struct top_look *look = weir_take(asker->seen);

	pthread_mutex_unlock(&asker->mutex);
	return look;
}

struct top_deed *top_asker_done(struct top_asker *asker)
{
	pthread_mutex_lock(&asker->mutex);
	struct top_deed *deed = weir_take(asker->done);

	pthread_mutex_unlock(&asker->mutex);
	return deed;
}
