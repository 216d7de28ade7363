# SPDX-License-Identifier: Apache-2.0
"""The flow tables in the kernel, a set of eight places each: who gets a place, and who leaves it to
others. What packets of two CPUs do to each other is made by hand here: a place that somebody holds,
a flow that has just come."""
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
DISPLACED, REFUSED, RACED, MOVED = 6, 7, 8, 10                  # rows of ctr_conntrack
TCP, UDP, SCTP = 6, 17, 132
OPEN, FIN, RESET, PICKED_UP, GRANTED = 0xF, 1 << 4, 1 << 8, 1 << 9, 1 << 10
ANSWERED, AGAIN, LIVE, MOVING = 1 << 12, 1 << 13, 1 << 16, 1 << 17
SYN, CLOSED = 1 << 0, 0xFF | ANSWERED                           # CLOSED: both FINs acknowledged
PROVEN_BY = {TCP: OPEN | ANSWERED, SCTP: OPEN | ANSWERED, UDP: ANSWERED | AGAIN}
WAYS, RESERVED = 8, 2


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conntrack-bpf")
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
                    f"-I{TREE}", str(TREE / "tests/datapath/conntrack_bpf.c"), "-o",
                    str(folder / "conntrack_bpf"), "-lbpf", "-pthread"], check=True)
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

    def tell(*commands, shared="none", asymmetric=0):
        done = subprocess.run([programs / "conntrack_bpf", compiled, shared, str(asymmetric)],
                              input="".join(command + "\n" for command in commands), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr[-3000:]
        return [int(line) for line in done.stdout.split()]
    return tell


def others(kind, table, places):
    return [f"{kind} {table} {place}" for place in places]


def proves(proto, found=0, marks=None):
    """A packet of the flow at the first place of the half-open table proves it."""
    marks = PROVEN_BY[proto] if marks is None else marks
    return [f"flow {HALF} 0 {proto} {marks}", f"run prove {proto} {found} {marks}"]


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
    assert (found & ~(WAYS - 1), moved, there, left) == (where, 1, 1, 0)


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


@pytest.mark.parametrize("taken", range(WAYS + 1))
@pytest.mark.parametrize("proto", PROVEN_BY)
def test_two_places_of_a_set_are_left_to_those_that_have_shaken_hands(tables, proto, taken):
    kept, refused = tables(*others("live", PROVEN, range(taken)), *proves(proto),
                           f"count {REFUSED}")
    assert kept == (taken < WAYS - (RESERVED if proto == UDP else 0))
    assert refused == (not kept)


@pytest.mark.parametrize("over", range(4))
@pytest.mark.parametrize("kind", ["gone", "reset", "closed"])
@pytest.mark.parametrize("proto", [TCP, UDP])
def test_places_of_flows_past_their_time_or_over_count_as_free(tables, proto, kind, over):
    kept, = tables(*others("live", PROVEN, range(over, WAYS)),
                   *others(kind, PROVEN, range(over)), *proves(proto))
    assert kept == (over > (0 if proto == TCP else RESERVED))


@pytest.mark.parametrize("kind", ["closing", "ending", "busy"])
def test_places_of_flows_that_close_or_that_somebody_moves_are_passed_over(tables, kind):
    assert tables(*others(kind, PROVEN, range(WAYS)), *proves(TCP)) == [0]
    assert tables(*others(kind, PROVEN, range(WAYS - 1)), f"gone {PROVEN} {WAYS - 1}",
                  *proves(TCP)) == [1]


def test_tcp_whose_handshake_was_not_seen_leaves_places_to_others(tables):
    six = others("live", PROVEN, range(6))
    assert tables(*six, *proves(TCP)) == [1]
    assert tables(*six, *proves(TCP, marks=PROVEN_BY[TCP] | PICKED_UP)) == [0]
    assert tables(*six, *proves(TCP), asymmetric=1) == [0]


def test_flow_that_finds_no_room_is_counted_when_it_proves_itself_and_not_again(tables):
    once = tables(*others("live", PROVEN, range(6)), *proves(UDP, found=ANSWERED),
                  *proves(UDP, found=ANSWERED | AGAIN), f"count {REFUSED}")
    assert once == [0, 0, 1]


def test_flow_that_had_a_place_before_a_reload_may_have_one_of_the_last(tables):
    found, refused = tables(*others("live", PROVEN, range(7)),
                            f"flow {OLD_PROVEN} 0 {UDP} {PROVEN_BY[UDP]}", f"run fetch {UDP} 0 0",
                            f"count {REFUSED}")
    assert (found, refused) == (IN_PROVEN | 7, 0)


def test_flow_that_finds_no_room_after_a_reload_stays_and_is_not_counted(tables):
    found, refused = tables(*others("live", PROVEN, range(8)),
                            f"flow {OLD_PROVEN} 0 {UDP} {PROVEN_BY[UDP]}", f"run fetch {UDP} 0 0",
                            f"count {REFUSED}")
    assert (found, refused) == (3 << 16, 0)


@pytest.mark.parametrize("marks, found, mark",
                         [(0, 0, 7), (ANSWERED, ANSWERED, 7), (ANSWERED, 0, 0)])
def test_packet_judged_before_the_answer_does_not_undo_its_mark(tables, marks, found, mark):
    assert tables(f"flow {HALF} 0 {UDP} {marks}", f"run note {UDP} {found} 0") == [mark]


@pytest.mark.parametrize("seen", [FIN, GRANTED])
def test_mark_that_another_set_before_a_flow_moves_comes_along(tables, seen):
    moved, *marks = tables(f"flow {HALF} 0 {TCP} {PROVEN_BY[TCP] | seen}",
                           f"run prove {TCP} {OPEN} {PROVEN_BY[TCP]}",
                           *others("marks", PROVEN, range(WAYS)))
    assert moved == 1 and sorted(marks) == [0] * (WAYS - 1) + [LIVE | PROVEN_BY[TCP] | seen]


def test_flow_that_another_reset_meanwhile_does_not_prove_itself(tables):
    moved, lives = tables(f"flow {HALF} 0 {TCP} {PROVEN_BY[TCP] | RESET}",
                          f"run prove {TCP} {OPEN} {PROVEN_BY[TCP]}", f"lives {PROVEN}")
    assert (moved, lives) == (0, 0)


@pytest.mark.parametrize("table", [PROVEN, HALF])
def test_mark_follows_a_flow_that_has_moved_since_it_was_found(tables, table):
    """From the first place of the half-open table, where another is being written now."""
    *_, marks = tables(f"held {HALF} 0", f"flow {table} 3 {UDP} {ANSWERED}",
                       f"run mark {UDP} {ANSWERED} {ANSWERED | AGAIN}", f"marks {table} 3")
    assert marks == LIVE | ANSWERED | AGAIN


@pytest.mark.parametrize("taken", [0, 3])
def test_packet_that_proves_a_flow_goes_on_with_it_where_it_is_then(tables, taken):
    """At its old number in the other table lives another."""
    where, = tables(*others("live", PROVEN, range(taken)),
                    f"flow {HALF} 0 {TCP} {PROVEN_BY[TCP]}",
                    f"run prove_where {TCP} 0 {PROVEN_BY[TCP]}")
    assert where >> 16 == IN_PROVEN >> 16 and where & 0xFFFF not in range(taken)


@pytest.mark.parametrize("held", [0, WAYS])
def test_expectation_is_taken_out_by_a_flow_that_found_a_place_alone(tables, held):
    taken, lives = tables(*others("held", HALF, range(held)), f"run begin_expected {TCP} 0 0",
                          f"lives {HALF}")
    assert (taken, lives) == ((0, 0) if held else (1, 1))


@pytest.mark.parametrize("places", [[(OLD_PROVEN, 0)], [(PROVEN, 3)],
                                    [(OLD_PROVEN, 0), (PROVEN, 3)],
                                    [(OLD_PROVEN, 0), (HALF, 3)]])
def test_connection_that_begins_anew_while_the_one_before_comes_over_stands_alone(tables, places):
    """Settling has it taken, or has let go of it already: it is in the old table, in the new one,
    or in both. Or in the new one is a half-open one that nobody has finished."""
    commands = [f"flow {table} {place} {TCP} {CLOSED | (MOVING if table == OLD_PROVEN else 0)}"
                for table, place in places]
    added, *lives = tables(*commands, f"run begin_anew {TCP} {CLOSED | MOVING} {SYN}",
                           *[f"lives {table}" for table in range(4)])
    assert added == 1 and lives == [0, 1, 0, 0]


def test_connection_that_begins_anew_takes_the_place_of_the_one_before(tables):
    added, displaced, lives = tables(*others("live", HALF, [0, 1, 2, 4, 5, 6, 7]),
                                     f"flow {HALF} 3 {TCP} {CLOSED}",
                                     f"run begin_anew {TCP} {CLOSED | MOVING} {SYN}",
                                     f"count {DISPLACED}", f"lives {HALF}")
    assert (added, displaced, lives) == (1, 0, WAYS)


def test_connection_that_begins_anew_leaves_one_that_another_cpu_moves(tables):
    """In a new table that is a half-open one which proves itself."""
    added, lives = tables(f"flow {HALF} 3 {TCP} {OPEN | MOVING}",
                          f"run begin_anew {TCP} {CLOSED | MOVING} {SYN}", f"lives {HALF}")
    assert (added, lives) == (1, 2)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two CPUs are needed")
@pytest.mark.parametrize("is_let_in", [0, 1])
@pytest.mark.parametrize("table", [HALF, OLD_PROVEN, OLD_HALF])
def test_numbers_that_two_cpus_see_follow_a_flow_that_moves(tables, table, is_let_in):
    """From the half-open ones to the proven, and from the old tables to the new: whoever moves it,
    what both sides sent stands where it is then, each packet was of the flow, and is counted in it
    once, with what it carried before."""
    rounds = 10000
    assert tables(f"race {table} {is_let_in} {rounds}") == [rounds, 0, 0, 0]
