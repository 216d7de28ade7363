# SPDX-License-Identifier: Apache-2.0
"""Closed windows that `weir socket` tells of, beside what the kernels at both ends count: each time
that one closes its window it adds to TCPToZeroWindowAdv."""
import contextlib
import csv
import io
import socket

import pytest

from harness.current import current
from harness.net import Pair
from harness.sockets import watching
from harness.wait import wait_for

PORT = 6300
SILENT = "10.77.1.8"            # nobody
BUFFER = 8192
OFTEN = 8
FAMILIES = {4: (socket.AF_INET, Pair.inside_v4, Pair.outside_v4),
            6: (socket.AF_INET6, Pair.inside_v6, Pair.outside_v6)}


@pytest.fixture
def pair():
    with Pair("window", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    return watching(weir_daemon, pair.inside)


def closings(namespace):
    """Windows that its sockets have closed, by its kernel."""
    text = namespace.run("nstat", "-asz", "TcpExtTCPToZeroWindowAdv").stdout
    return int(next(line for line in text.splitlines() if line.startswith("TcpExt")).split()[1])


def row(daemon, *words):
    """The one there is."""
    return wait_for(lambda: (found := current(daemon, "list", *words)["sockets"]) and
                    len(found) == 1 and found[0], f"one socket is told of: {words}")


def counts(found):
    return found["zero_windows_sent"], found["zero_windows_received"]


class Stream:
    """From one end of a connection to the other, which has little room for what it does not
    read."""

    def __init__(self, sender, receiver, there):
        self.sender, self.receiver, self.there = sender, receiver, there
        self.under_way = 0

    def fill(self):
        self.sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.under_way += self.sender.send(b"x" * 65536)

    def drain(self):
        self.receiver.setblocking(True)
        while self.under_way:
            self.under_way -= len(self.receiver.recv(65536))

    def close_once(self):
        """Nobody reads until the window is closed."""
        before = closings(self.there)
        wait_for(lambda: self.fill() or closings(self.there) > before, "the window closes")

    def closes_often(self):
        for _ in range(OFTEN):
            self.close_once()
            self.drain()


@contextlib.contextmanager
def connection(pair, family=4):
    """(end inside, end outside). Inside asks."""
    kind, _, address = FAMILIES[family]
    with pair.outside.socket(kind, socket.SOCK_STREAM) as server, \
            pair.inside.socket(kind, socket.SOCK_STREAM) as client:
        for sock in (server, client):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        client.connect((address, PORT))
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted


def settled(daemon, there, which):
    """Our count and the kernel's, once they are the same: ours comes with the segment that opens
    the window, or a second later."""
    def still():
        kernel = closings(there)
        ours = row(daemon)[which]
        return closings(there) == kernel == ours and (ours, kernel)
    return wait_for(still, f"as many {which} as the kernel counts")


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_that_this_end_closes_are_as_many_as_the_kernel_counts(pair, watched, family):
    with connection(pair, family) as (inside, outside):
        assert counts(row(watched)) == (0, 0)
        Stream(outside, inside, pair.inside).closes_often()
        ours, kernel = settled(watched, pair.inside, "zero_windows_sent")
        assert ours == kernel >= OFTEN
        assert counts(row(watched)) == (ours, closings(pair.outside)) == (ours, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_that_the_other_end_closes_are_as_many_as_its_kernel_counts(pair, watched, family):
    with connection(pair, family) as (inside, outside):
        Stream(inside, outside, pair.outside).closes_often()
        ours, kernel = settled(watched, pair.outside, "zero_windows_received")
        assert ours == kernel >= OFTEN
        assert counts(row(watched)) == (closings(pair.inside), ours) == (0, ours)


def test_a_window_that_stays_closed_is_one_closing(pair, watched):
    """However often the other end probes it, and over a daemon that is killed."""
    with connection(pair) as (inside, outside):
        Stream(outside, inside, pair.inside).close_once()
        probes = int(pair.outside.run("nstat", "-asz", "TcpExtTCPWinProbe").stdout.split()[-2])
        assert counts(row(watched)) == (1, 0)
        wait_for(lambda: int(pair.outside.run("nstat", "-asz", "TcpExtTCPWinProbe").stdout
                             .split()[-2]) >= probes + 2, "it is probed")
        assert counts(row(watched)) == (1, 0)
        watched.kill()
        watched.start()
        assert counts(row(watched)) == (closings(pair.inside), 0) == (1, 0)


def test_a_window_is_looked_at_where_no_segment_tells(pair, watched):
    """In a half-closed connection the kernel has no tracepoint for what arrives."""
    with connection(pair) as (inside, outside):
        outside.shutdown(socket.SHUT_WR)
        row(watched, "state=close-wait")
        Stream(inside, outside, pair.outside).close_once()
        assert counts(row(watched)) == (0, closings(pair.outside)) == (0, 1)


def test_a_socket_that_is_not_connected_has_no_closed_window(pair, watched):
    """Nobody has offered it any yet."""
    with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.connect_ex((SILENT, PORT))
        found = row(watched, "state=syn-sent")
        assert found["send_window"] == 0 and counts(found) == (0, 0)
        assert current(watched, "list", "zero-windows>0")["matching"] == 0


def test_closed_windows_outlive_the_socket_in_lists_totals_and_columns(pair, watched):
    with connection(pair) as (inside, outside):
        Stream(outside, inside, pair.inside).closes_often()
        Stream(inside, outside, pair.outside).closes_often()
        kernel = closings(pair.inside), closings(pair.outside)
        row(watched, f"zero-windows>{OFTEN}")
    told = counts(row(watched, "--ended"))
    # The last of either may have no segment behind it that tells of it.
    assert all(0 <= there - here <= 1 for there, here in zip(kernel, told)), (kernel, told)
    groups = current(watched, "top", "--group", "user")["groups"]
    assert [sum(column) for column in zip(*map(counts, groups))] == list(told)
    for words in (("list", "--ended"), ("top",)):
        rows = list(csv.DictReader(io.StringIO(watched.say("socket", *words, "--csv"))))
        assert [sum(int(row[f"zero_windows_{way}"] or 0) for row in rows)
                for way in ("sent", "received")] == list(told)
