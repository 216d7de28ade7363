# SPDX-License-Identifier: Apache-2.0
"""What a packet of model/conntrack.py looks like on a wire. Hosts are small numbers; a world gives
them addresses that no other world has, so that worlds do not meet in the program's tables."""
import struct

from model.conntrack import DCCP, HAS_PORTS, ICMP_OF, SCTP, SYN, TCP, UDP, UDPLITE, is_error

HOSTS = 16              # of a world
WORLDS = 1 << 20
ETHER = b"\xff" * 6 + b"\x02\0\0\0\0\x01"
ETHER_LEAST = 60        # shorter ones are padded, and the padding is no payload
HEADED = HAS_PORTS | set(ICMP_OF.values())
CUT = 3                 # bytes left of a transport header that is not whole
INNER = 8               # bytes of its transport that an ICMP error must hold (RFC 792)
PAYLOAD = bytes(65536)


def address(world, host, family):
    number = world % WORLDS * HOSTS + host
    if family == 4:
        return struct.pack("!I", 10 << 24 | number)
    return bytes.fromhex("fd00") + bytes(10) + struct.pack("!I", number)


def tcp_options(packet):
    """MSS and window scale."""
    if not packet.flags & SYN:
        return b""
    scale = b"" if packet.scale is None else bytes((1, 3, 3, packet.scale))
    return b"\x02\x04\x05\xb4" + scale


def tcp(packet):
    options = tcp_options(packet)
    return struct.pack("!HHIIBBHHH", packet.sport, packet.dport, packet.seq, packet.ack,
                       80 + 4 * len(options), packet.flags, packet.window, 0, 0
                       ) + options + PAYLOAD[:packet.length]


def sctp(packet):
    return struct.pack("!HHIIBBHI", packet.sport, packet.dport, packet.tag, 0, packet.chunk,
                       packet.reflects, 8, packet.init)


def icmp(packet, world):
    code = 1 if packet.family == 4 and packet.type == 3 else 0
    if packet.inner is None:
        return struct.pack("!BBHHH", packet.type, code, 0, packet.id or 0, 1
                           ) + PAYLOAD[:packet.length]
    inner = packet.inner
    whole = transport(inner, world)
    kept = max(INNER, packet.length) if inner.whole else CUT
    return struct.pack("!BBHI", packet.type, code, 0, 0) + ip(inner, world, whole)[
        :(20 if inner.family == 4 else 40) + kept]


def transport(packet, world):
    if packet.proto == TCP:
        return tcp(packet)
    if packet.proto in (UDP, UDPLITE):
        return struct.pack("!HHHH", packet.sport, packet.dport, 8 + packet.length, 0
                           ) + PAYLOAD[:packet.length]
    if packet.proto == SCTP:
        return sctp(packet)
    if packet.proto == DCCP:
        return struct.pack("!HHB11x", packet.sport, packet.dport, 4)
    if packet.proto == ICMP_OF[packet.family]:
        return icmp(packet, world)
    return PAYLOAD[:packet.length]


def ip(packet, world, body):
    ends = b"".join(address(world, host, packet.family) for host in (packet.src, packet.dst))
    if packet.family == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, packet.proto, 0
                           ) + ends + body
    return struct.pack("!IHBB", 6 << 28, len(body), packet.proto, 64) + ends + body


def frame_of(packet, world):
    body = transport(packet, world)
    kind = b"\x08\0" if packet.family == 4 else b"\x86\xdd"
    frame = ETHER + kind + ip(packet, world, body if packet.whole else body[:CUT])
    return frame.ljust(ETHER_LEAST, b"\0")


def flags_text(flags):
    return ",".join(name for bit, name in ((2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"),
                                           (16, "ACK"), (32, "URG")) if flags & bit) or "none"


def text_of(packet):
    """As a person reads it."""
    ends = [str(host) if port is None else f"{host}:{port}" for host, port in (
        (packet.src, packet.sport), (packet.dst, packet.dport))]
    words = [f"IPv{packet.family} {' > '.join(ends)}"]
    if packet.proto == TCP:
        words.append(f"{flags_text(packet.flags)} seq {packet.seq}+{packet.length} "
                     f"ack {packet.ack} win {packet.window}")
        words += [] if packet.scale is None else [f"scale {packet.scale}"]
    elif packet.proto == SCTP:
        words.append(f"SCTP chunk {packet.chunk}{' T' * packet.reflects} tag {packet.tag} "
                     f"init {packet.init}")
    elif packet.proto == ICMP_OF[packet.family]:
        words.append(f"ICMP type {packet.type}")
        words += [] if packet.id is None else [f"id {packet.id}"]
    else:
        words.append(f"protocol {packet.proto}")
    words += [] if packet.whole else ["cut short"]
    words += [] if packet.inner is None else [f"({text_of(packet.inner)})"]
    return " ".join(words)
