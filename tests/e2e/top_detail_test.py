# SPDX-License-Identifier: Apache-2.0
"""`weir top`: the detail of a row is of that row and no other, also when it is over."""
import socket

import pytest

from harness.chain import Chain
from harness.daemon import Daemon
from harness.terminal import CLIENT, CONFIG, ONE, SERVER, send, top
from harness.wait import wait_for

ECHOES = {411: 200, 422: 600, 433: 1000, 444: 1400}     # identifier: bytes of a ping


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def daemon(chain):
    with Daemon(chain.gateway, config=CONFIG) as made:
        yield made


def answer(chain):
    """A datagram the other way, of another flow, which carries less."""
    with chain.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (CLIENT, ONE))


def test_what_is_over_is_blocked_and_not_who_stands_in_its_place(chain, daemon):
    send(chain, ONE, 20)
    answer(chain)
    with top(daemon, "--sort", "bytes") as screen:
        screen.shows(rf"^udp +{SERVER}:\d+ +{CLIENT}:{ONE} ")
        screen.shows(rf"^udp +{CLIENT}:40000 +{SERVER}:{ONE} ")
        screen.keys("Home", "Enter")
        screen.shows(rf"^ src +{CLIENT}$")
        assert daemon.ask("flow", "flush", f"src={CLIENT}")["flushed"] == 1
        screen.shows("Detail: it is over")
        screen.keys("f")
        screen.shows("it is over, and has no flows to go to")
        screen.keys("b")
        screen.shows(rf"Address or prefix +{CLIENT}")
        screen.keys("Down")
        screen.shows(rf"Address or prefix +{SERVER}")


def test_each_echo_has_its_own_detail(chain, daemon):
    """The daemon cannot be asked for one alone: they have no ports."""
    for identifier, size in ECHOES.items():
        assert chain.client.run("ping", "-c1", "-e", identifier, "-s", size, SERVER)
    wait_for(lambda: daemon.ask("flow", "count", "proto=icmp")["total"] == len(ECHOES), "all")
    with top(daemon, "--sort", "bytes", "--filter", "proto=icmp", size=(100, 50)) as screen:
        for place, identifier in enumerate(sorted(ECHOES, reverse=True)):
            screen.shows("^icmp ")
            screen.keys("Home", *["Down"] * place, "Enter")
            screen.shows(rf"^ icmp.id +{identifier}$")
            screen.shows(r"^ expires +\d+m?s$")         # of the answer, not of the list
            screen.shows(rf"^ icmp.id +{identifier}$")
            screen.keys("Escape")
