# SPDX-License-Identifier: Apache-2.0
"""Which port a client of full NAT gets at a backend while nobody else has any, a second time: so
that tests find clients who want the same one."""
import collections
import ipaddress

FIRST, COUNT = 1024, 31744
GOLDEN = 0x9e3779b97f4a7c15
SPREAD = 0xd6e8feb86659fd93
ALL = (1 << 64) - 1
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


def mix(value, word):
    value = (value ^ word) * GOLDEN & ALL
    return value ^ value >> 32


def swapped(port):
    return int.from_bytes(port.to_bytes(2, "big"), "little")


def halves(address):
    """As IPv6 has it, each read little-endian."""
    address = ipaddress.ip_address(address)
    packed = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return [int.from_bytes(packed[at:at + 8], "little") for at in (0, 8)]


def wanted(client, port, backend, backend_port, proto):
    value = int.from_bytes(b"hidden", "big")
    for word in halves(client) + halves(backend):
        value = mix(value, word)
    value = mix(value, swapped(port) << 32 | swapped(backend_port) << 8 | NUMBERS[proto])
    value = mix(value, 0) * SPREAD & ALL        # the first of eight candidates
    return FIRST + ((value >> 32) * COUNT >> 32)


def rivals(client, backend, backend_port, proto, among):
    """Ports at a backend that several ports of a client want, and these, in no order."""
    by_port = collections.defaultdict(list)
    for port in among:
        by_port[wanted(client, port, backend, backend_port, proto)].append(port)
    return [(port, own) for port, own in by_port.items() if len(own) > 1]
