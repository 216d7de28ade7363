# SPDX-License-Identifier: Apache-2.0
"""G18: what the daemon takes to answer about a million flows, beside one plain pass over its table.
WEIR_BEFORE names another `weir`, which takes turns with the one that is built."""
import contextlib
import json
import os
import pathlib
import tempfile
import time

from bench import monitor
from bench.client import Client
from bench.measure import median, program, ratio
from bench.served_tcp import thread_ns
from harness.daemon import Daemon
from harness.wait import pause

BEFORE = os.environ.get("WEIR_BEFORE")
READ_MOST = 50          # ms
SETTLE_S = 0.02
ASKED = (("counted by state", "flow/count"),
         ("one of them listed", "flow/list?limit=1"),
         ("bytes>1TB", "flow/list?filter=bytes%3E1TB"),
         ("src=10.0.0.0/8 and port=443", "flow/list?filter=src%3D10.0.0.0%2F8+and+port%3D443"),
         ("20 flows that carry most", "flow/top"),
         ("10,000 flows that carry most", "flow/top?limit=10000"),
         ("by protocol", "flow/top?group=proto"),
         ("by port, 65,535", "flow/top?group=dport"),
         ("by host, of /16: 65,536", "flow/top?group=host&prefix=16"),
         ("by source, all different", "flow/top?group=src&limit=10"),
         ("by host, 2,000,000 different", "flow/top?group=host&limit=10"))


class Read(monitor.Counting):
    binary = None

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.binary = self.binary or self.daemon.binary
        self.configure(self.capacity)
        self.daemon.start()


@contextlib.contextmanager
def filled(count, binary=None):
    """A daemon that has so many flows, drawn, which have carried something."""
    kind = type("Filled", (Read,), {"capacity": count, "binary": binary})
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        with kind("weir", "4", pathlib.Path(name)) as lane:
            program("flows", "4", "udp", count, lane.folder, lane.daemon.pin_dir)
            program("read", "draw", lane.daemon.pin_dir)
            lane.client = Client(lane.daemon.socket)
            yield lane


def scan(lane, rounds):
    return program("read", "scan", lane.daemon.pin_dir, rounds)


def ask(lane, route):
    """What it answers, ms of processor, and ms by the clock."""
    pid = lane.daemon.process.pid
    began, used = time.monotonic(), thread_ns(pid)
    text = lane.client.get(f"/api/v1/{route}")
    wall = (time.monotonic() - began) * 1000
    pause(SETTLE_S)     # the kernel accounts for a thread once it sleeps
    return json.loads(text), (thread_ns(pid) - used) / 1e6, wall


def sums_check(lane):
    """All that is in the table is in what is told of it, counted and grouped."""
    plain = scan(lane, 1)
    wanted = [plain[key] for key in ("total", "packets", "bytes")]
    counted = ask(lane, "flow/count")[0]
    grouped = ask(lane, "flow/top?group=dport&limit=1")[0]["total"]
    for found in ([counted[key] for key in ("total", "packets", "bytes")],
                  [grouped[key] for key in ("flows", "packets", "bytes")]):
        if found != wanted:
            raise RuntimeError(f"the table has {wanted}, the daemon says {found}")


def reading_rows(report, quick):
    count, rounds = (100000, 3) if quick else (1000000, 5)
    with contextlib.ExitStack() as stack:
        lanes = {"weir": stack.enter_context(filled(count))}
        if BEFORE:
            lanes["before"] = stack.enter_context(filled(count, BEFORE))
        sums_check(lanes["weir"])
        passes = []
        for what, route in ASKED:
            used, clock = {name: [] for name in lanes}, []
            for _ in range(rounds):
                passes += scan(lanes["weir"], 1)["ms"]
                for name, lane in lanes.items():
                    _, cpu, wall = ask(lane, route)
                    used[name].append(cpu)
                    clock += [wall] if name == "weir" else []
            reading_row(report, f"{count:,} flows: {what}", used)
            report.add("G18", "… by the clock", median(clock), "ms")
        report.add("G18", f"{count:,} flows: one plain pass over them", median(passes), "ms")


def reading_row(report, what, used):
    if BEFORE:
        report.add("G18", what, median(used["weir"]), "ms", "before", median(used["before"]),
                   ratio(used["before"], used["weir"]), most=READ_MOST)
    else:
        report.add("G18", what, median(used["weir"]), "ms", most=READ_MOST)
