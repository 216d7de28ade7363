# SPDX-License-Identifier: Apache-2.0
"""`weir drops`: what the kernel gives up, beside what the kernel itself counts in other places."""
import pathlib
import socket

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.net import Namespace, Pair, veth
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\ndrops: {enabled: true}\n"
CLOSED, OPEN = 4111, 4222
MANY = 37


@pytest.fixture
def pair():
    """No Weir on its devices: all that is lost here is lost by the kernel."""
    with Pair("drops", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config=CONFIG)
    wait_for(lambda: daemon.ask("drops")["watched"], "drops are watched")
    return daemon


def snmp(namespace, name):
    """A counter of the kernel's, by nstat's name."""
    text = namespace.run("nstat", "-asz", name).stdout
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def packets(daemon, *words):
    return sum(row["packets"] for row in daemon.ask("drops", "--limit", "1000", *words)["drops"])


def lost(daemon, count, *words):
    """Waits until so many are told of; gives the rows."""
    wait_for(lambda: packets(daemon, *words) >= count, f"{count} drops are told of")
    rows = daemon.ask("drops", *words)["drops"]
    assert sum(row["packets"] for row in rows) == count, rows
    return rows


def mac_of(namespace, device):
    text = namespace.run("ip", "-o", "link", "show", "dev", device).stdout
    return text.split("link/ether ")[1].split()[0]


def put(pair, frame, times=1):
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for _ in range(times):
            sock.send(bytes(frame))


@pytest.mark.parametrize("family", (4, 6))
def test_datagrams_to_a_closed_port_are_told_of(pair, watched, family):
    name = {4: "UdpNoPorts", 6: "Udp6NoPorts"}[family]
    source, target = {4: (pair.outside_v4, pair.inside_v4),
                      6: (pair.outside_v6, pair.inside_v6)}[family]
    before = snmp(pair.inside, name)
    with pair.outside.socket({4: socket.AF_INET, 6: socket.AF_INET6}[family],
                             socket.SOCK_DGRAM) as sock:
        sock.bind((source, 5111))
        for _ in range(MANY):
            sock.sendto(b"x" * 100, (target, CLOSED))
    wait_for(lambda: snmp(pair.inside, name) - before == MANY, "the kernel counted them")
    row, = lost(watched, MANY, "reason=NO_SOCKET")
    assert row["interface"] == pair.wire and row["protocol"] == "udp" and row["by"] == "kernel"
    assert row["where"].startswith("__udp6_lib_rcv" if family == 6 else "__udp4_lib_rcv")
    flow, = watched.ask("drops", "--flows", "reason=NO_SOCKET")["flows"]
    for told in (row["flow"], flow):
        assert (told["src"], told["sport"], told["dst"], told["dport"]) == (
            source, 5111, target, CLOSED)
    assert flow["packets"] == MANY
    assert watched.ask("drops")["missed"] == 0
