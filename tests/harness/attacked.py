# SPDX-License-Identifier: Apache-2.0
"""A host with honest clients on one wire and an attacker on another, and what the honest have of
it: how many requests are answered, and how soon."""
import collections
import contextlib
import json
import re
import statistics
import subprocess
import threading
import time

from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.daemon import Daemon
from harness.kernel import links
from harness.live import LiveFrames
from harness.net import Namespace, Pair, veth
from harness.programs import running, url

# The host's addresses there, the first of which harness.live sends to.
DARK, DARK_V6 = "10.77.2.2", "fd77:2::2"
ATTACKER, ATTACKER_V6 = "10.77.2.1", "fd77:2::1"
FLOOD_V6_RATE = 100_000         # a second: about as many as hping3 makes of IPv4


class Attacked:
    """All strangers are routed to the attacker, on device `dark` of both; `daemon` watches both
    wires, if its configuration says so."""
    dark = "dark"

    def __init__(self, label, config):
        self.stack, self.config, self.daemon = contextlib.ExitStack(), config, None
        try:
            self.pair = self.stack.enter_context(Pair(label, addresses=True))
            self.host, self.client = self.pair.inside, self.pair.outside
            self.attacker = Namespace("attacker")
            self.stack.callback(self.attacker.delete)
            veth(self.host, self.dark, self.attacker, self.dark)
            # Frames made in the kernel are taken only where something polls the ring.
            self.host.run("ethtool", "-K", self.dark, "gro", "on")
            for namespace, v4, v6 in ((self.host, DARK, DARK_V6),
                                      (self.attacker, ATTACKER, ATTACKER_V6)):
                namespace.run("ip", "addr", "add", f"{v4}/24", "dev", self.dark)
                namespace.run("ip", "addr", "add", f"{v6}/64", "dev", self.dark, "nodad")
            for via in (ATTACKER, ATTACKER_V6):
                self.host.run("ip", "route", "add", "default", "via", via)
        except BaseException:
            self.stack.close()
            raise

    def flood_v6(self, source, upper, rate=FLOOD_V6_RATE):
        """IPv6 frames with `upper` from it, as harness.live understands it; hping3 makes none."""
        ether = Ether(src="02:00:00:00:00:02", dst=links(self.host)[self.dark]["address"])
        head = IPv6(src=source.split()[0], dst=DARK_V6)
        return LiveFrames(self.attacker, self.dark, [source], ether / head / upper, rate)

    def sent(self):
        """Packets of the attacker."""
        row, = json.loads(self.attacker.run("ip", "-s", "-j", "link", "show", self.dark).stdout)
        return row["stats64"]["tx"]["packets"]

    def __enter__(self):
        try:
            self.daemon = self.stack.enter_context(Daemon(self.host, config=self.config))
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exception):
        self.stack.close()


class Requests:
    """curl, one small page after the other, each over a connection of its own."""

    def __init__(self, process):
        self.process, self.rows, self.failed = process, [], []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for row in self.process.stderr:
            found = re.match(rb"([\d.]+) (\d+)$", row)
            if found and found[2] == b"200":
                self.rows.append((time.monotonic(), float(found[1])))
            elif found:
                self.failed.append((time.monotonic(), float(found[1])))

    def within(self, phase):
        """Milliseconds each took that ended in the phase (which has `begin` and `end`)."""
        return sorted(seconds * 1000 for at, seconds in list(self.rows)
                      if phase.begin <= at < phase.end)

    def failed_within(self, phase):
        return sum(phase.begin <= at < phase.end for at, _ in list(self.failed))


@contextlib.contextmanager
def requesting(client, address, connect_timeout=10, rate=None):
    """`rate`: so many a second; None: as many as there can be."""
    paced = ["--rate", f"{rate}/s"] if rate else []
    with running(client, "curl", "-s", *paced, "-H", "Connection: close", "-o", "/dev/null",
                 "--connect-timeout", connect_timeout, "--max-time", 2 * connect_timeout, "-w",
                 "%{stderr}%{time_total} %{http_code}\n",
                 url(address, "small") + "?[1-10000000]", stderr=subprocess.PIPE) as process:
        requests = Requests(process)
        yield requests
    requests.thread.join()


def percentiles(took):
    """(p50, p99) of what is sorted; not a number where nothing is."""
    if not took:
        return float("nan"), float("nan")
    return statistics.median(took), took[int(len(took) * .99)]


Busy = collections.namedtuple("Busy", "all softirq")


def busy():
    """Jiffies of all processors that were not idle, and of them those of soft interrupts."""
    with open("/proc/stat") as stat:
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = map(
            int, stat.readline().split()[1:])
    return Busy(user + nice + system + irq + softirq + steal, softirq)
