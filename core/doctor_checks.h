/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the doctor share; for doctor*.c alone. */
#ifndef WEIR_CORE_DOCTOR_CHECKS_H
#define WEIR_CORE_DOCTOR_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* KERNEL(5, 15) compares with weir_doctor.kernel. */
#define KERNEL(major, minor) ((uint32_t)(major) << 8 | (minor))

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARNING, /* Weir runs, but slower, with less, or it could not be checked */
	DOCTOR_ERROR,	/* Weir cannot run before this is mended */
};

struct weir_doctor {
	struct weir_json_out json;
	const char *pin_dir;
	uint32_t kernel;
	bool may_bpf, may_net; /* the capabilities for it are effective */
};

/* One check: `mend` is the command that mends it, or NULL. */
void weir_doctor_tell(struct weir_doctor *doctor, const char *check, enum doctor_level level,
		      const char *mend, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Kernel, capabilities, BTF, JIT, bpffs, lockdown, memory. First, since others look at what it
 * finds. */
void weir_doctor_machine(struct weir_doctor *doctor);
/* What the packet programs and their maps ask of the kernel. */
void weir_doctor_bpf(struct weir_doctor *doctor);
/* Each hook, tried on devices of a network namespace of its own. */
void weir_doctor_hooks(struct weir_doctor *doctor);
/* The devices of this network namespace, only looked at. */
void weir_doctor_devices(struct weir_doctor *doctor);

/* Loads "let every packet pass" of a packet program type; descriptor or -errno. */
int weir_doctor_program(int type, uint32_t flags);

#endif
