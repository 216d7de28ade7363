# SPDX-License-Identifier: Apache-2.0
"""Full NAT: connections, and flows of datagrams, keep their backend and the port that stands for
them there while the daemon dies, is replaced or reads its file again, and while backends come and
go; and nobody else is given that port meanwhile."""
import contextlib
import shutil

import pytest

from e2e.balance_early_test import connected, outlive_upgrades
from harness.balanced import LINES, dropped, echo, leaving, policy, watched
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, KINDS, PORT, ROUTER, SERVICE, Client,
                             Cluster, serving)
from harness.daemon import WEIR
from harness.forwarded import is_at
from harness.ipvs import end
from harness.kernel import by_hook
from harness.lan import ARM, Lan
from harness.staying import (LISTED, OTHER_LAYOUT, Staying, hurried, reloaded, resized, say_both,
                             taken_over)
from harness.wait import wait_for
from model import ports

HOOKS = ("tc", "xdp-generic", "xdp")     # xdp: native, and packets are sent on from there
BOTH, OUT, DRAINED, ONE = (1, 1, None), (None, 1, None), (0, 1, None), (1, None, None)


def each_case(turn):
    """Each hook, and over two turns in a row each with both families."""
    cases = [(hook, (4, 6)[(at + turn) % 2]) for at, hook in enumerate(HOOKS)]
    return pytest.mark.parametrize("case", by_hook(cases), ids=[f"{family}-{hook}"
                                                                for hook, family in cases])


@pytest.fixture(scope="module")
def lan():
    """All in one network."""
    with Lan() as made:
        yield made


@pytest.fixture(scope="module")
def arms():
    """The gateway between two."""
    with Cluster() as made:
        for station in (made.client, made.backends):
            # A veth takes what XDP sends it while its other end has NAPI.
            station.run("ethtool", "-K", "eth0", "gro", "on")
        yield made


@pytest.fixture
def cluster(case, request):
    return request.getfixturevalue("arms" if case[0] == "xdp" else "lan")


def source_of(case):
    hook, family = case
    return ROUTER[family][1 if hook == "xdp" else 0]


def policy_of(case, services, capacity=1000, **more):
    hook, _ = case
    return policy(services, LINES if hook == "xdp" else (ARM,), hook, capacity,
                  shortcut="xdp" if hook == "xdp" else "none", **more)


def written(case, weights=BOTH, capacity=1000, **more):
    services = [{**echo(case[1], weights, proto, source=source_of(case)), "name": f"echo-{proto}"}
                for proto in KINDS]
    return policy_of(case, services, capacity, **more)


@contextlib.contextmanager
def served(cluster, case, text, begin=lambda *_: None, drops=frozenset()):
    """A daemon, and clients that go on; `begin` is done before they are there, and `drops` are why
    packets may be dropped."""
    hook, family = case
    with serving(cluster, family), serving(cluster, family, "udp"), \
            watched(cluster, text) as daemon:
        if hook == "xdp":
            wait_for(lambda: is_at(daemon, "xdp"), "it is native")
        begin(case, daemon)
        with Staying(cluster, family) as clients:
            clients.go_on()
            assert {client.peer[0] for client in clients.all} == {source_of(case)}
            yield daemon, clients
        assert dropped(daemon).keys() <= drops


@contextlib.contextmanager
def left_to_live(cluster, case, weights):
    """… with both backends, of which the first then gets nothing new."""
    first, second, _ = BACKENDS[case[1]]
    with served(cluster, case, written(case)) as (daemon, clients):
        assert clients.backends() == [{first, second}] * 2
        clients.beside(daemon.apply, written(case, weights))
        yield daemon, clients
        assert clients.newcomers() == {second}


@each_case(0)
def test_they_stay_while_the_daemon_is_dead_and_when_it_is_back(cluster, case):
    first, second, _ = BACKENDS[case[1]]
    with left_to_live(cluster, case, OUT) as (daemon, clients):
        daemon.kill()
        assert clients.newcomers() == {second}
        clients.beside(daemon.start)
        clients.beside(daemon.restart)
        assert set(leaving(daemon)) == {first}


@each_case(1)
def test_they_stay_over_reloads_and_in_tables_of_another_size(cluster, case):
    with left_to_live(cluster, case, DRAINED) as (daemon, clients):
        text = written(case, DRAINED)
        for more in (text + LISTED, hurried(text)):
            clients.beside(reloaded, daemon, more)
        for capacity in (4000, 400):
            clients.beside(resized, daemon, written(case, DRAINED, capacity))


@each_case(0)
def test_they_stay_over_an_upgrade(cluster, case, tmp_path):
    with left_to_live(cluster, case, OUT) as (daemon, clients):
        upgraded = shutil.copy(WEIR, tmp_path / "weir-next")
        clients.beside(taken_over, daemon, "stopped", upgraded)
        clients.beside(taken_over, daemon, "killed")
        assert set(leaving(daemon)) == {BACKENDS[case[1]][0]}


