# SPDX-License-Identifier: Apache-2.0
"""What is said of ways to backends: none, a router in between, too narrow a one. Whether there is a
way is the kernel's word (`ip route get`); sizes are counted by hand and tried with packets."""
import contextlib
import json

import pytest
from scapy.all import IP, TCP as Segment, Ether, IPv6, Raw, raw

from harness.balanced import watched
from harness.cluster import BACKENDS, CLIENT, PORT, ROUTER, SERVICE, Cluster
from harness.direct import COUNT, Direct, front
from harness.wait import wait_for
from harness.wire import packet_socket

NOWHERE = {4: "198.51.100.9", 6: "2001:db8:9::9"}
# forward, the family of the outer header, what it takes: IPv4 20, IPv6 40, UDP 8.
TUNNELS = (("ipip", 4, 20), ("ipip", 6, 40), ("gue", 4, 28), ("gue", 6, 48))
TCP = {4: 40, 6: 60}        # headers of the inner packet
BASE = ("api: {listen: off}\nconntrack: {capacity: 1000, half-open: 1000}\n"
        "interfaces: [{name: lan, hook: tc}, {name: 'wan*', hook: tc}]\n")


def config(*services):
    return BASE + f"balance: {json.dumps({'services': services})}\n"


def service(backends, family=4, name="web", forward="nat", port=PORT):
    return {"name": name, "address": SERVICE[family], "port": port, "forward": forward,
            "backends": [{"address": address} for address in backends]}


@pytest.fixture(scope="module")
def plain():
    with Cluster() as made:
        yield made


@pytest.fixture(scope="module")
def direct():
    with Direct() as made:
        yield made


def faults(daemon):
    """Whose, what is found, and what mends it."""
    return [(row["check"], row["found"], row["mend"]) for row in
            daemon.ask("service", "check")["checks"] if not row["ok"]]


def warnings(answer):
    return [row["what"] for row in answer.get("warnings", {}).get("problems", [])]


@contextlib.contextmanager
def route(cluster, *words):
    family = "-6" if any(":" in word for word in words) else "-4"
    cluster.gateway.run("ip", family, "route", "add", *words)
    try:
        yield
    finally:
        cluster.gateway.run("ip", family, "route", "del", *words)


def kernel_finds(cluster, address):
    done = cluster.gateway.run("ip", "route", "get", address, check=False)
    return done.returncode == 0 and "error" not in done.stdout


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("kind", (None, "unreachable", "prohibit", "blackhole"))
def test_backend_without_a_route_is_told_of_and_one_with_a_route_is_not(plain, family, kind):
    backends = [BACKENDS[family][0], NOWHERE[family]]
    with watched(plain, config(service(backends, family))) as daemon, contextlib.ExitStack() as at:
        if kind:
            at.enter_context(route(plain, kind, NOWHERE[family]))
        assert [kernel_finds(plain, address) for address in backends] == [True, False]
        (check, found, mend), = faults(daemon)
        assert check == "service web"
        assert found == f"this host has no route to the backend {NOWHERE[family]}"
        bits = 32 if family == 4 else 128
        assert mend.startswith(f"ip route add {NOWHERE[family]}/{bits} via ")
    with watched(plain, config(service(backends, family))) as daemon, \
            route(plain, NOWHERE[family], "via", BACKENDS[family][1]):
        assert kernel_finds(plain, NOWHERE[family])
        assert faults(daemon) == []
        assert daemon.ask("service", "check")["checks"][0]["found"] == "2 looked at"


@pytest.mark.parametrize("family, switch", ((4, "net.ipv4.ip_forward"),
                                            (6, "net.ipv6.conf.all.forwarding")))
def test_host_that_does_not_forward_is_told_of(plain, family, switch):
    with watched(plain, config(service([BACKENDS[family][0]], family))) as daemon:
        assert faults(daemon) == []
        plain.gateway.run("sysctl", "-qw", f"{switch}=0")
        try:
            (check, found, mend), = faults(daemon)
            answer = daemon.ask("service", "backend", "add", "web", BACKENDS[family][1])
        finally:
            plain.gateway.run("sysctl", "-qw", f"{switch}=1")
        said = f"this host does not forward packets, as to the backend {BACKENDS[family][0]}"
        assert (check, found, mend) == ("service web", said, f"sysctl -w {switch}=1")
        assert warnings(answer) == [f"service 'web': {said}".replace(
            BACKENDS[family][0], BACKENDS[family][1])]


def test_several_backends_with_one_fault_are_one_line(plain):
    nowhere = [f"198.51.100.{number}" for number in range(1, 8)]
    with watched(plain, config(service(nowhere), service([BACKENDS[4][0]], name="fine",
                                                         port=81))) as daemon:
        (check, found, _), = faults(daemon)
        assert check == "service web"
        assert found.endswith("the backend 198.51.100.1; likewise 6 more")


