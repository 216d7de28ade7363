/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership by scope: a local with a cleanup attribute frees itself; weir_take() hands it over. */
#ifndef WEIR_BASE_CLEANUP_H
#define WEIR_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(weir_cleanup_free)
#define _cleanup_close_ _cleanup_(weir_cleanup_close)
#define _cleanup_fclose_ _cleanup_(weir_cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(weir_cleanup_closedir)

/* The value of p, and p is empty afterwards: the receiver owns it now. */
#define weir_take(p)                        \
	({                                  \
		__typeof__(p) _taken = (p); \
		(p) = NULL;                 \
		_taken;                     \
	})

/* As weir_take(), for a file descriptor. */
#define weir_take_fd(fd)        \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})

/* Defines what _cleanup_(name##p) calls for an owner of that type. */
#define WEIR_DEFINE_CLEANUP(type, fn)     \
	static inline void fn##p(type *p) \
	{                                 \
		if (*p)                   \
			fn(*p);           \
	}                                 \
	struct weir_cleanup_semicolon

#define WEIR_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void weir_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void weir_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void weir_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void weir_cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#endif
