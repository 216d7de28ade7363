# SPDX-License-Identifier: Apache-2.0
"""The parser in the kernel finds what the native one finds, and costs the verifier no more than it
may. Natively it is judged by tests/unit/parse_scapy_test.py, so together they say that the kernel's
is right."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "unit"), str(TREE / "tests" / "datapath")]
import back_edges  # noqa: E402
import packets  # noqa: E402

SEED, COUNT, MUTATIONS = 21, 2000, 10
VERIFIED_MAX = 20000
JITED_MAX = 4096


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("parse-bpf")


@pytest.fixture(scope="module")
def compare(built):
    program = built / "parse_bpf"
    subprocess.run(["cc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", f"-I{TREE}",
                    str(TREE / "tests/datapath/parse_bpf.c"), "-o", str(program), "-lbpf"],
                   check=True)
    return program


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def bpf_object(request, built):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    path = built / f"parse-{request.param}.bpf.o"
    target = "bpfel" if sys.byteorder == "little" else "bpfeb"
    subprocess.run([request.param, "-target", target, "-mcpu=v3", "-O2", "-g", "-std=gnu17",
                    "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                    "-Wno-missing-field-initializers", f"-I{TREE}",
                    "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu",
                    "-c", str(TREE / "tests/datapath/parse_bpf.bpf.c"), "-o", str(path)],
                   check=True)
    return path


@pytest.fixture(scope="module")
def report(bpf_object, compare):
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    lines = "".join(f"{c.link} {c.data.hex()}\n" for c in packets.cases(SEED, COUNT)
                    if len(c.data) <= 2048)
    done = subprocess.run([str(compare), str(bpf_object), str(MUTATIONS)], input=lines, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    return json.loads(done.stdout)


def test_kernel_and_native_parser_agree_on_every_byte_of_struct_pkt(report):
    assert report["differing"] == 0
    assert report["checked"] > COUNT * MUTATIONS


def test_the_verifier_walks_few_instructions(report):
    for program in ("parse_xdp", "parse_tc", "parse_tc_ip"):
        assert 0 < report[f"{program}_verified"] <= VERIFIED_MAX


def test_the_jited_parser_leaves_room_for_the_stages(report):
    assert 0 < report["parse_only_jited_bytes"] <= JITED_MAX


def test_no_loop_has_a_form_that_older_kernels_refuse(bpf_object):
    assert back_edges.refused_in(bpf_object) == {}
