# SPDX-License-Identifier: Apache-2.0
"""Packets as they are behind a balancer that puts headers in front of them: built by scapy, and
from bpf/lib/encap.h nothing but which source port and flow label a flow has."""
import ipaddress
import struct
import sys

from scapy.all import IP, IPv6, Raw, UDP
from scapy.utils import checksum

L2, IPIP, GUE = 1, 2, 3                             # enum weir_forward
MASK = (1 << 64) - 1


def packed(address):
    address = ipaddress.ip_address(address)
    return (ipaddress.ip_address(f"::ffff:{address}") if address.version == 4 else address).packed


def mix(value, word):
    value = (value ^ word) * 0x9e3779b97f4a7c15 & MASK
    return value ^ value >> 32


def flow_hash(ends, proto, has_ports):
    """As bpf/lib/encap.h has it: the same for all packets of a flow."""
    value = 0x656e636170
    for address in (ends.src, ends.dst):
        high, low = struct.unpack("=QQ", packed(address))
        value = mix(value, high ^ low)
    swapped = [int.from_bytes(port.to_bytes(2, "big"), sys.byteorder) if has_ports else 0
               for port in (ends.sport, ends.dport)]
    return mix(value, swapped[0] << 32 | swapped[1] << 16 | proto) >> 32


def one_hop_on(packet):
    data = bytearray(packet)
    if data[0] >> 4 == 6:
        data[7] -= 1
        return bytes(data)
    data[8] -= 1
    length = (data[0] & 15) * 4
    data[10:12] = bytes(2)
    data[10:12] = checksum(bytes(data[:length])).to_bytes(2, "big")
    return bytes(data)


def traffic_class(packet):
    return packet[1] if packet[0] >> 4 == 4 else (packet[0] << 4 | packet[1] >> 4) & 0xff


def around(packet, forward, ends, number):
    """`ends`: the outer addresses; `number`: flow_hash()."""
    src, dst = ends
    inner = 4 if packet[0] >> 4 == 4 else 41
    tos = traffic_class(packet)
    outer = ipaddress.ip_address(dst).version
    if outer == 4:
        head = IP(src=src, dst=dst, ttl=64, tos=tos, id=0, flags="DF")
    else:
        head = IPv6(src=src, dst=dst, hlim=64, tc=tos, fl=number & 0xfffff)
    if forward == GUE:
        return bytes(head / UDP(sport=0xc000 | number >> 18, dport=6080, chksum=0) / Raw(packet))
    setattr(head, "proto" if outer == 4 else "nh", inner)
    return bytes(head / Raw(packet))
