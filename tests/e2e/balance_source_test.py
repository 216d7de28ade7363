# SPDX-License-Identifier: Apache-2.0
"""Full NAT: backends see an address of the gateway, so they answer by it wherever clients are: in
the same network, or among the backends themselves."""
import contextlib
import errno
import json
import random
import socket

import pytest

from harness.balanced import DENIED, FAMILIES, HOOKS, echo, policy
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, ROUTER, SERVICE, Client,
                             family_kind, serving)
from harness.daemon import Daemon
from harness.lan import Lan
from harness.road import Road, address
from harness.told import (DISCOVER, EXCEEDED, TOO_BIG, UNREACHABLE, asking_backend,
                          asking_client, mtu_learned, told)
from harness.wait import SLOWNESS, wait_for

MTU = 1300
PORTS = range(1024, 32768)      # as the page says
ONE = (1, None, None)
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)


def config(family, source, hook, proto="tcp", weights=(1, 1, 1), rules=None, lines=4096,
           capacity=1000):
    return policy([echo(family, weights, proto, source=source)], hook=hook, capacity=capacity,
                  rules=rules, **{"source-ports": lines})


@pytest.fixture(scope="module")
def lan():
    with Lan() as made:
        yield made


@pytest.fixture(scope="module")
def road():
    with Road() as made:
        yield made


def is_hidden(client, source):
    return client.peer[0] == source and client.peer[1] in PORTS


# --- one network ---------------------------------------------------------------------------------

@each_family
@each_hook
@pytest.mark.parametrize("rules", (None, DENIED), ids=("open", "denied"))
def test_neighbours_are_served(lan, hook, family, rules):
    source, text = ROUTER[family][0], random.Random(family).randbytes(4 << 20)
    with serving(lan, family), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config(family, source, hook, rules=rules)) as daemon:
        clients = [stack.enter_context(Client(lan, family)) for _ in range(60)]
        assert {client.backend for client in clients} == set(BACKENDS[family])
        assert all(is_hidden(client, source) for client in clients)
        assert all(client.echoes(b"on and on") for client in clients)
        assert clients[0].echoes(text)
        rows = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
        assert {(row["src"], row["dst"]) for row in rows} == {(CLIENT[family], SERVICE[family])}
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_family
@each_hook
def test_datagrams_and_their_fragments_are_served(lan, hook, family):
    source, text = ROUTER[family][0], random.Random(family).randbytes(6000)
    with serving(lan, family, "udp"), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config(family, source, hook, "udp")):
        clients = [stack.enter_context(Client(lan, family, "udp")) for _ in range(40)]
        for client in clients:
            assert client.ask(b"first") == b"first" and is_hidden(client, source)
        before = [client.peer for client in clients]
        assert all(client.ask(text) == text for client in clients)
        assert [client.peer for client in clients] == before


@each_family
@each_hook
def test_the_service_itself_may_be_what_backends_see(lan, hook, family):
    source = SERVICE[family]
    with serving(lan, family), Daemon(lan.gateway, config=config(family, source, hook)), \
            Client(lan, family) as client:
        assert is_hidden(client, source) and client.echoes(b"on and on")


@each_family
@each_hook
@pytest.mark.parametrize("ports", (PORT, "1000-60999", "all"))
def test_a_backend_is_served_by_its_own_service(lan, hook, family, ports):
    """Hairpin: also where it is sent to itself, and where the port that it asks from is one of its
    own as a backend."""
    source, seen = ROUTER[family][0], set()
    service = echo(family, (1, 1, 1), "tcp", source=source)
    if ports != PORT:
        service = {**service, "port": ports,
                   "backends": [{"address": address} for address in BACKENDS[family]]}
    asked = PORT if ports == PORT else BACKEND_PORT
    text = random.Random(family).randbytes(1 << 20)
    with serving(lan, family), Daemon(lan.gateway, config=policy([service], hook=hook)) as daemon:
        for number in range(40):
            with Client(lan, family, port=asked, own=BACKENDS[family][0]) as client:
                assert is_hidden(client, source)
                assert number or client.echoes(text)
                seen.add(client.backend)
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]
    assert seen == set(BACKENDS[family])


