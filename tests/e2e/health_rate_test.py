# SPDX-License-Identifier: Apache-2.0
"""What 10,000 backends cost that are checked 2,000 times a second: by processor time of the daemon,
which has one core, as the server has."""
import json
import os
import pathlib
import tempfile
import time

import pytest

from harness.daemon import Daemon
from harness.net import Namespace
from harness.programs import listens, running
from harness.wait import pause, wait_for

BACKENDS, PORT = 10_000, 8080
INTERVAL = 5.0
RATE = BACKENDS / INTERVAL
SECONDS = 10

NGINX = """daemon off; master_process off; user root; pid {home}/pid; error_log stderr crit;
worker_rlimit_nofile 65536;
events {{ worker_connections 20000; multi_accept on; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ listen 0.0.0.0:{port} backlog=8192; location / {{ return 200 "fine"; }} }}
}}
"""


@pytest.fixture(scope="module")
def place():
    """One host that has all addresses of the backends, and a server that has them all."""
    namespace = Namespace("rate")
    try:
        namespace.run("ip", "route", "add", "local", "10.80.0.0/16", "dev", "lo")
        namespace.run("sysctl", "-qw", "net.core.somaxconn=8192")
        with tempfile.TemporaryDirectory(prefix="weir-rate-") as home:
            conf = pathlib.Path(home) / "conf"
            conf.write_text(NGINX.format(home=home, port=PORT))
            with running(namespace, "taskset", "-c", "1", "nginx", "-e", "stderr", "-c", conf):
                wait_for(lambda: listens(namespace, PORT), "the server listens")
                yield namespace
    finally:
        namespace.delete()


def config(kind):
    backends = [{"address": f"10.80.{index >> 8}.{index & 255}"} for index in range(BACKENDS)]
    service = {"name": "all", "address": "10.79.0.1", "port": PORT, "backends": backends,
               "health": {"type": kind, "interval": f"{int(INTERVAL * 1000)}ms",
                          "timeout": "4s"}}
    return f"api: {{listen: off}}\nbalance: {json.dumps({'services': [service]})}\n"


def cpu_seconds(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def totals(daemon):
    rows = daemon.ask("service", "health")["backends"]
    return [sum(row[key] for row in rows) for key in ("checks", "failed", "unasked")]


def measured(daemon):
    """Checks a second, failures and checks that could not be made, share of a core."""
    began, cpu, before = time.monotonic(), cpu_seconds(daemon.process.pid), totals(daemon)
    pause(SECONDS)
    after, seconds = totals(daemon), time.monotonic() - began
    share = (cpu_seconds(daemon.process.pid) - cpu) / seconds
    return ((after[0] - before[0]) / seconds, after[1] - before[1], after[2] - before[2], share)


@pytest.mark.alone
@pytest.mark.outside
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a core for the daemon, one for the server")
@pytest.mark.parametrize("kind", ("tcp", "http"))
def test_two_thousand_checks_a_second_take_less_than_a_core(place, kind):
    with Daemon(place, config=config(kind), prefix=("taskset", "-c", "0")) as daemon:
        wait_for(lambda: all(row["state"] == "up" for row in
                             daemon.ask("service", "health")["backends"]), "all are up", 30)
        rate, failed, unasked, share = measured(daemon)
        said = (f"{kind}: {rate:.0f}/s, {failed} failed, {unasked} unasked, {share:.3f} of a core: "
                f"{rate / share:.0f}/s a core")
        print(said)
        # What the server is slow to answer on a busy machine comes late, and is no failure here.
        assert rate >= 0.8 * RATE and not failed and not unasked, said
        assert rate / share >= 2000, said
