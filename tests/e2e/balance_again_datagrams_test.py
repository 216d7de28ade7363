# SPDX-License-Identifier: Apache-2.0
"""Clients of UDP and SCTP that go on by one port while their backend is down: nobody closes a flow
of datagrams, and each keeps it alive."""
import contextlib
import pathlib
import socket
import tempfile

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkInit

from e2e.balance_bytes_test import CLIENT, OWN, SERVICE, packet, passed
from e2e.direct_bytes_test import SOURCE
from harness import cluster, direct
from harness.balanced import policy
from harness.cluster import PORT, Client, family_kind
from harness.daemon import Daemon
from harness.gateway import Gateway
from harness.stand import by_rows, stand
from harness.wait import SLOWNESS, wait_for

SCTP_PORT = 2905
NAMES = "way, family, hook"


class Health:
    """Of backends, by a command: who has a file is down."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "check"
        self.path.write_text('#!/bin/sh\ntest ! -e "$0.$WEIR_ADDRESS"\n')
        self.path.chmod(0o755)

    def check(self):
        every = f"{int(1000 * SLOWNESS)}ms"
        return {"type": "command", "command": [str(self.path)], "interval": every,
                "timeout": every, "rise": 1, "fall": 2}

    def file(self, address):
        return pathlib.Path(f"{self.path}.{address}")

    @staticmethod
    def states(daemon):
        return {row["address"]: row["state"]
                for row in daemon.ask("service", "health")["backends"]}

    def change(self, daemon, addresses, state):
        """They are all found to be that, and the policy that is live knows."""
        before = daemon.status()["revision"]
        for address in addresses:
            (self.file(address).touch if state == "down" else self.file(address).unlink)()
        wait_for(lambda: all(self.states(daemon)[address] == state for address in addresses),
                 f"they are {state}")
        wait_for(lambda: daemon.status()["revision"] > before, "it is known")
        self.settle(daemon)

    @staticmethod
    def settle(daemon):
        """Of several that go down, some may be a change of their own."""
        def is_still():
            seen.append(daemon.status()["revision"])
            return len(seen) > 15 and len(set(seen[-15:])) == 1

        seen = []
        wait_for(is_still, "no change is under way")


@pytest.fixture
def health():
    with tempfile.TemporaryDirectory(prefix="weir-health-") as folder:
        yield Health(folder)


class Place:
    """A stand with servers that answer datagrams."""

    def __init__(self, at, daemon):
        self.at, self.daemon = at, daemon
        self.addresses = [row["address"] for row in at.service()["backends"]]

    def who(self, client):
        """The address of the backend that answers a datagram."""
        client.ask(b"who")
        name = client.backend
        return self.addresses[name] if isinstance(name, int) else name

    def served(self, client, count=20):
        return {self.who(client) for _ in range(count)}

    def refused(self):
        return self.daemon.status()["balance"]["no_backend"]

    def begun(self):
        return self.daemon.status()["balance"]["chosen"]

    @contextlib.contextmanager
    def client(self):
        """One that knows who serves it, and whose datagrams go by every shortcut there is."""
        with Client(self.at.cluster, self.at.family, "udp") as client:
            before = self.daemon.status()["balance"]["flow_cache_hits"]
            owner, = self.served(client)
            if self.at.shortcut.get("shortcut") == "xdp":
                wait_for(lambda: self.who(client) and
                         self.daemon.status()["balance"]["flow_cache_hits"] > before + 5,
                         "the flow cache has it")
            yield client, owner


@contextlib.contextmanager
def placed(way, family, hook, health, **more):
    with stand(way, family, hook) as at, contextlib.ExitStack() as stack:
        stack.enter_context((direct if at.is_direct else cluster).serving(
            at.cluster, family, "udp"))
        daemon = stack.enter_context(Daemon(at.cluster.gateway, config=at.text(
            proto="udp", health=health.check(), **more)))
        place = Place(at, daemon)
        wait_for(lambda: set(health.states(daemon).values()) == {"up"}, "all are up")
        yield place


@by_rows(NAMES, ("nat", 4, "tc"), ("nat", 6, "xdp-sent-on"), ("source", 6, "tc"),
         ("l2", 4, "xdp-sent-on"), ("l2", 6, "tc"), ("gue6", 6, "xdp-generic"),
         ("ipip4", 4, "tc"))
def test_datagrams_leave_who_is_down(way, family, hook, health):
    with placed(way, family, hook, health) as place, place.client() as (client, owner):
        health.change(place.daemon, [owner], "down")
        other, = place.served(client)
        assert other != owner
        assert place.served(client) == {other}, "and stay with who has them now"
        health.change(place.daemon, [owner], "up")
        assert place.served(client) == {other}, "also when the first is back"


@by_rows(NAMES, ("nat", 4, "tc"), ("l2", 6, "xdp-sent-on"))
def test_datagrams_of_a_client_who_is_remembered_leave_too(way, family, hook, health):
    with placed(way, family, hook, health, affinity={"timeout": "10m"}) as place, \
            place.client() as (client, owner):
        health.change(place.daemon, [owner], "down")
        other, = place.served(client)
        with place.client() as (_, second):
            assert owner not in (other, second) and second == other


@by_rows(NAMES, ("nat", 6, "tc"), ("l2", 4, "xdp-sent-on"))
@pytest.mark.parametrize("then", ("refuse", "keep-all"))
def test_datagrams_stay_where_nobody_else_is(way, family, hook, then, health):
    """What checks say of all may be wrong, and a flow that lives is not cut by that."""
    with placed(way, family, hook, health, **{"on-all-down": then}) as place, \
            place.client() as (client, owner):
        others = [address for address in place.addresses if address != owner]
        health.change(place.daemon, others, "down")
        health.change(place.daemon, [owner], "down")
        assert place.served(client) == {owner}
        assert not place.refused()
        with place.at.cluster.client.socket(family_kind(family), socket.SOCK_DGRAM) as sock:
            sock.connect((cluster.SERVICE[family], PORT))
            sock.send(b"new")
            wait_for(lambda: place.refused() == (then == "refuse") and
                     place.begun() == 2 - place.refused(), "what is new is refused, or served")
        health.change(place.daemon, others, "up")
        assert len(place.served(client) & set(others)) == 1


# --- SCTP: there are no sockets of it everywhere, so packets --------------------------------

ENDS = {4: ("198.19.0.10", "198.19.0.11"), 6: ("2001:db8:b::10", "2001:db8:b::11")}


def init(tag=17):
    return SCTP(sport=OWN, dport=SCTP_PORT, tag=0) / SCTPChunkInit(
        init_tag=tag, init_tsn=1, a_rwnd=65535, n_out_streams=2, n_in_streams=2)


def sctp_config(family, hook, forward, health):
    service = {"name": "m3ua", "address": SERVICE[family], "port": SCTP_PORT, "proto": "sctp",
               "forward": forward, "health": health.check(),
               "backends": [{"address": address} for address in ENDS[family]]}
    return policy([service], ("left", "right"), hook,
                  **{"tunnel-source": SOURCE[4], "tunnel-source6": SOURCE[6]})


@pytest.mark.parametrize("family, hook, forward", (
    (4, "tc", "nat"), (6, "tc", "ipip"), (6, "xdp-generic", "nat")))
def test_association_is_begun_anew_past_who_is_down(family, hook, forward, health):
    with Gateway("sctp-again") as gateway, \
            Daemon(gateway.inside, config=sctp_config(family, hook, forward, health)) as daemon:
        gateway.daemon = daemon
        wait_for(lambda: set(health.states(daemon).values()) == {"up"}, "all are up")

        def sent_to(body):
            """Whose address the packet that leaves has."""
            (side, left), = passed(gateway, ("left", packet(CLIENT[family], SERVICE[family],
                                                            body)))
            assert side == "right"
            return (IP if family == 4 else IPv6)(left).dst

        owner = sent_to(init())
        assert sent_to(init()) == owner, "sent again, it goes where it went"
        health.change(daemon, [owner], "down")
        data = SCTP(sport=OWN, dport=SCTP_PORT, tag=34) / SCTPChunkData(
            tsn=1, stream_id=0, beginning=1, ending=1, data=b"data")
        if forward == "ipip":           # the other side's tag is not seen
            assert sent_to(data) == owner, "what lives is where it was"
        other = sent_to(init())
        assert other in ENDS[family] and other != owner
        assert sent_to(init()) == other
        if forward == "ipip":
            assert sent_to(data) == other
