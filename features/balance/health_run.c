/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks begin when they are due, end by an answer or when their time is up. Two heaps of times,
 * one timer and one epoll descriptor on the daemon's loop, whatever the number of checks.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/units.h"
#include "core/tls.h"
#include "features/balance/health_tunnel.h"

#define FILES_FOR_OTHERS 512	       /* descriptors that the daemon needs beside */
#define REAP_NS (100 * WEIR_NS_PER_MS) /* until killed commands are looked for again */
#define BATCH 256 /* events, or checks that begin, before the loop has its turn */

static const struct health_probe *const probes[HEALTH_TYPES] = {
	[HEALTH_TCP] = &health_tcp_probe,	  [HEALTH_TLS] = &health_tls_probe,
	[HEALTH_HTTP] = &health_http_probe,	  [HEALTH_HTTPS] = &health_http_probe,
	[HEALTH_UDP] = &health_udp_probe,	  [HEALTH_DNS] = &health_dns_probe,
	[HEALTH_COMMAND] = &health_command_probe,
};

#define TARGET_OF(due, member) \
	((struct health_target *)((char *)(due)-offsetof(struct health_target, member)))

struct health_settings health_settings_of(const struct health_text *text)
{
	return (struct health_settings){
		.interval_ns = text->interval.value,
		.timeout_ns = text->timeout.value,
		.rise = text->rise,
		.fall = text->fall,
		.jitter = text->jitter,
		.damping = { .downs = text->damping.downs,
			     .within_ns = text->damping.within.value,
			     .hold_ns = text->damping.hold.value,
			     .hold_most_ns = text->damping.hold_most.value },
	};
}

/* Spreads checks; nobody gains by guessing it. */
static uint32_t random_next(void)
{
	static uint64_t state;

	if (!state)
		weir_random_bytes(&state, sizeof(state));
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(state >> 32);
}

static void timer_set(struct health *health)
{
	const struct health_due *start = health_heap_first(&health->starts);
	const struct health_due *deadline = health_heap_first(&health->deadlines);
	uint64_t due_ns = deadline ? deadline->due_ns : UINT64_MAX;
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (start && health->under_way < health->most && start->due_ns < due_ns)
		due_ns = start->due_ns;
	if (health->killed_count && due_ns > now_ns + REAP_NS)
		due_ns = now_ns + REAP_NS;
	if (due_ns == UINT64_MAX || (health->timer_ns && health->timer_ns <= due_ns))
		return;
	health->timer_ns = due_ns;
	uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;

	/* Rounded up: a timer that comes early finds nothing due. */
	health->loop->rearm(health->timer, (wait_ns + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS, 0);
}

/* Closed alone, it would stay in the epoll set for as long as a command that begins at that moment
 * has not let go of its copy. */
static void fd_close(struct health_target *target)
{
	if (target->fd < 0)
		return;
	epoll_ctl(target->health->epoll_fd, EPOLL_CTL_DEL, target->fd, NULL);
	close(target->fd);
	target->fd = -1;
	health_tunnel_close(target); /* a reset goes that way, too */
}

static void probe_close(struct health_target *target)
{
	fd_close(target);
	target->probe = NULL;
	health_command_kill(target);
	target->is_connected = target->is_shaken = false;
	weir_tls_client_free(weir_take(target->tls));
	target->sent = 0;
	weir_buf_done(&target->out);
	weir_buf_done(&target->in);
	health_heap_del(&target->health->deadlines, &target->deadline);
	target->health->under_way--;
}

static void check_end(struct health_target *target, enum health_result result)
{
	struct health *health = target->health;
	struct health_settings settings = health_settings_of(&target->text->health);
	bool was_up = health_machine_is_up(&target->machine);
	uint64_t since_ns = target->machine.since_ns, now_ns = weir_clock_monotonic_ns();

	probe_close(target);
	health->results[result]++;
	health_machine_note(&target->machine, &settings, result, target->reason, now_ns);
	if (was_up != health_machine_is_up(&target->machine)) {
		health_tell(target, now_ns - since_ns);
		health_change_ask(health);
	}
	health_heap_add(&health->starts, &target->start,
			health_next_ns(&settings, target->began_ns, now_ns, random_next()));
}

static enum health_result check_watch(struct health_target *target)
{
	struct epoll_event event = { .events = target->probe->events, .data.ptr = target };

	return epoll_ctl(target->health->epoll_fd, EPOLL_CTL_ADD, target->fd, &event) ?
		       health_end(target, HEALTH_UNASKED, "cannot ask", errno) :
		       HEALTH_PENDING;
}

void health_watch(struct health_target *target, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = target };

	epoll_ctl(target->health->epoll_fd, EPOLL_CTL_MOD, target->fd, &event);
}

