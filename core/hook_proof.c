/* SPDX-License-Identifier: Apache-2.0 */
/* The program behind XDP that hands connections over. */
#include "hook_proof.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "kernel_abi.h"
#include "pin.h"

static void proof_pin_name(char name[48], const struct weir_device *device)
{
	snprintf(name, 48, "%u-proof", device->ifindex);
}

static int proof_link(int program_fd, const struct weir_device *device, const char *pin_dir,
		      const char *name)
{
	int fd = weir_pin_get(pin_dir, "links", name);

	if (fd >= 0 && !bpf_link_update(fd, program_fd, NULL))
		return fd;
	weir_cleanup_close(&fd);
	fd = bpf_link_create(program_fd, (int)device->ifindex, KERNEL_TCX_INGRESS, NULL);
	if (fd < 0)
		return -errno;
	int r = weir_pin_replace(fd, pin_dir, "links", name);

	if (r)
		close(fd);
	return r ? r : fd;
}

static int proof_attach(struct weir_object *object, const struct weir_device *device,
			const char *pin_dir, struct weir_hook_state *state)
{
	int program_fd = weir_object_program_fd(object, WEIR_PROGRAM_TC_PROOF);
	char name[48];

	if (program_fd < 0)
		return -ENOENT;
	proof_pin_name(name, device);
	int fd = proof_link(program_fd, device, pin_dir, name);

	if (fd < 0)
		return fd;
	weir_hook_release(state);
	*state = (struct weir_hook_state){
		.mode = WEIR_MODE_TCX,
		.link_fd = fd,
		.program = WEIR_PROGRAM_TC_PROOF,
	};
	return 0;
}

void weir_hook_detach_proof(const struct weir_device *device, const char *pin_dir,
			    struct weir_hook_state *state)
{
	char name[48];

	proof_pin_name(name, device);
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd >= 0) {
		bpf_link_detach(fd);
		weir_pin_remove(pin_dir, "links", name);
	}
	weir_hook_release(state);
	state->mode = WEIR_MODE_NONE;
}

void weir_hook_adopt_proof(struct weir_object *object, const struct weir_device *device,
			   const char *pin_dir)
{
	int program_fd = weir_object_program_fd(object, WEIR_PROGRAM_TC_PROOF);
	char name[48];

	proof_pin_name(name, device);
	_cleanup_close_ int fd = weir_pin_get(pin_dir, "links", name);

	if (fd >= 0 && program_fd >= 0)
		(void)bpf_link_update(fd, program_fd, NULL);
}

int weir_hook_follow_proof(struct weir_object *object, const struct weir_device *device,
			   enum weir_mode ingress, const char *pin_dir,
			   struct weir_hook_state *state)
{
	bool is_xdp = ingress == WEIR_MODE_XDP_NATIVE || ingress == WEIR_MODE_XDP_GENERIC;

	if (is_xdp && weir_object_writes_behind_xdp(object))
		return proof_attach(object, device, pin_dir, state);
	weir_hook_detach_proof(device, pin_dir, state);
	return 0;
}
