# SPDX-License-Identifier: Apache-2.0
"""Five namespaces in a row, so that there is a road behind the gateway: routers that answer for
themselves, and a link that may be narrower than the others."""
import contextlib
import itertools

from harness.net import Namespace, veth

STATIONS = ("client", "gateway", "near", "far", "server")
# Link N joins stations N-1 and N: 10.77.N.1 and fd77:N::1 at the left, .2 at the right.
DEVICES = (("eth0", "lan"), ("wan", "left"), ("right", "left"), ("right", "eth0"))
NARROW = 3                      # the link between the two routers
FAMILIES = (4, 6)


def address(link, end, family):
    return f"10.77.{link}.{end}" if family == 4 else f"fd77:{link}::{end}"


class Chain:
    """client - gateway - near - far - server. Each is an attribute, a Namespace."""

    def __init__(self, mtu=1500):
        self.stack = contextlib.ExitStack()
        try:
            for name in STATIONS:
                setattr(self, name, Namespace(name))
                self.stack.callback(getattr(self, name).delete)
                self.prepare(getattr(self, name))
            for link, devices in enumerate(DEVICES, 1):
                self.join(link, devices, mtu)
            for place, name in enumerate(STATIONS):
                self.give_routes(getattr(self, name), place)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def prepare(station):
        # Errors are what is tested: none is to be held back for its rate.
        station.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")

    def join(self, link, devices, mtu, middle=None):
        """`middle`: a namespace between the two that hands frames on."""
        ends = [getattr(self, name) for name in STATIONS[link - 1:link + 1]]
        if middle:
            veth(ends[0], devices[0], middle, "one", mtu)
            veth(middle, "two", ends[1], devices[1], mtu)
        else:
            veth(ends[0], devices[0], ends[1], devices[1], mtu)
        for end, (station, device) in enumerate(zip(ends, devices), 1):
            station.run("ip", "addr", "add", f"{address(link, end, 4)}/24", "dev", device)
            # Who forwards asks for neighbours from a link-local address, which none has by itself.
            for v6 in (address(link, end, 6), f"fe80::{end}"):
                station.run("ip", "addr", "add", f"{v6}/64", "dev", device, "nodad")

    @staticmethod
    def give_routes(station, place):
        """Link `place` is at the left of it, the next at the right."""
        for link, family in itertools.product(range(1, len(DEVICES) + 1), FAMILIES):
            if link in (place, place + 1):
                continue
            via = address(place, 1, family) if link < place else address(place + 1, 2, family)
            station.run("ip", f"-{family}", "route", "add",
                        f"{address(link, 0, family)}/{24 if family == 4 else 64}", "via", via)

    def narrow(self, mtu):
        """The link between the routers; what its ends learned of paths before is forgotten."""
        for name, device in (("near", "right"), ("far", "left")):
            getattr(self, name).run("ip", "link", "set", device, "mtu", mtu)
        for name in STATIONS:
            for family in FAMILIES:
                getattr(self, name).run("ip", f"-{family}", "route", "flush", "cache")

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def client_address(family):
    return address(1, 1, family)


def server_address(family):
    return address(len(DEVICES), 2, family)
