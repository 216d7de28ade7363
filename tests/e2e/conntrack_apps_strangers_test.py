# SPDX-License-Identifier: Apache-2.0
"""What nobody asked for does not come in where default policies deny: by itself, forged into a
connection that stands, or as an error about none. Every piece is counted as dropped."""
import contextlib
import json
import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.chain import FAMILIES, client_address, server_address
from harness.guarded import PLACES, Site, chain, wanted     # noqa: F401
from harness.wait import SLOWNESS, wait_for
from harness.wire import MARK, arrived, packet_socket

STRANGER = {4: "198.51.100.7", 6: "2001:db8:7::7"}
OPEN = 4000                     # a port at the server that takes connections
ETH_P = {4: 0x0800, 6: 0x86DD}
FAR_OFF = 1 << 30               # in no window
each_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module", params=wanted("gateway-xdp", "gateway-tc", "host-asks-xdp",
                                              "host-asks-tc"))
def site(request, chain):
    with Site(chain, PLACES[request.param]) as made:
        yield made


class Road:
    """From outside to the client, past Weir: whatever is put there must be dropped."""

    def __init__(self, site):
        self.site, chain = site, site.chain
        is_host = site.place.where == "client"
        sender, device = (chain.gateway, "lan") if is_host else (chain.near, "left")
        self.to = link_address(site.where, "eth0" if is_host else "wan")
        self.out = packet_socket(sender, device, 0)
        self.ears = [packet_socket(chain.client, "eth0", number) for number in ETH_P.values()]

    def put(self, packets):
        for number, packet in enumerate(packets):
            # Inside the packet: what stands behind its end is cut off where it is forwarded.
            mark = Raw(MARK + number.to_bytes(4, "big"))
            self.out.send(bytes(Ether(dst=self.to) / packet / mark))

    def heard(self):
        return {number for ear in self.ears for number in arrived(ear)}

    def refuses(self, packets):
        """Asserts that each packet is dropped and counted, by its name."""
        names, before, heard = list(packets), self.site.drops(), set()
        self.put(packets.values())

        def is_over():
            heard.update(names[number] for number in self.heard())
            return heard or self.site.drops() == before + len(names)
        wait_for(is_over, f"{len(names)} packets are counted: {self.site.daemon.reasons()}")
        assert not heard and self.site.drops() == before + len(names)

    def takes(self, packet):
        """Asserts that the packet passes: what is refused is not refused by chance."""
        self.put([packet])
        wait_for(lambda: self.heard() == {0}, "the packet passes")

    def close(self):
        for sock in (self.out, *self.ears):
            sock.close()


def link_address(namespace, device):
    return json.loads(namespace.run("ip", "-j", "link", "show", device).stdout)[0]["address"]


@pytest.fixture
def road(site):
    with contextlib.closing(Road(site)) as made:
        yield made


def inward(family, body, src=None):
    """A packet to the client; from the server, unless another is named."""
    header = IP if family == 4 else IPv6
    return header(src=src or server_address(family), dst=client_address(family)) / body


def outward(family, body):
    """What an error holds: a packet of the client."""
    header = IP if family == 4 else IPv6
    return header(src=client_address(family), dst=server_address(family)) / body


def errors(family, body):
    inner = outward(family, body)
    if family == 4:
        kinds = {"unreachable": ICMP(type=3, code=3), "too big": ICMP(type=3, code=4),
                 "time exceeded": ICMP(type=11)}
    else:
        kinds = {"unreachable": ICMPv6DestUnreach(code=4), "too big": ICMPv6PacketTooBig(mtu=1280),
                 "time exceeded": ICMPv6TimeExceeded()}
    return {f"{name} about {body.name}": inward(family, kind / inner)
            for name, kind in kinds.items()}


def pieces(family):
    """Later fragments, of nothing that was asked for."""
    if family == 4:
        return {f"later {number}": IP(src=STRANGER[4], dst=client_address(4), id=9, proto=number,
                                      frag=64) / Raw(bytes(64)) for number in (6, 17)}
    return {f"later {number}": IPv6(src=STRANGER[6], dst=client_address(6)) /
            IPv6ExtHdrFragment(nh=number, offset=64, id=9) / Raw(bytes(64)) for number in (6, 17)}


def unasked(family, src):
    echo, reply = ((ICMP(type=8, id=5), ICMP(type=0, id=5)) if family == 4 else
                   (ICMPv6EchoRequest(id=5), ICMPv6EchoReply(id=5)))
    rows = {f"tcp {flags or 'none'}": TCP(sport=80, dport=40000, flags=flags, seq=7, ack=8)
            for flags in ("S", "SA", "R", "RA", "A", "FA", "PA", "F", "", "FPU")}
    rows |= {f"syn to {port}": TCP(sport=50000, dport=port, flags="S") for port in (22, 80, 5201)}
    rows |= {f"udp to {port}": UDP(sport=53, dport=port) / Raw(b"x") for port in (53, 40000)}
    rows |= {"echo request": echo, "echo reply": reply}
    return {name: inward(family, body, src) for name, body in rows.items()}


# --- out of the blue -----------------------------------------------------------------------------

@each_family
def test_what_nobody_asked_for_is_dropped(road, family):
    for src in (STRANGER[family], server_address(family)):
        packets = unasked(family, src)
        if road.site.place.rules and road.site.place.where == "client":
            del packets["syn to 22"]            # the one service of that host
        road.refuses(packets)
    road.refuses(pieces(family))


