# SPDX-License-Identifier: Apache-2.0
"""10,000 services with 10 backends each: the daemon starts with them, the first, a middle and the
last are served, one is edited, and a reload cuts nothing. How long each takes is told."""
import contextlib
import json
import threading
import time

import pytest

from harness.cluster import Client, Cluster, Stream, StreamServer
from harness.daemon import Daemon
from harness.edits import Door
from harness.wait import SLOWNESS, wait_for

SERVICES, EACH = 10_000, 10
PORT, BACKEND_PORT = 80, 8080
BACKENDS_RANGE = "172.16.0.0/12"
LOOKED_AT = (0, SERVICES // 2, SERVICES - 1)


def service(index):
    return f"10.{100 + (index >> 8)}.{index & 255}.1"


def backends(index):
    return [f"172.{16 + (index >> 12)}.{index >> 4 & 255}.{(index & 15) * 16 + i + 1}"
            for i in range(EACH)]


def configured(capacity):
    lines = ["memory: 4GiB", "api: {listen: off}",
             "interfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]",
             f"conntrack: {{enabled: auto, capacity: {capacity}}}", "balance:", "  services:"]
    for index in range(SERVICES):
        rows = ", ".join(f"{{address: {address}, port: {BACKEND_PORT}}}"
                         for address in backends(index))
        lines.append(f"  - {{name: s{index}, address: {service(index)}, port: {PORT}, "
                     f"backends: [{rows}]}}")
    return "\n".join(lines) + "\n"


class Named(Stream):
    """Says which of many addresses it was asked by."""

    def handle(self):
        with contextlib.suppress(OSError):
            name = [self.request.getsockname()[0], *self.client_address[:2]]
            self.request.sendall(json.dumps(name).encode() + b"\n")
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)


@pytest.fixture
def cluster():
    """All backends are one host, which has all their addresses."""
    with Cluster() as made, contextlib.ExitStack() as stack:
        made.backends.run("ip", "route", "add", "local", BACKENDS_RANGE, "dev", "lo")
        made.gateway.run("ip", "route", "add", BACKENDS_RANGE, "via", "10.78.2.10")
        with made.backends.entered():
            server = stack.enter_context(StreamServer(("", BACKEND_PORT), Named))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield made


class Clock:
    """What took how long."""

    def __init__(self):
        self.took = {}

    @contextlib.contextmanager
    def of(self, what):
        begin = time.monotonic()
        yield
        self.took[what] = round(time.monotonic() - begin, 3)


def memory(daemon):
    """MiB: of the daemon now and at most, and of both slots of policy in the kernel."""
    rows = dict(line.split(":", 1) for line in open(f"/proc/{daemon.process.pid}/status"))
    own = {key: int(rows[key].split()[0]) >> 10 for key in ("VmRSS", "RssAnon", "VmHWM")}
    return own | {"kernel": daemon.status()["policy"]["kernel_bytes"] >> 20}


def start(daemon):
    daemon.launch()
    wait_for(daemon.answers, "the daemon answers", 120)


def met(cluster, index):
    """Who answers connections to a service: backends of its own."""
    found = set()
    for _ in range(4 * EACH):
        with Client(cluster, 4, address=service(index)) as client:
            found.add(client.backend)
    assert found <= set(backends(index)) and len(found) > 1
    return found


@pytest.mark.alone
@pytest.mark.outside
def test_ten_thousand_services_are_served_edited_and_reloaded(cluster):
    clock = Clock()
    with contextlib.closing(Daemon(cluster.gateway, config=configured(65536))) as daemon:
        with clock.of("start"):
            start(daemon)
        for index in LOOKED_AT:
            met(cluster, index)
        door = Door(daemon)
        gone = f"{sorted(met(cluster, LOOKED_AT[1]))[0]}:{BACKEND_PORT}"
        for number, operation in enumerate(("drain", "undrain", "drain", "undrain", "drain")):
            with clock.of(f"edit {number}"):
                status, answer = door.ask(f"service.backend.{operation}",
                                          service=f"s{LOOKED_AT[1]}", backend=gone)
            assert status == 200, answer
        assert gone.split(":")[0] not in met(cluster, LOOKED_AT[1])
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(Client(cluster, 4, address=service(index)))
                    for index in LOOKED_AT]
            daemon.config.write_text(configured(131072))
            with clock.of("reload"):
                daemon.ask("reload")
            assert all(client.echoes(b"still here") for client in held)
        for index in LOOKED_AT:
            met(cluster, index)
        print(clock.took, memory(daemon))
        # The first fills the second slot of policy, which nobody needed before.
        assert min(clock.took[f"edit {number}"] for number in range(2, 5)) < 2 * SLOWNESS
