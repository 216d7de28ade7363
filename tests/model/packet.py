# SPDX-License-Identifier: Apache-2.0
"""Bytes to what rules ask of a packet, by the RFCs. tests/unit/model_packet_test.py holds it to
what scapy put into the frames."""
import collections
import struct

TAGS_MAX, LABELS_MAX, EXTENSIONS_MAX = 4, 8, 8
TAGS, MPLS = {0x8100, 0x88A8, 0x9100}, {0x8847, 0x8848}
IPV4, IPV6, ARP, PPPOE = 0x0800, 0x86DD, 0x0806, 0x8864
PPP = {0x0021: IPV4, 0x0057: IPV6, 0x0281: 0x8847}
FRAGMENT, AH, NO_NEXT, ICMPV6 = 44, 51, 59, 58
EXTENSIONS = {4: {AH}, 6: {0, 43, FRAGMENT, AH, 60, 135, 139, 140}}
# Bytes that must be there for a transport header to count as read.
TCP = 6
HAS_PORTS = {TCP: 20, 17: 8, 136: 8, 132: 12, 33: 12}
ICMP_OF = {4: 1, 6: ICMPV6}
ICMP_BYTES = 8
WHOLE, FIRST, LATER = range(3)
NO_VLAN = 4096
V6 = 1 << 32            # an IPv6 address stands behind all the IPv4 ones, on one line of numbers

# Fields of an IP packet, in the order rules.py indexes them by; what is absent is -1.
Fields = collections.namedtuple(
    "Fields", "src dst sport dport length vlan proto flags type code dscp family fragment state")
UNTRACKED = 0

# kind: "ip" (fields hold), "arp", "neighbour", "not_ip", "too_deep", "damaged" (no address read).
Packet = collections.namedtuple("Packet", "kind fields", defaults=(None,))


class Short(Exception):
    """The packet ended within a header."""


class Reader:
    def __init__(self, frame, at=0):
        self.frame, self.at, self.end = frame, at, len(frame)

    def take(self, form):
        size = struct.calcsize(form)
        if self.at + size > self.end:
            raise Short
        values = struct.unpack_from(form, self.frame, self.at)
        self.at += size
        return values

    def has(self, size):
        return self.at + size <= self.end


def link(reader):
    """Gives (EtherType or None when too deep, VLAN id)."""
    _, kind = reader.take("!12sH")
    vlan, tags = NO_VLAN, 0
    while kind in TAGS:
        if tags == TAGS_MAX:
            return None, vlan
        tci, kind = reader.take("!HH")
        vlan = tci & 0xFFF if not tags else vlan
        tags += 1
    if kind == PPPOE:
        kind = dialled(reader)
    if kind in MPLS:
        kind = labelled(reader, kind)
    return kind, vlan


def dialled(reader):
    reader.take("!6s")
    first, second = reader.take("!BB")
    if first & 1:                           # RFC 1661, 6.5: one byte is enough
        reader.at -= 1
        return PPP.get(first, PPPOE)
    return PPP.get(first << 8 | second, PPPOE)


def labelled(reader, kind):
    for _ in range(LABELS_MAX):
        label, = reader.take("!I")
        if label & 0x100:
            version, = reader.take("!B")
            reader.at -= 1
            return {4: IPV4, 6: IPV6}.get(version >> 4, kind)
    return None


def parse(frame):
    reader = Reader(frame)
    try:
        kind, vlan = link(reader)
    except Short:
        return Packet("damaged")
    if kind is None:
        return Packet("too_deep")
    if kind not in (IPV4, IPV6):
        return Packet("arp" if kind == ARP else "not_ip")
    try:
        return (ipv4 if kind == IPV4 else ipv6)(reader, vlan)
    except Short:
        return Packet("damaged")


def ipv4(reader, vlan):
    start = reader.at
    head, tos, total, _, offset, _, proto, _, src, dst = reader.take("!BBHHHBBHII")
    if head >> 4 != 4:
        return Packet("damaged")
    base = dict(src=src, dst=dst, length=total, vlan=vlan, dscp=tos >> 2, family=4,
                state=UNTRACKED)
    fragment = LATER if offset & 0x1FFF else FIRST if offset & 0x2000 else WHOLE
    reader.end = min(reader.end, start + total)
    header = (head & 15) * 4
    reader.at = start + header
    readable = header >= 20 and start + header <= start + total
    return upper(reader, base, proto, fragment, readable, hops=0)


def ipv6(reader, vlan):
    word, payload, proto, hops, high, low, dhigh, dlow = reader.take("!IHBBQQQQ")
    if word >> 28 != 6:
        return Packet("damaged")
    base = dict(src=V6 + (high << 64 | low), dst=V6 + (dhigh << 64 | dlow),
                length=min(40 + payload, 65535), vlan=vlan, dscp=word >> 22 & 63, family=6,
                state=UNTRACKED)
    reader.end = min(reader.end, reader.at + payload)
    return upper(reader, base, proto, WHOLE, True, hops)


def upper(reader, base, proto, fragment, readable, hops):
    """What stands behind the IP header: extensions, then the transport."""
    family = base["family"]
    extensions = 0
    while readable and fragment != LATER and proto in EXTENSIONS[family]:
        if extensions == EXTENSIONS_MAX:
            return Packet("too_deep")
        if not reader.has(8):
            readable = False
            break
        extensions += 1
        after, length, offset = struct.unpack_from("!BBH", reader.frame, reader.at)
        if proto == FRAGMENT:
            fragment = LATER if offset & 0xFFF8 else FIRST if offset & 1 else fragment
            reader.at += 8
        else:
            reader.at += (length + 2) * 4 if proto == AH else (length + 1) * 8
        proto = after
    base.update(proto=proto, fragment=fragment, sport=-1, dport=-1, flags=-1, type=-1, code=-1)
    if readable and fragment != LATER:
        transport(reader, base)
    is_neighbour = (family == 6 and fragment == WHOLE and hops == 255 and base["code"] == 0
                    and 133 <= base["type"] - 256 <= 137)
    return Packet("neighbour" if is_neighbour else "ip", Fields(**base))


def transport(reader, base):
    proto, family, frame, at = base["proto"], base["family"], reader.frame, reader.at
    if proto in HAS_PORTS and reader.has(HAS_PORTS[proto]):
        base["sport"], base["dport"] = struct.unpack_from("!HH", frame, at)
        if proto == TCP:
            base["flags"] = frame[at + 13]
    elif proto == ICMP_OF[family] and reader.has(ICMP_BYTES):
        base["type"], base["code"] = frame[at] + (256 if family == 6 else 0), frame[at + 1]
