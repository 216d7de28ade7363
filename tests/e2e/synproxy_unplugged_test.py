# SPDX-License-Identifier: Apache-2.0
"""An interface that goes and comes again while SYNs are answered there: what is attached behind XDP
comes and goes with it, and clients are served as before."""
import socket

import pytest

from harness.daemon import Daemon
from harness.net import Pair, veth
from harness.wait import SLOWNESS, wait_for

PORT = 9000
CONFIG = """api: {listen: off}
interfaces: [{name: wire, hook: %s, egress: true}]
synproxy: {services: [{ports: '9000', mode: always}]}
"""


def is_served(pair):
    with pair.inside.entered():
        listener = socket.create_server((pair.inside_v4, PORT))
    with listener, pair.outside.entered():
        with socket.create_connection((pair.inside_v4, PORT), 10 * SLOWNESS) as client:
            served = listener.accept()[0]
            client.sendall(b"x")
            return served.recv(1) == b"x"


def is_attached(daemon):
    return any(row.get("attached") for row in daemon.status()["interfaces"])


@pytest.mark.parametrize("hook", ["tc", "xdp-generic"])
def test_clients_are_served_when_the_interface_is_back(hook):
    with Pair(addresses=True) as pair, Daemon(pair.inside, config=CONFIG % hook) as daemon:
        assert is_served(pair)
        pair.inside.run("ip", "link", "del", pair.wire)
        wait_for(lambda: not is_attached(daemon), "it is gone")
        veth(pair.inside, pair.wire, pair.outside, pair.far)
        pair.give_addresses()
        wait_for(lambda: is_attached(daemon), "it is back")
        assert is_served(pair)
        assert daemon.ask("synproxy", "show")["proven"] == 2
