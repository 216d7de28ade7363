# SPDX-License-Identifier: Apache-2.0
"""A backend that is the balancing host itself, by NAT: at another of its addresses and ports."""
import contextlib
import threading

import pytest

from harness.balanced import FAMILIES, policy
from harness.cluster import (BACKEND_PORT, PORT, ROUTER, SERVICE, Client, Cluster, Stream,
                             StreamServer, family_kind)
from harness.daemon import Daemon


@contextlib.contextmanager
def listening(station, family, address):
    kind = type("Made", (StreamServer,), {"address_family": family_kind(family)})
    with station.entered():
        server = kind((address, BACKEND_PORT), Stream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shortcut", ("none", "tc"))
def test_this_host_serves_its_own_service(family, shortcut):
    own = ROUTER[family][1]
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": "tcp",
               "backends": [{"address": own, "port": BACKEND_PORT}]}
    with Cluster() as cluster, listening(cluster.gateway, family, own), \
            Daemon(cluster.gateway, config=policy([service], shortcut=shortcut)), \
            Client(cluster, family) as client:
        assert client.echoes(b"x" * 3000000)
        assert client.backend == own and client.peer == client.own
