# SPDX-License-Identifier: Apache-2.0
"""Services of several ports: who gets which, on real stacks, and byte for byte what leaves."""
import contextlib
import json
import random

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from e2e.balance_bytes_test import (BACKEND, BEHIND, CLIENT, OWN, ROUTER, SERVICE, error, exceeded,
                                    packet, passed, too_big)
from e2e.balance_ops_test import refusal
from harness import cluster as at
from harness.balanced import FAMILIES, HOOKS
from harness.cluster import BACKENDS, Client, Cluster, serving
from harness.daemon import Daemon
from harness.gateway import Gateway
from harness.kernel import BEHIND_XDP, by_hook
from harness.lan import Lan
from harness.wait import wait_for

ONE, RANGE, ALL = range(3)      # whose backend is whose
# A port of the service, whose it is, and what it is there: the range begins at 9000.
MET = ((80, ONE, 80), (8000, RANGE, 9000), (8050, RANGE, 9050), (8099, RANGE, 9099),
       (81, ALL, 81), (7999, ALL, 7999), (8100, ALL, 8100), (1, ALL, 1), (65535, ALL, 65535))
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_proto = pytest.mark.parametrize("proto", ("tcp", "udp"))


def wide(address, backends, proto="tcp", **more):
    ports = {"one": (80, None), "range": ("8000-8099", 9000), "every": ("all", None)}
    return [{"name": name, "address": address, "port": port, "proto": proto, **more,
             "backends": [{"address": backend, **({"port": own} if own else {})}]}
            for (name, (port, own)), backend in zip(ports.items(), backends)]


def config(services, hook, names=("lan", "wan"), shortcut="none"):
    interfaces = [{"name": name, "hook": hook} for name in names]
    section = {"services": services, "shortcut": shortcut}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps(section)}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@contextlib.contextmanager
def all_serving(place, family, proto="tcp", met=MET):
    with contextlib.ExitStack() as stack:
        for port, whose, there in met:
            stack.enter_context(serving(place, family, proto, (whose,), there))
        yield stack


def asked(place, family, proto, port, text):
    """Who serves it, and whom the backend sees."""
    with Client(place, family, proto, port=port) as client:
        assert client.echoes(text) if proto == "tcp" else client.ask(text) == text
        return client.backend, client.peer, client.own


@each_family
@each_hook
@each_proto
def test_the_most_exact_service_has_a_port_and_its_backend_gets_it(cluster, hook, family, proto):
    text = random.Random(family).randbytes(5000)
    services = wide(at.SERVICE[family], BACKENDS[family], proto)
    with all_serving(cluster, family, proto), \
            Daemon(cluster.gateway, config=config(services, hook)) as daemon:
        for port, whose, _ in MET:
            backend, peer, own = asked(cluster, family, proto, port, text)
            assert (port, backend) == (port, BACKENDS[family][whose]) and peer == own
        rows = daemon.ask("lb", "status")["connections"]
        assert {(row["vport"], row["target"], row["target_port"]) for row in rows} \
            == {(port, BACKENDS[family][whose], there) for port, whose, there in MET}
        counted = {row["name"]: row["connections"]
                   for row in daemon.ask("service", "stats")["services"]}
        assert counted == {"one": 1, "range": 3, "every": 5}
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@each_family
@each_hook
@each_proto
def test_hidden_clients_have_every_port(hook, family, proto):
    """Full NAT, where clients are the backends' neighbours."""
    source = at.ROUTER[family][0]
    with Lan() as lan, all_serving(lan, family, proto), \
            Daemon(lan.gateway, config=config(wide(at.SERVICE[family], BACKENDS[family], proto,
                                                   source=source), hook)):
        for port, whose, _ in MET:
            backend, peer, _ = asked(lan, family, proto, port, b"on and on")
            assert (port, backend, peer[0]) == (port, BACKENDS[family][whose], source)


@BEHIND_XDP
@each_family
def test_past_the_kernel_too(cluster, family):
    text = random.Random(family).randbytes(4 << 20)
    for station in (cluster.client, cluster.backends):
        station.run("ethtool", "-K", "eth0", "gro", "on", "tx", "off")
    services = wide(at.SERVICE[family], BACKENDS[family])
    with all_serving(cluster, family), \
            Daemon(cluster.gateway, config=config(services, "xdp", shortcut="xdp")) as daemon:
        wait_for(lambda: all(row["mode"] == "xdp native"
                             for row in daemon.status()["interfaces"]), "XDP on both")
        for port, whose, _ in MET[2:5]:
            assert asked(cluster, family, "tcp", port, text)[0] == BACKENDS[family][whose]


