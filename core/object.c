/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, loading and probing the packet programs. Which maps they use is object_maps.c's,
 * attaching hook.c's, the policy in the maps commit.c's. */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/cookie.h"
#include "abi/maps.h"
#include "abi/served.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "bpf/main.skel.h"
#include "constants.h"
#include "object_private.h"
#include "pin.h"
#include "pinned.h"
#include "prepare.h"

#define PROBE_BYTES_MAX 2048
#define MARK_MAP "cfg_mark"

static struct bpf_program *object_program(const struct weir_object *object,
					  enum weir_program program)
{
	switch (program) {
	case WEIR_PROGRAM_XDP:
		return object->takes_frags ? object->skeleton->progs.weir_xdp_frags :
					     object->skeleton->progs.weir_xdp;
	case WEIR_PROGRAM_TC_IN:
		return object->skeleton->progs.weir_tc_in;
	case WEIR_PROGRAM_TC_OUT:
		return object->skeleton->progs.weir_tc_out;
	case WEIR_PROGRAM_TC_PROOF:
		return object->skeleton->progs.weir_tc_proof;
	case WEIR_PROGRAM_COUNT:
		break;
	}
	return NULL;
}

static const struct weir_cookie_constants *object_cookies(const struct weir_object *object)
{
	return weir_constants_of(object->constants, "cookie_constants",
				 sizeof(struct weir_cookie_constants));
}

/* Whether one has work for a program behind XDP that this kernel takes, or does not take. */
static bool works_behind_xdp(const struct weir_object *object, bool is_taken)
{
	const struct weir_cookie_constants *cookies = object_cookies(object);
	const struct weir_served_constants *served =
		weir_constants_of(object->constants, "served_constants", sizeof(*served));

	return (cookies && cookies->enabled && !cookies->behind_xdp == !is_taken) ||
	       (served && served->enabled && !served->behind_xdp == !is_taken);
}

bool weir_object_writes_behind_xdp(const struct weir_object *object)
{
	return works_behind_xdp(object, true);
}

bool weir_object_lacks_behind_xdp(const struct weir_object *object)
{
	return works_behind_xdp(object, false);
}

bool weir_object_relays(const struct weir_object *object)
{
	const struct weir_cookie_constants *cookies = object_cookies(object);

	return cookies && cookies->relays;
}

static int object_mark_old(const struct weir_object *object)
{
	uint32_t exists = object->has_old;

	return weir_constant_write(object->skeleton->obj, "old_state", &exists, sizeof(exists));
}

/* An upgrade that has not ended by then, counted from before it is loaded, is given up on: its
 * programs go on as if it had. */
#define SETTLES_AT_MOST_NS (60 * WEIR_NS_PER_S)

/* Of what is being waited for since an upgrade; 0: nothing is. */
static uint64_t object_settles_ns(struct weir_object *object)
{
	struct weir_map *map = weir_object_map(object, "cfg_live");
	struct weir_live live = {};
	__u32 zero = 0;
	int r = map ? weir_map_get(map, &zero, &live) : -ENOENT;

	return !r && live.settles_ns > weir_clock_monotonic_ns() ? live.settles_ns : 0;
}

static int object_mark_settling(const struct weir_object *object, const struct weir_object *from)
{
	bool is_upgrade = object->pins == WEIR_PINS_OTHER || object->pins == WEIR_PINS_UNFINISHED;
	uint64_t until_ns = is_upgrade ? weir_clock_monotonic_ns() + SETTLES_AT_MOST_NS : 0;

	if (from)
		until_ns = object_settles_ns((struct weir_object *)from);

	return weir_constant_write(object->skeleton->obj, "served_settles_ns", &until_ns,
				   sizeof(until_ns));
}

static int object_open(struct weir_object *object, const struct weir_object *from,
		       const char *pin_dir)
{
	object->map_count = 0;
	weir_object_forget_old(object);
	weir_main__destroy(object->skeleton);
	object->skeleton = weir_main__open();
	if (!object->skeleton)
		return -errno;
	object->bpf = object->skeleton->obj;
	bpf_program__set_autoload(object->skeleton->progs.weir_xdp_frags, object->takes_frags);
	bpf_program__set_autoload(object->skeleton->progs.weir_xdp, !object->takes_frags);
	bpf_program__set_autoload(object->skeleton->progs.weir_tc_proof,
				  weir_object_writes_behind_xdp(object));
	int r = weir_constants_write(object->constants, object->skeleton->obj);

	if (!r)
		r = weir_object_take_maps(object, from, pin_dir);
	if (!r)
		r = object_mark_old(object);
	return r ? r : object_mark_settling(object, from);
}

