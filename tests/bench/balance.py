# SPDX-License-Identifier: Apache-2.0
"""G4: the balancer's NAT beside nftables DNAT."""
import contextlib
import pathlib
import shutil
import tempfile

from bench import flow_lanes, served_lanes, served_tcp
from bench.conntrack import flows, strangers
from bench.lanes import kernel_bytes
from bench.measure import drawn, median, program, ratio

SIZES = (1000, 100000, 1000000)
TARGETS = {1000: (120, 100)}                    # ns: forward, reply
LEAST = {100000: 4, 1000000: 3.2}               # times nft
NEW_LEAST = 4
HOOKS = {"tc": ("tc in", "tc out"), "xdp": ("xdp", "behind xdp", "tc out")}
KINDS = {"empty": served_lanes.Empty, "plain": served_lanes.ServedLane, "nft": served_lanes.Nft,
         "weir tc": served_lanes.Weir, "weir xdp": served_lanes.WeirXdp,
         "weir tc shortcut": served_lanes.WeirTcShortcut,
         "weir shortcut": served_lanes.WeirShortcut}
LANES = {**KINDS, "ipvs": served_lanes.Ipvs}    # not every kernel has it: only who asks


def stage_rows(report, found, where, limits):
    """What each program takes of a packet, and all that it meets on its way together."""
    for way, most in zip(("forward", "reply"), limits):
        for place in ("tc in", "xdp", "behind xdp", "tc out"):
            report.add("G4", f"net, {where}, {way}, {place}",
                       median(net_rounds(found, f"{way} {place}")), "ns", *tracked(found, place))
        for hook in HOOKS:
            report.add("G4", f"net, {where}, {way}, hook: {hook}, all",
                       median(whole(found, way, hook)), "ns", most=most)
    if "UDP" in where:
        report.add("G4", f"net, {where}, new flow, tc in", median(net_rounds(found, "new tc in")),
                   "ns", *tracked(found, "tc in, new"))


def tracked(found, place):
    name = f"tracked {place}"
    return ("without services", median(net_rounds(found, name))) if name in found else ()


def net_rounds(found, name):
    empty = "empty xdp" if name.endswith(" xdp") and "behind" not in name else "empty tc"
    return [a - b for a, b in zip(found[name], found[empty])]


def net_rows(report, rounds, packets, sizes):
    for kind in ("udp", "tcp"):
        for count in sizes:
            if count > 100000:
                continue        # there are not so many packets in memory
            found = program("serve", "4", kind, 1, 1, count, rounds, packets)
            stage_rows(report, found, f"v4, {kind.upper()}, {flows(count)}",
                       TARGETS.get(count, (None, None)))


def whole(found, way, hook):
    """By round, all programs that a packet meets."""
    return [sum(each) for each in zip(*(net_rounds(found, f"{way} {place}")
                                        for place in HOOKS[hook]))]


def flat_rows(report, rounds, packets, shapes):
    """What more services and more backends cost a packet of 1,000 flows."""
    first = None
    for services, backends in shapes:
        found = program("serve", "4", "udp", services, backends, 1000, rounds, packets)
        first = first or found
        what = f"{services:,} service{'s' * (services > 1)} of {backends:,}"
        for way in ("forward", "reply"):
            report.add("G4", f"net, {what}, {way}, hook: tc, all", median(whole(found, way, "tc")),
                       "ns", "one service of one", median(whole(first, way, "tc")))
        report.add("G4", f"net, {what}, new flow, tc in", median(net_rounds(found, "new tc in")),
                   "ns", "one service of one", median(net_rounds(first, "new tc in")))
        report.add("G4", f"{what}: read and compiled", found["compile_ms"], "ms")
        more = services - 1 or backends - 1
        if more:
            thing = f"service of {backends:,}" if services > 1 else "backend"
            report.add("G4", f"{what}: memory of one more {thing}",
                       (found["bytes"] - first["bytes"]) / more, "bytes")
    report.add("G4", "memory of a flow to a service, with its tags", first["flow_bytes"], "bytes")
    report.add("G4", "instructions verified, a service by NAT", first["verified"], "insns",
               most=300000)


