# SPDX-License-Identifier: Apache-2.0
"""Frames as they are before and after one of their ends is translated. Each is built twice from
nothing, with these ends and with those; every checksum is scapy's, over the whole packet."""
import collections
import dataclasses
import functools
import ipaddress
import struct

from scapy.all import Dot1AD, Dot1Q, Ether, ICMP, IP, IPv6, Raw, SCTP, TCP, UDP
from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert, in4_chksum
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                                ICMPv6TimeExceeded, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, PadN, in6_chksum)
from scapy.layers.sctp import SCTPChunkHeartbeatReq

FAILED, DONE, CANNOT = 0, 1, 2                       # enum nat_end
NOTHING, PACKET, ERROR, ERROR_HELD = range(4)        # nat_bpf.bpf.c: enum nat_what
PROTOCOLS = {"tcp": 6, "udp": 17, "udp-none": 17, "udplite": 136, "dccp": 33, "sctp": 132,
             "icmp": 1, "gre": 47, "esp": 50, "error": 1}
WITH_PORTS = {"tcp", "udp", "udp-none", "udplite", "dccp", "sctp"}
KINDS = [kind for kind in PROTOCOLS if kind != "error"]
LINKS = ("plain", "vlan", "qinq")
PARTS = ("whole", "first", "later")
FRAGMENT_BYTES = 64                                  # more than any header, a multiple of 8

Ends = collections.namedtuple("Ends", "src dst sport dport")


@dataclasses.dataclass(frozen=True)
class Change:
    """Of one end; a port of 0 stays."""
    to: str
    port: int
    is_source: bool

    def made_to(self, ends, has_ports=True):
        port = self.port if has_ports else 0
        if self.is_source:
            return ends._replace(src=self.to, sport=port or ends.sport)
        return ends._replace(dst=self.to, dport=port or ends.dport)

    def packed(self):
        address = ipaddress.ip_address(self.to)
        if address.version == 4:
            address = ipaddress.ip_address(f"::ffff:{address}")
        return struct.pack("=16s2sB5x", address.packed, self.port.to_bytes(2, "big"),
                           self.is_source)


NO_CHANGE = Change("0.0.0.0", 0, False)


def task(what, outer=NO_CHANGE, held=NO_CHANGE, of="::"):
    address = ipaddress.ip_address(of)
    if address.version == 4:
        address = ipaddress.ip_address(f"::ffff:{address}")
    return outer.packed() + held.packed() + struct.pack("=16sQ", address.packed, what)


@dataclasses.dataclass(frozen=True)
class Case:
    what: str
    before: bytes
    after: bytes
    task: bytes
    end: int = DONE


# --- one packet ----------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Shape:
    """All of a packet but its ends."""
    version: int
    kind: str
    options: bool = False
    part: str = "whole"
    payload: bytes = b"payload"
    number: int = 7                 # whatever a header has besides
    error: object = None            # of kind "error": layers of its header

    @property
    def protocol(self):
        six = {"icmp": 58, "error": 58}
        return six.get(self.kind, PROTOCOLS[self.kind]) if self.version == 6 else PROTOCOLS[
            self.kind]


def plain_ip(shape, ends):
    return (IP if shape.version == 4 else IPv6)(src=ends.src, dst=ends.dst)


def summed_by_hand(shape, ends, header, sum_at):
    """What scapy has no layer for: its sum over the pseudo header, and all that follows."""
    protocol, data = shape.protocol, header + shape.payload
    whole = plain_ip(shape, ends)
    total = (in4_chksum if shape.version == 4 else in6_chksum)(protocol, whole, data)
    if not total and shape.kind == "udplite":
        total = 0xffff
    return data[:sum_at] + total.to_bytes(2, "big") + data[sum_at + 2:]


