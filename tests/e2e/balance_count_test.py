# SPDX-License-Identifier: Apache-2.0
"""What is counted of services and backends, against what nftables counts where the packets end."""
import contextlib
import json
import re
import threading

import pytest

from harness.balanced import leaving
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster,
                             serving)
from harness.daemon import Daemon
from harness.kernel import hooks
from harness.wait import wait_for

HOOKS = hooks("tc", "xdp-generic")
FAMILIES = (4, 6)
ETHERNET = 14
SHOWN = ("in_packets", "in_bytes", "out_packets", "out_bytes")


def service(family, which=range(3), name="echo", proto="tcp", port=PORT, backend_port=BACKEND_PORT,
            weight=1):
    return {"name": name, "address": SERVICE[family], "port": port, "proto": proto,
            "backends": [{"address": BACKENDS[family][index], "port": backend_port,
                          "weight": weight} for index in which]}


def config(services, hook="tc", capacity=50000):
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    tracking = {"capacity": capacity, "half-open": 1000}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"conntrack: {json.dumps(tracking)}\n"
            f"balance: {json.dumps({'services': services})}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


class Twin:
    """nftables' own count where packets arrive: those to a backend in its namespace, those from it
    in the gateway's, before Weir changes them as they leave. (Who sends counts them before they
    are cut to the size of the wire.)"""

    def __init__(self, cluster, family, proto="tcp", port=BACKEND_PORT):
        self.family = family
        self.places = {"in": cluster.backends, "out": cluster.gateway}
        ends = {"in": "daddr {} {} dport", "out": "saddr {} {} sport"}
        ip = "ip" if family == 4 else "ip6"
        self.forget()
        for way, place in self.places.items():
            lines = ["add table inet twin",
                     "add chain inet twin met { type filter hook prerouting priority -300; }"]
            lines += [f"add rule inet twin met {ip} {ends[way].format(address, proto)} {port} "
                      f"counter comment \"{address}\"" for address in BACKENDS[family]]
            place.run("nft", "-f", "-", input="\n".join(lines))

    def forget(self):
        for place in self.places.values():
            place.run("nft", "delete", "table", "inet", "twin", check=False)

    def counts(self):
        rows = {address: {} for address in BACKENDS[self.family]}
        for way, place in self.places.items():
            text = place.run("nft", "list", "table", "inet", "twin").stdout
            for packets, length, address in re.findall(
                    r'counter packets (\d+) bytes (\d+) comment "(\S+)"', text):
                rows[address][f"{way}_packets"] = int(packets)
                rows[address][f"{way}_bytes"] = int(length) + ETHERNET * int(packets)
        return rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.forget()


def stats(daemon, *words):
    return daemon.ask("service", "stats", *words)


def backends(daemon, shown=SHOWN):
    return {row["address"]: {key: row[key] for key in shown}
            for row in stats(daemon, "echo")["backends"]}


