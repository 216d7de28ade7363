# SPDX-License-Identifier: Apache-2.0
"""The flow tables in the kernel, a set of eight places each: who gets a place. What packets of two
CPUs do to each other is made by hand here: a place that somebody holds, a flow that has just
come."""
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROVEN, HALF, OLD_PROVEN, OLD_HALF = range(4)                   # as conntrack_bpf.c counts tables
IN_PROVEN, IN_HALF = 1 << 16, 2 << 16                           # as `fetch` tells where a flow is
DISPLACED, RACED, MOVED = 6, 8, 10                              # rows of ctr_conntrack
UDP, ANSWERED, AGAIN = 17, 1 << 12, 1 << 13
PROVEN_BY = {UDP: ANSWERED | AGAIN}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conntrack-bpf")
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
                    f"-I{TREE}", str(TREE / "tests/datapath/conntrack_bpf.c"), "-o",
                    str(folder / "conntrack_bpf"), "-lbpf"], check=True)
    return folder


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def tables(request, programs):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    compiled = programs / f"conntrack-{request.param}.bpf.o"
    endian = "el" if sys.byteorder == "little" else "eb"
    subprocess.run([request.param, "-target", f"bpf{endian}", "-mcpu=v3", "-O2", "-g",
                    "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                    f"-I{TREE}", "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu",
                    "-c", str(TREE / "tests/datapath/conntrack_bpf.bpf.c"), "-o", str(compiled)],
                   check=True)

    def tell(*commands, shared="none"):
        done = subprocess.run([programs / "conntrack_bpf", compiled, shared, "0"],
                              input="".join(command + "\n" for command in commands), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr[-3000:]
        return [int(line) for line in done.stdout.split()]
    return tell


def others(kind, table, places):
    return [f"{kind} {table} {place}" for place in places]


@pytest.mark.parametrize("shared, table, where", [("st_flow", PROVEN, IN_PROVEN),
                                                  ("st_half", HALF, IN_HALF)])
def test_flow_of_a_table_that_keeps_its_map_is_not_moved_within_it(tables, shared, table, where):
    """It came between the look into the table and the look into the old one, which it is."""
    found, moved, lives = tables(f"flow {table} 3 {UDP} {PROVEN_BY[UDP]}", f"run fetch {UDP} 0 0",
                                 f"count {MOVED}", f"lives {table}", shared=shared)
    assert (found, moved, lives) == (where | 3, 0, 1)


@pytest.mark.parametrize("old, table, where", [(OLD_PROVEN, PROVEN, IN_PROVEN),
                                               (OLD_HALF, HALF, IN_HALF)])
def test_flow_of_an_old_table_is_brought_over(tables, old, table, where):
    found, moved, there, left = tables(f"flow {old} 3 {UDP} {PROVEN_BY[UDP]}",
                                       f"run fetch {UDP} 0 0", f"count {MOVED}", f"lives {table}",
                                       f"lives {old}")
    assert (found, moved, there, left) == (where, 1, 1, 0)


@pytest.mark.parametrize("step, table", [("claim_half", HALF), ("claim_proven", PROVEN)])
@pytest.mark.parametrize("lived", [(), (4, 5, 6, 7), (0, 1, 2, 3)])
@pytest.mark.parametrize("held", [1, 2, 3])
def test_places_that_others_hold_are_passed_over(tables, step, table, lived, held):
    """They look free: their tags do not stand yet."""
    free = [place for place in (0, 4, 1, 5, 2, 6, 3, 7) if place not in lived]
    place, raced = tables(*others("live", table, lived), *others("held", table, free[:held]),
                          f"run {step} {UDP} 0 0", f"count {RACED}")
    assert place in free[held:] and raced == 0


def test_half_open_flow_takes_a_place_in_turn_where_the_only_free_one_is_held(tables):
    place, displaced, raced = tables(*others("live", HALF, range(1, 8)), f"held {HALF} 0",
                                     f"run claim_half {UDP} 0 0", f"count {DISPLACED}",
                                     f"count {RACED}")
    assert place in range(1, 8) and (displaced, raced) == (1, 0)