def maglev_rows(report, rounds, counts):
    """On compiled services; 20 backends taken out, one after the other."""
    for count in counts:
        found = program("maglev", "4", count, rounds)
        hard = count == 100
        report.add("G8", f"{count:,} backends: slots filled", median(found["fill_ms"]), "ms",
                   most=5)
        report.add("G8", f"{count:,} backends: slots, largest share over the mean",
                   found["slots_max_mean"], "x", most=1.02 if hard else None)
        report.add("G8", f"{count:,} backends: 1,000,000 flows, largest share over the mean",
                   found["flows_max_mean"], "x")
        report.add("G8", f"{count:,} backends: one goes, flows of others that move, mean",
                   sum(found["moved"]) / len(found["moved"]) * 100, "%", most=1 if hard else None)
        report.add("G8", f"{count:,} backends: one goes, flows of others that move, most",
                   max(found["moved"]) * 100, "%")


def all_on(folder, rules):
    """Lists, rules and a limit beside services. No rule is about their packets: flows that are
    known skip them, and new ones are asked of all."""
    lines = ["block:", "  lists:", f"  - {{name: bench, action: deny, file: {folder}/list.txt}}",
             "limit: {limits: [{name: a, proto: udp, packets: 1000000/s, burst: 1000000}]}",
             "rules:", "  rules:"]
    lines += [f"  - {{proto: tcp, dst: 172.{16 + i // 250}.{i % 250}.0/24, dport: {1 + i}-{9 + i}, "
              f"action: {'deny' if i % 2 else 'allow'}}}" for i in range(rules)]
    path = folder / "more.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def all_rows(report, rounds, packets, entries, count):
    where = f"all on, {entries:,} listed, {flows(count)}"
    with drawn("v4-single", entries) as folder:
        others = all_on(folder, 1000)
        found = program("serve", "4", "udp", 1, 10, count, rounds, packets, others)
        all_shortcut_rows(report, where, others, entries, rounds, packets, count)
    for way in ("forward", "reply"):
        for place in ("tc in", "xdp", "behind xdp", "tc out"):
            report.add("G9", f"{where}, accounted: {way}, {place}",
                       median(net_rounds(found, f"{way} {place}")), "ns", *tracked(found, place))
        for hook in HOOKS:
            report.add("G9", f"{where}, accounted: {way}, hook: {hook}, all",
                       median(whole(found, way, hook)), "ns", most=220)
    report.add("G9", f"{where}, accounted: new flow, tc in",
               median(net_rounds(found, "new tc in")), "ns")
    report.add("G9", f"{where}: instructions verified", found["verified"], "insns")


def all_shortcut_rows(report, where, others, entries, rounds, packets, count):
    """Of flows that XDP remembers, which are counted and limited all the same."""
    listed = entries / 2 ** 32     # of all addresses, and so of the clients
    all_lane = type("All", (served_lanes.WeirAll,), {"others": others, "listed": listed})
    with contextlib.ExitStack() as stack:
        race = Race(stack, "4", count, 1, 10, ("empty", "all"),
                    {"empty": served_lanes.Empty, "all": all_lane})
        packets = max(packets, min(ALIVE * count, PACKETS_MOST))
        for way, device in (("forward", "in"), ("reply", served_lanes.WAN)):
            race.run(way, 1, count)
            report.add("G9", f"{where}, accounted: {way}, shortcut", median(served_lanes.onward(
                race, race.lanes["all"], device, f"{way}.tuples", rounds, packets)), "ns",
                most=220)


