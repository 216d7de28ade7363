# SPDX-License-Identifier: Apache-2.0
"""Neighbours are told where a service's address is: what is sent, when, and that they believe it.
What is expected of the bytes is scapy's, and of the neighbour its own kernel's."""
import contextlib
import json
import time

import pytest
from scapy.all import ARP, Ether, ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6, raw

from harness.cluster import ROUTER, SERVICE, Cluster
from harness.daemon import Daemon, Refused
from harness.net import Namespace, veth
from harness.wait import SLOWNESS, wait_for
from harness.wire import packet_socket

FAMILIES = (4, 6)
TIMES = 3
ALL = 3                     # ETH_P_ALL
HOST = {4: 32, 6: 128}
NEIGHBOUR = {4: "10.78.1.7", 6: "fd78:1::7"}
OTHER = {4: "10.78.1.9", 6: "fd78:1::9"}


class Street(Cluster):
    """gateway and other, which may both have the service's address, and a neighbour, on one
    network; its bridge is the neighbour's own device. The gateway has another link, too."""

    def build(self):
        self.other = Namespace("other")
        self.stack.callback(self.other.delete)
        self.neighbour = self.client
        self.neighbour.run("ip", "link", "add", "br0", "type", "bridge")
        self.neighbour.run("ip", "link", "set", "br0", "up")
        for station, port in ((self.gateway, "one"), (self.other, "two")):
            veth(station, "lan", self.neighbour, port)
            self.neighbour.run("ip", "link", "set", port, "master", "br0")
        veth(self.gateway, "wan", self.backends, "eth0")
        for family, bits in ((4, 24), (6, 64)):
            self.give(self.neighbour, "br0", NEIGHBOUR[family], bits)
            self.address_gateway(family)
            self.give(self.gateway, "wan", ROUTER[family][1], bits)
            self.give(self.other, "lan", OTHER[family], bits)

    def address_gateway(self, family):
        self.give(self.gateway, "lan", ROUTER[family][0], 24 if family == 4 else 64)

    def mac(self, station):
        link, = json.loads(station.run("ip", "-j", "link", "show", "lan").stdout)
        return link["address"]


@pytest.fixture
def street():
    with Street() as made:
        yield made


def config(family, announce=True, more=""):
    service = {"name": "web", "address": SERVICE[family], "port": 80, "announce": announce}
    interfaces = [{"name": name, "hook": "tc"} for name in ("lan", "wan")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"balance: {json.dumps({'services': [service]})}\n{more}")


def expected(mac, family, router=False):
    address = SERVICE[family]
    if family == 4:
        return raw(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") /
                   ARP(op="who-has", hwsrc=mac, psrc=address, pdst=address))
    return raw(Ether(src=mac, dst="33:33:00:00:00:01") /
               IPv6(src=address, dst="ff02::1", hlim=255) /
               ICMPv6ND_NA(R=router, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac))


class Ear:
    """Frames with the service's address that come to a device, and when."""

    def __init__(self, place, device, family):
        self.family, self.heard = family, []
        self.sock = packet_socket(place, device, ALL)

    def listen(self):
        """All so far that say where the address is."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.sock.recv(2048, 0x40)
                if self.is_one(Ether(frame)):
                    self.heard.append((time.monotonic(), frame))
        return self.heard

    def is_one(self, frame):
        if self.family == 4:
            return ARP in frame and frame[ARP].psrc == SERVICE[4]
        return ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == SERVICE[6]

    def hears(self, count):
        wait_for(lambda: len(self.listen()) >= count, f"{count} announcements")
        return self.heard

    def forget(self):
        self.listen()
        self.heard.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def stays_at(ear, count, seconds=1.3):
    """No more come, for longer than it would take the next one."""
    end = time.monotonic() + seconds * SLOWNESS
    wait_for(lambda: time.monotonic() > end or len(ear.listen()) > count, "the time is over")
    return len(ear.listen()) == count


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("router", (False, True), ids=("host", "router"))
def test_neighbours_are_told_three_times_a_second_apart(street, family, router):
    street.gateway.run("sysctl", "-qw", f"net.ipv6.conf.lan.forwarding={int(router)}")
    Cluster.give(street.gateway, "lan", SERVICE[family], HOST[family])
    with Ear(street.neighbour, "one", family) as ear, \
            Ear(street.backends, "eth0", family) as elsewhere:
        with Daemon(street.gateway, config=config(family)):
            rows = ear.hears(TIMES)
            assert stays_at(ear, TIMES)
        times = [at for at, _ in rows]
        assert [frame for _, frame in rows] == \
            [expected(street.mac(street.gateway), family, router)] * TIMES
        assert all(0.9 < b - a < 1.5 * SLOWNESS for a, b in zip(times, times[1:])), times
        assert not elsewhere.listen(), "its network is another"


def neighbour_has(street, family):
    """Whom the neighbour's kernel takes to have the address."""
    rows = json.loads(street.neighbour.run("ip", "-j", "neigh", "show", SERVICE[family]).stdout)
    return rows[0].get("lladdr") if rows else None


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbour_believes_who_takes_an_address_over(street, family):
    Cluster.give(street.other, "lan", SERVICE[family], HOST[family])
    with Daemon(street.gateway, config=config(family)) as daemon:
        street.neighbour.run("ping", "-c1", "-W5", SERVICE[family])
        assert neighbour_has(street, family) == street.mac(street.other)
        street.other.run("ip", "addr", "del", f"{SERVICE[family]}/{HOST[family]}", "dev", "lan")
        Cluster.give(street.gateway, "lan", SERVICE[family], HOST[family])
        wait_for(lambda: neighbour_has(street, family) == street.mac(street.gateway),
                 "the neighbour's table says so")
        street.neighbour.run("ping", "-c1", "-W5", SERVICE[family])
        assert daemon.interface("lan")


