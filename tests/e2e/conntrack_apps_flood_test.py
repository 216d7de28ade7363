# SPDX-License-Identifier: Apache-2.0
"""What clients suffer while strangers flood a host that denies by default, with tables for a
thousand flows each. It is measured and told; asked is only that whoever was connected stays so, and
that somebody new is served at all."""
import collections
import contextlib
import random
import re
import socket
import statistics
import subprocess
import threading
import time

import pytest

from harness.attacked import DARK, Attacked, percentiles, requesting
from harness.guarded import configured, home                    # noqa: F401
from harness.live import LiveFrames
from harness.net import Pair
from harness.programs import IPERF, WEB, running
from harness.wait import SLOWNESS, wait_for

pytestmark = [pytest.mark.alone, pytest.mark.outside]

TABLE = 1000                    # flows in each of the two tables
CONNECTIONS = 200               # that stand before the flood
ECHO, DISCARD = 4007, 9
PHASE_S = 4
RULES = [{"name": name, "direction": "ingress", "proto": proto, "dport": str(port),
          "action": "allow"} for name, proto, port in (
    ("web", "tcp", WEB), ("iperf", "tcp", IPERF), ("echo", "tcp", ECHO),
    ("discard", "udp", DISCARD))]
Phase = collections.namedtuple("Phase", "name begin end displaced flooded")


class Scene(Attacked):
    """… with tables for a thousand flows each."""

    def __init__(self, hook):
        # What events cost is not what is measured.
        super().__init__("flood", "events: {rate: 0/s}\n" + configured(
            hook, [Pair.wire, self.dark], RULES, capacity=TABLE, **{"half-open": TABLE}))

    def displaced(self):
        return self.daemon.status()["conntrack"]["displaced"]


@contextlib.contextmanager
def syn_flood(scene):
    # Killed at the latest by `timeout`, whatever becomes of this process.
    with running(scene.attacker, "timeout", "-s", "KILL", 30 * SLOWNESS, "hping3", "--flood", "-q",
                 "-S", "--rand-source", "-p", WEB, DARK):
        yield


@contextlib.contextmanager
def datagram_flood(scene):
    numbers = random.Random(5)
    sources = [f"{numbers.randrange(11, 100)}.{numbers.randrange(256)}.{numbers.randrange(256)}."
               f"{numbers.randrange(1, 255)}" for _ in range(4096)]
    with LiveFrames(scene.attacker, "dark", sources):
        yield


FLOODS = {"syn": syn_flood, "datagrams": datagram_flood}


@contextlib.contextmanager
def connected(scene):
    """Connections of both families: [(the client's end, the host's)]."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(scene.host.socket(socket.AF_INET6, socket.SOCK_STREAM))
        listener.bind(("::", ECHO))
        listener.listen(CONNECTIONS)
        rows = []
        for number in range(CONNECTIONS):
            kind, address = ((socket.AF_INET, scene.pair.inside_v4) if number % 2 else
                             (socket.AF_INET6, scene.pair.inside_v6))
            client = stack.enter_context(scene.client.socket(kind, socket.SOCK_STREAM))
            client.settimeout(30 * SLOWNESS)
            client.connect((address, ECHO))
            server, _ = listener.accept()
            server.settimeout(30 * SLOWNESS)
            rows.append((client, stack.enter_context(server)))
        yield rows


def assert_alive(connections):
    for one, other in connections:
        for sender, receiver in ((one, other), (other, one)):
            sender.sendall(b"still there?")
            assert receiver.recv(100) == b"still there?"


class Iperf:
    """One connection that sends 200 Mbit a second, if it may."""

    def __init__(self, process):
        self.process, self.rows = process, []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for row in self.process.stdout:
            found = re.search(rb"sec +[\d.]+ MBytes +([\d.]+) Mbits/sec", row)
            if found:
                self.rows.append((time.monotonic(), float(found[1])))

    def within(self, phase):
        return [mbits for at, mbits in list(self.rows) if phase.begin + 1 <= at < phase.end]


@contextlib.contextmanager
def transferring(scene):
    with running(scene.client, "iperf3", "-c", scene.pair.inside_v6, "-p", IPERF, "-t", 600, "-f",
                 "m", "-b", "200M", "--forceflush", stdout=subprocess.PIPE) as process:
        iperf = Iperf(process)
        yield iperf
        assert process.poll() is None, "iperf3 ended"
    iperf.thread.join()


def phase_of(scene, name, connections):
    """One of the table's rows: so long, with all connections asked once in it."""
    displaced, sent, begin = scene.displaced(), scene.sent(), time.monotonic()
    assert_alive(connections)
    end = begin + PHASE_S * SLOWNESS
    wait_for(lambda: time.monotonic() >= end, "the phase is over", PHASE_S + 10)
    return Phase(name, begin, time.monotonic(), scene.displaced() - displaced,
                 scene.sent() - sent)


def table(phases, requests, iperf):
    rows = [f"{'':8}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'Mbit/s':>9}{'flood/s':>11}"
            f"{'displaced/s':>13}"]
    for phase in phases:
        took, seconds = requests.within(phase), phase.end - phase.begin
        p50, p99 = percentiles(took)
        mbits = iperf.within(phase)
        rows.append(f"{phase.name:8}{len(took) / seconds:12,.0f}{p50:9.2f}{p99:9.2f}"
                    f"{statistics.mean(mbits) if mbits else 0:9.0f}"
                    f"{phase.flooded / seconds:11,.0f}{phase.displaced / seconds:13,.0f}")
    return "\n".join(rows)


@pytest.mark.parametrize("hook", ["xdp", "tc"])
@pytest.mark.parametrize("flood", FLOODS)
def test_flood_cuts_no_connection_and_leaves_room_for_new_ones(home, hook, flood):
    with contextlib.ExitStack() as stack:
        scene = stack.enter_context(Scene(hook))
        stack.enter_context(home.serving(scene.host, WEB, IPERF))
        connections = stack.enter_context(connected(scene))
        iperf = stack.enter_context(transferring(scene))
        requests = stack.enter_context(requesting(scene.client,
                                                  scene.pair.inside_v4))
        wait_for(lambda: requests.rows and iperf.rows, "all is under way")
        phases = [phase_of(scene, "before", connections)]
        with FLOODS[flood](scene):
            wait_for(lambda: scene.sent() > 20 * TABLE, "the flood has come", 20)
            phases.append(phase_of(scene, "during", connections))
        phases.append(phase_of(scene, "after", connections))
        print(f"\n{flood}, hook {hook}\n{table(phases, requests, iperf)}")
        assert all(requests.within(phase) for phase in phases), "some requests are served"
        assert phases[1].displaced > TABLE, "the flood filled the table"
