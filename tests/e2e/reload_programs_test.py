# SPDX-License-Identifier: Apache-2.0
"""Programs that everybody runs see nothing of reloads: nothing is dropped, nobody has an error."""
import itertools
import json
import re
import subprocess
import time

import pytest

from harness.net import Pair
from harness.site import configured, drops, flows, reload, told
from harness.wait import SLOWNESS, wait_for


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


class Servers:
    """iperf3 and nginx inside, their clients outside, both families."""
    NGINX = """daemon off; pid {home}/pid; error_log {home}/error; worker_processes 1;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{ listen 80; listen [::]:80; location / {{ return 200 "here"; }} }} }}
"""

    def __init__(self, pair, home):
        self.pair, self.servers, self.clients = pair, [], {}
        (home / "conf").write_text(self.NGINX.format(home=home))
        self.serve("nginx", "-p", str(home), "-c", str(home / "conf"), "-e", str(home / "error"))
        for port in (5201, 5202):
            self.serve("iperf3", "-s", "-p", port)
        for port in (80, 5201, 5202):
            wait_for(lambda at=port: f":{at} " in pair.inside.run("ss", "-Hltn").stdout,
                     f"port {port} is served")

    def serve(self, *words):
        self.servers.append(subprocess.Popen(self.pair.inside.command(*words),
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def ask(self, name, *words):
        self.clients[name] = subprocess.Popen(self.pair.outside.command(*words),
                                              stdout=subprocess.PIPE, text=True)

    def iperf(self, seconds):
        for version, port in (("v4", 5201), ("v6", 5202)):
            self.ask(f"iperf3 {version}", "iperf3", "-c", getattr(self.pair, f"inside_{version}"),
                     "-p", port, "--bidir", "-b", "300M", "-t", seconds, "-J")

    def wrk(self, seconds):
        """A connection for each request, so that flows begin all the time."""
        for version, host in (("v4", self.pair.inside_v4), ("v6", f"[{self.pair.inside_v6}]")):
            self.ask(f"wrk {version}", "wrk", "-t1", "-c4", f"-d{seconds}s", "-H",
                     "Connection: close", f"http://{host}/")

    def answers(self):
        """What each client printed; all must have ended well."""
        said = {name: client.communicate(timeout=120 * SLOWNESS)[0]
                for name, client in self.clients.items()}
        assert not any(client.returncode for client in self.clients.values()), said
        return said

    def close(self):
        """By a request: nginx that is killed leaves its worker behind."""
        for process in (*self.clients.values(), *self.servers):
            process.terminate()
        for process in (*self.clients.values(), *self.servers):
            process.wait(20 * SLOWNESS)


@pytest.mark.outside
@pytest.mark.alone
@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_iperf_and_wrk_see_nothing_of_reloads(weir_daemon, pair, tmp_path, hook):
    seconds = 12
    daemon = weir_daemon(pair.inside, config=configured(200000, 20000, is_open=True, hook=hook))
    servers = Servers(pair, tmp_path)
    sizes = itertools.cycle([(200000, 20000), (200000, 30000), (300000, 30000), (300000, 20000)])
    try:
        servers.iperf(seconds + 3)
        wait_for(lambda: len([key for key in flows(daemon) if key[4] in (5201, 5202)]) >= 6,
                 "iperf3 has begun")
        servers.wrk(seconds)
        ended, count = time.monotonic() + seconds, 0
        while time.monotonic() < ended:
            count += 1
            reload(daemon, configured(*next(sizes), hook=hook))
        said = servers.answers()
    finally:
        servers.close()
    for name in ("wrk v4", "wrk v6"):
        assert "Socket errors" not in said[name] and "Non-2xx" not in said[name], said[name]
        print(hook, count, "reloads,", re.search(r"\d+ requests in .*", said[name])[0])
    for name in ("iperf3 v4", "iperf3 v6"):
        end = json.loads(said[name])["end"]
        print(hook, name, f"{end['sum_sent']['bytes']:,} bytes there, "
              f"{end['sum_sent_bidir_reverse']['bytes']:,} back, sent again: "
              f"{end['sum_sent']['retransmits']} there, "
              f"{end['sum_sent_bidir_reverse']['retransmits']} back")
    assert not drops(daemon), str(told(daemon))
