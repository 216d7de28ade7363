# SPDX-License-Identifier: Apache-2.0
"""Builds what tests of the data path load: packet programs of their own, NAME.bpf.c, and their
loader, NAME.c."""
import pathlib
import platform
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]


def build_loader(folder, name):
    program = folder / name
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
                    f"-I{TREE}", TREE / f"tests/datapath/{name}.c", "-o", program, "-lbpf"],
                   check=True)
    return program


def build_object(folder, name, compiler):
    path = folder / f"{name}-{compiler}.bpf.o"
    target = "bpfel" if sys.byteorder == "little" else "bpfeb"
    subprocess.run([compiler, "-target", target, "-mcpu=v3", "-O2", "-g", "-std=gnu17", "-Wall",
                    "-Wextra", "-Werror", "-Wno-unused-parameter",
                    "-Wno-missing-field-initializers", "-Wno-unused-function", f"-I{TREE}",
                    "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu", "-mllvm",
                    "-disable-block-placement", "-c", TREE / f"tests/datapath/{name}.bpf.c", "-o",
                    path], check=True)
    return path
