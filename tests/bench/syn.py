# SPDX-License-Identifier: Apache-2.0
"""G6: a flood of SYNs from forged addresses, end to end."""
import contextlib
import pathlib
import tempfile

from bench import limit_lanes
from bench import syn_lanes as lanes
from bench.measure import median, program, ratio

SOURCES = 1000000
LANES = {"empty": lanes.Empty, "weir": lanes.WeirLimit, "weir synproxy": lanes.WeirProxy,
         "weir synproxy behind": lanes.WeirRelay, "nft synproxy": lanes.Synproxy,
         "kernel SYN cookies": lanes.Cookies}
# How many times as much an answer is to cost them.
TARGETS = {"nft synproxy": 8, "kernel SYN cookies": 7}


def check(race, found, before):
    """A figure counts only if every SYN came to whom it is about."""
    for name, lane in race.items():
        arrived, sent = found[name]["arrived"], found[name]["sent"]
        if name != "empty" and abs(lane.met() - before[name] - arrived) > arrived // 1000 + 10:
            raise RuntimeError(f"{name}: {lane.met() - before[name]} of {arrived} SYNs were met")
        if arrived < sent * 0.999:
            print(f"     ({name}: {sent - arrived} of {sent} frames lost before the filter)")


def answer_rows(report, family, ns):
    for name in ("weir synproxy", "weir synproxy behind"):
        for peer, least in TARGETS.items():
            report.add("G6", f"end to end, v{family}, SYN flood: {name}, answers",
                       median(ns[name]), "ns", f"{peer}, answers", median(ns[peer]),
                       ratio(ns[peer], ns[name]), least_ratio=least)


def syn_rows(report, rounds, packets):
    for family in "46":
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(
                prefix="weir-bench-")))
            limit_lanes.sources_write(folder / "syn.tuples", family, SOURCES)
            race = {name: stack.enter_context(kind(name, family, folder))
                    for name, kind in LANES.items()}
            before = {name: lane.met() for name, lane in race.items() if name != "empty"}
            found = program("frames", family, folder, "syn.tuples", rounds, packets,
                            *(lane.target() for lane in race.values()))
            check(race, found, before)
        ns = {name: row["ns"] for name, row in found.items()}
        answer_rows(report, family, ns)
        for name in ns:
            if not name.startswith("weir"):
                report.add("G6", f"end to end, v{family}, SYN flood: over a limit, dropped",
                           median(ns["weir"]), "ns",
                           "empty XDP drop" if name == "empty" else f"{name}, answers",
                           median(ns[name]), ratio(ns[name], ns["weir"]))
