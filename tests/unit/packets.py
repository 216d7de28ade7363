# SPDX-License-Identifier: Apache-2.0
"""Random packets by scapy, with what a parser must find in them. The numbers come from scapy and
from the choices made here, never from Weir. Also writes the seeds of the parser's fuzzing:
packets.py CORPUS-FOLDER."""
import collections
import ipaddress
import logging
import pathlib
import random
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.all import (ARP, Dot1AD, Dot1Q, Ether, ICMP, IP, IPOption_NOP, IPv6,  # noqa: E402
                       PPP, PPPoE, Raw, SCTP, TCP, UDP, fragment, fragment6)
from scapy.contrib.mpls import MPLS  # noqa: E402
from scapy.fields import ByteField, StrLenField  # noqa: E402
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NS, IPv6ExtHdrDestOpt,  # noqa: E402
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.layers.ipsec import AH, ESP  # noqa: E402
from scapy.packet import Packet  # noqa: E402

SEEN = ("ipv4", "ipv6", "arp", "vlan", "mpls", "fragment", "later_fragment", "ports", "tcp", "icmp",
        "neighbour", "options", "malformed", "too_deep", "cut_short")
TAGS_MAX, LABELS_MAX, EXTENSIONS_MAX = 4, 8, 8

# link: "eth" or an EtherType as hex; expect: field -> value, `seen` a set of names; ip: offset at
# which the addresses are complete, need: offset at which everything expected has been read.
Case = collections.namedtuple("Case", "link data expect ip need what")


class PlainExtension(Packet):
    """An extension header scapy has no class for: mobility (135), HIP (139), shim6 (140)."""
    name = "PlainExtension"
    fields_desc = [ByteField("nh", 59), ByteField("len", 0),
                   StrLenField("body", bytes(6), length_from=lambda p: p.len * 8 + 6)]


def address(rng, version):
    if version == 4:
        return str(ipaddress.IPv4Address(rng.getrandbits(32)))
    return str(ipaddress.IPv6Address(rng.getrandbits(128)))


def as_mapped(text):
    a = ipaddress.ip_address(text)
    return a.packed.hex() if a.version == 6 else "00000000000000000000ffff" + a.packed.hex()


def raw_packet(n):
    return Raw(bytes(random.Random(n).randrange(256) for _ in range(n)))


# --- transport -------------------------------------------------------------------------------
# Each gives (layers, protocol number, what is seen, fields, bytes that must be there).

def tcp(rng, version):
    t = TCP(sport=rng.randrange(65536), dport=rng.randrange(65536), flags=rng.randrange(256),
            options=rng.choice(([], [("MSS", 1460), ("NOP", None)], [("Timestamp", (1, 2))])))
    return (t / raw_packet(rng.randrange(40)), 6, {"ports", "tcp"},
            {"sport": t.sport, "dport": t.dport, "tcp_flags": int(t.flags)}, 20)


def udp(rng, version):
    t = UDP(sport=rng.randrange(65536), dport=rng.randrange(65536))
    return t / raw_packet(rng.randrange(40)), 17, {"ports"}, {"sport": t.sport, "dport": t.dport}, 8


def sctp(rng, version):
    t = SCTP(sport=rng.randrange(65536), dport=rng.randrange(65536), tag=7)
    fields = {"sport": t.sport, "dport": t.dport}
    return t / raw_packet(rng.randrange(20)), 132, {"ports"}, fields, 12


def udplite(rng, version):
    layers, _, seen, fields, need = udp(rng, version)
    return Raw(bytes(layers)), 136, seen, fields, need


def dccp(rng, version):
    sport, dport = rng.randrange(65536), rng.randrange(65536)
    data = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + bytes(8 + rng.randrange(8))
    return Raw(data), 33, {"ports"}, {"sport": sport, "dport": dport}, 12


