# SPDX-License-Identifier: Apache-2.0
"""G13: tables of another size, with flows in them."""
import contextlib
import pathlib
import tempfile
import time

from bench import flow_lanes
from bench.measure import median, program

FLOWS = 1000000
MOST_MS = 2000


def resized_ms(lane, capacity, count):
    """From the command until every flow is in a table for so many; and the move alone."""
    start = time.monotonic()
    answer = lane.resize(capacity)
    whole_ms = (time.monotonic() - start) * 1000
    if (answer["state"]["moved"], answer["state"]["dropped"]) != (count, 0):
        raise RuntimeError(f"{count} flows were to come over: {answer['state']}")
    return whole_ms, answer["steps_ms"]["settle"]


def weir_ms(folder, count, rounds):
    with flow_lanes.Weir("weir", "4", folder) as lane:
        lane.resize(count + count // 2)
        program("flows", "4", "tcp", count, folder, lane.daemon.pin_dir)
        return [resized_ms(lane, capacity, count) for _ in range(rounds)
                for capacity in (2 * count, count + count // 2)]


def kernel_ms(folder, count, rounds):
    """nf_conntrack hashes every flow again and keeps all packets waiting meanwhile; None where its
    sizes cannot be set."""
    taken = []
    with flow_lanes.kernel_sizes(2 * count) as most:
        if most < count:
            return None
        with flow_lanes.Kernel("nf_conntrack", "4", folder) as lane, contextlib.suppress(OSError):
            lane.fill()
            for buckets in (count + count // 2, 2 * count) * rounds:
                start = time.monotonic()
                flow_lanes.BUCKETS.write_text(f"{buckets}\n")
                taken.append((time.monotonic() - start) * 1000)
            if lane.count() != count:
                raise RuntimeError(f"nf_conntrack knows {lane.count()} flows")
    return median(taken) if taken else None


def reload_rows(report, quick):
    count, rounds = (10000, 1) if quick else (FLOWS, 3)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = pathlib.Path(name)
        wholes, moves = zip(*weir_ms(folder, count, rounds))
        peer_ms = kernel_ms(folder, count, rounds)
    report.add("G13", f"{count:,} flows into a table of another size", median(moves), "ms",
               "nf_conntrack's hash", peer_ms, most=MOST_MS)
    report.add("G13", f"{count:,} flows, `weir reload` until all is done", median(wholes), "ms",
               most=MOST_MS)
