# SPDX-License-Identifier: Apache-2.0
"""Services where all links are VLANs, or VLANs in VLANs: Weir on the VLANs' devices, or on those
that carry them. Only the kernels of tests/kernels are sure to have VLANs."""
import contextlib
import os
import random

import pytest

from harness.balanced import (DIRECT_LINES, FAMILIES, HOOKS, LINES, direct_service, dropped, echo,
                              names, policy)
from harness.cluster import BACKENDS, PORT, Client, Cluster, serving
from harness.daemon import Daemon
from harness.direct import COUNT, Direct
from harness.direct import serving as serving_directly
from harness.kernel import has_module
from harness.net import veth
from harness.tags import Tap

if not has_module("8021q"):
    pytest.skip(f"the kernel {os.uname().release} has no VLANs", allow_module_level=True)
NUMBER = 20
CLIENTS = 30
PLACES = {"vlan": "", "trunk": "-tr"}
WAYS = (("l2", None), ("ipip", 4), ("gue", 6))


def tagged(one, name, other, peer):
    """A wire whose ends are VLANs, over one that has their names and -tr."""
    veth(one, f"{name}-tr", other, f"{peer}-tr")
    for place, device in ((one, name), (other, peer)):
        place.run("ip", "link", "add", "link", f"{device}-tr", "name", device, "type", "vlan",
                  "id", NUMBER)
        place.run("ethtool", "-K", device, "tx", "off", check=False)
        place.run("ip", "link", "set", device, "up")


class Tagged(Cluster):
    wire = staticmethod(tagged)


class TaggedDirect(Direct):
    wire = staticmethod(tagged)


@pytest.fixture(scope="module")
def cluster():
    with Tagged() as made:
        yield made


@pytest.fixture(scope="module")
def direct():
    with TaggedDirect() as made, made.unwrapping():
        yield made


def watched(cluster, place, services, lines, hook):
    """`place`: what stands behind the devices' names."""
    named = [{**service, "name": f"v{number}"} for number, service in enumerate(services)]
    return Daemon(cluster.gateway, config=policy(
        named, [f"{line}{place}" for line in lines], hook))


def all_served(cluster, family, backends, port=PORT):
    text = random.Random(family).randbytes(1 << 18)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family, port=port))
                   for _ in range(CLIENTS)]
        assert set(names(clients)) == set(backends)
        assert all(client.own == client.peer for client in clients), "the client's own address"
        assert clients[0].echoes(text)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("place", PLACES)
def test_connections_are_shared_out_and_answered_by_the_service(cluster, hook, place):
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            stack.enter_context(serving(cluster, family))
        daemon = stack.enter_context(
            watched(cluster, PLACES[place], map(echo, FAMILIES), LINES, hook))
        for family in FAMILIES:
            all_served(cluster, family, BACKENDS[family])
        assert daemon.status()["balance"]["chosen"] == CLIENTS * len(FAMILIES)
        assert not dropped(daemon)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
@pytest.mark.parametrize("place", PLACES)
def test_backends_answer_the_client_themselves(direct, hook, way, place):
    services = [direct_service(family, way) for family in FAMILIES]
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            stack.enter_context(serving_directly(direct, family))
        daemon = stack.enter_context(watched(direct, PLACES[place], services, DIRECT_LINES, hook))
        for family in FAMILIES:
            all_served(direct, family, range(COUNT))
        assert daemon.reasons()["pass_direct"] > CLIENTS * len(FAMILIES)
        assert not dropped(daemon)


# --- VLANs in VLANs ------------------------------------------------------------------------------

# By a device of each wire, the outer and the inner one; no two wires have one in common, so that a
# tag that stays on from where a packet came is seen.
NUMBERS = {"lan": (100, 20), "wan": (200, 30), "wan0": (210, 31), "wan1": (220, 32),
           "back0": (310, 41), "back1": (320, 42)}
# What the outer tag is, and where Weir is: where both tags are seen, or the inner one alone.
TWICE = (("802.1ad", "-tr"), ("802.1Q", "-tr"), ("802.1ad", "-out"))
MTU = 1500


def tagged_twice(one, name, other, peer, protocol):
    """A wire whose ends are VLANs in VLANs; a frame has room for both tags."""
    veth(one, f"{name}-tr", other, f"{peer}-tr", mtu=MTU + 4)
    outer, inner = next(tags for device, tags in NUMBERS.items() if device in (name, peer))
    for place, device in ((one, name), (other, peer)):
        for below, above, mtu, kind, number in (
                (f"{device}-tr", f"{device}-out", MTU + 4, protocol, outer),
                (f"{device}-out", device, MTU, "802.1Q", inner)):
            place.run("ip", "link", "add", "link", below, "name", above, "mtu", mtu, "type",
                      "vlan", "proto", kind, "id", number)
            place.run("ethtool", "-K", above, "tx", "off", check=False)
            place.run("ip", "link", "set", above, "up")


class Twice(Cluster):
    def __init__(self, protocol):
        self.protocol = protocol
        super().__init__()

    def wire(self, *ends):
        tagged_twice(*ends, self.protocol)


class TwiceDirect(Twice, Direct):
    pass


@pytest.fixture(scope="module")
def twice(request):
    with Twice(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def twice_direct(request):
    with TwiceDirect(request.param) as made, made.unwrapping():
        yield made


def seen_tags(tap):
    """Of what is meant for that end alone, which is what clients and backends say."""
    return [tuple(tags) for frame, tags in tap.frames() if not frame[0] & 1]


def assert_tagged(taps, protocol):
    """By device of NUMBERS: what comes there has the tags of its wire, all of it."""
    for device, tap in taps.items():
        outer, inner = NUMBERS[device]
        seen = seen_tags(tap)
        assert set(seen) == {((protocol, outer), ("802.1Q", inner))}, device
        assert len(seen) >= CLIENTS, device


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("twice, place", TWICE, indirect=["twice"])
def test_tags_within_tags_are_those_of_each_wire(twice, hook, place):
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            stack.enter_context(serving(twice, family))
        daemon = stack.enter_context(watched(twice, place, map(echo, FAMILIES), LINES, hook))
        taps = {device: stack.enter_context(Tap(end, "eth0-tr"))
                for device, end in (("lan", twice.client), ("wan", twice.backends))}
        for family in FAMILIES:
            all_served(twice, family, BACKENDS[family])
        assert daemon.status()["balance"]["chosen"] == CLIENTS * len(FAMILIES)
        assert not dropped(daemon)
        assert_tagged(taps, twice.protocol)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("twice_direct, place", TWICE, indirect=["twice_direct"])
def test_backends_behind_tags_within_tags_answer_the_client(twice_direct, hook, place):
    ways = dict(enumerate(WAYS, PORT))
    services = [direct_service(family, way, port=port)
                for family in FAMILIES for port, way in ways.items()]
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            for port in ways:
                stack.enter_context(serving_directly(twice_direct, family, port=port))
        daemon = stack.enter_context(
            watched(twice_direct, place, services, DIRECT_LINES, hook))
        taps = {f"wan{number}": stack.enter_context(Tap(member, "front-tr"))
                for number, member in enumerate(twice_direct.members)}
        for family in FAMILIES:
            for port in ways:
                all_served(twice_direct, family, range(COUNT), port)
        assert daemon.reasons()["pass_direct"] > CLIENTS * len(FAMILIES) * len(ways)
        assert not dropped(daemon)
        assert_tagged(taps, twice_direct.protocol)
