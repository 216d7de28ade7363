# SPDX-License-Identifier: Apache-2.0
"""What arrives at a device, and what Wireshark has to say of it: every checksum, the lengths, and
whatever else it calls an error. Senders must not leave checksums to devices (veth() sees to it)."""
import collections
import pathlib
import struct
import subprocess
import tempfile

from harness.wire import packet_socket

ETH_P_ALL, PACKET_OUTGOING = 3, 4
GUE_PORT = 6080
OPTIONS = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE",
           "udp.ignore_ipv6_zero_checksum:TRUE",        # it would not tell tunnels: unsummed() does
           "sctp.checksum:CRC 32c",                     # what it does not know it takes for none
           "tcp.analyze_sequence_numbers:FALSE")        # one way of a connection is too little
CHECKSUMS = ("ip", "tcp", "udp", "sctp", "icmp", "icmpv6")
FIELDS = ("frame.protocols", "_ws.expert.severity", "_ws.expert.message", "icmp.type",
          "icmpv6.type", "udp.checksum", *(f"{name}.checksum.status" for name in CHECKSUMS))
# What is said on a connection is no concern of it, whatever port that has. (GUE's own are above.)
DECODE = ("tcp.port==1-65535,data", f"udp.port==1-{GUE_PORT - 1},data", f"udp.port=={GUE_PORT},ip",
          f"udp.port=={GUE_PORT + 1}-65535,data", "sctp.port==1-65535,data")
ERROR = 8 << 20                                         # PI_ERROR
GOOD, UNVERIFIED, NOT_THERE = ("1", "Good"), ("2", "Unverified"), ("3", "Not present")
ERRORS = {"icmp": (3, 11, 12), "icmpv6": (1, 2, 3, 4)}

# complaints: what is wrong, and in which frame. layers, good, errors: how many frames of a stack of
# protocols, right checksums of a protocol, and ICMP errors of a type there were.
Verdict = collections.namedtuple("Verdict", "complaints layers good errors")


class Capture:
    """All that arrives at a device while it is open."""

    def __init__(self, station, device):
        self.sock = packet_socket(station, device, ETH_P_ALL)
        self.sock.setblocking(False)

    def frames(self):
        """Those since the last time."""
        found = []
        while True:
            try:
                frame, address = self.sock.recvfrom(65536)
            except BlockingIOError:
                return found
            if address[2] != PACKET_OUTGOING:
                found.append(frame)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def write_pcap(path, frames):
    rows = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1)]
    for number, frame in enumerate(frames):
        rows += [struct.pack("<IIII", number, 0, len(frame), len(frame)), frame]
    path.write_bytes(b"".join(rows))


def fields(frames):
    """By frame: field -> its values, as tshark prints them."""
    with tempfile.TemporaryDirectory(prefix="weir-wireshark-") as folder:
        path = pathlib.Path(folder) / "pcap"
        write_pcap(path, frames)
        words = ["tshark", "-n", "-r", path, "-T", "fields",
                 "-E", "occurrence=a", "-E", "aggregator=;"]
        for name in DECODE:
            words += ["-d", name]
        for name in OPTIONS:
            words += ["-o", name]
        for name in FIELDS:
            words += ["-e", name]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    for line in done.stdout.rstrip("\n").split("\n"):
        yield {name: [value for value in text.split(";") if value]
               for name, text in zip(FIELDS, line.split("\t"))}


def is_error(row):
    return any(int(kind) in kinds for name, kinds in ERRORS.items() for kind in row[f"{name}.type"])


def is_other_zero(row):
    """Linux writes 0xffff in the place of 0 for TCP as for UDP (skb_checksum_help()): one segment
    in 65,536. Receivers take either."""
    return any("0xffff instead of 0x0000" in text for text in row["_ws.expert.message"])


def wrong_checksums(row, name):
    """Of what an error quotes the end is missing, which only UDP tells, by its length."""
    fine = GOOD + NOT_THERE + (UNVERIFIED if is_error(row) and name == "udp" else ())
    if name in ("tcp", "sctp") and is_error(row) or name == "tcp" and is_other_zero(row):
        return []
    return [value for value in row[f"{name}.checksum.status"] if value not in fine]


def unsummed(row):
    """How many datagrams over IPv6 have no checksum, but for those of GUE (RFC 6935)."""
    layers, count, over = row["frame.protocols"][0].split(":"), 0, ""
    sums = iter(row["udp.checksum"])
    for layer, within in zip(layers, [*layers[1:], ""]):
        over = layer if layer in ("ip", "ipv6") else over
        if layer == "udp" and int(next(sums, "1"), 16) == 0:
            count += over == "ipv6" and within not in ("ip", "ipv6")
    return count


def complaints(row):
    if any(int(value) >= ERROR for value in row["_ws.expert.severity"]):
        yield from (text for text in row["_ws.expert.message"]
                    if not text.startswith(("Bad checksum", "Bad SCTP checksum")))  # said below
    if "_ws.malformed" in row["frame.protocols"][0]:
        yield "malformed"
    for name in CHECKSUMS:
        if wrong_checksums(row, name):
            yield f"{name}: checksum {wrong_checksums(row, name)}"
    if unsummed(row):
        yield "udp: no checksum over IPv6"


def verdict(frames, rows):
    wrong, layers, good, errors = [], *(collections.Counter() for _ in range(3))
    for frame, row in zip(frames, rows, strict=True):
        wrong += [(text, row["frame.protocols"][0], frame.hex()) for text in complaints(row)]
        layers[row["frame.protocols"][0]] += 1
        for name in CHECKSUMS:
            good[name] += sum(value in GOOD for value in row[f"{name}.checksum.status"])
        for name in ("icmp", "icmpv6"):
            errors.update((name, int(kind)) for kind in row[f"{name}.type"][:1])
    return Verdict(wrong, layers, good, errors)


def judged(*places):
    """What Wireshark says of the frames of each place, one after the other: fragments are put
    together. To start it is what takes time, so it is started once."""
    rows = list(fields([frame for frames in places for frame in frames]))
    found = []
    for frames in places:
        found.append(verdict(frames, rows[:len(frames)]))
        del rows[:len(frames)]
    return found
