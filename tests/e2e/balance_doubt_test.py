# SPDX-License-Identifier: Apache-2.0
"""`shortcut` in doubt: a packet of an established connection that a hook cannot or must not send on
itself is forwarded by the kernel, or answered by it, as without the shortcut."""
import contextlib
import json
import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from e2e.balance_shortcut_test import each_family, watched
from harness.cluster import BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster, serving
from harness.forwarded import each_shortcut, met, watch
from harness.told import DISCOVER, EXCEEDED, TOO_BIG, asking, told
from harness.wait import wait_for
from harness.wire import packet_socket

HOPS = {4: (socket.IPPROTO_IP, socket.IP_TTL),
        6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
NARROW = 1400
BURST = 5


@pytest.fixture
def cluster():
    with Cluster() as made:
        ready(made)
        watch(made.gateway)
        made.gateway.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        yield made


def ready(cluster):
    """A veth takes what XDP sends it while its other end has NAPI."""
    for station in (cluster.client, cluster.backends):
        station.run("ethtool", "-K", "eth0", "gro", "on", "tx", "off")


@contextlib.contextmanager
def speaking(cluster, shortcut, family):
    """A client whose datagrams go past the kernel."""
    with serving(cluster, family, "udp"), watched(cluster, shortcut, family, proto="udp"), \
            Client(cluster, family, "udp") as client:
        assert client.ask(b"first") == b"first"
        wait_for(lambda: goes_past(cluster, client), "it goes past the kernel")
        yield client


def goes_past(cluster, client, text=b"past?"):
    """Some of several at once: one a second to each neighbour does not, and a busy machine counts
    seldom."""
    before = met(cluster.gateway)
    assert [client.ask(text) for _ in range(BURST)] == [text] * BURST
    return met(cluster.gateway) < before + BURST


def goes_by_kernel(cluster, client, text=b"by the kernel?"):
    before = met(cluster.gateway)
    assert client.ask(text) == text
    return met(cluster.gateway) > before


@each_shortcut
@each_family
def test_tagged_packet_goes_by_the_kernel(cluster, shortcut, family):
    """With tag 0, which says a priority alone, so that the kernel takes it without any device."""
    with speaking(cluster, shortcut, family) as client:
        before = met(cluster.gateway)
        head = (IP if family == 4 else IPv6)(src=CLIENT[family], dst=SERVICE[family])
        frame = Ether(src=mac(cluster.client), dst=mac(cluster.gateway, "lan")) / Dot1Q(
            vlan=0, prio=3) / head / UDP(sport=client.own[1], dport=PORT) / Raw(b"tagged")
        with contextlib.closing(packet_socket(cluster.client, "eth0", 0)) as wire:
            wire.send(bytes(frame))
        assert client.sock.recv(1000).endswith(b"\ntagged")
        assert met(cluster.gateway) > before


def test_frame_for_another_is_not_sent_on(cluster):
    """As a bridge or whoever listens to all hands it on; the kernel drops it."""
    with speaking(cluster, "tc", 4) as client:
        cluster.gateway.run("ip", "link", "set", "lan", "promisc", "on")
        head = IP(src=CLIENT[4], dst=SERVICE[4]) / UDP(sport=client.own[1], dport=PORT)
        frames = [Ether(src=mac(cluster.client), dst=dst) / head / Raw(text) for dst, text in (
            ("02:00:00:00:66:66", b"another's"), (mac(cluster.gateway, "lan"), b"ours"))]
        with contextlib.closing(packet_socket(cluster.client, "eth0", 0)) as wire:
            for frame in frames:
                wire.send(bytes(frame))
        assert client.sock.recv(1000).endswith(b"\nours")


def mac(station, device="eth0"):
    return json.loads(station.run("ip", "-j", "link", "show", device).stdout)[0]["address"]


@each_shortcut
@each_family
def test_who_has_no_hop_left_is_told(cluster, shortcut, family):
    with speaking(cluster, shortcut, family) as client:
        asking(client.sock, family).setsockopt(*HOPS[family], 1)
        client.sock.send(b"how far?")
        _, kind, _, _, about = told(client.sock, family)
        assert kind == EXCEEDED[family] and about == (SERVICE[family], PORT)


def narrow_device(cluster, family):
    for place, device in ((cluster.gateway, "wan"), (cluster.backends, "eth0")):
        place.run("ip", "link", "set", device, "mtu", NARROW)


def narrow_route(cluster, family):
    for address in BACKENDS[family]:
        cluster.gateway.run("ip", f"-{family}", "route", "add", address, "dev", "wan", "mtu",
                            "lock", NARROW)


@each_shortcut
@each_family
@pytest.mark.parametrize("narrow", (narrow_device, narrow_route))
def test_what_is_too_big_for_a_path_is_told_or_cut(cluster, shortcut, family, narrow):
    with speaking(cluster, shortcut, family) as client:
        narrow(cluster, family)
        asking(client.sock, family).setsockopt(*DISCOVER[family])
        _, kind, mtu, _, about = told(client.sock, family, again=bytes(NARROW))
        assert (kind, mtu, about) == (TOO_BIG[family], NARROW, (SERVICE[family], PORT))
        client.sock.setsockopt(*DISCOVER[family][:2], 0)
        cluster.client.run("ip", f"-{family}", "route", "flush", "cache")
        if family == 4:     # which a router may cut
            wait_for(lambda: goes_by_kernel(cluster, client, bytes(NARROW)), "it is cut")
        wait_for(lambda: goes_past(cluster, client, bytes(1000)), "what fits goes past the kernel")


@each_shortcut
@each_family
def test_unknown_neighbour_is_asked_for(cluster, shortcut, family):
    with speaking(cluster, shortcut, family) as client:
        for device in ("lan", "wan"):
            cluster.gateway.run("ip", f"-{family}", "neigh", "flush", "dev", device)
            wait_for(lambda: goes_by_kernel(cluster, client), "it goes by the kernel")
            wait_for(lambda: goes_past(cluster, client), "it goes past the kernel")


def is_in_doubt(cluster, client):
    """Unused it gets stale, and stays so; used it is asked, once by then."""
    row, = json.loads(cluster.gateway.run("ip", "-s", "-j", "neigh", "show",
                                          client.backend).stdout)
    return row["state"] == ["STALE"] or row["probes"] == 1


def impatient(cluster, family):
    """The gateway asks its neighbours soon whether they are still there."""
    cluster.gateway.run("sysctl", "-qw", *(
        f"net.ipv{family}.neigh.wan.{name}" for name in (
            "base_reachable_time_ms=2500", "delay_first_probe_time=1", "retrans_time_ms=50")))
    cluster.gateway.run("ip", f"-{family}", "neigh", "flush", "dev", "wan")


@each_shortcut
@each_family
def test_neighbour_that_changes_is_found(cluster, shortcut, family):
    """Silently: nobody announces the new address, which only whoever asks for it learns."""
    with speaking(cluster, shortcut, family) as client:
        impatient(cluster, family)
        wait_for(lambda: goes_by_kernel(cluster, client), "it goes by the kernel")
        wait_for(lambda: client.ask(b"still here") and is_in_doubt(cluster, client),
                 "what was learned at first holds no more", 20)
        # Link down, or ARP switched off, would be heard of by some; this is by nobody.
        cluster.backends.run("ip", "link", "set", "eth0", "address", "02:00:00:00:77:01")
        client.sock.settimeout(0.1)

        def is_answered():
            with contextlib.suppress(TimeoutError):
                return client.ask(b"still there?") == b"still there?"

        wait_for(is_answered, "an answer from the new address", 15)


@each_shortcut
def test_interface_that_is_down_for_a_while(cluster, shortcut):
    with speaking(cluster, shortcut, 4) as client:
        asking(client.sock, 4)
        cluster.gateway.run("ip", "link", "set", "wan", "down")
        # Net unreachable: there is no route.
        assert told(client.sock, 4, again=b"nobody there")[1] == (3, 0)
        cluster.gateway.run("ip", "link", "set", "wan", "up")
        wait_for(lambda: client.ask(b"back?") == b"back?", "it is answered")
        wait_for(lambda: goes_past(cluster, client), "it goes past the kernel")


@each_shortcut
def test_interface_that_is_made_anew(cluster, shortcut):
    with speaking(cluster, shortcut, 4) as client:
        asking(client.sock, 4)
        cluster.unplug("wan")
        assert told(client.sock, 4, again=b"nobody there")[1] == (3, 0)
        cluster.plug("wan")
        ready(cluster)
        assert client.ask(b"back?") == b"back?"
        wait_for(lambda: goes_past(cluster, client), "it goes past the kernel")


MORE = (("ipproto", "udp"), ("sport", "9"), ("dport", "9-10"), ("fwmark", "7"),
        ("fwmark", "0x0/0x80"), ("tos", "0x10"))


@each_shortcut
@each_family
@pytest.mark.parametrize("rule", MORE, ids=" ".join)
def test_rules_by_more_than_addresses_leave_all_to_the_kernel(cluster, shortcut, family, rule):
    """None of these packets' own; the kernel alone tells."""
    def by_kernel(client):
        before = met(cluster.gateway)
        assert client.echoes(bytes(100_000))
        return met(cluster.gateway) - before > 50       # 200 kB are 138 packets and more

    words = ("ip", f"-{family}", "rule")
    rest = (*rule, "lookup", "77")
    with serving(cluster, family), watched(cluster, shortcut, family), \
            Client(cluster, family) as client:
        wait_for(lambda: not by_kernel(client), "packets go past the kernel")
        cluster.gateway.run(*words, "add", *rest)
        try:
            wait_for(lambda: by_kernel(client), "packets go by the kernel")
        finally:
            cluster.gateway.run(*words, "del", *rest)
        wait_for(lambda: not by_kernel(client), "packets go past the kernel again")