@pytest.mark.parametrize("family", FAMILIES)
def test_link_that_comes_up_again_is_told_again(street, family):
    """Also where the address is on lo: then it is the interface's network that says it."""
    Cluster.give(street.gateway, "lo", SERVICE[family], HOST[family])
    with Ear(street.neighbour, "one", family) as ear, \
            Daemon(street.gateway, config=config(family)):
        ear.hears(TIMES)
        ear.forget()
        street.gateway.run("ip", "link", "set", "lan", "down")
        street.gateway.run("ip", "link", "set", "lan", "up")
        street.address_gateway(family)      # of IPv6 the kernel forgets it
        ear.hears(TIMES)
        ear.forget()
        # At the same moment: nobody looked while it was down.
        street.gateway.run("ip", "-batch", "-", input="link set lan down\nlink set lan up\n"
                           f"addr replace {ROUTER[family][0]}/{24 if family == 4 else 64} dev lan"
                           + (" nodad\n" if family == 6 else "\n"))
        assert ear.hears(TIMES)[0][1] == expected(street.mac(street.gateway), family)


def test_other_mac_address_is_told(street):
    Cluster.give(street.gateway, "lan", SERVICE[4], 32)
    with Ear(street.neighbour, "one", 4) as ear, Daemon(street.gateway, config=config(4)):
        ear.hears(TIMES)
        ear.forget()
        street.gateway.run("ip", "link", "set", "lan", "address", "02:00:00:00:07:01")
        wait_for(lambda: expected("02:00:00:00:07:01", 4) in
                 [frame for _, frame in ear.listen()], "the new one")


def test_address_that_may_be_anothers_is_told_once_it_is_proven(street):
    """Duplicate address detection takes a second; before, it must not be advertised."""
    street.gateway.run("sysctl", "-qw", "net.ipv6.conf.lan.accept_dad=1",
                       "net.ipv6.conf.all.accept_dad=1")
    with Ear(street.neighbour, "one", 6) as ear, Daemon(street.gateway, config=config(6)):
        begun = time.monotonic()
        street.gateway.run("ip", "addr", "add", f"{SERVICE[6]}/128", "dev", "lan")
        assert ear.hears(TIMES)[0][0] - begun > 0.9


@pytest.mark.parametrize("family", FAMILIES)
def test_command_announces_once_more_whatever_the_service_says(street, family):
    Cluster.give(street.gateway, "lan", SERVICE[family], HOST[family])
    rules = "rules: {policy: [{interface: lan, ingress: deny, egress: deny}]}\n"
    with Ear(street.neighbour, "one", family) as ear, \
            Daemon(street.gateway, config=config(family, False, rules)) as daemon:
        assert daemon.ask("service", "announce", "web") == {
            "result": "announced", "service": "web", "address": SERVICE[family],
            "interfaces": ["lan"], "times": TIMES}
        ear.hears(TIMES)
        assert stays_at(ear, TIMES)


def test_nobody_is_told_of_what_did_not_ask_for_it(street):
    Cluster.give(street.gateway, "lan", SERVICE[4], 32)
    with Ear(street.neighbour, "one", 4) as ear, \
            Daemon(street.gateway, config=config(4, False)) as daemon:
        daemon.say("service", "disable", "web")
        daemon.say("service", "enable", "web")
        assert stays_at(ear, 0)


def test_enabled_service_is_told_of_again(street):
    Cluster.give(street.gateway, "lan", SERVICE[4], 32)
    with Ear(street.neighbour, "one", 4) as ear, \
            Daemon(street.gateway, config=config(4)) as daemon:
        ear.hears(TIMES)
        ear.forget()
        daemon.say("service", "disable", "web")
        with pytest.raises(Refused, match="does not act.*\n.*weir service enable"):
            daemon.say("service", "announce", "web")
        daemon.say("service", "enable", "web")
        ear.hears(TIMES)