/* The kernel's own words matter only when loading fails for good: until then they are kept. */
static char load_log[4096];
static size_t load_log_len;

static int load_log_add(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_WARN || load_log_len >= sizeof(load_log) - 1)
		return 0;
	int n = vsnprintf(load_log + load_log_len, sizeof(load_log) - load_log_len, format, args);

	if (n > 0)
		load_log_len += (size_t)n < sizeof(load_log) - load_log_len ?
					(size_t)n :
					sizeof(load_log) - 1 - load_log_len;
	return 0;
}

/* Multi-buffer XDP came with 5.18: a kernel that refuses it is asked once more without. Where it is
 * there, every driver takes such a program, whether or not it has frames in several buffers. */
static int object_load(struct weir_object *object, const struct weir_object *from,
		       const char *pin_dir)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		object->takes_frags = attempt == 0;
		int r = object_open(object, from, pin_dir);

		if (r)
			return r;
		load_log_len = 0;
		load_log[0] = '\0';
		weir_prepare_constants(object->skeleton->maps.rodata);
		r = weir_main__load(object->skeleton);
		weir_prepare_constants(NULL);
		if (r == 0)
			return 0;
		if (attempt)
			return r;
	}
	return -EINVAL;
}

/* libbpf's own advice for a missing capability is to raise ulimit -l, which would not help. */
static void load_tell(int r, struct weir_diag *diag)
{
	if (r == -EPERM) {
		weir_diag_error(diag,
				"run it as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and "
				"CAP_NET_RAW; weir doctor says which is missing",
				"the packet programs cannot be loaded: %s", strerror(-r));
		return;
	}
	for (size_t i = 0; i < load_log_len; i++)
		if (load_log[i] == '\n') /* one message, one line */
			load_log[i] = ' ';
	weir_diag_error(diag, "weir doctor says what this kernel lacks",
			"the packet programs cannot be loaded: %s%s%s", strerror(-r),
			load_log_len ? "; the kernel says: " : "", load_log);
}

/* Objects are made one at a time. */
static uint64_t objects_made;

/* Of the run before, whatever its layout is. -ENOENT where there was none that kept it. */
static int mark_get_pinned(const char *pin_dir, struct weir_mark *ret_mark)
{
	_cleanup_close_ int fd = pin_dir ? weir_pin_get(pin_dir, "maps", MARK_MAP) : -ENOENT;
	struct weir_mark mark;
	int r = fd < 0 ? fd : weir_pinned_get(fd, 0, &mark, sizeof(mark));

	if (!r)
		*ret_mark = mark;
	return r == -EPROTO ? -ENOENT : r;
}

/* What a program has marked, one of the next load reads, and the other way round: links go over one
 * by one. But a probe is for one load. */
static int object_set_secret(struct weir_object *object, const struct weir_object *before,
			     const char *pin_dir)
{
	int r = weir_random_bytes(object->secret, sizeof(object->secret));
	struct weir_mark mark;

	if (r)
		return r;
	object->secret[0] |= 1; /* zero means "knows no probes" */
	memcpy(mark.words, (before ? before : object)->secret + 1, sizeof(mark.words));
	r = before ? 0 : mark_get_pinned(pin_dir, &mark);
	if (r && r != -ENOENT)
		return r;
	memcpy(object->secret + 1, mark.words, sizeof(mark.words));
	return 0;
}

static int object_keep_mark(struct weir_object *object)
{
	struct weir_map *map = weir_object_map(object, MARK_MAP);
	struct weir_mark mark;
	uint32_t row = 0;

	memcpy(mark.words, object->secret + 1, sizeof(mark.words));
	return map ? weir_map_set(map, &row, &mark) : -ENOENT;
}

int weir_object_new(const char *pin_dir, struct weir_object *mapped_from,
		    struct weir_constants *constants, struct weir_diag *diag,
		    struct weir_object **ret_object)
{
	_cleanup_object_ struct weir_object *object = calloc(1, sizeof(*object));
	int r = object ? object_set_secret(object, mapped_from, pin_dir) : -ENOMEM;

	if (r)
		return r;
	libbpf_print_fn_t print = libbpf_set_print(load_log_add);

