/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD into a daemon: its time of day is that of the host and so many seconds, which stand in
 * the file that JUMPING names; the test maps it too (jumping.py). The clocks that nobody sets are
 * as they are.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_s; /* NULL: libraries begin before it is mapped */

__attribute__((constructor)) static void offset_map(void)
{
	int fd = open(getenv("JUMPING"), O_RDONLY | O_CLOEXEC);

	offset_s = mmap(NULL, sizeof(*offset_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	static int (*real)(clockid_t id, struct timespec * now);

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int r = real(id, now);

	if (!r && offset_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		now->tv_sec += *offset_s;
	return r;
}

time_t time(time_t *ret_now)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_now)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}