@each_family
def test_errors_about_nothing_are_dropped(road, family):
    for body in (TCP(sport=40000, dport=80), UDP(sport=40000, dport=53) / Raw(b"x"),
                 (ICMP(id=5) if family == 4 else ICMPv6EchoRequest(id=5))):
        road.refuses(errors(family, body))


def test_the_one_service_of_a_host_is_reached(site, road):
    if site.place.where != "client" or not site.place.rules:
        return                                  # those have none
    for family in FAMILIES:
        road.takes(unasked(family, STRANGER[family])["syn to 22"])


# --- beside what was asked for -------------------------------------------------------------------

@contextlib.contextmanager
def connected(site, family):
    """A TCP connection of the client through Weir: (its end, the server's)."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with site.chain.server.socket(kind, socket.SOCK_STREAM) as listener, \
            site.chain.client.socket(kind, socket.SOCK_STREAM) as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server_address(family), OPEN))
        listener.listen()
        client.settimeout(10 * SLOWNESS)
        client.connect((server_address(family), OPEN))
        server, _ = listener.accept()
        with server:
            server.settimeout(10 * SLOWNESS)
            yield client, server


def exchange(client, server):
    for one, other in ((client, server), (server, client)):
        one.sendall(b"still there?")
        assert other.recv(100) == b"still there?"


def numbers_of(road, client, server):
    """(seq, ack) of the server's next segment, as its last one shows."""
    with contextlib.closing(packet_socket(road.site.chain.client, "eth0", 3)) as tap:
        server.sendall(b"number, please")
        client.recv(100)
        tap.settimeout(10 * SLOWNESS)
        while True:
            packet = Ether(tap.recv(2048))
            if TCP in packet and packet[TCP].sport == OPEN and packet[TCP].payload:
                return packet[TCP].seq + len("number, please"), packet[TCP].ack


@each_family
def test_forged_segments_do_not_touch_a_connection(site, road, family):
    with connected(site, family) as (client, server):
        seq, ack = numbers_of(road, client, server)
        port = client.getsockname()[1]

        def forged(flags, seq, ack, **other):
            ports = {"sport": OPEN, "dport": port, **other}
            return inward(family, TCP(flags=flags, seq=seq % 2**32, ack=ack % 2**32, window=512,
                                      **ports) / Raw(b"x" if "P" in flags else b""))
        road.refuses({
            "reset ahead": forged("R", seq + FAR_OFF, 0),
            "reset behind": forged("RA", seq - FAR_OFF, ack),
            "data ahead": forged("PA", seq + FAR_OFF, ack),
            "data behind": forged("PA", seq - FAR_OFF, ack),
            "acknowledges what was not sent": forged("A", seq, ack + FAR_OFF),
            "acknowledges what is long past": forged("A", seq, ack - FAR_OFF),
            "syn": forged("S", seq, 0), "no flags": forged("", seq, ack),
            "data without ack": forged("P", seq, ack),
            "other port here": forged("A", seq, ack, dport=port ^ 1),
            "other port there": forged("RA", seq, ack, sport=OPEN + 1),
        })
        exchange(client, server)
        road.takes(forged("A", seq + len("still there?"), ack + len("still there?")))


@each_family
def test_error_passes_only_if_it_is_about_the_connection(site, road, family):
    with connected(site, family) as (client, server):
        port = client.getsockname()[1]
        exchange(client, server)
        seq = 1                                 # what the client sent, as far as anybody checks
        for packet in errors(family, TCP(sport=port, dport=OPEN, seq=seq)).values():
            road.takes(packet)
        for near, there in ((port ^ 1, OPEN), (port, OPEN + 1)):
            road.refuses(errors(family, TCP(sport=near, dport=there, seq=seq)))
        road.refuses(errors(family, UDP(sport=port, dport=OPEN)))
        exchange(client, server)


@each_family
def test_datagrams_come_only_from_whom_they_were_asked_of(site, road, family):
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with site.chain.client.socket(kind, socket.SOCK_DGRAM) as client:
        client.connect((server_address(family), OPEN))
        client.send(b"a question")
        port = client.getsockname()[1]

        def datagram(sport, dport, src=None):
            return inward(family, UDP(sport=sport, dport=dport) / Raw(b"x"), src)
        road.refuses({"other port there": datagram(OPEN + 1, port),
                      "other port here": datagram(OPEN, port ^ 1),
                      "other address": datagram(OPEN, port, STRANGER[family])})
        road.takes(datagram(OPEN, port))


@each_family
def test_echo_replies_come_only_for_the_request(site, road, family):
    request, reply = (8, 0) if family == 4 else (128, 129)
    protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with site.chain.client.socket(kind, socket.SOCK_RAW, protocol) as client:
        make = (lambda number, id: ICMP(type=number, id=id)) if family == 4 else (
            lambda number, id: (ICMPv6EchoRequest if number == request else ICMPv6EchoReply)(id=id))
        asked = outward(family, make(request, 77))
        client.sendto(bytes(asked)[20 if family == 4 else 40:], (server_address(family), 0))
        road.refuses({"other number": inward(family, make(reply, 78)),
                      "a request": inward(family, make(request, 77)),
                      "other address": inward(family, make(reply, 77), STRANGER[family])})
        road.takes(inward(family, make(reply, 77)))