@each_case(1)
def test_they_stay_over_an_upgrade_to_tables_of_another_layout(cluster, case):
    """Each claims its port again by what it says; a datagram of that moment may be lost."""
    with served(cluster, case, written(case), drops={"drop_early"}) as (daemon, clients):
        assert clients.backends() == [set(BACKENDS[case[1]][:2])] * 2
        for how, binary in (("killed", OTHER_LAYOUT), ("stopped", WEIR)):
            clients.beside(taken_over, daemon, how, binary, asks_again=True)
        assert clients.newcomers() == set(BACKENDS[case[1]][:2])


# --- backends that come and go -------------------------------------------------------------------

@each_case(0)
def test_they_stay_whatever_the_file_says_of_backends(cluster, case):
    first, second, _ = BACKENDS[case[1]]
    with served(cluster, case, written(case, ONE)) as (daemon, clients):
        both, other = {first, second}, {second}
        for weights, new in (((1, 2, None), both),      # another comes
                             ((2, 1, None), both), (DRAINED, other), (OUT, other),
                             (BOTH, both),              # it is back
                             (OUT, other)):
            clients.beside(daemon.apply, written(case, weights))
            assert clients.newcomers() == new, weights
            assert set(leaving(daemon)) == ({first} if weights == OUT else set())
        assert clients.backends() == [{first}] * 2
        clients.leave(daemon)


def at_run_time(case, daemon):
    family = case[1]
    for proto in KINDS:
        daemon.say("service", "add", f"echo-{proto}", "--address", SERVICE[family], "--port", PORT,
                   "--proto", proto, "--source", source_of(case), "--backend",
                   end(BACKENDS[family][0], BACKEND_PORT))


@each_case(1)
def test_they_stay_whatever_is_said_of_backends_at_run_time(cluster, case):
    first, second, _ = BACKENDS[case[1]]
    both, other = {first, second}, {second}
    with served(cluster, case, policy_of(case, []), at_run_time) as (daemon, clients):
        for verb, address, words, new in (
                ("add", second, ("--weight", "2"), both), ("set", first, ("--weight", "3"), both),
                ("drain", first, (), other), ("undrain", first, (), both),
                ("set", first, ("--weight", "0"), other), ("del", first, (), other),
                ("add", first, (), both), ("del", first, (), other)):
            clients.beside(say_both, daemon, "service", "backend", verb,
                           end(address, BACKEND_PORT), *words)
            assert clients.newcomers() == new, (verb, words)
        clients.beside(taken_over, daemon, "killed")
        assert set(leaving(daemon)) == {first}
        assert clients.newcomers() == other and clients.backends() == [{first}] * 2
        clients.leave(daemon)


# --- who wants the same port ---------------------------------------------------------------------

class Bound:
    """A client whose next socket has a port of its own choice."""

    def __init__(self, place, port):
        self.client, self.place, self.port = self, place, port

    def socket(self, *kind):
        sock = self.place.socket(*kind)
        sock.bind(("", self.port))
        return sock


def joined(cluster, family, proto, port):
    client = Client(Bound(cluster.client, port), family, proto)
    if proto == "udp":
        client.ask(b"first")
    return client


def goes_on(client, proto):
    """With the port that it has."""
    peer = client.peer
    if proto == "udp":
        return client.ask(b"on") == b"on" and client.peer == peer
    return client.echoes(b"on")


def acts(daemon, case, upgraded):
    """The last one begins with empty tables."""
    return (lambda: taken_over(daemon, "killed"),
            lambda: reloaded(daemon, written(case, ONE, 4000)),
            lambda: taken_over(daemon, "stopped", upgraded),
            lambda: taken_over(daemon, "killed", OTHER_LAYOUT))


@pytest.mark.parametrize("proto", ("tcp", "udp"))
@each_case(0)
def test_who_comes_later_is_not_given_a_port_that_somebody_has(cluster, case, proto, tmp_path):
    """Pairs of clients who want the same one; the second of a pair comes behind each of these."""
    family = case[1]
    # Below those of other tests' sockets.
    pairs = ports.rivals(CLIENT[family], BACKENDS[family][0], BACKEND_PORT, proto,
                         range(1024, 32768))[:4]
    with serving(cluster, family, proto), contextlib.ExitStack() as stack, \
            watched(cluster, written(case, ONE)) as daemon:
        clients = [stack.enter_context(joined(cluster, family, proto, own[0])) for _, own in pairs]
        assert [client.peer for client in clients] \
            == [[source_of(case), port] for port, _ in pairs]
        upgraded = shutil.copy(WEIR, tmp_path / "weir-next")
        for act, (_, own) in zip(acts(daemon, case, upgraded), pairs):
            act()
            if daemon.binary == OTHER_LAYOUT:      # there it is known by what it says
                assert all(goes_on(client, proto) for client in clients)
            clients.append(stack.enter_context(joined(cluster, family, proto, own[1])))
            assert all(goes_on(client, proto) for client in clients)
            assert len({client.peer[1] for client in clients}) == len(clients)


# --- backends that speak first -------------------------------------------------------------------

@each_case(1)
def test_backend_that_speaks_first_behind_an_upgrade_with_empty_tables_is_not_reset(cluster, case):
    """What it says is for an address of this host, which would refuse it."""
    with watched(cluster, written(case, ONE)) as daemon, \
            connected(cluster, case[1]) as (client, backend):
        outlive_upgrades(daemon, client, backend)
