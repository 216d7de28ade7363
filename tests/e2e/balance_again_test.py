# SPDX-License-Identifier: Apache-2.0
"""A client begins a connection by a port that it had before, or goes on beginning one that nobody
has answered: who gets no new connections, or is down, does not get that one either."""
import contextlib
import itertools
import select
import socket

import pytest

from harness.asked import answer_of, servers
from harness.cluster import PORT, family_kind
from harness.daemon import Daemon
from harness.stand import by_rows, stand
from harness.wait import SLOWNESS, wait_for

DEAD = 1
CHECK = {"type": "tcp", "interval": "200ms", "timeout": "200ms", "fall": 2}
PORTS = range(20000, 20100)         # none that sockets get by themselves
NAMES = "way, family, hook"


class Place:
    """A stand with servers, and its daemon."""

    def __init__(self, at, made, daemon):
        self.at, self.made, self.daemon = at, made, daemon

    def socket(self, port):
        """A client's, at a port that is free."""
        client = self.at.cluster.client
        wait_for(lambda: not client.run("ss", "-Htan", f"sport = {port}").stdout, "it is free")
        sock = client.socket(family_kind(self.at.family), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(5 * SLOWNESS)
        sock.bind(("", port))
        return sock

    def connected(self, port):
        sock = self.socket(port)
        sock.connect((self.at.address, PORT))
        return sock

    def served(self, port):
        """Who serves a connection by that port, and is the first to close it."""
        with self.connected(port) as sock:
            who = answer_of(sock)
            assert not sock.recv(1)
            return who

    def ports_of(self, number, count):
        return list(itertools.islice(
            (port for port in PORTS if self.served(port) == number), count))

    def states(self):
        return [row["state"] for row in self.daemon.ask("service", "health")["backends"]]

    def revision(self):
        return self.daemon.status()["revision"]

    def wait_down(self, before):
        """And the policy that says so is live, which is another revision."""
        wait_for(lambda: self.states()[DEAD] == "down", "its checks find it down")
        wait_for(lambda: self.revision() > before, "it is known")

    def name(self, port):
        """Of the backend that has the flow."""
        row, = self.daemon.ask("flow", "list", f"sport={port}")["flows"]
        return row["backend"]


@contextlib.contextmanager
def placed(way, family, hook, **more):
    with stand(way, family, hook) as at, servers(at) as made:
        at.timeouts = {}
        with Daemon(at.cluster.gateway, config=at.text(**more)) as daemon:
            yield Place(at, made, daemon)


@pytest.fixture
def checked(way, family, hook):
    with placed(way, family, hook, health=CHECK) as place:
        wait_for(lambda: set(place.states()) == {"up"}, "all are up")
        yield place


@by_rows(NAMES, ("nat", 6, "tc"), ("l2", 4, "tc"), ("l2", 6, "xdp-generic"),
         ("gue4", 6, "xdp-sent-on"))
def test_who_is_drained_does_not_get_a_client_again(way, family, hook):
    with placed(way, family, hook) as place:
        port, = place.ports_of(DEAD, 1)
        place.daemon.ask("service", "backend", "drain", "echo", place.at.backends[DEAD])
        assert place.served(port) != DEAD
        place.daemon.ask("service", "backend", "undrain", "echo", place.at.backends[DEAD])
        assert place.served(port) == DEAD, "as each time that it is asked by that port"


def reset_by_death(place, sock):
    """Who serves the connection dies with it."""
    place.made[DEAD].kill()
    with pytest.raises(ConnectionError):
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        sock.recv(1)
        raise ConnectionResetError      # it was the end


@by_rows(NAMES, ("nat", 4, "tc"), ("source", 6, "tc"), ("l2", 6, "tc"), ("ipip4", 4, "xdp-generic"),
         ("gue6", 6, "xdp-sent-on"))
def test_who_has_died_does_not_get_a_client_again(checked, way):
    """By DSR nobody hears how it refuses, and resets what lives."""
    (refused, reset, closed), before = checked.ports_of(DEAD, 3), checked.revision()
    with checked.connected(reset) as sock:
        reset_by_death(checked, sock)
    with contextlib.suppress(ConnectionError):      # unless checks have been quicker
        assert checked.served(refused) != DEAD
    checked.wait_down(before)
    for port in refused, reset, closed:
        assert checked.served(port) != DEAD


def drain(place):
    place.daemon.ask("service", "backend", "drain", "echo", place.at.backends[DEAD])


def weigh_nothing(place):
    place.daemon.ask("service", "backend", "set", "echo", place.at.backends[DEAD], "--weight", "0")


@by_rows(NAMES, ("l2", 4, "tc"), ("gue6", 6, "xdp-sent-on"))
@pytest.mark.parametrize("take_out", (drain, weigh_nothing))
def test_who_is_out_and_dies_does_not_get_a_client_again(checked, take_out):
    """As who drains a server does, and then stops it."""
    port, = checked.ports_of(DEAD, 1)
    with checked.connected(port) as sock:
        take_out(checked)
        before = checked.revision()
        reset_by_death(checked, sock)
    checked.wait_down(before)
    assert checked.served(port) != DEAD


@by_rows(NAMES, ("l2", 6, "tc"), ("ipip4", 4, "xdp-generic"))
def test_who_is_deleted_while_down_does_not_get_a_client_again(checked):
    (port,), before = checked.ports_of(DEAD, 1), checked.revision()
    with checked.connected(port) as sock:
        reset_by_death(checked, sock)
    checked.wait_down(before)
    checked.daemon.apply(checked.at.text(health=CHECK, without=DEAD))
    assert len(checked.states()) == len(checked.at.backends) - 1
    assert checked.daemon.ask("service", "backend", "list")["leaving"]
    checked.daemon.restart()
    assert checked.daemon.ask("service", "backend", "list")["leaving"]
    assert checked.served(port) != DEAD


SILENCE = """table inet silence {{
    chain input {{
        type filter hook input priority 0
        {family} daddr {address} drop
    }}
}}"""


def silence(at, number):
    """Nothing that comes for that backend is heard any more."""
    place, address = at.cluster.backends, at.service()["backends"][number]["address"]
    if at.is_direct:
        place, address = at.cluster.members[number], at.address
    family = "ip6" if at.family == 6 else "ip"
    place.run("nft", "-f", "-", input=SILENCE.format(family=family, address=address))


@by_rows(NAMES, ("nat", 6, "tc"), ("nat", 4, "xdp-generic"), ("source", 4, "tc"),
         ("l2", 4, "xdp-generic"), ("gue6", 6, "tc"))
def test_who_is_not_answered_goes_on_to_another(checked, family):
    """By the SYN that is sent again, once checks have found that nobody answers there."""
    (port,), before = checked.ports_of(DEAD, 1), checked.revision()
    silence(checked.at, DEAD)
    with checked.socket(port) as sock:
        sock.setblocking(False)
        sock.connect_ex((checked.at.address, PORT))
        wait_for(lambda: checked.name(port), "it has begun")
        assert checked.name(port) == f"echo/{checked.at.backends[DEAD]}"
        checked.wait_down(before)
        assert select.select([], [sock], [], 20 * SLOWNESS)[1], "it is answered"
        sock.settimeout(5 * SLOWNESS)
        assert answer_of(sock) != DEAD
