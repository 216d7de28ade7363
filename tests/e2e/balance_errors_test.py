# SPDX-License-Identifier: Apache-2.0
"""ICMP errors about what goes to a service or comes from one: on each side they speak of the
addresses that are known there, and reach whom they are for."""
import errno
import random
import socket

import pytest

from harness.balanced import DENIED, FAMILIES, HOOKS, config
from harness.cluster import BACKENDS, PORT, SERVICE, Client, serving
from harness.daemon import Daemon
from harness.road import Road, address, client_address
from harness.told import (DISCOVER, EXCEEDED, TOO_BIG, UNREACHABLE, asking, asking_backend,
                          asking_client, mtu_learned, told)
from harness.wait import SLOWNESS

MTU = 1300
ONE = (1, None, None)           # weights: a single backend
TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def road():
    with Road() as made:
        yield made


@pytest.fixture
def watched(road, hook, family):
    """One backend, UDP, behind policies that deny."""
    with Daemon(road.gateway, config=config(family, ONE, "udp", hook, DENIED)) as daemon:
        yield daemon


@pytest.fixture
def client(road, watched, family):
    with asking_client(road, family) as made:
        yield made


@pytest.fixture
def backend(road, family):
    with asking_backend(road, family) as made:
        yield made


def service(family):
    return SERVICE[family], PORT


# --- nobody listens ------------------------------------------------------------------------------

@each_family
@each_hook
def test_port_unreachable_is_of_the_service(client, family):
    client.sock.send(b"anyone there?")
    number, kind, _, by, about = told(client.sock, family)
    assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
    assert by == SERVICE[family] and about == service(family)


@each_family
@each_hook
def test_plain_connected_socket_is_refused(road, watched, hook, family):
    with Client(road, family, "udp") as plain:
        plain.sock.send(b"anyone there?")
        with pytest.raises(ConnectionRefusedError):
            plain.sock.recv(100)


@each_family
@each_hook
def test_client_that_has_gone_refuses_its_backend(client, backend, hook, family):
    client.sock.send(b"and away")
    _, peer = backend.recvfrom(100)
    own = client.own
    client.sock.close()
    backend.sendto(b"still there?", peer)
    number, kind, _, by, about = told(backend, family)
    assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
    assert by == client_address(family) and list(about) == own


@each_family
@each_hook
def test_backend_that_refuses_connections_is_told_of_at_once(road, hook, family):
    with Daemon(road.gateway, config=config(family, ONE, hook=hook, rules=DENIED)):
        with pytest.raises(ConnectionRefusedError):
            Client(road, family)


# --- narrow links --------------------------------------------------------------------------------

@each_family
@each_hook
@pytest.mark.parametrize("link", range(4), ids=("client", "near", "far", "backends"))
def test_streams_pass_narrow_links(road, hook, family, link):
    """Eight MiB there and back, whoever finds them too big: a router of the client's side, or of
    the backends', or the gateway."""
    text = random.Random(link).randbytes(8 << 20)
    with road.narrow(link, MTU), serving(road, family), \
            Daemon(road.gateway, config=config(family, ONE, hook=hook, rules=DENIED)) as daemon, \
            Client(road, family) as client:
        assert client.echoes(text)
        if link > 0:
            assert mtu_learned(road.client, SERVICE[family], family) == MTU
        if link < 3:
            assert mtu_learned(road.backends, client_address(family), family) == MTU
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_family
@each_hook
@pytest.mark.parametrize("link,station", ((2, "gateway"), (3, "far")))
def test_datagram_that_is_too_big_is_told_of(road, client, backend, family, link, station):
    by = {"gateway": address(1, 2, family), "far": address(2, 2, family)}[station]
    with road.narrow(link, MTU):
        client.sock.setsockopt(*DISCOVER[family])
        client.sock.send(bytes(1400))
        number, kind, info, who, about = told(client.sock, family)
        assert (number, kind, info) == (errno.EMSGSIZE, TOO_BIG[family], MTU)
        assert who == by and about == service(family)
        with pytest.raises(OSError, match="too long"):
            client.sock.send(bytes(1400))
        client.sock.send(bytes(1200))
        assert len(backend.recv(2000)) == 1200


@each_family
@each_hook
def test_answer_that_is_too_big_is_told_of(road, client, backend, family):
    with road.narrow(0, MTU):
        client.sock.send(b"a lot, please")
        _, peer = backend.recvfrom(100)
        backend.setsockopt(*DISCOVER[family])
        backend.sendto(bytes(1400), peer)
        number, kind, info, who, about = told(backend, family)
        assert (number, kind, info) == (errno.EMSGSIZE, TOO_BIG[family], MTU)
        assert who == address(1, 1, family) and list(about) == client.own


# --- the way is too long -------------------------------------------------------------------------

@each_family
@each_hook
@pytest.mark.parametrize("hops,by", ((1, (0, 2)), (2, (1, 2)), (3, (2, 2))),
                         ids=("near", "gateway", "far"))
def test_traceroute_names_the_routers(client, family, hops, by):
    client.sock.setsockopt(*TTL[family], hops)
    client.sock.send(b"how far?")
    _, kind, _, who, about = told(client.sock, family)
    assert kind == EXCEEDED[family] and who == address(*by, family) and about == service(family)


@each_family
@each_hook
@pytest.mark.parametrize("hops,by", ((1, (3, 1)), (2, (2, 1)), (3, (1, 1))),
                         ids=("far", "gateway", "near"))
def test_backends_see_the_routers_too(client, backend, family, hops, by):
    client.sock.send(b"and back?")
    _, peer = backend.recvfrom(100)
    backend.setsockopt(*TTL[family], hops)
    backend.sendto(b"how far?", peer)
    _, kind, _, who, about = told(backend, family)
    assert kind == EXCEEDED[family] and who == address(*by, family)
    assert list(about) == client.own


# --- what this host says itself ---------------------------------------------------------------

@each_family
@each_hook
def test_word_of_this_host_is_no_answer_of_the_backend(road, watched, client, family):
    """It was sent on, and had no route."""
    road.gateway.run("ip", f"-{family}", "route", "add", "unreachable", BACKENDS[family][0])
    try:
        client.sock.send(b"anyone there?")
        number, *_ = told(client.sock, family)
        assert number == {4: errno.EHOSTUNREACH, 6: errno.ENETUNREACH}[family]
    finally:
        road.gateway.run("ip", f"-{family}", "route", "del", "unreachable", BACKENDS[family][0])
    row, = watched.ask("service", "stats", "echo")["backends"]
    assert (row["in_packets"], row["out_packets"]) == (1, 0)
    counts = watched.status()["balance"]
    assert (counts["to_backends"], counts["to_clients"], counts["no_way"]) == (1, 0, 1)


# --- no error, and no service --------------------------------------------------------------------

@each_family
@each_hook
def test_host_answers_for_its_address_itself(road, hook, family):
    """Echoes, and datagrams to a port that is no service's."""
    with Daemon(road.gateway, config=config(family, ONE, "udp", hook)) as daemon:
        assert " 2 received" in road.client.run("ping", "-c2", "-i0.05", f"-W{2 * SLOWNESS:g}",
                                                SERVICE[family]).stdout
        with Client(road, family, "udp", port=PORT + 1) as other:
            asking(other.sock, family).send(b"no service?")
            number, _, _, by, about = told(other.sock, family)
            assert (number, by, about) == (errno.ECONNREFUSED, SERVICE[family],
                                           (SERVICE[family], PORT + 1))
        assert daemon.status()["balance"]["to_backends"] == 0