def icmp(rng, version):
    if version == 4:
        t = ICMP(type=rng.choice((0, 3, 8, 11)), code=rng.randrange(4))
        return t / raw_packet(8), 1, {"icmp"}, {"icmp_type": t.type, "icmp_code": t.code}, 8
    t = ICMPv6EchoRequest(code=rng.randrange(2))
    return t / raw_packet(8), 58, {"icmp"}, {"icmp_type": 128, "icmp_code": t.code}, 8


def solicitation(rng, version):
    if version == 4:
        return icmp(rng, version)
    fields = {"icmp_type": 135, "icmp_code": 0}
    return ICMPv6ND_NS(tgt="fe80::1"), 58, {"icmp", "neighbour?"}, fields, 8


def foreign_icmp(rng, version):
    """The other version's ICMP means nothing here."""
    number = 58 if version == 4 else 1
    return Raw(bytes([135, 0] + [0] * 22)), number, set(), {}, 0


def esp(rng, version):
    return ESP(spi=5, seq=1, data=bytes(24)), 50, set(), {}, 0


def gre(rng, version):
    return raw_packet(rng.randrange(30)), 47, set(), {}, 0


def nothing(rng, version):
    return Raw(b""), 59, set(), {"l4_offset": 0}, 0


TRANSPORTS = (tcp, tcp, udp, udp, sctp, udplite, dccp, icmp, solicitation, foreign_icmp, esp, gre,
              nothing)


# --- extension headers -----------------------------------------------------------------------

def padded(n):
    return [PadN(optdata=bytes(n))]