def agrees(daemon, twin):
    """Once nothing is on its way any more."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: backends(daemon) == twin.counts(), "both count the same", 5)
    assert backends(daemon) == twin.counts()


def talk(cluster, family, count, proto="tcp"):
    """How many connections each backend answered. (Of datagrams, flows: ports come round again.)"""
    ends = set()
    for number in range(count):
        with Client(cluster, family, proto) as client:
            if proto == "udp":
                assert client.ask(b"x" * number * 7) == b"x" * number * 7
            else:
                assert client.echoes(bytes(number * 991))
            ends.add((client.backend, client.own[1] if proto == "udp" else number))
    return {address: sum(end[0] == address for end in ends) for address in BACKENDS[family]}


@pytest.mark.parametrize("proto", ("tcp", "udp"))
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_packets_and_bytes_are_what_nftables_counts_at_the_backends(cluster, hook, family, proto):
    with Twin(cluster, family, proto) as twin, serving(cluster, family, proto), \
            Daemon(cluster.gateway, config=config([service(family, proto=proto)], hook)) as daemon:
        answered = talk(cluster, family, 30, proto)
        agrees(daemon, twin)
        assert all(row["in_packets"] and row["out_packets"] for row in twin.counts().values())
        shown = backends(daemon, ("connections", "answered", "refused"))
        assert shown == {address: {"connections": count, "answered": count, "refused": 0}
                         for address, count in answered.items()}
        total, = stats(daemon)["services"]
        for key in (*SHOWN, "connections"):
            assert total[key] == sum(row[key] for row in stats(daemon)["backends"]) > 0


@contextlib.contextmanager
def traffic(cluster, family):
    """Streams that go on until the end; gives how many exchanges there were."""
    ends, turns, failed = threading.Event(), [0], []

    def run():
        try:
            while not ends.is_set():
                with Client(cluster, family) as client:
                    for _ in range(5):
                        assert client.echoes(b"on and on" * 300)
                        turns[0] += 1
        except (OSError, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield turns
    finally:
        ends.set()
        for thread in threads:
            thread.join()
        assert not failed, failed


def goes_on(turns):
    before = turns[0]
    wait_for(lambda: turns[0] > before + 20, what="more to be said")


def others(count):
    """Services that nobody speaks to, with 250 backends each."""
    return [{"name": f"other{number}", "address": SERVICE[4], "port": 1000 + number,
             "backends": [{"address": f"10.99.{number}.{at}"} for at in range(1, 251)]}
            for number in range(count)]


@pytest.mark.parametrize("hook", HOOKS)
def test_nothing_is_lost_or_mixed_while_policies_and_programs_change(cluster, hook):
    """By apply, by a program that is loaded anew, by a map that grows and by a restart."""
    def text(services, **options):
        return config(services, hook, **options)

    own, spare = service(4), service(4, (0,), "spare", port=81, backend_port=8081)
    with Twin(cluster, 4) as twin, serving(cluster, 4), \
            Daemon(cluster.gateway, config=text([own])) as daemon:
        with traffic(cluster, 4) as turns:
            goes_on(turns)
            daemon.apply(text([spare, own]))            # rows of the policy move
            goes_on(turns)
            daemon.apply(text([own], capacity=80000))    # another program
            goes_on(turns)
            daemon.apply(text([*others(2), own]))       # … and more rows than there were
            goes_on(turns)
            daemon.apply(text([own, *others(1)]))
            goes_on(turns)
            daemon.restart()
            goes_on(turns)
        agrees(daemon, twin)
        rows = [row for row in stats(daemon)["backends"] if row["service"] != "echo"]
        assert len(rows) == 250 and not any(row[key] for row in rows for key in SHOWN)


def test_a_backend_that_comes_back_starts_at_zero(cluster):
    with serving(cluster, 4), \
            Daemon(cluster.gateway, config=config([service(4, (0, 1))])) as daemon:
        talk(cluster, 4, 12)
        assert all(row["connections"] for row in stats(daemon)["backends"])
        daemon.apply(config([service(4, (1,))]))
        talk(cluster, 4, 2)
        wait_for(lambda: not leaving(daemon), "it is forgotten")
        daemon.apply(config([service(4, (0, 1, 2))]))
        rows = backends(daemon, ("connections", "in_packets"))
        assert rows[BACKENDS[4][1]]["connections"] > 2
        assert {rows[address]["in_packets"] for address in (BACKENDS[4][0], BACKENDS[4][2])} == {0}
        assert rows[BACKENDS[4][0]]["connections"] == 0


def test_who_comes_back_with_other_programs_starts_at_zero(cluster):
    """Off and on: without services there is a table of one row, and rows are given anew."""
    with serving(cluster, 4), \
            Daemon(cluster.gateway, config=config([service(4, (0, 1))])) as daemon:
        for _ in range(4):
            talk(cluster, 4, 12)
            assert all(row["connections"] for row in stats(daemon)["backends"])
            daemon.say("lb", "disable")
            daemon.say("lb", "enable")
            assert not any(row[key] for row in stats(daemon)["backends"]
                           for key in (*SHOWN, "connections"))


def test_connections_that_a_backend_resets_are_told_from_those_it_answers(cluster):
    """Nobody listens at the second; what ends in a reset later is no failure."""
    with serving(cluster, 4, which=(0,)), \
            Daemon(cluster.gateway, config=config([service(4, (0, 1))])) as daemon:
        refused = 0
        for _ in range(40):
            try:
                with Client(cluster, 4) as client:
                    assert client.echoes(b"answered")
            except ConnectionRefusedError:
                refused += 1
        assert 5 <= refused <= 35
        rows = backends(daemon, ("connections", "answered", "refused"))
        assert rows == {
            BACKENDS[4][0]: {"connections": 40 - refused, "answered": 40 - refused, "refused": 0},
            BACKENDS[4][1]: {"connections": refused, "answered": 0, "refused": refused}}
        assert all(row["unanswered"] == 0 for row in stats(daemon)["backends"])


def test_probes_are_not_counted(cluster):
    with serving(cluster, 4), Daemon(cluster.gateway, config=config([service(4)])) as daemon:
        for port in range(20):
            daemon.ask("explain", "--src", CLIENT[4], "--dst", SERVICE[4], "--dport", PORT,
                       "--sport", 2000 + port, "--interface", "lan")
        assert not any(row[key] for row in stats(daemon)["backends"]
                       for key in (*SHOWN, "connections"))
