# SPDX-License-Identifier: Apache-2.0
"""A daemon whose time of day is set while it runs: the other side of jumping.c."""
import mmap
import struct

from harness.daemon import HELPERS, Daemon


class JumpingDaemon(Daemon):
    """A daemon that lives so many seconds from now."""

    def __init__(self, *args, **options):
        super().__init__(*args, prefix=(), **options)
        path = self.home / "jumping"
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self.offset = mmap.mmap(file.fileno(), 8)
        self.prefix = ["env", f"LD_PRELOAD={HELPERS / 'jumping.so'}", f"JUMPING={path}"]

    def jump(self, seconds):
        self.offset[:] = struct.pack("=q", seconds)
