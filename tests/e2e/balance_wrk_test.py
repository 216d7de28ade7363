# SPDX-License-Identifier: Apache-2.0
"""nginx behind a service that wrk asks, a connection a request, while all that may be changed is:
no request fails."""
import random
import re
import subprocess
import time

import pytest

from e2e.balance_test import HOOKS, config
from harness.cluster import BACKEND_PORT, BACKENDS, SERVICE, Cluster
from harness.daemon import Daemon
from harness.wait import SLOWNESS, wait_for

SECONDS = 10
NGINX = """pid {home}/pid; daemon off; worker_processes 1; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ {listens} location / {{ return 200 "here"; }} }} }}
"""


@pytest.fixture
def served(tmp_path):
    with Cluster() as cluster:
        listens = " ".join(f"listen {address}:{BACKEND_PORT};" for address in BACKENDS[4])
        (tmp_path / "conf").write_text(NGINX.format(home=tmp_path, listens=listens))
        server = subprocess.Popen(cluster.backends.command(
            "nginx", "-p", tmp_path, "-c", tmp_path / "conf", "-e", tmp_path / "error"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: f":{BACKEND_PORT} " in cluster.backends.run("ss", "-Hltn").stdout,
                     "nginx listens")
            yield cluster
        finally:
            server.terminate()
            server.wait(20 * SLOWNESS)


class Edits:
    """Everything that may happen to a service, one at a time."""

    def __init__(self, daemon, hook):
        self.daemon, self.hook, self.drawn = daemon, hook, random.Random(hook)
        self.sizes, self.made = 0, 0

    def backend(self):
        return f"{self.drawn.choice(BACKENDS[4])}:{BACKEND_PORT}"

    def weight(self):
        self.daemon.ask("service", "backend", "set", "echo", self.backend(), "--weight",
                        str(self.drawn.randrange(1, 10)))

    def drain(self):
        backend = self.backend()
        self.daemon.ask("service", "backend", "drain", "echo", backend)
        self.daemon.ask("service", "backend", "undrain", "echo", backend)

    def neighbour(self):
        """Another service comes and goes."""
        self.daemon.ask("service", "add", "other", "--address", "10.78.1.101", "--port", "81",
                        "--backend", "10.78.2.99:81")
        self.daemon.ask("service", "del", "other")

    def reload(self):
        self.sizes += 1
        self.daemon.config.write_text(config(4, hook=self.hook,
                                             capacity=(200000, 300000)[self.sizes % 2]))
        self.daemon.ask("reload")

    def restart(self):
        self.daemon.restart()

    def kill(self):
        self.daemon.kill()
        self.daemon.start()

    def run(self, seconds):
        ended = time.monotonic() + seconds
        acts = [self.weight, self.drain, self.neighbour, self.reload, self.restart, self.kill]
        while time.monotonic() < ended or self.made < len(acts):
            acts[self.made % len(acts)]()
            self.made += 1


@pytest.mark.alone
@pytest.mark.parametrize("hook", HOOKS)
def test_no_request_fails_whatever_is_changed(served, hook):
    with Daemon(served.gateway, config=config(4, hook=hook, capacity=300000)) as daemon:
        client = subprocess.Popen(served.client.command(
            "wrk", "-t1", "-c8", f"-d{SECONDS}s", "-H", "Connection: close",
            f"http://{SERVICE[4]}/"), stdout=subprocess.PIPE, text=True)
        try:
            edits = Edits(daemon, hook)
            edits.run(SECONDS - 1)
            said = client.communicate(timeout=120 * SLOWNESS)[0]
        finally:
            client.kill()
            client.wait()
        assert "Socket errors" not in said and "Non-2xx" not in said, said
        requests = int(re.search(r"(\d+) requests in", said)[1])
        print(hook, edits.made, "changes,", requests, "requests")
        assert requests > 1000
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]
