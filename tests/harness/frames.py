# SPDX-License-Identifier: Apache-2.0
"""Frames made by scapy, each from or to an address that matters, in every dress a packet may wear.

A frame may get bytes behind its end (harness.wire numbers them so), which IP takes as padding.
"""
import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.contrib.mpls import MPLS                                              # noqa: E402
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert  # noqa: E402
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt,      # noqa: E402
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether                                 # noqa: E402
from scapy.layers.sctp import SCTP                                               # noqa: E402
from scapy.packet import Raw                                                     # noqa: E402

OTHER = {4: "198.18.0.1", 6: "2001:db8:ffff::1"}


def family(address):
    return 6 if ":" in address else 4


def ether():
    # To all: a frame to a foreign station is taken for somebody else's further up.
    return Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")


def ip(remote, egress=False, **fields):
    """The IP header of a packet whose remote end is `remote`."""
    header = IPv6 if family(remote) == 6 else IP
    other = OTHER[family(remote)]
    src, dst = (other, remote) if egress else (remote, other)
    return header(src=src, dst=dst, **fields)


def udp(remote, egress=False, payload=b"x" * 8):
    return ether() / ip(remote, egress) / UDP(sport=1000, dport=2000) / Raw(payload)


def plain(remote, egress=False):
    """One frame for each transport."""
    echo = ICMPv6EchoRequest() if family(remote) == 6 else ICMP()
    transports = {"udp": UDP(sport=1, dport=2), "tcp": TCP(sport=1, dport=2, flags="S"),
                  "icmp": echo, "sctp": SCTP(sport=1, dport=2)}
    return {name: ether() / ip(remote, egress) / transport
            for name, transport in transports.items()}


def tagged(remote, egress=False):
    body = ip(remote, egress) / UDP(sport=1, dport=2)
    kind = 0x86DD if family(remote) == 6 else 0x0800
    return {
        "vlan": ether() / Dot1Q(vlan=7) / body,
        "vlan 0": ether() / Dot1Q(vlan=0) / body,
        "qinq": ether() / Dot1AD(vlan=7, type=0x8100) / Dot1Q(vlan=8, type=kind) / body,
        "two 802.1q": ether() / Dot1Q(vlan=7) / Dot1Q(vlan=8) / body,
        "mpls": ether() / MPLS(label=17, s=1, ttl=9) / body,
        "two labels": ether() / MPLS(label=17, s=0, ttl=9) / MPLS(label=18, s=1, ttl=9) / body,
        "vlan and mpls": ether() / Dot1Q(vlan=7) / MPLS(label=17, s=1, ttl=9) / body,
    }


def optioned(remote, egress=False):
    """IPv4 options, IPv6 extension headers."""
    body = UDP(sport=1, dport=2)
    if family(remote) == 4:
        return {
            "one option": ether() / ip(remote, egress, options=[IPOption_Router_Alert()]) / body,
            "40 bytes of options": ether() / ip(remote, egress, options=[IPOption_NOP()] * 40)
            / body,
        }
    bare = ip(remote, egress)
    return {
        "hop-by-hop": ether() / bare / IPv6ExtHdrHopByHop() / body,
        "destination": ether() / bare / IPv6ExtHdrDestOpt() / body,
        "routing": ether() / bare / IPv6ExtHdrRouting() / body,
        "three extensions": ether() / bare / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting()
        / IPv6ExtHdrDestOpt() / body,
    }


def fragments(remote, egress=False):
    """The pieces of one datagram, in an order in which they may come: the last one first."""
    def piece(offset, more):
        payload = Raw(b"f" * 16)
        if family(remote) == 4:
            return ether() / ip(remote, egress, id=77, frag=offset, flags="MF" if more else 0,
                                proto=17) / payload
        return ether() / ip(remote, egress) / IPv6ExtHdrFragment(
            id=77, offset=offset, m=int(more), nh=17) / payload
    return {"last": piece(4, False), "middle": piece(2, True), "first": piece(0, True)}


def dressed(remote, egress=False):
    """Every frame above, by name."""
    rows = {}
    for make in (plain, tagged, optioned, fragments):
        rows.update(make(remote, egress))
    return rows
