# SPDX-License-Identifier: Apache-2.0
"""A new client's connections begin on all processors in the same microsecond: what backends get of
him, as the wire behind the gateway has it."""
import collections
import contextlib
import ctypes
import json
import mmap
import os
import socket
import struct
import time

import pytest
from scapy.all import IP, TCP, Ether, IPv6, raw

from harness.cluster import BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Cluster
from harness.daemon import Daemon
from harness.kernel import hooks
from harness.wait import SLOWNESS, wait_for
from harness.wire import packet_socket

FAMILIES = (4, 6)
HOOKS = hooks("tc", "xdp")
CLIENTS = 3000
# Whose processor was taken away, by a hypervisor, in the middle of what others wait for. Were there
# nothing that both go by, it would be half of all.
HELD_UP_MOST = 30
EACH = 2                    # connections that one processor begins for each client
ALL = 3                     # ETH_P_ALL


def config(family, hook, scheduler):
    backends = [{"address": address, "port": BACKEND_PORT} for address in BACKENDS[family]]
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "backends": backends,
               "scheduler": scheduler, "affinity": {"timeout": "10m"}}
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    return ("conntrack: {enabled: auto, capacity: 65536, half-open: 65536}\napi: {listen: off}\n"
            f"interfaces: {json.dumps(interfaces)}\n"
            f"balance: {json.dumps({'affinity-clients': 65536, 'services': [service]})}\n")


def mac(place, device):
    link, = json.loads(place.run("ip", "-j", "link", "show", device).stdout)
    return link["address"]


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        there = mac(made.backends, "eth0")
        for family, network in ((4, "10.99.0.0/16"), (6, "fd99::/64")):
            made.gateway.run("ip", f"-{family}", "route", "add", network, "via", CLIENT[family])
            for address in BACKENDS[family]:        # or first packets would wait, and be lost
                made.gateway.run("ip", "neigh", "replace", address, "lladdr", there, "dev", "wan")
        yield made


def client(family, number):
    packed = struct.pack("!H", number)
    return (bytes((10, 99)) + packed) if family == 4 else bytes.fromhex("fd99") + bytes(12) + packed


def frames(cluster, family, processor):
    """For each client so many SYNs, each from a port of its own."""
    to = mac(cluster.gateway, "lan")
    head = IP(src="10.99.0.0", dst=SERVICE[4]) if family == 4 else \
        IPv6(src="fd99::", dst=SERVICE[6])
    made = []
    for number in range(1, CLIENTS + 1):
        head.src = socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6,
                                    client(family, number))
        made.append([raw(Ether(dst=to) / head /
                         TCP(sport=10000 + processor * EACH + at, dport=PORT, flags="S"))
                     for at in range(EACH)])
    return made


def race(cluster, made, processors):
    """A process a processor; before each client all wait until all are there."""
    shared = mmap.mmap(-1, 8 * len(processors))
    arrived = [ctypes.c_uint64.from_buffer(shared, 8 * at) for at in range(len(processors))]
    children = []
    for at, processor in enumerate(processors):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.sched_setaffinity(0, {processor})
                sock = packet_socket(cluster.client, "eth0", 0)
                for number, group in enumerate(made[at], 1):
                    arrived[at].value = number
                    while any(other.value < number for other in arrived):
                        pass
                    for frame in group:
                        sock.send(frame)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * len(children)


class Ear:
    """Who gets which client's SYNs, on the backends' wire."""

    def __init__(self, cluster, family):
        self.family, self.sock = family, packet_socket(cluster.backends, "eth0", ALL)
        self.met = collections.defaultdict(collections.Counter)
        self.count = 0

    def listen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.note(self.sock.recv(2048, socket.MSG_DONTWAIT)[14:])
        return self.count

    def note(self, packet):
        v4 = self.family == 4
        src, dst, rest = (packet[12:16], packet[16:20], packet[20:]) if v4 else \
            (packet[8:24], packet[24:40], packet[40:])
        if packet[9 if v4 else 6] != 6 or not src.startswith(bytes((10, 99)) if v4 else
                                                             bytes.fromhex("fd99")):
            return
        if rest[13] & 0x12 == 2:
            self.met[src][dst] += 1
            self.count += 1

    def close(self):
        self.sock.close()


def torn(cluster, family, hook, scheduler):
    """Clients, and how many of them were sent to more than one backend."""
    processors = sorted(os.sched_getaffinity(0))[:8]
    made = [frames(cluster, family, at) for at in range(len(processors))]
    with Daemon(cluster.gateway, config=config(family, hook, scheduler)) as daemon, \
            contextlib.closing(Ear(cluster, family)) as ear:
        begun = time.monotonic()
        race(cluster, made, processors)
        wanted = CLIENTS * EACH * len(processors)
        wait_for(lambda: ear.listen() >= wanted or time.monotonic() > begun + 60 * SLOWNESS,
                 "all have come by", 70)
        status = daemon.status()["balance"]
        assert status["displaced"] == 0 and status["chosen"] <= wanted
        assert len(ear.met) == CLIENTS
        return ear, sum(len(backends) > 1 for backends in ear.met.values())


@pytest.mark.alone
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="wants two processors")
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("family,scheduler", ((4, "round-robin"), (6, "least-connections")))
def test_connections_of_a_new_client_on_all_processors_at_once_get_one_backend(cluster, scheduler,
                                                                               hook, family):
    ear, several = torn(cluster, family, hook, scheduler)
    assert several <= HELD_UP_MOST, f"{several} of {CLIENTS} clients"
    backends = collections.Counter(backend for met in ear.met.values() for backend in met)
    assert len(backends) == 3, "which is not because there is one backend only"
