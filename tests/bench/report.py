# SPDX-License-Identifier: Apache-2.0
"""Rows of results: printed as they come, written as JSON at the end."""
import json
import sys
import time

COLUMNS = "{:4} {:58} {:>10} {:>10} {:6} {:>8}  {:22} {}"


class Report:
    def __init__(self):
        self.rows, self.missed, self.start = [], 0, time.monotonic()
        print(COLUMNS.format("goal", "what", "Weir", "peer", "unit", "ratio", "peer is", "target"))

    def is_late(self, seconds):
        return time.monotonic() - self.start > seconds

    def heading(self, text):
        print(f"\n{text}", flush=True)

    def add(self, goal, name, weir, unit, peer_name=None, peer=None, ratio=None, most=None,
            least_ratio=None):
        """`most` and `least_ratio` are the goal's targets. ratio: peer over Weir."""
        if peer is not None and ratio is None:
            ratio = peer / weir if weir else None
        if peer_name is None and most is not None:
            peer_name, peer, ratio = "target", most, (most / weir if weir else None)
        self.rows.append({"goal": goal, "name": name, "weir": rounded(weir),
                          "peer_name": peer_name, "peer": rounded(peer), "unit": unit,
                          "ratio": rounded(ratio)})
        print(COLUMNS.format(goal, name, shown(weir), shown(peer), unit,
                             f"{ratio:.2f}x" if ratio is not None else "-", peer_name or "-",
                             self.verdict(weir, ratio, most, least_ratio)), flush=True)

    def verdict(self, weir, ratio, most, least_ratio):
        wanted = []
        good = True
        if most is not None:
            wanted.append(f"<= {shown(most)}")
            good = weir <= most
        if least_ratio is not None:
            wanted.append(f">= {least_ratio:g}x")
            good = good and ratio is not None and ratio >= least_ratio
        if not wanted:
            return ""
        self.missed += not good
        return f"{', '.join(wanted)}: {'met' if good else 'MISSED'}"

    def skipped(self, goal, name, why):
        print(f"{goal:4} {name}: not measured: {why}", flush=True)

    def write(self, path):
        path.write_text(json.dumps(self.rows, indent=1) + "\n")
        print(f"\n{len(self.rows)} rows in {path}; {self.missed} targets missed")
        sys.stdout.flush()


def rounded(value):
    return round(value, 3) if isinstance(value, float) else value


def shown(value):
    if value is None:
        return "-"
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"
