# SPDX-License-Identifier: Apache-2.0
"""ICMP errors about connections to a service: each side hears of them under the addresses that it
knows, so its stack believes them."""
import errno
import json
import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPerror6, IPv6
from scapy.layers.l2 import Ether

from e2e.balance_test import FAMILIES, HOOKS, config, watched
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster,
                             serving)
from harness.wait import wait_for

ONLY = {4: BACKENDS[4][0], 6: BACKENDS[6][0]}
NARROW = 1400
DISCOVER = {4: (socket.IPPROTO_IP, 10, 2), 6: (socket.IPPROTO_IPV6, 23, 2)}     # IP_PMTUDISC_DO


@pytest.fixture
def cluster():
    with Cluster() as made:
        yield made


def narrow(cluster, *devices):
    for place, device in devices:
        getattr(cluster, place).run("ip", "link", "set", device, "mtu", NARROW)


def sniffer(place, device):
    sock = place.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 0))
    sock.settimeout(5)
    return sock


def errors_of(sock, family):
    """The ICMP errors that come by, until there is one."""
    while True:
        frame = Ether(sock.recv(65535))
        if family == 4 and ICMP in frame and frame[ICMP].type == 3:
            return frame
        if family == 6 and (ICMPv6DestUnreach in frame or ICMPv6PacketTooBig in frame):
            return frame


def is_whole(frame, family):
    """Each checksum is what scapy computes anew."""
    ip = IP if family == 4 else IPv6
    layer = ICMP if family == 4 else type(frame[IPv6].payload)
    before = frame[ip].copy()
    after = before.copy()
    sum_field = "chksum" if family == 4 else "cksum"
    delattr(after[layer], sum_field)
    if family == 4:
        del after[IP].chksum
    after = ip(bytes(after))
    same = getattr(before[layer], sum_field) == getattr(after[layer], sum_field)
    return same and (family == 6 or before[IP].chksum == after[IP].chksum)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_port_that_nobody_listens_at_is_told_in_the_services_name(cluster, hook, family):
    text = config(family, (1, None, None), proto="udp", hook=hook)
    with watched(cluster, text) as daemon, sniffer(cluster.client, "eth0") as wire, \
            Client(cluster, family, "udp") as client:
        with pytest.raises(ConnectionRefusedError):
            client.ask(b"is anybody there")
        frame = errors_of(wire, family)
        inner = frame[IPerror] if family == 4 else frame[IPerror6]
        assert (frame[IP if family == 4 else IPv6].src, inner.dst, frame[UDPerror].dport) == (
            SERVICE[family], SERVICE[family], PORT)
        assert is_whole(frame, family)
        assert not [name for name in daemon.reasons() if name.startswith("drop")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_path_that_is_too_narrow_behind_is_told_to_the_client(cluster, hook, family):
    narrow(cluster, ("gateway", "wan"), ("backends", "eth0"))
    with serving(cluster, family, "udp"), serving(cluster, family, port=BACKEND_PORT), \
            watched(cluster, config(family, (1, None, None), proto="udp", hook=hook)) as daemon:
        with Client(cluster, family, "udp") as client:
            assert client.ask(b"short") == b"short"
            level, option, value = DISCOVER[family]
            client.sock.setsockopt(level, option, value)
            client.sock.send(b"x" * (NARROW + 20))

            def is_refused():
                try:
                    client.sock.send(b"x" * (NARROW + 20))
                except OSError as error:
                    return error.errno == errno.EMSGSIZE
                return False
            wait_for(is_refused, "the client knows the path")
        daemon.apply(config(family, (1, None, None), hook=hook))
        cluster.client.run("ip", f"-{family}", "route", "flush", "cache")
        with Client(cluster, family) as client:
            assert client.echoes(b"z" * (4 << 20))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_path_that_is_too_narrow_before_is_told_to_the_backend(cluster, hook, family):
    """The error is the client's router's, which knows the service alone."""
    with serving(cluster, family), \
            watched(cluster, config(family, (1, None, None), hook=hook)), \
            sniffer(cluster.backends, "eth0") as wire, Client(cluster, family) as client:
        ip = IP if family == 4 else IPv6
        sent = ip(src=SERVICE[family], dst=CLIENT[family]) / TCP(
            sport=PORT, dport=client.own[1], seq=1, ack=1, flags="A") / (b"y" * 100)
        error = ip(src=CLIENT[family], dst=SERVICE[family]) / (
            ICMP(type=3, code=4, nexthopmtu=1300) if family == 4 else
            ICMPv6PacketTooBig(mtu=1300)) / ip(bytes(sent))
        shown = cluster.gateway.run("ip", "-j", "link", "show", "lan").stdout
        mac = json.loads(shown)[0]["address"]
        with cluster.client.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind(("eth0", 0))
            out.send(bytes(Ether(dst=mac) / error))
        frame = errors_of(wire, family)
        inner = frame[IPerror] if family == 4 else frame[IPerror6]
        assert (frame[ip].dst, inner.src, inner.dst) == (ONLY[family], ONLY[family],
                                                         CLIENT[family])
        assert (frame[TCPerror].sport, frame[TCPerror].dport) == (BACKEND_PORT, client.own[1])
        assert is_whole(frame, family)
        assert client.echoes(b"and on" * 1000)
