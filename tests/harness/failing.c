/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD into a daemon: makes one system call of a kind fail, or be the last thing the process
 * does, or holds the process there until it is told to go on (SIGCONT). What to fail stands in the
 * file that FAILING names, which the test maps too (failing.py); it counts the calls of each kind
 * there. libbpf and the engine make all their calls through libc, so these few functions see them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BPF_COMMANDS 64 /* kinds below this are commands of bpf() */

enum kind {
	KIND_MMAP = BPF_COMMANDS,
	KIND_RENAME,
	KIND_UNLINK,
	KIND_OPEN,
	KIND_WRITE,
	KIND_FSYNC,
	KIND_ALLOC,
	KIND_DUP, /* by fcntl */
	KIND_MEMBARRIER,
	KIND_FILTER,
	KINDS,
};

#define HELD (-1)

struct plan {
	uint32_t kind, at; /* the at-th call of that kind, from 1; at 0: none */
	int32_t error;	   /* errno to fail with; 0: the process is killed instead; HELD */
	uint32_t is_after; /* killed or held once the call is made, not before */
	uint32_t lasts;	   /* and all later calls of that kind fail, too */
	uint32_t counts[KINDS];
};

static struct plan *plan;

__attribute__((constructor)) static void plan_open(void)
{
	const char *path = getenv("FAILING");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *at = (void *)syscall(SYS_mmap, NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0L);

	syscall(SYS_close, fd);
	plan = at == MAP_FAILED ? NULL : at;
}

/* Whether this call is the one; *ret_error is what it is to fail with, 0 to be made and die. */
static int is_chosen(uint32_t kind)
{
	if (!plan || kind >= KINDS)
		return 0;
	uint32_t number = __atomic_add_fetch(&plan->counts[kind], 1, __ATOMIC_SEQ_CST);

	return plan->at && plan->kind == kind &&
	       (plan->at == number || (plan->lasts && number > plan->at));
}

static int is_held(int after)
{
	return plan->error == HELD && !plan->is_after == !after;
}

/* Gives -1 with errno, or kills. */
static long fail(void)
{
	if (!plan->error)
		kill(getpid(), SIGKILL);
	errno = plan->error;
	return -1;
}

static int is_made_first(void)
{
	return plan->error <= 0 && plan->is_after;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The call, unless it is the chosen one; where that kills afterwards, it is made before. */
#define CALL(kind, type, call)                   \
	do {                                     \
		int chosen = is_chosen(kind);    \
		if (chosen && is_held(0))        \
			chosen = raise(SIGSTOP); \
		if (chosen && !is_made_first())  \
			return (type)fail();     \
		type result = (call);            \
		if (chosen && is_held(1))        \
			chosen = raise(SIGSTOP); \
		if (chosen)                      \
			return (type)fail();     \
		return result;                   \
	} while (0)

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (!next)
		next = NEXT(syscall);
	if (number == SYS_membarrier)
		CALL(KIND_MEMBARRIER, long, next(number, a[0], a[1], a[2]));
	if (number != SYS_bpf)
		return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	CALL((uint32_t)a[0], long, next(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (fd < 0) /* of the allocator */
		return NEXT(mmap)(at, bytes, protection, flags, fd, offset);
	CALL(KIND_MMAP, void *, NEXT(mmap)(at, bytes, protection, flags, fd, offset));
}

int rename(const char *from, const char *to)
{
	CALL(KIND_RENAME, int, NEXT(rename)(from, to));
}

int unlink(const char *path)
{
	CALL(KIND_UNLINK, int, NEXT(unlink)(path));
}

int open(const char *path, int flags, ...)
{
	va_list list;

	va_start(list, flags);
	mode_t mode = va_arg(list, mode_t);
	va_end(list);
	CALL(KIND_OPEN, int, NEXT(open)(path, flags, mode));
}

int fcntl(int fd, int command, ...)
{
	va_list list;

	va_start(list, command);
	void *arg = va_arg(list, void *);
	va_end(list);
	if (command != F_DUPFD_CLOEXEC)
		return NEXT(fcntl)(fd, command, arg);
	CALL(KIND_DUP, int, NEXT(fcntl)(fd, command, arg));
}

/* To files: the loop's own pipes never fail. */
ssize_t write(int fd, const void *bytes, size_t count)
{
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return NEXT(write)(fd, bytes, count);
	CALL(KIND_WRITE, ssize_t, NEXT(write)(fd, bytes, count));
}

int fsync(int fd)
{
	CALL(KIND_FSYNC, int, NEXT(fsync)(fd));
}

static int is_filter(int fd, const void *bytes, size_t count)
{
	const struct nlmsghdr *message = bytes;
	int domain = 0;
	socklen_t len = sizeof(domain);

	return count >= sizeof(*message) && message->nlmsg_type == RTM_NEWTFILTER &&
	       !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_NETLINK;
}

/* A program put at a clsact qdisc, or in the place of the one there: these are no links. */
ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
	if (!is_filter(fd, bytes, count))
		return NEXT(send)(fd, bytes, count, flags);
	CALL(KIND_FILTER, ssize_t, NEXT(send)(fd, bytes, count, flags));
}

extern void *__libc_malloc(size_t bytes), *__libc_calloc(size_t count, size_t bytes),
	*__libc_realloc(void *at, size_t bytes);

void *malloc(size_t bytes)
{
	return is_chosen(KIND_ALLOC) && fail() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return is_chosen(KIND_ALLOC) && fail() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *at, size_t bytes)
{
	return is_chosen(KIND_ALLOC) && fail() ? NULL : __libc_realloc(at, bytes);
}
