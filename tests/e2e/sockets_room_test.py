# SPDX-License-Identifier: Apache-2.0
"""`weir socket` when its tables are full: what has no place is counted, and which are told."""
import contextlib
import ctypes
import errno
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from harness.current import current
from harness.net import Pair
from harness.sockets import (ENTRY_BYTES, connections, cookie_of, double, listener, opened,
                             watching)
from harness.wait import wait_for

MOST, ENDED_MOST, TOTALS_MOST = 65536, 4096, 2048
KEY_BYTES = 32         # struct sockets_total_key
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
    assert rest == answer["unsummed"] > 50
    assert "in no row of the totals" in watched.say("socket", "top")


@contextlib.contextmanager
def closing(namespace, address):
    """A server that closes what it accepts."""
    with listener(namespace, address, PORT) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


SEND = """
import socket, sys
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    with open("/proc/self/comm", "w") as comm:
        comm.write(f"{sys.argv[5]}-{number}")
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
        sock.send(b"x" * int(sys.argv[6]))
"""
HAMMER = """
import socket, sys
count = 0
print("ready", flush=True)
while True:
    with open("/proc/self/comm", "w") as comm:
        comm.write(f"busy-{count % 50}")
    for _ in range(20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((sys.argv[1], int(sys.argv[2])))
            count += 1
    if select.select([sys.stdin], [], [], 0)[0]:
        break
print(count)
"""
EACH, ROUNDS = 300, 9            # names at a time: fewer than make room


@contextlib.contextmanager
def hammered(pair):
    """Rows of no bytes, which make room at each look, while sockets of theirs go on ending; gives a
    call that ends it and says how many there were."""
    with subprocess.Popen(pair.inside.command(
            sys.executable, "-c", "import select" + HAMMER, pair.outside_v4, str(PORT)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield lambda: int(process.communicate("end\n", 20)[0])
        finally:
            process.kill()


def test_those_that_carry_most_keep_a_row_whoever_came_first(pair, watched):
    """More names than there are rows: the light ones make room, and nothing of them is lost, twice,
    or a rate of the rest."""
    with closing(pair.outside, pair.outside_v4), hammered(pair) as hammer_end:
        run(pair, SEND, "0", "20", "early", "5000")
        for number in range(ROUNDS):
            run(pair, SEND, str(EACH * number), str(EACH * (number + 1)), "job", "10")
            rest = [row for row in current(watched, "top", "--limit", "9999")["groups"]
                    if not row["process"]]
            assert not any(row["own_sent"] for row in rest), [
                (row["own_sent"], row["sockets"]) for row in rest]
        run(pair, SEND, "0", "20", "late", "5000")
        count = hammer_end() + 40 + EACH * ROUNDS
        wait_for(lambda: current(watched, "list", "--limit", "1")["ended"] == count,
                 "all have ended", 30)
    answer = current(watched, "top", "--limit", "9999")
    rows = {row["process"]: row for row in answer["groups"]}
    assert sum(row["sockets"] for row in rows.values()) == count
    assert sum(row["bytes_sent"] for row in rows.values()) == 40 * 5000 + ROUNDS * EACH * 10
    for name in (f"{when}-{number}" for when in ("early", "late") for number in range(20)):
        assert (rows[name]["sockets"], rows[name]["bytes_sent"]) == (1, 5000)
    assert rows[""]["sockets"] == answer["unsummed"] > 0
    assert rows[""]["bytes_sent"] > 0 == rows[""]["own_sent"]
    assert sum(row["own_sent"] for row in rows.values()) == 40 * 5000 + ROUNDS * EACH * 10


def keys(pinned, size):
    bpf, number = opened(pinned)
    found, key = [], ctypes.create_string_buffer(size)
    last = None
    while bpf.bpf_map_get_next_key(number, last, key) == 0:
        found.append(last := key.raw)
    return found


def test_a_row_that_was_about_to_leave_as_the_daemon_was_killed_stays(pair, watched):
    """Meanwhile what ends is the rest's, and nothing of it is lost."""
    maps = watched.pin_dir / "maps"
    run(pair, CONNECT, "1")
    own, = (key for key in keys(maps / "st_sock_total", KEY_BYTES) if any(key))
    watched.kill()
    bpf, number = opened(maps / "set_sock_leave")
    assert bpf.bpf_map_update_elem(number, own, bytes(8), 0) == 0
    run(pair, CONNECT, "3")
    watched.start()
    assert not keys(maps / "set_sock_leave", KEY_BYTES)
    run(pair, CONNECT, "5")
    wait_for(lambda: current(watched, "list")["ended"] == 9, "all have ended")
    answer = current(watched, "top")
    assert {row["process"]: row["sockets"] for row in answer["groups"]} == {"python3": 6, "": 3}
    assert answer["unsummed"] == 3


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
    answer = wait_for(lambda: (told := current(watched, "list", "--ended"))["ended"] == 9 and told,
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
