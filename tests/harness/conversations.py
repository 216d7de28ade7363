# SPDX-License-Identifier: Apache-2.0
"""Captures written by hand, and the conversations tshark finds in them."""
import collections
import decimal
import re
import struct
import subprocess

from harness.frames import Raw

# By whom: {(address, port): (packets, bytes sent)} of both ends; ns since the first packet.
Conversation = collections.namedtuple("Conversation", "sent start_ns duration_ns")
# Reassembly would count a datagram at its last fragment; each frame is a packet of its own here.
OPTIONS = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")
ROW = re.compile(r"^(\S+)\s+<->\s+(\S+)\s+(\d+) (\d+) (\S+)\s+(\d+) (\d+) (\S+)\s+"
                 r"\d+ \d+ \S+\s+(-?\d+\.\d+)\s+(\d+\.\d+)$")
UNITS = {"bytes": 1, "kB": 1000, "MB": 1000000}
KINDS = {"TCP": "tcp", "UDP": "udp", "IPv4": "ip", "IPv6": "ipv6"}
NS = 1000000000
BEGIN_NS = 1700000000 * NS


class Tape:
    """Frames and when each of them came, in ns since 1970."""

    def __init__(self, step_ns=1000000):
        self.rows, self.step_ns, self.now_ns = [], step_ns, BEGIN_NS

    def add(self, frame, after_ns=None):
        self.now_ns += self.step_ns if after_ns is None else after_ns
        self.rows.append((self.now_ns, bytes(frame)))
        return frame

    def wait(self, seconds):
        self.now_ns += int(seconds * NS)

    def write(self, path, link=1, snaplen=1 << 18, magic=0xA1B23C4D):
        """A pcap with ns, or by 0xa1b2c3d4 with us."""
        unit = 1 if magic == 0xA1B23C4D else 1000
        out = [struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
        for time_ns, frame in self.rows:
            held = frame[:snaplen]
            out += [struct.pack("<IIII", time_ns // NS, time_ns % NS // unit, len(held),
                                len(frame)), held]
        path.write_bytes(b"".join(out))

    def write_ng(self, path):
        """A pcapng whose stamps are ns."""
        resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
        out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
               block(1, struct.pack("<HHI", 1, 0, 0) + resolution)]
        for time_ns, frame in self.rows:
            head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(frame),
                               len(frame))
            out.append(block(6, head + frame + bytes(-len(frame) % 4)))
        path.write_bytes(b"".join(out))


def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


class Connection:
    """One of TCP, as its packets show it. Sides: 0 began it, 1 did not."""

    def __init__(self, tape, ends, ports, dress, begin=(1000, 500000)):
        self.tape, self.ends, self.ports, self.dress = tape, ends, ports, dress
        self.next = list(begin)

    def frame(self, side, flags, data=b"", seq=None):
        segment = dict(sport=self.ports[side], dport=self.ports[1 - side], flags=flags,
                       seq=self.next[side] if seq is None else seq, window=65000,
                       ack=self.next[1 - side] if "A" in flags else 0)
        return self.dress(self.ends[side], self.ends[1 - side], segment,
                          Raw(data) if data else None)

    def send(self, side, flags, data=b""):
        frame = self.tape.add(self.frame(side, flags, data))
        self.next[side] += len(data) + ("S" in flags) + ("F" in flags)
        return frame

    def open(self):
        self.send(0, "S")
        self.send(1, "SA")
        self.send(0, "A")
        return self

    def ask(self, request, answer):
        self.send(0, "PA", request)
        self.send(1, "A")
        self.send(1, "PA", answer)
        self.send(0, "A")
        return self

    def close(self):
        self.send(0, "FA")
        self.send(1, "FA")
        self.send(0, "A")
        return self


def end_of(text, has_ports):
    if not has_ports:
        return text, None
    address, port = text.rsplit(":", 1)
    return address, int(port)


def size_of(number, unit):
    """What is shown, and in what: tshark cuts from 10,000 on."""
    return int(number), UNITS[unit]


def ns_of(text):
    return int(decimal.Decimal(text) * NS)


def conversations(path):
    """Of each kind as `tshark -z conv,KIND` has them, by their start; bytes are (number, unit)."""
    options = [word for option in OPTIONS for word in ("-o", option)]
    asked = [word for kind in KINDS.values() for word in ("-z", f"conv,{kind}")]
    said = subprocess.run(["tshark", "-n", "-r", path, *options, "-q", *asked],
                          capture_output=True, text=True, check=True).stdout
    found, kind = {}, None
    for line in said.splitlines():
        if line.endswith(" Conversations"):
            kind = KINDS[line.split()[0]]
            found[kind] = []
        row = ROW.match(line.strip())
        assert row or "<->" not in line, line
        if row:
            found[kind].append(conversation_of(row, kind))
    assert set(found) == set(KINDS.values())
    return {kind: sorted(rows, key=lambda row: row.start_ns) for kind, rows in found.items()}


def conversation_of(row, kind):
    a, b = (end_of(row[i], kind in ("tcp", "udp")) for i in (1, 2))
    return Conversation({a: (int(row[6]), size_of(row[7], row[8])),
                         b: (int(row[3]), size_of(row[4], row[5]))},
                        ns_of(row[9]), ns_of(row[10]))
