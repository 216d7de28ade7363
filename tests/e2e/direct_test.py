# SPDX-License-Identifier: Apache-2.0
"""Direct server return on real stacks: backends have the service's address, get the client's
packets as they were, and answer past the gateway."""
import collections
import contextlib
import itertools
import json
import random

import pytest

from e2e.balance_test import FAMILIES, HOOKS
from harness.cluster import PORT, SERVICE, Client
from harness.daemon import Daemon
from harness.direct import COUNT, Direct, front, serving

# How, and the family of the backends' addresses; None: the service's.
WAYS = (("l2", None), ("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6))


def config(family, way, proto="tcp", hook="tc", weights=(1,) * COUNT, rules=None, more=""):
    forward, outer = way
    backends = [{"address": front(number, outer or family), "weight": weight}
                for number, weight in enumerate(weights)]
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": proto,
               "forward": forward, "backends": backends}
    interfaces = [{"name": name, "hook": hook} for name in
                  ("lan", *(f"wan{number}" for number in range(COUNT)))]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps({'services': [service]})}\n"
            + (f"rules: {json.dumps(rules)}\n" if rules else "") + more)


@pytest.fixture(scope="module")
def cluster():
    with Direct() as made, made.unwrapping():
        yield made


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
def way(request):
    return request.param


@contextlib.contextmanager
def watched(cluster, text):
    with Daemon(cluster.gateway, config=text) as daemon:
        yield daemon


def drops(daemon):
    return {name: count for name, count in daemon.reasons().items() if name.startswith("drop")}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_connections_are_shared_out_and_answered_by_backends_themselves(cluster, hook, family,
                                                                        way):
    with serving(cluster, family), watched(cluster, config(family, way, hook=hook)) as daemon, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(40)]
        counts = collections.Counter(client.backend for client in clients)
        assert set(counts) == set(range(COUNT)) and min(counts.values()) >= 5, counts
        assert all(client.own == client.peer for client in clients), "the client's own address"
        rows = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
        assert len(rows) == 40 and {row["dst"] for row in rows} == {SERVICE[family]}
        assert {row["state"] for row in rows} == {"established"}
        assert max(row["expires_s"] for row in rows) <= 15 * 60
        status = daemon.status()["balance"]
        assert status["chosen"] == 40 and status["to_clients"] == 0
        assert status["to_backends"] >= 80
        assert daemon.reasons()["pass_direct"] == status["to_backends"]
        assert not drops(daemon)
