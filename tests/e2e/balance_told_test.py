# SPDX-License-Identifier: Apache-2.0
"""Backends by name: in the table of flows, in what explain says, in metrics."""
import collections
import re
import socket
import threading
import time

import pytest

from balance_count_test import (FAMILIES, HOOKS, cluster, config, others,      # noqa: F401
                                service, stats)
from harness.account import metrics
from harness.balanced import policy
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster,
                             listening, serving)
from harness.daemon import Daemon
from harness.kernel import BEHIND_XDP, release
from harness.lossy import delay
from harness.net import Namespace
from harness.wait import SLOWNESS, pause, wait_for


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


def latencies(daemon):
    return [row for row in stats(daemon, "echo", "--latency")["backends"] if row["measured"]]


def backend_means(daemon):
    """By backend, in us."""
    count, seconds = (dict(re.findall(
        rf'^weir_balance_backend_{name}_total{{service="echo",backend="(.*)"}} (.*)$',
        metrics(daemon), re.M)) for name in ("handshakes", "handshake_seconds"))
    return {name: float(seconds[name]) / int(count[name]) * 1e6 for name in count
            if int(count[name])}


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
        other = 'service="other",backend="other"'
        wait_for(lambda: rows("connections").get(other) == "9", "they are among the others")
        assert samples(daemon, "service_connections_total", ("service",))["echo"] == 9
        daemon.apply(config([*few(30), last]) + "metrics: {series: 1000}\n")
        wait_for(lambda: samples(daemon, "service_connections_total", ("service",)).get("other")
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
        means = backend_means(daemon)
        assert {end(family, address): pytest.approx(mean, abs=1) for address, mean in (
            (row["address"], row["mean_us"]) for row in latencies(daemon))} == means
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


# --- of each backend -----------------------------------------------------------------------------

SLOW = {4: "10.78.3.10", 6: "fd78:3::10"}
SLOW_ROUTER = {4: "10.78.3.1", 6: "fd78:3::1"}
SLOW_MS = 20                    # each way
SLOW_BUCKET = 11                # the first of those that 40 ms lie in: 32.768 us * 2^10 = 33.6 ms
BELOW_SLOW_S = 33.554432e-3


class Unequal(Cluster):
    """With one more backend, at `far`, whose link takes its time: a veth's, and one who hands its
    frames on."""

    def build(self):
        super().build()
        self.slow, middle = (self.made(name) for name in ("slow", "lossy"))
        self.wire(self.gateway, "far", middle, "one")
        self.wire(middle, "two", self.slow, "eth0")
        for family, bits in ((4, 24), (6, 64)):
            self.give(self.gateway, "far", SLOW_ROUTER[family], bits)
            self.give(self.slow, "eth0", SLOW[family], bits)
            self.slow.run("ip", f"-{family}", "route", "add", "default", "via",
                          SLOW_ROUTER[family])
        for end, (place, device) in enumerate(((self.gateway, "far"), (self.slow, "eth0"))):
            self.give(place, device, f"fe80::{end + 5}", 64)
        delay(self.stack, middle, SLOW_MS)

    def made(self, name):
        made = Namespace(name)
        self.stack.callback(made.delete)
        return made


@pytest.mark.parametrize("hook, family", (
    ("tc", 4), pytest.param("xdp-generic", 6, marks=BEHIND_XDP)))
def test_handshakes_of_a_slow_backend_are_its_own(hook, family):
    ends = BACKENDS[family][0], SLOW[family]
    row = {**service(family, ()), "backends": [{"address": address, "port": BACKEND_PORT}
                                               for address in ends]}
    took = collections.defaultdict(list)
    with Unequal() as cluster, serving(cluster, family, which=(0,)), \
            listening(cluster.slow, family, SLOW[family]), \
            Daemon(cluster.gateway, config=policy([row], ("lan", "wan", "far"), hook)) as daemon:
        for _ in range(40):
            start = time.monotonic()
            with Client(cluster, family) as client:
                took[client.backend].append(time.monotonic() - start)
        shown = {row["address"]: row for row in stats(daemon, "echo", "--latency")["backends"]}
    assert set(took) == set(shown) == set(ends)
    for address, row in shown.items():
        assert row["measured"] == sum(row["buckets"]) == len(took[address]) >= 5
        assert row["mean_us"] * len(took[address]) <= sum(took[address]) * 1e6
    fast, slow = (shown[address] for address in ends)
    assert sum(slow["buckets"][:SLOW_BUCKET]) == 0 and slow["mean_us"] >= 2 * SLOW_MS * 1000
    assert slow["p50_us"] > BELOW_SLOW_S * 1e6
    # On a busy machine the other may be late too; the client has seen it then.
    late = sum(seconds > BELOW_SLOW_S for seconds in took[ends[0]])
    assert sum(fast["buckets"][SLOW_BUCKET:]) <= late < len(took[ends[0]]) / 2


# --- in a second ---------------------------------------------------------------------------------

class Stream:
    """Connections that begin one after the other, and when each did, until closed."""

    def __init__(self, cluster, family, per_s):
        self.args, self.pace_s, self.began, self.ends = (cluster, family), 1 / per_s, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends:
            self.began.append(time.monotonic())
            Client(*self.args).close()
            pause(max(0, self.began[-1] + self.pace_s - time.monotonic()))

    def per_s(self, since, until):
        """The fewest and the most of any second between the two."""
        ends = [since + 1, until, *(at + step for at in self.began for step in (0, 1))]
        counts = [sum(end - 1 <= at < end for at in self.began)
                  for end in ends if since + 1 <= end <= until]
        return min(counts), max(counts)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()


def new_per_s(daemon):
    """Of the service; its backends' are as many, but for what rounding does."""
    rates, totals = stats(daemon, "echo", "--rate"), stats(daemon, "echo")
    for rows in (rates, totals):
        count = rows["services"][0]["new_per_s"]
        assert abs(sum(row["new_per_s"] for row in rows["backends"]) - count) <= 2
    return rates["services"][0]["new_per_s"]


def test_new_per_second_are_those_of_a_stream_that_is_known(cluster):       # noqa: F811
    """What is said is of a second that ended at most one ago, and of two where a tick was late."""
    said = []
    with serving(cluster, 4), Daemon(cluster.gateway, config=config([service(4)])) as daemon:
        assert new_per_s(daemon) == 0
        with Stream(cluster, 4, 50) as stream:
            wait_for(lambda: time.monotonic() > stream.began[0] + 3 * SLOWNESS, "a stream")
            for _ in range(3):
                asked = time.monotonic()
                count = new_per_s(daemon)
                said.append((asked - 3 * SLOWNESS, asked + 0.1, count))
                pause(0.4)
        wait_for(lambda: new_per_s(daemon) == 0, "nothing is new", 5)
        rows = stats(daemon, "echo")["backends"]
    for since, until, count in said:
        least, most = stream.per_s(since, until)
        assert 0 < least * 0.9 - 2 <= count <= most * 1.1 + 2, (least, count, most)
    assert sum(row["connections"] for row in rows) == len(stream.began)
