# SPDX-License-Identifier: Apache-2.0
"""Lanes that track connections, or do not; and the sizes of the kernel's table, which all
namespaces share: set for a measurement, and put back."""
import contextlib
import pathlib
import re

from bench.lanes import Lane, kernel_bytes
from harness.daemon import Daemon

MAX = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max")
BUCKETS = pathlib.Path("/sys/module/nf_conntrack/parameters/hashsize")
SLAB = pathlib.Path("/sys/kernel/slab/nf_conntrack/object_size")
ROUTED = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
          "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.in.rp_filter=0")
GATEWAYS = {"4": "10.255.255.254", "6": "fe80::1"}
# Frames have no checksums of TCP and UDP, and flows must outlive the measurement.
PATIENT = ("checksum=0", "udp_timeout=3600", "udp_timeout_stream=3600")
TABLE = """table inet bench {
 chain pre { type filter hook prerouting priority -150; %s accept; }
}
"""


@contextlib.contextmanager
def kernel_sizes(flows):
    """Gives how many flows the kernel's table may hold meanwhile."""
    before = {path: path.read_text() for path in (MAX, BUCKETS)}
    try:
        with contextlib.suppress(OSError):
            MAX.write_text(f"{flows}\n")
            BUCKETS.write_text(f"{flows}\n")
        yield int(MAX.read_text())
    finally:
        with contextlib.suppress(OSError):
            for path, text in before.items():
                path.write_text(text)


class FlowLane(Lane):
    """Packets come to the mangle table and end there or, if they are to be routed, leave by a
    device that throws them away: the kernel keeps only flows whose first packet got so far."""
    slow_packets = 0

    def __init__(self, name, family, folder, routed=False, picks_up=True):
        self.routed, self.picks_up = routed, picks_up
        super().__init__(name, family, folder)

    def wire(self):
        super().wire()
        if not self.routed:
            return
        run = self.namespace.run
        run(self.iptables, "-t", "mangle", "-P", "PREROUTING", "ACCEPT")
        run("sysctl", "-qw", *ROUTED)
        run("ip", "link", "add", "sink", "type", "bridge")     # of no ports: all is thrown away
        run("ip", "link", "set", "sink", "arp", "off", "up")
        # By way of one neighbour, and not of one for each destination.
        run("ip", f"-{self.family}", "route", "add", "default", "via", GATEWAYS[self.family], "dev",
            "sink", "onlink")

    def fill(self):
        """The flows are drawn."""


class Empty(FlowLane):
    program = "empty"


class Weir(FlowLane):
    daemon, tracks = None, "true"

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.configure(1000000)
        self.daemon.start()

    def configure(self, capacity):
        self.daemon.config.write_text(
            "api: {listen: off}\nmemory: 1GiB\ninterfaces: [{name: in, hook: xdp}]\n"
            f"conntrack: {{enabled: {self.tracks}, capacity: {capacity}, pick-up: "
            f"{str(self.picks_up).lower()}}}\n")

    def resize(self, capacity):
        """The answer of the reload."""
        self.configure(capacity)
        return self.daemon.ask("reload")

    def unfit(self):
        """Packets that belonged to no flow and began none."""
        return self.daemon.status()["conntrack"]["invalid"]

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class WeirOff(Weir):
    tracks = "false"


class Nft(FlowLane):
    """One rule that asks for nothing of a connection."""
    condition = "meta l4proto { tcp, udp }"

    def load(self):
        self.namespace.run("nft", "-f", "-", input=TABLE % self.condition)


class Kernel(Nft):
    """One rule that asks for the state: the kernel tracks from now on."""
    condition = "ct state { new, established }"

    def load(self):
        super().load()
        self.namespace.run("sysctl", "-qw",
                           *(f"net.netfilter.nf_conntrack_{setting}" for setting in PATIENT),
                           f"net.netfilter.nf_conntrack_tcp_loose={int(self.picks_up)}")

    def fill(self):
        before = kernel_bytes()
        self.namespace.run("conntrack", "-R", self.folder / "flows.conntrack")
        self.bytes = kernel_bytes() - before

    def count(self):
        return int(self.namespace.run("conntrack", "-C").stdout)

    def unfit(self):
        said = self.namespace.run("conntrack", "-S").stdout
        return sum(map(int, re.findall(r"\binvalid=(\d+)", said)))
