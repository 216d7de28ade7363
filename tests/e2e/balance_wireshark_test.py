# SPDX-License-Identifier: Apache-2.0
"""What leaves of services, on real stacks, as Wireshark sees it: every checksum is right and
nothing is malformed, by every way, of streams, datagrams, fragments, and errors."""
import contextlib
import random
import socket

import pytest

from harness.balanced import DIRECT_LINES, FAMILIES, direct_service, policy
from harness.cluster import (BACKEND_PORT, BACKENDS, PORT, ROUTER, SERVICE, Client, Cluster,
                             family_kind, serving)
from harness.daemon import Daemon
from harness.direct import COUNT, Direct
from harness.direct import serving as serving_direct
from harness.direct import wider
from harness.forwarded import is_at, met, sent_by_xdp, watch
from harness.kernel import hooks
from harness.stranger import polling
from harness.told import DISCOVER, EXCEEDED, TOO_BIG, UNREACHABLE, asking, told
from harness.wait import SLOWNESS, wait_for
from harness.wireshark import Capture, judged

QUIET = 81                      # a service whose backend may not listen
DATAGRAMS = 9090                # the backends' port of the one for datagrams
HOPS = {4: (socket.IPPROTO_IP, socket.IP_TTL),
        6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
NAMES = {4: "icmp", 6: "icmpv6"}
LENGTHS = (1, 2, 3, 64, 535, 536, 1001, 1400)
NARROW = 1400
LEAST = 5                       # packets that a shortcut sends on: nearly all of them


def told_once(sock, family, kind):
    assert told(sock, family)[1] == kind[family]


@contextlib.contextmanager
def talking(place, family, address, port=PORT):
    """A datagram socket that hears errors."""
    with place.socket(family_kind(family), socket.SOCK_DGRAM) as sock:
        sock.settimeout(10 * SLOWNESS)
        sock.connect((address, port))
        yield asking(sock, family)


def streams_and_datagrams(cluster, family):
    drawn = random.Random(family)
    with Client(cluster, family) as client:
        for length in LENGTHS:
            assert client.echoes(drawn.randbytes(length))
    with Client(cluster, family, "udp") as client:
        for length in (*LENGTHS, 5001):
            text = drawn.randbytes(length)
            assert client.ask(text) == text


def expired(cluster, family, port=PORT):
    with talking(cluster.client, family, SERVICE[family], port) as sock:
        sock.setsockopt(*HOPS[family], 1)
        sock.send(b"how far?")
        told_once(sock, family, EXCEEDED)


def refused_by_client(cluster, place, address, family):
    """The backend's answer comes when the client is gone."""
    with place.socket(family_kind(family), socket.SOCK_DGRAM) as backend:
        backend.bind((address, BACKEND_PORT if address != SERVICE[family] else QUIET))
        backend.settimeout(10 * SLOWNESS)
        asking(backend, family)
        with talking(cluster.client, family, SERVICE[family], QUIET) as sock:
            sock.send(b"and away")
            _, peer = backend.recvfrom(100)
        backend.sendto(b"still there?", peer)
        told_once(backend, family, UNREACHABLE)


def is_right(verdict, errors, least=10):
    assert not verdict.complaints
    # What was not looked at cannot be wrong.
    assert all(verdict.good[name] >= least for name in ("ip", "tcp", "udp")), verdict.good
    missing = [row for row in errors if row not in verdict.errors]
    assert not missing, (missing, verdict.errors)
    for name in ("icmp", "icmpv6"):
        assert verdict.good[name] >= sum(row[0] == name for row in errors)


def of_kinds(*kinds):
    return [(NAMES[family], kind[family][0]) for kind in kinds for family in FAMILIES]


# --- NAT -----------------------------------------------------------------------------------------

WAYS = {"tc": "tc", "behind xdp": "xdp-generic", "shortcut tc": "tc", "shortcut xdp": "xdp"}


def nat_service(name, family, port, proto, backend_port, which, hidden):
    return {"name": f"{name}{family}", "address": SERVICE[family], "port": port, "proto": proto,
            "backends": [{"address": BACKENDS[family][index], "port": backend_port}
                         for index in which],
            **({"source": ROUTER[family][1]} if hidden else {})}


def nat_config(way, hidden):
    services = [nat_service(*row, hidden) for family in FAMILIES for row in (
        ("stream", family, PORT, "tcp", BACKEND_PORT, range(3)),
        ("datagram", family, PORT, "udp", DATAGRAMS, range(3)),
        ("quiet", family, QUIET, "udp", BACKEND_PORT, (0,)))]
    shortcut = {"shortcut": way.split()[1]} if "shortcut" in way else {}
    return policy(services, hook=WAYS[way], **shortcut)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        made.gateway.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        watch(made.gateway)
        yield made


def nat_errors(cluster, family):
    expired(cluster, family)
    with talking(cluster.client, family, SERVICE[family], QUIET) as sock:
        sock.send(b"anyone there?")
        told_once(sock, family, UNREACHABLE)
    refused_by_client(cluster, cluster.backends, BACKENDS[family][0], family)
    cluster.gateway.run("ip", "link", "set", "wan", "mtu", NARROW)
    try:
        with talking(cluster.client, family, SERVICE[family], QUIET) as sock:
            sock.setsockopt(*DISCOVER[family])
            sock.send(bytes(NARROW))
            told_once(sock, family, TOO_BIG)
    finally:
        cluster.gateway.run("ip", "link", "set", "wan", "mtu", 1500)
        cluster.client.run("ip", f"-{family}", "route", "flush", "cache")


def translated(cluster, daemon, way):
    """Streams and datagrams, past the kernel or not, as it should be."""
    if "shortcut" in way:
        wait_for(lambda: is_at(daemon, way.split()[1]), "the interfaces are where it begins")
    before = met(cluster.gateway), sent_by_xdp(cluster.gateway, "wan")
    for family in FAMILIES:
        streams_and_datagrams(cluster, family)
    count = daemon.status()["balance"]
    past = count["to_backends"] + count["to_clients"] - (met(cluster.gateway) - before[0])
    sent = sent_by_xdp(cluster.gateway, "wan") - before[1]
    assert (past >= LEAST) == ("shortcut" in way) and (sent >= LEAST) == (way == "shortcut xdp")


@pytest.mark.parametrize("hidden", (False, True), ids=("seen", "hidden"))
@pytest.mark.parametrize("way", hooks(*WAYS))
def test_translated_packets_are_right(cluster, way, hidden):
    with contextlib.ExitStack() as stack:
        for station in (cluster.client, cluster.backends) if way == "shortcut xdp" else ():
            stack.enter_context(polling(station, "eth0"))
        for family in FAMILIES:
            stack.enter_context(serving(cluster, family))
            stack.enter_context(serving(cluster, family, "udp", port=DATAGRAMS))
        daemon = stack.enter_context(Daemon(cluster.gateway, config=nat_config(way, hidden)))
        places = [stack.enter_context(Capture(place, "eth0"))
                  for place in (cluster.client, cluster.backends)]
        translated(cluster, daemon, way)
        for family in FAMILIES:
            nat_errors(cluster, family)
        to_client, to_backends = judged(*(place.frames() for place in places))
    is_right(to_client, of_kinds(EXCEEDED, UNREACHABLE, TOO_BIG))
    is_right(to_backends, of_kinds(UNREACHABLE))


# --- DSR -----------------------------------------------------------------------------------------

# Of the outer family, None: the service's. What stands before a TCP segment of IPv4.
DIRECT = {("l2", None): "eth:ethertype:ip:tcp", ("ipip", 4): "eth:ethertype:ip:ip:tcp",
          ("ipip", 6): "eth:ethertype:ipv6:ip:tcp", ("gue", 4): "eth:ethertype:ip:udp:ip:tcp",
          ("gue", 6): "eth:ethertype:ipv6:udp:ip:tcp"}


def services_of(way):
    return [direct_service(family, way, f"{name}{family}", port, proto, weights=(1,) * count)
            for family in FAMILIES for name, port, proto, count in (
                ("stream", PORT, "tcp", COUNT), ("datagram", PORT, "udp", COUNT),
                ("quiet", QUIET, "udp", 1))]


@pytest.fixture(scope="module")
def direct():
    with Direct() as made, made.unwrapping():
        yield made


def too_long(cluster, family):
    """Segments as long as the client's own link takes."""
    with Client(cluster, family) as client:
        assert client.echoes(random.Random(family).randbytes(20000))
    cluster.client.run("ip", f"-{family}", "route", "flush", "cache")


def carried(direct, daemon, hook):
    """Streams and datagrams, sent on from XDP or not, as it should be."""
    if hook == "xdp":
        wait_for(lambda: is_at(daemon, hook), "the interfaces are where it begins")
    before = sent_by_xdp(direct.gateway, *DIRECT_LINES[1:])
    with wider(direct):
        for family in FAMILIES:
            streams_and_datagrams(direct, family)
    sent = sent_by_xdp(direct.gateway, *DIRECT_LINES[1:]) - before
    assert sent >= LEAST if hook == "xdp" else not sent


@pytest.mark.parametrize("way", DIRECT, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
@pytest.mark.parametrize("hook", hooks("tc", "xdp"))
def test_carried_packets_are_right(direct, hook, way):
    """At XDP by the shortcut: without it what comes by XDP goes to backends from TC."""
    with contextlib.ExitStack() as stack:
        for member in direct.members if hook == "xdp" else ():
            stack.enter_context(polling(member, "front"))
        for family in FAMILIES:
            for proto in ("tcp", "udp"):
                stack.enter_context(serving_direct(direct, family, proto))
        shortcut = {"shortcut": "xdp"} if hook == "xdp" else {}
        text = policy(services_of(way), DIRECT_LINES, hook, **shortcut)
        daemon = stack.enter_context(Daemon(direct.gateway, config=text))
        told_client = stack.enter_context(Capture(direct.client, "eth0"))
        fronts = [stack.enter_context(Capture(made, "front")) for made in direct.members]
        carried(direct, daemon, hook)
        for family in FAMILIES:
            too_long(direct, family)
            expired(direct, family)
            refused_by_client(direct, direct.members[0], SERVICE[family], family)
        to_client, to_backends = judged(
            told_client.frames(), [frame for place in fronts for frame in place.frames()])
        assert bool(daemon.status()["balance"]["too_big"]) == (way[0] != "l2")
    assert not to_client.complaints
    kinds = (EXCEEDED,) if way[0] == "l2" else (EXCEEDED, TOO_BIG)
    assert set(of_kinds(*kinds)) <= set(to_client.errors)
    is_right(to_backends, of_kinds(UNREACHABLE))
    assert to_backends.layers[DIRECT[way]] + to_backends.layers[DIRECT[way] + ":data"] >= 10
