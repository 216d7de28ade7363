# SPDX-License-Identifier: Apache-2.0
"""A BPF program that is certainly not Weir's: it passes every packet."""
import contextlib
import ctypes
import os
import struct

from harness.daemon import BPFFS
from harness.links import libc
from harness.net import unique

NR_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, OBJ_PIN = 5, 6
XDP, XDP_PASS = 6, 2


def bpf(command, attributes):
    result = libc.syscall(NR_BPF, command, attributes, len(attributes))
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result


def pin_foreign_program(path):
    """Written by hand."""
    code = struct.pack("<BBhiBBhi", 0xb7, 0, 0, XDP_PASS, 0x95, 0, 0, 0)  # r0 = pass; exit
    insns = ctypes.create_string_buffer(code)
    licence = ctypes.create_string_buffer(b"GPL")
    load = struct.pack("<IIQQIIQII16s", XDP, 2, ctypes.addressof(insns),
                       ctypes.addressof(licence), 0, 0, 0, 0, 0, b"stranger")
    program = bpf(PROG_LOAD, ctypes.create_string_buffer(load, len(load)))
    name = ctypes.create_string_buffer(str(path).encode())
    pin = struct.pack("<QI", ctypes.addressof(name), program)
    bpf(OBJ_PIN, ctypes.create_string_buffer(pin, len(pin)))
    os.close(program)


@contextlib.contextmanager
def polling(station, device):
    """Its other end takes what XDP sends it, as with GRO, but no frames are put together."""
    path = BPFFS / unique("stranger")
    pin_foreign_program(path)
    try:
        station.run("ip", "link", "set", "dev", device, "xdpdrv", "pinned", path)
        yield
    finally:
        station.run("ip", "link", "set", "dev", device, "xdpdrv", "off", check=False)
        path.unlink()
