# SPDX-License-Identifier: Apache-2.0
"""G18: what it costs to have every flow counted: traffic of sockets, the daemon's processor time
and memory, and a flood of more flows than there is room for."""
import collections
import contextlib
import pathlib
import re
import tempfile
import time

from bench import flow_lanes
from bench.conntrack import flows, share_of
from bench.control import resident_bytes
from bench.measure import MIB, median, program
from bench.served_tcp import TcpLane
from harness.account import account, device_counts
from harness.daemon import Daemon
from harness.wait import wait_for

CONFIG = """api: {listen: off}
interfaces: [{name: lan, hook: tc}]
conntrack: {enabled: true, account: true}
"""
# What else watches, and tells: of this, goals say nothing of their own.
EYE = """drops: {enabled: true}
quality: {enabled: true}
sockets: {enabled: true}
log: {file: {path: "%s", kinds: [flow, drop, change, warning]}}
"""
LOSS_MOST = 3           # %
DELAY_MOST = 0.2        # ms
SHARES = {10000: 1, 100000: 5}          # % of a core
MEMORY_MOST = 128       # MiB
SMALL = 10000           # room, of a flood
LIFE_S = 10


class Monitored(TcpLane):
    """The way of the packets goes by a veth on which each is counted."""

    def load(self):
        daemon = Daemon(self.gateway, label="bench", config=CONFIG)
        self.stack.callback(daemon.close)
        daemon.start()


@contextlib.contextmanager
def watching(lane):
    """… and sockets, the kernel's drops and how well TCP gets on are watched, and logged: by
    programs that run for all of the machine, so only as long as it is this one's turn."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder, \
            Daemon(lane.gateway, label="bench", config=CONFIG + EYE % pathlib.Path(folder, "log")):
        yield


def traffic_rows(report, quick):
    """Two connections: more would measure how long requests wait for each other."""
    rounds, seconds = (1, 1) if quick else (7, 2)
    streams, webs = collections.defaultdict(list), collections.defaultdict(list)
    with TcpLane() as off, Monitored() as on, TcpLane() as watched:
        for _ in range(rounds):
            for name, lane in (("off", off), ("counted", on), ("watched", watched)):
                with watching(lane) if lane is watched else contextlib.nullcontext():
                    streams[name].append(lane.stream_gbits(seconds))
                    webs[name].append(lane.web(seconds, "-c2")["p99"])
    for name, word in (("counted", "counting"), ("watched", "counting, sockets, drops, quality, "
                                                            "log")):
        lost = median([(1 - mine / none) * 100
                       for mine, none in zip(streams[name], streams["off"])])
        later = median([mine - none for mine, none in zip(webs[name], webs["off"])])
        report.add("G18", f"one stream through a veth, {name}", median(streams[name]), "Gbit/s",
                   "not counted", median(streams["off"]))
        report.add("G18", f"one stream through a veth: lost by {word}", lost, "%", most=LOSS_MOST)
        report.add("G18", f"a small request, p99, {name}", median(webs[name]), "ms",
                   "not counted", median(webs["off"]))
        report.add("G18", f"a small request, p99: later by {word}", later, "ms", most=DELAY_MOST)


class Counting(flow_lanes.Weir):
    """Flows whose packets have come by once end after LIFE_S, if they end at all."""
    capacity, half_open, ends, watches = 1000000, 65536, False, False

    def configure(self, _capacity):
        lives = f", timeouts: {{answered: {LIFE_S}s, stream: {LIFE_S}s}}" if self.ends else ""
        self.daemon.config.write_text(
            "api: {listen: off}\nmemory: 1GiB\ninterfaces: [{name: in, hook: xdp}]\n"
            f"conntrack: {{enabled: true, account: true, capacity: {self.capacity}, "
            f"half-open: {self.half_open}{lives}}}\n"
            + (EYE % (self.folder / "log") if self.watches else ""))


@contextlib.contextmanager
def counting(capacity, **more):
    kind = type("Sized", (Counting,), {"capacity": capacity, **more})
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        with kind("weir", "4", pathlib.Path(name)) as lane:
            yield lane


def fill(lane, count):
    """Into the table, and one packet of each, so that there is something to tell of it."""
    program("flows", "4", "udp", count, lane.folder, lane.daemon.pin_dir)
    program("frames", "4", lane.folder, "packets.tuples", 1, count, lane.target())


def peak_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def daemon_rows(report, quick):
    seconds = 3 if quick else 20
    for count, most in SHARES.items():
        with counting(count) as lane:
            fill(lane, count)
            pid = lane.daemon.process.pid
            report.add("G18", f"daemon, {flows(count)} that stay, {seconds} s: of one core",
                       share_of(pid, seconds), "%", most=most)
            report.add("G18", f"daemon, {flows(count)}: resident", resident_bytes(pid) / MIB,
                       "MiB", most=MEMORY_MOST)
        ending_row(report, count, most)


def made(lane):
    return lane.daemon.status()["conntrack"]["records"]["made"]


def ending_row(report, count, most):
    """A record of each, within the seconds that the sweep takes."""
    with counting(count, ends=True) as lane:
        fill(lane, count)
        pid, seconds = lane.daemon.process.pid, LIFE_S + 10
        share = share_of(pid, seconds)
        wait_for(lambda: made(lane) >= count * 0.99, "flows have ended", 30)
        report.add("G18", f"daemon, {count:,} flows ending within {seconds} s: of one core",
                   share, "%", most=most)


def overload_rows(report, quick):
    """Packets of a million flows in turn, to tables that hold two hundredths of them, while all
    that watches is on."""
    seconds = 5 if quick else 300
    with counting(SMALL, half_open=SMALL, watches=True) as lane:
        program("flows", "4", "new-udp", 0, lane.folder, lane.daemon.pin_dir)
        pid = lane.daemon.process.pid
        before, cpu, end, arrived = peak_bytes(pid), thread_s(pid), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            found = program("frames", "4", lane.folder, "packets.tuples", 1, 1000000,
                            lane.target())
            arrived += found["weir"]["arrived"]
        exact_check(lane)
        records = lane.daemon.status()["conntrack"]["records"]
        report.add("G18", f"{seconds} s of {arrived / seconds / 1e6:.2g} M new flows a second, "
                   f"room for {2 * SMALL:,}: grew", (peak_bytes(pid) - before) / MIB, "MiB")
        report.add("G18", "… resident at the most", peak_bytes(pid) / MIB, "MiB",
                   most=MEMORY_MOST)
        report.add("G18", "… daemon: of one core", (thread_s(pid) - cpu) / seconds * 100, "%")
        report.add("G18", "… packets in a record, of all",
                   records["packets"] / arrived * 100, "%")


def thread_s(pid):
    words = pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(words[0]) / 1e9


def exact_check(lane):
    """Every packet of the device is in a flow, or in none for a reason: none is missing."""
    def is_whole():
        ways = account(lane.daemon)["in", "ingress"]
        device = device_counts(lane.namespace, ["in"])["in", "ingress"]
        return sum(count.packets for count in ways.values()) == device.packets
    wait_for(is_whole, "accounts and the device agree", 10)


def monitor_rows(report, quick):
    traffic_rows(report, quick)
    daemon_rows(report, quick)
    overload_rows(report, quick)
