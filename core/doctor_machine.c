/* SPDX-License-Identifier: Apache-2.0 */
/* What files and this process's own rights tell of the machine. Loads nothing into the kernel. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/doctor_checks.h"
#include "core/pin.h"

#define BPFFS "/sys/fs/bpf"
#define BPFFS_MOUNT "mount -t bpf bpf " BPFFS
#define MEMORY_WANTED_MIB 256

/* The first line of a small file, without its newline; false when it cannot be read. */
static bool line_read(const char *path, char *line, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		return false;
	line[strcspn(line, "\n")] = 0;
	return true;
}

/* The number after `key` in a file of "key: number" lines; false when there is none. */
static bool number_read(const char *path, const char *key, int base, uint64_t *ret_value)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)))
			continue;
		*ret_value = strtoull(line + strlen(key), NULL, base);
		return true;
	}
	return false;
}

static void kernel_check(struct weir_doctor *doctor)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	doctor->kernel = KERNEL(major, minor);
	if (doctor->kernel < KERNEL(5, 15))
		weir_doctor_tell(doctor, "kernel", DOCTOR_ERROR, "install Linux 5.15 or newer",
				 "Linux %s is older than 5.15", name.release);
	else if (doctor->kernel < KERNEL(5, 18))
		weir_doctor_tell(
			doctor, "kernel", DOCTOR_WARNING, "install Linux 5.18 or newer",
			"Linux %s has no multi-buffer XDP (5.18): jumbo frames need hook: tc",
			name.release);
	else if (doctor->kernel < KERNEL(6, 6))
		weir_doctor_tell(doctor, "kernel", DOCTOR_OK, NULL,
				 "Linux %s; it has no TCX (6.6), so clsact is used at TC",
				 name.release);
	else
		weir_doctor_tell(doctor, "kernel", DOCTOR_OK, NULL, "Linux %s", name.release);
}

static bool cap_is_in(uint64_t effective, int cap)
{
	return effective >> cap & 1;
}

/* Bits are only worth something in the first user namespace: BPF asks there. */
static bool user_namespace_is_first(void)
{
	char line[64];
	unsigned long inside = 1, outside = 1, count = 0;

	if (!line_read("/proc/self/uid_map", line, sizeof(line)))
		return true;
	sscanf(line, "%lu %lu %lu", &inside, &outside, &count);
	return inside == 0 && outside == 0 && count == UINT32_MAX;
}

static void capabilities_tell(struct weir_doctor *doctor, const char *missing)
{
	char mend[512], program[256] = "weir";
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len > 0)
		program[len] = 0;
	snprintf(mend, sizeof(mend),
		 "run it as root, or: setcap cap_bpf,cap_net_admin,cap_perfmon,cap_net_raw+ep %s",
		 program);
	if (missing[0])
		weir_doctor_tell(doctor, "capabilities", DOCTOR_ERROR, mend, "missing:%s", missing);
	else if (!user_namespace_is_first())
		weir_doctor_tell(doctor, "capabilities", DOCTOR_ERROR,
				 "run it outside of the container, or in a privileged one",
				 "all there, but in a user namespace of its own, where they do not "
				 "count for BPF");
	else
		weir_doctor_tell(
			doctor, "capabilities", DOCTOR_OK, NULL,
			"CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_NET_RAW are effective");
}

static void capabilities_check(struct weir_doctor *doctor)
{
	static const struct {
		int cap;
		bool in_sys_admin;
		const char *name;
	} wanted[] = {
		{ CAP_BPF, true, " CAP_BPF" },
		{ CAP_NET_ADMIN, false, " CAP_NET_ADMIN" },
		{ CAP_PERFMON, true, " CAP_PERFMON" },
		{ CAP_NET_RAW, false, " CAP_NET_RAW" },
	};
	uint64_t effective = 0;
	char missing[96] = "";

	number_read("/proc/self/status", "CapEff:", 16, &effective);
	bool is_admin = cap_is_in(effective, CAP_SYS_ADMIN);

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(wanted); i++)
		if (!cap_is_in(effective, wanted[i].cap) && !(wanted[i].in_sys_admin && is_admin))
			strncat(missing, wanted[i].name, sizeof(missing) - strlen(missing) - 1);
	doctor->may_net = cap_is_in(effective, CAP_NET_ADMIN);
	doctor->may_bpf =
		doctor->may_net &&
		(is_admin || (cap_is_in(effective, CAP_BPF) && cap_is_in(effective, CAP_PERFMON)));
	capabilities_tell(doctor, missing);
}

