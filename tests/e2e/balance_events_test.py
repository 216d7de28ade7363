# SPDX-License-Identifier: Apache-2.0
"""Services and backends by name in events of packets. Which backend it is, is what it said itself
on the connection."""
import json
import socket

import pytest
from scapy.all import IP, TCP, Ether, IPv6, Raw, raw

from e2e.balance_test import FAMILIES, HOOKS
from harness.cluster import BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.wait import wait_for
from harness.wire import packet_socket


STRAYS = {"rules": [{"name": "strays", "state": "invalid", "action": "deny"}]}


def config(family, hook="tc", weights=(1, 1, 1), rules=None):
    backends = [{"address": address, "port": BACKEND_PORT, "weight": weight}
                for address, weight in zip(BACKENDS[family], weights)]
    services = [{"name": "echo", "address": SERVICE[family], "port": PORT, "backends": backends},
                {"name": "many", "address": SERVICE[family], "port": "8000-8099",
                 "backends": [{"address": BACKENDS[family][0], "port": 9000, "weight": 0}]}]
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    return ("conntrack: {enabled: auto, capacity: 4096, half-open: 1024}\napi: {listen: off}\n"
            f"events: {{rate: 1000/s}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"balance: {json.dumps({'services': services})}\n"
            + (f"rules: {json.dumps(rules)}\n" if rules else ""))


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def events(daemon, kind, count=1):
    """The first `count` of a kind, as they come."""
    def kept():
        return daemon.ask("events", "--kind", kind)["events"]

    wait_for(lambda: len(kept()) >= count, f"{count} events")
    return kept()[:count]


def name(family, backend):
    end = f"[{backend}]:{BACKEND_PORT}" if family == 6 else f"{backend}:{BACKEND_PORT}"
    return f"echo/{end}"


def send(place, device, to, packet):
    link, = json.loads(to.run("ip", "-j", "link", "show", device[1]).stdout)
    sock = packet_socket(place, device[0], 0)
    try:
        sock.send(raw(Ether(dst=link["address"]) / packet))
    finally:
        sock.close()


TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21     # linux/tcp.h
RECEIVED, SENT, OFF_SILENTLY = 1, 2, -1
TOO_FAR = 1 << 30       # ahead; well behind would be one that comes late, which is let by


def numbers(sock):
    """What the socket sends next, and what it waits for."""
    def number(queue):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        return sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xffffffff

    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    try:
        return number(SENT), number(RECEIVED)
    finally:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, OFF_SILENTLY)


def segment(family, src, dst, sport, dport, seq, ack):
    """Of a connection, but far out of its window."""
    head = IP(src=src, dst=dst) if family == 4 else IPv6(src=src, dst=dst)
    return head / TCP(sport=sport, dport=dport, flags="A", ack=ack,
                      seq=(seq + TOO_FAR) & 0xffffffff) / Raw(b"stray")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_segment_out_of_its_window_is_told_with_the_backend_of_its_flow(cluster, hook, family):
    with serving(cluster, family), \
            Daemon(cluster.gateway, config=config(family, hook, rules=STRAYS)) as daemon:
        for _ in range(3):
            with Client(cluster, family) as client:
                before = len(daemon.ask("events", "--kind", "drop")["events"])
                own, peer = numbers(client.sock)
                send(cluster.client, ("eth0", "lan"), cluster.gateway,
                     segment(family, CLIENT[family], SERVICE[family], client.own[1], PORT,
                             own, peer))
                event = events(daemon, "drop", before + 1)[-1]
                assert (event["src"], event["sport"]) == (CLIENT[family], client.own[1])
                assert event["service"] == "echo"
                assert event["backend"] == name(family, client.backend)
                send(cluster.backends, ("eth0", "wan"), cluster.gateway,
                     segment(family, client.backend, CLIENT[family], BACKEND_PORT,
                             client.own[1], peer, own))
                event = events(daemon, "drop", before + 2)[-1]
                assert (event["src"], event["sport"]) == (SERVICE[family], PORT)
                assert event["service"] == "echo"
                assert event["backend"] == name(family, client.backend)
                shown = daemon.say("events", "--kind", "drop").splitlines()[-1]
                assert f"service=echo  backend={event['backend']}" in shown


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_packet_that_finds_no_backend_is_told_with_the_service(cluster, hook, family):
    with Daemon(cluster.gateway, config=config(family, hook, (0, 0, 0))) as daemon:
        for number, (port, wanted) in enumerate(((PORT, "echo"), (8042, "many")), 1):
            with pytest.raises(OSError):
                Client(cluster, family, port=port, seconds=0.3)
            event = events(daemon, "drop", number)[-1]
            while event["dport"] != port:       # a SYN that was sent again
                number += 1
                event = events(daemon, "drop", number)[-1]
            assert (event["reason"], event["service"]) == ("drop_no_backend", wanted)
            assert "backend" not in event


@pytest.mark.parametrize("hook", HOOKS)
def test_logged_packets_have_the_service_and_others_have_none(cluster, hook):
    rules = {"rules": [{"name": "seen", "action": "count", "log": True, "proto": "tcp",
                        "tcp-flags": "syn/syn,ack", "interface": "lan"}]}
    with serving(cluster, 4), \
            Daemon(cluster.gateway, config=config(4, hook, rules=rules)) as daemon:
        with Client(cluster, 4):
            event, = events(daemon, "log")
            assert (event["dport"], event["service"]) == (PORT, "echo")
        with Client(cluster, 4, address=BACKENDS[4][0], port=BACKEND_PORT):
            event = events(daemon, "log", 2)[-1]
            assert event["dst"] == BACKENDS[4][0]
            assert not {"service", "backend"} & event.keys()
        daemon.say("service", "disable", "echo")
        with pytest.raises(ConnectionRefusedError):
            Client(cluster, 4)
        event = events(daemon, "log", 3)[-1]
        assert event["dport"] == PORT and "service" not in event
