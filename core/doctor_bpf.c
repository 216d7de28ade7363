/* SPDX-License-Identifier: Apache-2.0 */
/* What Weir's programs and maps ask of the kernel, each asked by the least that needs it. */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/probe.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/doctor_checks.h"
#include "core/kernel_means.h"
#include "core/kfunc.h"
#include "core/object.h"
#include "core/trace.h"

#define FRAME_BYTES 64

/* XDP_PASS and, as it happens, "go on" for TC too are small numbers in r0. */
int weir_doctor_program(int type, uint32_t flags)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = type == BPF_PROG_TYPE_XDP ? XDP_PASS : -1 /* TC_ACT_UNSPEC, TCX_NEXT */ },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = flags);
	int fd = bpf_prog_load(type, "weir_doctor", "Dual BSD/GPL", pass, WEIR_ARRAY_SIZE(pass),
			       &opts);

	return fd < 0 ? -errno : fd;
}

static int helper_try(enum bpf_func_id helper)
{
	int r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, helper, NULL);

	return r > 0 ? 0 : r ? r : -EOPNOTSUPP;
}

static int coarse_clock_try(void)
{
	return helper_try(BPF_FUNC_ktime_get_coarse_ns);
}

static int ring_try(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "weir_doctor", 0, 0,
				(__u32)sysconf(_SC_PAGESIZE), NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return helper_try(BPF_FUNC_ringbuf_output);
}

static int batch_try(void)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "weir_doctor", sizeof(__u32),
						sizeof(__u32), 16, NULL);
	__u32 key = 7, value = 9, at = 0, keys[16], values[16], count = 16;

	if (fd < 0 || bpf_map_update_elem(fd, &key, &value, BPF_ANY))
		return -errno;
	/* ENOENT says that this batch was the last. */
	if (bpf_map_lookup_batch(fd, NULL, &at, keys, values, &count, NULL) && errno != ENOENT)
		return -errno;
	return count == 1 && values[0] == value ? 0 : -EIO;
}

static int inner_new(__u32 entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "weir_doctor", sizeof(__u32), 64, entries, &opts);
}

/* As a policy is filled and swapped: through memory, of another size than the one before. */
static int inner_try(void)
{
	_cleanup_close_ int small = inner_new(1), large = inner_new(100);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = (__u32)small);
	_cleanup_close_ int outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "weir_doctor",
						   sizeof(__u32), sizeof(__u32), 1, &opts);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	__u32 zero = 0;

	if (small < 0 || large < 0 || outer < 0)
		return -errno;
	void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, large, 0);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, page);
	return bpf_map_update_elem(outer, &zero, &large, BPF_ANY) ? -errno : 0;
}

static int test_run_try(void)
{
	_cleanup_close_ int fd = weir_doctor_program(BPF_PROG_TYPE_XDP, 0);
	unsigned char bytes[sizeof(struct weir_probe_mark) + FRAME_BYTES] = {};
	struct xdp_md ctx = { .data = sizeof(struct weir_probe_mark), .data_end = sizeof(bytes) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = sizeof(bytes),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	if (fd < 0)
		return fd;
	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	return opts.retval == XDP_PASS ? 0 : -EIO;
}

static int cookies_try(void)
{
	return weir_kernel_has_raw_cookies() ? 0 : -EOPNOTSUPP;
}

static int hand_over_try(void)
{
	return weir_kfunc_is_there(WEIR_KFUNC_SK_ASSIGN_TCP_REQSK) ? 0 : -EOPNOTSUPP;
}

static const struct {
	const char *check;
	int (*try)(void);
	enum doctor_level level;
	const char *works;
	const char *without;
	const char *mend;
} asked[] = {
	{ "coarse clock", coarse_clock_try, DOCTOR_ERROR, "entries expire by the kernel's clock",
	  "expiry needs it (Linux 5.11)", "install Linux 5.15 or newer" },
	{ "ring buffer", ring_try, DOCTOR_ERROR, "events reach user space",
	  "events need it (Linux 5.8)", "install Linux 5.15 or newer" },
	{ "policy swap", inner_try, DOCTOR_ERROR, "maps inside a map, written through memory",
	  "compiled policies need them (Linux 5.10)", "install Linux 5.15 or newer" },
	{ "batch reading", batch_try, DOCTOR_WARNING, "maps are read in batches",
	  "maps are read one by one, which is slow", "install Linux 5.15 or newer" },
	{ "test run", test_run_try, DOCTOR_WARNING, "programs can be tried with a marked packet",
	  "weir explain and weir replay cannot work", "install Linux 5.15 or newer" },
	{ "SYN cookies", cookies_try, DOCTOR_WARNING,
	  "SYNs can be answered with cookies of the kernel's secret",
	  "no SYN can be answered with a cookie: limits stand in (Linux 6.0)",
	  "install Linux 6.0 or newer" },
	{ "SYN hand-over", hand_over_try, DOCTOR_WARNING,
	  "who answers a cookie is handed to the program that listens",
	  "who answers a cookie is relayed to the program that listens, packet by packet "
	  "(Linux 6.9)",
	  "install Linux 6.9 or newer" },
	{ "tracing", weir_tracer_try, DOCTOR_WARNING,
	  "packets that the kernel gives up can be watched", "weir drops cannot work",
	  "use a kernel with CONFIG_DEBUG_INFO_BTF, Linux 5.15 or newer" },
};

/* The real thing: if it loads, all of the above was only commentary. */
static void programs_check(struct weir_doctor *doctor)
{
	_cleanup_(weir_constants_freep) struct weir_constants *constants = weir_constants_new();
	_cleanup_object_ struct weir_object *object = NULL;
	_cleanup_diag_ struct weir_diag diag = {};
	uint64_t start_ns = weir_clock_monotonic_ns(), instructions = 0;
	uint32_t jited = 0;
	int r = constants ? weir_object_new(NULL, NULL, constants, &diag, &object) : -ENOMEM;

	if (r) {
		const struct weir_diag_entry *entry = diag.count ? &diag.entries[0] : NULL;

		weir_doctor_tell(doctor, "packet programs", DOCTOR_ERROR,
				 "compare with the checks above; else report it with this text",
				 "%s", entry ? entry->what : strerror(-r));
		return;
	}
	constants = NULL; /* the object's now */
	weir_object_size(object, &jited, &instructions);
	weir_doctor_tell(doctor, "packet programs", DOCTOR_OK, NULL,
			 "load in %llu ms; %u bytes of machine code at XDP",
			 (unsigned long long)((weir_clock_monotonic_ns() - start_ns) / 1000000),
			 jited);
}

void weir_doctor_bpf(struct weir_doctor *doctor)
{
	if (!doctor->may_bpf) {
		weir_doctor_tell(doctor, "packet programs", DOCTOR_WARNING,
				 "run weir doctor as root",
				 "not checked, nor what they need of the kernel: capabilities are "
				 "missing");
		return;
	}
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(asked); i++) {
		int r = asked[i].try();

		if (r)
			weir_doctor_tell(doctor, asked[i].check, asked[i].level, asked[i].mend,
					 "%s: %s", strerror(-r), asked[i].without);
		else
			weir_doctor_tell(doctor, asked[i].check, DOCTOR_OK, NULL, "%s",
					 asked[i].works);
	}
	programs_check(doctor);
}