@each_family
@each_hook
def test_a_backend_that_is_a_client_hears_of_a_port_where_nobody_listens(lan, hook, family):
    service = {**echo(family, (1,), "udp", source=ROUTER[family][0]), "port": "all",
               "backends": [{"address": BACKENDS[family][1]}]}
    with Daemon(lan.gateway, config=policy([service], hook=hook)), \
            Client(lan, family, "udp", port=9, own=BACKENDS[family][0]) as client:
        client.sock.send(b"is anybody there?")
        with pytest.raises(ConnectionRefusedError):
            client.sock.recv(1)


@each_hook
def test_each_client_has_a_port_of_his_own(lan, hook):
    source = ROUTER[4][0]
    with serving(lan, 4, "udp"), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config(4, source, hook, "udp", ONE)) as daemon:
        clients = [stack.enter_context(Client(lan, 4, "udp")) for _ in range(400)]
        for client in clients:
            client.ask()
        before = [client.peer for client in clients]
        assert len({tuple(peer) for peer in before}) == 400
        daemon.config.write_text(config(4, source, hook, "udp", ONE, capacity=4000))
        daemon.ask("reload")
        daemon.restart()
        for client in clients:
            client.ask()
        assert [client.peer for client in clients] == before


@each_hook
def test_what_lives_stays_where_it_is(lan, hook):
    source = ROUTER[4][0]
    with serving(lan, 4), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config(4, source, hook)) as daemon:
        clients = [stack.enter_context(Client(lan, 4)) for _ in range(30)]
        daemon.apply(config(4, source, hook, weights=(0, 1, 5)))
        daemon.restart()
        daemon.kill()
        assert all(client.echoes(b"on and on") for client in clients)


@each_hook
def test_tables_of_another_size_are_begun_anew(lan, hook):
    """Who speaks next has a port again, by the same candidates: mostly the one he had."""
    source = ROUTER[4][0]
    with serving(lan, 4), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=config(4, source, hook)) as daemon:
        clients = [stack.enter_context(Client(lan, 4)) for _ in range(30)]
        daemon.apply(config(4, source, hook, lines=8192))
        kept = 0
        for client in clients:
            with contextlib.suppress(OSError, AssertionError):
                kept += client.echoes(b"on and on")
        assert kept >= 27
        daemon.apply(config(4, source, hook, lines=2048, capacity=4000))
        with Client(lan, 4) as client:
            assert is_hidden(client, source) and client.echoes(b"on and on")


@each_hook
def test_where_no_port_is_free_it_is_said_and_who_has_one_keeps_it(lan, hook):
    """1,024 lines, and more clients than that."""
    source = ROUTER[4][0]
    text = config(4, source, hook, "udp", ONE, lines=1024, capacity=10000)
    with serving(lan, 4, "udp"), contextlib.ExitStack() as stack, \
            Daemon(lan.gateway, config=text) as daemon:
        first = [stack.enter_context(Client(lan, 4, "udp")) for _ in range(200)]
        assert all(client.ask(b"x") == b"x" for client in first)
        with lan.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            send_from(raw, range(1000, 4000))       # of no other socket's range
        said = daemon.reasons()
        # Of 3,200 who want one of 1,024: nobody can have one who would be the 1,025th.
        assert 3200 - 1024 <= said["drop_no_port"] <= 3000
        assert all(client.ask(b"again") == b"again" for client in first)


def send_from(raw, ports):
    """A datagram to the service from each."""
    for port in ports:
        header = b"".join(number.to_bytes(2, "big") for number in (port, PORT, 9, 0))
        raw.sendto(header + b"y", (SERVICE[4], 0))


@each_hook
def test_thousands_of_one_client_have_a_port_each(lan, hook):
    """12,000, where three backends have 31,744 ports each: eight that are taken are a rarity."""
    text = config(4, ROUTER[4][0], hook, "udp", lines=262144)
    with Daemon(lan.gateway, config=text) as daemon, lan.client.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        send_from(raw, range(1000, 13000))
        wait_for(lambda: daemon.status()["balance"]["chosen"] == 12000, "all are there")
        assert "drop_no_port" not in daemon.reasons()


@each_family
def test_the_gateway_speaks_to_backends_itself(lan, family):
    source = ROUTER[family][0]
    with serving(lan, family), Daemon(lan.gateway, config=config(family, source, "tc")), \
            Client(lan, family):
        with lan.gateway.socket(family_kind(family), socket.SOCK_STREAM) as sock:
            sock.settimeout(10 * SLOWNESS)
            sock.bind((source, 0))
            sock.connect((BACKENDS[family][0], BACKEND_PORT))
            assert json.loads(sock.recv(1000).split(b"\n")[0])[1:] == list(sock.getsockname()[:2])


