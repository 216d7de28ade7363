# SPDX-License-Identifier: Apache-2.0
"""Full NAT by an address that has services of its own: a port that stands for a client is one of
theirs, too."""
import contextlib
import errno
import random
import socket

import pytest

from harness.balanced import DENIED, FAMILIES, HOOKS, policy
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, ROUTER, SERVICE, Client, Cluster,
                             family_kind, serving)
from harness.daemon import Daemon
from harness.forwarded import each_shortcut, is_at, met, watch
from harness.lan import Lan
from harness.road import Road
from harness.told import UNREACHABLE, asking, told
from harness.wait import SLOWNESS, wait_for

STANDING = range(1024, 32768)       # ports that stand for clients, as the page says
PORTS = ("all", "1000-40000")
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_proto = pytest.mark.parametrize("proto", ("tcp", "udp"))
each_ports = pytest.mark.parametrize("ports", PORTS)


def service(family, ports, proto, backends=1, **more):
    """By its own address. Its backends have the port that a client asks for."""
    return {"name": "every", "address": SERVICE[family], "port": ports, "proto": proto,
            "source": SERVICE[family],
            "backends": [{"address": address} for address in BACKENDS[family][:backends]], **more}


@pytest.fixture(scope="module")
def lan():
    with Lan() as made:
        yield made


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        for station in (made.client, made.backends):
            # A veth takes what XDP sends it while its other end has NAPI.
            station.run("ethtool", "-K", "eth0", "gro", "on", "tx", "off")
        watch(made.gateway)
        yield made


@pytest.fixture(scope="module")
def road():
    with Road() as made:
        yield made


def is_served(client, family, text):
    assert client.peer[0] == SERVICE[family] and client.peer[1] in STANDING
    assert client.backend == BACKENDS[family][0]
    return client.echoes(text)


@each_family
@each_hook
@each_ports
@pytest.mark.parametrize("rules", (None, "denied"), ids=("open", "denied"))
def test_streams_pass(lan, hook, family, ports, rules):
    text = random.Random(family).randbytes(1 << 20)
    denied = {**DENIED, "rules": [{**DENIED["rules"][0], "dport": str(BACKEND_PORT)},
                                  DENIED["rules"][1]]} if rules else None
    config = policy([service(family, ports, "tcp")], hook=hook, rules=denied)
    with serving(lan, family, which=(0,)), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config) as daemon:
        clients = [stack.enter_context(Client(lan, family, port=BACKEND_PORT))
                   for _ in range(20)]
        assert all(is_served(client, family, text if not number else b"on and on")
                   for number, client in enumerate(clients))
        rows = daemon.ask("flow", "list", f"dport={BACKEND_PORT}")["flows"]
        assert {(row["src"], row["dst"]) for row in rows} == {(CLIENT[family], SERVICE[family])}
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_family
@each_shortcut
def test_streams_go_past_the_kernel(cluster, shortcut, family):
    text = random.Random(family).randbytes(8 << 20)
    config = policy([service(family, "all", "tcp")], hook=shortcut, shortcut=shortcut)
    before = met(cluster.gateway)
    with serving(cluster, family, which=(0,)), Daemon(cluster.gateway, config=config) as daemon:
        wait_for(lambda: is_at(daemon, shortcut), "both interfaces are watched")
        with Client(cluster, family, port=BACKEND_PORT) as client:
            assert is_served(client, family, text)
        # Of 11,000 and more, a handshake, and what ends it.
        assert met(cluster.gateway) - before < 500
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_family
@each_hook
@each_ports
def test_datagrams_pass(lan, hook, family, ports):
    text = random.Random(family).randbytes(6000)        # in fragments
    config = policy([service(family, ports, "udp")], hook=hook)
    with serving(lan, family, "udp", (0,)), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config) as daemon:
        clients = [stack.enter_context(Client(lan, family, "udp", port=BACKEND_PORT))
                   for _ in range(20)]
        for client in clients:
            assert client.ask(b"first") == b"first" and client.ask(text) == text
            assert client.peer[0] == SERVICE[family] and client.peer[1] in STANDING
        rows = daemon.ask("flow", "list", "proto=udp")["flows"]
        assert {(row["src"], row["dst"]) for row in rows} == {(CLIENT[family], SERVICE[family])}


