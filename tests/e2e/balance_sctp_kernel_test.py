# SPDX-License-Identifier: Apache-2.0
"""Services of SCTP between the kernel's own stacks, whose chunks, cookies and path MTU are none of
ours. Only the kernels of tests/kernels are sure to have SCTP."""
import contextlib
import os
import random
import socket

import pytest

from harness.balanced import (DIRECT_LINES, FAMILIES, HOOKS, direct_service, dropped, echo, names,
                              policy)
from harness.cluster import (BACKEND_PORT, BACKENDS, KINDS, PORT, ROUTER, Client, Cluster,
                             serving)
from harness.daemon import Daemon
from harness.direct import COUNT, Direct
from harness.direct import serving as serving_directly
from harness.kernel import has_module
from harness.wait import wait_for
from harness.wireshark import Capture, judged


def has_sctp():
    has_module("sctp")                  # it may be built in
    try:
        socket.socket(socket.AF_INET, *KINDS["sctp"]).close()
    except OSError:
        return False
    return True


if not has_sctp():
    pytest.skip(f"the kernel {os.uname().release} has no SCTP", allow_module_level=True)
CLIENTS = 8
HIDDEN = 81                     # the port of services whose clients are hidden
LENGTHS = (1, 2, 3, 535, 1001, 1400, 5001, 60000)       # of messages; from the sixth on many chunks
WAYS = {80: ("l2", None), 81: ("ipip", 4), 82: ("gue", 6)}       # by port
# What the senders' stacks leave to devices, of which a veth does nothing: sums, and the cutting of
# long packets.
LEFT = {"nothing": ("off", "off"), "sums": ("on", "off"), "all": ("on", "on")}


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.fixture(scope="module")
def direct():
    with Direct() as made, made.unwrapping():
        yield made


def leave(ends, left):
    sums, cutting = LEFT[left]
    for place, device in ends:
        place.run("ethtool", "-K", device, "tx", sums, "sg", sums, "gso", cutting)


@contextlib.contextmanager
def leaving(ends, left):
    leave(ends, left)
    try:
        yield
    finally:
        leave(ends, "nothing")


def bad_sums(place):
    """As SCTP there has counted them."""
    rows = place.run("cat", "/proc/net/sctp/snmp").stdout.split("\n")
    return next(int(row.split()[1]) for row in rows if row.startswith("SctpChecksumErrors"))


def says(client, seed):
    """Whether messages of all lengths come back."""
    drawn = random.Random(seed)
    for text in map(drawn.randbytes, LENGTHS):
        client.sock.sendall(text)
        if client.exactly(len(text)) != text:
            return False
    return True


def all_served(cluster, family, backends, port=PORT, seen_as=None):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family, "sctp", port=port))
                   for _ in range(CLIENTS)]
        assert set(names(clients)) <= set(backends) and len(set(names(clients))) > 1
        for client in clients:
            assert client.peer[0] == seen_as if seen_as else client.peer == client.own
        assert all(says(client, family) for client in clients[:3])


def states(daemon):
    return [row["state"] for row in daemon.ask("flow", "list", "proto=sctp")["flows"]]


def assert_whole(captures, places):
    """What arrived, as Wireshark judges it, and the stacks themselves."""
    for capture in captures:
        verdict = judged(capture.frames())
        assert not verdict.complaints
        assert verdict.good["sctp"] > CLIENTS
    assert [bad_sums(place) for place in places] == [0] * len(places)


def nat_services():
    return [{**echo(family, proto="sctp"), "name": f"v{family}-{port}", "port": port, **more}
            for family in FAMILIES
            for port, more in ((PORT, {}), (HIDDEN, {"source": ROUTER[family][1]}))]


