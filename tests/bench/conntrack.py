# SPDX-License-Identifier: Apache-2.0
"""G5: what tracking connections adds to a packet. G6: what is left of them after a flood."""
import contextlib
import pathlib
import shutil
import tempfile
import time

from bench import control, flow_lanes
from bench.measure import MIB, median, net, net_ratio, program
from harness.wait import pause, wait_for

SIZES = (1, 1000, 100000, 1000000)
HITS = (("udp", "true", "UDP stream"), ("tcp", "true", "TCP, windows checked"),
        ("tcp", "false", "TCP, not checked"))
TRACKING = ("weir", "nf_conntrack")
OTHERS = (("new-udp", "UDP, new flow"), ("new-tcp", "TCP, new flow"),
          ("refused", "TCP, new, denied"), ("prove", "UDP, flow proves itself"),
          ("miss", "TCP, of no flow"))
HIT_TARGETS = {1: 15, 100000: 45, 1000000: 80}          # ns
NEW_TARGET = 130
ROUND_TRIP_S = 0.1
IDLE_S = 20
ENDING_S = 60
SHARE_MOST = 2          # % of a core
BUCKET_BYTES = 8        # of the kernel's hash


def added(rounds, more="on", less="off"):
    """By round, what one costs more than the other."""
    return [a - b for a, b in zip(rounds[more], rounds[less])]


def flows(count):
    return f"{count:,} flow{'s' if count > 1 else ''}"


def picks_up(kind):
    """A packet that begins a flow is no miss."""
    return kind != "miss"


def net_row(report, family, kind, what, checked, count, rounds, packets, most):
    options = f"enabled: true, window-check: {checked}, pick-up: {picks_up(kind)}".lower()
    found = program("track", family, kind, options, count, rounds, packets)
    report.add("G5", f"net, v{family}, {what}, {flows(count)}: adds", median(added(found)), "ns",
               "without tracking", median(added(found, "off", "empty")), most=most)
    return found


def net_rows(report, rounds, packets, sizes):
    for family in "46":
        for kind, checked, what in HITS:
            for count in sizes:
                net_row(report, family, kind, what, checked, count, rounds, packets,
                        HIT_TARGETS.get(count))
        for kind, what in OTHERS:
            for count in sizes if kind != "prove" else (1,):
                found = net_row(report, family, kind, what, "true", count, rounds, packets,
                                NEW_TARGET if kind.startswith("new") else None)
    report.add("G5", "instructions verified, tracking on", found["verified"], "insns", most=300000)
    report.add("G5", "machine code of the XDP path, tracking on", found["jited_bytes"], "bytes")
    memory_rows(report, found)


class Race:
    """Lanes that track the same flows, and the same lanes without tracking."""

    def __init__(self, stack, family, kind, count, routed):
        self.family, self.kind, self.count = family, kind, count
        self.is_hit = kind in {name for name, *_ in HITS}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        kinds = {"empty": flow_lanes.Empty, "weir off": flow_lanes.WeirOff,
                 "weir": flow_lanes.Weir, "nft": flow_lanes.Nft, "nf_conntrack": flow_lanes.Kernel}
        self.lanes = {name: stack.enter_context(lane(name, family, self.folder, routed,
                                                     picks_up(kind)))
                      for name, lane in kinds.items()}
        program("flows", family, kind, count, self.folder, self.lanes["weir"].daemon.pin_dir)
        for lane in self.lanes.values():
            lane.fill()

    def run(self, rounds, packets):
        found = program("frames", self.family, self.folder, "packets.tuples", rounds, packets,
                        *(lane.target() for lane in self.lanes.values()))
        for name, row in found.items():
            if row["arrived"] < row["sent"] * 0.999:
                print(f"     ({name}: {row['sent'] - row['arrived']} of {row['sent']} frames lost "
                      "before the filter)")
        return found


def live_row(report, race, what, rounds, packets):
    """Packets of flows that are known come once before, so that those timed are hits."""
    if race.is_hit:
        race.run(1, race.count)
    before = {name: lane.passed() for name, lane in race.lanes.items()}
    unfit = {name: race.lanes[name].unfit() for name in TRACKING}
    found = race.run(rounds, packets)
    ns = {name: row["ns"] for name, row in found.items()}
    check(race, found, before)
    if race.kind == "miss":
        check_misses(race, found, unfit)
    ours, theirs = added(ns, "weir", "weir off"), added(ns, "nf_conntrack", "nft")
    report.add("G5", f"end to end, {what}: adds", median(ours), "ns",
               "nf_conntrack", median(theirs),
               median([b / max(a, 0.1) for a, b in zip(ours, theirs)]))
    report.add("G5", f"end to end, {what}: whole", median(ns["weir"]), "ns",
               "nf_conntrack", median(ns["nf_conntrack"]))
    report.add("G5", f"end to end, {what}: without tracking",
               median(ns["weir off"]), "ns", "empty XDP drop", median(ns["empty"]))


def strangers(packets):
    """What else may have come by: the kernel announces its groups over IPv6."""
    return packets // 1000 + 10


