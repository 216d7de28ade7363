# SPDX-License-Identifier: Apache-2.0
"""Lanes that forward: a gateway between clients behind `in` and backends behind `wan`. What it
sends on leaves by a device that throws all away, so the figure ends where the gateway does."""
import pathlib
import re
import shutil
import time

from bench import flow_lanes
from bench.lanes import Lane
from bench.measure import program
from harness.daemon import BUILD, Daemon
from harness.ipvs import end
from harness.wait import wait_for

SINK, WAN = "sink", "wan"
BENCH_OBJECT = BUILD / "tests/bench/bench.bpf.o"
CAPACITY_LEAST = 100000     # of flows, in any table
FLOW_CACHE_LEAST = 262144   # as it is by itself
WATCHED_S = 2.5             # balance_ways.c has 2
ROUTED = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
          "net.ipv4.conf.all.rp_filter=0",
          *(f"net.ipv4.conf.{name}.rp_filter=0" for name in ("in", WAN)))
SERVICES = {"4": "198.18.0.0", "6": "fd00:18::1"}        # those of served.c
DNAT = """table {table} bench {{
 chain pre {{ type nat hook prerouting priority dstnat;
  {ip} daddr {service} udp dport 80 dnat {to};
 }}
}}
"""


def backend(family, index):
    return f"10.200.{index >> 8}.{index & 255}" if family == "4" else f"fd00:200::{1 + index:x}"


class ServedLane(Lane):
    """Plain routing. There is no mangle table, which would have its share of every packet."""
    hook, listed = None, 0      # listed: the share of clients that are on a list of denied ones

    def __init__(self, name, family, folder, count, services=1, backends=1):
        self.count, self.services, self.backends = count, services, backends
        super().__init__(name, family, folder)

    def wire(self):
        run = self.namespace.run
        for far, near in (("out", "in"), ("back", WAN)):
            run("ip", "link", "add", far, "address", "02:00:00:00:00:01", "type", "veth",
                "peer", "name", near, "address", "02:00:00:00:00:02")
            # Without it veth receives no frames where there is no XDP program.
            run("ethtool", "-K", near, "gro", "on")
            for name in (far, near):
                run("ip", "link", "set", name, "up")
        run("ip", "link", "add", SINK, "type", "bridge")       # of no ports: all is thrown away
        run("ip", "link", "set", SINK, "arp", "off", "up")
        run("sysctl", "-qw", *ROUTED)
        run("ip", f"-{self.family}", "route", "add", "default", "via",
            flow_lanes.GATEWAYS[self.family], "dev", SINK, "onlink")

    def target(self, is_reply=False):
        out, arrives = ("back", WAN) if is_reply else ("out", "in")
        return f"{self.name},{self.namespace.name},{out},{arrives},{self.program}"

    def left(self):
        """Packets that were sent on."""
        said = self.namespace.run("ip", "-s", "link", "show", SINK).stdout
        return int(re.search(r"TX:.*\n\s+\d+\s+(\d+)", said)[1])

    def translated(self):
        """Likewise, and known to be translated; None where nobody does."""


class Empty(ServedLane):
    program = "empty"


class Weir(ServedLane):
    daemon, hook, more, counts_flows = None, "tc", "", "false"
    packets = "udp"         # a kind of flows.c

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text(
            f"api: {{listen: off}}\nmemory: 4GiB\ninterfaces: [{{name: in, hook: {self.hook}}}, "
            f"{{name: {WAN}, hook: {self.hook}}}, {{name: {SINK}, hook: tc}}]\n"
            f"conntrack: {{enabled: true, account: {self.counts_flows}, "
            f"capacity: {max(self.count, CAPACITY_LEAST)}}}\n"
            + self.section() + self.more)
        self.daemon.start()

    def section(self):
        return program("services", self.family, self.packets, self.services, self.backends,
                       text=True)

    def translated(self):
        counts = self.daemon.status()["balance"]
        return counts["to_backends"] + counts["to_clients"]

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class WeirXdp(Weir):
    hook = "xdp"


class WeirTcShortcut(Weir):
    more = "  shortcut: tc\n"


class WeirShortcut(WeirXdp):
    """Sent on by XDP: by a veth, whose other end's program throws all away. A bridge takes nothing
    from XDP; this costs more than one."""

    def wire(self):
        super().wire()
        run, void = self.namespace.run, "void"
        run("ip", "link", "del", SINK)
        run("ip", "link", "add", SINK, "type", "veth", "peer", "name", void)
        pins = pathlib.Path(f"/sys/fs/bpf/{self.namespace.name}")
        try:
            run("bpftool", "prog", "loadall", BENCH_OBJECT, pins)
            run("bpftool", "net", "attach", "xdpdrv", "pinned", pins / "empty", "dev", void)
        finally:
            shutil.rmtree(pins, ignore_errors=True)
        for name in (SINK, void):
            run("ip", "link", "set", name, "arp", "off", "up")
        run("ip", f"-{self.family}", "route", "add", "default", "via",
            flow_lanes.GATEWAYS[self.family], "dev", SINK, "onlink")

    def load(self):
        room = max(2 * self.count, FLOW_CACHE_LEAST)
        self.more = f"  shortcut: xdp\n  shortcut-flows: {room}\n"
        super().load()
        wait_for(lambda: self.daemon.status()["balance"]["on"], "the daemon answers")


class WeirAll(WeirShortcut):
    """With all else that is asked of the way of a packet at once, too."""
    counts_flows, others = "true", None     # others: a file with lists, rules and limits

    def section(self):
        return self.others.read_text() + super().section()


def onward(race, lane, device, tuples, rounds, packets):
    """What the program at a device takes of packets that it sends on, net of an empty one."""
    return program("onward", race.family, race.folder, tuples, rounds, packets,
                   lane.namespace.name, device)["ns"]


def unwatched(lane):
    """The daemon is gone, and what it said of routes and neighbours holds no more."""
    lane.daemon.kill()
    end = time.monotonic() + WATCHED_S
    wait_for(lambda: time.monotonic() > end, "what was remembered is forgotten")


class Nft(ServedLane):
    """DNAT, and so nf_conntrack."""

    def load(self):
        table, ip = ("ip", "ip") if self.v4 else ("ip6", "ip6")
        self.namespace.run("nft", "-f", "-", input=DNAT.format(
            table=table, ip=ip, service=SERVICES[self.family], to=self.to()))
        self.namespace.run("sysctl", "-qw", *(f"net.netfilter.nf_conntrack_{setting}"
                                              for setting in flow_lanes.PATIENT))

    def to(self):
        if self.backends == 1:
            return f"to {end(backend(self.family, 0), 8080)}"
        ends = ", ".join(f"{i} : {backend(self.family, i)} . 8080" for i in range(self.backends))
        return (f"{'ip' if self.v4 else 'ip6'} addr . port to numgen random mod {self.backends} "
                f"map {{ {ends} }}")

    def known(self):
        return int(self.namespace.run("conntrack", "-C").stdout)


class Ipvs(ServedLane):
    """NAT. The service's address is the host's own, or IPVS would not be asked."""

    def load(self):
        bits = 32 if self.v4 else 128
        service = end(SERVICES[self.family], 80)
        self.namespace.run("ip", "addr", "add", f"{SERVICES[self.family]}/{bits}", "dev", "lo")
        self.namespace.run("ipvsadm", "-A", "-u", service, "-s", "rr")
        self.namespace.run("ipvsadm", "-a", "-u", service, "-r", end(backend(self.family, 0), 8080),
                           "-m")
        self.namespace.run("ipvsadm", "--set", 0, 0, 3600)     # seconds, of UDP
