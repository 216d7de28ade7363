# SPDX-License-Identifier: Apache-2.0
"""`weir socket` of MPTCP connections: their subflows, which are TCP, beside `ss -ti`."""
import contextlib
import os
import socket
import subprocess
import sys

import pytest

from harness.current import current
from harness.net import Pair
from harness.sockets import OPEN, PORT, cookie_of, differs, ss, watching
from harness.wait import wait_for

MPTCP = 262                 # IPPROTO_MPTCP of linux/in.h
SECOND = "10.77.1.11"       # of inside, too
SIZE = 300000


@pytest.fixture
def pair():
    with Pair("mptcp", addresses=True) as made:
        assert made.pings()
        if made.inside.run("sysctl", "-n", "net.mptcp.enabled", check=False).stdout.strip() != "1":
            pytest.skip("this kernel has no MPTCP")
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    return watching(weir_daemon, pair.inside)


@contextlib.contextmanager
def connected(server_space, address, port, client_space):
    """(the client's end, the server's), both of this process."""
    with server_space.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as server, \
            client_space.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        client.connect((address, port))
        with server.accept()[0] as peer:
            yield client, peer


def pour(sender, receiver, size):
    sender.setblocking(False)
    sent = got = 0
    while got < size:
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(b"x" * (size - sent)) if sent < size else 0
        got += len(receiver.recv(65536))


def rows(daemon, *words):
    return current(daemon, "list", *words)["sockets"]


def sums(daemon):
    """Of all processes together."""
    groups = current(daemon, "top", "--limit", "1000")["groups"]
    return {name: sum(row[name] for row in groups)
            for name in ("sockets", "bytes_sent", "bytes_received", "retransmits", "out_of_order")}


def test_a_connection_is_its_subflow_alone_and_as_ss_has_it(pair, watched):
    with connected(pair.outside, pair.outside_v4, PORT, pair.inside) as (client, peer), \
            connected(pair.inside, pair.inside_v4, OPEN, pair.outside) as (other, accepted):
        pour(client, peer, SIZE)
        pour(other, accepted, SIZE)

        def equal():
            before, ours, after = ss(pair.inside), rows(watched), ss(pair.inside)
            return before == after and (before, {row["cookie"]: row for row in ours}, len(ours))
        theirs, ours, count = wait_for(equal, "nothing is sent meanwhile", 30)
        assert count == len(ours) == 2 and ours.keys() == theirs.keys()
        assert not {cookie_of(client), cookie_of(accepted)} & ours.keys()
        assert not [found for key in ours if (found := differs(ours[key], theirs[key]))]
        assert sorted((row["local_port"] == OPEN, row["side"]) for row in ours.values()) == [
            (False, "client"), (True, "server")]
        assert all(max(row["bytes_sent"], row["bytes_received"]) >= SIZE for row in ours.values())
        expected = {name: sum(row[name] for row in theirs.values()) for name in
                    ("bytes_sent", "bytes_received", "retransmits", "out_of_order")}
        assert sums(watched) == {"sockets": 2, **expected}


def test_its_owner_is_who_has_the_socket_of_mptcp(pair, watched):
    with connected(pair.outside, pair.outside_v4, PORT, pair.inside) as (client, _), \
            connected(pair.inside, pair.inside_v4, OPEN, pair.outside):
        found, = rows(watched, f"rport={PORT}")
        assert (found["pid"], found["known_by"]) == (os.getpid(), "connect")
        assert found["local_port"] == client.getsockname()[1]
        found = wait_for(lambda: [row for row in rows(watched, f"lport={OPEN}") if "pid" in row],
                         "it is known whose", 20)
        assert [(row["pid"], row["known_by"]) for row in found] == [(os.getpid(), "files")]
    wait_for(lambda: len(rows(watched, "--ended")) == 2, "both have ended", 60)
    assert [row["pid"] for row in rows(watched, "--ended")] == [os.getpid()] * 2


def test_a_subflow_that_the_kernel_adds_is_of_the_same_owner(pair, watched):
    pair.inside.run("ip", "addr", "add", f"{SECOND}/24", "dev", pair.wire)
    for namespace in (pair.inside, pair.outside):
        namespace.run("ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
    pair.inside.run("ip", "mptcp", "endpoint", "add", SECOND, "dev", pair.wire, "subflow")
    with connected(pair.outside, pair.outside_v4, PORT, pair.inside) as (client, peer):
        pour(client, peer, SIZE)
        found = wait_for(lambda: len(both := [row for row in rows(watched, f"rport={PORT}")
                                              if "pid" in row]) == 2 and both,
                         "both subflows are somebody's", 20)
        assert {row["local"] for row in found} == {pair.inside_v4, SECOND}
        assert {row["pid"] for row in found} == {os.getpid()}
    wait_for(lambda: len(rows(watched, "--ended")) == 2, "both have ended", 60)
    assert {row["pid"] for row in rows(watched, "--ended")} == {os.getpid()}


SHORT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[3])) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], int(sys.argv[2])))
    server.listen()
    print("ready", flush=True)
    for _ in range(20):
        with server.accept()[0] as peer:
            peer.send(b"x")
"""


def test_who_ends_a_short_one_is_never_a_thread_of_the_kernel(pair, watched):
    with subprocess.Popen(pair.inside.command(sys.executable, "-c", SHORT, pair.inside_v4,
                                              str(OPEN), str(MPTCP)), stdout=subprocess.PIPE,
                          text=True) as server:
        assert server.stdout.readline() == "ready\n"
        for _ in range(20):
            with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as sock:
                sock.connect((pair.inside_v4, OPEN))
                assert sock.recv(1) == b"x" and not sock.recv(1)
    wait_for(lambda: len(rows(watched, "--ended")) == 20, "all have ended", 60)
    assert {row.get("pid", server.pid) for row in rows(watched, "--ended")} == {server.pid}
