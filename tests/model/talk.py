# SPDX-License-Identifier: Apache-2.0
"""What two ends say to one another, from a script: a line a packet.

    > S ws=7         a TCP segment of the first end, with these flags ("-": none)
    < SA             of the second end; it acknowledges what the first has sent so far
    < ABORT T        of SCTP, with flag T; tag=7 is what it bears, init=8 what an INIT gives
    > PA 100 seq-100 with 100 bytes, 100 before where it would go on: sent again
    > udp 10         < ping, pong and other QUESTIONS; CHUNKS of SCTP; gre, esp, other
    < port           an ICMP error (ERRORS) about the last packet of the other direction

A number behind a word is how it differs from what an honest end would send; `=` sets it. What
differs in seq does not move on where its sender is."""
import re
import socket
import struct

from scapy.layers.sctp import SCTP
from scapy.packet import Raw

SIDES = {">": "left", "<": "right"}
NETWORKS = {4: ("198.18.%d.%d", "198.19.%d.%d"), 6: ("2001:db8:a::%x:%x", "2001:db8:b::%x:%x")}
ROUTER, OTHER = (0, 1), (0, 2)
# (type, code) of ICMP and of ICMPv6, where there is one
ERRORS = {"net": ((3, 0), (1, 0)), "host": ((3, 1), (1, 3)), "port": ((3, 3), (1, 4)),
          "prohibited": ((3, 13), (1, 1)), "too-big": ((3, 4), (2, 0)),
          "exceeded": ((11, 0), (3, 0)), "parameter": ((12, 0), (4, 0)),
          "quench": ((4, 0), None), "redirect": ((5, 1), None)}
QUESTIONS = {"ping": (8, 128), "pong": (0, 129), "stamp": (13, None), "stamped": (14, None),
             "info": (15, None), "informed": (16, None), "mask": (17, None), "masked": (18, None)}
CHUNKS = {"DATA": 0, "INIT": 1, "INIT-ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT-ACK": 5,
          "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN-ACK": 8, "ERROR": 9, "COOKIE-ECHO": 10,
          "COOKIE-ACK": 11, "SHUTDOWN-COMPLETE": 14}
FLAGS = "FSRPAUEC"
PROTO_TCP, PROTO_UDP, PROTO_SCTP = 6, 17, 132
PROTO_ICMP = {4: 1, 6: 58}
PLAIN = {"gre": (47, struct.pack("!HH", 0, 0x0800)), "esp": (50, b""), "other": (99, b"")}
CHECKSUM_AT = {PROTO_TCP: 16, PROTO_UDP: 6, 1: 2, 58: 2}
M32 = 0xFFFFFFFF


class Words:
    """The rest of a line: 100 seq-1 ack+5 win=0 router"""

    def __init__(self, words):
        self.bare, self.given, self.moved = set(), {}, {}
        self.size = 0
        for word in words:
            name, sign, number = re.fullmatch(r"([a-zT]*)([=+-]?)(\w*)", word).groups()
            if not name:
                self.size = int(number)
            elif not sign:
                self.bare.add(name)
            elif sign == "=":
                self.given[name] = number
            else:
                self.moved[name] = int(sign + number)

    def number(self, name, natural):
        if name in self.given:
            return int(self.given[name])
        return (natural + self.moved.get(name, 0)) & M32


class End:
    def __init__(self, address, router, port, tag):
        self.address, self.router, self.port, self.tag = address, router, port, tag
        self.next = 0               # TCP: the number it goes on with
        self.said = {}              # its last error, and its last other packet