def test_what_cannot_be_found_here_is_refused_with_what_mends_it(street):
    with Daemon(street.gateway, config=config(4)) as daemon:
        with pytest.raises(Refused, match="there is no service 'nobody'"):
            daemon.say("service", "announce", "nobody")
        with pytest.raises(Refused, match="10.78.1.100 is no address of this host.*\n.*"
                                          "ip addr add 10.78.1.100/32 dev INTERFACE"):
            daemon.say("service", "announce", "web")
        wait_for(lambda: "10.78.1.100 is not announced" in daemon.log(), "a warning", 15)
        assert "dev INTERFACE\n" in daemon.log()
        street.gateway.run("ip", "addr", "add", "10.78.1.100/32", "dev", "lo")
        assert daemon.ask("service", "announce", "web")["interfaces"] == ["lan"]
        street.gateway.run("ip", "addr", "del", "10.78.1.1/24", "dev", "lan")
        with pytest.raises(Refused, match="no watched interface that is up has 10.78.1.100"):
            daemon.say("service", "announce", "web")


def bare():
    interfaces = [{"name": name, "hook": "tc"} for name in ("lan", "wan")]
    return f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"


ADDS = {"service": ("service", "add", "web", "--address", "{}", "--port", "80"),
        "lb": ("lb", "add-dnat", "--vip", "{}", "--vport", "80", "--rip", "{}", "--rport", "8080")}


def added(daemon, form, family, *more):
    rip = {4: "10.78.2.10", 6: "fd78:2::10"}[family]
    ends = iter((SERVICE[family], rip))
    daemon.say(*(next(ends) if word == "{}" else word for word in ADDS[form]), *more)
    row, = daemon.ask("service", "list")["services"]
    return row


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ADDS)
def test_answer_warns_where_the_address_cannot_be_announced(street, form, family):
    here = f"{SERVICE[family]}/{HOST[family]}"
    rip = {4: "10.78.2.10", 6: "fd78:2::10"}[family]
    ends = iter((SERVICE[family], rip))
    words = [next(ends) if word == "{}" else word for word in ADDS[form]]
    with Daemon(street.gateway, config=bare().replace("lan", "none")) as daemon:
        said = daemon.verb(*words, "--announce")
        assert said.returncode == 0
        assert f"{SERVICE[family]} is not announced: no watched interface" in said.stderr
        assert f"ip addr add {here} dev INTERFACE" in said.stderr
        name = daemon.ask("service", "list")["services"][0]["name"]
        Cluster.give(street.gateway, "lan", SERVICE[family], HOST[family])
        again = "service", "set", name, "--announce"
        assert "is not announced" in daemon.verb(*again).stderr     # of a link that is not watched
        daemon.say("interface", "attach", "lan")
        wait_for(lambda: daemon.verb(*again).stderr == "", "it is watched, and nobody is warned")
        street.gateway.run("ip", "addr", "del", here, "dev", "lan")
        assert "is not announced" in daemon.verb(*again).stderr
        assert daemon.verb("service", "set", name, "--announce=false").stderr == ""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ADDS)
def test_service_of_run_time_is_told_of_if_it_says_so_and_after_a_restart(street, form, family):
    Cluster.give(street.gateway, "lan", SERVICE[family], HOST[family])
    with Ear(street.neighbour, "one", family) as ear, \
            Daemon(street.gateway, config=bare()) as daemon:
        row = added(daemon, form, family, "--announce")
        assert row["announce"] is True and row["origin"] == "runtime"
        assert {frame for _, frame in ear.hears(TIMES)} == {
            expected(street.mac(street.gateway), family)}
        assert stays_at(ear, TIMES)
        daemon.restart()
        ear.hears(2 * TIMES)
        daemon.say("service", "del", row["name"])
        daemon.restart()
        assert stays_at(ear, 2 * TIMES)


def test_service_of_run_time_is_not_told_of_by_itself(street):
    Cluster.give(street.gateway, "lan", SERVICE[4], 32)
    with Ear(street.neighbour, "one", 4) as ear, \
            Daemon(street.gateway, config=bare()) as daemon:
        assert "announce" not in added(daemon, "lb", 4)
        more = [*ADDS["lb"][:-3], "10.78.2.11", "--rport", "8080"]
        more = [SERVICE[4] if word == "{}" else word for word in more]
        with pytest.raises(Refused, match="is there already, and is not announced by itself"):
            daemon.say(*more, "--announce")
        daemon.say(*more)
        assert stays_at(ear, 0)
