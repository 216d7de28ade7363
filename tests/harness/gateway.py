# SPDX-License-Identifier: Apache-2.0
"""A gateway between two wires whose far ends are scripts: no stack answers, and nothing but what a
script sends goes through. What leaves is read with the mark it bears by then."""
import collections
import select
import socket
import struct

from harness.net import Namespace, veth
from harness.wait import SLOWNESS
from harness.wire import on_one_cpu, packet_socket

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
PACKET_OUTGOING = 4
SO_MARK, SO_RCVMARK = 36, 75
SIDES = ("left", "right")
MAC = {"left": bytes.fromhex("020000000a01"), "right": bytes.fromhex("020000000b01")}
FAR_MAC = {"left": bytes.fromhex("020000000a02"), "right": bytes.fromhex("020000000b02")}
NETWORKS = {"left": ("198.18.0.0/16", "2001:db8:a::/48"),
            "right": ("198.19.0.0/16", "2001:db8:b::/48")}
GATEWAY = {"left": ("192.0.2.1/31", "fd77:a::1/64"), "right": ("192.0.2.3/31", "fd77:b::1/64")}
NEXT_HOP = {"left": ("192.0.2.0", "fd77:a::2"), "right": ("192.0.2.2", "fd77:b::2")}
SETTINGS = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0",
            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
MTU = 9000
SENTINEL_PROTO = 253        # for experiments (RFC 3692)

# What left the gateway: towards which side, with which mark, and its IP packet.
Left = collections.namedtuple("Left", "side mark packet")


def ether(side, packet):
    """The frame of an IP packet that its far end sends on that side."""
    kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
    return MAC[side] + FAR_MAC[side] + struct.pack("!H", kind) + packet


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def is_of_ends(packet):
    """Not what the gateway itself says (neighbours, multicast groups)."""
    return packet[12:13] == b"\xc6" if packet[0] >> 4 == 4 else packet[8:12] == b"\x20\x01\x0d\xb8"


def sentinel(side):
    """A packet that closes what was sent on that side: nothing but its own protocol speaks so."""
    ends = [socket.inet_aton(address) for address in ("198.18.255.1", "198.19.255.1")]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0x4000, 9, SENTINEL_PROTO, 0) + b"".join(
        ends if side == "left" else ends[::-1])
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


class Gateway:
    """Namespace `inside`, with devices `left` and `right`."""

    def __init__(self, label):
        self.inside = self.outside = None
        self.sockets = []
        try:
            self.inside, self.outside = Namespace(label), Namespace(label)
            self.inside.run("sysctl", "-qw", *SETTINGS)
            for side in SIDES:
                self.wire(side)
            self.outs = {side: self.keep(packet_socket(self.outside, side + "-end", 0))
                         for side in SIDES}
            self.taps = {side: self.keep(packet_socket(self.inside, side, ETH_P_ALL))
                         for side in SIDES}
            for tap in self.taps.values():
                tap.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
                tap.setblocking(False)
        except BaseException:
            self.close()
            raise

    def wire(self, side):
        veth(self.inside, side, self.outside, side + "-end", MTU)
        self.inside.run("ip", "link", "set", side, "address", MAC[side].hex(":"))
        for at, family in enumerate(("-4", "-6")):
            hop = NEXT_HOP[side][at]
            self.inside.run("ip", family, "addr", "add", GATEWAY[side][at], "dev", side,
                            *(["nodad"] if at else []))
            self.inside.run("ip", "neigh", "add", hop, "lladdr", FAR_MAC[side].hex(":"), "dev",
                            side, "nud", "permanent")
            self.inside.run("ip", family, "route", "add", NETWORKS[side][at], "via", hop, "dev",
                            side)

    def keep(self, sock):
        self.sockets.append(sock)
        return sock

    def pass_through(self, packets):
        """Sends (side, IP packet) one after the other; gives what left, in order."""
        left = []
        with on_one_cpu():
            for number, (side, packet) in enumerate(packets):
                self.outs[side].send(ether(side, packet))
                # The two wires are two queues: one is emptied before the other is filled.
                if number + 1 == len(packets) or packets[number + 1][0] != side:
                    left += self.drained(side)
        return left

    def drained(self, side):
        """What left since, up to what closes it."""
        end = sentinel(side)
        self.outs[side].send(ether(side, end))
        other = SIDES[side == "left"]
        rows = []
        while True:
            assert select.select([self.taps[other]], [], [], 10 * SLOWNESS)[0], "nothing leaves"
            row = self.taken(other)
            if row and row.packet[9] == SENTINEL_PROTO and row.packet[12:20] == end[12:20]:
                break
            rows += [row] if row else []
        return rows + self.waiting(side)

    def taken(self, side):
        frame, extra, _, address = self.taps[side].recvmsg(65536, 64)
        if address[2] != PACKET_OUTGOING or not is_of_ends(frame[14:]):
            return None
        mark = next((struct.unpack("I", value)[0] for level, kind, value in extra
                     if (level, kind) == (socket.SOL_SOCKET, SO_MARK)), 0)
        return Left(side, mark, frame[14:])

    def waiting(self, side):
        """What went back where it came from: nothing should."""
        rows = []
        while True:
            try:
                row = self.taken(side)
            except BlockingIOError:
                return rows
            rows += [row] if row else []

    def close(self):
        for sock in self.sockets:
            sock.close()
        for namespace in (self.inside, self.outside):
            if namespace:
                namespace.delete()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