@pytest.mark.parametrize("left", ("nothing", "all"))
@pytest.mark.parametrize("hook", HOOKS)
def test_associations_are_shared_out_and_carry_what_is_said(cluster, hook, left):
    places = cluster.client, cluster.backends
    with contextlib.ExitStack() as stack:
        stack.enter_context(leaving([(place, "eth0") for place in places], left))
        for family in FAMILIES:
            stack.enter_context(serving(cluster, family, "sctp"))
        daemon = stack.enter_context(
            Daemon(cluster.gateway, config=policy(nat_services(), hook=hook)))
        captures = [stack.enter_context(Capture(place, "eth0")) for place in places]
        for family in FAMILIES:
            all_served(cluster, family, BACKENDS[family])
            all_served(cluster, family, BACKENDS[family], HIDDEN, ROUTER[family][1])
        assert daemon.status()["balance"]["chosen"] == 2 * CLIENTS * len(FAMILIES)
        assert not dropped(daemon)
        assert_whole(captures, places)
        # Both sides have said that it is over.
        wait_for(lambda: "established" not in states(daemon), "all are over")


def test_what_lives_stays_where_it_is(cluster, family=4):
    """While its backend is drained, the daemon is killed, and comes back."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(serving(cluster, family, "sctp"))
        daemon = stack.enter_context(
            Daemon(cluster.gateway, config=policy([echo(family, proto="sctp")])))
        clients = [stack.enter_context(Client(cluster, family, "sctp")) for _ in range(CLIENTS)]
        drained = clients[0].backend
        daemon.say("service", "backend", "drain", "echo", f"{drained}:{BACKEND_PORT}")
        daemon.kill()
        assert all(says(client, 1) for client in clients)
        daemon.start()
        new = [stack.enter_context(Client(cluster, family, "sctp")) for _ in range(CLIENTS)]
        assert set(names(new)) <= set(BACKENDS[family]) - {drained}
        assert all(says(client, 2) for client in clients)
        assert states(daemon) == ["established"] * 2 * CLIENTS
        assert not dropped(daemon)


# --- DSR -----------------------------------------------------------------------------------------

@contextlib.contextmanager
def carried(direct, hook):
    """A daemon with a service by each way, by port, whose backends all listen."""
    services = [direct_service(family, way, f"v{family}-{port}", port, "sctp")
                for family in FAMILIES for port, way in WAYS.items()]
    with contextlib.ExitStack() as stack:
        for family in FAMILIES:
            for port in WAYS:
                stack.enter_context(serving_directly(direct, family, "sctp", port))
        yield stack.enter_context(Daemon(direct.gateway,
                                         config=policy(services, DIRECT_LINES, hook)))


def ends_of(direct):
    return [(direct.client, "eth0"), *((member, "back") for member in direct.members)]


@pytest.mark.parametrize("left", ("nothing", "sums"))
@pytest.mark.parametrize("hook", HOOKS)
def test_backends_answer_the_client_themselves(direct, hook, left):
    """Where a tunnel takes of the MTU, messages are cut anew when that is told."""
    with leaving(ends_of(direct), left), carried(direct, hook) as daemon, \
            contextlib.ExitStack() as stack:
        captures = [stack.enter_context(Capture(made, "front")) for made in direct.members]
        for family in FAMILIES:
            for port in WAYS:
                all_served(direct, family, range(COUNT), port)
                direct.client.run("ip", f"-{family}", "route", "flush", "cache")
        assert daemon.status()["balance"]["too_big"]
        assert not dropped(daemon)
        assert_whole(captures, [direct.client, *direct.members])


def test_what_is_still_to_be_cut_goes_on_but_not_into_a_tunnel(direct):
    """The kernel puts no header before such packets: they are counted, and what is sent again in
    pieces of its own arrives."""
    with leaving(ends_of(direct), "all"), carried(direct, "tc") as daemon:
        for family in FAMILIES:
            all_served(direct, family, range(COUNT), 80)
        assert not dropped(daemon) and not daemon.status()["balance"]["no_way"]
        with Client(direct, 4, "sctp", port=81) as client:
            client.sock.sendall(bytes(LENGTHS[-1]))
            wait_for(lambda: daemon.status()["balance"]["no_way"], "it is dropped and counted")
