# SPDX-License-Identifier: Apache-2.0
"""The live policy as the kernel has it: lines of the pinned slot, read without Weir; and the
services in it (features/balance/balance.h)."""
import ctypes
import ipaddress
import mmap
import os
import platform
import re
import struct

from harness.daemon import TREE

BPF_OBJ_GET = 7
SYSCALL = {"x86_64": 321, "aarch64": 280}
LINE = 64
SERVICE, BACKEND, NUMBER = 1, 2, 3


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


class Services:
    """What a policy says of services, but for what follows from what was before: where slots lie,
    and rows of counters."""

    def __init__(self, daemon):
        lines = live_lines(daemon)
        first = struct.unpack_from("=16I", lines)[5 + sections().index("BALANCE")]
        self.lines = lines[first * LINE:] if first else b""
        head = struct.unpack_from("=8I", self.lines) if first else (0,) * 8
        self.cell_lines, cells, services, backends, count, backend_count = head[:6]
        self.sources = self.lines[32:LINE]
        self.cells = self.take(cells, self.cell_lines)
        self.services = [self.service(self.take(services + i, 1)) for i in range(count)]
        self.backends = [self.backend(self.take(backends + i, 1)) for i in range(backend_count)]

    def take(self, line, count):
        return self.lines[line * LINE:(line + count) * LINE]

    def service(self, line):
        """(the line without where its slots lie, its slots)."""
        slots, at = struct.unpack_from("=II", line, 36)
        return (line[:40] + line[44:],
                struct.unpack_from(f"={slots}H", self.lines, at * LINE) if slots else ())

    @staticmethod
    def backend(line):
        """(its line without its row of counters, its number, the row of its service)."""
        return line[:24] + line[28:], *struct.unpack_from("=HI", line, 18)

    def content(self):
        return self.cell_lines, self.sources, self.cells, self.services, self.backends

    def shares(self):
        """{(service's address, port): {backend's address: slots}}, of those who have any."""
        names = {(service, number): address(line) for line, number, service in self.backends}
        found = {}
        for row, (line, slots) in enumerate(self.services):
            counts = {number: slots.count(number) for number in set(slots)}
            port = struct.unpack_from(">H", line, 32)[0]
            found[address(line), port] = {names[row, number]: count
                                          for number, count in counts.items()}
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


def address(line):
    found = ipaddress.IPv6Address(line[:16])
    return str(found.ipv4_mapped or found)


def mix(number, word):
    number = (number ^ word) * 0x9e3779b97f4a7c15 & (1 << 64) - 1
    return number ^ number >> 32


def place(cell):
    """balance_hash() of its key."""
    high, low, port, proto, kind = struct.unpack_from("=QQHBB", cell)
    number = mix(mix(0x62616c616e6365, high), low)
    return mix(number, port << 32 | proto << 8 | kind) >> 32