def test_the_backends_own_connections_are_its_own(cluster):
    """What a backend of every port begins by itself is no answer."""
    services = wide(at.SERVICE[4], BACKENDS[4])
    with Daemon(cluster.gateway, config=config(services, "tc")):
        with cluster.client.socket() as listener, cluster.backends.socket() as sock:
            listener.bind((at.CLIENT[4], 5000))
            listener.listen()
            listener.settimeout(10)
            sock.settimeout(10)
            sock.bind((BACKENDS[4][ALL], 6000))
            sock.connect((at.CLIENT[4], 5000))
            met, peer = listener.accept()
            met.close()
            assert peer == (BACKENDS[4][ALL], 6000)


def test_one_backend_of_a_service_and_of_all_others(cluster):
    """The exact service keeps its port: answers from there are its own."""
    backend = BACKENDS[4][0]
    services = wide(at.SERVICE[4], [backend] * 3)
    services[1]["backends"][0].pop("port")
    with all_serving(cluster, 4, met=[(port, 0, port) for port in (80, 81, 8050)]), \
            Daemon(cluster.gateway, config=config(services, "tc")) as daemon:
        for port in (80, 81, 8050):
            assert asked(cluster, 4, "tcp", port, b"on and on")[0] == backend
        counted = {row["name"]: row["answered"]
                   for row in daemon.ask("service", "stats")["services"]}
        assert counted == {"one": 1, "range": 1, "every": 1}


