# SPDX-License-Identifier: Apache-2.0
"""What leaves of packets to services and from backends, byte for byte, against scapy's own headers
and checksums; and what is no service's and leaves as it came."""
import contextlib
import json

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN)
from scapy.packet import Raw

from harness.balanced import FAMILIES
from harness.daemon import Daemon
from harness.gateway import Gateway
from harness.kernel import by_hook
from harness.wait import wait_for

CLIENT = {4: "198.18.0.7", 6: "2001:db8:a::7"}
ROUTER = {4: "198.18.9.9", 6: "2001:db8:a::99"}
SERVICE = {4: "198.19.0.100", 6: "2001:db8:b::100"}
BACKEND = {4: "198.19.0.10", 6: "2001:db8:b::10"}
BEHIND = {4: "198.19.9.9", 6: "2001:db8:b::99"}         # a router on the backends' side
STRANGER = {4: "198.18.0.66", 6: "2001:db8:a::66"}
PORT, BACKEND_PORT, OWN = 80, 8080, 40000
MORE = {4: {"": {}, "options": {"options": [IPOption_Router_Alert()]}},
        6: {"": (), "extensions": (IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]),
                                   IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]))}}


def config(family, hook):
    backends = [{"address": BACKEND[family], "port": BACKEND_PORT}]
    services = [{"name": proto, "address": SERVICE[family], "port": PORT, "proto": proto,
                 "backends": backends} for proto in ("tcp", "udp")]
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in ("left", "right")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps({'services': services})}\n")


@pytest.fixture(scope="module")
def gateway():
    with Gateway("bytes") as made:
        yield made


@pytest.fixture(scope="module", params=by_hook([(hook, family) for hook in ("tc", "xdp-generic")
                                                for family in FAMILIES]),
                ids=lambda row: "-".join(map(str, row)))
def balanced(request, gateway):
    """One daemon for all tests of a row: none of them changes what it is told."""
    hook, number = request.param
    with Daemon(gateway.inside, config=config(number, hook)) as gateway.daemon:
        yield number


@pytest.fixture
def family(gateway, balanced):
    """Without a flow, as each test begins."""
    gateway.daemon.say("flow", "flush", "--all")
    return balanced


def packet(src, dst, body, dress="", hops=64):
    family = 6 if ":" in src else 4
    more = MORE[family].get(dress) or {}
    if family == 4:
        return IP(src=src, dst=dst, ttl=hops, id=77, **more) / body
    head = IPv6(src=src, dst=dst, hlim=hops)
    for layer in more:
        head = head / layer.copy()
    return head / body


def passed(gateway, *rows):
    """(side, packet) each; what left, as (side, bytes)."""
    sent = [(side, bytes(one)) for side, one in rows]
    return [(row.side, row.packet) for row in gateway.pass_through(sent)]


def both_ways(family, make, dress=""):
    """Sent and expected, there and back. make(sport, dport, is_answer) gives a body."""
    client, service, backend = CLIENT[family], SERVICE[family], BACKEND[family]
    sent = [("left", packet(client, service, make(OWN, PORT, False), dress)),
            ("right", packet(backend, client, make(BACKEND_PORT, OWN, True), dress))]
    left = [("right", bytes(packet(client, backend, make(OWN, BACKEND_PORT, False), dress, 63))),
            ("left", bytes(packet(service, client, make(PORT, OWN, True), dress, 63)))]
    return sent, left


def udp(sport, dport, is_answer, **more):
    return UDP(sport=sport, dport=dport, **more) / Raw(b"answer" if is_answer else b"question")


def syn(sport, dport, is_answer):
    return TCP(sport=sport, dport=dport, flags="SA" if is_answer else "S", seq=7000 + is_answer,
               ack=7001 if is_answer else 0, window=65535,
               options=[("MSS", 1460), ("NOP", None), ("WScale", 7)])


def segment(seq, ack, payload=b"data"):
    return lambda sport, dport, is_answer: TCP(
        sport=sport, dport=dport, flags="PA", seq=ack if is_answer else seq,
        ack=seq + len(payload) if is_answer else ack, window=1000) / Raw(payload)


@pytest.mark.parametrize("dress", ("", "more"))
@pytest.mark.parametrize("kind", ("udp", "tcp"))
def test_ends_and_checksums_change_and_nothing_else(gateway, family, kind, dress):
    dress = {4: "options", 6: "extensions"}[family] if dress else ""
    for make in ((udp,) if kind == "udp" else (syn, segment(7001, 7002))):
        sent, left = both_ways(family, make, dress)
        assert passed(gateway, *sent) == left


def test_datagram_without_checksum_stays_without(gateway, family):
    """Over IPv6 too, where tunnels send such (RFC 6935)."""
    sent, left = both_ways(family, lambda *ends: udp(*ends, chksum=0))
    assert passed(gateway, *sent) == left


def test_checksum_of_zero_is_sent_as_ones(gateway, family):
    def make(payload):
        return UDP(sport=OWN, dport=BACKEND_PORT) / Raw(payload)

    plain = packet(CLIENT[family], BACKEND[family], make(bytes(2)), hops=63)
    payload = bytes(plain)[-4:-2]
    expected = bytes(packet(CLIENT[family], BACKEND[family], make(payload), hops=63))
    assert expected[-4:-2] == b"\xff\xff"
    sent = packet(CLIENT[family], SERVICE[family], UDP(sport=OWN, dport=PORT) / Raw(payload))
    assert passed(gateway, ("left", sent)) == [("right", expected)]


