/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD into a daemon: the kernel answers as an older one would, when it is asked for what
 * came with Linux 6.0 (raw SYN cookies), 6.6 (TCX) or 6.9 (bpf_sk_assign_tcp_reqsk). OLDER is the
 * version, as 6.1; older.py is its other side. What the program then does, it does on this kernel.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define RAW_COOKIE_FIRST 204 /* bpf_tcp_raw_gen_syncookie_ipv4 */
#define RAW_COOKIE_LAST 207

static bool is_before(unsigned major, unsigned minor)
{
	const char *text = getenv("OLDER");
	unsigned long is_major, is_minor;
	char *end;

	if (!text)
		return false;
	is_major = strtoul(text, &end, 10);
	is_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return is_major < major || (is_major == major && is_minor < minor);
}

struct btf;

int libbpf_probe_bpf_helper(int type, int helper, const void *opts);
int libbpf_probe_bpf_helper(int type, int helper, const void *opts)
{
	int (*next)(int, int, const void *) = dlsym(RTLD_NEXT, "libbpf_probe_bpf_helper");

	if (helper >= RAW_COOKIE_FIRST && helper <= RAW_COOKIE_LAST && is_before(6, 0))
		return 0;
	return next(type, helper, opts);
}

int32_t btf__find_by_name_kind(const struct btf *btf, const char *name, uint32_t kind);
int32_t btf__find_by_name_kind(const struct btf *btf, const char *name, uint32_t kind)
{
	int32_t (*next)(const struct btf *, const char *, uint32_t) =
		dlsym(RTLD_NEXT, "btf__find_by_name_kind");

	if (strcmp(name, "bpf_sk_assign_tcp_reqsk") == 0 && is_before(6, 9))
		return -ENOENT;
	return next(btf, name, kind);
}

static bool is_of_tcx(long command, const union bpf_attr *attr)
{
	uint32_t type = command == BPF_PROG_QUERY  ? attr->query.attach_type :
			command == BPF_LINK_CREATE ? attr->link_create.attach_type :
						     0;

	return type == TCX_INGRESS || type == TCX_EGRESS;
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf && is_of_tcx(arg[0], (const union bpf_attr *)arg[1]) &&
	    is_before(6, 6)) {
		errno = EINVAL;
		return -1;
	}
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
