# SPDX-License-Identifier: Apache-2.0
"""IP packets to fragments, and back."""
import struct

from model.talk import summed

FRAGMENT = 44       # IPv6's header


def split(packet, size, number):
    """Fragments of `size` bytes, a multiple of 8, in order."""
    body = packet[20 if packet[0] >> 4 == 4 else 40:]
    starts = range(0, len(body), size)
    return [piece(packet, body[at:at + size], at, at + size < len(body), number) for at in starts]


def piece(packet, data, at, more, number):
    if packet[0] >> 4 == 4:
        head = struct.pack("!HHH2sH", 20 + len(data), number, more << 13 | at >> 3, packet[8:10], 0)
        return summed(packet[:2] + head + packet[12:20], 10) + data
    head = struct.pack("!BBHI", packet[6], 0, at | more, number)
    return packet[:4] + struct.pack("!HBB", len(head + data), FRAGMENT, packet[7]) + packet[
        8:40] + head + data


def wholes(packets):
    """The bodies of packets that are whole, or become so: as a receiver would have them, sorted."""
    parts, done = {}, []
    for packet in packets:
        at, more, key, data = place(packet)
        if key is None:
            done.append(data)
            continue
        have = parts.setdefault(key, {})
        have[at] = data
        if not more:
            have["end"] = at + len(data)
        body = joined(have)
        if body is not None:
            done.append(body)
            del parts[key]
    return sorted(done)


def place(packet):
    """(offset, whether more follow, whose it is, data); nobody's if it is whole."""
    if packet[0] >> 4 == 4:
        number, word = struct.unpack("!HH", packet[4:8])
        key = (packet[9], packet[12:20], number)
        return ((word & 0x1FFF) << 3, word & 0x2000, key if word & 0x3FFF else None, packet[20:])
    if packet[6] != FRAGMENT:
        return 0, False, None, packet[40:]
    word, number = struct.unpack("!HI", packet[42:48])
    return word & 0xFFF8, word & 1, (packet[40], packet[8:40], number), packet[48:]


def joined(have):
    body = b""
    while len(body) in have:
        body += have[len(body)]
    return body if len(body) == have.get("end") else None