def fragments(family, src, dst, dport, hops=64, ident=77):
    """Two of one datagram, whose checksum is over both."""
    whole = packet(src, dst, UDP(sport=OWN, dport=dport) / Raw(bytes(range(64)) * 2), hops=hops)
    data = bytes(whole)[20 if family == 4 else 40:]
    parts = (data[:64], 0, 1), (data[64:], 8, 0)
    if family == 4:
        return [IP(src=src, dst=dst, ttl=hops, id=ident, proto=17, frag=at, flags=more) / Raw(part)
                for part, at, more in parts]
    return [IPv6(src=src, dst=dst, hlim=hops) /
            IPv6ExtHdrFragment(nh=17, id=ident, offset=at, m=more) / Raw(part)
            for part, at, more in parts]


def test_fragments_go_together(gateway, family):
    sent = fragments(family, CLIENT[family], SERVICE[family], PORT)
    left = fragments(family, CLIENT[family], BACKEND[family], BACKEND_PORT, 63)
    assert passed(gateway, *(("left", one) for one in sent)) == [
        ("right", bytes(one)) for one in left]


# --- errors --------------------------------------------------------------------------------------

def too_big(family):
    return (ICMP(type=3, code=4, nexthopmtu=1300) if family == 4 else
            ICMPv6PacketTooBig(mtu=1300))


def exceeded(family):
    return ICMP(type=11, code=0) if family == 4 else ICMPv6TimeExceeded(code=0)


def error(family, src, dst, about, make=too_big, hops=64):
    """`about`: source, source's port, destination, its port of the datagram it holds."""
    held = packet(about[0], about[2], UDP(sport=about[1], dport=about[3]) / Raw(b"quoted"))
    return packet(src, dst, make(family) / held, hops=hops)


def begun(gateway, family):
    sent, left = both_ways(family, udp)
    assert passed(gateway, *sent) == left


@pytest.mark.parametrize("make", (too_big, exceeded))
def test_error_of_the_clients_side_is_for_the_backend(gateway, family, make):
    begun(gateway, family)
    client, backend = CLIENT[family], BACKEND[family]
    for who in (ROUTER[family], client):
        sent = error(family, who, SERVICE[family], (SERVICE[family], PORT, client, OWN), make)
        left = error(family, who, backend, (backend, BACKEND_PORT, client, OWN), make, 63)
        assert passed(gateway, ("left", sent)) == [("right", bytes(left))]


@pytest.mark.parametrize("make", (too_big, exceeded))
def test_error_of_the_backends_side_is_of_the_service(gateway, family, make):
    begun(gateway, family)
    client, backend, service = CLIENT[family], BACKEND[family], SERVICE[family]
    for who, known_as in ((BEHIND[family], BEHIND[family]), (backend, service)):
        sent = error(family, who, client, (client, OWN, backend, BACKEND_PORT), make)
        left = error(family, known_as, client, (client, OWN, service, PORT), make, 63)
        assert passed(gateway, ("right", sent)) == [("left", bytes(left))]


def test_error_for_somebody_else_is_related_to_nothing(gateway, family):
    """An error is for who sent what it holds: anything else was made up."""
    begun(gateway, family)
    held = (CLIENT[family], OWN, BACKEND[family], BACKEND_PORT)
    sent = error(family, BEHIND[family], STRANGER[family], held)
    left = error(family, BEHIND[family], STRANGER[family], held, hops=63)
    before = gateway.daemon.reasons().get("pass_related", 0)
    assert passed(gateway, ("right", sent)) == [("left", bytes(left))]
    assert gateway.daemon.reasons().get("pass_related", 0) == before


# --- what is no service's ------------------------------------------------------------------------

def served(gateway):
    status = gateway.daemon.status()["balance"]
    return status["to_backends"], status["chosen"]


def leaves_as_it_came(gateway, sent, left):
    before = served(gateway)
    assert passed(gateway, ("left", sent)) == [("right", bytes(left))]
    assert served(gateway) == before


def echo(family):
    return ICMP(type=8, id=5, seq=1) if family == 4 else ICMPv6EchoRequest(id=5, seq=1)


@pytest.mark.parametrize("what", ("port", "protocol", "echo"))
def test_other_packets_to_the_address_are_left_alone(gateway, family, what):
    def body():
        if what == "echo":
            return echo(family)
        if what == "port":
            return UDP(sport=OWN, dport=PORT + 1) / Raw(b"no service")
        return Raw(b"\0\0\x08\0" + bytes(20))

    ends = CLIENT[family], SERVICE[family]
    sent, left = packet(*ends, body()), packet(*ends, body(), hops=63)
    if what == "protocol":
        for one in (sent, left):
            setattr(one, "proto" if family == 4 else "nh", 47)
    leaves_as_it_came(gateway, sent, left)


def test_later_fragment_without_its_first_is_left_alone_once_that_was_waited_for(gateway, family):
    def taken():
        with contextlib.suppress(BlockingIOError):
            return gateway.taken("right")

    ends, ident = (CLIENT[family], SERVICE[family], PORT), 78       # no other test's
    sent = fragments(family, *ends, ident=ident)[1]
    left = fragments(family, *ends, 63, ident)[1]
    before = served(gateway)
    assert passed(gateway, ("left", sent)) == []
    assert wait_for(taken, "it leaves").packet == bytes(left)
    assert served(gateway) == before


def test_segment_out_of_window_that_rules_let_pass_goes_where_its_connection_goes(gateway, family):
    """It is invalid, which is for rules to judge. To this host it would be of nothing, and what the
    host answers would reset the connection."""
    for make in (syn, segment(7001, 7002)):
        sent, left = both_ways(family, make)
        assert passed(gateway, *sent) == left
    sent, left = both_ways(family, segment(7001 + (1 << 30), 7002 + (1 << 30)))
    assert passed(gateway, sent[0]) == left[:1]
