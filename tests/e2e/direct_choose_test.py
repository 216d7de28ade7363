# SPDX-License-Identifier: Apache-2.0
"""Least connections and affinity where backends answer the client themselves: connections are seen
to end by the client's side alone."""
import contextlib
import struct

import pytest

from e2e.balance_active_test import counted
from e2e.direct_test import watched
from harness.balanced import direct_config
from harness.cluster import Client
from harness.direct import Direct, serving
from harness.wait import wait_for

WAYS = (("l2", None), ("ipip", 4))


@pytest.fixture(scope="module")
def cluster():
    with Direct() as made, made.unwrapping():
        yield made


def text(way, keys):
    return direct_config(4, way).replace('"name": "echo"', '"name": "echo", ' + keys)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
def test_a_connection_counts_until_the_client_closes_or_resets_it(cluster, way):
    with serving(cluster, 4), \
            watched(cluster, text(way, '"scheduler": "least-connections"')) as daemon, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, 4)) for _ in range(10)]
        assert counted(daemon) == [5, 5]
        emptied = clients[0].backend
        for at, client in enumerate([one for one in clients if one.backend == emptied]):
            if at % 2:
                client.sock.setsockopt(1, 13, struct.pack("ii", 1, 0))      # SO_LINGER
            client.close()
        wait_for(lambda: counted(daemon) == [0, 5], "the client's side is enough")
        again = [stack.enter_context(Client(cluster, 4)) for _ in range(5)]
        assert {client.backend for client in again} == {emptied}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
def test_a_client_comes_back_to_his_backend(cluster, way):
    keys = '"scheduler": "round-robin", "affinity": {"timeout": "10m"}'
    with serving(cluster, 4), watched(cluster, text(way, keys)) as daemon:
        found = set()
        for _ in range(5):
            with Client(cluster, 4) as client:
                found.add(client.backend)
        assert len(found) == 1
        assert daemon.ask("service", "affinity", "list")["total"] == 1
