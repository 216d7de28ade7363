# SPDX-License-Identifier: Apache-2.0
"""What packets look like where they arrive: what two load balancers are compared by."""
import contextlib
import socket

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from harness.wait import wait_for
from harness.wire import packet_socket

ETHERTYPES = {4: 0x0800, 6: 0x86DD}
CHECKED = (IP, TCP, UDP, ICMP)


def checksums_hold(packet):
    """All of them, as scapy computes them."""
    again = packet.__class__(bytes(packet))
    for layer in CHECKED:
        number = 1
        while again.getlayer(layer, number):
            del again.getlayer(layer, number).chksum
            number += 1
    return bytes(again) == bytes(packet)


def network(ip):
    """Of one header, what may be changed on the way."""
    if isinstance(ip, IP):
        return {"src": ip.src, "dst": ip.dst, "hops": ip.ttl, "tos": ip.tos,
                "flags": str(ip.flags)}
    return {"src": ip.src, "dst": ip.dst, "hops": ip.hlim, "tos": ip.tc}


def transport(ip):
    row = {}
    if ports := ip.getlayer(UDP) or ip.getlayer(TCP):
        row.update(sport=ports.sport, dport=ports.dport, text=bytes(ports.payload))
    if tcp := ip.getlayer(TCP):
        row.update(tcp=str(tcp.flags), mss=dict(tcp.options).get("MSS"))
    return row


def described(ip):
    """Of a scapy packet from IP on."""
    return {**network(ip), **transport(ip), "sound": checksums_hold(ip)}


class Watch:
    """Frames of a family as they arrive at a device, none of those that leave."""

    def __init__(self, place, device, family):
        self.sock = packet_socket(place, device, ETHERTYPES[family])
        self.frames = []

    def look(self):
        """All so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, where = self.sock.recvfrom(65536, socket.MSG_DONTWAIT)
                if where[2] == socket.PACKET_HOST:
                    self.frames.append(frame)
        return self.frames

    def matching(self, is_wanted, count=1):
        """Waits for so many that are wanted; gives them as scapy packets from IP on."""
        def found():
            rows = [Ether(frame).payload for frame in self.look()]
            rows = [row for row in rows if is_wanted(row)]
            return rows if len(rows) >= count else None

        return wait_for(found, f"{count} packets such as are wanted")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
