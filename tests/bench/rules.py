# SPDX-License-Identifier: Apache-2.0
"""G2: rules. Program time, end to end, applying a policy, memory, size of the programs."""
import time

from bench import rule_lanes, rulesets
from bench.client import Client
from bench.measure import MIB, median, net, program, ratio

KINDS = ("first", "last", "none", "mixed")
SHAPE_NAMES = {"five": "five-tuples", "acl": "access list", "ports": "ports only",
               "worst": "wildcards", "apart": "disjoint five-tuples"}
MEETS = {"first": "the first matches", "last": "the last matches", "none": "none matches",
         "mixed": "any rule"}
TARGETS = {("v4-five", 1000): 60, ("v4-five", 10000): 250}      # ns of the rules' share
TUPLES, TUPLE_BYTES, PASSES_AT = 1 << 16, 48, 37                # struct bench_tuple
WALKED = 3000000        # rules a walk may compare in a round
WALK_PACKETS = (500, 100000)
WALKS = ("linear XDP", "nft rules", "iptables")


def named(shape, count):
    family, kind = shape.split("-")
    return f"{family} {SHAPE_NAMES[kind]}, {count:,}"


def share(rounds):
    """What rules add to Weir's program, by round."""
    return [weir - bare for weir, bare in zip(rounds["weir"], rounds["bare"])]


def net_rows(report, shape, count, rounds, packets):
    """Gives what the programs weigh, to be compared between sizes."""
    with rulesets.drawn(shape, count) as folder:
        found = program("rules", shape[1], folder, rounds, packets)
    where, most = named(shape, count), TARGETS.get((shape, count))
    for kind in KINDS:
        ours = share(found[kind])
        walk = [line - empty for line, empty in zip(found[kind]["linear"], found[kind]["empty"])]
        report.add("G2", f"net rules, {where}, {MEETS[kind]}", median(ours), "ns", "linear XDP",
                   median(walk), median([w / max(o, 0.1) for w, o in zip(walk, ours)]), most=most)
        report.add("G2", f"net program, {where}, {MEETS[kind]}", net(found[kind], "weir"), "ns",
                   "without rules", net(found[kind], "bare"))
    first, last = (share(found[kind]) for kind in ("first", "last"))
    report.add("G2", f"last over first, {where}",
               median([b / max(a, 0.1) for a, b in zip(first, last)]), "x", most=1.3)
    report.add("G2", f"tables, {where}", (found["far_bytes"] + found["near_bytes"]) / MIB, "MiB")
    report.add("G2", f"compiled, {where}", found["compile_ms"], "ms")
    return {"instructions verified": found["verified"], "machine code, bytes": found["jited_bytes"]}


def size_rows(report, weights):
    """The same programs, however many rules."""
    few, many = weights[min(weights)], weights[max(weights)]
    for name, weir in many.items():
        report.add("G2", f"{name}, {max(weights):,} rules", weir, "", f"{min(weights):,} rules",
                   few[name])


def lane_kinds(shape):
    kinds = {"empty": rule_lanes.RuleLane, "weir": rule_lanes.Weir, "linear XDP": rule_lanes.Walk,
             "nft rules": rule_lanes.Nft, "iptables": rule_lanes.Iptables}
    if shape.endswith("ports"):
        kinds["nft map"] = rule_lanes.NftPorts
    if shape.endswith("apart"):
        kinds["nft pipapo"] = rule_lanes.NftPipapo
    return kinds


class Race:
    """One rule set, a lane for each filter that can hold it."""

    def __init__(self, stack, shape, count):
        self.shape, self.count, self.family = shape, count, shape[1]
        self.folder = stack.enter_context(rulesets.drawn(shape, count))
        self.lanes = {name: stack.enter_context(kind(name, self.family, self.folder))
                      for name, kind in lane_kinds(shape).items()}
        self.lanes["empty"].program = "empty"
        fewest, most = WALK_PACKETS
        self.walk_packets = min(max(WALKED // count, fewest), most)
        for name in WALKS:
            self.lanes[name].slow_packets = self.walk_packets

    def run(self, kind, rounds, packets):
        before = {name: lane.passed() for name, lane in self.lanes.items()}
        found = program("frames", self.family, self.folder, f"{kind}.tuples", rounds, packets,
                        *(lane.target() for lane in self.lanes.values()),
                        f"few,{self.lanes['empty'].namespace.name},out,in,-,{self.walk_packets}")
        passes = (self.folder / f"{kind}.tuples").read_bytes()[PASSES_AT::TUPLE_BYTES]
        for name, lane in self.lanes.items():
            sent = found[name]["sent"]
            # Rounds follow one another through the packets, and those begin again at their end.
            right = sum(passes) * (sent // TUPLES) + sum(passes[:sent % TUPLES])
            self.check(name, kind, found[name], lane.passed() - before[name], right)
        return self.corrected({name: row["ns"] for name, row in found.items()})

    def corrected(self, ns):
        """What it costs to send few at a time, as the empty lane shows it, is not the filters'."""
        few = ns.pop("few")
        extra = [more - less for more, less in zip(few, ns["empty"])]
        for name in WALKS:
            ns[name] = [cost - less for cost, less in zip(ns[name], extra)]
        return ns

    def check(self, name, kind, row, passed, right):
        """A figure counts only if every packet met its right end; lost on the way: said."""
        lost = row["sent"] - row["arrived"]
        if name != "empty" and not right - lost <= passed <= right:
            raise RuntimeError(f"{name}: {passed} packets passed, {right} should have ({kind}; "
                               f"{lost} lost)")
        if lost > row["sent"] * 0.001:
            print(f"     ({name}: {lost} of {row['sent']} frames lost before the filter)")


def race_rows(report, race, rounds, packets):
    where = named(race.shape, race.count)
    for kind in KINDS:
        ns = race.run(kind, rounds, packets)
        for name in ns:
            if name != "weir":
                report.add("G2", f"end to end, {where}, {MEETS[kind]}", median(ns["weir"]), "ns",
                           "empty XDP drop" if name == "empty" else name, median(ns[name]),
                           ratio(ns[name], ns["weir"]))
    weir = race.lanes["weir"]
    for name, lane in race.lanes.items():
        if lane.load_s and lane is not weir:
            report.add("G2", f"load, {where}, until live, command", weir.load_s, "s", name,
                       lane.load_s)


def apply_rows(report, shape, count, rounds):
    """Two policies take turns: applying what is live already would be nothing to do."""
    with rulesets.drawn(shape, count) as folder, rule_lanes.Weir("weir", shape[1], folder) as lane:
        rules = rulesets.read(folder)
        texts = [rule_lanes.HEAD + rulesets.weir(rules[skip:]) for skip in (1, 0)]
        client, api, command = Client(lane.daemon.socket), [], []
        for number in range(rounds):
            text = texts[number % 2]
            start = time.monotonic()
            client.upload("/api/v1/apply", text)
            api.append((time.monotonic() - start) * 1000)
        for number in range(rounds):
            text = texts[(rounds + number) % 2]
            start = time.monotonic()
            lane.daemon.say("apply", "-", text=text)
            command.append((time.monotonic() - start) * 1000)
        report.add("G2", f"compile and swap, {named(shape, count)}, API", median(api), "ms",
                   most=200 if count == 10000 else None)
        report.add("G2", f"compile and swap, {named(shape, count)}, command", median(command), "ms")
