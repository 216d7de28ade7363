# SPDX-License-Identifier: Apache-2.0
"""`shortcut` remembers where packets go on. Whatever changes of that holds for the packets
after it: neighbours, routes, rules, links; and with the daemon gone nothing is remembered."""
import json
import os
import time

import pytest
from scapy.layers.inet import UDP
from scapy.packet import Raw

from e2e.balance_bytes_test import BACKEND, CLIENT, OWN, PORT, SERVICE, packet
from harness.daemon import Daemon
from harness.far_gateway import FarGateway
from harness.forwarded import met, watch
from harness.gateway import FAR_MAC, MAC, MTU, NETWORKS, NEXT_HOP
from harness.kernel import by_hook
from harness.net import veth
from harness.wait import SLOWNESS, wait_for

OTHER_MAC = bytes.fromhex("020000000b07")
OTHER_HOP = ("192.0.2.6", "fd77:b::7")
FORWARDS = ("nat", "l2", "ipip", "gue")


def config(shortcut, family, forward):
    more = {} if forward == "nat" else {"forward": forward}
    services = [{"name": "all", "address": SERVICE[family], "port": PORT, "proto": "udp",
                 "backends": [{"address": BACKEND[family]}], **more}]
    interfaces = [{"name": name, "hook": shortcut, "egress": True} for name in ("left", "right")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps({'services': services, 'shortcut': shortcut})}\n")


class Path:
    """From a client to the only backend of a service."""

    def __init__(self, gateway, daemon, shortcut, family, forward):
        self.gateway, self.daemon, self.shortcut = gateway, daemon, shortcut
        self.family, self.forward = family, forward
        self.flag, self.at = f"-{family}", 0 if family == 4 else 1
        self.is_kernels, self.side, self.sent = False, None, 0

    def ip(self, *words):
        self.gateway.inside.run("ip", self.flag, *words)

    def hop(self, address, mac):
        self.ip("neigh", "replace", address, "lladdr", mac.hex(":"), "dev", "right", "nud",
                "permanent")

    def met(self, client=None):
        """To whom a packet of a client goes: None where it goes nowhere; and by whom it was sent
        there."""
        sent = packet(client or CLIENT[self.family], SERVICE[self.family],
                      UDP(sport=OWN, dport=PORT) / Raw(b"on"))
        before = self.by_kernel()
        left = self.gateway.pass_through([("left", bytes(sent))])
        self.is_kernels = self.by_kernel() > before
        for side, link in ((row.side, link) for row, link in zip(left, self.gateway.links)):
            # What the client is told, that nobody is there, is not it.
            if link[6:12] == MAC[side] and link[:6] != FAR_MAC["left"]:
                self.side = side
                return link[:6]
        return None

    def by_kernel(self):
        """A number that grows with what goes that way. What TC sends on the kernel sends, too."""
        if self.shortcut == "tc":
            return met(self.gateway.inside)
        self.sent += self.gateway.by_kernel()
        return self.sent

    def settles(self, mac, client=None):
        wait_for(lambda: self.met(client) == mac, f"packets go to {mac and mac.hex(':')}")

    def answered(self, client=None):
        """Of NAT a packet goes past the kernel once the flow was let out and answered."""
        back = packet(BACKEND[self.family], client or CLIENT[self.family],
                      UDP(sport=PORT, dport=OWN) / Raw(b"and on"))
        for _ in range(2 * (self.forward == "nat")):
            self.met(client)
            self.gateway.pass_through([("right", bytes(back))])

    def remembers(self, client=None):
        """What is sent goes past the kernel, a packet later it is remembered."""
        wait_for(lambda: self.met(client) and not self.is_kernels, "it is sent on")


@pytest.fixture(scope="module")
def gateway():
    with FarGateway("ways") as made:
        for at, family in enumerate(("-4", "-6")):
            made.inside.run("ip", family, "neigh", "add", OTHER_HOP[at], "lladdr",
                            OTHER_MAC.hex(":"), "dev", "right", "nud", "permanent")
        made.inside.run("ip", "addr", "add", "192.0.2.5/30", "dev", "right")
        watch(made.inside)
        # What closes a run goes by a neighbour that stays.
        made.inside.run("ip", "route", "add", "198.19.255.1", "via", OTHER_HOP[0], "dev", "right")
        yield made


ROWS = [("xdp", family, forward) for family in (4, 6) for forward in FORWARDS]


@pytest.fixture(scope="module", params=by_hook([("tc", 4, "nat"), ("tc", 6, "nat"), *ROWS]),
                ids=lambda row: f"{row[0]}-{row[2]}-{row[1]}")
def path(request, gateway):
    with Daemon(gateway.inside, config=config(*request.param)) as daemon:
        made = Path(gateway, daemon, *request.param)
        made.answered()
        made.remembers()
        yield made


