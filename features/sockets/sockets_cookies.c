/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cookie for each socket there is, where the walk over files may give none. Only a walk over the
 * sockets of one network namespace has sockets that such a kernel trusts, and which namespace that
 * is, is the thread's that begins it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "features/sockets/sockets_state.h"

struct cookies {
	struct sockets *state;
	struct weir_buf met; /* ino_t of each namespace */
	int result;
};

static const char *const namespaces[] = { "/proc/[0-9]*/ns/net", "/run/netns/*" };

static int here_give(struct sockets *state)
{
	int r = weir_tracer_run(state->tracer, "weir_sock_cookies_tcp");

	return r ? r : weir_tracer_run(state->tracer, "weir_sock_cookies_udp");
}

static bool is_met(struct weir_buf *met, ino_t number)
{
	const ino_t *numbers = (const ino_t *)met->data;

	for (size_t i = 0; i < met->len / sizeof(number); i++)
		if (numbers[i] == number)
			return true;
	/* Without memory for it, it may be walked twice. */
	weir_buf_add(met, &number, sizeof(number));
	return false;
}

/* Whose namespaces may not be entered, without CAP_SYS_ADMIN or while they go, has none given. */
static void there_give(struct cookies *cookies, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || is_met(&cookies->met, st.st_ino))
		return;
	if (setns(fd, CLONE_NEWNET) == 0)
		here_give(cookies->state);
}

/* A thread of its own: it need not come back from the last one. */
static void *all_give(void *data)
{
	struct cookies *cookies = data;

	cookies->result = here_give(cookies->state);
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(namespaces) && cookies->state->all_namespaces; i++) {
		glob_t found = { 0 };

		if (glob(namespaces[i], GLOB_NOSORT, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc; j++)
				there_give(cookies, found.gl_pathv[j]);
		globfree(&found);
	}
	return NULL;
}

int sockets_cookies_give(struct sockets *state)
{
	struct cookies cookies = { .state = state };
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, all_give, &cookies);

	if (r == 0)
		r = -pthread_join(thread, NULL);
	weir_buf_done(&cookies.met);
	return r ? r : cookies.result;
}
