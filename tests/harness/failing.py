# SPDX-License-Identifier: Apache-2.0
"""System calls of a daemon that fail, or that it dies or is held at: the other side of
failing.c."""
import mmap
import pathlib
import signal
import struct

from harness.daemon import HELPERS, Daemon
from harness.wait import wait_for

BPF = {"map_create": 0, "map_lookup": 1, "map_update": 2, "map_delete": 3, "map_next": 4,
       "prog_load": 5, "obj_pin": 6, "obj_get": 7, "prog_run": 10, "obj_info": 15, "btf_load": 18,
       "map_freeze": 22, "lookup_batch": 24, "link_create": 28, "link_update": 29, "bind_map": 35}
OTHERS = ("mmap", "rename", "unlink", "open", "write", "fsync", "alloc", "dup", "membarrier",
          "filter")
KINDS = {**BPF, **{name: 64 + number for number, name in enumerate(OTHERS)}}
HEAD = struct.Struct("=IIiII")       # struct plan of failing.c
SIZE = HEAD.size + 4 * (max(KINDS.values()) + 1)
HELD = -1


class FailingDaemon(Daemon):
    """A daemon whose calls are counted, and of which one fails when told so."""

    def __init__(self, *args, **options):
        super().__init__(*args, prefix=(), **options)
        path = self.home / "failing"
        path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as file:
            self.plan = mmap.mmap(file.fileno(), SIZE)
        # What is freed is overwritten: whoever still reads it does not go on by luck.
        self.prefix = ["env", f"LD_PRELOAD={HELPERS / 'failing.so'}", f"FAILING={path}",
                       "MALLOC_PERTURB_=90"]

    def arm(self, kind, number, error=0, after=False, lasts=False):
        """The number-th call of that kind from now on fails with errno `error`; where that is 0,
        the daemon is killed before it, or right after it."""
        self.disarm()
        self.plan[HEAD.size:] = bytes(SIZE - HEAD.size)
        self.plan[:HEAD.size] = HEAD.pack(KINDS[kind], number, error, after, lasts)

    def hold(self, kind, number, after=False):
        """Stopped before, or right after, the number-th call of that kind from now on."""
        self.arm(kind, number, HELD, after)

    def wait_until_held(self):
        stat = pathlib.Path("/proc", str(self.process.pid), "stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T",
                 f"the daemon is held; its log: {self.log()}", 30)
        self.disarm()

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def disarm(self):
        self.plan[:HEAD.size] = bytes(HEAD.size)

    def counts(self):
        """{kind: calls} since arm()."""
        counts = struct.unpack_from(f"={max(KINDS.values()) + 1}I", self.plan, HEAD.size)
        return {name: counts[number] for name, number in KINDS.items() if counts[number]}

    def close(self):
        super().close()
        self.plan.close()