def transport(shape, ends):
    """Its bytes, checksums done."""
    number, kind = shape.number, shape.kind
    ports = {"sport": ends.sport, "dport": ends.dport}
    packed_ports = struct.pack("!HH", ends.sport, ends.dport)
    if kind == "udplite":
        return summed_by_hand(shape, ends, packed_ports + bytes(4), 6)
    if kind == "dccp":                  # a request with long numbers; all of it is covered
        header = packed_ports + bytes((5, 0, 0, 0, 1, 0)) + number.to_bytes(6, "big") + bytes(4)
        return summed_by_hand(shape, ends, header, 6)
    if kind in ("gre", "esp"):
        return struct.pack("!II", 0x0800, number) + shape.payload
    layer = {
        "tcp": lambda: TCP(seq=number, ack=number // 3, flags="PA", window=number & 0xffff,
                           options=[("Timestamp", (number, 5))], **ports),
        "udp": lambda: UDP(**ports),
        "udp-none": lambda: UDP(chksum=0, **ports),
        "sctp": lambda: SCTP(tag=number, **ports) / SCTPChunkHeartbeatReq(),
        "icmp": lambda: (ICMP if shape.version == 4 else ICMPv6EchoRequest)(
            id=number & 0xffff, seq=3),
        "error": lambda: shape.error,
    }[kind]()
    built = bytes(plain_ip(shape, ends) / layer / Raw(shape.payload))
    return built[20 if shape.version == 4 else 40:]


def carried(shape, ends):
    """What of the transport is in the packet: its bytes, whether more follow, where they begin."""
    data = transport(shape, ends)
    return {"whole": (data, 0, 0), "first": (data[:FRAGMENT_BYTES], 1, 0),
            "later": (data[FRAGMENT_BYTES:], 0, FRAGMENT_BYTES // 8)}[shape.part]


def packet(shape, ends):
    """From its IP header on."""
    data, more, offset = carried(shape, ends)
    build = packet_v4 if shape.version == 4 else packet_v6
    return bytes(build(shape, ends, more, offset) / Raw(data))


def packet_v4(shape, ends, more, offset):
    options = [IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_NOP(),
               IPOption_Router_Alert()] if shape.options else []
    return IP(src=ends.src, dst=ends.dst, proto=shape.protocol, id=shape.number & 0xffff, ttl=61,
              tos=4, flags=more, frag=offset, options=options)


def packet_v6(shape, ends, more, offset):
    headers = []
    if shape.options:
        headers += [(0, IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]))]
    if shape.part != "whole":
        headers += [(44, IPv6ExtHdrFragment(id=shape.number, m=more, offset=offset))]
    if shape.options and shape.part != "later":
        headers += [(60, IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]))]
    following = [number for number, _ in headers[1:]] + [shape.protocol]
    whole = IPv6(src=ends.src, dst=ends.dst, tc=3, fl=shape.number & 0xfffff, hlim=61,
                 nh=headers[0][0] if headers else shape.protocol)
    for (_, header), follows in zip(headers, following):
        header.nh = follows
        whole = whole / header
    return whole


