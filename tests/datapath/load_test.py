# SPDX-License-Identifier: Apache-2.0
"""The kernel takes the packet programs, built by our compiler and by the oldest that must do."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import stack  # noqa: E402

BUILD = pathlib.Path(os.environ["WEIR_BUILD"])
PROGRAMS = {"weir_xdp", "weir_xdp_frags", "weir_tc_in", "weir_tc_out", "weir_tc_proof"}
MEASURE = {"weir_quality", "weir_quality_ip"}
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


@pytest.fixture
def pins():
    folder = pathlib.Path(f"/sys/fs/bpf/weir-load-test-{os.getpid()}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["bpf/main.o", "tests/main-oldest-clang.o", "bpf/measure.o",
                        "tests/measure-oldest-clang.o"])
def path(request):
    compiled = BUILD / request.param
    if not compiled.exists():
        assert "oldest" in request.param, f"{compiled} is not built"
        pytest.skip("clang-14 is not installed")
    return compiled


def test_kernel_takes_every_packet_program(path, pins):
    done = subprocess.run([BPFTOOL, "prog", "loadall", path, pins], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {pin.name for pin in pins.iterdir()} == (MEASURE if "measure" in path.name else PROGRAMS)


@pytest.mark.parametrize("name, programs", (("main", PROGRAMS), ("measure", MEASURE)))
def test_no_way_takes_more_stack_than_old_kernels_have(name, programs):
    ways = stack.deepest(BUILD / f"bpf/{name}.o")
    assert set(ways) == programs
    assert {name: way for name, way in ways.items() if way[0] > stack.MOST} == {}


def hooks_of(path):
    """Sections with code: where the kernel is to attach it."""
    shown = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, text=True, check=True)
    rows = (line.split("]", 1)[1].split() for line in shown.stdout.splitlines()
            if "PROGBITS" in line)
    return {row[0] for row in rows if "X" in row[6]} - {".text"}


HOOKS = {"main": {"tc", "xdp", "xdp.frags"}, "measure": {"tc"}}
TRACED = {"tp_btf", "iter", "cgroup"}    # tracepoints with types; no kprobe, fentry or LSM


@pytest.mark.parametrize("name", ("main", "measure", "trace"))
def test_programs_attach_only_where_every_kernel_has_a_place(name):
    found = hooks_of(BUILD / "bpf" / f"{name}.bpf.o")
    if name in HOOKS:
        assert found == HOOKS[name]
    else:
        assert {hook.split("/")[0] for hook in found} == TRACED
