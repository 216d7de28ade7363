# SPDX-License-Identifier: Apache-2.0
"""How a service chooses, on real stacks: who is next in turn, and that a client, or his network,
has one backend."""
import contextlib
import ipaddress
import json

import pytest

from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster,
                             serving)
from harness.daemon import Daemon
from harness.kernel import hooks, release

HOOKS = hooks("tc", "xdp-generic")
FAMILIES = (4, 6)
BASE = ("conntrack: {enabled: auto, capacity: 4096, half-open: 1024}\napi: {listen: off}\n")
# From the other networks than the client's own, answers come by its route. 16 clients each.
NETWORKS = {4: [f"10.79.{n}.0/28" for n in range(16)],
            6: [f"fd79:{n:x}::/124" for n in range(16)]}


def config(family, weights=(1, 1, 1), hook="tc", proto="tcp", **more):
    backends = [{"address": address, "port": BACKEND_PORT, "weight": weight}
                for address, weight in zip(BACKENDS[family], weights)]
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": proto,
               "backends": backends, **more}
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    return (f"{BASE}interfaces: {json.dumps(interfaces)}\n"
            f"balance: {json.dumps({'services': [service]})}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        for family in FAMILIES:
            for network in NETWORKS[family]:
                for address in list(ipaddress.ip_network(network))[1:5]:
                    made.give(made.client, "eth0", str(address), 32 if family == 4 else 128)
                made.gateway.run("ip", f"-{family}", "route", "add", network, "via",
                                 CLIENT[family])
        yield made


@contextlib.contextmanager
def watched(cluster, family, text, proto="tcp"):
    with serving(cluster, family, proto), Daemon(cluster.gateway, config=text) as daemon:
        yield daemon


class From(Client):
    """A client by another address than its first."""

    def __init__(self, cluster, family, address, proto="tcp"):
        place = cluster.client

        class Bound:
            @staticmethod
            def socket(*kind):
                sock = place.socket(*kind)
                sock.bind((address, 0))
                return sock

        super().__init__(type("Place", (), {"client": Bound}), family, proto)


def met(cluster, family, count, address=None):
    """Who answers so many connections, one after the other."""
    found = []
    for _ in range(count):
        with (From(cluster, family, address) if address else Client(cluster, family)) as client:
            assert client.own == client.peer
            found.append(BACKENDS[family].index(client.backend))
    return found


def is_in_turn(found, order):
    """The order, begun anywhere."""
    return any(found == [order[(begin + i) % len(order)] for i in range(len(found))]
               for begin in range(len(order)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("weights, order", (((1, 1, 1), (0, 1, 2)), ((1, 0, 1), (0, 2)),
                                            ((5, 1, 1), (0, 0, 1, 0, 2, 0, 0))))
def test_connections_go_round_by_weight(cluster, family, hook, weights, order):
    text = config(family, weights, hook, scheduler="round-robin")
    with watched(cluster, family, text) as daemon:
        assert is_in_turn(met(cluster, family, 21), order)
        assert daemon.ask("service", "list")["services"][0]["scheduler"] == "round-robin"


def test_datagrams_go_round_by_flow(cluster):
    text = config(4, proto="udp", scheduler="round-robin")
    with watched(cluster, 4, text, "udp"), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, 4, "udp")) for _ in range(9)]
        for _ in range(3):
            for client in clients:
                client.ask(b"again")
            assert is_in_turn([BACKENDS[4].index(client.backend) for client in clients],
                              (0, 1, 2)), "each flow stays where it began"


def test_what_lives_stays_when_the_order_changes(cluster):
    with watched(cluster, 4, config(4, scheduler="round-robin")) as daemon, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, 4)) for _ in range(6)]
        daemon.apply(config(4, (0, 1, 0), scheduler="round-robin"))
        assert met(cluster, 4, 4) == [1] * 4
        daemon.apply(config(4))
        assert all(client.echoes(b"on and on") for client in clients)
        daemon.apply(config(4, scheduler="round-robin"))
        assert is_in_turn(met(cluster, 4, 9), (0, 1, 2))


@pytest.mark.skipif(release() < (6, 6), reason="explain asks the program at XDP")
def test_who_asks_takes_no_turn(cluster):
    with watched(cluster, 4, config(4, scheduler="round-robin")) as daemon:
        first = met(cluster, 4, 1)
        for _ in range(2):
            told = daemon.ask("explain", "--src", CLIENT[4], "--sport", 1234, "--dst", SERVICE[4],
                              "--dport", PORT, "--interface", "lan")
            assert told["backend"].startswith(f"echo/{BACKENDS[4][(first[0] + 1) % 3]}:")
        assert is_in_turn(first + met(cluster, 4, 5), (0, 1, 2))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_client_has_one_backend(cluster, family, hook):
    firsts = [str(ipaddress.ip_network(network)[1]) for network in NETWORKS[family]]
    with watched(cluster, family, config(family, hook=hook, scheduler="source-hash")):
        served = [set(met(cluster, family, 4, address)) for address in firsts]
        assert all(len(backends) == 1 for backends in served)
        assert len(set.union(*served)) == 3, "16 clients: all three, but by a chance of 1 in 200"


@pytest.mark.parametrize("family, bits", ((4, 28), (6, 124)))
def test_a_network_has_one_backend(cluster, family, bits):
    def served():
        return [{met(cluster, family, 1, str(address))[0]
                 for address in list(ipaddress.ip_network(network))[1:5]}
                for network in NETWORKS[family]]

    text = config(family, scheduler="source-hash")
    with watched(cluster, family, text) as daemon:
        assert any(len(backends) > 1 for backends in served()), "each address by itself"
        daemon.apply(config(family, scheduler="source-hash", **{"client-prefix": bits}))
        found = served()
        assert all(len(backends) == 1 for backends in found)
        assert len(set.union(*found)) == 3


def test_a_service_of_run_time_takes_turns_and_keeps_to_it(cluster):
    text = BASE + "interfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
    ends = [word for address in BACKENDS[4] for word in ("--backend", f"{address}:{BACKEND_PORT}")]
    with watched(cluster, 4, text) as daemon:
        daemon.say("service", "add", "echo", "--address", SERVICE[4], "--port", str(PORT),
                   "--scheduler", "round-robin", *ends)
        assert is_in_turn(met(cluster, 4, 9), (0, 1, 2))
        daemon.stop()
        daemon.start()
        assert daemon.ask("service", "show", "echo")["scheduler"] == "round-robin"
        assert is_in_turn(met(cluster, 4, 9), (0, 1, 2))
