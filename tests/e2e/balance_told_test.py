# SPDX-License-Identifier: Apache-2.0
"""Backends by name: in the table of flows, in what explain says, in metrics."""
import collections
import http.client
import re
import socket
import threading
import time

import pytest

from balance_count_test import (FAMILIES, HOOKS, cluster, config, others,      # noqa: F401
                                service, stats)
from harness.cluster import BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, serving
from harness.daemon import Daemon
from harness.kernel import release
from harness.wait import SLOWNESS, wait_for


def end(family, address):
    return f"[{address}]:{BACKEND_PORT}" if family == 6 else f"{address}:{BACKEND_PORT}"


def samples(daemon, name, labels):
    """By the value of the label asked for last."""
    asked = ",".join(f'{label}="([^"]*)"' for label in labels)
    found = re.findall(rf'^weir_balance_{name}{{{asked}}} (\d+)$', metrics(daemon), re.M)
    return {row[-2]: int(row[-1]) for row in found}


def told_flows_are(daemon, backends):
    """In the metrics, when it was counted: `backends` are those of the clients that live."""
    counts = dict(collections.Counter(name.split("/")[1] for name in backends.values()))

    def is_so():
        told = samples(daemon, "backend_active", ("service", "backend"))
        return ({name: count for name, count in told.items() if count} == counts
                and samples(daemon, "service_active", ("service",)) == {"echo": len(backends)})
    wait_for(is_so, "they are counted")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_flows_say_their_backend_and_are_counted_while_they_live(cluster, hook,     # noqa: F811
                                                                 family):
    clients = []
    with serving(cluster, family), \
            Daemon(cluster.gateway, config=config([service(family)], hook)) as daemon:
        try:
            clients += [Client(cluster, family) for _ in range(20)]
            backends = {str(client.own[1]): f"echo/{end(family, client.backend)}"
                        for client in clients}
            rows = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
            assert {str(row["sport"]): row["backend"] for row in rows} == backends
            counts = collections.Counter(backends.values())
            told_flows_are(daemon, backends)
            name, count = counts.most_common()[0]
            assert daemon.ask("flow", "count", f"backend={name}")["total"] == count
            assert {f"echo/{end(family, row['address'])}": row["active"]
                    for row in stats(daemon)["backends"]} == dict(counts)
            for client in clients[:5]:
                client.close()
            wait_for(lambda: stats(daemon)["services"][0]["active"] == 15, "five are over")
            assert stats(daemon)["services"][0]["inactive"] == 5
            told_flows_are(daemon, {client.own[1]: backends[str(client.own[1])]
                                    for client in clients[5:]})
        finally:
            for client in clients:
                client.close()


@pytest.mark.skipif(release() < (6, 6), reason="explain asks the program at XDP")
@pytest.mark.parametrize("family", FAMILIES)
def test_explain_says_the_backend_that_then_answers(cluster, family):       # noqa: F811
    with serving(cluster, family), \
            Daemon(cluster.gateway, config=config([service(family)])) as daemon:
        for port in range(3000, 3010):
            told = daemon.ask("explain", "--src", CLIENT[family], "--dst", SERVICE[family],
                              "--dport", PORT, "--sport", port, "--interface", "lan")
            with cluster.client.socket(socket.AF_INET if family == 4 else socket.AF_INET6,
                                       socket.SOCK_STREAM) as sock:
                sock.settimeout(10 * SLOWNESS)
                sock.bind((CLIENT[family], port))
                sock.connect((SERVICE[family], PORT))
                answers = re.match(r'\["([^"]+)"', sock.recv(100).decode())[1]
            assert told["backend"] == f"echo/{end(family, answers)}"
        assert "backend" not in daemon.ask("explain", "--src", CLIENT[family], "--dst",
                                           SERVICE[family], "--dport", PORT + 1,
                                           "--interface", "lan")