static void btf_check(struct weir_doctor *doctor)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		weir_doctor_tell(doctor, "btf", DOCTOR_OK, NULL,
				 "the kernel describes its types (/sys/kernel/btf/vmlinux)");
	else
		weir_doctor_tell(doctor, "btf", DOCTOR_WARNING,
				 "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
				 "no /sys/kernel/btf/vmlinux: filtering works, tracing will not");
}

static void jit_check(struct weir_doctor *doctor)
{
	char line[16];

	/* Other network namespaces than the first do not show it. */
	if (!line_read("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)))
		weir_doctor_tell(doctor, "jit", DOCTOR_OK, NULL,
				 "not to be read here (net.core.bpf_jit_enable)");
	else if (line[0] == '0')
		weir_doctor_tell(doctor, "jit", DOCTOR_WARNING,
				 "sysctl -w net.core.bpf_jit_enable=1",
				 "programs are interpreted, which is several times slower");
	else
		weir_doctor_tell(
			doctor, "jit", DOCTOR_OK, NULL, "programs become machine code%s",
			line[0] == '2' ? " and are written to the kernel log (set it to 1)" : "");
}

/* The nearest folder of pin_dir that exists. */
static bool pin_dir_is_bpffs(const char *pin_dir)
{
	char path[WEIR_PIN_PATH];

	snprintf(path, sizeof(path), "%s", pin_dir);
	while (access(path, F_OK) && strrchr(path, '/') > path)
		*strrchr(path, '/') = 0;
	return weir_pin_is_bpffs(path);
}

static void bpffs_check(struct weir_doctor *doctor)
{
	bool is_below = strncmp(doctor->pin_dir, BPFFS, strlen(BPFFS)) == 0;
	char mend[WEIR_PIN_PATH + 64];

	if (pin_dir_is_bpffs(doctor->pin_dir)) {
		weir_doctor_tell(doctor, "bpffs", DOCTOR_OK, NULL, "%s is on a BPF file system",
				 doctor->pin_dir);
	} else if (!is_below) {
		snprintf(mend, sizeof(mend),
			 "mount -t bpf bpf %s, or choose a --pin-dir below " BPFFS,
			 doctor->pin_dir);
		weir_doctor_tell(doctor, "bpffs", DOCTOR_ERROR, mend,
				 "%s is not on a BPF file system", doctor->pin_dir);
	} else if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") == 0) {
		weir_doctor_tell(doctor, "bpffs", DOCTOR_OK, NULL,
				 "was not mounted at " BPFFS "; it is now");
	} else {
		weir_doctor_tell(doctor, "bpffs", DOCTOR_ERROR, BPFFS_MOUNT,
				 "not mounted at " BPFFS ", and mounting it failed: %s",
				 strerror(errno));
	}
}

static void lockdown_check(struct weir_doctor *doctor)
{
	char line[64];

	if (!line_read("/sys/kernel/security/lockdown", line, sizeof(line)))
		weir_doctor_tell(doctor, "lockdown", DOCTOR_OK, NULL, "not in use, or not shown");
	else if (strstr(line, "[confidentiality]"))
		weir_doctor_tell(
			doctor, "lockdown", DOCTOR_WARNING,
			"boot with lockdown=integrity if tracing is wanted",
			"confidentiality: packets are filtered, tracing programs are refused");
	else
		weir_doctor_tell(doctor, "lockdown", DOCTOR_OK, NULL, "%s", line);
}

static void memory_check(struct weir_doctor *doctor)
{
	uint64_t kib = 0;

	if (!number_read("/proc/meminfo", "MemAvailable:", 10, &kib))
		weir_doctor_tell(doctor, "memory", DOCTOR_WARNING, NULL,
				 "not checked: /proc/meminfo cannot be read");
	else if (kib / 1024 < MEMORY_WANTED_MIB)
		weir_doctor_tell(doctor, "memory", DOCTOR_WARNING,
				 "set memory: 16MiB in weir.yaml, or free some memory",
				 "%llu MiB available: too little for lists of millions",
				 (unsigned long long)kib / 1024);
	else
		weir_doctor_tell(doctor, "memory", DOCTOR_OK, NULL,
				 "%llu MiB available; maps count for the control group, not for "
				 "ulimit -l",
				 (unsigned long long)kib / 1024);
}

void weir_doctor_machine(struct weir_doctor *doctor)
{
	kernel_check(doctor);
	capabilities_check(doctor);
	btf_check(doctor);
	jit_check(doctor);
	bpffs_check(doctor);
	lockdown_check(doctor);
	memory_check(doctor);
}
