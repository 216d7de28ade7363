# SPDX-License-Identifier: Apache-2.0
"""The check-* tools must fail on each bad example, and say where."""
import pathlib
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
APACHE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
DUAL = "/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */\n"


def check(tool, folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([TREE / "tools" / tool, folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


GOOD_INCLUDES = {
    "abi/packet.h": "",
    "base/buf.h": '#include "../abi/packet.h"\n',
    "bpf/lib/parse.h": '#include "../../abi/packet.h"\n#include <bpf/bpf_helpers.h>\n',
    "bpf/main.bpf.c": '#include "pipeline.h"\n',
    "bpf/pipeline.h": '#include "lib/parse.h"\n#include "../features/block/block.bpf.h"\n',
    "core/object.c": '#include <bpf/libbpf.h>\n#include "bpf/main.skel.h"\n#include "object.h"\n',
    "core/object.h": '#include "base/buf.h"\n',
    "core/loop.c": "#include <uv.h>\n",
    "features/block/block.bpf.h": '#include "block.h"\n#include "../../bpf/lib/parse.h"\n',
    "features/block/block.c": '#include "block.h"\n#include "../../core/object.h"\n',
    "features/block/block.h": '#include "../../abi/packet.h"\n',
    "features/block/block_test.c": '#include "../../bpf/lib/parse.h"\n#include <uv.h>\n',
    "features/features.c": '#include "block/block.h"\n',
    "api/http.c": '#include "../core/object.h"\n#include <microhttpd.h>\n',
    "daemon/main.c": '#include "../cli/cli.h"\n',
    "cli/cli.h": "",
}


def test_includes_that_point_left_pass(tmp_path):
    assert check("check-includes", tmp_path, GOOD_INCLUDES) == (0, "")


@pytest.mark.parametrize("path, line, said", [
    ("abi/packet.h", '#include "../base/buf.h"', "abi may not see base"),
    ("base/buf.h", '#include "../core/object.h"', "base may not see core"),
    ("core/loop.c", '#include "../features/block/block.h"', "core may not see feature"),
    ("core/loop.c", '#include "../bpf/lib/parse.h"', "core may not see bpf/lib"),
    ("core/loop.c", '#include "../api/route.h"', "is not in the tree"),
    ("bpf/lib/parse.h", '#include "../../features/block/block.h"', "bpf/lib may not see"),
    ("bpf/pipeline.h", '#include "../core/object.h"', "bpf may not see core"),
    ("features/limit/limit.c", '#include "../block/block.h"', "a feature sees a feature"),
    ("features/limit/limit.bpf.h", '#include "../block/block.bpf.h"', "a feature sees a feature"),
    ("features/block/own.h", "", None),
    ("features/block/block.c", "#include <bpf/bpf.h>", "only core/ includes <bpf/...>"),
    ("features/block/block.c", '#include "../../bpf/main.skel.h"', "feature may not see skeleton"),
    ("api/http.c", '#include "../cli/cli.h"', "api may not see cli"),
    ("cli/cli.h", '#include "../daemon/notify.h"', "is not in the tree"),
    ("cli/other.c", '#include "../api/http.h"', "is not in the tree"),
    ("api/sse.c", "#include <uv.h>", "<uv.h> is also included by"),
    ("core/loop.h", "#include <jansson.h>", "<jansson.h> in a header"),
    ("elsewhere/x.c", "", "is in no area"),
])
def test_include_that_points_right_is_named(tmp_path, path, line, said):
    status, text = check("check-includes", tmp_path, {**GOOD_INCLUDES, path: line + "\n"})
    if said is None:
        assert (status, text) == (0, "")
    else:
        assert status == 1
        assert said in text


def test_kernel_side_of_a_feature_sees_only_its_boundary_header(tmp_path):
    status, text = check("check-includes", tmp_path, {
        **GOOD_INCLUDES, "features/block/store.h": "",
        "features/block/block.bpf.h": '#include "store.h"\n'})
    assert status == 1
    assert "features/block/block.bpf.h:1: the kernel side sees features/block/store.h" in text


@pytest.mark.parametrize("path, line, said", [
    ("bpf/lib/parse.h", "x = cursor_take(&c, 2);", None),
    ("bpf/lib/parse.h", "/* bpf_skb_store_bytes() is for rewrite.h */", None),
    ("bpf/tc.h", "struct cursor c = cursor_init(d, skb->data_end);", None),
    ("bpf/lib/rewrite.h", "bpf_skb_store_bytes(skb, 0, &x, 2, 0);", None),
    ("bpf/lib/rewrite_nat.h", "bpf_l4_csum_replace(skb, 0, 0, 1, 0);", None),
    ("bpf/lib/nat.h", "bpf_l4_csum_replace(skb, 0, 0, 1, 0);", "writes packet bytes"),
    ("bpf/tc.h", "x = cursor_take(&c, 2);", "reads packet bytes; only bpf/lib/cursor.h, bpf/lib/n"),
    ("bpf/lib/emit.h", "bpf_xdp_load_bytes(ctx, 0, b, 4);", "reads packet bytes"),
    ("features/block/block.bpf.h", "if (at > ctx->data_end)", "reaches packet bytes"),
    ("bpf/lib/parse.h", "bpf_skb_store_bytes(skb, 0, &x, 2, 0);",
     "only bpf/lib/rewrite.h, bpf/lib/rewrite_encap.h, "),
    ("bpf/xdp.h", "bpf_xdp_adjust_head(ctx, 14);", "writes packet bytes"),
])
def test_packet_bytes_are_touched_in_their_files_only(tmp_path, path, line, said):
    status, text = check("check-includes", tmp_path, {path: line + "\n"})
    assert (status, text) == (0, "") if said is None else status == 1 and said in text


MAP_COMMENT = "/*\n * writes: the daemon\n * reads: every packet\n * full: refused\n */\n"
MAP_BODY = ("struct {\n\t__uint(type, BPF_MAP_TYPE_ARRAY);\n"
            "\t__array(values, struct {\n\t\t__uint(type, 2);\n\t});\n} NAME SEC(\".maps\");\n")


def map_source(name="tab_policy", comment=MAP_COMMENT):
    return "int other;\n" + comment + MAP_BODY.replace("NAME", name)


@pytest.mark.parametrize("path", ["bpf/maps.h", "features/block/block.bpf.h"])
def test_map_with_prefix_and_comment_passes(tmp_path, path):
    assert check("check-maps", tmp_path, {path: map_source()}) == (0, "")


@pytest.mark.parametrize("source, said", [
    (map_source("policy"), "must begin with one of"),
    (map_source("tab_abcdefghijkl"), "16 characters, 15 are the most"),
    (map_source(comment=""), "no line 'writes:'"),
    (map_source(comment=MAP_COMMENT.replace("full", "big")), "no line 'full:'"),
    (map_source(comment=MAP_COMMENT.replace("the daemon", "")), "no line 'writes:'"),
    (map_source(comment=MAP_COMMENT + "\n"), "no line 'reads:'"),
    ('OTHER_MAP SEC(".maps");\n', "is not written as"),
])
def test_map_without_is_named(tmp_path, source, said):
    status, text = check("check-maps", tmp_path, {"bpf/maps.h": source})
    assert status == 1
    assert said in text


def function(lines, body="\tx++;\n", before=""):
    return APACHE + before + "void f(void)\n{\n" + body * lines + "}\n"


def test_style_of_a_good_file_passes(tmp_path):
    assert check("check-style", tmp_path, {
        "base/a.c": function(60), "bpf/b.h": DUAL, "abi/c.h": DUAL,
        "base/main.c": APACHE + "int main(void)\n{\n\texit(1);\n}\n",
        "tools/d": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
        "base/e.c": APACHE + '/* strcpy() is never used */\nconst char *x = "system(1)";\n',
        "base/f.c": function(61, before="/* long: one case a kind */\n").replace(
            "\tx++;\n", "\tswitch (x) {\n", 1)}) == (0, "")


@pytest.mark.parametrize("name, source, said", [
    ("base/a.c", function(61), "a function of 61 lines"),
    ("base/a.c", function(61, before="/* long: because */\n"), "a function of 61 lines"),
    ("base/a.c", "int x;\n", "SPDX-License-Identifier: Apache-2.0"),
    ("bpf/a.h", APACHE, "(GPL-2.0-only OR BSD-2-Clause)"),
    ("tools/a", "#!/bin/sh\ntrue\n", "SPDX-License-Identifier"),
    ("base/a.c", APACHE + "int x; \n", "space at the end"),
    ("base/a.c", APACHE + "\t" * 12 + "int x;\n", "102 columns"),
    ("base/a.c", APACHE + "/* TO" "DO */\n", "unfinished work"),
    ("base/a.c", APACHE + "typedef struct x x;\n", "no typedef"),
    ("base/a.c", APACHE + "int x;\n" * 601, "602 lines, 600 are the most"),
    ("base/a.c", APACHE + "\tstrcpy(a, b);\n", "strcpy() is never used"),
    ("base/a.c", APACHE + "\tsystem(a);\n", "system() is never used"),
    ("daemon/a.c", APACHE + "\tusleep(1);\n", "usleep() is never used"),
    ("base/a.c", APACHE + "\tuint64_t timeout;\n", "timeout: a time ends with its unit"),
    ("base/a.c", APACHE + "\tint list_ttl = 0;\n", "list_ttl: a time ends with its unit"),
    ("base/a.c", APACHE + "\texit(1);\n", "only main's file ends the program"),
])
def test_bad_style_is_named(tmp_path, name, source, said):
    status, text = check("check-style", tmp_path, {name: source})
    assert status == 1
    assert f"{name}:" in text
    assert said in text


def test_layout_that_clang_format_would_change_is_named(tmp_path):
    style = (TREE / ".clang-format").read_text()
    good = APACHE + "int f(int x)\n{\n\treturn x;\n}\n"
    assert check("check-style", tmp_path, {".clang-format": style, "base/a.c": good}) == (0, "")
    bad = good.replace("\treturn", "  return")
    status, text = check("check-style", tmp_path, {"base/a.c": bad})
    assert status == 1
    assert "base/a.c:3: layout" in text
