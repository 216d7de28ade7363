# SPDX-License-Identifier: Apache-2.0
"""A cluster on one network: client, gateway and backends are neighbours, and the gateway has one
arm. What a backend answers to a client does not come by the gateway, but for full NAT."""
from harness.cluster import BACKENDS, CLIENT, ROUTER, SERVICE, Cluster
from harness.net import Namespace, veth

STATIONS = ("client", "gateway", "backends")
ARM = "lan"


class Lan(Cluster):
    """Stations as attributes, each a Namespace; a switch joins them."""

    def build(self):
        switch = self.switch = Namespace("switch")
        self.stack.callback(switch.delete)
        switch.run("ip", "link", "add", "switch", "type", "bridge")
        switch.run("ip", "link", "set", "switch", "up")
        for name in STATIONS:
            veth(getattr(self, name), self.device(name), switch, name)
            switch.run("ip", "link", "set", name, "master", "switch")
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                         "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
                         f"net.ipv4.conf.{ARM}.send_redirects=0")
        for family, bits in ((4, 16), (6, 16)):
            self.give(self.client, "eth0", CLIENT[family], bits)
            self.give(self.gateway, ARM, ROUTER[family][0], bits)
            self.give(self.gateway, ARM, SERVICE[family], bits)
            for address in BACKENDS[family]:
                self.give(self.backends, "eth0", address, bits)
        for number, name in enumerate(STATIONS, 1):
            self.give(getattr(self, name), self.device(name), f"fe80::{number}", 64)

    @staticmethod
    def device(name):
        return ARM if name == "gateway" else "eth0"
