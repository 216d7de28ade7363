# SPDX-License-Identifier: Apache-2.0
"""Real connections through a router that translates at TC, where checksums are still to be computed
(CHECKSUM_PARTIAL) and segments still to be cut: every byte arrives, and no kernel that checks sums
finds a wrong one."""
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import threading

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
import bpf_build  # noqa: E402
from harness.clients import SOON_S, connect_error, datagram_error, family_of  # noqa: E402
from harness.net import Namespace, Pair, unique, veth  # noqa: E402
from nat_frames import Change, PACKET, task  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces")

VIP = {4: "10.79.9.9", 6: "fd79:9::9"}
SERVER = {4: "10.78.1.2", 6: "fd78::2"}
VIP_PORT, SERVER_PORT = 80, 8080
TRANSFER_BYTES = 8 << 20


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    built = tmp_path_factory.mktemp("nat-live")
    loader = bpf_build.build_loader(built, "nat_bpf")
    path = bpf_build.build_object(built, "nat_bpf", "clang-19")
    pins = pathlib.Path("/sys/fs/bpf") / unique("nat")
    subprocess.run([loader, path, "pin", pins], check=True)
    yield pins
    shutil.rmtree(pins, ignore_errors=True)


def set_task(programs, row, data):
    hexed = [f"{byte:02x}" for byte in data]
    subprocess.run(["bpftool", "map", "update", "pinned", programs / "nat_tasks", "key", "hex",
                    *(f"{b:02x}" for b in row.to_bytes(4, sys.byteorder)), "value", "hex", *hexed],
                   check=True)


def translate(programs, version):
    """Towards the server by the first row, back by the second."""
    there = Change(SERVER[version], SERVER_PORT, False)
    back = Change(VIP[version], VIP_PORT, True)
    set_task(programs, 0, task(PACKET, there, of=VIP[version]))
    held = Change(VIP[version], VIP_PORT, False)        # by an error from the server
    set_task(programs, 1, task(PACKET, back, held, of=SERVER[version]))


class Routed:
    """client --- router --- server; the router's devices are `wire` and `behind`."""

    def __init__(self, pair):
        self.router, self.client, self.server = pair.inside, pair.outside, Namespace("nat")
        veth(self.router, "behind", self.server, "only")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for namespace, device, last in ((self.router, "behind", 1), (self.server, "only", 2)):
            namespace.run("ip", "addr", "add", f"10.78.1.{last}/24", "dev", device)
            namespace.run("ip", "addr", "add", f"fd78::{last}/64", "dev", device, "nodad")
        for device in ("behind", pair.wire):    # a router asks for neighbours from such a one
            self.router.run("ip", "addr", "add", "fe80::1/64", "dev", device, "nodad")
        for namespace, v4, v6 in ((self.server, "10.78.1.1", "fd78::1"),
                                  (self.client, pair.inside_v4, pair.inside_v6)):
            namespace.run("ip", "route", "add", "default", "via", v4)
            namespace.run("ip", "-6", "route", "add", "default", "via", v6)
        # For where the router translates only as the packet leaves.
        self.router.run("ip", "route", "add", VIP[4], "via", SERVER[4])
        self.router.run("ip", "-6", "route", "add", VIP[6], "via", SERVER[6])
        self.devices = ((self.router, pair.wire), (self.router, "behind"),
                        (self.client, pair.far), (self.server, "only"))

    def leave_to_devices(self, *names):
        """Checksums and the cutting of segments are left to these devices, to no other."""
        for namespace, device in self.devices:
            namespace.run("ethtool", "-K", device, "tx", "on" if device in names else "off", "gro",
                          "on")

    def attach(self, programs, device, hook, name):
        self.router.run("tc", "qdisc", "add", "dev", device, "clsact", check=False)
        self.router.run("tc", "filter", "add", "dev", device, hook, "bpf", "da", "object-pinned",
                        programs / name)


@pytest.fixture
def routed():
    with Pair("nat", addresses=True) as pair:
        made = Routed(pair)
        try:
            yield made
        finally:
            made.server.delete()


def wrong_sums(namespace):
    """What its kernel has found wrong, of either version and transport."""
    told = json.loads(namespace.run("nstat", "-asjz").stdout)["kernel"]
    return {name: count for name, count in told.items() if name.endswith("CsumErrors") and count}