class Talk:
    """One script's two ends: those of no other number, which is 1024 to 65535."""

    def __init__(self, family, number):
        self.family, self.number, self.count = family, number, 0
        high, low = divmod(number, 256)
        self.ends = {">": End(self.address(0, (high, low)), self.address(0, ROUTER), number, 17),
                     "<": End(self.address(1, (low, high)), self.address(1, ROUTER), 80, 34)}
        self.ends[">"].next, self.ends["<"].next = 1000, 500000

    def address(self, side, host):
        kind = socket.AF_INET if self.family == 4 else socket.AF_INET6
        return socket.inet_pton(kind, NETWORKS[self.family][side] % host)

    def named(self, name):
        """ELSE and OTHER: an end on the left, and one on the right, that say nothing else."""
        return self.address({"ELSE": 0, "OTHER": 1}[name], OTHER)

    def packet(self, line):
        """(side it is sent on, IP packet) of a line."""
        arrow, kind, *rest = line.split()
        own, other, words = self.ends[arrow], self.ends["<" if arrow == ">" else ">"], Words(rest)
        proto, body = self.body(kind, words, own, other)
        packet = self.ip(own.router if "router" in words.bare else own.address,
                         self.named(words.given["to"]) if "to" in words.given else other.address,
                         proto, body)
        own.said["error" if kind in ERRORS else "packet"] = packet
        return SIDES[arrow], packet

    def ip(self, src, dst, proto, body):
        self.count += 1
        if proto in CHECKSUM_AT:
            body = summed(body, CHECKSUM_AT[proto], b"" if proto == 1 else
                          src + dst + struct.pack("!II", len(body), proto))
        if self.family == 6:
            return struct.pack("!IHBB", 6 << 28 | self.count, len(body), proto,
                               64) + src + dst + body
        return summed(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), self.count, 0, 64, proto,
                                  0) + src + dst, 10) + body

    def body(self, kind, words, own, other):
        if kind in ERRORS:
            return self.error(kind, words, own, other)
        if kind in QUESTIONS:
            numbers = (words.number("id", self.number), words.number("number", 1))
            return PROTO_ICMP[self.family], struct.pack(
                "!BBHHH", QUESTIONS[kind][self.family == 6], 0, 0, *numbers) + b"e" * 20
        ports = [words.number("sport", own.port), words.number("dport", other.port)]
        if kind in CHUNKS:
            return PROTO_SCTP, chunk(kind, words, ports, own, other)
        if kind == "udp":
            return PROTO_UDP, struct.pack("!HHHH", *ports, 8 + words.size, 0) + b"u" * words.size
        if kind in PLAIN:
            proto, head = PLAIN[kind]
            return proto, head + struct.pack("!II", words.number("spi", 7), 1) + b"p" * 24
        return PROTO_TCP, segment("" if kind == "-" else kind, words, ports, own, other)

    def error(self, kind, words, own, other):
        about = (own if "own" in words.bare else other).said[
            "error" if "error" in words.bare else "packet"]
        at, width = (20, 4) if self.family == 4 else (40, 16)
        held = bytearray(about)
        for place, name in ((at - 2 * width, "src"), (at - width, "dst")):
            if name in words.given:
                held[place:place + width] = self.named(words.given[name])
        for place, name in ((at, "sport"), (at + 2, "dport"), (at + 4, "id")):
            number, = struct.unpack_from("!H", held, place)
            struct.pack_into("!H", held, place, words.number(name, number))
        held = held[:at + int(words.given.get("cut", 128))]
        return PROTO_ICMP[self.family], struct.pack("!BBHI", *ERRORS[kind][self.family == 6], 0,
                                                    0) + held


def segment(flags, words, ports, own, other):
    if "isn" in words.given:
        own.next = int(words.given["isn"])
    # The option of the window's scale, behind one that means nothing.
    options = struct.pack("!BBBB", 1, 3, 3, int(words.given["ws"])) if "ws" in words.given else b""
    head = struct.pack("!HHIIBBHHH", *ports, words.number("seq", own.next),
                       words.number("ack", other.next) if "A" in flags else 0,
                       (20 + len(options)) // 4 << 4, sum(1 << FLAGS.index(flag) for flag in flags),
                       words.number("win", 8192), 0, 0)
    if "seq" not in words.moved:
        own.next = (own.next + words.size + ("S" in flags) + ("F" in flags)) & M32
    return head + options + b"t" * words.size


def chunk(kind, words, ports, own, other):
    if kind in ("INIT", "INIT-ACK"):
        body = struct.pack("!IIHHI", words.number("init", own.tag), 65536, 1, 1, own.next)
    else:
        body = b"c" * 12
    reflects = "T" in words.bare
    tag = words.number("tag", 0 if kind == "INIT" else own.tag if reflects else other.tag)
    return bytes(SCTP(sport=ports[0], dport=ports[1], tag=tag) / Raw(
        struct.pack("!BBH", CHUNKS[kind], reflects, 4 + len(body)) + body))


def summed(data, at, before=b""):
    """The bytes with the Internet checksum of themselves, and of what stands before, at a place."""
    whole = before + data + b"\0" * (len(data) % 2)
    return data[:at] + struct.pack("!H", ~(int.from_bytes(whole, "big") % 0xFFFF) & 0xFFFF) + data[
        at + 2:]