def test_without_it_neighbours_are_not(lan):
    """What the others prove: the answer goes straight to the client, who does not know it."""
    with serving(lan, 4), Daemon(lan.gateway, config=policy([echo(4)])):
        with pytest.raises(OSError):
            Client(lan, 4, seconds=1)


# --- errors --------------------------------------------------------------------------------------

@pytest.fixture
def hidden(road, hook, family):
    """What backends see, behind policies that deny."""
    source = address(2, 1, family)
    text = config(family, source, hook, "udp", ONE, DENIED)
    with Daemon(road.gateway, config=text):
        yield source


@pytest.fixture
def client(road, hidden, family):
    with asking_client(road, family) as made:
        yield made


@pytest.fixture
def backend(road, family):
    with asking_backend(road, family) as made:
        yield made


@each_family
@each_hook
def test_refusal_reaches_the_client_in_the_services_name(client, hook, family):
    client.sock.send(b"anyone there?")
    number, kind, _, by, about = told(client.sock, family)
    assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
    assert by == SERVICE[family] and about == (SERVICE[family], PORT)


@each_family
@each_hook
def test_refusal_reaches_the_backend_in_the_name_that_it_knows(client, backend, hidden, hook,
                                                               family):
    client.sock.send(b"and away")
    _, peer = backend.recvfrom(100)
    assert peer[0] == hidden and peer[1] in PORTS
    client.sock.close()
    backend.sendto(b"still there?", peer)
    number, kind, _, by, about = told(backend, family)
    assert (number, kind) == (errno.ECONNREFUSED, UNREACHABLE[family])
    assert by == hidden and about == tuple(peer[:2])


@each_family
@each_hook
@pytest.mark.parametrize("link", range(4), ids=("client", "near", "far", "backends"))
def test_streams_pass_narrow_links(road, hook, family, link):
    text, source = random.Random(link).randbytes(4 << 20), address(2, 1, family)
    with road.narrow(link, MTU), serving(road, family), \
            Daemon(road.gateway, config=config(family, source, hook, weights=ONE,
                                               rules=DENIED)) as daemon, \
            Client(road, family) as client:
        assert is_hidden(client, source) and client.echoes(text)
        if link > 0:
            assert mtu_learned(road.client, SERVICE[family], family) == MTU
        if link < 3:
            assert mtu_learned(road.backends, source, family) == MTU
        dropped = [reason for reason in daemon.reasons() if reason.startswith("drop")]
        assert not dropped, daemon.say("events")


@each_family
@each_hook
def test_what_is_too_big_is_told_of_on_both_sides(road, client, backend, hidden, hook, family):
    client.sock.send(b"a lot, please")
    _, peer = backend.recvfrom(100)
    with road.narrow(0, MTU):
        backend.setsockopt(*DISCOVER[family])
        backend.sendto(bytes(1400), peer)
        number, kind, info, who, about = told(backend, family)
        assert (number, kind, info) == (errno.EMSGSIZE, TOO_BIG[family], MTU)
        assert who == address(1, 1, family) and about == tuple(peer[:2])
    with road.narrow(3, MTU):
        client.sock.setsockopt(*DISCOVER[family])
        client.sock.send(bytes(1400))
        number, kind, info, who, about = told(client.sock, family)
        assert (number, kind, info) == (errno.EMSGSIZE, TOO_BIG[family], MTU)
        assert who == address(2, 2, family) and about == (SERVICE[family], PORT)


@each_family
@each_hook
def test_routers_are_named_on_both_sides(road, client, backend, hidden, hook, family):
    ttl = {4: (socket.IPPROTO_IP, socket.IP_TTL),
           6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}[family]
    client.sock.send(b"and back?")
    _, peer = backend.recvfrom(100)
    client.sock.setsockopt(*ttl, 3)
    client.sock.send(b"how far?")
    _, kind, _, who, about = told(client.sock, family)
    assert (kind, who) == (EXCEEDED[family], address(2, 2, family))
    assert about == (SERVICE[family], PORT)
    backend.setsockopt(*ttl, 3)
    backend.sendto(b"how far?", peer)
    _, kind, _, who, about = told(backend, family)
    assert (kind, who) == (EXCEEDED[family], address(1, 1, family))
    assert about == tuple(peer[:2])
