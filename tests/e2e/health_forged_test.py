# SPDX-License-Identifier: Apache-2.0
"""Somebody answers in a backend's place when it is checked by its service's way: he is not let
through and brings nobody up, whatever of the answer he gets right but all of it. The backend says
nothing itself: it lacks the service's address."""
import contextlib
import json

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, raw

from e2e.health_tunnel_test import config
from harness.cluster import CLIENT, PORT, ROUTER, SERVICE
from harness.daemon import Daemon
from harness.direct import HOST, Direct, front
from harness.kernel import hooks
from harness.wait import SLOWNESS, wait_for
from harness.wire import packet_socket

FAMILIES = (4, 6)
HOOKS = hooks("tc", "xdp")
PROTOS = {"tcp": TCP, "udp": UDP}
ALL = 3                     # ETH_P_ALL
TIMEOUT_S = 2 * SLOWNESS    # time to answer a check that is under way
LONG = f"{int(1000 * TIMEOUT_S)}ms"
WRONG = ("other address", "backend's own address", "other port", "other address of this host",
         "port of nobody")


@pytest.fixture(scope="module")
def cluster():
    with Direct() as made:
        for member in made.members:
            for family in FAMILIES:
                member.run("ip", "addr", "del", f"{SERVICE[family]}/{HOST[family]}", "dev", "lo")
        yield made


def text(family, proto, hook):
    health = {"type": proto, "interval": LONG, "timeout": LONG, "rise": 1,
              "fall": 1, "damping": {"downs": 0}}
    if proto == "udp":
        health |= {"send": "say", "expect": "said"}
    rules = {"rules": [{"name": "strangers", "proto": proto, "action": "deny",
                        "direction": "ingress"}]}
    return config(family, "l2", hook=hook, health=health, proto=proto,
                  more=f"rules: {json.dumps(rules)}\n")


class Place:
    """The first backend's link and the client's, and what is asked at the one."""

    def __init__(self, cluster, family, proto):
        self.family, self.proto = family, PROTOS[proto]
        self.ear = packet_socket(cluster.members[0], "front", ALL)
        self.ear.settimeout(4 * TIMEOUT_S)
        self.ends = {"backend": (self.ear, mac(cluster.gateway, "wan0")),
                     "client": (packet_socket(cluster.client, "eth0", 0),
                                mac(cluster.gateway, "lan"))}

    def asked(self):
        """The first packet of a check that begins now."""
        self.ear.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.ear.recv(2048):
                pass
        self.ear.settimeout(4 * TIMEOUT_S)
        while True:
            frame = Ether(self.ear.recv(2048))
            net = frame.payload
            if self.proto in frame and net.dst == SERVICE[self.family] and \
                    frame[self.proto].dport == PORT:
                return frame

    def answer(self, asked, wrong=None, ack=1):
        """As the backend would give it, but for what is wrong."""
        known, head = asked[self.proto], IP if self.family == 4 else IPv6
        src, dst, sport, dport = SERVICE[self.family], asked.payload.src, PORT, known.sport
        if wrong == "other address":
            src = CLIENT[self.family]
        elif wrong == "backend's own address":
            src = front(0, self.family)
        elif wrong == "other port":
            sport += 1
        elif wrong == "other address of this host":
            dst = ROUTER[self.family][0]
        elif wrong == "port of nobody":
            dport ^= 1
        ends = {"sport": sport, "dport": dport}
        packet = head(src=src, dst=dst) / (
            TCP(**ends, flags="SA", seq=1000, ack=(known.seq + ack) % 2**32)
            if self.proto is TCP else UDP(**ends) / Raw(b"said"))
        return raw(packet)

    def send(self, side, packet):
        sock, to = self.ends[side]
        sock.send(raw(Ether(dst=to, type=0x0800 if self.family == 4 else 0x86DD)) + packet)

    def close(self):
        for sock, _ in self.ends.values():
            sock.close()