def test_answers_of_what_adds_a_backend_say_so_and_it_is_there_all_the_same(plain):
    with watched(plain, config(service([BACKENDS[4][0]]))) as daemon:
        def said(name):
            return [f"service '{name}': this host has no route to the backend {NOWHERE[4]}"]

        assert warnings(daemon.ask("service", "backend", "add", "web", BACKENDS[4][1])) == []
        assert warnings(daemon.ask("service", "backend", "add", "web", NOWHERE[4])) == said("web")
        answer = daemon.ask("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                            "--backend", f"{NOWHERE[4]}:8080", "--backend", BACKENDS[4][0])
        assert warnings(answer) == said("other")
        assert warnings(daemon.ask("service", "backend", "set", "web", NOWHERE[4], "--weight",
                                   "3")) == []
        answer = daemon.ask("lb", "add-dnat", "--vip", SERVICE[4], "--vport", "82", "--rip",
                            NOWHERE[4], "--rport", "8082")
        assert warnings(answer) == said(f"{SERVICE[4]}-82-tcp")
        assert len(daemon.ask("service", "backend", "list")["backends"]) == 6


def test_apply_says_so_and_is_live_all_the_same(plain):
    with watched(plain, config(service([BACKENDS[4][0]]))) as daemon:
        text = config(service([BACKENDS[4][0], NOWHERE[4]]))
        warning, = warnings(daemon.apply(text))
        assert warning == f"service 'web': this host has no route to the backend " \
            f"{NOWHERE[4]}"
        assert len(daemon.ask("service", "backend", "list")["backends"]) == 2
        many = [service([NOWHERE[4]], name=f"s{number}", port=1000 + number)
                for number in range(12)]
        for number, one in enumerate(many):
            one["backends"][0]["port"] = 2000 + number
        said = warnings(daemon.apply(config(*many)))
        assert len(said) == 9 and said[-1] == "4 more of the ways to backends are wanting"


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("forward,outer,bytes_more", TUNNELS)
def test_way_that_is_too_narrow_for_the_headers_is_told_with_what_it_takes(
        direct, forward, outer, bytes_more, family):
    backends = [front(number, outer) for number in range(COUNT)]
    wants = 1500 + bytes_more
    with watched(direct, config(service(backends, family, forward=forward))) as daemon:
        (check, found, mend), = faults(daemon)
        assert check == "service web"
        assert found.startswith(f"the way to the backend {backends[0]} by wan0 takes 1500 bytes")
        assert f" need {wants} with the headers of {forward}:" in found
        assert f"longer than {1500 - bytes_more} " in found and "likewise 1 more" in found
        assert mend.startswith(f"make it {wants} bytes wide (ip link set dev wan0 mtu {wants},")
        assert f" MSS of {1500 - bytes_more - TCP[family]} " in mend
        with widened(direct, wants - 1):
            assert f"by wan0 takes {wants - 1} bytes" in faults(daemon)[0][1]
        with widened(direct, wants):
            assert faults(daemon) == []


@contextlib.contextmanager
def widened(cluster, mtu):
    def switch(to):
        for number, member in enumerate(cluster.members):
            member.run("ip", "link", "set", "front", "mtu", to)
            cluster.gateway.run("ip", "link", "set", f"wan{number}", "mtu", to)

    switch(mtu)
    try:
        yield
    finally:
        switch(1500)


@pytest.mark.parametrize("family", (4, 6))
def test_packets_of_the_size_told_get_there_and_longer_ones_do_not(direct, family):
    """The figure for clients: 1500 less 20 of the outer header."""
    with watched(direct, config(service([front(number, 4) for number in range(COUNT)], family,
                                        forward="ipip"))) as daemon:
        assert "longer than 1480 " in faults(daemon)[0][1]
        for size, is_lost in ((1480, False), (1481, True)):
            before = daemon.status()["balance"]
            syn(direct, family, size)
            wait_for(lambda now=before: moved(daemon, now), "the packet is seen")
            after = daemon.status()["balance"]
            assert after["too_big"] - before["too_big"] == is_lost
            assert after["to_backends"] - before["to_backends"] == (not is_lost)


def moved(daemon, before):
    now = daemon.status()["balance"]
    return any(now[key] > before[key] for key in ("too_big", "to_backends"))


def syn(cluster, family, size):
    """A segment of that many bytes, as some send their data with the first one."""
    link, = json.loads(cluster.gateway.run("ip", "-j", "link", "show", "lan").stdout)
    head = (IP(src=CLIENT[4], dst=SERVICE[4], flags="DF") if family == 4 else
            IPv6(src=CLIENT[6], dst=SERVICE[6]))
    segment = Segment(sport=30000 + size, dport=PORT, flags="S")
    frame = Ether(dst=link["address"]) / head / segment / Raw(bytes(size - TCP[family]))
    sock = packet_socket(cluster.client, "eth0", 0)
    try:
        sock.send(raw(frame))
    finally:
        sock.close()


def test_what_a_route_says_of_its_mtu_counts(direct):
    with watched(direct, config(service([front(0, 4)], forward="ipip"))) as daemon, \
            widened(direct, 1600):
        assert faults(daemon) == []
        with route(direct, f"{front(0, 4)}/32", "dev", "wan0", "mtu", "1510"):
            (_, found, _), = faults(daemon)
            assert "takes 1510 bytes" in found and "longer than 1490 " in found


def test_backend_of_l2_behind_a_router_is_told_of(direct):
    with watched(direct, config(service([front(0, 4), NOWHERE[4]], forward="l2"))) as daemon, \
            route(direct, NOWHERE[4], "via", front(1, 4)):
        (check, found, mend), = faults(daemon)
        assert (check, found.split(",")[0]) == (
            "service web", f"the backend {NOWHERE[4]} is behind a router")
        assert "forward: ipip" in mend


def test_backend_added_to_a_tunnelling_service_is_judged_as_the_others(direct):
    with watched(direct, config(service([front(0, 4)], forward="ipip"))) as daemon:
        warning, = warnings(daemon.ask("service", "backend", "add", "web", front(1, 4)))
        assert f"backend {front(1, 4)} by wan1 takes 1500 bytes" in warning
    with widened(direct, 1520), \
            watched(direct, config(service([front(0, 4)], forward="ipip"))) as daemon:
        assert "warnings" not in daemon.ask("service", "backend", "add", "web", front(1, 4))


def doctor(daemon):
    rows = daemon.ask("doctor", "--pin-dir", daemon.pin_dir)["checks"]
    return {row["check"]: row for row in rows}


def test_doctor_asks_the_daemon_where_one_runs(plain):
    with watched(plain, config(service([NOWHERE[4]]))) as daemon:
        row = doctor(daemon)["service web"]
        assert (row["ok"], row["level"]) == (False, "warning")
        assert NOWHERE[4] in row["found"] and row["mend"].startswith("ip route add ")
        daemon.apply(config(service([BACKENDS[4][0]])))
        found = doctor(daemon)
        assert found["ways to backends"]["ok"] and "service web" not in found
        daemon.apply(BASE)
        assert not {"service web", "ways to backends"} & doctor(daemon).keys()
        daemon.stop()
        assert doctor(daemon)["kernel"]["found"]


@pytest.mark.parametrize("family", (4, 6))
def test_source_that_is_no_address_of_this_host_is_told_of(plain, family):
    """Of a network that it has a route to, so that nothing else is wanting."""
    foreign, own = BACKENDS[family][1], ROUTER[family][1]

    def said(source):
        return [row for row in warnings(daemon.apply(config(
            {**service(BACKENDS[family][:1], family), "source": source}))) if "source" in row]

    with watched(plain, config()) as daemon:
        assert said(own) == [] == faults(daemon)
        row, = said(foreign)
        assert row.startswith(f"service 'web': {foreign} stands for its clients (source)")
        (check, _, mend), = faults(daemon)
        bits = 32 if family == 4 else 128
        assert check == "service web" and mend.startswith(f"ip addr add {foreign}/{bits} ")
        daemon.apply(config())
        add = ("service", "add", "other", "--address", SERVICE[family], "--port", "81",
               "--backend", BACKENDS[family][0], "--source")
        assert [foreign in row for row in warnings(daemon.ask(*add, foreign))] == [True]
        daemon.say("service", "del", "other")
        assert warnings(daemon.ask(*add, own)) == []


@pytest.mark.parametrize("family", (4, 6))
def test_ports_of_this_hosts_sockets_that_stand_for_clients_are_told_of(plain, family):
    """Full NAT has those up to 32,767, as the page says."""
    knob = "net.ipv4.ip_local_port_range"
    sourced = {**service(BACKENDS[family][:1], family), "source": ROUTER[family][1]}
    other = {**sourced, "name": "other", "port": 81}
    before = plain.gateway.run("sysctl", "-n", knob).stdout.split()
    with watched(plain, config(sourced)) as daemon:
        try:
            plain.gateway.run("sysctl", "-qw", f"{knob}=32768 60999")
            assert faults(daemon) == []
            plain.gateway.run("sysctl", "-qw", f"{knob}=32767 50000")
            (check, found, mend), = faults(daemon)
            assert check == "service web" and f"ports of {ROUTER[family][1]}" in found
            assert "from 32767 on" in found and mend == f'sysctl -w {knob}="32768 50000"'
            plain.gateway.run("sysctl", "-qw", f"{knob}=1024 30000")
            said = warnings(daemon.apply(config(sourced, other)))
            assert ["likewise 1 more" in row for row in said if "from 1024 on" in row] == [True]
            assert faults(daemon)[0][2] == f'sysctl -w {knob}="32768 60999"'
            daemon.apply(config(service(BACKENDS[family][:1], family)))
            assert faults(daemon) == []
        finally:
            plain.gateway.run("sysctl", "-qw", f"{knob}={' '.join(before)}")