def test_neighbour_that_moves_is_followed_at_once(path):
    """Within a second all is asked again anyway; so many changes take longer if that is all."""
    started = time.monotonic()
    for number in range(20):
        mac = bytes.fromhex(f"0200000b00{number:02x}")
        path.hop(NEXT_HOP["right"][path.at], mac)
        path.settles(mac)
    path.hop(NEXT_HOP["right"][path.at], FAR_MAC["right"])
    path.settles(FAR_MAC["right"])
    assert time.monotonic() - started < 5 * SLOWNESS


def test_route_that_changes_is_followed(path):
    network = NETWORKS["right"][path.at]
    for hop, mac in ((OTHER_HOP, OTHER_MAC), (NEXT_HOP["right"], FAR_MAC["right"])):
        path.ip("route", "replace", network, "via", hop[path.at], "dev", "right")
        path.settles(mac)
        path.remembers()


def test_rule_for_a_source_parts_clients(path):
    """Routes went by the destination alone until then."""
    network, other = NETWORKS["right"][path.at], CLIENT[path.family][:-1] + "9"
    assert other != CLIENT[path.family]
    asks = path.forward in ("nat", "l2")        # a tunnel's source is the gateway
    path.answered(other)
    path.remembers(other)
    path.ip("route", "add", network, "via", OTHER_HOP[path.at], "dev", "right", "table", 100)
    try:
        path.ip("rule", "add", "from", other, "lookup", 100)
        path.settles(OTHER_MAC if asks else FAR_MAC["right"], other)
        for _ in range(10):
            assert path.met() == FAR_MAC["right"]
            assert path.met(other) == (OTHER_MAC if asks else FAR_MAC["right"])
    finally:
        path.ip("rule", "del", "from", other)
        path.ip("route", "flush", "table", 100)
    path.settles(FAR_MAC["right"], other)


def test_neighbour_that_is_gone_is_the_kernels(path):
    path.ip("neigh", "del", NEXT_HOP["right"][path.at], "dev", "right")
    wait_for(lambda: path.met() is None, "nobody is there to be sent to")
    path.hop(NEXT_HOP["right"][path.at], FAR_MAC["right"])
    path.settles(FAR_MAC["right"])
    path.remembers()


def on_each_processor():
    """Each of them remembers for itself."""
    before = os.sched_getaffinity(0)
    try:
        for processor in sorted(before):
            os.sched_setaffinity(0, {processor})
            yield
    finally:
        os.sched_setaffinity(0, before)


def test_without_a_daemon_nothing_is_remembered_for_long(path):
    path.daemon.kill()
    mac = OTHER_MAC
    for _ in on_each_processor():
        path.remembers()        # or the first change is met at once, and then remembered
    path.hop(NEXT_HOP["right"][path.at], mac)
    for _ in on_each_processor():
        wait_for(lambda: path.met() == mac, "the new neighbour", 4)
    for _ in on_each_processor():
        path.remembers()        # or it is asked, rather
    path.hop(NEXT_HOP["right"][path.at], FAR_MAC["right"])
    for _ in on_each_processor():
        assert path.met() == FAR_MAC["right"]   # from now on at once
    path.daemon.start()
    path.hop(NEXT_HOP["right"][path.at], mac)
    path.settles(mac)
    path.hop(NEXT_HOP["right"][path.at], FAR_MAC["right"])
    path.settles(FAR_MAC["right"])


def host(path):
    return BACKEND[path.family] + ("/32" if path.family == 4 else "/128")


def test_backend_on_the_wire_that_packets_come_by(path):
    """By which they go back, then."""
    if path.forward == "nat":
        pytest.skip("the kernel has let nothing out there yet")
    path.hop(NEXT_HOP["right"][path.at], FAR_MAC["right"])
    hop = ("192.0.2.6", "fd77:a::7")[path.at]
    path.ip("neigh", "replace", hop, "lladdr", OTHER_MAC.hex(":"), "dev", "left", "nud",
            "permanent")
    path.ip("route", "add", host(path), "via", hop, "dev", "left", "onlink")
    try:
        path.settles(OTHER_MAC)
        path.remembers()
        assert path.side == "left"
    finally:
        path.ip("route", "del", host(path))
    path.settles(FAR_MAC["right"])


def test_link_that_goes_away_is_not_sent_to(path):
    inside = path.gateway.inside
    veth(inside, "third", path.gateway.outside, "third-end", MTU)
    path.gateway.outside.run("ethtool", "-K", "third-end", "gro", "on")
    path.ip("addr", "add", *(("192.0.2.9/30",) if path.family == 4 else ("fd77:c::1/64", "nodad")),
            "dev", "third")
    hop = ("192.0.2.10", "fd77:c::2")[path.at]
    inside.run("ip", path.flag, "neigh", "add", hop, "lladdr", OTHER_MAC.hex(":"), "dev", "third",
               "nud", "permanent")
    path.ip("route", "add", host(path), "via", hop, "dev", "third")
    path.settles(None)          # who listens there is not asked
    inside.run("ip", "link", "set", "third", "down")
    inside.run("ip", "link", "set", "third", "name", "fourth")
    path.settles(FAR_MAC["right"])
    inside.run("ip", "link", "del", "fourth")
    path.remembers()
