# SPDX-License-Identifier: Apache-2.0
"""nginx behind a service that wrk asks, a connection a request, while all that may be changed is:
no request fails."""
import contextlib
import json
import random
import re
import shutil
import subprocess
import time

import pytest

from harness.asked import Asker, backends, wait_states
from harness.balanced import HOOKS, config
from harness.cluster import BACKEND_PORT, BACKENDS, SERVICE, Cluster
from harness.daemon import HELPERS, WEIR, Daemon
from harness.forwarded import forwarding
from harness.wait import SLOWNESS, wait_for

OTHER_LAYOUT = HELPERS / "weir-other-layout"
SECONDS = 10
UPGRADES, CONNECTIONS = 4, 8
SPARE_PORT = BACKEND_PORT + 1
SPARE = f"{BACKENDS[4][0]}:{SPARE_PORT}"
INTERVAL, TIMEOUT, FALL = 0.2, 0.2, 3
CHANGE = 1.0        # to compile what a check says
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
        listens += f" listen {SPARE};"
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


SENT_ON = "tc-sent-on"
each_hook = pytest.mark.parametrize("hook", (*HOOKS, SENT_ON))


def written(hook, capacity=300000):
    """A weir.yaml; SENT_ON: by `shortcut: tc`."""
    if hook == SENT_ON:
        return forwarding("tc", 4).replace('"capacity": 1000', f'"capacity": {capacity}')
    return config(4, hook=hook, capacity=capacity)


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

    def live(self):
        """Connections of the spare backend that are not over."""
        return self.daemon.ask("flow", "count", f"backend=echo/{SPARE} and state!=time_wait")[
            "total"]

    def spare(self):
        """A backend comes, serves, and is taken out once nothing of it lives any more."""
        self.daemon.ask("service", "backend", "add", "echo", SPARE)
        wait_for(self.live, "it serves")
        self.daemon.ask("service", "backend", "drain", "echo", SPARE)
        wait_for(lambda: not self.live(), "it is drained")
        self.daemon.ask("service", "backend", "del", "echo", SPARE)

    def neighbour(self):
        """Another service comes and goes."""
        self.daemon.ask("service", "add", "other", "--address", "10.78.1.101", "--port", "81",
                        "--backend", "10.78.2.99:81")
        self.daemon.ask("service", "del", "other")

    def reload(self):
        self.sizes += 1
        self.daemon.config.write_text(written(self.hook, (200000, 300000)[self.sizes % 2]))
        self.daemon.ask("reload")

    def restart(self):
        self.daemon.restart()

    def kill(self):
        self.daemon.kill()
        self.daemon.start()

    def run(self, seconds):
        ended = time.monotonic() + seconds
        acts = [self.weight, self.drain, self.spare, self.neighbour, self.reload,
                self.restart, self.kill]
        while time.monotonic() < ended or self.made < len(acts):
            acts[self.made % len(acts)]()
            self.made += 1


@contextlib.contextmanager
def asked_by_wrk(cluster, seconds):
    """A list, which ends up with what wrk says."""
    client = subprocess.Popen(cluster.client.command(
        "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", "Connection: close",
        f"http://{SERVICE[4]}/"), stdout=subprocess.PIPE, text=True)
    said = []
    try:
        yield said
        said.append(client.communicate(timeout=120 * SLOWNESS)[0])
    finally:
        client.kill()
        client.wait()


def none_failed(said):
    """How many were asked."""
    assert "Socket errors" not in said[0] and "Non-2xx" not in said[0], said[0]
    return int(re.search(r"(\d+) requests in", said[0])[1])


@pytest.mark.alone
@each_hook
def test_no_request_fails_whatever_is_changed(served, hook):
    with Daemon(served.gateway, config=written(hook)) as daemon:
        with asked_by_wrk(served, SECONDS) as said:
            edits = Edits(daemon, hook)
            edits.run(SECONDS - 1)
        requests = none_failed(said)
        print(hook, edits.made, "changes,", requests, "requests")
        assert requests > 1000
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


def failed(said):
    """How many requests did, as wrk counts them."""
    found = re.search("Socket errors: (.*)", said[0])
    return sum(map(int, re.findall(r"\d+", found[1]))) if found else 0


@pytest.mark.alone
@each_hook
@pytest.mark.parametrize("binary", ("next", "other layout"))
def test_another_version_takes_over_under_load(served, tmp_path, hook, binary):
    """One that lays its tables out in another way begins with empty ones: what it does not know yet
    is dropped for a while, and sent again."""
    other = OTHER_LAYOUT if binary == "other layout" else shutil.copy(WEIR, tmp_path / "weir-next")
    with Daemon(served.gateway, config=written(hook)) as daemon:
        with asked_by_wrk(served, 4) as said:
            upgrade(daemon, other)
        assert none_failed(said) > 1000
        drops = {reason for reason in daemon.reasons() if reason.startswith("drop")}
        assert drops <= ({"drop_early"} if binary == "other layout" else set())


def upgrade(daemon, other):
    """There and back, some killed before."""
    for number in range(UPGRADES):
        daemon.stop() if number % 2 else daemon.kill()
        daemon.binary = WEIR if number % 2 else other
        daemon.start()


# --- backends ------------------------------------------------------------------------------------

@pytest.mark.alone
def test_killed_backend_takes_nothing_but_its_own_with_it():
    """What fails begins before its checks can have told of it, and nothing is left waiting."""
    check = {"type": "tcp", "interval": f"{int(INTERVAL * 1000)}ms",
             "timeout": f"{int(TIMEOUT * 1000)}ms", "fall": FALL}
    text = config(4, capacity=300000).replace(
        '"name": "echo"', f'"name": "echo", "health": {json.dumps(check)}')
    with Cluster() as cluster, backends(cluster) as made, \
            Daemon(cluster.gateway, config=text) as daemon, Asker(cluster) as asker:
        wait_states(daemon, ["up"] * 3)
        with asked_by_wrk(cluster, 4) as said:
            assert set(asker.asked(100, time.monotonic())) == {0, 1, 2}
            died = made[1].kill()
            promised = died + (FALL * INTERVAL + TIMEOUT + CHANGE) * SLOWNESS
            assert set(asker.asked(200, promised)) == {0, 2}
        failed = [began for began, who in asker.rows if who is None]
        assert failed and died - 0.1 * SLOWNESS < min(failed) <= max(failed) < promised
        assert "timeout 0" in said[0] or "Socket errors" not in said[0], said[0]
        # By what the gateway saw: the dead one alone has refused anybody.
        stats = daemon.ask("service", "stats")["backends"]
        refused = {row["address"]: row["refused"] for row in stats}
        assert refused.pop(BACKENDS[4][1]) > 0 and set(refused.values()) == {0}, stats
        with asked_by_wrk(cluster, 1) as said:
            pass
        assert none_failed(said) > 100
