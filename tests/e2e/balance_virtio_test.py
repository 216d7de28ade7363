# SPDX-License-Identifier: Apache-2.0
"""A virtual machine asks services of its host. Checksums that it leaves to its card, and segments
still to be cut, are whole where backends get them, by NAT and DSR and every way; and what backends
leave undone comes to the guest as it must, by what it has agreed to."""
import collections
import contextlib
import random

import pytest

from e2e.balance_wireshark_test import DIRECT, is_right, streams_and_datagrams
from harness.balanced import DIRECT_LINES, FAMILIES, direct_service, echo, policy
from harness.cluster import ROUTER, Client, Cluster, serving
from harness.daemon import Daemon
from harness.direct import Direct, wider
from harness.direct import serving as serving_direct
from harness.forwarded import met, sent_by_xdp, watch
from harness.kernel import BEHIND_XDP
from harness.stranger import polling
from harness.virtio import HAS_USO, NEEDS_CSUM, TCPV4, TCPV6, UDP_L4, Guest, finished
from harness.wait import wait_for
from harness.wireshark import Capture, judged

STREAM_BYTES = 200000
SOL_UDP, UDP_SEGMENT = 17, 103
PROTOS = ("tcp", "udp")
WAYS = {"tc": "tc", "xdp": "xdp", "generic": "xdp-generic", "shortcut-tc": "tc",
        "shortcut-xdp": "xdp"}
MODES = {"tc": ("tcx", "clsact"), "xdp": ("xdp native",), "xdp-generic": ("xdp generic",)}


def needs(way):
    return () if WAYS[way] == "tc" else BEHIND_XDP


@contextlib.contextmanager
def running(cluster, way, services, lines):
    shortcut = {"shortcut": way.removeprefix("shortcut-")} if "-" in way else {}
    text = policy(services, lines, WAYS[way], **shortcut)
    with Daemon(cluster.gateway, config=text) as daemon:
        wait_for(lambda: all(row["mode"] in MODES[WAYS[way]]
                             for row in daemon.status()["interfaces"]), "where they should be")
        yield daemon


def leave(station, what):
    """Whether a station's card is to finish what it sends."""
    words = ("tx", "on", "tso", "on") if what == "undone" else ("tx", "off")
    station.run("ethtool", "-K", "eth0", *words)


def long_stream(cluster, family):
    with Client(cluster, family) as client:
        assert client.echoes(random.Random(family).randbytes(STREAM_BYTES))


def cut_datagrams(cluster, family):
    """Handed over in one, for the card to make five of."""
    text = random.Random(family).randbytes(4500)
    with Client(cluster, family, "udp") as client:
        client.sock.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
        client.sock.send(text)
        got = [client.sock.recv(65535).split(b"\n", 1)[1] for _ in range(5)]
    assert sorted(got) == sorted(text[at:at + 1000] for at in range(0, 5000, 1000))


def talk(cluster):
    for family in FAMILIES:
        streams_and_datagrams(cluster, family)
        long_stream(cluster, family)
        if HAS_USO:
            cut_datagrams(cluster, family)


def kinds(rows):
    """How many frames bear each mark of virtio's."""
    found = collections.Counter(row.gso_type for row in rows)
    found["undone"] = sum(bool(row.flags & NEEDS_CSUM) for row in rows)
    return found


def was_undone(rows):
    """The guest has left all of it to the card, or the test proves nothing."""
    found = kinds(rows)
    wanted = ("undone", TCPV4, TCPV6, *((UDP_L4,) if HAS_USO else ()))
    assert all(found[kind] for kind in wanted), found


def was_whole(rows, late=0):
    """But for so many that end what was there before."""
    found = kinds(rows)
    assert found["undone"] <= late and not {TCPV4, TCPV6, UDP_L4} & set(found), found


# --- NAT -----------------------------------------------------------------------------------------

class GuestCluster(Guest, Cluster):
    """Its guest takes all that it may leave undone itself."""


@pytest.fixture(scope="module")
def cluster():
    with GuestCluster() as made, polling(made.backends, "eth0"):
        watch(made.gateway)
        yield made


def translating(cluster, way, hidden=False):
    services = [{**echo(family, proto=proto), "name": f"{proto}{family}",
                 **({"source": ROUTER[family][1]} if hidden else {})}
                for family in FAMILIES for proto in PROTOS]
    return running(cluster, way, services, ("lan", "wan"))


@contextlib.contextmanager
def answering(cluster):
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            for proto in PROTOS:
                stack.enter_context(serving(cluster, family, proto))
        yield


def whole_ones(cluster, daemon, way):
    """Of both stations; by a shortcut they go past the kernel."""
    leave(cluster.client, "whole")
    leave(cluster.backends, "whole")
    before, through = passed(cluster, daemon)
    talk(cluster)
    by_kernel, packets = passed(cluster, daemon)
    assert "shortcut" not in way or by_kernel - before < (packets - through) * 9 / 10


