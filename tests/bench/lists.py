# SPDX-License-Identifier: Apache-2.0
"""G1: address lists. Program time, end to end, loading, one change, memory, swapping under load."""
import json
import subprocess
import time

from bench import lanes
from bench.client import Client
from bench.measure import MIB, drawn, median, net, net_ratio, program, ratio

SIZES = (1000, 10000, 100000, 1000000)
SHAPE_NAMES = {"v4-single": "v4 random /32", "v4-hosts": "v4 95 % /32", "v4-routes": "v4 routes",
               "v6-single": "v6 random /128", "v6-hosts": "v6 95 % /128", "v6-routes": "v6 routes"}


def named(shape, count):
    size = f"{count // 1000}k" if count < 1000000 else "1M"
    return f"{SHAPE_NAMES[shape]}, {size}"


def net_rows(report, shape, count, rounds, packets):
    with drawn(shape, count) as folder:
        found = program("net", shape[1], folder, rounds, packets)
    v4, large = shape[1] == "4", count == 1000000
    for keys in ("hit", "miss"):
        trie = net(found[keys], "trie")
        for contender, what in (("lookup", "look-up"), ("weir", "program")):
            alone = contender == "lookup"
            report.add("G1", f"net {what}, {named(shape, count)}, {keys}",
                       net(found[keys], contender), "ns", "LPM_TRIE", trie,
                       net_ratio(found[keys], "trie", contender),
                       most=(50 if v4 else 150) if large and alone else None,
                       least_ratio=(15 if v4 else 5) if large and alone else None)
    report.add("G1", f"table, {named(shape, count)}", found["table_bytes"] / MIB, "MiB",
               "LPM_TRIE (its memlock)", found["trie_bytes"] / MIB,
               most=40 if large and v4 else None)


class Race:
    """One list, a lane for each filter that can hold it, all loaded at the same time."""

    def __init__(self, stack, shape, count, with_interval=True):
        self.shape, self.count, self.family = shape, count, shape[1]
        self.folder = stack.enter_context(drawn(shape, count))
        kinds = {"empty": lanes.Empty, "weir": lanes.Weir, "LPM_TRIE": lanes.Trie,
                 "ipset hash:net": lanes.Ipset}
        if with_interval:
            kinds["nft interval"] = lanes.NftInterval
        if shape.endswith("single"):
            kinds["nft hash set"] = lanes.NftHash
        if shape == "v4-single" and count <= 10000 and not lanes.XDP_FILTER_PINS.exists():
            kinds["xdp-filter"] = lanes.XdpFilter
        self.lanes = {name: stack.enter_context(kind(name, self.family, self.folder))
                      for name, kind in kinds.items()}

    def run(self, keys, rounds, packets):
        before = {name: lane.passed() for name, lane in self.lanes.items()}
        found = program("frames", self.family, self.folder, f"{keys}.keys", rounds, packets,
                        *(lane.target() for lane in self.lanes.values()))
        for name, lane in self.lanes.items():
            self.check(name, keys, found[name], lane.passed() - before[name])
        return {name: row["ns"] for name, row in found.items()}

    def check(self, name, keys, row, passed):
        """A figure counts only if every packet met its right end. Lost on the way: said."""
        expected = 0 if keys == "hit" or name == "empty" else row["arrived"]
        if abs(passed - expected) > (0 if keys == "hit" else row["arrived"] // 1000):
            raise RuntimeError(f"{name}: {passed} packets passed, {expected} should have ({keys})")
        if row["arrived"] < row["sent"] * 0.999:
            print(f"     ({name}: {row['sent'] - row['arrived']} of {row['sent']} frames lost "
                  "before the filter)")


TARGETS = {("nft interval", 1000000): 14, ("ipset hash:net", 1000000): 4.5,
           ("nft hash set", 1000000): 4, ("xdp-filter", 10000): 1.0}


def race_rows(report, race, rounds, packets):
    where = named(race.shape, race.count)
    for keys in ("hit", "miss"):
        ns = race.run(keys, rounds, packets)
        for name in ns:
            if name in ("weir", "empty"):
                continue
            target = TARGETS.get((name, race.count))
            # What a miss costs is for the most part the stack behind the filter.
            wanted = target if keys == "hit" and race.family == "4" else None
            report.add("G1", f"end to end, {where}, {keys}", median(ns["weir"]), "ns", name,
                       median(ns[name]), ratio(ns[name], ns["weir"]), least_ratio=wanted)
        report.add("G1", f"end to end, {where}, {keys}", median(ns["weir"]), "ns",
                   "empty XDP drop", median(ns["empty"]), ratio(ns["empty"], ns["weir"]))


def load_rows(report, race):
    weir, where = race.lanes["weir"], named(race.shape, race.count)
    for name, lane in race.lanes.items():
        if lane.load_s and lane is not weir:
            report.add("G1", f"load, {where}, until live", weir.load_s, "s", name, lane.load_s,
                       most=1.0 if race.count == 1000000 else None)
    for name, lane in race.lanes.items():
        if lane.bytes and lane is not weir:
            report.add("G1", f"memory of the table, {where}", weir.bytes / MIB, "MiB", name,
                       lane.bytes / MIB)


def change_rows(report, race, times):
    """Adding one entry and taking it out again, each by a command, the start of it included."""
    where, weir = named(race.shape, race.count), race.lanes["weir"]
    address = "198.51.100.77" if race.family == "4" else "2001:db8:77::7"

    def cost(lane, count):
        return median([lanes.timed(lambda: lane.change(address)) for _ in range(count)]) * 1000 / 2

    def add(name, peer):
        report.add("G1", f"one change, {where}, command", ours, "ms", name, peer)

    api = weir_changes_ms(weir.daemon, address, 50)
    report.add("G1", f"one change, {where}, API", api, "ms", most=5)
    ours = cost(weir, times)
    for name in ("ipset hash:net", "nft hash set"):
        if name in race.lanes:
            add(name, cost(race.lanes[name], times))
    try:
        if "nft interval" in race.lanes:
            add("nft interval", cost(race.lanes["nft interval"], 1))
    except subprocess.TimeoutExpired as late:
        add("nft interval, at least", late.timeout * 1000)


def weir_changes_ms(daemon, address, count):
    client = Client(daemon.socket)
    taken = []
    for _ in range(count):
        for verb in ("add", "del"):
            start = time.monotonic()
            client.post(f"/api/v1/block/{verb}", json.dumps({"entry": address}))
            taken.append((time.monotonic() - start) * 1000)
    return median(taken)
