# SPDX-License-Identifier: Apache-2.0
"""`weir flow` says whose the ends of a flow are, where they are sockets of this host."""
import os
import socket
import subprocess
import sys

import pytest

from harness.net import Pair
from harness.wait import wait_for

PORT, OPEN = 6100, 6200
CONNECT = """
import socket, sys
kind, address, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sock = socket.socket(socket.AF_INET, kind)
sock.connect((address, port))
sock.send(b"x")
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pair():
    with Pair("flows", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config="api: {listen: off}\nsockets: {enabled: true}\n"
                         "conntrack: {enabled: true}\n"
                         f"interfaces: [{{name: {pair.wire}, hook: tc}}]\n")
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


def flow(daemon, text, side):
    """The one there is, when it is known whose that end is."""
    return wait_for(lambda: (found := daemon.ask("flow", "list", text)["flows"]) and
                    side in found[0] and found[0], f"it is known whose: {text}", 20)


@pytest.mark.parametrize("kind", (socket.SOCK_STREAM, socket.SOCK_DGRAM))
def test_a_flow_of_this_host_names_its_process_also_when_that_is_gone(pair, watched, kind):
    with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            subprocess.Popen(pair.inside.command(sys.executable, "-c", CONNECT, str(int(kind)),
                                                 pair.outside_v4, str(PORT)),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        server.bind((pair.outside_v4, PORT))
        server.listen()
        port = process.stdout.readline().strip()
        for _ in range(2):
            found = flow(watched, f"port={PORT}", "src_owner")
            assert (found["src"], str(found["sport"])) == (pair.inside_v4, port)
            owner = found["src_owner"]
            assert (owner["pid"], owner["process"], owner["uid"], owner["cgroup"]) == (
                process.pid, "python3", 0, "/")
            assert "dst_owner" not in found
            process.stdin.close()
            process.wait(20)
            wait_for(lambda: not watched.ask("socket", "list", f"rport={PORT}")["sockets"],
                     "the socket has ended")


def test_a_flow_to_this_host_names_its_server(pair, watched):
    with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        server.bind((pair.inside_v4, OPEN))
        server.listen()
        sock.connect((pair.inside_v4, OPEN))
        with server.accept()[0]:
            found = flow(watched, f"dport={OPEN}", "dst_owner")
            assert found["dst_owner"]["pid"] == os.getpid()
            assert "src_owner" not in found
            assert "src_owner" not in watched.ask("flow", "show", f"dport={OPEN}")["flows"][0]
