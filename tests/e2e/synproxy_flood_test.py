# SPDX-License-Identifier: Apache-2.0
"""A flood of SYNs from random sources (hping3), and honest clients beside it: how many are served,
and how long they take, without cookies, with those of the kernel, and with Weir's."""
import contextlib
import socket
import statistics
import subprocess
import threading
import time

import pytest

from harness.daemon import Daemon
from harness.kernel import release
from harness.net import Pair
from harness.wait import wait_for

pytestmark = pytest.mark.skipif(release() < (6, 9), reason="handed over by Linux 6.9")
PORT, SECONDS = 8080, 4
CONFIG = "api: {{listen: off}}\ninterfaces: [{{name: wire, hook: {hook}}}]\n{more}"
ALWAYS = "synproxy: {services: [{ports: '8080', mode: always}]}\n"
RATE = "synproxy: {services: [{ports: '8080', mode: rate, on: 500/s, hold: 5s}]}\n"


@contextlib.contextmanager
def serving(pair):
    """Answers each connection with a line, until it is closed."""
    with pair.inside.entered():
        listener = socket.create_server((pair.inside_v4, PORT), backlog=128)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                connection.recv(100)
                connection.sendall(b"served\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextlib.contextmanager
def flood(pair):
    words = ["hping3", "--flood", "--rand-source", "-q", "-S", "-p", PORT, pair.inside_v4]
    process = subprocess.Popen(pair.outside.command(*words), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def arrived(pair):
    text = pair.inside.run("ip", "-s", "link", "show", pair.wire).stdout
    return int(text.split("RX:")[1].splitlines()[1].split()[1])


def ask(pair):
    """Seconds that a request took; None: not served within one."""
    began = time.monotonic()
    with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect((pair.inside_v4, PORT))
            client.sendall(b"please\n")
            return time.monotonic() - began if client.recv(100) == b"served\n" else None
        except OSError:
            return None


def measured(pair):
    before, began, took = arrived(pair), time.monotonic(), []
    while time.monotonic() - began < SECONDS:
        took.append(ask(pair))
    rate = (arrived(pair) - before) / (time.monotonic() - began)
    served = sorted(t * 1000 for t in took if t is not None)
    return {"asked": len(took), "served": len(served), "packets/s": int(rate),
            "p50 ms": round(statistics.median(served), 2) if served else None,
            "p99 ms": round(served[int(len(served) * 0.99)], 2) if served else None}


def show(rows):
    for name, row in rows.items():
        print(f"{name:28}", "  ".join(f"{key} {value}" for key, value in row.items()))


@pytest.fixture
def pair():
    with Pair("synflood", addresses=True) as made:
        # As on the Internet: there is a way back to everybody, and somebody at its other end.
        made.inside.run("ip", "route", "add", "default", "via", made.outside_v4)
        # A client that the kernel remembers gets past a full queue: every one is new here.
        made.inside.run("sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
        yield made


@pytest.mark.alone
@pytest.mark.parametrize("hook", ("tc", "xdp-generic"))
def test_honest_clients_are_served_beside_a_flood(pair, hook):
    rows = {}
    with Daemon(pair.inside, config=CONFIG.format(hook=hook, more="")) as daemon, serving(pair):
        rows["no flood"] = measured(pair)
        for name, setting, more in (("flood, no cookies", 0, ""),
                                    ("flood, the kernel's cookies", 1, ""),
                                    ("flood, cookies always", 1, ALWAYS),
                                    ("flood, cookies by rate", 1, RATE)):
            pair.inside.run("sysctl", "-qw", f"net.ipv4.tcp_syncookies={setting}")
            daemon.apply(CONFIG.format(hook=hook, more=more))
            # What the kernel has of the flood before is taken over where tracking begins.
            daemon.ask("flow", "flush", "--all")
            with flood(pair):
                before = arrived(pair)
                wait_for(lambda: arrived(pair) > before + 10000, "the flood has begun")
                rows[name] = measured(pair)
            rows[name]["half-open"] = daemon.ask("flow", "count")["half_open"]
        show(rows)
    for name in ("flood, cookies always", "flood, cookies by rate"):
        assert rows[name]["served"] >= 0.95 * rows[name]["asked"], name
    assert rows["flood, cookies always"]["half-open"] == 0
    assert rows["flood, cookies by rate"]["half-open"] <= 2 * 537   # of 500 a second, two windows


@pytest.mark.alone
def test_rate_begins_and_ends_with_the_flood(pair):
    config = CONFIG.format(hook="tc", more=RATE)

    def answering():
        return daemon.ask("synproxy", "show")["services"][0]["answering"]

    with Daemon(pair.inside, config=config) as daemon, serving(pair):
        assert ask(pair) is not None and not answering()
        with flood(pair):
            wait_for(answering, "it begins")
            assert ask(pair) is not None
        wait_for(lambda: not answering(), "it ends", 30)
        answered = daemon.ask("synproxy", "show")["answered"]
        assert ask(pair) is not None
        assert daemon.ask("synproxy", "show")["answered"] == answered
