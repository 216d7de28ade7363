# SPDX-License-Identifier: Apache-2.0
"""Who asks for metrics badly: slowly, never reading, with garbage, a thousand at once. A good
scraper has his answer all the while, so has the API, the tick goes on, and memory has a bound."""
import contextlib
import re
import socket
import threading
import time

import pytest

from harness.account import device_counts
from harness.daemon import Daemon
from harness.net import Pair, descriptors
from harness.wait import SLOWNESS, wait_for

PORT = 8081
CONFIG = ("api: {listen: off}\ninterfaces: [{name: wire, hook: tc, egress: true}]\n"
          f"metrics: {{listen: '0.0.0.0:{PORT}'}}\n")
ASK = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
GROWTH = 32 << 20
GOOD = "10.77.1.3"              # the good scraper's own address


@pytest.fixture
def pair():
    with Pair("hostile", addresses=True) as made:
        made.outside.run("ip", "addr", "add", f"{GOOD}/24", "dev", made.far)
        yield made


@pytest.fixture
def daemon(pair):
    with Daemon(pair.inside, config=CONFIG) as made:
        yield made


def resident(daemon):
    text = open(f"/proc/{daemon.process.pid}/status").read()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", text, re.M)[1]) << 10


def scraped(pair):
    """What the good scraper is told, and how long it took."""
    began = time.monotonic()
    done = pair.outside.run("curl", "-s", "-f", "-m", "10", "--interface", GOOD,
                            f"http://{pair.inside_v4}:{PORT}/metrics")
    return done.stdout, time.monotonic() - began


def connected(pair, stack, size=None):
    sock = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM))
    if size:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    sock.settimeout(5)
    with contextlib.suppress(OSError):
        sock.connect((pair.inside_v4, PORT))
    return sock


def say(sock, what):
    with contextlib.suppress(OSError):
        sock.sendall(what)


def slow_reader(pair, stack, over):
    """A byte a second."""
    sock = connected(pair, stack, size=2048)
    say(sock, ASK)

    def read():
        with contextlib.suppress(OSError):
            while not over.wait(1) and sock.recv(1):
                pass
    thread = threading.Thread(target=read)
    thread.start()
    stack.callback(thread.join)
    stack.callback(over.set)


def never_reads(pair, stack, _):
    """And asks again and again."""
    for _ in range(50):
        sock = connected(pair, stack, size=2048)
        say(sock, ASK * 200)


def garbage(pair, stack, _):
    for number in range(50):
        say(connected(pair, stack), bytes((number * 7 + at * 31) % 256 for at in range(5000)))


def holds_a_thousand(pair, stack, _):
    for _ in range(1000):
        sock = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.setblocking(False)
        sock.connect_ex((pair.inside_v4, PORT))


def huge_header(pair, stack, _):
    for _ in range(20):
        say(connected(pair, stack), b"GET /metrics HTTP/1.1\r\nX: " + b"y" * (4 << 20))


def half_request(pair, stack, _):
    for number in range(50):
        say(connected(pair, stack), ASK[:1 + number % len(ASK)])


@pytest.mark.parametrize("attack", (slow_reader, never_reads, garbage, holds_a_thousand,
                                    huge_header, half_request))
def test_others_are_served_meanwhile(pair, daemon, attack):
    first = resident(daemon)
    with descriptors(4096), contextlib.ExitStack() as stack:
        attack(pair, stack, threading.Event())
        counts = []
        for _ in range(3):
            pair.outside.run("ping", "-c", "5", "-i", "0.01", "-I", GOOD, pair.inside_v4)
            seen = device_counts(pair.inside, ["wire"])["wire", "ingress"].packets

            def is_counted(seen=seen):
                """The tick has looked since."""
                text, took = scraped(pair)
                assert took < 2 * SLOWNESS
                counts.append(float(re.search(
                    r'^weir_interface_rx_packets_total\{interface="wire"\} (\S+)$', text,
                    re.M)[1]))
                return counts[-1] >= seen
            wait_for(is_counted, "the tick goes on", 5)
            began = time.monotonic()
            assert daemon.status()["revision"] == 1
            assert time.monotonic() - began < 2 * SLOWNESS
        assert counts == sorted(counts)
        assert resident(daemon) - first < GROWTH
