# SPDX-License-Identifier: Apache-2.0
"""The live policy as the kernel has it: lines of the pinned slot, read without Weir; and the
services in it (features/balance/balance.h)."""
import collections
import ctypes
import ipaddress
import itertools
import mmap
import os
import platform
import re
import struct

from harness.daemon import TREE

BPF_OBJ_GET = 7
SYSCALL = {"x86_64": 321, "aarch64": 280}
LINE = 64


def pinned(path):
    """A descriptor of what is pinned there."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    attr = struct.pack("=QII", ctypes.addressof(name), 0, 0)
    fd = ctypes.CDLL(None, use_errno=True).syscall(
        SYSCALL[platform.machine()], BPF_OBJ_GET, ctypes.create_string_buffer(attr), len(attr))
    assert fd >= 0, f"{path}: {os.strerror(ctypes.get_errno())}"
    return fd


def sections():
    text = (TREE / "abi/image.h").read_text()
    return re.findall(r"X\(WEIR_SECTION_(\w+),", text)


def mapped(path, size):
    fd = pinned(path)
    try:
        return mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(fd)


def live_lines(daemon):
    """All lines of the slot that is live."""
    page = mmap.PAGESIZE
    with mapped(daemon.pin_dir / "maps/cfg_live", page) as live:
        slot = struct.unpack_from("=Q", live)[0] & 1
    path = daemon.pin_dir / f"policy/{slot}"
    with mapped(path, page) as head:
        size = struct.unpack_from("=II", head)[1] * LINE
    with mapped(path, (size + page - 1) // page * page) as lines:
        return lines[:size]


WIDE = {"service": 3, "backend": 4}             # enum balance_kind
NUMBERS = {6: "tcp", 17: "udp", 132: "sctp"}
FORWARDS = ("nat", "l2", "ipip", "gue")
EACH_LEAF = 8

# What a line of a service says, but for where its slots lie.
Met = collections.namedtuple("Met", "forward source by_port turns active remembers tunnels mask "
                             "affinity_ticks affinity_mask")
# … and of a backend.
Serves = collections.namedtuple("Serves", "service address port shift is_down weight number")


class Services:
    """What a policy says of services, but for what follows from what was before: where slots lie,
    and rows of counters."""

    def __init__(self, daemon):
        lines = live_lines(daemon)
        first = struct.unpack_from("=16I", lines)[5 + sections().index("BALANCE")]
        self.lines = lines[first * LINE:] if first else b""
        head = struct.unpack_from("=8I", self.lines) if first else (0,) * 8
        self.cell_lines, cells, services, backends, count, backend_count, _, choices = head
        self.sources = self.lines[32:LINE]
        self.addresses = self.take(1, cells - 1) if first else b""
        self.cells = self.take(cells, self.cell_lines)
        self.services = [self.service(self.take(services + i, 1)) for i in range(count)]
        self.backends = [self.backend(self.take(backends + i, 1)) for i in range(backend_count)]
        self.choices = self.take(choices, count) if choices else bytes(count * LINE)
        self.wide = {kind: self.tables(number) for kind, number in WIDE.items()}

    def take(self, line, count):
        return self.lines[line * LINE:(line + count) * LINE]

    def service(self, line):
        """(the line without where its slots lie, its slots)."""
        slots, at = struct.unpack_from("=II", line, 36)
        return (line[:40] + line[44:],
                struct.unpack_from(f"={slots}H", self.lines, at * LINE) if slots else ())

    @staticmethod
    def backend(line):
        """Its line without its row of counters."""
        return line[:24] + line[28:]

    def tables(self, kind):
        """{(address, protocol): [(first port, last port, row)]} of what has several ports."""
        found = {}
        for at in range(0, len(self.cells), 32):
            cell = self.cells[at:at + 32]
            if cell[19] == kind:
                found[address(cell), NUMBERS[cell[18]]] = self.table(
                    struct.unpack_from("=I", cell, 20)[0])
        return found

    def table(self, line):
        every, leaf, leaves, *firsts = struct.unpack_from("=IIH27H", self.lines, line * LINE)
        assert firsts[leaves:] == [0xFFFF] * (len(firsts) - leaves)
        rows = [row for at in range(leaves * EACH_LEAF) if (row := struct.unpack_from(
            "=HHI", self.lines, leaf * LINE + 8 * at))[0] <= row[1]]
        assert [rows[at * EACH_LEAF][0] for at in range(leaves)] == firsts[:leaves]
        return rows + ([(0, 0xFFFF, every - 1)] if every else [])

    def content(self):
        return {"size": self.cell_lines, "sources": self.sources, "addresses": self.addresses,
                "cell": rows_of(self.cells, 32), "service": self.services,
                "backend": self.backends, "choice": rows_of(self.choices, LINE),
                "wide": self.wide}

    def differing(self, other):
        """What is in one of two alone: {kind: (here, there)}. A comparison of the whole would be
        explained for minutes."""
        mine, others = self.content(), other.content()
        return {kind: alone(part, others[kind]) for kind, part in mine.items()
                if part != others[kind]}

    # --- by service --------------------------------------------------------------------------

    def end(self, row):
        """(address, protocol, its first port)."""
        line = self.services[row][0]
        return address(line), NUMBERS[line[34]], struct.unpack_from(">H", line, 32)[0]

    def met(self):
        """{end: Met}."""
        found = {}
        for row, (line, _) in enumerate(self.services):
            by_port, turns, flags = struct.unpack_from("=HBB", line, 40)
            choice = self.choices[row * LINE:(row + 1) * LINE]
            found[self.end(row)] = Met(
                FORWARDS[line[35]], address(line[16:]) if any(line[16:32]) else None,
                by_port == 0xFFFF, bool(turns), bool(flags & 1), bool(flags & 2),
                bool(flags & 4), bits(line[44:60]), struct.unpack_from("=I", choice, 16)[0],
                bits(choice[48:64]))
        return found

    def serving(self):
        """{end: [Serves]}."""
        found = {self.end(row): [] for row in range(len(self.services))}
        for line in self.backends:
            number, row, shift, is_down, weight = struct.unpack_from("=HIHHI", line, 18)
            port = struct.unpack_from(">H", line, 16)[0]
            found[self.end(row)].append(
                Serves(self.end(row), address(line), port, shift, bool(is_down), weight, number))
        return found

    def shares(self):
        """{end: {(backend's address, its port): slots}}."""
        found, serving = {}, self.serving()
        for row, (_, slots) in enumerate(self.services):
            names = {one.number: (one.address, one.port) for one in serving[self.end(row)]}
            found[self.end(row)] = {names[number]: count
                                    for number, count in collections.Counter(slots).items()}
        return found

    def unfound(self):
        """Cells that do not lie where packets look for them: no gap may be before one."""
        wrong = []
        for at in range(2 * self.cell_lines):
            cell = self.cells[at * 32:at * 32 + 32]
            if not cell[19]:
                continue
            begin = place(cell) & (self.cell_lines - 1)
            ahead = (at // 2 - begin) % self.cell_lines
            before = [(begin + i) % self.cell_lines for i in range(ahead)]
            if ahead >= 4 or not all(self.is_full(line) for line in before):
                wrong.append(cell)
        return wrong

    def is_full(self, line):
        return self.cells[line * LINE + 19] and self.cells[line * LINE + 51]


def rows_of(lines, size):
    return [lines[at:at + size] for at in range(0, len(lines), size)]


def alone(one, other):
    """Of lists, rows in the place of others."""
    if not isinstance(one, list):
        return one, other
    return [pair for pair in itertools.zip_longest(one, other) if pair[0] != pair[1]]


def address(line):
    found = ipaddress.IPv6Address(line[:16])
    return str(found.ipv4_mapped or found)


def bits(mask):
    """How many there are in the mask of a prefix."""
    number = int.from_bytes(mask, "big")
    assert number == 0 or f"{number:0128b}" == f"{'1' * number.bit_count():0<128}", mask
    return number.bit_count()


def mix(number, word):
    number = (number ^ word) * 0x9e3779b97f4a7c15 & (1 << 64) - 1
    return number ^ number >> 32


def place(cell):
    """balance_hash() of its key."""
    high, low, port, proto, kind = struct.unpack_from("=QQHBB", cell)
    number = mix(mix(0x62616c616e6365, high), low)
    return mix(number, port << 32 | proto << 8 | kind) >> 32
