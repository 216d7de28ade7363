# SPDX-License-Identifier: Apache-2.0
"""Datagrams in pieces, each piece a frame of its own, in whatever order a test likes. Headers and
checksums are scapy's."""
import json

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw

from harness.wire import packet_socket

ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}


def pieces(family, src, dst, data, number, count=3):
    """IP packets; `src` and `dst` are address and port, `number` is the datagram's own."""
    whole = ({4: IP, 6: IPv6}[family](src=src[0], dst=dst[0]) /
             UDP(sport=src[1], dport=dst[1]) / Raw(data))
    body = bytes(whole)[20 if family == 4 else 40:]     # scapy has computed its checksum
    size = (len(body) // count + 7) & ~7
    made = []
    for at in range(0, len(body), size):
        more = at + size < len(body)
        if family == 4:
            head = IP(src=src[0], dst=dst[0], proto=17, id=number, frag=at // 8,
                      flags="MF" if more else 0)
        else:
            head = (IPv6(src=src[0], dst=dst[0]) /
                    IPv6ExtHdrFragment(nh=17, id=number, offset=at // 8, m=more))
        made.append(bytes(head / Raw(body[at:at + size])))
    return made


def mac(namespace, device):
    row, = json.loads(namespace.run("ip", "-json", "link", "show", "dev", device).stdout)
    return bytes.fromhex(row["address"].replace(":", ""))


class Mouth:
    """Puts frames on the link between two namespaces, from the first."""

    def __init__(self, place, device, to, peer):
        self.sock = packet_socket(place, device, 0)
        self.addresses = mac(to, peer) + mac(place, device)

    def say(self, packets, tag=b""):
        for packet in packets:
            family = packet[0] >> 4
            self.sock.send(self.addresses + tag + ETHERTYPES[family] + packet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