def metrics(daemon):
    connection = http.client.HTTPConnection("localhost")
    with socket.socket(socket.AF_UNIX) as connection.sock:
        connection.sock.connect(str(daemon.socket))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def histogram(daemon):
    """Counts of the buckets of the service's handshakes, once a scrape has all of them."""
    def rows(suffix):
        return re.findall(rf'^weir_balance_handshake_seconds_{suffix}'
                          r'{service="echo"(?:,le="(.*)")?} (.*)$', metrics(daemon), re.M)
    wait_for(lambda: rows("count") == [("", "20")], "all are measured")
    ends, below = zip(*rows("bucket"))
    below = list(map(int, below))
    assert list(ends) == [f"{2 ** n * 32.768e-6:.9f}" for n in range(13)] + ["+Inf"]
    assert below[-1] == 20 and 0 < float(rows("sum")[0][1]) < 20
    text = metrics(daemon)
    assert text.count("# TYPE weir_balance_handshake_seconds histogram") == 1
    return [upto - less for upto, less in zip(below, [0, *below])]


def few(count):
    """Services of a backend each, which nobody asks for anything."""
    return [{"name": f"few{n}", "address": SERVICE[4], "port": 2000 + n, "proto": "tcp",
             "backends": [{"address": BACKENDS[4][0], "port": 3000 + n}]}
            for n in range(count)]


def test_metrics_have_the_first_backends_and_one_row_of_the_others(cluster):   # noqa: F811
    last = service(4)
    with serving(cluster, 4), \
            Daemon(cluster.gateway, config=config([service(4), *others(1)])) as daemon:
        for _ in range(9):
            Client(cluster, 4).close()

        def rows(name):
            return dict(re.findall(rf'^weir_balance_backend_{name}_total{{(.*)}} (\d+)$',
                                   metrics(daemon), re.M))
        wait_for(lambda: sum(map(int, rows("connections").values())) == 9, "all are counted")
        shown = {row["address"]: row for row in stats(daemon, "echo")["backends"]}
        labels = {address: f'service="echo",backend="{address}:{BACKEND_PORT}"'
                  for address in BACKENDS[4]}
        for name in ("connections", "answered", "refused"):
            assert len(rows(name)) == 21, "20 and one of the others"
            assert {address: int(rows(name)[labels[address]]) for address in labels} == {
                address: row[name] for address, row in shown.items()}
            of_services = samples(daemon, f"service_{name}_total", ("service",))
            assert of_services == {"echo": sum(row[name] for row in shown.values()), "other0": 0}
        daemon.apply(config([*others(1), last]))    # behind the first 20
        other = 'service="(other)",backend="(other)"'
        wait_for(lambda: rows("connections").get(other) == "9", "they are among the others")
        assert samples(daemon, "service_connections_total", ("service",))["echo"] == 9
        daemon.apply(config([*few(30), last]) + "metrics: {series: 1000}\n")
        wait_for(lambda: samples(daemon, "service_connections_total", ("service",)).get("(other)")
                 == 9, "so is their service, behind twenty")
        assert len(samples(daemon, "service_connections_total", ("service",))) == 21


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_handshakes_take_no_longer_here_than_for_the_client(cluster, hook, family):  # noqa: F811
    """And of a SYN that is lost behind the gateway, its second (after a second) is waited for."""
    lose = ("add table inet lossy\n"
            "add chain inet lossy met { type filter hook prerouting priority -300; }\n"
            f"add rule inet lossy met tcp dport {BACKEND_PORT} tcp flags syn drop\n")

    def connect():
        start = time.monotonic()
        Client(cluster, family).close()
        return time.monotonic() - start

    def row():
        return stats(daemon, "echo", "--latency")["services"][0]

    with serving(cluster, family), \
            Daemon(cluster.gateway, config=config([service(family)], hook)) as daemon:
        took = sum(connect() for _ in range(20))
        fast = row()
        assert histogram(daemon) == fast["buckets"]
        assert fast["measured"] == fast["answered"] == sum(fast["buckets"]) == 20
        assert 0 < fast["mean_us"] * 20 <= took * 1e6
        assert 32 <= fast["p50_us"] <= fast["p99_us"]
        cluster.backends.run("nft", "-f", "-", input=lose)
        try:
            thread = threading.Thread(target=connect)
            thread.start()
            wait_for(lambda: stats(daemon, "echo")["services"][0]["connections"] == 21, "a SYN")
            assert stats(daemon, "echo")["services"][0]["unanswered"] == 1
        finally:
            cluster.backends.run("nft", "delete", "table", "inet", "lossy")
        thread.join()
        assert stats(daemon, "echo")["services"][0]["unanswered"] == 0
        slow = row()
        assert slow["measured"] == 21 and slow["buckets"][-1] == fast["buckets"][-1] + 1
        assert slow["mean_us"] * 21 - fast["mean_us"] * 20 > 900_000