class Race:
    """The same flows through each lane. Backends answer where each flow has one that is known."""

    def __init__(self, stack, family, count, services=1, backends=1, kinds=tuple(KINDS),
                 lanes=LANES):
        self.family, self.count, self.backends = family, count, backends
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.lanes = {name: stack.enter_context(lanes[name](name, family, self.folder, count,
                                                            services, backends)) for name in kinds}
        program("serve-files", family, "udp", services, backends, count, self.folder,
                *(lane.daemon.pin_dir for lane in self.lanes.values() if lane.hook))
        before = kernel_bytes()
        if count:
            self.run("forward", 1, count)
            self.run("reply", 1, count)
        self.grown = kernel_bytes() - before    # Weir's tables were there

    def run(self, way, rounds, packets):
        before = {name: (lane.left(), lane.translated()) for name, lane in self.lanes.items()}
        found = program("frames", self.family, self.folder, f"{way}.tuples", rounds, packets,
                        *(lane.target(way == "reply") for lane in self.lanes.values()))
        for name, row in found.items():
            self.check(name, row["arrived"], *before[name])
        return {name: row["ns"] for name, row in found.items()}

    def check(self, name, arrived, left, translated):
        """A figure counts only if every packet was sent on, and translated."""
        lane = self.lanes[name]
        if lane.program != "empty" and abs(lane.left() - left - arrived) > strangers(arrived):
            raise RuntimeError(f"{name}: {lane.left() - left} of {arrived} packets were sent on")
        refused = arrived - (lane.translated() - translated) if lane.hook else 0
        if not 0 <= refused <= lane.listed * arrived * 2:
            raise RuntimeError(f"{name}: {lane.translated() - translated} of {arrived} packets "
                               "were translated")
        if name == "nft" and self.count and abs(lane.known() - self.count) > strangers(self.count):
            raise RuntimeError(f"nft knows {lane.known()} flows")


def race_rows(report, race, what, ways, rounds, packets, least):
    for way in ways:
        if race.count:      # what left by one device came by another: each flow is asked about anew
            race.run(way, 1, race.count)
        ns = race.run(way, rounds, packets)
        for name in (name for name, lane in race.lanes.items() if lane.hook):
            report.add("G4", f"end to end, {what}, {way}, {name}", median(ns[name]), "ns",
                       "nft DNAT", median(ns["nft"]), ratio(ns["nft"], ns[name]),
                       least_ratio=least)
            report.add("G4", f"end to end, {what}, {way}, {name}: adds",
                       median([a - b for a, b in zip(ns[name], ns["plain"])]), "ns", "nft DNAT",
                       median([a - b for a, b in zip(ns["nft"], ns["plain"])]))
        report.add("G4", f"end to end, {what}, {way}: plain routing", median(ns["plain"]), "ns",
                   "empty XDP drop", median(ns["empty"]))


ALIVE = 20      # packets a round that a flow has at least
PACKETS_MOST = 5000000


def live_rows(report, rounds, packets, sizes):
    for family, counts in (("4", sizes), ("6", sizes[1:2])):
        for count in counts:
            live_row(report, family, count, f"v{family}, UDP, {flows(count)}", rounds, packets)
    live_row(report, "4", 0, "v4, UDP, new flow", rounds, packets)


def shortcut_rows(report, race, what, rounds, packets):
    """Net, of what XDP sends on."""
    lane, most = race.lanes["weir shortcut"], TARGETS.get(race.count, (None, None))
    for way, device, limit in zip(("forward", "reply"), ("in", served_lanes.WAN), most):
        race.run(way, 1, race.count)
        report.add("G4", f"net, {what}, {way}, shortcut", median(served_lanes.onward(
            race, lane, device, f"{way}.tuples", rounds, packets)), "ns", most=limit)


