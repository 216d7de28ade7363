# SPDX-License-Identifier: Apache-2.0
"""`weir socket` when its tables are full: what has no place is counted."""
import contextlib
import ctypes
import errno
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from harness.current import current
from harness.net import Pair
from harness.sockets import ENTRY_BYTES, connections, cookie_of, double, opened, watching
from harness.wait import wait_for

MOST, ENDED_MOST, TOTALS_MOST = 65536, 4096, 2048
PORT = 6100


@pytest.fixture
def pair():
    with Pair("room", addresses=True) as made:
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    return watching(weir_daemon, pair.inside)


def fill(pinned, count):
    """Entries of no socket, until no more go in; gives how many did."""
    bpf, number = opened(pinned)
    nowhere = (1).to_bytes(8, sys.byteorder)
    for place in range(count):
        key = (1 << 62 | place).to_bytes(8, sys.byteorder)
        if bpf.bpf_map_update_elem(number, key, (key + nowhere).ljust(ENTRY_BYTES, b"\0"), 0):
            return place
    return count


def run(pair, text, *words):
    subprocess.run(pair.inside.command(sys.executable, "-c", text, pair.outside_v4, str(PORT),
                                       *words), check=True, timeout=60)


CONNECT = """
import socket, sys
for number in range(int(sys.argv[3])):
    if len(sys.argv) > 4:
        with open("/proc/self/comm", "w") as comm:
            comm.write(f"job-{number}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((sys.argv[1], int(sys.argv[2])))
"""


def test_a_full_table_is_told_of(pair, watched):
    """The daemon stands still meanwhile: it would clear away what is no socket."""
    watched.process.send_signal(signal.SIGSTOP)
    try:
        assert fill(watched.pin_dir / "maps" / "st_socks", MOST + 1) == MOST
        with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
                pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            server.bind((pair.outside_v4, PORT))
            server.listen()
            sock.connect((pair.outside_v4, PORT))
    finally:
        watched.process.send_signal(signal.SIGCONT)
    answer = current(watched, "list")
    assert answer["crowded"] >= 1 and answer["seen"] == 0
    assert " without room" in watched.say("socket", "list")
    wait_for(lambda: watched.ask("socket", "list")["end_missed"] == MOST, "what is none goes", 60)
    run(pair, CONNECT, "5")
    wait_for(lambda: watched.ask("socket", "list")["ended"] == 5, "there is room again", 60)


def test_whose_end_nobody_saw_is_told_of_by_its_owner(pair, watched):
    with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        server.bind((pair.outside_v4, PORT))
        server.listen()
        sock.connect((pair.outside_v4, PORT))
        double(watched.pin_dir / "maps" / "st_socks", cookie_of(sock))
        found, = wait_for(lambda: current(watched, "list", "--ended")["sockets"], "it is told of")
        live, = current(watched, "list")["sockets"]
        assert found["end_missed"] and found["state"] == "ended"
        assert [found[key] for key in ("local_port", "pid", "process", "uid")] \
            == [live[key] for key in ("local_port", "pid", "process", "uid")] \
            == [sock.getsockname()[1], os.getpid(), pathlib.Path("/proc/self/comm").read_text()
                .strip(), 0]
        answer = watched.ask("socket", "list")
        assert (answer["end_missed"], answer["ended"]) == (1, 0)
    wait_for(lambda: len(current(watched, "list", "--ended")["sockets"]) == 2, "both are")
    assert [row.get("end_missed", False) for row in
            current(watched, "list", "--ended")["sockets"]] == [False, True]


def test_of_sockets_that_ended_the_last_are_kept(pair, watched):
    run(pair, CONNECT, str(ENDED_MOST + 100))
    answer = wait_for(lambda: (found := watched.ask("socket", "list", "--ended", "--limit", "9999"))
                      ["ended"] == ENDED_MOST + 100 and found, "all have ended")
    assert answer["matching"] == ENDED_MOST
    total, = current(watched, "top")["groups"]
    assert total["sockets"] == ENDED_MOST + 100


def test_totals_without_room_are_one_row(pair, watched):
    run(pair, CONNECT, str(TOTALS_MOST + 50), "named")
    wait_for(lambda: watched.ask("socket", "list")["ended"] == TOTALS_MOST + 50, "all have ended")
    answer = current(watched, "top", "--limit", "9999")
    assert sum(row["sockets"] for row in answer["groups"]) == TOTALS_MOST + 50
    rest, = [row["sockets"] for row in answer["groups"] if not row["process"]]
    assert rest == answer["unsummed"] and 50 <= rest <= 60
    assert "in no row of the totals" in watched.say("socket", "top")


IN_VAIN = """
import socket, sys
for number in range(int(sys.argv[3])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("198.51.100.7", int(sys.argv[2])))
        except OSError:
            continue
        sys.exit("there is a way")
"""


def test_what_is_seen_has_ended_or_lives(pair, watched):
    """A UDP socket that found no way is none, one that is no longer connected has been one."""
    run(pair, IN_VAIN, "1000")
    run(pair, CONNECT, "7")
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
            pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, \
            pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as vain:
        one.connect((pair.outside_v4, PORT))
        other.connect((pair.outside_v4, PORT + 1))
        assert vain.connect_ex(("198.51.100.7", PORT)) == errno.ENETUNREACH
        wait_for(lambda: current(watched, "list")["matching"] == 2, "both are there")
        answer = current(watched, "list")
        assert (answer["seen"], answer["ended"], answer["end_missed"]) == (9, 7, 0)
        nowhere = bytes(16)                   # AF_UNSPEC
        assert ctypes.CDLL(None).connect(other.fileno(), nowhere, len(nowhere)) == 0
        wait_for(lambda: current(watched, "list")["matching"] == 1, "one is not connected")
    answer = wait_for(lambda: (found := current(watched, "list", "--ended"))["ended"] == 9 and found,
                      "all have ended")
    assert (answer["seen"], answer["matching"]) == (9, 9)
    assert [row["remote_port"] for row in answer["sockets"]].count(PORT + 1) == 1


def test_a_list_has_those_that_carried_most(pair, watched):
    """The busiest was opened last; then by what each has carried, whatever the limit."""
    count = 12
    with contextlib.ExitStack() as stack:
        ends = connections(pair, count // 2, stack)
        inside = sorted((ours for ours, _ in ends), key=cookie_of)
        for place, sock in enumerate(inside):
            sock.setblocking(True)
            sock.sendall(b"x" * 100 * (place // 2 + 1))      # two of each size
        expected = sorted(inside, key=lambda sock: (-(inside.index(sock) // 2), cookie_of(sock)))
        wait_for(lambda: sum(row["bytes_acked"] - row["bytes_acked"] % 100 for row in current(
            watched, "list")["sockets"]) == 200 * sum(range(1, count // 2 + 1)), "all is sent")
        for limit in (1, 3, count - 1, count, 1000):
            answer = current(watched, "list", "--limit", str(limit))
            assert (answer["shown"], answer["matching"]) == (min(limit, count), count)
            assert [row["cookie"] for row in answer["sockets"]] == [
                cookie_of(sock) for sock in expected[:limit]]
