/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every hook tried for real. A thread has a network namespace of its own: unshare() there leaves
 * the rest of the process where it is, and the devices go with the thread.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "core/doctor_checks.h"
#include "core/doctor_veth.h"
#include "core/kernel_abi.h"
#include "core/quiet.h"

#define XDP_HAS_FRAGS (1u << 5) /* BPF_F_XDP_HAS_FRAGS, Linux 5.18 */

enum hook {
	HOOK_XDP,
	HOOK_XDP_FRAGS,
	HOOK_XDP_GENERIC,
	HOOK_TCX,
	HOOK_CLSACT,
	HOOK_COUNT,
};

struct trial {
	int namespace_result, device_result;
	int hooks[HOOK_COUNT]; /* 0 or -errno */
};

static int xdp_try(int ifindex, uint32_t program_flags, uint32_t mode)
{
	_cleanup_close_ int program = weir_doctor_program(BPF_PROG_TYPE_XDP, program_flags);
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);

	if (program < 0)
		return program;
	_cleanup_close_ int link = bpf_link_create(program, ifindex, BPF_XDP, &opts);

	return link < 0 ? -errno : 0;
}

static int tcx_try(int ifindex)
{
	_cleanup_close_ int program = weir_doctor_program(BPF_PROG_TYPE_SCHED_CLS, 0);

	if (program < 0)
		return program;
	_cleanup_close_ int link = bpf_link_create(program, ifindex, KERNEL_TCX_INGRESS, NULL);

	return link < 0 ? -errno : 0;
}

static int clsact_try(int ifindex)
{
	_cleanup_close_ int program = weir_doctor_program(BPF_PROG_TYPE_SCHED_CLS, 0);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = program);

	if (program < 0)
		return program;
	int r = bpf_tc_hook_create(&hook);

	return r ? r : bpf_tc_attach(&hook, &opts);
}

/* One after the other, each gone again before the next: no two share the device. */
static void *trial_run(void *arg)
{
	struct trial *trial = arg;

	if (unshare(CLONE_NEWNET)) {
		trial->namespace_result = -errno;
		return NULL;
	}
	int ifindex = weir_doctor_veth();

	if (ifindex <= 0) {
		trial->device_result = ifindex ? ifindex : -ENODEV;
		return NULL;
	}
	trial->hooks[HOOK_XDP] = xdp_try(ifindex, 0, XDP_FLAGS_DRV_MODE);
	trial->hooks[HOOK_XDP_FRAGS] = xdp_try(ifindex, XDP_HAS_FRAGS, XDP_FLAGS_DRV_MODE);
	trial->hooks[HOOK_XDP_GENERIC] = xdp_try(ifindex, 0, XDP_FLAGS_SKB_MODE);
	trial->hooks[HOOK_TCX] = tcx_try(ifindex);
	trial->hooks[HOOK_CLSACT] = clsact_try(ifindex);
	return NULL;
}

/* What is known without a device: whether the program types load. */
static void types_check(struct weir_doctor *doctor, const char *why)
{
	_cleanup_close_ int xdp = weir_doctor_program(BPF_PROG_TYPE_XDP, 0);
	_cleanup_close_ int tc = weir_doctor_program(BPF_PROG_TYPE_SCHED_CLS, 0);

	weir_doctor_tell(doctor, "hooks", xdp < 0 && tc < 0 ? DOCTOR_ERROR : DOCTOR_WARNING,
			 "run weir doctor as root", "%s; XDP programs %s, TC programs %s", why,
			 xdp < 0 ? strerror(-xdp) : "load", tc < 0 ? strerror(-tc) : "load");
}

static void xdp_tell(struct weir_doctor *doctor, const struct trial *trial)
{
	static const struct {
		enum hook hook;
		const char *check, *works, *without;
	} rows[] = {
		{ HOOK_XDP, "xdp native", "works on a veth; on hardware its driver decides",
		  "hook: auto uses TC instead" },
		{ HOOK_XDP_FRAGS, "xdp multi-buffer", "works: jumbo frames are no obstacle",
		  "jumbo frames need hook: tc" },
		{ HOOK_XDP_GENERIC, "xdp generic", "works", "hook: xdp-generic cannot be used" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(rows); i++) {
		int r = trial->hooks[rows[i].hook];

		if (r)
			weir_doctor_tell(doctor, rows[i].check, DOCTOR_WARNING,
					 "use hook: auto or hook: tc", "refused: %s; %s",
					 strerror(-r), rows[i].without);
		else
			weir_doctor_tell(doctor, rows[i].check, DOCTOR_OK, NULL, "%s",
					 rows[i].works);
	}
}

/* Either of the two will do; clsact has a module to be loaded. */
static void tc_tell(struct weir_doctor *doctor, const struct trial *trial)
{
	int tcx = trial->hooks[HOOK_TCX], clsact = trial->hooks[HOOK_CLSACT];

	if (tcx == 0)
		weir_doctor_tell(doctor, "tcx", DOCTOR_OK, NULL, "works");
	else if (doctor->kernel < KERNEL(6, 6) && clsact == 0)
		weir_doctor_tell(doctor, "tcx", DOCTOR_OK, NULL,
				 "not in this kernel (6.6): clsact is used");
	else
		weir_doctor_tell(doctor, "tcx", clsact ? DOCTOR_ERROR : DOCTOR_WARNING,
				 clsact ? "modprobe -a sch_ingress cls_bpf" : NULL, "refused: %s",
				 strerror(-tcx));
	if (clsact == 0)
		weir_doctor_tell(doctor, "clsact", DOCTOR_OK, NULL, "works%s",
				 tcx ? "" : "; not needed, since TCX does");
	else if (tcx == 0)
		weir_doctor_tell(doctor, "clsact", DOCTOR_OK, NULL,
				 "refused: %s; not needed, since TCX works", strerror(-clsact));
	else
		weir_doctor_tell(doctor, "clsact", DOCTOR_ERROR, "modprobe -a sch_ingress cls_bpf",
				 "refused: %s", strerror(-clsact));
}

void weir_doctor_hooks(struct weir_doctor *doctor)
{
	struct trial trial = {};
	pthread_t thread;

	if (!doctor->may_bpf) {
		weir_doctor_tell(doctor, "hooks", DOCTOR_WARNING, "run weir doctor as root",
				 "not checked: capabilities are missing");
		return;
	}
	_cleanup_quiet_ libbpf_print_fn_t print = weir_quiet();
	int r = pthread_create(&thread, NULL, trial_run, &trial);

	if (r == 0)
		pthread_join(thread, NULL);
	if (r || trial.namespace_result)
		types_check(doctor, "attaching was not tried: a network namespace for it needs "
				    "CAP_SYS_ADMIN");
	else if (trial.device_result)
		types_check(doctor, "attaching was not tried: no veth can be made (modprobe veth)");
	if (r || trial.namespace_result || trial.device_result)
		return;
	xdp_tell(doctor, &trial);
	tc_tell(doctor, &trial);
}
