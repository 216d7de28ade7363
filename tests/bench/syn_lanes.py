# SPDX-License-Identifier: Apache-2.0
"""Lanes that a flood of SYNs from forged addresses meets: peers that answer each with a cookie."""
import ipaddress
import re
import socket

from bench import limit_lanes
from bench.lanes import Lane
from harness.daemon import Daemon

GATEWAYS = {"4": "10.255.255.254", "6": "fe80::1"}
SYNPROXY = """table inet bench {
 chain pre { type filter hook prerouting priority raw; tcp dport 80 tcp flags syn notrack; }
 chain in { type filter hook input priority filter;
  tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm; }
}
"""


class SynLane(Lane):
    """A host with the address that all SYNs go to. Its answers come to `out` and end there, in an
    XDP program: the way of an answer through the attacker's stack is no cost of who answers."""

    def wire(self):
        super().wire()
        run = self.namespace.run
        run(self.iptables, "-t", "mangle", "-P", "PREROUTING", "ACCEPT")
        run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.in.rp_filter=0",
            "net.ipv4.tcp_syncookies=2")
        run("ip", "addr", "add", self.server, "dev", "in", *([] if self.v4 else ["nodad"]))
        run("ip", "neigh", "add", GATEWAYS[self.family], "lladdr", "02:00:00:00:00:01", "dev", "in",
            "nud", "permanent")
        self.way_back()

    def way_back(self):
        self.namespace.run("ip", f"-{self.family}", "route", "replace", "default", "via",
                           GATEWAYS[self.family], "dev", "in", "onlink")

    def target(self):
        return super().target() + ",0,empty"

    @property
    def server(self):
        packed = limit_lanes.address(self.family, limit_lanes.SERVER)
        return str(ipaddress.ip_address(packed[12:] if self.v4 else packed))


class Empty(SynLane):
    program = "empty"


class Cookies(SynLane):
    """The kernel's own: a listener, and cookies for every SYN."""
    listener = None

    def load(self):
        kind = socket.AF_INET if self.v4 else socket.AF_INET6
        self.listener = self.namespace.socket(kind, socket.SOCK_STREAM)
        self.listener.bind((self.server, limit_lanes.HTTP))
        self.listener.listen(4096)

    def met(self):
        said = self.namespace.run("nstat", "-asz", "TcpExtSyncookiesSent").stdout
        return int(re.search(r"SyncookiesSent\s+(\d+)", said)[1])

    def close(self):
        if self.listener:
            self.listener.close()
        super().close()


class WeirProxy(Cookies):
    """Weir's own, for the same listener."""
    daemon, where = None, "here"

    def load(self):
        super().load()
        service = (f"ports: '{limit_lanes.HTTP}', mode: always, where: {self.where}, "
                   f"to: ['{self.server}']")
        self.daemon = Daemon(self.namespace, label="bench", interfaces=(),
                             config="api: {listen: off}\ninterfaces: [{name: in, hook: xdp}]\n"
                                    f"synproxy: {{services: [{{{service}}}]}}\n")
        self.daemon.start()

    def met(self):
        # One of the forged addresses may be the server's own: it goes to the server as ever.
        kept = [row for row in self.daemon.ask("flow", "list", "proto=tcp")["flows"]
                if row["src"] != row["dst"]]
        assert not kept, f"something is kept of a SYN: {kept[:3]}"
        return self.daemon.ask("synproxy", "show")["answered"]

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class WeirRelay(WeirProxy):
    """For a server behind: a bridge of no ports is the way to it, which throws all away."""
    where = "behind"

    def load(self):
        run = self.namespace.run
        super().load()
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        run("ip", "link", "add", "sink", "type", "bridge")
        run("ip", "link", "set", "sink", "arp", "off", "up")
        run("ip", "addr", "del", self.server, "dev", "in")
        run("ip", f"-{self.family}", "route", "add", self.server, "dev", "sink")
        self.way_back()     # it went with the last address


class Synproxy(SynLane):
    def load(self):
        self.namespace.run("nft", "-f", "-", input=SYNPROXY)

    def met(self):
        with self.namespace.entered(), open("/proc/thread-self/net/stat/synproxy") as stat:
            names, *rows = (line.split() for line in stat)
        return sum(int(row[names.index("syn_received")], 16) for row in rows)


class WeirLimit(SynLane):
    """No proxy: all strangers together get so many, and the rest is dropped."""
    daemon = None

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text(
            "api: {listen: off}\ninterfaces: [{name: in, hook: xdp}]\nlimit: {limits: [{name: a, "
            "proto: tcp, flags: syn, per: total, packets: 1/h, burst: 1}]}\n")
        self.daemon.start()

    def met(self):
        row, = self.daemon.ask("limit", "show")["limits"]
        return row["passed"] + row["over"]

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()