def ah(rng):
    icv = rng.choice((0, 12, 16, 32, 64))
    return AH(spi=1, seq=2, payloadlen=(12 + icv) // 4 - 2, icv=bytes(icv), padding=b""), 51


EXTENSIONS = (
    lambda rng: (IPv6ExtHdrHopByHop(options=padded(rng.choice((4, 12, 60, 252)))), 0),
    lambda rng: (IPv6ExtHdrDestOpt(options=padded(rng.choice((4, 12, 60, 252)))), 60),
    lambda rng: (IPv6ExtHdrRouting(addresses=["2001:db8::9"] * rng.randrange(4)), 43),
    lambda rng: (IPv6ExtHdrFragment(offset=0, m=0, id=rng.getrandbits(32)), 44),     # atomic
    ah,
    lambda rng: (PlainExtension(len=2, body=bytes(22)), 135),
    lambda rng: (PlainExtension(), 139),
    lambda rng: (PlainExtension(len=1, body=bytes(14)), 140),
)


def chain(layers, numbers, last):
    """Sets each header's next header by hand: scapy guesses it only for pairs it knows."""
    for layer, following in zip(layers, numbers[1:] + [last]):
        layer.nh = following
    return layers


# --- network ---------------------------------------------------------------------------------

def network(rng):
    """An IP packet: (layers, expected, where the addresses end, where everything expected ends)."""
    version = rng.choice((4, 6))
    payload, proto, seen, fields, size = rng.choice(TRANSPORTS)(rng, version)
    ttl = rng.choice((1, 64, 254, 255))
    tos = rng.randrange(256)
    src, dst = address(rng, version), address(rng, version)
    seen = {"ipv4" if version == 4 else "ipv6"} | seen
    extensions = []
    if version == 4:
        options = rng.choice((0, 0, 1, 3, 10))
        ip = IP(src=src, dst=dst, ttl=ttl, tos=tos, id=rng.getrandbits(16),
                options=[IPOption_NOP()] * 4 * options)
        seen |= {"options"} if options else set()
        if rng.random() < 0.1:
            extensions = [ah(rng)]
        base = 20 + 4 * options
    else:
        ip = IPv6(src=src, dst=dst, hlim=ttl, tc=tos, fl=rng.getrandbits(20))
        if rng.random() < 0.5:
            extensions = [rng.choice(EXTENSIONS)(rng) for _ in range(rng.randrange(1, 11))]
        base = 40
    numbers = [number for _, number in extensions]
    headers = chain([layer for layer, _ in extensions], numbers, proto)
    first = (numbers + [proto])[0]
    if version == 4:
        ip.proto = first
    else:
        ip.nh = first
    if extensions:
        seen.add("options")
    expect = {"src": as_mapped(src), "dst": as_mapped(dst), "ttl": ttl, "dscp": tos >> 2,
              "proto": proto}
    if len(extensions) > EXTENSIONS_MAX:
        expect["proto"] = numbers[EXTENSIONS_MAX]
        seen = {"ipv6", "options", "too_deep"}
        before = base + sum(len(bytes(h)) for h in headers[:EXTENSIONS_MAX])
        need = before - len(bytes(headers[EXTENSIONS_MAX - 1])) + 8
    else:
        before = base + sum(len(bytes(h)) for h in headers)
        need = before + size
        expect.update({"l4_offset": before}, **fields)
        if "neighbour?" in seen and ttl == 255:
            seen.add("neighbour")
    seen.discard("neighbour?")
    for h in headers:
        h.remove_payload()
    layers = ip
    for h in headers:
        layers = layers / h
    return layers / payload, dict(expect, seen=seen), 20 if version == 4 else 40, need


# --- link ------------------------------------------------------------------------------------

def link(rng, version):
    """Link headers for IP: (layers, EtherType found, what is seen, fields)."""
    ethertype = 0x0800 if version == 4 else 0x86dd
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    seen, fields = set(), {}
    kind = rng.random()
    tags = rng.randrange(0, 6) if kind < 0.5 else 0
    layers = [Dot1AD(vlan=rng.randrange(4096), prio=rng.randrange(8)) if rng.random() < 0.5 else
              Dot1Q(vlan=rng.randrange(4096), prio=rng.randrange(8)) for _ in range(tags)]
    numbers = [0x88a8 if isinstance(t, Dot1AD) else 0x8100 for t in layers]
    if tags and rng.random() < 0.2:
        numbers[0] = 0x9100
    fields["inner_vlan"] = 0x1000 | layers[1].vlan if tags > 1 else 0
    if tags:
        seen.add("vlan")
        fields["vlan"] = layers[0].vlan
    if tags > TAGS_MAX:
        fields["ethertype"] = numbers[TAGS_MAX]
        return eth, layers, numbers, ethertype, seen | {"too_deep"}, fields
    kind = rng.random()
    if kind < 0.2:
        labels = rng.randrange(1, 11)
        layers += [MPLS(label=rng.getrandbits(20), cos=1, s=n == labels - 1, ttl=9)
                   for n in range(labels)]
        numbers += [rng.choice((0x8847, 0x8848))] + [None] * (labels - 1)
        ethertype = None
        seen.add("mpls")
        if labels > LABELS_MAX:
            fields["ethertype"] = numbers[tags]
            return eth, layers, numbers, None, seen | {"too_deep"}, fields
    elif kind < 0.3:
        layers += [PPPoE(sessionid=7), PPP(proto=0x21 if version == 4 else 0x57)]
        numbers += [0x8864, None]
        ethertype = None
    fields["ethertype"] = 0x0800 if version == 4 else 0x86dd
    return eth, layers, numbers, ethertype, seen, fields


def framed(rng, version):
    """Link headers with each one's EtherType set by hand, as scapy knows only some of the pairs."""
    eth, layers, numbers, ethertype, seen, fields = link(rng, version)
    ours = [eth] + layers
    for layer, number in zip(ours, numbers + [ethertype]):
        if number is not None:
            layer.type = number
    return ours, seen, fields


def frame_bytes(ours, payload):
    """Link headers before the payload, each by scapy alone; only PPPoE's length looks ahead."""
    out = b""
    for layer in ours:
        layer = layer.copy()
        if isinstance(layer, PPPoE):
            layer.len = len(payload) + 2
        out += bytes(layer)
    return out


def cases(seed, count):
    """`count` cases, the same for the same seed."""
    rng = random.Random(seed)
    random.seed(seed)               # scapy draws from the module's generator where nothing is given
    made = 0
    while made < count:
        for case in random_cases(rng):
            yield case
            made += 1


def random_cases(rng):
    if rng.random() < 0.03:
        return [arp_case(rng)]
    packet, expect, ip_end, need = network(rng)
    version = 4 if "ipv4" in expect["seen"] else 6
    pieces = None
    plain = "too_deep" not in expect["seen"]
    if plain and rng.random() < 0.15:
        pieces = fragments(rng, version, packet, expect)
    if pieces is None:
        pieces = [(bytes(packet), expect, need)]
    if rng.random() < 0.15:
        ethertype = 0x0800 if version == 4 else 0x86dd
        return [Case(f"{ethertype:04x}", data, dict(e, ethertype=ethertype, l3_offset=0), ip_end, n,
                     packet.summary()) for data, e, n in pieces]
    ours, link_seen, fields = framed(rng, version)
    result = []
    for data, e, n in pieces:
        head = frame_bytes(ours, data)
        if "too_deep" in link_seen:
            deep = {"seen": link_seen, **fields, "proto": 0, "l4_offset": 0}
            result.append(Case("eth", head + data, deep, None, None, "too deep"))
            continue
        e = dict(e, seen=e["seen"] | link_seen, l3_offset=len(head), **fields)
        if e.get("l4_offset"):
            e["l4_offset"] += len(head)
        result.append(Case("eth", head + data, e, len(head) + ip_end, len(head) + n,
                           packet.summary()))
    return result


def arp_case(rng):
    frame = (Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") /
             ARP(psrc=address(rng, 4), pdst=address(rng, 4)))
    expect = {"seen": {"arp"}, "ethertype": 0x0806, "l3_offset": 14, "proto": 0}
    return Case("eth", bytes(frame), expect, None, 14, "ARP")


def fragments(rng, version, packet, expect):
    """scapy's own fragments of a big enough UDP packet between the same hosts."""
    udp_part = (UDP(sport=rng.randrange(65536), dport=rng.randrange(65536)) /
                raw_packet(200 + rng.randrange(200)))
    whole = {k: expect[k] for k in ("src", "dst", "ttl", "dscp")}
    if version == 4:
        ip = packet[IP].copy()
        ip.remove_payload()
        ip.proto, ip.options, ip.ihl = 17, [], None
        pieces = [bytes(x) for x in fragment(ip / udp_part, fragsize=rng.choice((40, 72, 128)))]
        seen, at = {"ipv4", "fragment"}, 20
    else:
        ip = packet[IPv6].copy()
        ip.remove_payload()
        ip.nh = 44
        whole6 = ip / IPv6ExtHdrFragment(id=rng.getrandbits(32)) / udp_part
        pieces = [bytes(x) for x in fragment6(whole6, 150)]
        seen, at = {"ipv6", "fragment", "options"}, 48
    result = []
    for n, data in enumerate(pieces):
        e = dict(whole, proto=17, seen=seen | ({"ports"} if n == 0 else {"later_fragment"}),
                 l4_offset=at if n == 0 else 0)
        e.update(sport=udp_part.sport if n == 0 else 0, dport=udp_part.dport if n == 0 else 0)
        result.append((data, e, at + (8 if n == 0 else 0)))
    rng.shuffle(result)
    return result


def seen_names(bits):
    return {name for n, name in enumerate(SEEN) if bits >> n & 1}


def write_corpus(folder, count=48):
    """Seeds: the harness's three bytes of choice, then the packet; below 300 bytes, one a shape."""
    folder = pathlib.Path(folder)
    shapes = {}
    for case in cases(7, 4000):
        shape = (case.link, tuple(sorted(case.expect["seen"])), case.expect["proto"])
        if len(case.data) < 300:
            shapes.setdefault(shape, case)
    links = {"eth": 0, "0800": 1, "86dd": 2}
    rng = random.Random(1)
    for n, shape in enumerate(rng.sample(sorted(shapes), min(count, len(shapes)))):
        case = shapes[shape]
        (folder / f"seed-{n:02d}").write_bytes(bytes([links[case.link], 0, 0]) + case.data)


if __name__ == "__main__":
    write_corpus(sys.argv[1])