def passed(cluster, daemon):
    """Packets that the kernel has forwarded, and all there were."""
    count = daemon.status()["balance"]
    return met(cluster.gateway), count["to_backends"] + count["to_clients"]


# From behind XDP both ends are translated at TC.
TRANSLATED = [*((way, False) for way in WAYS),
              *((way, True) for way in ("tc", "shortcut-tc", "shortcut-xdp"))]


@pytest.mark.parametrize("way, hidden", [pytest.param(
    way, hidden, id=f"{way}-{'hidden' if hidden else 'seen'}", marks=needs(way))
    for way, hidden in TRANSLATED])
def test_translated_packets_are_right(cluster, way, hidden):
    with answering(cluster), translating(cluster, way, hidden) as daemon, \
            Capture(cluster.backends, "eth0") as backends:
        cluster.link.take()
        for answers in ("undone", "whole"):
            leave(cluster.client, "undone")
            leave(cluster.backends, answers)
            talk(cluster)
        sent, got = cluster.link.take()
        was_undone(sent)
        assert kinds(got)["undone"] >= 10
        whole_ones(cluster, daemon, way)
        more, last = cluster.link.take()
        was_whole(more, late=20)
        to_guest, to_backends = judged([finished(row) for row in got + last], backends.frames())
    is_right(to_guest, [])
    is_right(to_backends, [])


@pytest.mark.parametrize("way", ("tc", "shortcut-tc"))
def test_segments_to_be_cut_pass_in_one(cluster, way):
    """To the guest too, who has said that it takes them."""
    leave(cluster.client, "undone")
    leave(cluster.backends, "undone")
    with answering(cluster), translating(cluster, way) as daemon:
        before, _ = passed(cluster, daemon)
        cluster.link.take()
        for family in FAMILIES:
            long_stream(cluster, family)
        sent, got = cluster.link.take()
        by_kernel = passed(cluster, daemon)[0] - before
    for rows in (sent, got):
        assert kinds(rows)[TCPV4] and kinds(rows)[TCPV6]
    assert way == "tc" or by_kernel < (len(sent) + len(got)) * 9 / 10


class PlainCluster(Guest, Cluster):
    """Its guest takes nothing that is not whole."""
    takes = 0


@pytest.mark.parametrize("way", ("tc", "shortcut-tc"))
def test_guest_that_takes_nothing_undone_gets_it_whole(way):
    with PlainCluster() as made, answering(made), translating(made, way):
        leave(made.backends, "undone")
        made.link.take()
        talk(made)
        sent, got = made.link.take()
    was_undone(sent)
    was_whole(got)
    to_guest, = judged([row.frame for row in got])
    is_right(to_guest, [])


# --- DSR -----------------------------------------------------------------------------------------

class GuestDirect(Guest, Direct):
    """Backends answer the guest by another device of its."""


@pytest.fixture(scope="module")
def direct():
    with GuestDirect() as made, made.unwrapping(), contextlib.ExitStack() as stack:
        for member in made.members:
            stack.enter_context(polling(member, "front"))
        yield made


def too_long(cluster, family):
    """A tunnel takes less than the guest's link."""
    long_stream(cluster, family)
    cluster.client.run("ip", f"-{family}", "route", "flush", "cache")


# Headers are put before packets at TC, or by the shortcut at XDP. The others hand them on to TC.
CARRIED = [*((way, forward) for way in ("tc", "shortcut-xdp") for forward in DIRECT),
           ("shortcut-tc", ("l2", None)), ("generic", ("gue", 4)), ("xdp", ("ipip", 6))]


@pytest.mark.parametrize("way, forward", [pytest.param(
    way, forward, id=f"{way}-{forward[0]}-{forward[1] or 'same'}", marks=needs(way))
    for way, forward in CARRIED])
def test_carried_packets_are_right(direct, way, forward):
    services = [direct_service(family, forward, f"{proto}{family}", proto=proto)
                for family in FAMILIES for proto in PROTOS]
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            for proto in PROTOS:
                stack.enter_context(serving_direct(direct, family, proto))
        stack.enter_context(running(direct, way, services, DIRECT_LINES))
        fronts = [stack.enter_context(Capture(made, "front")) for made in direct.members]
        direct.link.take()
        with wider(direct):
            for what in ("undone", "whole"):
                leave(direct.client, what)
                before = sent_by_xdp(direct.gateway, *DIRECT_LINES[1:])
                talk(direct)
        by_xdp = sent_by_xdp(direct.gateway, *DIRECT_LINES[1:]) - before
        assert by_xdp >= 10 if way == "shortcut-xdp" else not by_xdp
        leave(direct.client, "undone")
        for family in FAMILIES:
            too_long(direct, family)
        sent, got = direct.link.take()
        to_guest, to_backends = judged([finished(row) for row in got],
                                       [frame for place in fronts for frame in place.frames()])
    was_undone(sent)
    assert not to_guest.complaints
    is_right(to_backends, [])
    assert to_backends.layers[DIRECT[forward]] + to_backends.layers[DIRECT[forward] + ":data"] >= 10
