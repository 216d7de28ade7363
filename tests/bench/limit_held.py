# SPDX-License-Identifier: Apache-2.0
"""G7: what a flood gets through a limit in some seconds, beside what the limit says."""
import pathlib

from bench import limit_lanes as lanes
from harness.live import LiveFrames
from harness.rate import RateLook
from harness.wait import pause

RATES = (1, 1000, 100000, 1000000)
SOURCE = "198.18.1.1"
OFF_MOST = 2            # in a hundred
LOOK_EACH_S = 0.2


class Held(lanes.Weir):
    """What the limit lets pass a rule drops: the way into the kernel would slow the flood down."""
    more = "rules: {rules: [{name: end, proto: udp, action: deny}]}\n"


def off_by(rate, found):
    """In a hundred, by the end of the span that is worse: a packet may be on its way at each."""
    ends = ((found.passed - 1) / (rate * found.most_s), (found.passed + 1) / (rate * found.least_s))
    nearest = 1 if ends[0] <= 1 <= ends[1] else min(ends, key=lambda end: abs(end - 1))
    return abs(nearest - 1) * 100


def found_by(limit, seconds):
    """None: the flood is no faster than the limit."""
    with Held("weir", "4", pathlib.Path(), limit) as lane:
        with LiveFrames(lane.namespace, "out", [SOURCE]):
            look = RateLook(lane.daemon)
            before = look.look()
            pause(1 + LOOK_EACH_S)
            if look.look().over == before.over:
                return None
            return look.measure(seconds, lambda: pause(LOOK_EACH_S))


def held_row(report, rate, seconds):
    """A burst of a tenth of a second, and so by the exact clock."""
    what = f"live, one source, limit of {rate:,}/s"
    found = found_by((rate, "second", max(rate // 10, 1)), seconds)
    if not found:
        report.skipped("G7", what, "the flood came no faster")
        return
    met = (found.passed + found.over) / found.least_s
    report.add("G7", f"{what}, met by {met / 1e6:.2f} Mpps: passed",
               2 * found.passed / (found.least_s + found.most_s), "pps", "what it says", rate)
    report.add("G7", f"{what}: off by", off_by(rate, found), "%", most=OFF_MOST)


def held_rows(report, seconds):
    for rate in RATES:
        held_row(report, rate, seconds)