def live_row(report, family, count, what, rounds, packets):
    """The kernel's table has twice the room of flows, Weir's as much as there are. So many packets
    that a flow has several in a round, as flows do that are alive."""
    packets = max(packets, min(ALIVE * count, PACKETS_MOST))
    room = 2 * max(count or rounds * packets, served_lanes.CAPACITY_LEAST)
    with flow_lanes.kernel_sizes(room) as most, contextlib.ExitStack() as stack:
        if most < room:
            report.skipped("G4", what, f"nf_conntrack_max is {most:,} and read-only")
            return
        race = Race(stack, family, count)
        race_rows(report, race, what, ("forward", "reply") if count else ("forward",), rounds,
                  packets, LEAST.get(count) if count else NEW_LEAST)
        if count:
            shortcut_rows(report, race, what, rounds, packets)
        if count == SIZES[-1]:
            report.add("G4", f"nf_conntrack's slabs grow, {what}, a flow", race.grown / count,
                       "bytes")


def turns(lanes, rounds, measure):
    """What each lane gave in each round, by name; they take turns."""
    found = {name: [] for name in lanes}
    for _ in range(rounds):
        for name, lane in lanes.items():
            found[name].append(measure(lane))
    return found


def column(rows, key):
    return [row[key] for row in rows]


def added_us(found, name):
    return [mine - plain for mine, plain in zip(column(found[name], "us"),
                                                column(found["plain"], "us"))]


def connection_rows(report, lanes, rounds, seconds):
    found = turns(lanes, rounds, lambda lane: lane.connections(seconds))
    for ours in (name for name in lanes if name.startswith("weir")):
        for peer, least, most in (("haproxy", 1.4, 0.12), ("nft", None, 0.6)):
            rates = [mine / theirs for mine, theirs in zip(column(found[ours], "rate"),
                                                           column(found[peer], "rate"))]
            report.add("G4", f"connections a second, {ours}", median(column(found[ours], "rate")),
                       "1/s", peer, median(column(found[peer], "rate")), median(rates),
                       least_ratio=least)
            report.add("G4", f"added to a connection's processor time, {ours}",
                       median(added_us(found, ours)), "us", peer, median(added_us(found, peer)),
                       least_ratio=round(1 / most, 2))
    report.add("G4", "connections a second, plain routing", median(column(found["plain"], "rate")),
               "1/s")
    report.add("G4", "processor time of a connection, plain routing",
               median(column(found["plain"], "us")), "us")


def request_rows(report, lanes, rounds, seconds):
    """Small requests on connections that stay."""
    found = turns(lanes, rounds, lambda lane: lane.web(seconds))
    for ours in (name for name in lanes if name.startswith("weir")):
        for peer in ("plain", "nft", "haproxy"):
            for key, unit in (("p50", "ms"), ("p99", "ms"), ("us", "us")):
                report.add("G4", f"a small request, {ours}: {KEYS[key]}",
                           median(column(found[ours], key)), unit, peer,
                           median(column(found[peer], key)))


KEYS = {"p50": "p50", "p99": "p99", "us": "processor time"}


def stream_rows(report, lanes, rounds, seconds):
    found = turns(lanes, rounds, lambda lane: lane.stream_gbits(seconds))
    for ours in (name for name in lanes if name.startswith("weir")):
        for peer in ("plain", "nft", "haproxy"):
            report.add("G4", f"one large stream, {ours}", median(found[ours]), "Gbit/s", peer,
                       median(found[peer]), ratio(found[ours], found[peer]))


def tcp_rows(report, quick):
    rounds, seconds = (1, 1) if quick else (9, 1)
    kinds = {"plain": served_tcp.TcpLane, "nft": served_tcp.Nft, "haproxy": served_tcp.Haproxy,
             "weir tc": served_tcp.Weir, "weir tc shortcut": served_tcp.WeirTcShortcut,
             "weir xdp": served_tcp.WeirXdp}
    with flow_lanes.kernel_sizes(1 << 20), contextlib.ExitStack() as stack:
        lanes = {name: stack.enter_context(lane()) for name, lane in kinds.items()}
        connection_rows(report, lanes, rounds, seconds)
        request_rows(report, lanes, rounds, seconds)
        stream_rows(report, lanes, rounds, seconds)