@each_family
@each_hook
@each_proto
def test_another_service_has_the_port(lan, hook, family, proto):
    """Whose own clients are not hidden."""
    one = {"name": "one", "address": ROUTER[family][0], "port": 80, "proto": proto,
           "source": SERVICE[family],
           "backends": [{"address": BACKENDS[family][0], "port": BACKEND_PORT}]}
    other = {**service(family, "all", proto), "backends": [{"address": BACKENDS[family][2]}]}
    other.pop("source")
    with serving(lan, family, proto, (0,)), \
            Daemon(lan.gateway, config=policy([other, one], hook=hook)), \
            Client(lan, family, proto, ROUTER[family][0]) as client:
        assert client.ask(b"x") == b"x" if proto == "udp" else client.echoes(b"x")
        assert client.peer[0] == SERVICE[family] and client.backend == BACKENDS[family][0]


def flows_of(daemon, source):
    return [row for row in daemon.ask("flow", "list", f"src={source}", "proto=udp")["flows"]
            if row["sport"] == BACKEND_PORT]


@each_family
@each_hook
def test_a_backend_that_asks_by_that_port_is_a_client(lan, hook, family):
    """The port stood for somebody whose flow is no more: what comes there is no answer."""
    own = BACKENDS[family][0]
    config = policy([service(family, "all", "udp")], hook=hook)
    with Daemon(lan.gateway, config=config) as daemon, \
            lan.backends.socket(family_kind(family), socket.SOCK_DGRAM) as backend, \
            lan.client.socket(family_kind(family), socket.SOCK_DGRAM) as client:
        backend.bind((own, BACKEND_PORT))
        backend.settimeout(10 * SLOWNESS)
        client.connect((SERVICE[family], BACKEND_PORT))
        client.send(b"ask")
        peer = backend.recvfrom(100)[1]
        assert peer[0] == SERVICE[family] and peer[1] in STANDING
        assert not flows_of(daemon, own)
        daemon.say("flow", "flush", "proto=udp")
        with lan.backends.socket(family_kind(family), socket.SOCK_DGRAM) as there:
            there.bind((own, peer[1]))
            there.settimeout(10 * SLOWNESS)
            for text in (b"begins", b"goes on"):
                backend.sendto(text, peer)
                data, whom = there.recvfrom(100)
                assert data == text and whom[0] == SERVICE[family] and whom[1] in STANDING
        row, = wait_for(lambda: flows_of(daemon, own), "its flow")
        assert (row["dst"], row["dport"]) == (SERVICE[family], peer[1])


@each_family
@each_hook
def test_errors_reach_both_sides(road, hook, family):
    config = policy([service(family, "all", "udp")], hook=hook)
    with Daemon(road.gateway, config=config), \
            Client(road, family, "udp", port=BACKEND_PORT) as client:
        asking(client.sock, family)
        client.sock.send(b"anyone there?")
        number, kind, _, by, about = told(client.sock, family)
        assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
        assert by == SERVICE[family] and about == (SERVICE[family], BACKEND_PORT)
        with road.backends.socket(family_kind(family), socket.SOCK_DGRAM) as backend:
            backend.bind((BACKENDS[family][0], BACKEND_PORT))
            backend.settimeout(10 * SLOWNESS)
            asking(backend, family)
            client.sock.send(b"and away")
            _, peer = backend.recvfrom(100)
            client.sock.close()
            backend.sendto(b"still there?", peer)
            number, kind, _, by, about = told(backend, family)
            assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
            assert by == SERVICE[family] and about == tuple(peer[:2])
