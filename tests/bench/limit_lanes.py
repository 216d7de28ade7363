# SPDX-License-Identifier: Apache-2.0
"""Lanes that hold each source to a rate (lanes.py holds those of lists), and who sends to them."""
import ipaddress
import random
import struct

from bench.lanes import Lane, kernel_bytes
from harness.daemon import Daemon

KEYS, SEED = 1 << 20, 7
MOST = 1 << 20          # hashlimit has room for no more
EVER = "3600000"        # ms: nobody is forgotten while it is measured
SERVER, HTTP, TCP, SYN = 999999, 80, 6, 0x02
# As weir-bench makes frames of tuples: their length, the window, the options of a SYN.
FRAME_BYTES, WINDOW, SYN_OFFSET = 100, 0x1000, 0xA0
OPTIONS = bytes([2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7])
SETS = """table inet bench {
 set sources { type ipv%s_addr; size 2097152; flags dynamic,timeout; timeout 1h; }
 chain pre { type filter hook prerouting priority raw;
  update @sources { ip%s saddr limit rate over %s burst %u packets } drop;
 }
}
"""
# `within` 40,000,000 packets a second of all together, as far as hashlimit can count; `over` one an
# hour: all but the first of each source.
ALL_TOGETHER, PEERS_MOST = 40000000, 1000000


def rate_of(is_over, sources):
    """(packets, by the second or the hour, how many at once)"""
    if is_over:
        return 1, "hour", 1
    rate = min(ALL_TOGETHER // sources, PEERS_MOST)
    return rate, "second", rate


def address(family, number):
    """In the form of struct weir_addr. Numbers of neighbours lie far apart."""
    if family == "4":
        return bytes(10) + b"\xff\xff" + struct.pack("!I", 0x0B000000 + number * 1439)
    return ipaddress.IPv6Address((0x20010DB8 << 96) + (number << 64) + 1).packed


def words(data):
    """Sum of 16-bit words."""
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def syns(family, addresses):
    """A connection each, to one server. Frames have no checksum of TCP, that is 0; so the sequence
    number is one that makes it right, for peers that look at it."""
    to, numbers, header = address(family, SERVER), random.Random(SEED), struct.Struct("!HHHHH")
    segment = FRAME_BYTES - 14 - (20 if family == "4" else 40)
    ends = slice(12, 16) if family == "4" else slice(0, 16)
    fixed = words(to[ends]) + words(OPTIONS) + TCP + segment + WINDOW + (SYN_OFFSET << 8 | SYN)
    for source in addresses:
        sport, high = numbers.randrange(1024, 65536), numbers.getrandbits(16)
        low = -(fixed + words(source[ends]) + sport + HTTP + high) % 0xFFFF
        yield (source + to + header.pack(sport, HTTP, TCP << 8 | 1, SYN_OFFSET << 8 | SYN, high)
               + struct.pack("!HI", low, 0))


def sources_write(path, family, count):
    """Each of them, in an order drawn once, and from the start again: addresses, or SYNs."""
    order = list(range(count))
    random.Random(SEED).shuffle(order)
    addresses = ([address(family, number) for number in order] * (KEYS // count + 1))[:KEYS]
    path.write_bytes(b"".join(syns(family, addresses) if path.suffix == ".tuples" else addresses))


class LimitLane(Lane):
    """`memory()` is what it keeps of sources, or may come to keep."""

    def __init__(self, name, family, folder, rate):
        self.rate = rate
        super().__init__(name, family, folder)
        self.before = kernel_bytes()

    def memory(self):
        return kernel_bytes() - self.before


class Empty(LimitLane):
    program = "empty"


class Weir(LimitLane):
    daemon, proto, counts, more = None, "udp", "packets", ""

    def load(self):
        count, period, burst = self.rate
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text(
            "api: {listen: off}\nmemory: 1GiB\ninterfaces: [{name: in, hook: xdp}]\n"
            f"limit: {{sources: {2 * MOST}, limits: [{{name: a, proto: {self.proto}, "
            f"{self.counts}: {count}/{period[0]}, burst: {burst}}}]}}\n{self.more}")
        self.daemon.start()

    def row(self):
        row, = self.daemon.ask("limit", "show")["limits"]
        return row

    def memory(self):
        return self.daemon.ask("limit", "show")["sources_capacity"] * 8

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class WeirConnections(Weir):
    proto, counts = "tcp", "connections"


class NftSet(LimitLane):
    def load(self):
        count, period, burst = self.rate
        version = "" if self.v4 else "6"
        self.namespace.run("nft", "-f", "-", input=SETS % (self.family, version,
                                                           f"{count}/{period}", burst))


class Hashlimit(LimitLane):
    def load(self):
        count, period, burst = self.rate
        self.namespace.run(
            self.iptables, "-t", "raw", "-A", "PREROUTING", "-m", "hashlimit",
            "--hashlimit-above", f"{count}/{period}", "--hashlimit-burst", burst,
            "--hashlimit-mode", "srcip", "--hashlimit-name", "bench", "--hashlimit-htable-size",
            MOST, "--hashlimit-htable-max", MOST, "--hashlimit-htable-expire", EVER, "-j", "DROP")


class Connlimit(LimitLane):
    """Behind the kernel's tracking, as it must be: in the first chain there is."""

    def load(self):
        self.namespace.run(self.iptables, "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "-m",
                           "connlimit", "--connlimit-above", 0, "--connlimit-mask",
                           32 if self.v4 else 128, "-j", "DROP")
