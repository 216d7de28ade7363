# SPDX-License-Identifier: Apache-2.0
"""What it adds to a packet that it is counted by kind, for the judgement of floods."""
from bench.limit import added
from bench.measure import median, program


def attack_rows(report, rounds, packets):
    for family in "46":
        found = program("attack", family, rounds, packets)
        report.add("G6", f"net, v{family}, counted by kind: adds",
                   median(added(found, "on", "off")), "ns")
    report.add("G6", "instructions verified, attack on", found["verified"], "insns")
