# SPDX-License-Identifier: Apache-2.0
"""A cluster with a router on either side of its gateway, and links that may be narrower than the
others: client - near - gateway - far - backends."""
import contextlib
import itertools

from harness.cluster import BACKENDS, SERVICE, Cluster
from harness.net import Namespace, veth

STATIONS = ("client", "near", "gateway", "far", "backends")
# Link N joins stations N and N + 1.
DEVICES = (("eth0", "left"), ("right", "lan"), ("wan", "left"), ("right", "eth0"))
NETS = ({4: "10.78.6", 6: "fd78:6:"}, {4: "10.78.7", 6: "fd78:7:"},
        {4: "10.78.8", 6: "fd78:8:"}, {4: "10.78.2", 6: "fd78:2:"})
BITS = {4: 24, 6: 64}
HEADERS = {4: 40, 6: 60}        # of IP and TCP
GATEWAY = STATIONS.index("gateway")


def address(link, end, family):
    """`end`: 1 at the left of the link, 2 at the right."""
    return f"{NETS[link][family]}{'.' if family == 4 else ':'}{end}"


def client_address(family):
    return address(0, 1, family)


class Road(Cluster):
    """Stations as attributes, each a Namespace."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        try:
            for name in STATIONS:
                setattr(self, name, Namespace(name))
                self.stack.callback(getattr(self, name).delete)
                # Errors are what is tested: none is to be held back for its rate.
                self.station(name).run(
                    "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
            for link in range(len(DEVICES)):
                self.join(link)
            for family in BITS:
                self.give_places(family)
        except BaseException:
            self.close()
            raise

    def station(self, name):
        return getattr(self, name)

    def ends(self, link):
        return [(self.station(STATIONS[link + at]), DEVICES[link][at]) for at in range(2)]

    def join(self, link):
        (one, device), (other, peer) = self.ends(link)
        veth(one, device, other, peer)
        for end, (station, name) in enumerate(self.ends(link), 1):
            for family, bits in BITS.items():
                self.give(station, name, address(link, end, family), bits)
            self.give(station, name, f"fe80::{end}", 64)

    def give_places(self, family):
        for name in BACKENDS[family]:
            self.give(self.backends, "eth0", name, BITS[family])
        self.give(self.gateway, "lan", SERVICE[family], 32 if family == 4 else 128)
        for place, name in enumerate(STATIONS):
            self.give_routes(self.station(name), place, family)

    @staticmethod
    def give_routes(station, place, family):
        """The gateway knows each net; to all others it is the way."""
        def towards(net, hop, *more):
            station.run("ip", f"-{family}", "route", "add", net, "via", hop, *more)

        left, right = address(place - 1, 1, family), address(min(place, 3), 2, family)
        if place == GATEWAY:
            for link, hop in ((0, left), (3, right)):
                towards(f"{address(link, 0, family)}/{BITS[family]}", hop)
            return
        # Who sits on a narrow link would ask for short segments, and no error would come of it.
        ends_road = place in (0, len(STATIONS) - 1)
        towards("default", right if place < GATEWAY else left,
                *(("advmss", 1500 - HEADERS[family]) if ends_road else ()))

    @contextlib.contextmanager
    def narrow(self, link, mtu):
        self.set_mtu(link, mtu)
        try:
            yield
        finally:
            self.set_mtu(link, 1500)

    def set_mtu(self, link, mtu):
        """What the stations learned of paths before is forgotten."""
        for station, device in self.ends(link):
            station.run("ip", "link", "set", device, "mtu", mtu)
        for name, family in itertools.product(STATIONS, BITS):
            self.station(name).run("ip", f"-{family}", "route", "flush", "cache")
