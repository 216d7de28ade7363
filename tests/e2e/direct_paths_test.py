# SPDX-License-Identifier: Apache-2.0
"""Tunnels by a router with a narrow link behind it: what it says of their packets is learned, as
the kernel shows, and clients are told what fits."""
import errno
import os
import random
import re
import socket

import pytest

from harness.account import metrics
from harness.balanced import FAMILIES, HOOKS, WAYS, direct_config, dropped, watched
from harness.cluster import SERVICE, Client
from harness.direct import BITS, COUNT, HOST, Direct, front, serving
from harness.frames import ICMP, IP, Raw
from harness.net import Namespace
from harness.wait import wait_for

NARROW = 1400
ROUTER_END = 3
HEADERS = {("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 28, ("gue", 6): 48}
TUNNELS = [way for way in WAYS if way[0] != "l2"]


class Narrow(Direct):
    """gateway - router - backend, and the second link is the narrow one."""

    def plug_front(self, made, number):
        router = Namespace(f"router{number}")
        self.stack.callback(router.delete)
        self.wire(self.gateway, f"wan{number}", router, "near")
        self.wire(router, "far", made, "front")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for place, device in ((router, "far"), (made, "front")):
            place.run("ip", "link", "set", device, "mtu", NARROW)
        for family, bits in BITS.items():
            there, via = front(number, family), front(number, family, ROUTER_END)
            self.give(self.gateway, f"wan{number}", front(number, family, 1), bits)
            self.give(router, "near", via, bits)
            self.give(made, "front", there, HOST[family])
            router.run("ip", f"-{family}", "route", "add", f"{there}/{HOST[family]}", "dev", "far")
            self.gateway.run("ip", f"-{family}", "route", "add", f"{there}/{HOST[family]}", "via",
                             via)
        self.link_local((self.gateway, f"wan{number}"), (router, "near"))
        self.link_local((router, "far"), (made, "front"))
        made.run("tc", "qdisc", "add", "dev", "front", "clsact")
        setattr(self, f"router{number}", router)


@pytest.fixture(scope="module")
def cluster():
    with Narrow() as made, made.unwrapping():
        yield made


@pytest.fixture(params=TUNNELS, ids=lambda way: f"{way[0]}-{way[1]}")
def way(request):
    return request.param


@pytest.fixture(autouse=True)
def nothing_learned(cluster):
    """What IPv4 has learned before a flush is forgotten when it is looked at."""
    for place, addresses in ((cluster.client, SERVICE.values()),
                             (cluster.gateway, [front(number, family) for number in range(COUNT)
                                                for family in FAMILIES])):
        for family in FAMILIES:
            place.run("ip", f"-{family}", "route", "flush", "cache")
        assert not any(mtu(place, address) for address in addresses)


def mtu(place, address):
    """As the kernel has it now; None: the link's."""
    found = re.search(r"\bmtu (\d+)", place.run("ip", "route", "get", address).stdout)
    return int(found[1]) if found else None


def told(daemon):
    return int(re.search(r"^weir_balance_path_mtu_errors_total (\d+)$", metrics(daemon), re.M)[1])


def too_long(router, family):
    """Packets for which the router has said that they do not fit."""
    if family == 6:
        rows = dict(row.split() for row in router.run("cat", "/proc/net/snmp6").stdout.splitlines())
        return int(rows["Ip6InTooBigErrors"])
    names, values = [row.split() for row in router.run("cat", "/proc/net/snmp").stdout.splitlines()
                     if row.startswith("Ip:")]
    return int(values[names.index("FragFails")])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_stream_fits_the_narrow_link_once_a_router_has_said_so(cluster, hook, family, way):
    text = random.Random(family).randbytes(1 << 20)
    with serving(cluster, family), \
            watched(cluster, direct_config(family, way, hook=hook)) as daemon, \
            Client(cluster, family) as client:
        there, router = front(client.backend, way[1]), getattr(cluster, f"router{client.backend}")
        assert client.echoes(text)
        wait_for(lambda: told(daemon), "the error is counted")
        assert mtu(cluster.gateway, there) == NARROW
        assert mtu(cluster.client, SERVICE[family]) == NARROW - HEADERS[way]
        said = too_long(router, way[1])
        assert said and client.echoes(text) and too_long(router, way[1]) == said
        assert not dropped(daemon)


@pytest.mark.parametrize("shortcut", ("tc", "xdp"))
def test_datagrams_of_the_flow_cache_and_the_shortcut_stop_to_be_too_long(cluster, shortcut):
    """They are kept from the stages for seconds; what has changed on their way ends that."""
    way = ("gue", 4)
    text = direct_config(4, way, "udp", hook="xdp").replace(
        '"services"', f'"shortcut": "{shortcut}", "services"')
    with serving(cluster, 4, "udp"), watched(cluster, text) as daemon, \
            Client(cluster, 4, "udp") as client:
        for _ in range(20):
            assert client.ask(b"x") == b"x"
        client.sock.setsockopt(socket.IPPROTO_IP, 10, 2)        # IP_MTU_DISCOVER, IP_PMTUDISC_DO

        def is_refused():
            try:
                client.sock.send(b"x" * (NARROW - 28))
            except OSError as error:
                return error.errno == errno.EMSGSIZE
            return False
        wait_for(is_refused, "the client is told")
        wait_for(lambda: told(daemon), "the error is counted")
        assert mtu(cluster.client, SERVICE[4]) == NARROW - HEADERS[way]


def forged(count):
    """Errors about packets to others than backends, or that are not from this host, or neither."""
    for number in range(count):
        ours = number % 2
        source = front(0, 4, 1) if ours else ("192.0.2.1", "224.0.0.1", "0.0.0.0")[number % 3]
        target = f"198.18.{number >> 8}.{number & 255}" if ours else front(0, 4)
        quote = IP(src=source, dst=target, proto=4, flags="DF", len=1500)
        yield (IP(src=front(0, 4, ROUTER_END), dst=front(0, 4, 1))
               / ICMP(type=3, code=4, nexthopmtu=600) / quote / Raw(b"E" * 8))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_errors_that_are_forged_cost_little_and_change_no_backend(cluster):
    with serving(cluster, 4), watched(cluster, direct_config(4, ("ipip", 4))) as daemon, \
            Client(cluster, 4) as client:
        wait_for(lambda: daemon.healthy(), "it answers")
        before = descriptors(daemon)
        with cluster.router0.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with sender:
            for packet in forged(2000):
                sender.sendto(bytes(packet), (front(0, 4, 1), 0))
        assert descriptors(daemon) <= before + 1
        assert told(daemon) == 0, "none was to a backend"
        assert mtu(cluster.gateway, front(0, 4)) is None
        assert client.echoes(b"on and on")
