# SPDX-License-Identifier: Apache-2.0
"""What TC sends on (`shortcut: tc`) leaves as scapy has it, by one arm too; and a hidden client
gets what is his, by either shortcut."""
import contextlib
import json
import random

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from e2e.balance_bytes_test import BACKEND, CLIENT, OWN, PORT, SERVICE, both_ways, passed
from e2e.balance_doubt_test import goes_past, mac
from e2e.balance_shortcut_test import cluster, each_family, watched    # noqa: F401
from harness import cluster as stations
from harness.balanced import echo, policy
from harness.cluster import BACKEND_PORT, ROUTER, Client, serving
from harness.daemon import Daemon
from harness.forwarded import each_shortcut, met, watch
from harness.gateway import Gateway
from harness.lan import Lan
from harness.wait import wait_for
from harness.wire import on_one_cpu, packet_socket

TALKS = 60


@pytest.fixture(scope="module")
def gateway():
    with Gateway("onward") as made:
        watch(made.inside)
        yield made


def config(family):
    services = [{"name": proto, "address": SERVICE[family], "port": PORT, "proto": proto,
                 "backends": [{"address": BACKEND[family], "port": BACKEND_PORT}]}
                for proto in ("tcp", "udp")]
    interfaces = [{"name": name, "hook": "tc"} for name in ("left", "right")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps({'services': services, 'shortcut': 'tc'})}\n")


@pytest.fixture(params=(4, 6))
def family(request, gateway):
    with Daemon(gateway.inside, config=config(request.param)) as gateway.daemon:
        yield request.param


def by_kernel(gateway):
    """Without what closes a run, which is of a protocol that is not counted."""
    return met(gateway.inside)


def talk(gateway, family, make):
    """Sent and met as expected; how many of the two went by the kernel."""
    before = by_kernel(gateway)
    sent, left = both_ways(family, make)
    assert passed(gateway, *sent) == left
    return by_kernel(gateway) - before


def datagram(data, **more):
    return lambda sport, dport, is_answer: UDP(sport=sport, dport=dport, **more) / Raw(data)


def test_datagrams_leave_as_scapy_has_them(gateway, family):
    drawn = random.Random(family)
    wait_for(lambda: not talk(gateway, family, datagram(b"past?")), "they go past the kernel")
    counts = [talk(gateway, family, datagram(drawn.randbytes(drawn.randrange(1400))))
              for _ in range(TALKS)]
    # One a second, neighbour and processor goes by it, and an emulated machine talks once a second.
    assert counts.count(0) > TALKS / 10


def test_datagram_without_checksum_stays_without(gateway, family):
    wait_for(lambda: not talk(gateway, family, datagram(b"none", chksum=0)),
             "they go past the kernel")


class Talker:
    """A connection's numbers: the client's and the backend's next."""

    def __init__(self, gateway, family):
        self.asks, self.answers = 7001, 900001
        for flags, seq, ack, at in (("S", 7000, 0, 0), ("SA", 900000, 7001, 1)):
            sent, left = both_ways(family, lambda sport, dport, _: TCP(
                sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=60000,
                options=[("MSS", 1460)]))
            assert passed(gateway, sent[at]) == [left[at]]

    def make(self, data):
        """Of a question and its answer, which are as long."""
        asks, answers = self.asks, self.answers
        self.asks, self.answers = asks + len(data), answers + len(data)

        def segment(sport, dport, is_answer):
            return TCP(sport=sport, dport=dport, flags="PA", seq=answers if is_answer else asks,
                       ack=asks + len(data) if is_answer else answers, window=60000) / Raw(data)
        return segment


def test_segments_leave_as_scapy_has_them(gateway, family):
    drawn, talker = random.Random(family), Talker(gateway, family)
    counts = [talk(gateway, family, talker.make(drawn.randbytes(drawn.randrange(1, 1400))))
              for _ in range(TALKS)]
    assert counts.count(0) > TALKS / 10


def test_segment_out_of_its_window_is_left_to_the_kernel(gateway, family):
    """It is invalid, which rules judge, also where it leaves."""
    talker = Talker(gateway, family)
    wait_for(lambda: not talk(gateway, family, talker.make(b"data")), "past the kernel")
    talker.asks += 1 << 30
    before = by_kernel(gateway)
    sent, left = both_ways(family, talker.make(b"astray"))
    assert passed(gateway, sent[0]) == left[:1] and by_kernel(gateway) == before + 1


# --- hidden clients ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def lan():
    with Lan() as made:
        for station in (made.client, made.backends):
            station.run("ethtool", "-K", "eth0", "tx", "off")
        made.switch.run("ethtool", "-K", "gateway", "gro", "on")   # takes what XDP sends it
        watch(made.gateway)
        yield made


@each_shortcut
@each_family
def test_by_the_interface_where_it_arrived(lan, shortcut, family):
    text, before = random.Random(family).randbytes(4 << 20), met(lan.gateway)
    service = echo(family, source=ROUTER[family][0])
    with serving(lan, family), speaking(lan, family, shortcut, service) as client:
        assert client.echoes(text)
        assert client.peer[0] == ROUTER[family][0]
    assert met(lan.gateway) - before < 500      # of 5,600 and more


@contextlib.contextmanager
def speaking(lan, family, shortcut, service):
    with Daemon(lan.gateway, config=policy([service], ("lan",), shortcut,
                                           shortcut=shortcut)) as daemon:
        wait_for(lambda: daemon.status()["balance"]["on"], "services are served")
        with Client(lan, family) as client:
            yield client


@each_shortcut
@each_family
def test_answer_to_a_hidden_clients_own_address_is_his(cluster, shortcut, family):  # noqa: F811
    """A backend that was told it, by what it was sent. What stood for the client of the packet
    before, on the same processor, is none of its business."""
    with on_one_cpu(), serving(cluster, family, "udp"), \
            watched(cluster, shortcut, family, proto="udp", source=ROUTER[family][1]), \
            Client(cluster, family, "udp") as one, Client(cluster, family, "udp") as other, \
            contextlib.closing(packet_socket(cluster.backends, "eth0", 0)) as wire:
        for client in (one, other):
            wait_for(lambda: client.ask(b"on") == b"on" and goes_past(cluster, client), "it goes")
        head = (IP if family == 4 else IPv6)(src=one.backend, dst=stations.CLIENT[family])
        frame = Ether(src=mac(cluster.backends), dst=mac(cluster.gateway, "wan")) / head / UDP(
            sport=BACKEND_PORT, dport=one.own[1]) / Raw(b"to yourself")
        for _ in range(20):
            assert other.ask(b"on") == b"on"
            wire.send(bytes(frame))
            assert one.sock.recv(100) == b"to yourself"
