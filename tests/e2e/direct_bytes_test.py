# SPDX-License-Identifier: Apache-2.0
"""What leaves for a backend that answers the client itself, byte for byte, against scapy: packets,
fragments, and errors for it; and what its clients are told of packets that cannot go on."""
import json
import pathlib
import sys

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.packet import Raw

from e2e.balance_bytes_test import (BACKEND, CLIENT, OWN, PORT, ROUTER, SERVICE, error, exceeded,
                                    fragments, packet, passed, segment, syn, too_big, udp)
from harness.daemon import Daemon
from harness.far_gateway import FarGateway
from harness.gateway import MTU, Gateway
from harness.kernel import by_hook

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
from encap_frames import GUE, IPIP, L2, around, flow_hash, one_hop_on  # noqa: E402
from nat_frames import Ends  # noqa: E402

SOURCE = {4: "198.19.77.1", 6: "2001:db8:b:77::1"}
WAYS = {"l2": (L2, None), "ipip-4": (IPIP, 4), "ipip-6": (IPIP, 6), "gue-4": (GUE, 4),
        "gue-6": (GUE, 6)}
HEADERS = {(L2, None): 0, (IPIP, 4): 20, (IPIP, 6): 40, (GUE, 4): 28, (GUE, 6): 48}
QUOTED = 128        # docs/user/reject.md


def config(family, hook, forward, outer):
    services = [{"name": proto, "address": SERVICE[family], "port": PORT, "proto": proto,
                 "forward": forward, "backends": [{"address": BACKEND[outer or family]}]}
                for proto in ("tcp", "udp")]
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in ("left", "right")]
    section = {"services": services, "tunnel-source": SOURCE[4],
               "tunnel-source6": SOURCE[6], "shortcut": "xdp" if hook == "xdp" else "none"}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps(section)}\n")


@pytest.fixture(scope="module")
def gateways():
    """By whether XDP sends on, which is seen at the far end alone."""
    with Gateway("direct") as near, FarGateway("direct") as far:
        yield {False: near, True: far}


@pytest.fixture(scope="module",
                params=by_hook([(hook, family, name) for hook in ("tc", "xdp-generic", "xdp")
                                for family in (4, 6) for name in WAYS]),
                ids=lambda row: "-".join(map(str, row)))
def row(request):
    return request.param


@pytest.fixture(scope="module")
def gateway(gateways, row):
    return gateways[row[0] == "xdp"]


class Sent:
    """A service of one family, whose backend is reached so."""

    def __init__(self, gateway, family, name):
        self.gateway, self.family = gateway, family
        self.forward, self.outer = WAYS[name]
        self.room = HEADERS[WAYS[name]]

    def left(self, sent, ports=(OWN, PORT), proto=17, src=None):
        """What leaves of it. `ports`: those the flow is known by."""
        on = one_hop_on(bytes(sent))
        if self.forward == L2:
            return "right", on
        ends = Ends(src or CLIENT[self.family], SERVICE[self.family], *ports)
        number = flow_hash(ends, proto, any(ports))
        return "right", around(on, self.forward, (SOURCE[self.outer], BACKEND[self.outer]), number)

    def packet(self, body, dress="", hops=64, src=None):
        return packet(src or CLIENT[self.family], SERVICE[self.family], body, dress, hops)

    def counted(self, name):
        return self.gateway.daemon.status()["balance"][name]

    def egress(self):
        rows = self.gateway.daemon.status()["interfaces"]
        return next(row for row in rows if row["name"] == "right")["egress_counts"]

    def begin(self):
        sent = self.packet(udp(OWN, PORT, False))
        assert passed(self.gateway, ("left", sent)) == [self.left(sent)]


@pytest.fixture(scope="module")
def balancing(gateway, row):
    """One daemon for all tests of a row: none of them changes what it is told."""
    hook, family, name = row
    text = config(family, hook, name.split("-")[0], WAYS[name][1])
    with Daemon(gateway.inside, config=text) as gateway.daemon:
        yield Sent(gateway, family, name)


@pytest.fixture
def way(balancing):
    """Without a flow, as each test begins."""
    balancing.gateway.daemon.say("flow", "flush", "--all")
    return balancing


