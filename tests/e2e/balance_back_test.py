# SPDX-License-Identifier: Apache-2.0
"""A client asks by one port while his service has nobody to send him to, and goes on asking: he is
served as soon as somebody is there again."""
import contextlib

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from e2e.balance_active_test import counted
from e2e.balance_again_datagrams_test import ENDS, SCTP_PORT, health, init
from e2e.balance_bytes_test import CLIENT, OWN, SERVICE, packet, passed
from harness.balanced import policy
from harness.daemon import Daemon
from harness.gateway import Gateway
from harness.stand import by_rows
from harness.wait import wait_for

__all__ = ["health"]
PORT, TRIES = SCTP_PORT, 3
NAMES = "proto, family, hook"
OPENERS = {"tcp": lambda: TCP(sport=OWN, dport=PORT, flags="S", seq=7000, window=65535),
           "udp": lambda: UDP(sport=OWN, dport=PORT) / Raw(b"question"), "sctp": init}


class Place:
    def __init__(self, gateway, daemon, proto, family):
        self.gateway, self.daemon, self.proto, self.family = gateway, daemon, proto, family

    def sent_to(self):
        """Whose address what the client asks with has as it leaves; None: it does not."""
        left = passed(self.gateway, ("left", packet(CLIENT[self.family], SERVICE[self.family],
                                                    OPENERS[self.proto]())))
        rows = [(IP if self.family == 4 else IPv6)(one).dst for side, one in left
                if side == "right"]
        return rows[0] if rows else None

    def refused(self):
        return self.daemon.status()["balance"]["no_backend"]

    def asks_in_vain(self):
        before = self.refused()
        assert [self.sent_to() for _ in range(TRIES)] == [None] * TRIES
        assert self.refused() == before + TRIES, "each was refused, and none given to this host"


@contextlib.contextmanager
def placed(proto, family, hook, services=()):
    text = policy(list(services), ("left", "right"), hook)
    with Gateway("back") as gateway, Daemon(gateway.inside, config=text) as daemon:
        gateway.daemon = daemon
        yield Place(gateway, daemon, proto, family)


def end(address):
    return f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"


@by_rows(NAMES, ("tcp", 4, "tc"), ("tcp", 6, "xdp-generic"), ("udp", 6, "tc"),
         ("udp", 4, "xdp-generic"), ("sctp", 4, "tc"), ("sctp", 6, "xdp-generic"))
def test_who_asked_while_there_was_no_backend_gets_the_next_that_is_added(proto, family, hook):
    first, second = ENDS[family]
    with placed(proto, family, hook) as place:
        say = place.daemon.say
        say("service", "add", "web", "--address", SERVICE[family], "--port", PORT, "--proto",
            proto, "--backend", end(first))
        assert place.sent_to() == first
        say("service", "backend", "del", "web", end(first), "--now")
        place.asks_in_vain()
        say("service", "backend", "add", "web", end(second))
        assert [place.sent_to() for _ in range(TRIES)] == [second] * TRIES
        say("service", "backend", "del", "web", end(second), "--now")
        place.asks_in_vain()
        say("service", "backend", "add", "web", end(second))
        assert place.sent_to() == second, "who had him has him again"


@by_rows(NAMES, ("udp", 4, "tc"), ("udp", 6, "xdp-generic"))
def test_a_flow_of_before_its_service_is_balanced_once_it_is_flushed(proto, family, hook):
    """As the page on the balancer says, with the command that it says."""
    address, (backend, _) = SERVICE[family], ENDS[family]
    tracks = {"name": "other", "address": address, "port": PORT + 1, "proto": proto}
    with placed(proto, family, hook, [tracks]) as place:
        assert place.sent_to() == address
        place.daemon.say("service", "add", "web", "--address", address, "--port", PORT, "--proto",
                         proto, "--backend", end(backend))
        assert place.sent_to() == address, "it is the flow that it was"
        place.daemon.say("flow", "flush", f"proto=udp and dst={address} and dport={PORT}")
        assert [place.sent_to() for _ in range(TRIES)] == [backend] * TRIES


def checked_service(proto, family, health, **more):
    return {"name": "web", "address": SERVICE[family], "port": PORT, "proto": proto,
            "health": health.check(), "backends": [{"address": one} for one in ENDS[family]],
            **more}


@by_rows(NAMES, ("tcp", 4, "tc"), ("tcp", 6, "xdp-generic"), ("sctp", 6, "tc"),
         ("sctp", 4, "xdp-generic"))
@pytest.mark.parametrize("back", ("first", "other"))
def test_who_asked_while_all_were_down_gets_the_first_that_is_back(proto, family, hook, back,
                                                                   health):
    with placed(proto, family, hook, [checked_service(proto, family, health)]) as place:
        wait_for(lambda: set(health.states(place.daemon).values()) == {"up"}, "all are up")
        owner = place.sent_to()
        other, = set(ENDS[family]) - {owner}
        health.change(place.daemon, [other], "down")
        health.change(place.daemon, [owner], "down")
        place.asks_in_vain()
        returns = owner if back == "first" else other
        health.change(place.daemon, [returns], "up")
        assert [place.sent_to() for _ in range(TRIES)] == [returns] * TRIES


@by_rows(NAMES, ("tcp", 4, "tc"), ("sctp", 6, "xdp-generic"))
def test_what_was_refused_is_nobodys_connection(proto, family, hook, health):
    """Also of who is down, which `least-connections` would have wait once he is back."""
    service = checked_service(proto, family, health, scheduler="least-connections")
    with placed(proto, family, hook, [service]) as place:
        wait_for(lambda: set(health.states(place.daemon).values()) == {"up"}, "all are up")
        owner = place.sent_to()
        other, = set(ENDS[family]) - {owner}
        assert counted(place.daemon) == [0, 1]
        health.change(place.daemon, [other], "down")
        health.change(place.daemon, [owner], "down")
        place.asks_in_vain()
        assert counted(place.daemon) == [0, 1]