@contextlib.contextmanager
def echo_server(routed, kind):
    """Sends back what it gets."""
    with routed.server.socket(socket.AF_INET6, kind) as server:
        server.bind(("::", SERVER_PORT))
        server.settimeout(SOON_S)
        if kind == socket.SOCK_STREAM:
            server.listen()
        thread = threading.Thread(target=echo_stream if kind == socket.SOCK_STREAM else
                                  echo_datagrams, args=(server,))
        thread.start()
        try:
            yield
        finally:
            thread.join(3 * SOON_S)


def echo_stream(server):
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(1 << 20):
            connection.sendall(data)


def echo_datagrams(server):
    with contextlib.suppress(TimeoutError):
        while True:
            data, sender = server.recvfrom(1 << 16)
            server.sendto(data, sender)
            if data == b"last":
                return


def transfer(routed, version):
    """What comes back through an echo server, and what was sent: hashes."""
    data = random.randbytes(TRANSFER_BYTES)
    with routed.client.socket(family_of(VIP[version]), socket.SOCK_STREAM) as client:
        client.settimeout(SOON_S)
        client.connect((VIP[version], VIP_PORT))
        assert client.getpeername()[:2] == (VIP[version], VIP_PORT)
        sender = threading.Thread(target=lambda: (client.sendall(data),
                                                  client.shutdown(socket.SHUT_WR)))
        sender.start()
        got = hashlib.sha256()
        while part := client.recv(1 << 20):
            got.update(part)
        sender.join(SOON_S)
    return got.hexdigest(), hashlib.sha256(data).hexdigest()


# Which devices checksums are left to. A veth that takes them on hands them on undone; one that does
# not makes the kernel finish them, of what the program has left, and the far end checks them.
LEFT_TO = {"never done": ("wire", "behind", "far", "only"), "done by the router": ("far", "only"),
           "done by the sender": ()}
HOOKS = {"ingress": (("wire", "ingress", "nat_live"), ("behind", "ingress", "nat_live_back")),
         "egress": (("behind", "egress", "nat_live"), ("wire", "egress", "nat_live_back"))}


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("left_to", LEFT_TO)
def test_stream_arrives_whole_and_no_sum_is_wrong(routed, programs, left_to, hook, version):
    routed.leave_to_devices(*LEFT_TO[left_to])
    translate(programs, version)
    for where in HOOKS[hook]:
        routed.attach(programs, *where)
    with echo_server(routed, socket.SOCK_STREAM):
        got, sent = transfer(routed, version)
    assert got == sent
    for namespace in (routed.client, routed.router, routed.server):
        assert wrong_sums(namespace) == {}


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("left_to", LEFT_TO)
def test_datagrams_arrive_and_no_sum_is_wrong(routed, programs, left_to, hook, version):
    """Long ones are fragmented: each kernel on the way puts them together or cuts them anew."""
    routed.leave_to_devices(*LEFT_TO[left_to])
    translate(programs, version)
    for where in HOOKS[hook]:
        routed.attach(programs, *where)
    with echo_server(routed, socket.SOCK_DGRAM), \
            routed.client.socket(family_of(VIP[version]), socket.SOCK_DGRAM) as client:
        client.settimeout(SOON_S)
        client.connect((VIP[version], VIP_PORT))
        for data in (b"x", b"", random.randbytes(1400), random.randbytes(9000), b"last"):
            client.send(data)
            assert client.recv(1 << 16) == data
    for namespace in (routed.client, routed.router, routed.server):
        assert wrong_sums(namespace) == {}


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("left_to", LEFT_TO)
def test_client_learns_that_nobody_listens(routed, programs, left_to, hook, version):
    """Its kernel believes an error only if it holds what it has sent, and sums right."""
    routed.leave_to_devices(*LEFT_TO[left_to])
    translate(programs, version)
    for where in HOOKS[hook]:
        routed.attach(programs, *where)
    assert datagram_error(routed.client, VIP[version], VIP_PORT) == errno.ECONNREFUSED
    assert connect_error(routed.client, VIP[version], VIP_PORT) == errno.ECONNREFUSED
