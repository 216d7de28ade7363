# SPDX-License-Identifier: Apache-2.0
"""G7: what a limit adds to a packet that keeps to it, and to one it is not about; and end to end
beside what the kernel has for it."""
import contextlib
import pathlib
import shutil
import tempfile

from bench import limit_lanes as lanes
from bench.measure import median, program, ratio

SIZES = (1, 10000, 1000000)
# Each beside the same without it.
LANES = (("others", "off", "not about it"), ("on", "off", "about it"),
         ("exact", "off", "about it, exact clock"), ("rule limit", "rule", "of a rule about it"))
NET_MOST = 50           # ns, at 1,000,000 sources
PACKETS = {"nft dynamic set": lanes.NftSet, "iptables hashlimit": lanes.Hashlimit}
CONNECTIONS = {"iptables connlimit": lanes.Connlimit}
TARGETS = {"nft dynamic set": 3.3, "iptables hashlimit": 3}


def added(rounds, lane, without):
    """By round, what it costs more than the program without it."""
    return [more - less for more, less in zip(rounds[lane], rounds[without])]


def counted(count):
    return f"{count:,} source{'s' if count > 1 else ''}"


def limit_rows(report, rounds, packets, sizes):
    for family in "46":
        for count in sizes:
            found = program("limit", family, count, rounds, packets)
            for lane, without, what in LANES:
                wanted = NET_MOST if lane == "on" and count == max(SIZES) else None
                report.add("G7", f"net, v{family}, limit {what}, {counted(count)}: adds",
                           median(added(found, lane, without)), "ns", most=wanted)
    report.add("G7", "instructions verified, limits on", found["verified"], "insns")


def strangers(packets):
    """What else may have come by, and who found no bucket."""
    return packets // 1000 + 10


class Race:
    """So many sources, and lanes that hold each to the same rate."""

    def __init__(self, stack, family, count, is_over, peers):
        self.family, self.count, self.is_over = family, count, is_over
        self.packets = "sources.keys" if peers is PACKETS else "sources.tuples"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        lanes.sources_write(self.folder / self.packets, family, count)
        rate = lanes.rate_of(is_over, count)
        weir = lanes.Weir if peers is PACKETS else lanes.WeirConnections
        self.lanes = {name: stack.enter_context(kind(name, family, self.folder, rate))
                      for name, kind in {"empty": lanes.Empty, "weir": weir, **peers}.items()}
        self.memory = {}

    def run(self, rounds, packets, *names):
        return program("frames", self.family, self.folder, self.packets, rounds, packets,
                       *(self.lanes[name].target() for name in names or self.lanes))

    def meet(self):
        """Each lane for itself, so that what the kernel's memory grows by is its own: all sources,
        until next to none is new, as a frame may be lost on the way."""
        for name, lane in self.lanes.items():
            lane.before = lanes.kernel_bytes()
            for _ in range(5):
                before = lane.passed()
                self.run(1, max(self.count, 10000), name)
                if not self.is_over or lane.passed() - before <= strangers(self.count):
                    break
            self.memory[name] = lane.memory()

    def check(self, found, before):
        """A figure counts only if every packet was held to the limit, as it should be."""
        for name, lane in self.lanes.items():
            passed, arrived = lane.passed() - before[name], found[name]["arrived"]
            expected = 0 if self.is_over or name == "empty" else arrived
            if abs(passed - expected) > strangers(arrived):
                raise RuntimeError(f"{name}: {passed} packets passed, {expected} should have")
            if arrived < found[name]["sent"] * 0.999:
                print(f"     ({name}: {found[name]['sent'] - arrived} of {found[name]['sent']} "
                      "frames lost before the filter)")
        crowded = self.lanes["weir"].row()["crowded"]
        if crowded:
            print(f"     (weir: {crowded} packets found no bucket since the lane was made)")


def race_rows(report, race, what, rounds, packets):
    race.meet()
    before = {name: lane.passed() for name, lane in race.lanes.items()}
    found = race.run(rounds, packets)
    race.check(found, before)
    ns = {name: row["ns"] for name, row in found.items()}
    where = f"end to end, v{race.family}, {what}, {counted(race.count)}"
    for name in ns:
        if name == "weir":
            continue
        # What passes costs the birth of an skb in every lane.
        wanted = TARGETS.get(name) if race.is_over and race.count == max(SIZES) else None
        report.add("G7", where, median(ns["weir"]), "ns",
                   "empty XDP drop" if name == "empty" else name, median(ns[name]),
                   ratio(ns[name], ns["weir"]), least_ratio=wanted)
    if race.count == max(SIZES):
        memory_rows(report, race)


def memory_rows(report, race):
    """connlimit keeps live connections alone, and those that it drops are none."""
    for name in PACKETS if race.is_over else ():
        if name in race.memory:
            report.add("G7", f"memory a source, v{race.family}, table of {2 * lanes.MOST:,}",
                       race.memory["weir"] / race.count, "bytes", name,
                       race.memory[name] / race.count)


def live_rows(report, rounds, packets, sizes):
    races = (("over the limit", True, PACKETS), ("within the limit", False, PACKETS),
             ("new connections over the limit", True, CONNECTIONS))
    for family, what, is_over, peers in ((family, *race) for family in "46" for race in races):
        if family == "6" and not is_over:
            continue            # the same way to the stack
        for count in sizes if family == "4" else sizes[-1:]:
            with contextlib.ExitStack() as stack:
                race_rows(report, Race(stack, family, count, is_over, peers), what, rounds,
                          packets)
