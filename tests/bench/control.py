# SPDX-License-Identifier: Apache-2.0
"""Swapping under load (G1), what the programs weigh (G14), the control plane (G19)."""
import contextlib
import os
import pathlib
import socket
import threading
import time

from bench import lanes
from bench.client import Client
from bench.measure import MIB, drawn, median, program
from harness.wait import pause

FREE_FROM = 240
KEYS = 1 << 20      # as many as weir-bench wants
TICKS = os.sysconf("SC_CLK_TCK")


def swap_rows(report, seconds):
    """Two policies that share a list of a thousand are swapped as fast as the daemon does it.
    Sources of that list must be dropped, sources in neither pass, whichever a packet meets."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(drawn("v4-single", 1000))
        lane = stack.enter_context(lanes.Weir("weir", "4", folder))
        common = lane.list.read_text().split()
        bodies = []
        for shape in ("v4-hosts", "v4-routes"):
            other = stack.enter_context(drawn(shape, 20000))
            entries = (other / "list.txt").read_text().split()
            bodies.append("\n".join(common + [entry for entry in entries if not is_free(entry)]))
        free_keys_write(folder / "free.keys", set(common))
        hit = flood_and_swap(lane, "hit.keys", bodies, seconds)
        miss = flood_and_swap(lane, "free.keys", bodies, seconds)
    wrong = hit["passed"] + miss["arrived"] - miss["passed"]
    swaps, packets = hit["swaps"] + miss["swaps"], hit["arrived"] + miss["arrived"]
    report.add("G1", f"wrong verdicts: {swaps} swaps, {packets:,} packets", wrong, "pkts", most=0)
    report.add("G1", "swaps through the API, 21,000 entries each", swaps / seconds / 2, "1/s")
    report.add("G1", "packets meanwhile, those dropped", hit["arrived"] / seconds / 1e6, "Mpps")


def is_free(entry):
    """In 240.0.0.0/4, which the shapes' short prefixes never cover from below."""
    return int(entry.split(".", 1)[0]) >= FREE_FROM


def free_keys_write(path, taken):
    """Sources in neither policy."""
    mapped = bytes(10) + b"\xff\xff"
    keys = []
    while len(keys) < KEYS:
        last = bytes([FREE_FROM | os.urandom(1)[0] & 15]) + os.urandom(3)
        if socket.inet_ntoa(last) not in taken:
            keys.append(mapped + last)
    path.write_bytes(b"".join(keys))


def flood_and_swap(lane, keys, bodies, seconds):
    client, swaps, result = Client(lane.daemon.socket), 0, {}
    before = lane.passed()

    def flood():
        result.update(program("flood", "4", lane.folder, keys, seconds, lane.target()))
    thread = threading.Thread(target=flood)
    thread.start()
    while thread.is_alive():
        client.upload("/api/v1/block/import?list=bench&replace=true", bodies[swaps % len(bodies)])
        swaps += 1
    thread.join()
    if not result:
        raise RuntimeError("the flood failed")
    return {"swaps": swaps, "arrived": result["arrived"], "passed": lane.passed() - before}


def size_rows(report, rounds):
    found = program("size", rounds)
    report.add("G14", "instructions verified, all programs", found["verified"], "insns",
               most=300000)
    report.add("G14", "instructions verified, the largest program", found["verified_most"], "insns")
    report.add("G14", "load of all programs", median(found["load_ms"]), "ms", most=1000)
    report.add("G14", "machine code of the XDP path", found["jited_bytes"], "bytes", most=8192)


def cpu_s(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def resident_bytes(pid):
    words = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGESIZE")


def asked_ms(client, route, count):
    taken = []
    for _ in range(count):
        start = time.monotonic()
        client.get(route)
        taken.append((time.monotonic() - start) * 1000)
    return median(taken)


def import_ms(client, text, rounds):
    taken = []
    for _ in range(rounds):
        client.post("/api/v1/block/clear", "{}")
        start = time.monotonic()
        client.upload("/api/v1/block/import?list=bench&replace=true", text)
        taken.append((time.monotonic() - start) * 1000)
    return median(taken)


def apply_ms(lane, entries, rounds):
    taken = []
    for number in range(rounds):
        # Another list each time: what is live already would be nothing to do.
        chosen = ", ".join(f"'{entry}'" for entry in entries[number % 2:])
        config = (f"api: {{listen: off}}\nmemory: 1GiB\ninterfaces: [{{name: in, hook: xdp}}]\n"
                  f"block: {{lists: [{{name: c, action: deny, entries: [{chosen}]}}]}}\n")
        start = time.monotonic()
        lane.daemon.say("apply", "-", text=config)
        taken.append((time.monotonic() - start) * 1000)
    return median(taken)


def plane_rows(report, quick):
    count, rounds = (100000, 3) if quick else (1000000, 5)
    with drawn("v4-single", 10000) as folder, lanes.Weir("weir", "4", folder) as lane:
        pid, client = lane.daemon.process.pid, Client(lane.daemon.socket)
        client.post("/api/v1/block/clear", "{}")
        idle_rows(report, lane, 3 if quick else 20)
        entries = lane.list.read_text().split()
        report.add("G19", "configuration of 10,000 entries applied, command",
                   apply_ms(lane, entries, 5), "ms", most=200)
        with drawn("v4-hosts", count) as large:
            text = (large / "list.txt").read_bytes()
            report.add("G19", f"import of {count:,} entries, API",
                       import_ms(client, text, rounds), "ms", most=1000)
        report.add("G19", f"/metrics with {count:,} entries", asked_ms(client, "/metrics", 50),
                   "ms", most=20)
        report.add("G19", f"status with {count:,} entries, API",
                   asked_ms(client, "/api/v1/status", 50), "ms")
        report.add("G19", "status, command", median(
            [lanes.timed(lambda: lane.daemon.say("status")) * 1000 for _ in range(10)]), "ms")
        report.add("G19", f"daemon with {count:,} entries: resident", resident_bytes(pid) / MIB,
                   "MiB")


def idle_rows(report, lane, seconds):
    pid = lane.daemon.process.pid
    start = cpu_s(pid)
    pause(seconds)
    report.add("G19", "daemon idle, without tables: resident", resident_bytes(pid) / MIB, "MiB",
               most=20)
    report.add("G19", f"daemon idle for {seconds} s: of one core",
               (cpu_s(pid) - start) / seconds * 100, "%", most=0.5)
