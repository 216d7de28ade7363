/* SPDX-License-Identifier: Apache-2.0 */
#include "prepare.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "fold.h"
#include "kfunc.h"
#include "prune.h"

#define RODATA ".rodata"

static const struct bpf_map *constants;

void weir_prepare_constants(const struct bpf_map *rodata)
{
	constants = rodata;
}

static bool fd_is_of(int fd, size_t value_size)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	size_t at = bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : strlen(info.name);

	return at > strlen(RODATA) && info.value_size == value_size &&
	       strcmp(info.name + at - strlen(RODATA), RODATA) == 0;
}

/* By the instructions: between libbpf 1.4 and 1.6 bpf_map__fd() has none to give before all of an
 * object is loaded. */
static int constants_fd(const struct bpf_insn *insns, size_t count, size_t value_size)
{
	int seen = -1;

	for (size_t at = 0; at < count; at++) {
		if (insns[at].code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if (insns[at].src_reg == BPF_PSEUDO_MAP_VALUE && insns[at].imm != seen) {
			seen = insns[at].imm;
			if (fd_is_of(seen, value_size))
				return seen;
		}
		at++;
	}
	return -1;
}

static void constants_put(struct bpf_insn *insns, size_t count)
{
	struct weir_folded from = {};

	if (!constants)
		return;
	from.bytes = bpf_map__initial_value((struct bpf_map *)constants, &from.size);
	from.fd = from.bytes ? constants_fd(insns, count, from.size) : -1;
	if (from.fd >= 0)
		weir_fold(insns, count, &from);
}

/* In place: the program has them for itself, as it has its instructions, which change as well. */
static __u32 records_prune(const void *records, __u32 count, __u32 size, const uint32_t *where,
			   size_t left, bool is_whole)
{
	return (__u32)weir_prune_records((void *)(uintptr_t)records, count, size, where,
					 (uint32_t)left, is_whole);
}

static int program_prune(struct bpf_program *program, struct bpf_prog_load_opts *opts,
			 struct bpf_insn *insns, size_t count)
{
	_cleanup_free_ uint32_t *where = malloc((count + 1) * sizeof(*where));

	if (!where)
		return -ENOMEM;
	size_t left = weir_prune(insns, count, where);

	opts->func_info_cnt = records_prune(opts->func_info, opts->func_info_cnt,
					    opts->func_info_rec_size, where, left, true);
	opts->line_info_cnt = records_prune(opts->line_info, opts->line_info_cnt,
					    opts->line_info_rec_size, where, left, false);
	return bpf_program__set_insns(program, insns, left);
}

/* With all its functions, and every map by its descriptor. The cookie: flags to load it with. */
static int program_prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts,
			   long cookie)
{
	size_t count = bpf_program__insn_cnt(program);
	_cleanup_free_ struct bpf_insn *insns = malloc(count * sizeof(*insns));

	if (!insns)
		return -ENOMEM;
	opts->prog_flags |= (__u32)cookie;
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	weir_kfunc_put(insns, count);
	constants_put(insns, count);
	return program_prune(program, opts, insns, count);
}

/* A handler of ours stands in for libbpf's own, which sets the flag. */
static const struct {
	const char *section;
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
	long flags;
} sections[] = {
	{ "tc", BPF_PROG_TYPE_SCHED_CLS, 0, 0 },
	{ "xdp", BPF_PROG_TYPE_XDP, BPF_XDP, 0 },
	{ "xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, BPF_F_XDP_HAS_FRAGS },
};

int weir_prepare_register(void)
{
	static size_t registered;

	for (; registered < WEIR_ARRAY_SIZE(sections); registered++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = sections[registered].flags,
			    .prog_prepare_load_fn = program_prepare);
		int r = libbpf_register_prog_handler(sections[registered].section,
						     sections[registered].type,
						     sections[registered].attach, &opts);

		if (r < 0)
			return r;
	}
	return 0;
}
