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
