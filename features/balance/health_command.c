/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program says whether a backend serves. It is a child in a group of its own, waited for by a
 * descriptor (pidfd_open(), Linux 5.3), and killed with all that it began when it is late.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "features/balance/health.h"

struct environment {
	char service[64], address[32 + WEIR_ADDR_TEXT], port[32];
	char *list[5];
};

/* Nothing of the daemon's own, in which tokens may stand. */
static void environment_make(const struct health_target *target, struct environment *env)
{
	const struct balance_end *end = &target->key.backend;
	uint32_t port = target->text->health.port;
	char address[WEIR_ADDR_TEXT];

	snprintf(env->service, sizeof(env->service), "WEIR_SERVICE=%s", target->text->name);
	snprintf(env->address, sizeof(env->address), "WEIR_ADDRESS=%s",
		 weir_addr_to_string(&end->addr, address));
	snprintf(env->port, sizeof(env->port), "WEIR_PORT=%u", port ? port : end->port);
	env->list[0] = env->service;
	env->list[1] = env->address;
	env->list[2] = env->port;
	env->list[3] = (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	env->list[4] = NULL;
}

/* A group of its own, no signal blocked or ignored, and none of the daemon's streams. */
static int attributes_set(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETSIGDEF);
}

static int streams_set(posix_spawn_file_actions_t *actions)
{
	int r = 0;

	for (int fd = 0; fd <= 2 && !r; fd++)
		r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	return r;
}

static int command_spawn(const struct health_target *target, char *const *words, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	struct environment env;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (!r) {
		environment_make(target, &env);
		r = streams_set(&actions) ?: attributes_set(&attributes);
		if (!r)
			r = posix_spawn(ret_pid, words[0], &actions, &attributes, words, env.list);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static enum health_result command_start(struct health_target *target)
{
	const struct health_text *text = &target->text->health;
	_cleanup_free_ char **words = calloc(text->command_count + 1ul, sizeof(char *));
	pid_t pid = 0;

	if (!words)
		return health_end(target, HEALTH_UNASKED, "cannot ask", ENOMEM);
	for (unsigned i = 0; i < text->command_count; i++)
		words[i] = text->command[i];
	int r = command_spawn(target, words, &pid);

	if (r)
		return health_end(target, HEALTH_UNASKED, "cannot run", r);
	target->pid = pid;
	target->fd = (int)syscall(SYS_pidfd_open, pid, 0); /* closed on exec by itself */
	return target->fd < 0 ? health_end(target, HEALTH_UNASKED, "cannot ask", errno) :
				HEALTH_PENDING;
}

/* It has ended, and is known not to be another yet, for nobody has waited for it. */
static enum health_result command_ready(struct health_target *target, uint32_t events)
{
	siginfo_t info = { 0 };
	char what[HEALTH_REASON_TEXT];

	(void)events;
	if (waitid(P_PID, (id_t)target->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return HEALTH_PENDING;
	if (info.si_code != CLD_EXITED)
		snprintf(what, sizeof(what), "ended by signal %d", info.si_status);
	else
		snprintf(what, sizeof(what), "ended with %d", info.si_status);
	return health_end(target,
			  info.si_code == CLD_EXITED && !info.si_status ? HEALTH_OK : HEALTH_FAILED,
			  what, 0);
}

static bool is_reaped(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) || info.si_pid;
}

void health_command_reap(struct health *health)
{
	for (unsigned i = 0; i < health->killed_count;)
		if (is_reaped(health->killed[i]))
			health->killed[i] = health->killed[--health->killed_count];
		else
			i++;
}

static void killed_add(struct health *health, int pid)
{
	unsigned count = health->killed_count + 1;
	int *killed = reallocarray(health->killed, count, sizeof(*killed));

	if (!killed)
		return; /* it stays a line in `ps` until the daemon ends */
	health->killed = killed;
	health->killed[health->killed_count++] = pid;
}

/* The group goes first: once the leader is waited for, its number may be somebody else's. What was
 * killed has not ended yet, and one that sits in the kernel, as on a disk that is gone, will not
 * soon: it is reaped when it can be. */
void health_command_kill(struct health_target *target)
{
	if (!target->pid)
		return;
	kill(-target->pid, SIGKILL);
	if (!is_reaped(target->pid))
		killed_add(target->health, target->pid);
	target->pid = 0;
}

const struct health_probe health_command_probe = {
	.start = command_start,
	.ready = command_ready,
	.events = EPOLLIN,
};
