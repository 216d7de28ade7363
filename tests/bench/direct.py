# SPDX-License-Identifier: Apache-2.0
"""G3: backends that answer by themselves, behind IPIP, beside what katran was measured to take."""
import contextlib
import pathlib
import shutil
import tempfile

from bench import flow_lanes, served_lanes
from bench.conntrack import flows, strangers
from bench.measure import median, program, ratio

SIZES = (10000, 100000, 1000000)
NEW = 0                     # in the place of a size: each packet is a flow's first
BACKENDS = 10
SOURCES = "  tunnel-source: 192.0.2.1\n  tunnel-source6: '2001:db8::1'\n"
# Katran is not installed here: earlier, on such a machine, net of an empty program, in ns; for new
# flows with its limit of 125,000 a second raised. And end to end.
KATRAN = {10000: 96, 100000: 193, 1000000: 394}
KATRAN_NEW = {SIZES[-1]: 710}       # 266 at 10,000 flows, 493 at 100,000
KATRAN_END = {1000000: 338, NEW: 646}
KATRAN_STORM = 90           # SYNs past its limit of new flows, of which it keeps nothing
LEAST, NEW_LEAST = 2.5, 3.33        # times katran


def tunnelled(text):
    """Services of NAT, whose backends are sent packets as they are."""
    return (text.replace("    backends:\n", "    forward: ipip\n    backends:\n")
            .replace(", port: 8080", "") + SOURCES)


class AtTc(served_lanes.Weir):
    def section(self):
        return tunnelled(super().section())


class AtXdp(served_lanes.WeirShortcut):
    def section(self):
        return tunnelled(super().section())


class Back(AtXdp):
    """Backends behind the wire that packets come by: XDP_TX."""

    def wire(self):
        super().wire()
        run = self.namespace.run
        run("ip", f"-{self.family}", "route", "replace", "default", "via",
            flow_lanes.GATEWAYS[self.family], "dev", "in", "onlink")
        run("ip", f"-{self.family}", "neigh", "add", flow_lanes.GATEWAYS[self.family], "lladdr",
            "02:00:00:00:00:01", "dev", "in", "nud", "permanent")
        run("ethtool", "-K", "out", "gro", "on")

    def target(self, is_reply=False):
        return super().target(is_reply) + ",0,empty"

    def left(self):
        return None


class StormAtTc(AtTc):
    packets = "new-tcp"


class StormAtXdp(AtXdp):
    packets = "new-tcp"


STORM = {"empty": served_lanes.Empty, "plain": served_lanes.ServedLane, "weir tc": StormAtTc,
         "weir xdp": StormAtXdp}
KINDS = {"empty": served_lanes.Empty, "plain": served_lanes.ServedLane, "nft": served_lanes.Nft,
         "weir tc": AtTc, "weir xdp": AtXdp, "weir xdp back": Back}


class Race:
    def __init__(self, stack, family, count, kinds=None, packets="udp"):
        self.family, self.count = family, count
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.lanes = {name: stack.enter_context(kind(name, family, self.folder, count, 1, BACKENDS))
                      for name, kind in (kinds or KINDS).items()}
        program("serve-files", family, packets, 1, BACKENDS, count, self.folder,
                *(lane.daemon.pin_dir for lane in self.lanes.values() if lane.hook))
        if count:
            self.run(1, count)

    def run(self, rounds, packets):
        before = {name: (lane.left(), lane.translated()) for name, lane in self.lanes.items()}
        found = program("frames", self.family, self.folder, "forward.tuples", rounds, packets,
                        *(lane.target() for lane in self.lanes.values()))
        for name, row in found.items():
            self.check(name, row["arrived"], *before[name])
        return {name: row["ns"] for name, row in found.items()}

    def check(self, name, arrived, left, sent):
        """A figure counts only if every packet was sent on."""
        lane = self.lanes[name]
        if lane.program != "empty" and left is not None and \
                abs(lane.left() - left - arrived) > strangers(arrived):
            raise RuntimeError(f"{name}: {lane.left() - left} of {arrived} packets were sent on")
        if lane.hook and lane.translated() - sent != arrived:
            raise RuntimeError(f"{name}: {lane.translated() - sent} of {arrived} packets went to "
                               "backends")

    def net(self, rounds, packets):
        return served_lanes.onward(self, self.lanes["weir xdp"], "in", "forward.tuples", rounds,
                                   packets)


def net_rows(report, race, what, rounds, packets):
    """Of one run, flows that are known; and once more with the daemon gone, when nothing is
    remembered of routes and neighbours."""
    ns = median(race.net(rounds, packets))
    if race.family == "4":
        report.add("G3", f"net, {what}", ns, "ns", "katran, earlier",
                   KATRAN.get(race.count, KATRAN_NEW[SIZES[-1]]),
                   least_ratio=LEAST if race.count else NEW_LEAST)
    else:
        report.add("G3", f"net, {what}", ns, "ns")
    if race.count:
        served_lanes.unwatched(race.lanes["weir xdp"])
        report.add("G3", f"net, {what}, no daemon: routes are asked", median(
            race.net(rounds, packets)), "ns")


def race_rows(report, race, what, rounds, packets):
    ns = race.run(rounds, packets)
    for name in (name for name, lane in race.lanes.items() if lane.hook):
        for peer in ("nft", "plain"):
            report.add("G3", f"end to end, {what}, {name}", median(ns[name]), "ns",
                       {"nft": "nft DNAT", "plain": "plain routing"}[peer], median(ns[peer]),
                       ratio(ns[peer], ns[name]))
    if race.family == "4" and race.count in KATRAN_END:
        report.add("G3", f"end to end, {what}, weir xdp back", median(ns["weir xdp back"]), "ns",
                   "katran, earlier", KATRAN_END[race.count])
    report.add("G3", f"end to end, {what}: empty XDP drop", median(ns["empty"]), "ns")


def storm_rows(report, family, rounds, packets):
    """SYNs from everywhere, none of which goes on: each begins a connection."""
    what = f"v{family}, storm of SYNs in IPIP"
    with contextlib.ExitStack() as stack:
        race = Race(stack, family, NEW, STORM, "new-tcp")
        ns = race.run(rounds, packets)
        for name in ("weir tc", "weir xdp"):
            report.add("G3", f"end to end, {what}, {name}", median(ns[name]), "ns",
                       "plain routing", median(ns["plain"]), ratio(ns["plain"], ns[name]))
        net = median(race.net(rounds, packets))
        if family == "4":
            report.add("G3", f"net, {what}", net, "ns", "katran past its limit, earlier",
                       KATRAN_STORM, least_ratio=1)
        else:
            report.add("G3", f"net, {what}", net, "ns")


def direct_rows(report, rounds, packets, sizes):
    for family in "46":
        storm_rows(report, family, rounds, packets)
    for family, counts in (("4", (*sizes, NEW)), ("6", sizes[1:2])):
        for count in counts:
            what = f"v{family}, UDP in IPIP, {flows(count) if count else 'new flow'}"
            room = 2 * max(count or 4 * rounds * packets, served_lanes.CAPACITY_LEAST)
            with flow_lanes.kernel_sizes(room) as most, contextlib.ExitStack() as stack:
                if most < room:
                    report.skipped("G3", what, f"nf_conntrack_max is {most:,} and read-only")
                    continue
                race = Race(stack, family, count)
                race_rows(report, race, what, rounds, packets)
                net_rows(report, race, what, rounds, packets)
