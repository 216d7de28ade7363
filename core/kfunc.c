/* SPDX-License-Identifier: Apache-2.0 */
/* Puts calls of the kernel's own functions in place of the numbers that stand for them. */
#include "kfunc.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"

static struct {
	enum weir_kfunc kfunc;
	const char *name;
	int id; /* in the kernel's BTF; 0: not asked for yet, negative: not there */
} kfuncs[] = {
#define X(identifier, number, name) { identifier, name, 0 },
	WEIR_KFUNCS(X)
#undef X
};

static int id_find(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return -ENOENT;
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

	btf__free(btf);
	return id ? id : -ENOENT;
}

bool weir_kfunc_is_there(enum weir_kfunc kfunc)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(kfuncs); i++) {
		if (kfuncs[i].kfunc != kfunc)
			continue;
		if (!kfuncs[i].id)
			kfuncs[i].id = id_find(kfuncs[i].name);
		return kfuncs[i].id > 0;
	}
	return false;
}

static bool call_is_of(const struct bpf_insn *insn, enum weir_kfunc kfunc)
{
	return insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg && insn->imm == (int)kfunc;
}

void weir_kfunc_put(struct bpf_insn *insns, size_t count)
{
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(kfuncs); i++) {
		for (size_t at = 0; kfuncs[i].id > 0 && at < count; at++) {
			if (!call_is_of(&insns[at], kfuncs[i].kfunc))
				continue;
			insns[at].src_reg = BPF_PSEUDO_KFUNC_CALL;
			insns[at].imm = kfuncs[i].id;
		}
	}
}
