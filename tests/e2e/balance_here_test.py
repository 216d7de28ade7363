# SPDX-License-Identifier: Apache-2.0
"""A backend that is the balancing host itself, by NAT: at another of its addresses and ports."""
import contextlib
import itertools

import pytest

from harness.balanced import FAMILIES, policy
from harness.cluster import BACKEND_PORT, PORT, ROUTER, SERVICE, Client, Cluster, listening
from harness.daemon import Daemon
from harness.kernel import hooks
from harness.stand import SENT_ON

# Family, protocol, and whether the service has a `source`.
KINDS = tuple(itertools.product(FAMILIES, ("tcp", "udp"), (False, True)))


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def ports(hidden):
    return PORT + hidden, BACKEND_PORT + hidden


def service(family, proto, hidden):
    port, backend_port = ports(hidden)
    return {"name": f"{proto}{family}{'hidden' if hidden else ''}", "address": SERVICE[family],
            "port": port, "proto": proto,
            "backends": [{"address": ROUTER[family][1], "port": backend_port}],
            **({"source": ROUTER[family][0]} if hidden else {})}


def echoes(client, proto):
    if proto == "tcp":
        return client.echoes(b"x" * 3000000)
    return all(client.ask(bytes(length)) == bytes(length) for length in (0, 1, 1400, 9000))


@pytest.mark.parametrize("hook", hooks("tc", "xdp", "xdp-generic", *SENT_ON))
def test_this_host_serves_its_own_service(cluster, hook):
    """It sees clients as they are, also where a `source` would hide them: nothing leaves here."""
    hook, shortcut = SENT_ON.get(hook, (hook, {}))
    text = policy([service(*kind) for kind in KINDS], hook=hook, **shortcut)
    with contextlib.ExitStack() as stack:
        for family, proto, hidden in KINDS:
            stack.enter_context(listening(cluster.gateway, family, ROUTER[family][1], proto,
                                          ports(hidden)[1]))
        daemon = stack.enter_context(Daemon(cluster.gateway, config=text))
        for family, proto, hidden in KINDS:
            with Client(cluster, family, proto, port=ports(hidden)[0]) as client:
                assert echoes(client, proto), (family, proto, hidden)
                assert client.backend == ROUTER[family][1] and client.peer == client.own
        counts = daemon.status()["balance"]
        assert counts["chosen"] == len(KINDS) and counts["to_backends"] and counts["to_clients"]
