# SPDX-License-Identifier: Apache-2.0
"""Connections, and flows of datagrams, to backends that answer by themselves: they talk on with
their server while the daemon dies, is replaced or reads its file again, and while backends come and
go. Most of these have begun at a backend that is to get nothing new since, so that one that was
forgotten would be given to another."""
import contextlib
import shutil
import socket

import pytest

from harness.balanced import (DENIED, DIRECT_LINES, WAYS, direct_service, dropped, leaving, policy,
                              watched)
from harness.cluster import KINDS, PORT, ROUTER, SERVICE, Client
from harness.daemon import SANITIZED, WEIR
from harness.direct import COUNT, Direct, front, serving
from harness.failing import FailingDaemon
from harness.forwarded import is_at
from harness.kernel import by_hook, release
from harness.staying import (LISTED, OTHER_LAYOUT, Staying, heard, hurried, reloaded, resized,
                             say_both, taken_over)
from harness.wait import SLOWNESS, wait_for

# By hook, of each way. xdp: native, and packets are sent on from there.
HOOKS = {"tc": (4, 6, 4, 4, 4), "xdp-generic": (6, 4, 6, 4, 6), "xdp": (4, 4, 6, 6, 6)}


def each_case(turn):
    """Each way once; over three turns in a row each by each hook and in both families."""
    cases = []
    for at, way in enumerate(WAYS):
        hook = list(HOOKS)[(at + turn) % 3]
        cases.append((hook, way, HOOKS[hook][at]))
    names = [f"{way[0]}-{way[1] or 'same'}-{family}-{hook}" for hook, way, family in cases]
    return pytest.mark.parametrize("case", by_hook(cases), ids=names)


@pytest.fixture(scope="module")
def cluster():
    with Direct() as made, made.unwrapping():
        # A veth takes what XDP sends it while its other end has NAPI.
        for place, device in [(made.client, "eth0")] + [(one, "front") for one in made.members]:
            place.run("ethtool", "-K", device, "gro", "on")
        yield made


def written(case, weights=(1,) * COUNT, capacity=1000, rules=None):
    hook, way, family = case
    services = [direct_service(family, way, f"echo-{proto}", PORT, proto, weights)
                for proto in KINDS]
    return policy(services, DIRECT_LINES, hook, capacity, rules,
                  shortcut="xdp" if hook == "xdp" else "none")


def end_of(case, number):
    """A backend's address."""
    _, (_, outer), family = case
    return front(number, outer or family)


@contextlib.contextmanager
def served(cluster, case, text, begin=lambda *_: None):
    """A daemon, and clients that go on; `begin` is done before they are there."""
    hook, (_, outer), family = case
    with serving(cluster, family), serving(cluster, family, "udp"), \
            watched(cluster, text) as daemon:
        if hook == "xdp":
            wait_for(lambda: is_at(daemon, "xdp"), "it is native")
        begin(case, daemon)
        with Staying(cluster, family) as clients:
            clients.go_on()
            assert all(client.own == client.peer for client in clients.all)
            yield daemon, clients
        assert not dropped(daemon)
        if hook == "xdp" and outer in (None, family):
            assert daemon.status()["balance"]["flow_cache_hits"], "as the page says"


@contextlib.contextmanager
def left_to_live(cluster, case, weights):
    """… with both backends, of which the first then gets nothing new."""
    with served(cluster, case, written(case)) as (daemon, clients):
        assert clients.backends() == [set(range(COUNT))] * 2
        clients.beside(daemon.apply, written(case, weights))
        yield daemon, clients
        assert clients.newcomers() == {1}


OUT, DRAINED = (None, 1), (0, 1)


@each_case(0)
def test_they_stay_while_the_daemon_is_dead_and_when_it_is_back(cluster, case):
    with left_to_live(cluster, case, OUT) as (daemon, clients):
        daemon.kill()
        assert clients.newcomers() == {1}
        clients.beside(daemon.start)
        clients.beside(daemon.restart)
        assert set(leaving(daemon)) == {end_of(case, 0)}


@each_case(1)
def test_they_stay_over_reloads_and_in_tables_of_another_size(cluster, case):
    with left_to_live(cluster, case, DRAINED) as (daemon, clients):
        text = written(case, DRAINED)
        for more in (text + LISTED, hurried(text)):
            clients.beside(reloaded, daemon, more)
        for capacity in (4000, 400):
            clients.beside(resized, daemon, written(case, DRAINED, capacity))


@each_case(2)
def test_they_stay_over_an_upgrade(cluster, case, tmp_path):
    with left_to_live(cluster, case, OUT) as (daemon, clients):
        upgraded = shutil.copy(WEIR, tmp_path / "weir-next")
        clients.beside(taken_over, daemon, "stopped", upgraded)
        clients.beside(taken_over, daemon, "killed")
        assert set(leaving(daemon)) == {end_of(case, 0)}


@each_case(0)
def test_they_stay_over_an_upgrade_to_tables_of_another_layout(cluster, case):
    """A datagram of that moment may be lost, but nobody is told that there is no such service."""
    with served(cluster, case, written(case)) as (daemon, clients):
        assert clients.backends() == [set(range(COUNT))] * 2
        for how, binary in (("killed", OTHER_LAYOUT), ("stopped", WEIR)):
            clients.beside(taken_over, daemon, how, binary, asks_again=True)
        assert clients.newcomers() == set(range(COUNT))


# --- backends that come and go -------------------------------------------------------------------

