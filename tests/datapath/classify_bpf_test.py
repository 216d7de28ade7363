# SPDX-License-Identifier: Apache-2.0
"""The address look-up in the kernel answers what the native one does, on random tables of every
shape. Natively it is judged by core/addr_table_test.c: together they say the kernel's is right."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
SETS, PROBES = 150, 600
VERIFIED_MAX = 20000
JITED_MAX = 4096


@pytest.fixture(scope="module")
def compare(tmp_path_factory):
    program = tmp_path_factory.mktemp("classify-bpf") / "classify_bpf"
    sources = [TREE / "tests/datapath/classify_bpf.c", *sorted(
        path for path in (TREE / "core").glob("addr_*.c") if not path.stem.endswith("_test"))]
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra",
                    "-Werror", f"-I{TREE}", *map(str, sources), "-o", str(program), "-lbpf"],
                   check=True)
    return program


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def report(request, compare):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    object_file = compare.parent / f"classify-{request.param}.bpf.o"
    endian = "el" if sys.byteorder == "little" else "eb"
    multiarch = f"/usr/include/{platform.machine()}-linux-gnu"
    subprocess.run([request.param, "-target", f"bpf{endian}", "-mcpu=v3", "-O2", "-g",
                    "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                    f"-I{TREE}", "-idirafter", multiarch, "-c",
                    str(TREE / "tests/datapath/classify_bpf.bpf.c"), "-o", str(object_file)],
                   check=True)
    done = subprocess.run([str(compare), str(object_file), str(SETS)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    return json.loads(done.stdout)


def test_kernel_and_native_look_up_agree_on_every_address(report):
    assert report["differing"] == 0
    assert report["checked"] == SETS * PROBES
    assert report["found"] > SETS * PROBES // 10


def test_the_verifier_walks_few_instructions(report):
    assert report["verified"] <= VERIFIED_MAX
    assert report["jited"] <= JITED_MAX
