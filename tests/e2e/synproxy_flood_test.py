# SPDX-License-Identifier: Apache-2.0
"""A flood of SYNs from random sources (of IPv4 by hping3, on the wire of the honest; of IPv6 on
another), and honest clients beside it: how many are served, and how long they take, without
cookies, with those of the kernel, and with Weir's."""
import contextlib
import socket
import statistics
import threading
import time

import pytest
from scapy.layers.inet import TCP

from harness.attacked import Attacked
from harness.clients import family_of
from harness.daemon import Daemon
from harness.kernel import links, release
from harness.net import Pair
from harness.programs import running
from harness.wait import wait_for

pytestmark = pytest.mark.skipif(release() < (6, 9), reason="handed over by Linux 6.9")
PORT, SECONDS = 8080, 4
STRANGERS_V6 = f"2001:db8:: {2**32 - 1}"
ALWAYS = "synproxy: {services: [{ports: '8080', mode: always}]}\n"
RATE = "synproxy: {services: [{ports: '8080', mode: rate, on: 500/s, hold: 5s}]}\n"


class OneWire(Pair):
    """Honest clients and the flood come by the same one."""
    address, wires, came_by = Pair.inside_v4, [Pair.wire], Pair.wire

    def __init__(self):
        super().__init__("synflood", addresses=True)
        self.host, self.client = self.inside, self.outside
        # As on the Internet: there is a way back to everybody, and somebody at its other end.
        self.host.run("ip", "route", "add", "default", "via", self.outside_v4)

    def flood(self):
        return running(self.client, "hping3", "--flood", "--rand-source", "-q", "-S", "-p", PORT,
                       self.address)


class TwoWires(Attacked):
    """Frames made in the kernel come in bunches, which would leave no room in the ring of one."""
    address, wires, came_by = Pair.inside_v6, [Pair.wire, Attacked.dark], Attacked.dark

    def __init__(self):
        super().__init__("synflood", config=None)

    def flood(self):
        return self.flood_v6(STRANGERS_V6, TCP(sport=4000, dport=PORT, flags="S"))

    def __enter__(self):
        return self             # the daemon is the test's


SCENES = {"v4": OneWire, "v6": TwoWires}


def config(scene, hook, more=""):
    interfaces = ", ".join(f"{{name: {wire}, hook: {hook}}}" for wire in scene.wires)
    return f"api: {{listen: off}}\ninterfaces: [{interfaces}]\n{more}"


@contextlib.contextmanager
def serving(scene):
    """Answers each connection with a line, until it is closed."""
    with scene.host.entered():
        listener = socket.create_server(("", PORT), family=family_of(scene.address), backlog=128)

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


def arrived(scene):
    return links(scene.host)[scene.came_by]["stats64"]["rx"]["packets"]


def ask(scene):
    """Seconds that a request took; None: not served within one."""
    began = time.monotonic()
    with scene.client.socket(family_of(scene.address), socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect((scene.address, PORT))
            client.sendall(b"please\n")
            return time.monotonic() - began if client.recv(100) == b"served\n" else None
        except OSError:
            return None


def measured(scene):
    before, began, took = arrived(scene), time.monotonic(), []
    while time.monotonic() - began < SECONDS:
        took.append(ask(scene))
    rate = (arrived(scene) - before) / (time.monotonic() - began)
    served = sorted(t * 1000 for t in took if t is not None)
    return {"asked": len(took), "served": len(served), "packets/s": int(rate),
            "p50 ms": round(statistics.median(served), 2) if served else None,
            "p99 ms": round(served[int(len(served) * 0.99)], 2) if served else None}


def show(rows):
    for name, row in rows.items():
        print(f"{name:28}", "  ".join(f"{key} {value}" for key, value in row.items()))


@pytest.fixture(params=SCENES)
def scene(request):
    with SCENES[request.param]() as made:
        # A client that the kernel remembers gets past a full queue: every one is new here.
        made.host.run("sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
        yield made


@pytest.mark.alone
@pytest.mark.parametrize("hook", ("tc", "xdp-generic"))
def test_honest_clients_are_served_beside_a_flood(scene, hook):
    rows = {}
    with Daemon(scene.host, config=config(scene, hook)) as daemon, serving(scene):
        rows["no flood"] = measured(scene)
        for name, setting, more in (("flood, no cookies", 0, ""),
                                    ("flood, the kernel's cookies", 1, ""),
                                    ("flood, cookies always", 1, ALWAYS),
                                    ("flood, cookies by rate", 1, RATE)):
            scene.host.run("sysctl", "-qw", f"net.ipv4.tcp_syncookies={setting}")
            daemon.apply(config(scene, hook, more))
            # What the kernel has of the flood before is taken over where tracking begins.
            daemon.ask("flow", "flush", "--all")
            with scene.flood():
                before = arrived(scene)
                wait_for(lambda: arrived(scene) > before + 10000, "the flood has begun")
                rows[name] = measured(scene)
            rows[name]["half-open"] = daemon.ask("flow", "count")["half_open"]
        show(rows)
    for name in ("flood, cookies always", "flood, cookies by rate"):
        assert rows[name]["served"] >= 0.95 * rows[name]["asked"], name
    assert rows["flood, cookies always"]["half-open"] == 0
    assert rows["flood, cookies by rate"]["half-open"] <= 2 * 537   # of 500 a second, two windows


@pytest.mark.alone
def test_rate_begins_and_ends_with_the_flood(scene):
    def answering():
        return daemon.ask("synproxy", "show")["services"][0]["answering"]

    with Daemon(scene.host, config=config(scene, "tc", RATE)) as daemon, serving(scene):
        assert ask(scene) is not None and not answering()
        with scene.flood():
            wait_for(answering, "it begins")
            assert ask(scene) is not None
        wait_for(lambda: not answering(), "it ends", 30)
        answered = daemon.ask("synproxy", "show")["answered"]
        assert answered and ask(scene) is not None
        assert daemon.ask("synproxy", "show")["answered"] == answered