def test_many_ranges_of_an_address_are_told_apart(cluster):
    """216 of ten ports each, with ten between, in no order."""
    firsts = [1000 + 20 * number for number in range(216)]
    order = random.Random(1).sample(firsts, len(firsts))
    services = [{"name": f"from-{first}", "address": at.SERVICE[4], "port": f"{first}-{first + 9}",
                 "backends": [{"address": BACKENDS[4][first // 20 % 3]}]} for first in order]
    drawn = random.Random(2).sample(firsts, 6) + [firsts[0], firsts[-1]]
    ports = sorted({port for first in drawn for port in (first, first + 9)})
    with all_serving(cluster, 4, met=[(port, port // 20 % 3, port) for port in ports]), \
            Daemon(cluster.gateway, config=config(services, "tc")) as daemon:
        for port in ports:
            assert asked(cluster, 4, "tcp", port, b"x")[0] == BACKENDS[4][port // 20 % 3]
        for first in drawn:
            for port in (first - 1, first + 10):
                with pytest.raises(ConnectionRefusedError):
                    Client(cluster, 4, port=port)
        said = refusal(daemon, "service", "add", "more", "--address", at.SERVICE[4], "--port",
                            "60000-60009")
        assert "216 ranges of ports, which is the most" in said


# --- by commands ---------------------------------------------------------------------------------

def test_commands_know_ranges_and_all_and_keep_them(cluster):
    first, second = BACKENDS[4][:2]
    with all_serving(cluster, 4, met=((8050, 0, 9050), (81, 1, 81))), \
            Daemon(cluster.gateway, config=config([], "tc")) as daemon:
        daemon.say("service", "add", "range", "--address", at.SERVICE[4], "--port", "8000-8099",
                   "--backend", f"{first}:9000")
        said = daemon.say("lb", "add-dnat", "--vip", at.SERVICE[4], "--vport", "all", "--rip",
                          second)
        assert f"backend {second}" in said
        for _ in range(2):
            rows = daemon.ask("service", "list")
            assert [(row["name"], row["port"]) for row in rows["services"]] \
                == [("range", "8000-8099"), (f"{at.SERVICE[4]}-all-tcp", "all")]
            assert [(row["address"], row["port"]) for row in rows["backends"]] \
                == [(first, "9000-9099"), (second, "all")]
            assert [row["backend"] for row in daemon.ask("service", "stats")["backends"]
                    if "backend" in row] == []
            assert asked(cluster, 4, "tcp", 8050, b"x")[0] == first
            assert asked(cluster, 4, "tcp", 81, b"x")[0] == second
            daemon.restart()
        assert "9000-9099" in daemon.say("lb", "list-dnat")
        daemon.say("service", "backend", "drain", "range", f"{first}:9000")
        assert daemon.ask("service", "show", "range")["served_by"][0]["drained"] is True
        refused = refusal(daemon, "service", "add", "other", "--address", at.SERVICE[4], "--port",
                               "8099-8100")
        assert "overlap with those of the service 'range'" in refused
        refused = refusal(daemon, "service", "add", "other", "--address", "10.78.1.101", "--port",
                               "90", "--backend", second)
        assert "could not be told from those of the service" in refused
        daemon.say("lb", "remove-dnat", "--vip", at.SERVICE[4], "--vport", "all", "--rip", second)
        daemon.say("service", "backend", "del", "range", f"{first}:9000")
        daemon.say("service", "del", "range")
        assert daemon.ask("service", "list") == {"services": [], "backends": []}


# --- bytes ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def gateway():
    with Gateway("wide") as made:
        yield made


def ends(family, name):
    """Of a service: a port of it, and what it is at the backend."""
    return {"range": (8042, 9042), "every": (12345, 12345)}[name]


@pytest.fixture(params=by_hook([(hook, family) for hook in ("tc", "xdp-generic")
                                for family in FAMILIES]),
                ids=lambda row: "-".join(map(str, row)))
def family(request, gateway):
    hook, number = request.param
    services = wide(SERVICE[number], [BACKEND[number]] * 3, "udp")[1:]
    services += wide(SERVICE[number], [BACKEND[number]] * 3, "tcp")[1:]
    for index, service in enumerate(services):
        service["name"] += str(index)
    # Of every port and at a port of its own: another backend each.
    for service in services[::2]:
        service["backends"][0]["address"] = BEHIND[number]
    with Daemon(gateway.inside, config=config(services, hook, ("left", "right"))) as gateway.daemon:
        yield number


def target(family, name):
    return BEHIND[family] if name == "range" else BACKEND[family]


@pytest.mark.parametrize("kind", (UDP, TCP))
@pytest.mark.parametrize("name", ("range", "every"))
def test_ends_and_checksums_change_and_nothing_else(gateway, family, name, kind):
    port, there = ends(family, name)
    client, service, backend = CLIENT[family], SERVICE[family], target(family, name)

    def body(sport, dport, answers):
        more = {"flags": "SA" if answers else "S", "seq": 7, "ack": 8 if answers else 0}
        return kind(sport=sport, dport=dport, **(more if kind is TCP else {})) / Raw(b"text")

    assert passed(gateway, ("left", packet(client, service, body(OWN, port, False))),
                  ("right", packet(backend, client, body(there, OWN, True)))) == [
        ("right", bytes(packet(client, backend, body(OWN, there, False), hops=63))),
        ("left", bytes(packet(service, client, body(port, OWN, True), hops=63)))]


@pytest.mark.parametrize("make", (too_big, exceeded))
@pytest.mark.parametrize("name", ("range", "every"))
def test_errors_of_both_sides_are_translated(gateway, family, name, make):
    port, there = ends(family, name)
    client, service, backend = CLIENT[family], SERVICE[family], target(family, name)
    ask = packet(client, service, UDP(sport=OWN, dport=port) / Raw(b"x"))
    answer = packet(backend, client, UDP(sport=there, dport=OWN) / Raw(b"x"))
    assert len(passed(gateway, ("left", ask), ("right", answer))) == 2
    sent = error(family, ROUTER[family], service, (service, port, client, OWN), make)
    left = error(family, ROUTER[family], backend, (backend, there, client, OWN), make, 63)
    assert passed(gateway, ("left", sent)) == [("right", bytes(left))]
    sent = error(family, backend, client, (client, OWN, backend, there), make)
    left = error(family, service, client, (client, OWN, service, port), make, 63)
    assert passed(gateway, ("right", sent)) == [("left", bytes(left))]


def test_direct_backends_get_every_port_as_it_is(gateway):
    services = [{"name": "direct", "address": SERVICE[4], "port": "all", "proto": "udp",
                 "forward": "l2", "backends": [{"address": BACKEND[4]}]}]
    with Daemon(gateway.inside, config=config(services, "tc", ("left", "right"))) as daemon:
        gateway.daemon = daemon
        for port in (1, 8080, 65535):
            sent = packet(CLIENT[4], SERVICE[4], UDP(sport=OWN, dport=port) / Raw(b"x"))
            left = packet(CLIENT[4], SERVICE[4], UDP(sport=OWN, dport=port) / Raw(b"x"), hops=63)
            assert passed(gateway, ("left", sent)) == [("right", bytes(left))]
        assert daemon.status()["balance"]["to_backends"] == 3
