# SPDX-License-Identifier: Apache-2.0
"""An interface that goes, and comes again under its name, while a connection to a service lives:
it is served as before, in both families, and new ones are too."""
import contextlib
import socket

import pytest

from harness.balanced import FAMILIES, HOOKS, config, direct_config, names
from harness.cluster import BACKENDS, PORT, SERVICE, Client, Cluster, family_kind, serving
from harness.daemon import Daemon
from harness.direct import COUNT, Direct, front
from harness.direct import serving as serving_direct
from harness.wait import wait_for

DIRECT = (("l2", None), ("ipip", 4), ("gue", 6))


@pytest.fixture
def cluster():
    with Cluster() as made:
        yield made


def is_back(daemon, count):
    rows = daemon.status()["interfaces"]
    return len(rows) >= count and all(row.get("attached") for row in rows)


def lives_through(cluster, daemon, clients, replug, count):
    assert all(client.echoes(b"before" * 100) for client in clients)
    replug()
    wait_for(lambda: is_back(daemon, count), "all are attached")
    assert all(client.echoes(b"behind it" * 100) for client in clients)
    assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("device", ("lan", "wan"))
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_translated_connections_live_through_it(cluster, hook, family, device):
    def replug():
        cluster.unplug(device)
        cluster.plug(device)

    with serving(cluster, family), contextlib.ExitStack() as stack, \
            Daemon(cluster.gateway, config=config(family, hook=hook)) as daemon:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(40)]
        assert set(names(clients)) == set(BACKENDS[family])
        lives_through(cluster, daemon, clients, replug, 2)
        with Client(cluster, family) as client:
            assert client.own == client.peer and client.echoes(b"new")


@pytest.fixture
def direct():
    with Direct() as made, made.unwrapping():
        yield made


@pytest.mark.parametrize("device", ("lan", "wan0"))
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", DIRECT, ids=lambda way: way[0])
def test_carried_connections_live_through_it(direct, way, family, device):
    def replug():
        direct.unplug(device)
        if device == "lan":
            direct.wire(direct.client, "eth0", direct.gateway, "lan")
            direct.address_lan()
        else:
            direct.plug_front(direct.members[0], 0)
            direct.prepare(direct.members[0])
            direct.unwrap(direct.members[0])

    with serving_direct(direct, family), contextlib.ExitStack() as stack, \
            Daemon(direct.gateway, config=direct_config(family, way)) as daemon:
        clients = [stack.enter_context(Client(direct, family)) for _ in range(24)]
        assert set(names(clients)) == set(range(COUNT))
        lives_through(direct, daemon, clients, replug, 1 + COUNT)
        with Client(direct, family) as client:
            assert client.echoes(b"new")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("listens", (False, True), ids=("alone", "beside"))
def test_backend_without_a_route_is_waited_for(direct, family, listens):
    """Nobody resets its connections: least of all this host, which has the service's address, and
    may have a server of its own at every address."""
    with serving_direct(direct, family), contextlib.ExitStack() as stack, \
            Daemon(direct.gateway, config=direct_config(family, ("l2", None))) as daemon:
        clients = [stack.enter_context(Client(direct, family)) for _ in range(24)]
        client = next(client for client in clients if client.backend == 0)
        with direct.gateway.entered():
            if listens:
                anywhere = "0.0.0.0" if family == 4 else "::"
                stack.enter_context(socket.create_server((anywhere, PORT),
                                                         family=family_kind(family)))
        direct.unplug("wan0")
        client.sock.send(b"are you there?")
        wait_for(lambda: daemon.status()["balance"]["no_way"] >= 2, "it is dropped, and counted")
        direct.plug_front(direct.members[0], 0)
        direct.prepare(direct.members[0])
        assert client.exactly(14) == b"are you there?"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("forward", ("l2", "ipip"))
def test_backend_that_is_this_host_is_served_by_it(direct, family, forward):
    text = direct_config(family, (forward, None))
    for number in range(COUNT):
        text = text.replace(f'"{front(number, family)}"', f'"{front(number, family, 1)}"')
    with direct.gateway.entered():
        server = socket.create_server((SERVICE[family], PORT), family=family_kind(family))
    with server, Daemon(direct.gateway, config=text) as daemon, \
            direct.client.socket(family_kind(family), socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect((SERVICE[family], PORT))
        served = server.accept()[0]
        with served:
            client.sendall(b"here?")
            assert served.recv(10) == b"here?"
        assert daemon.status()["balance"]["no_way"] == 0
