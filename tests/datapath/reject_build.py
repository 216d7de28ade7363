# SPDX-License-Identifier: Apache-2.0
"""Builds what the tests of rejecting load: the packet programs with a stage that rejects, and their
loader."""
import pathlib
import platform
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]


def build_loader(folder):
    program = folder / "reject_bpf"
    subprocess.run(["cc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", f"-I{TREE}",
                    TREE / "tests/datapath/reject_bpf.c", "-o", program, "-lbpf"], check=True)
    return program


def build_object(folder, compiler):
    path = folder / f"reject-{compiler}.bpf.o"
    target = "bpfel" if sys.byteorder == "little" else "bpfeb"
    subprocess.run([compiler, "-target", target, "-mcpu=v3", "-O2", "-g", "-std=gnu17", "-Wall",
                    "-Wextra", "-Werror", "-Wno-unused-parameter",
                    "-Wno-missing-field-initializers", "-Wno-unused-function", f"-I{TREE}",
                    "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu", "-mllvm",
                    "-disable-block-placement", "-c", TREE / "tests/datapath/reject_bpf.bpf.c",
                    "-o", path], check=True)
    return path