@each_case(1)
def test_they_stay_whatever_the_file_says_of_backends(cluster, case):
    with served(cluster, case, written(case, (1, None))) as (daemon, clients):
        both, other = set(range(COUNT)), {1}
        for weights, new in (((1, 2), both),        # another comes
                             ((2, 1), both),
                             (DRAINED, other), (OUT, other),
                             ((5, 5), both),        # it is back
                             (OUT, other)):
            clients.beside(daemon.apply, written(case, weights))
            assert clients.newcomers() == new, weights
            assert set(leaving(daemon)) == ({end_of(case, 0)} if weights == OUT else set())
        assert clients.backends() == [{0}] * 2
        clients.leave(daemon)


def at_run_time(case, daemon):
    _, (forward, _), family = case
    for proto in KINDS:
        daemon.say("service", "add", f"echo-{proto}", "--address", SERVICE[family], "--port", PORT,
                   "--proto", proto, "--forward", forward, "--backend", end_of(case, 0))


@each_case(2)
def test_they_stay_whatever_is_said_of_backends_at_run_time(cluster, case):
    hook, _, _ = case
    none = policy([], DIRECT_LINES, hook, shortcut="xdp" if hook == "xdp" else "none")
    with served(cluster, case, none, at_run_time) as (daemon, clients):
        both, other = set(range(COUNT)), {1}
        first, second = end_of(case, 0), end_of(case, 1)
        for verb, words, new in (("add", (second, "--weight", "2"), both),
                                 ("set", (first, "--weight", "3"), both),
                                 ("drain", (first,), other), ("undrain", (first,), both),
                                 ("set", (first, "--weight", "0"), other), ("del", (first,), other),
                                 ("add", (first,), both), ("del", (first,), other)):
            clients.beside(say_both, daemon, "service", "backend", verb, *words)
            assert clients.newcomers() == new, (verb, words)
        clients.beside(taken_over, daemon, "killed")
        assert set(leaving(daemon)) == {first}
        assert clients.newcomers() == other and clients.backends() == [{0}] * 2
        clients.leave(daemon)


# --- links go over one by one --------------------------------------------------------------------

needs_preload = pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")
# What puts the next program at a hook.
TAKES_OVER = "link_update" if release() >= (6, 6) else "filter"


@contextlib.contextmanager
def restarting(daemon, _):
    daemon.stop()
    daemon.launch()
    yield
    wait_for(daemon.answers, "the daemon answers", 60)


@contextlib.contextmanager
def growing(daemon, case):
    with Staying.doing(reloaded, daemon, written(case, capacity=4000, rules=DENIED)):
        yield


def counted(daemon, act):
    """How many hooks go over."""
    daemon.arm(TAKES_OVER, 0)
    with act:
        pass
    return daemon.counts()[TAKES_OVER]


@contextlib.contextmanager
def going_on(daemon):
    """Afterwards, whatever has failed: somebody waits for it."""
    try:
        yield
    finally:
        daemon.disarm()
        daemon.go_on()


def each_hook_held(daemon, count):
    """The daemon is held before each of so many hooks goes over, and goes on behind this."""
    for number in range(1, count + 1):
        daemon.wait_until_held()
        yield number
        if number < count:
            daemon.hold(TAKES_OVER, 1)
        daemon.go_on()


@needs_preload
@each_case(2)
def test_what_one_program_sends_on_the_next_one_knows(cluster, case):
    """Where a default policy denies: the packet with its headers is of no flow, and no rule lets it
    leave. At each hook that goes over the daemon is held, so that some have the next program."""
    family, text = case[2], written(case, rules=DENIED)
    act = growing if case[0] == "tc" else restarting
    with serving(cluster, family), serving(cluster, family, "udp"), \
            FailingDaemon(cluster.gateway, config=text) as daemon, \
            Staying(cluster, family) as clients:
        hooks = counted(daemon, act(daemon, case))
        daemon.apply(text)
        daemon.hold(TAKES_OVER, 1)
        with act(daemon, case), going_on(daemon):
            for _ in each_hook_held(daemon, hooks):
                clients.go_on()
        assert hooks > len(DIRECT_LINES) and not dropped(daemon)


def none_is_refused(cluster, family, sock):
    """What is sent now, answered or lost: the echo behind it comes later than an error would."""
    sock.send(b"and now?")
    cluster.client.run("ping", "-c1", "-W", int(10 * SLOWNESS), ROUTER[family][0])
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


@needs_preload
@pytest.mark.parametrize("case", by_hook([("xdp-generic", ("ipip", 4), 4),
                                          ("xdp-generic", ("gue", 6), 6)]), ids=("ipip", "gue"))
def test_no_datagram_is_refused_while_programs_with_empty_tables_take_over(cluster, case):
    """Where XDP has let it pass, and the program behind that does not know its flow."""
    family = case[2]
    with serving(cluster, family, "udp"), \
            FailingDaemon(cluster.gateway, config=written(case)) as daemon, \
            Client(cluster, family, "udp") as client:
        client.ask(b"here")
        daemon.binary = OTHER_LAYOUT
        hooks = counted(daemon, restarting(daemon, case))
        assert heard(client, b"there")
        daemon.binary = WEIR
        daemon.hold(TAKES_OVER, 1)
        with restarting(daemon, case), going_on(daemon):
            for number in each_hook_held(daemon, hooks):
                assert none_is_refused(cluster, family, client.sock), f"{number} of {hooks}"
        assert heard(client, b"there")