@pytest.mark.parametrize("dress", ("", "more"))
def test_packet_is_carried_as_it_was(gateway, way, dress):
    dress = {4: "options", 6: "extensions"}[way.family] if dress else ""
    sent = [way.packet(body, dress) for body in (
        udp(OWN, PORT, False), udp(OWN, PORT, False, chksum=0), syn(OWN, PORT, False),
        segment(7001, 7002)(OWN, PORT, False), segment(7005, 7002)(OWN, PORT, False))]
    left = [way.left(one, proto=17 if UDP in one else 6) for one in sent]
    way.begin()
    before = way.counted("to_backends")
    if isinstance(gateway, FarGateway):
        gateway.by_kernel()
    assert passed(gateway, *(("left", one) for one in sent)) == left
    assert way.counted("to_backends") - before == len(sent)
    if isinstance(gateway, FarGateway):
        # One a second is the kernel's, for the neighbour's sake.
        assert gateway.by_kernel() in ((len(sent),) if dress else (0, 1))


def test_bytes_that_left_are_counted_where_they_leave(gateway, way):
    sent = [way.packet(udp(OWN, PORT, False)), way.packet(segment(7005, 7002)(OWN, PORT, False))]
    before = way.egress()
    left = passed(gateway, *(("left", one) for one in sent))
    more = {name: count - before[name] for name, count in way.egress().items()}
    closes = 14 + 20            # what closes each run (harness/gateway.py)
    assert more["pass_packets"] == len(sent) + 1
    assert more["pass_bytes"] - closes == sum(14 + len(packet) for _, packet in left)


def test_fragments_go_the_way_of_their_first(gateway, way):
    sent = fragments(way.family, CLIENT[way.family], SERVICE[way.family], PORT)
    assert passed(gateway, *(("left", one) for one in sent)) == [way.left(one) for one in sent]


@pytest.mark.parametrize("make", (too_big, exceeded))
def test_error_about_a_flow_is_for_its_backend(gateway, way, make):
    way.begin()
    held = (SERVICE[way.family], PORT, CLIENT[way.family], OWN)
    sent = error(way.family, ROUTER[way.family], SERVICE[way.family], held, make)
    proto = 1 if way.family == 4 else 58
    left = way.left(sent, (0, 0), proto, ROUTER[way.family])
    assert passed(gateway, ("left", sent)) == [left]


def told(way, sent, of):
    """The answer to it: an error by the service."""
    tos = {"tos": 0xc0, "id": 0, "flags": "DF"} if way.family == 4 else {}
    head = (IP if way.family == 4 else IPv6)(src=SERVICE[way.family], dst=CLIENT[way.family],
                                             **tos)
    return "left", bytes(head / of / Raw(bytes(sent)[:QUOTED]))


def mtu_told(way, mtu):
    return (ICMP(type=3, code=4, nexthopmtu=mtu) if way.family == 4 else
            ICMPv6PacketTooBig(mtu=mtu))


def of_length(way, length, flags="DF"):
    head = 28 if way.family == 4 else 48
    sent = way.packet(UDP(sport=OWN, dport=PORT) / Raw(bytes(length - head)))
    if way.family == 4:
        sent.flags = flags
    assert len(bytes(sent)) == length
    return sent


def test_what_fits_goes_and_what_does_not_is_answered(gateway, way):
    fits, over = of_length(way, MTU - way.room), of_length(way, MTU - way.room + 1)
    before = way.counted("too_big")
    assert passed(gateway, ("left", fits)) == [way.left(fits)]
    if way.room:
        assert passed(gateway, ("left", over)) == [told(way, over, mtu_told(way, MTU - way.room))]
        assert way.counted("too_big") - before == 1


def test_what_may_be_fragmented_and_does_not_fit_is_dropped_and_counted(gateway, way):
    if way.family == 6 or not way.room:
        pytest.skip("of IPv4 in a tunnel")
    before = way.counted("too_big")
    assert passed(gateway, ("left", of_length(way, MTU, flags=0))) == []
    assert way.counted("too_big") - before == 1


def test_who_has_no_hop_left_is_told(gateway, way):
    sent = way.packet(udp(OWN, PORT, False), hops=1)
    of = ICMP(type=11, code=0) if way.family == 4 else ICMPv6TimeExceeded(code=0)
    before = way.counted("expired")
    assert passed(gateway, ("left", sent)) == [told(way, sent, of)]
    assert way.counted("expired") - before == 1
