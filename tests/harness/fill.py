# SPDX-License-Identifier: Apache-2.0
"""Flows that are there, for tests of tables: frames of both sides, one after the other."""
from scapy.layers.inet import IP, TCP, UDP

from harness.frames import ether
from harness.wire import Wire

TO = "10.77.2.2"        # inside; also what live_frames.c sends to


def fill(pair, count, first_port=1000):
    """So many proven UDP flows, one frame of each side and one more. Some at a time: where 300 are
    half-open at once, one daemon in forty (the hash has a key) has nine for the eight places of a
    set, and those displace one another in a ring."""
    ends = [(f"198.18.{number >> 8}.{number & 255}", first_port) for number in range(count)]
    there = [ether() / IP(src=src, dst=TO) / UDP(sport=port, dport=9) for src, port in ends]
    back = [ether() / IP(src=TO, dst=src) / UDP(sport=9, dport=port) for src, port in ends]
    with Wire.inward(pair) as inward, Wire.outward(pair) as outward:
        for first in range(0, count, 25):
            some = slice(first, first + 25)
            for wire, frames in ((inward, there), (outward, back), (inward, there)):
                assert all(wire.verdicts(frames[some]))
    return {src for src, _ in ends}


def fill_connections(pair, count, first_port):
    """So many established TCP flows."""
    wires = {}
    with Wire.inward(pair) as wires[False], Wire.outward(pair) as wires[True]:
        for is_back, flags, seq, ack in ((False, "S", 1, 0), (True, "SA", 7, 2),
                                         (False, "A", 2, 8)):
            frames = []
            for number in range(count):
                ends = [(f"198.18.4.{number}", first_port), (TO, 80)]
                (src, sport), (dst, dport) = ends[::-1] if is_back else ends
                frames.append(ether() / IP(src=src, dst=dst) / TCP(
                    sport=sport, dport=dport, flags=flags, seq=seq, ack=ack))
            assert all(wires[is_back].verdicts(frames))


def open_halves(pair, count):
    """So many half-open UDP flows: nobody answers."""
    with Wire.inward(pair) as inward:
        assert all(inward.verdicts([ether() / IP(src=f"198.18.3.{number}", dst=TO)
                                    / UDP(sport=1, dport=9) for number in range(count)]))