	object->number = ++objects_made;
	object->constants = constants;
	weir_constants_secret(constants, object->secret);
	r = weir_prepare_register();
	r = r ? r : object_load(object, mapped_from, pin_dir);
	r = r ? r : object_keep_mark(object);
	libbpf_set_print(print);
	if (r) {
		object->constants = NULL;
		load_tell(r, diag);
		return r;
	}
	*ret_object = weir_take(object);
	return 0;
}

void weir_object_free(struct weir_object *object)
{
	if (!object)
		return;
	weir_object_forget_old(object);
	weir_main__destroy(object->skeleton);
	weir_constants_free(object->constants);
	free(object);
}

const struct weir_constants *weir_object_constants(const struct weir_object *object)
{
	return object->constants;
}

int weir_object_program_fd(const struct weir_object *object, enum weir_program program)
{
	return bpf_program__fd(object_program(object, program));
}

static bool program_info(const struct weir_object *object, enum weir_program program,
			 struct bpf_prog_info *ret_info)
{
	int fd = weir_object_program_fd(object, program);
	__u32 len = sizeof(*ret_info);

	memset(ret_info, 0, sizeof(*ret_info));
	return fd >= 0 && bpf_obj_get_info_by_fd(fd, ret_info, &len) == 0;
}

uint32_t weir_object_program_id(const struct weir_object *object, enum weir_program program)
{
	struct bpf_prog_info info;

	return program_info(object, program, &info) ? info.id : 0;
}

void weir_object_size(const struct weir_object *object, uint32_t *ret_jited_bytes,
		      uint64_t *ret_verified_instructions)
{
	struct bpf_prog_info info;

	*ret_jited_bytes = program_info(object, WEIR_PROGRAM_XDP, &info) ? info.jited_prog_len : 0;
	*ret_verified_instructions = 0;
	for (int i = 0; i < WEIR_PROGRAM_COUNT; i++)
		if (program_info(object, i, &info))
			*ret_verified_instructions += info.verified_insns;
}

static int probe_xdp(int fd, const struct weir_probe_mark *mark, const void *frame, size_t len)
{
	unsigned char in[sizeof(*mark) + PROBE_BYTES_MAX];
	struct xdp_md ctx = { .data = sizeof(*mark), .data_end = (__u32)(sizeof(*mark) + len) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
		    .data_size_in = (__u32)(sizeof(*mark) + len), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	memcpy(in, mark, sizeof(*mark));
	memcpy(in + sizeof(*mark), frame, len);
	return bpf_prog_test_run_opts(fd, &opts);
}

static int probe_skb(int fd, const struct weir_probe_mark *mark, const void *frame, size_t len)
{
	struct __sk_buff ctx = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (__u32)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	memcpy(ctx.cb, mark, sizeof(ctx.cb));
	return bpf_prog_test_run_opts(fd, &opts);
}

int weir_object_probe(struct weir_object *object, enum weir_program program, const void *frame,
		      size_t len, uint32_t ifindex, struct weir_probe_result *ret_result)
{
	struct weir_probe_mark mark = { .ifindex = ifindex };
	struct weir_probe_row before = {}, after = {};
	struct weir_map *told = weir_object_map(object, "tmp_probe");
	__u32 zero = 0;
	int fd = weir_object_program_fd(object, program);

	if (fd < 0 || !told)
		return -ENOENT;
	memcpy(mark.secret, object->secret, sizeof(mark.secret));
	len = len < PROBE_BYTES_MAX ? len : PROBE_BYTES_MAX;
	int r = weir_map_get(told, &zero, &before);

	if (!r)
		r = program == WEIR_PROGRAM_XDP ? probe_xdp(fd, &mark, frame, len) :
						  probe_skb(fd, &mark, frame, len);
	if (!r)
		r = weir_map_get(told, &zero, &after);
	if (r)
		return r;
	if (after.result.sequence == before.result.sequence)
		return -EIO;
	*ret_result = after.result;
	return 0;
}

int weir_object_tell(struct weir_object *object, const struct weir_probe_told *told)
{
	struct weir_map *map = weir_object_map(object, "tmp_probe");
	struct weir_probe_row row = {};
	__u32 zero = 0;
	int r = map ? weir_map_get(map, &zero, &row) : -ENOENT;

	row.told = *told;
	return r ? r : weir_map_set(map, &zero, &row);
}