def mac(place, device):
    link, = json.loads(place.run("ip", "-j", "link", "show", device).stdout)
    return link["address"]


def first(daemon):
    return daemon.ask("service", "health")["backends"][0]


def denied(daemon):
    return daemon.reasons().get("drop_rule", 0)


def passed_in(daemon):
    """Answers to checks that were let through."""
    text = daemon.namespace.run("curl", "-s", "--unix-socket", daemon.socket,
                                "http://localhost/metrics").stdout
    rows = (row.rsplit(" ", 1) for row in text.splitlines() if 'reason="pass_check"' in row and
            'direction="ingress"' in row and row.startswith("weir_packets_total"))
    return sum(int(float(count)) for _, count in rows)


@contextlib.contextmanager
def silent(cluster, family, proto, hook):
    with Daemon(cluster.gateway, config=text(family, proto, hook)) as daemon, \
            contextlib.closing(Place(cluster, family, proto)) as place:
        wait_for(lambda: first(daemon)["state"] == "down", "nobody answers", 6 * TIMEOUT_S)
        yield daemon, place


def fails_again(daemon, before):
    """The check that is under way, and the one behind it, fail as those before."""
    wait_for(lambda: first(daemon)["failed"] >= before["failed"] + 2, "they fail", 6 * TIMEOUT_S)
    row = first(daemon)
    assert (row["state"], row["since"]) == ("down", before["since"]), row
    assert row["checks"] == row["failed"] and row["reason"].startswith("timed out"), row


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("proto", PROTOS)
@pytest.mark.parametrize("hook", HOOKS)
def test_stranger_is_not_let_through_and_brings_nobody_up(cluster, hook, proto, family):
    with silent(cluster, family, proto, hook) as (daemon, place):
        before, stopped, let = first(daemon), denied(daemon), passed_in(daemon)
        asked = place.asked()
        for side in place.ends:
            for wrong in WRONG:
                place.send(side, place.answer(asked, wrong))
        wait_for(lambda: denied(daemon) == stopped + len(place.ends) * len(WRONG), "all are met")
        fails_again(daemon, before)
        assert passed_in(daemon) == let


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("proto", PROTOS)
@pytest.mark.parametrize("hook", HOOKS)
def test_right_answer_brings_it_up_and_not_once_more_when_it_is_replayed(cluster, hook, proto,
                                                                         family):
    """Which shows that the frames of the test before want nothing but what is wrong in them."""
    with silent(cluster, family, proto, hook) as (daemon, place):
        let = passed_in(daemon)
        answer = place.answer(place.asked())
        place.send("backend", answer)
        wait_for(lambda: first(daemon)["state"] == "up", "it is answered", 2 * TIMEOUT_S)
        wait_for(lambda: passed_in(daemon) == let + 1, "it was let through")
        wait_for(lambda: first(daemon)["state"] == "down", "no more", 6 * TIMEOUT_S)
        before, stopped = first(daemon), denied(daemon)
        place.asked()
        for side in place.ends:
            place.send(side, answer)
        wait_for(lambda: denied(daemon) == stopped + len(place.ends), "both are met")
        wait_for(lambda: first(daemon)["failed"] >= before["failed"] + 2, "they fail",
                 6 * TIMEOUT_S)
        assert first(daemon)["since"] == before["since"]
        assert passed_in(daemon) == let + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_who_does_not_know_the_sequence_number_brings_nobody_up(cluster, family):
    """All ends are right, so he reaches the socket, which has no use for him."""
    with silent(cluster, family, "tcp", "tc") as (daemon, place):
        before, let = first(daemon), passed_in(daemon)
        asked = place.asked()
        for ack in (0, 2, 0x12345678):
            place.send("backend", place.answer(asked, ack=ack))
        wait_for(lambda: passed_in(daemon) == let + 3, "all come to the socket")
        fails_again(daemon, before)
