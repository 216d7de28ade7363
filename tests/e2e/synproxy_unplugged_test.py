# SPDX-License-Identifier: Apache-2.0
"""An interface that goes and comes again while SYNs are answered there: what is attached behind XDP
comes and goes with it, and clients are served as before."""
import socket

import pytest

from harness.daemon import Daemon
from harness.kernel import release
from harness.net import Pair
from harness.plug import replug
from harness.wait import SLOWNESS

PORT = 9000
ABLE_SINCE = {"tc": (6, 0), "xdp-generic": (6, 6)}      # before, limits stand in
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


@pytest.mark.parametrize("hook", ["tc", "xdp-generic"])
def test_clients_are_served_when_the_interface_is_back(hook):
    with Pair(addresses=True) as pair, Daemon(pair.inside, config=CONFIG % hook) as daemon:
        assert is_served(pair)
        replug(pair, daemon)
        pair.give_addresses()
        assert is_served(pair)
        is_able = release() >= ABLE_SINCE[hook]
        assert daemon.ask("synproxy", "show")["proven"] == (2 if is_able else 0)