def framed(shape, link, data, padding=b""):
    ethertype = 0x0800 if shape.version == 4 else 0x86dd
    ether = functools.partial(Ether, src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    head = {"plain": lambda: ether(type=ethertype),
            "vlan": lambda: ether(type=0x8100) / Dot1Q(vlan=5, type=ethertype),
            "qinq": lambda: ether(type=0x88a8) / Dot1AD(vlan=6, type=0x8100) / Dot1Q(
                vlan=7, type=ethertype)}[link]()
    return bytes(head) + data + padding


# --- before and after ----------------------------------------------------------------------------

def is_sctp_port(shape, change, ends):
    """The port of SCTP becomes another, and its sum would."""
    return (shape.kind == "sctp" and shape.part != "later" and change.port
            and change.port != (ends.sport if change.is_source else ends.dport))


def wanted_end(shape, change, ends):
    if is_sctp_port(shape, change, ends) and shape.part == "first":
        return CANNOT
    return DONE


def translated(shape, ends, change):
    return packet(shape, change.made_to(ends, shape.kind in WITH_PORTS))


def case_of_packet(shape, link, ends, change, padding=b""):
    end = wanted_end(shape, change, ends)
    before = framed(shape, link, packet(shape, ends), padding)
    after = framed(shape, link, translated(shape, ends, change), padding)
    return Case(f"{shape} {link} {ends} {change}", before, after if end == DONE else before,
                task(PACKET, change), end)


ERRORS = {
    4: (ICMP(type=3, code=1), ICMP(type=3, code=3), ICMP(type=3, code=4, nexthopmtu=1400),
        ICMP(type=11, code=0), ICMP(type=12, code=0, ptr=20)),
    6: (ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded()),
}


@dataclasses.dataclass(frozen=True)
class Error:
    """One that holds the packet of `shape`, cut to so many bytes of its transport."""
    shape: Shape
    link: str
    quoted: int
    header: object
    options: bool
    outer: Ends
    held: Ends

    def frame(self, outer, held, summed=None):
        """`summed`: by whose ends SCTP is, whose sum stays in what is quoted."""
        whole = packet(self.shape, held)
        start = len(whole) - len(carried(self.shape, held)[0])
        if self.shape.kind == "sctp" and self.shape.part != "later":
            own = packet(self.shape, summed or held)
            whole = whole[:start + 8] + own[start + 8:start + 12] + whole[start + 12:]
        around = Shape(self.shape.version, "error", self.options, error=self.header,
                       payload=whole[:start + self.quoted], number=self.shape.number)
        return framed(around, self.link, packet(around, outer))


def case_of_error(error, outer_change, held_change):
    shape, end = error.shape, DONE
    before = error.frame(error.outer, error.held)
    outer = outer_change.made_to(error.outer, False) if outer_change else error.outer
    after = error.frame(outer, held_change.made_to(error.held, shape.kind in WITH_PORTS),
                        error.held)
    what = ERROR if outer_change else ERROR_HELD
    return Case(f"{error} {outer_change} {held_change}", before, after if end == DONE else before,
                task(what, outer_change or NO_CHANGE, held_change), end)


# --- all kinds, and random ones ------------------------------------------------------------------

def random_address(rng, version):
    if version == 4:
        return str(ipaddress.IPv4Address(rng.randrange(1 << 24, 224 << 24)))
    return str(ipaddress.IPv6Address(1 << 125 | rng.getrandbits(125)))


def random_port(rng):
    return rng.choice((1, 80, 0xffff, rng.randrange(1, 0x10000)))


def random_ends(rng, version):
    return Ends(random_address(rng, version), random_address(rng, version), random_port(rng),
                random_port(rng))


def random_change(rng, ends, version, is_source=None, has_port=None):
    is_source = rng.random() < 0.5 if is_source is None else is_source
    has_port = rng.random() < 0.6 if has_port is None else has_port
    stays = rng.random() < 0.05
    same = ends.src if is_source else ends.dst
    return Change(same if stays else random_address(rng, version),
                  random_port(rng) if has_port else 0, is_source)


def random_payload(rng, part="whole"):
    return rng.randbytes(rng.randrange(2 * FRAGMENT_BYTES, 400) if part != "whole" else
                         rng.choice((0, 1, 2, 3, rng.randrange(4, 700))))


def random_shape(rng, **fixed):
    shape = {"version": rng.choice((4, 6)), "kind": rng.choice(KINDS),
             "options": rng.random() < 0.3, "number": rng.getrandbits(32),
             "part": rng.choice(PARTS) if rng.random() < 0.3 else "whole", **fixed}
    return Shape(payload=random_payload(rng, shape["part"]), **shape)


def random_packet(rng, link=None, is_source=None, has_port=None, **fixed):
    shape = random_shape(rng, **fixed)
    ends = random_ends(rng, shape.version)
    change = random_change(rng, ends, shape.version, is_source, has_port)
    return case_of_packet(shape, link or rng.choice(LINKS), ends, change,
                          bytes(rng.choice((0, 0, 9))))


def random_error(rng, quoted=None, is_source=None, has_port=None, has_outer=None,
                 outer_options=None, **fixed):
    shape = random_shape(rng, **{"part": rng.choice(("whole", "whole", "whole", "first")), **fixed})
    held = random_ends(rng, shape.version)
    length = len(packet(shape, held)) if quoted is None else 0
    quoted = quoted or rng.choice((8, 9, 16, 18, 19, length))
    outer = random_ends(rng, shape.version)
    has_outer = rng.random() < 0.5 if has_outer is None else has_outer
    error = Error(shape, rng.choice(LINKS), quoted, rng.choice(ERRORS[shape.version]),
                  rng.random() < 0.3 if outer_options is None else outer_options, outer, held)
    return case_of_error(error, random_change(rng, outer, shape.version) if has_outer else None,
                         random_change(rng, held, shape.version, is_source, has_port))
