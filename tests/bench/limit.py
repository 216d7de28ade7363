# SPDX-License-Identifier: Apache-2.0
"""G7: what a limit adds to a packet that keeps to it, and to one it is not about."""
from bench.measure import median, program

SIZES = (1, 10000, 1000000)
LANES = (("others", "not about it"), ("on", "about it"), ("exact", "about it, exact clock"))


def added(rounds, lane):
    """By round, what it costs more than the program without limits."""
    return [more - less for more, less in zip(rounds[lane], rounds["off"])]


def limit_rows(report, rounds, packets, sizes):
    for family in "46":
        for count in sizes:
            found = program("limit", family, count, rounds, packets)
            sources = f"{count:,} source{'s' if count > 1 else ''}"
            for lane, what in LANES:
                report.add("G7", f"net, v{family}, limit {what}, {sources}: adds",
                           median(added(found, lane)), "ns")
    report.add("G7", "instructions verified, limits on", found["verified"], "insns")
