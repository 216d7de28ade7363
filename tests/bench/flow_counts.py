# SPDX-License-Identifier: Apache-2.0
"""G17: what counting flows adds to a packet, beside the kernel's hashes by prog-run, and beside the
programs that people run for it, on the same live packets."""
import contextlib
import pathlib
import shutil
import tempfile

from bench import watchers
from bench.conntrack import added, flows
from bench.control import resident_bytes
from bench.measure import MIB, median, net, net_ratio, program
from harness.wait import pause

SIZES = (1, 100000, 1000000)
LIVE_SIZES = (10000, 100000)
TARGETS = {1: 15, 100000: 45, 1000000: 80}              # ns
PLAIN = {"hash": "HASH, atomics", "percpu": "per-CPU hash", "lru": "LRU hash, atomics"}
SETTLE_S = 2            # until who reads from a buffer has read it


def net_rows(report, rounds, packets, sizes):
    for count in sizes:
        found = program("account", count, rounds, packets)
        adds = median(added(found, "counted", "tracked"))
        report.add("G17", f"net, v4, UDP, {flows(count)}: counting adds", adds, "ns",
                   "tracking alone", net(found, "tracked"), most=TARGETS[count])
        for name, peer in PLAIN.items():
            report.add("G17", f"net, v4, UDP, {flows(count)}: tracks and counts",
                       net(found, "counted"), "ns", peer, net(found, name),
                       net_ratio(found, name, "counted"))
        if count == max(sizes):
            memory_rows(report, found, count)


def memory_rows(report, found, count):
    """Of capacity; a flow is both directions here, and two entries of a hash."""
    whole = found["flow_bytes"] + found["sum_bytes"]
    report.add("G17", "memory a flow: what it carried", found["sum_bytes"], "bytes")
    for name, peer in PLAIN.items():
        report.add("G17", f"memory a flow of {count:,}, state and counts", whole, "bytes",
                   f"{peer}, a direction", found[f"{name}_bytes"])


class Race:
    """Each program on a lane of its own."""

    def __init__(self, stack, count):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        self.lanes = {}
        for name, kind in watchers.KINDS.items():
            kind.flows = count
            self.lanes[name] = stack.enter_context(kind(name, "4", self.folder))
        program("flows", "4", "udp", count, self.folder, self.lanes["weir"].daemon.pin_dir)

    def run(self, rounds, packets):
        return program("frames", "4", self.folder, "packets.tuples", rounds, packets,
                       *(lane.target() for lane in self.lanes.values()))


def live_rows(report, rounds, packets, sizes):
    for count in sizes:
        with contextlib.ExitStack() as stack:
            live_row(report, Race(stack, count), count, rounds, packets)


def live_row(report, race, count, rounds, packets):
    """Every flow comes by once before; what is timed then is a packet of a flow that is known."""
    race.run(1, count)
    pause(SETTLE_S)
    seen = {name: lane.seen() for name, lane in race.lanes.items()}
    cpu = {name: lane.cpu_ns() for name, lane in race.lanes.items()}
    found = race.run(rounds, packets)
    pause(SETTLE_S)
    used = {name: (lane.cpu_ns() - cpu[name]) / found[name]["sent"]
            for name, lane in race.lanes.items()}
    whole = {name: median(found[name]["ns"]) for name in race.lanes}
    where = f"{flows(count)}, live UDP"
    for name, lane in race.lanes.items():
        if name in ("nobody", "weir"):
            continue
        report.add("G17", f"{where}: kernel, whole", whole["weir"], "ns", name, whole[name])
        report.add("G17", f"{where}: its process, a packet", used["weir"], "ns", name, used[name])
        report.add("G17", f"{where}: resident", resident(race.lanes["weir"]), "MiB", name,
                   resident(lane))
        share_row(report, where, race, found, seen, name)
    report.add("G17", f"{where}: kernel, whole", whole["weir"], "ns", "nobody", whole["nobody"])


def resident(lane):
    return sum(map(resident_bytes, lane.pids())) / MIB


def share_row(report, where, race, found, seen, name):
    ours, theirs = (share(race.lanes[lane], found[lane], seen[lane]) for lane in ("weir", name))
    if ours < 100:
        raise RuntimeError(f"Weir has counted {ours} % of the packets")
    if theirs is not None:
        report.add("G17", f"{where}: packets seen", ours, "%", name, theirs)


def share(lane, row, before):
    return None if before is None else (lane.seen() - before) / row["arrived"] * 100
