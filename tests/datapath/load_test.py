# SPDX-License-Identifier: Apache-2.0
"""The kernel takes the packet programs, built by our compiler and by the oldest that must do."""
import os
import pathlib
import shutil
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["WEIR_BUILD"])
PROGRAMS = {"weir_xdp", "weir_xdp_frags", "weir_tc_in", "weir_tc_out", "weir_tc_in_ip",
            "weir_tc_out_ip", "weir_tc_proof"}
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


@pytest.fixture
def pins():
    folder = pathlib.Path(f"/sys/fs/bpf/weir-load-test-{os.getpid()}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("compiled", ["bpf/main.o", "tests/main-oldest-clang.o"])
def test_kernel_takes_every_packet_program(compiled, pins):
    path = BUILD / compiled
    if not path.exists():
        assert "oldest" in compiled, f"{path} is not built"
        pytest.skip("clang-14 is not installed")
    done = subprocess.run([BPFTOOL, "prog", "loadall", path, pins], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {pin.name for pin in pins.iterdir()} == PROGRAMS
