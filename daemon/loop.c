/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop on libuv: descriptors, timers, signals, and work for other threads. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>

#include <uv.h>

#include "base/cleanup.h"

struct uv_loop {
	struct weir_loop vtable; /* first: a weir_loop is one of these */
	uv_loop_t uv;
};

struct weir_watch {
	union {
		uv_handle_t handle;
		uv_poll_t poll;
		uv_timer_t timer;
		uv_signal_t signal;
	};
	void (*call)(void *arg);
	void (*caught)(void *arg, int number);
	void *arg;
};

struct work {
	uv_work_t uv;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static uv_loop_t *uv_of(struct weir_loop *loop)
{
	return &((struct uv_loop *)loop)->uv;
}

static struct weir_watch *watch_new(void (*call)(void *arg), void *arg)
{
	struct weir_watch *watch = calloc(1, sizeof(*watch));

	if (watch) {
		watch->call = call;
		watch->arg = arg;
	}
	return watch;
}

static void watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void loop_forget(struct weir_watch *watch)
{
	if (!watch)
		return;
	watch->handle.data = watch;
	uv_close(&watch->handle, watch_closed);
}

static void poll_ready(uv_poll_t *poll, int status, int events)
{
	struct weir_watch *watch = (struct weir_watch *)poll;

	watch->call(watch->arg);
}

static struct weir_watch *loop_watch(struct weir_loop *loop, int fd, void (*ready)(void *arg),
				     void *arg)
{
	struct weir_watch *watch = watch_new(ready, arg);

	if (!watch)
		return NULL;
	if (uv_poll_init(uv_of(loop), &watch->poll, fd)) {
		free(watch);
		return NULL;
	}
	uv_poll_start(&watch->poll, UV_READABLE, poll_ready);
	return watch;
}

static void timer_due(uv_timer_t *timer)
{
	struct weir_watch *watch = (struct weir_watch *)timer;

	watch->call(watch->arg);
}

static struct weir_watch *loop_timer(struct weir_loop *loop, uint64_t first_ms, uint64_t repeat_ms,
				     void (*due)(void *arg), void *arg)
{
	struct weir_watch *watch = watch_new(due, arg);

	if (!watch)
		return NULL;
	uv_timer_init(uv_of(loop), &watch->timer);
	uv_timer_start(&watch->timer, timer_due, first_ms, repeat_ms);
	return watch;
}

static void loop_rearm(struct weir_watch *timer, uint64_t first_ms, uint64_t repeat_ms)
{
	uv_update_time(timer->timer.loop);
	uv_timer_start(&timer->timer, timer_due, first_ms, repeat_ms);
}

static void signal_caught(uv_signal_t *signal, int number)
{
	struct weir_watch *watch = (struct weir_watch *)signal;

	watch->caught(watch->arg, number);
}

struct weir_watch *weir_uv_loop_signal(struct weir_loop *loop, int number,
				       void (*caught)(void *arg, int number), void *arg)
{
	struct weir_watch *watch = watch_new(NULL, arg);

	if (!watch)
		return NULL;
	watch->caught = caught;
	uv_signal_init(uv_of(loop), &watch->signal);
	uv_signal_start(&watch->signal, signal_caught, number);
	return watch;
}

static void work_run(uv_work_t *uv)
{
	struct work *work = (struct work *)uv;

	work->work(work->arg);
}

static void work_done(uv_work_t *uv, int status)
{
	struct work *work = (struct work *)uv;

	work->done(work->arg);
	free(work);
}

static int loop_work(struct weir_loop *loop, void (*run)(void *arg), void (*done)(void *arg),
		     void *arg)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work)
		return -ENOMEM;
	work->work = run;
	work->done = done;
	work->arg = arg;
	int r = uv_queue_work(uv_of(loop), &work->uv, work_run, work_done);

	if (r)
		free(work);
	return r;
}

struct weir_loop *weir_uv_loop_new(void)
{
	struct uv_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->vtable = (struct weir_loop){
		.watch = loop_watch,
		.timer = loop_timer,
		.rearm = loop_rearm,
		.forget = loop_forget,
		.work = loop_work,
	};
	if (uv_loop_init(&loop->uv)) {
		free(loop);
		return NULL;
	}
	return &loop->vtable;
}

void weir_uv_loop_free(struct weir_loop *loop)
{
	if (!loop)
		return;
	uv_run(uv_of(loop), UV_RUN_DEFAULT); /* lets closing handles close */
	uv_loop_close(uv_of(loop));
	free(loop);
}

void weir_uv_loop_run(struct weir_loop *loop)
{
	uv_run(uv_of(loop), UV_RUN_DEFAULT);
}

void weir_uv_loop_turn(struct weir_loop *loop)
{
	uv_run(uv_of(loop), UV_RUN_ONCE);
}

void weir_uv_loop_stop(struct weir_loop *loop)
{
	uv_stop(uv_of(loop));
}
