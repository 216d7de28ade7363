# SPDX-License-Identifier: Apache-2.0
"""Services where all links are VLANs: Weir on the VLANs' devices, or on those that carry them. Only
the kernels of tests/kernels are sure to have VLANs."""
import contextlib
import os
import random

import pytest

from harness.balanced import (DIRECT_LINES, FAMILIES, HOOKS, LINES, direct_service, dropped, echo,
                              names, policy)
from harness.cluster import BACKENDS, Client, Cluster, serving
from harness.daemon import Daemon
from harness.direct import COUNT, Direct
from harness.direct import serving as serving_directly
from harness.kernel import has_module
from harness.net import veth

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
    named = [{**service, "name": f"v{family}"} for family, service in zip(FAMILIES, services)]
    return Daemon(cluster.gateway, config=policy(
        named, [f"{line}{PLACES[place]}" for line in lines], hook))


def all_served(cluster, family, backends):
    text = random.Random(family).randbytes(1 << 18)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(CLIENTS)]
        assert set(names(clients)) == set(backends)
        assert all(client.own == client.peer for client in clients), "the client's own address"
        assert clients[0].echoes(text)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("place", PLACES)
def test_connections_are_shared_out_and_answered_by_the_service(cluster, hook, place):
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            stack.enter_context(serving(cluster, family))
        daemon = stack.enter_context(watched(cluster, place, map(echo, FAMILIES), LINES, hook))
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
        daemon = stack.enter_context(watched(direct, place, services, DIRECT_LINES, hook))
        for family in FAMILIES:
            all_served(direct, family, range(COUNT))
        assert daemon.reasons()["pass_direct"] > CLIENTS * len(FAMILIES)
        assert not dropped(daemon)