def check(race, found, before):
    """A figure counts only if every packet passed, and was of a flow that both knew, or neither."""
    for name, lane in race.lanes.items():
        passed, arrived = lane.passed() - before[name], found[name]["arrived"]
        if name != "empty" and abs(passed - arrived) > strangers(arrived):
            raise RuntimeError(f"{name}: {passed} of {arrived} packets passed")
    daemon, arrived = race.lanes["weir"].daemon, found["weir"]["arrived"]
    reason = "pass_established" if race.is_hit else "pass_policy"
    wait_for(lambda: abs(daemon.reasons().get(reason, 0) - arrived) <= strangers(arrived),
             f"{arrived} packets ended with {reason}: {daemon.reasons()}", 5)
    kept = race.lanes["nf_conntrack"].count()
    if race.count and kept != race.count:
        raise RuntimeError(f"nf_conntrack knows {kept} flows")


def check_misses(race, found, before):
    for name in TRACKING:
        arrived = found[name]["arrived"]
        wait_for(lambda lane=race.lanes[name], want=before[name] + arrived:
                 abs(lane.unfit() - want) <= strangers(arrived), f"{name}: {arrived} misses", 5)


def live_rows(report, rounds, packets, sizes):
    with flow_lanes.kernel_sizes(2 * max(sizes)) as most:
        for family in "46":
            for kind, what in (("udp", "UDP stream"), ("tcp", "TCP")):
                for count in sizes if family == "4" else sizes[-1:]:
                    where = f"v{family}, {what}, {flows(count)}"
                    if count > most:
                        report.skipped("G5", where, f"nf_conntrack_max is {most:,} and read-only")
                        continue
                    with contextlib.ExitStack() as stack:
                        race = Race(stack, family, kind, count, routed=False)
                        live_row(report, race, where, rounds, packets)
                        if count == max(sizes):
                            report.add("G5", f"nf_conntrack's slabs grow, {where}, a flow",
                                       race.lanes["nf_conntrack"].bytes / count, "bytes")
            for kind, proto in (("new-udp", "UDP"), ("new-tcp", "TCP")):
                with contextlib.ExitStack() as stack:
                    live_row(report, Race(stack, family, kind, 0, routed=True),
                             f"v{family}, {proto}, new flow, routed", rounds,
                             min(packets, most // rounds))
            for count in sizes:
                where = f"v{family}, TCP of no flow, {flows(count)}"
                if count > most:
                    report.skipped("G5", where, f"nf_conntrack_max is {most:,} and read-only")
                    continue
                with contextlib.ExitStack() as stack:
                    live_row(report, Race(stack, family, "miss", count, routed=False), where,
                             rounds, packets)


def memory_rows(report, found):
    """Of capacity; a set fills before the table does, so there is an eighth more room."""
    peer = None
    if flow_lanes.SLAB.exists():
        buckets = int(flow_lanes.BUCKETS.read_text()) / int(flow_lanes.MAX.read_text())
        peer = int(flow_lanes.SLAB.read_text()) + buckets * BUCKET_BYTES
    for name, what in (("flow_bytes", "proven"), ("half_bytes", "half-open")):
        report.add("G5", f"memory a flow, {what}, with its tags", found[name], "bytes",
                   "nf_conntrack: slab, hash", peer)


def survive_rows(report):
    found = program("survive")
    where = "100 SYNs from anywhere a packet"
    lost, plain = (100 - found[name] / found["flows"] * 100 for name in ("weir_known", "lru_known"))
    report.add("G6", f"established flows lost, {where}", lost, "%", "LRU hash", plain, most=0)
    report.add("G6", f"net program, {where}", net(found, "weir"), "ns",
               "LRU hash", net(found, "lru"), net_ratio(found, "lru", "weir"))
    for between, completed in found["completed"].items():
        rate = int(int(between) / ROUND_TRIP_S)
        report.add("G6", f"handshakes of 100 ms completed, {rate:,} SYNs/s",
                   completed / found["handshakes"] * 100, "%")


def share_of(pid, seconds):
    """Of one core, while so many pass; packets only compare a flow's time with the clock, so this
    is all that ending costs."""
    start, cpu = time.monotonic(), control.cpu_s(pid)
    pause(seconds)
    return (control.cpu_s(pid) - cpu) / (time.monotonic() - start) * 100


def ending_row(report, lane, count, seconds):
    """All end in that time, evenly; the sweep needs eight seconds more for the last."""
    program("flows", "4", "udp", count, lane.folder, lane.daemon.pin_dir, seconds)
    before = program("taken", lane.daemon.pin_dir)
    share = share_of(lane.daemon.process.pid, seconds)
    gone = before - program("taken", lane.daemon.pin_dir)
    if gone < count / 2:
        raise RuntimeError(f"{gone} of {count} flows were forgotten")
    report.add("G5", f"daemon, {gone:,} of {flows(count)} ending in {seconds} s: of one core",
               share, "%", most=SHARE_MOST)


def expiry_rows(report, quick):
    count, idle_s, ending_s = (10000, 2, 12) if quick else (1000000, IDLE_S, ENDING_S)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = pathlib.Path(name)
        with flow_lanes.Weir("weir", "4", folder) as lane:
            ending_row(report, lane, count, ending_s)
        with flow_lanes.Weir("weir", "4", folder) as lane:
            program("flows", "4", "udp", count, folder, lane.daemon.pin_dir)
            pid = lane.daemon.process.pid
            report.add("G5", f"daemon with {flows(count)} for {idle_s} s: of one core",
                       share_of(pid, idle_s), "%")
            report.add("G5", f"daemon with {flows(count)}: resident",
                       control.resident_bytes(pid) / MIB, "MiB")
