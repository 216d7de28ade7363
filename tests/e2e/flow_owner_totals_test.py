# SPDX-License-Identifier: Apache-2.0
"""What processes and containers of this host carried, also when they, their sockets and their flows
are gone: bytes counted by hand."""
import contextlib
import pathlib
import socket
import subprocess
import sys

import pytest

from harness.net import Pair, unique
from harness.wait import wait_for

PORT = 6300
HEADERS = 14 + 20 + 8
CONTAINER = "0123456789ab" + "c" * 52
CONNECT = """
import os, socket, sys
name, address, port, size, count, cgroup = sys.argv[1:]
if cgroup:
    open(cgroup + "/cgroup.procs", "w").write(str(os.getpid()))
open("/proc/self/comm", "w").write(name)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((address, int(port)))
for _ in range(int(count)):
    sock.send(b"x" * int(size))
    sock.recv(100)
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pair():
    with Pair("owners", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config="api: {listen: off}\nsockets: {enabled: true}\n"
                         "conntrack: {enabled: true, account: true}\n"
                         f"interfaces: [{{name: {pair.wire}, hook: tc}}]\n")
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


@pytest.fixture
def cgroup():
    """Called as a container's is."""
    mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
    made = pathlib.Path(mount) / unique("owners") / f"docker-{CONTAINER}.scope"
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        for folder in (made, made.parent):
            wait_for(lambda folder=folder: not (folder / "cgroup.procs").read_text(),
                     "nobody is in the cgroup")
            folder.rmdir()


@contextlib.contextmanager
def answering(pair):
    """A server on the other side: seven bytes back for each datagram."""
    code = ("import socket\n"
            "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"sock.bind(('{pair.outside_v4}', {PORT}))\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    _, sender = sock.recvfrom(65536)\n"
            "    sock.sendto(b'answers', sender)\n")
    with subprocess.Popen(pair.outside.command(sys.executable, "-c", code),
                          stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


def talk(pair, daemon, name, size, count, cgroup=""):
    """A process sends so much, is answered, is known by name, and ends."""
    with subprocess.Popen(pair.inside.command(
            sys.executable, "-c", CONNECT, name, pair.outside_v4, str(PORT), str(size),
            str(count), str(cgroup)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()

        def known():
            found = daemon.ask("flow", "list", f"sport={port}")["flows"]
            return found and found[0].get("src_owner", {}).get("process") == name
        wait_for(known, f"it is known who {name} is", 20)
        process.stdin.close()
        process.wait(20)
    return port


def rows(daemon, group, *words):
    answer = daemon.ask("flow", "top", "--group", group, *words)
    return {row["name"]: (row["flows"], row["sent_bytes"], row["received_bytes"])
            for row in answer["rows"]}


def test_processes_and_containers_have_what_they_carried_when_all_of_it_is_gone(
        pair, watched, cgroup):
    with answering(pair):
        talk(pair, watched, "alpha", 100, 3)
        talk(pair, watched, "alpha", 50, 2)
        talk(pair, watched, "beta", 1000, 4, cgroup)
    back = HEADERS + 7
    wanted = {"alpha": (2, 3 * (100 + HEADERS) + 2 * (50 + HEADERS), 5 * back),
              "beta": (1, 4 * (1000 + HEADERS), 4 * back)}
    inside = {CONTAINER[:12]: wanted["beta"]}
    assert rows(watched, "process") == wanted
    assert rows(watched, "container") == inside
    watched.ask("flow", "flush", "proto=udp")
    assert rows(watched, "process") == {}
    wait_for(lambda: rows(watched, "process", "--ended") == wanted, "totals have what ended")
    assert rows(watched, "container", "--ended") == inside
    watched.restart()
    assert rows(watched, "process", "--ended") == wanted


MANY = """
import socket, sys
for line in sys.stdin:
    for _ in range(2000):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((sys.argv[1], int(sys.argv[2])))
        sock.send(b"x" * 100)
        sock.close()
    print("done", flush=True)
"""


def test_sockets_that_ended_long_before_their_flows_are_still_somebodys(pair, watched, tmp_path):
    """Of more of them than `socket list --ended` has."""
    (tmp_path / "many").symlink_to(sys.executable)
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, subprocess.Popen(
            pair.inside.command(tmp_path / "many", "-c", MANY, pair.outside_v4, str(PORT)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        sink.bind((pair.outside_v4, PORT))
        for turn in range(1, 4):
            print("go", file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"
            wait_for(lambda turn=turn: watched.ask("socket", "list", "--limit", "1")["ended"]
                     == 2000 * turn, "they are known")
        process.stdin.close()
        process.wait(20)
        watched.ask("flow", "flush", "proto=udp")

        def told():
            """Ports come again, and then it is the same flow."""
            found = rows(watched, "process", "--ended")
            return set(found) == {"many"} and found["many"][0] > 5000 and \
                found["many"][1:] == (6000 * (100 + HEADERS), 0)
        wait_for(told, "totals have all of them", 20)


AGAIN = """
import socket, struct, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", 7777))
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.sendall(b"x" * int(sys.argv[3]))
sock.recv(1)
print("sent", flush=True)
sys.stdin.read()
"""


def test_a_flow_is_not_that_of_who_has_its_ports_just_afterwards(pair, watched, tmp_path):
    """The second lives when the first's flow ends: its SYN is what ends it."""
    def run(name, size):
        (tmp_path / name).symlink_to(sys.executable)
        return subprocess.Popen(
            pair.inside.command(tmp_path / name, "-c", AGAIN, pair.outside_v4, str(PORT),
                                str(size)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def serve(server, size):
        with server.accept()[0] as accepted:
            read_all(accepted, size)
            accepted.send(b"y")
            return accepted.detach()

    with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind((pair.outside_v4, PORT))
        server.listen()
        with run("before", 300000) as before:
            socket.close(serve(server, 300000))
            assert before.stdout.readline() == "sent\n"
            wait_for(lambda: watched.ask("flow", "list", f"dport={PORT}")["flows"][0]
                     .get("src_owner"), "it is known whose it is", 20)
            before.stdin.close()
            before.wait(20)
        with run("after", 1000) as after:
            last = serve(server, 1000)
            assert after.stdout.readline() == "sent\n"
            wait_for(lambda: watched.ask("flow", "ended")["flows"], "the first has ended")

            def told():
                found = rows(watched, "process", "--ended")
                return set(found) == {"before", "after"} and found
            found = wait_for(told, "each has its own", 20)
            assert found["before"][0] == found["after"][0] == 1
            assert found["before"][1] > 300000 and 1000 < found["after"][1] < 3000
            flow, = watched.ask("flow", "ended")["flows"]
            assert flow["src_owner"]["process"] == "before"
            after.stdin.close()
            after.wait(20)
        socket.close(last)


def read_all(sock, size):
    while size:
        size -= len(sock.recv(size))


def test_a_server_of_this_host_has_what_it_sent_and_received(pair, watched):
    """The other end began: what the process sent is what came back."""
    with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        server.bind((pair.inside_v4, PORT))
        server.listen()
        sock.connect((pair.inside_v4, PORT))
        with server.accept()[0] as accepted:
            accepted.sendall(b"x" * 20000)
            read_all(sock, 20000)
            wait_for(lambda: "dst_owner" in watched.ask("flow", "list", f"dport={PORT}")
                     ["flows"][0], "it is known whose server it is", 20)
            told = rows(watched, "process")
            assert len(told) == 1
            (flows, sent, received), = told.values()
            assert flows == 1 and sent > 20000 > received