static void check_begin(struct health_target *target, uint64_t now_ns)
{
	struct health *health = target->health;

	health_heap_del(&health->starts, &target->start);
	target->probe = probes[target->text->health.type];
	target->began_ns = now_ns;
	health->under_way++;
	health_heap_add(&health->deadlines, &target->deadline,
			now_ns + target->text->health.timeout.value);
	enum health_result result = target->probe->start(target);

	if (result == HEALTH_PENDING)
		result = check_watch(target);
	if (result != HEALTH_PENDING)
		check_end(target, result);
}

static void check_late(struct health_target *target)
{
	_cleanup_buf_ struct weir_buf text = { 0 };
	enum health_result result = HEALTH_FAILED;

	weir_buf_add_str(&text, "timed out after ");
	weir_duration_format(target->text->health.timeout.value, &text);
	health_end(target, result, weir_buf_str(&text), 0);
	if (target->probe->late)
		result = target->probe->late(target);
	check_end(target, result);
}

/* Too many are under way, or this host has no time: a backend that dies is found later then than is
 * promised. */
static bool begins_late(const struct health_target *target, uint64_t now_ns)
{
	struct health_settings settings = health_settings_of(&target->text->health);

	return now_ns - target->start.due_ns > settings.interval_ns / 2;
}

void health_run_due(void *arg)
{
	struct health *health = arg;
	uint64_t now_ns = weir_clock_monotonic_ns();
	struct health_due *due = NULL;

	health->timer_ns = 0;
	while ((due = health_heap_first(&health->deadlines)) && due->due_ns <= now_ns)
		check_late(TARGET_OF(due, deadline));
	for (int i = 0; i < BATCH && health->under_way < health->most; i++) {
		due = health_heap_first(&health->starts);
		if (!due || due->due_ns > now_ns)
			break;
		health->late += begins_late(TARGET_OF(due, start), now_ns);
		check_begin(TARGET_OF(due, start), now_ns);
	}
	health_command_reap(health);
	timer_set(health);
}

static void answers_read(void *arg)
{
	struct health *health = arg;
	struct epoll_event events[BATCH];
	int count = epoll_wait(health->epoll_fd, events, BATCH, 0);

	for (int i = 0; i < count; i++) {
		struct health_target *target = events[i].data.ptr;
		enum health_result result = target->probe->ready(target, events[i].events);

		if (result != HEALTH_PENDING)
			check_end(target, result);
	}
	timer_set(health);
}

/* A check is a descriptor. The daemon's own limit is raised as far as the system lets it. */
static unsigned most_under_way(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1;
	rlim_t wanted = HEALTH_UNDER_WAY_MOST + FILES_FOR_OTHERS;

	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return HEALTH_UNDER_WAY_MOST;
	return limit.rlim_cur > 2 * FILES_FOR_OTHERS ? (unsigned)limit.rlim_cur - FILES_FOR_OTHERS :
						       (unsigned)limit.rlim_cur / 2;
}

int health_run_init(struct health *health)
{
	if (health->timer)
		return 0;
	health->most = most_under_way();
	health->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (health->epoll_fd < 0)
		return -errno;
	health->ready = health->loop->watch(health->loop, health->epoll_fd, answers_read, health);
	health->timer = health->loop->timer(health->loop, 0, 0, health_run_due, health);
	return health->ready && health->timer ? 0 : -ENOMEM;
}

void health_run_done(struct health *health)
{
	if (health->ready)
		health->loop->forget(health->ready);
	if (health->timer)
		health->loop->forget(health->timer);
	if (health->epoll_fd >= 0)
		close(health->epoll_fd);
	health_heap_done(&health->starts);
	health_heap_done(&health->deadlines);
	health_command_reap(health);
	free(health->killed);
}

void health_run_add(struct health_target *target)
{
	struct health_settings settings = health_settings_of(&target->text->health);

	health_heap_add(&target->health->starts, &target->start,
			health_first_ns(&settings, weir_clock_monotonic_ns(), random_next()));
}

void health_run_del(struct health_target *target)
{
	health_heap_del(&target->health->starts, &target->start);
	if (target->probe)
		probe_close(target);
}
