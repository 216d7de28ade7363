# SPDX-License-Identifier: Apache-2.0
"""nginx behind a gateway, wrk that asks it without end, and curl that downloads beside: whatever
fails is told."""
import contextlib
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from harness.net import unique
from harness.programs import running, url
from harness.wait import SLOWNESS, wait_for

CONNECTIONS = 8
KEPT_FOR = 300          # requests that a connection is kept for: who is drained is so soon
FILE_BYTES, RATE = 3_000_000, "2m"
NGINX = """daemon off; user root; worker_processes 1; pid {home}/{name}.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests {kept_for}; client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  server {{
    {listens}
    location / {{ return 200 "here"; }}
    location /fast {{ alias {home}/file; }}
    location /slow {{ alias {home}/file; limit_rate {rate}; }}
  }}
}}
"""


@contextlib.contextmanager
def pages(places):
    """nginx in each of the namespaces, at those ends; gives the hash of what it has."""
    with tempfile.TemporaryDirectory(prefix="weir-pages-") as folder, \
            contextlib.ExitStack() as stack:
        home, content = pathlib.Path(folder), os.urandom(FILE_BYTES)
        home.chmod(0o755)
        (home / "file").write_bytes(content)
        for place, ends in places:
            conf = home / unique("nginx")
            conf.write_text(NGINX.format(
                home=home, name=conf.name, kept_for=KEPT_FOR, rate=RATE,
                listens=" ".join(f"listen {end};" for end in ends)))
            stack.enter_context(running(place, "nginx", "-e", "stderr", "-c", conf))
            wait_for(lambda: all(is_served(place, end) for end in ends), f"nginx at {ends}")
        yield hashlib.sha256(content).hexdigest()


def is_served(place, end):
    return f" {end} " in place.run("ss", "-Hltn").stdout


class Wrk:
    """Asks while it is entered; what it says is known behind that."""

    def __init__(self, cluster, address, keeps=False):
        closing = [] if keeps else ["-H", "Connection: close"]
        self.words = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d1h", *closing, url(address, "")]
        self.client, self.keeps, self.said = cluster.client, keeps, ""

    def opened(self):
        """Connections that the client's kernel has begun."""
        names, values = (line.split() for line in self.client.run(
            "cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Tcp:"))
        return int(values[names.index("ActiveOpens")])

    def __enter__(self):
        self.before = self.opened()
        self.process = subprocess.Popen(self.client.command(*self.words), stdout=subprocess.PIPE,
                                        text=True)
        return self

    def __exit__(self, kind, *_):
        try:
            if not kind:
                self.process.send_signal(signal.SIGINT)
                self.said = self.process.communicate(timeout=30 * SLOWNESS)[0]
        finally:
            self.process.kill()
            self.process.wait()
        self.began = self.opened() - self.before

    def failed(self):
        return "Socket errors" in self.said or "Non-2xx" in self.said

    def waits(self):
        """How many were answered too late: none is left waiting for who is gone."""
        found = re.search(r"timeout (\d+)", self.said)
        return int(found[1]) if found else 0

    def answered(self):
        """How many were, of whom none failed."""
        assert not self.failed(), self.said
        return int(re.search(r"(\d+) requests in", self.said)[1])

    def is_as_meant(self):
        """By the connections that the client has begun meanwhile, of which few are others'."""
        return self.began < self.answered() / 20 if self.keeps else self.began >= self.answered()


class Downloads:
    """curl again and again while it is entered: two files by one connection, of which one comes so
    slowly that much may happen meanwhile."""

    def __init__(self, cluster, address, wanted):
        self.client, self.wanted = cluster.client, wanted * 2
        self.urls = [url(address, name) for name in ("slow", "fast")]
        self.whole, self.failures, self.ends = 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends:
            done = self.client.run("curl", "-sSf", "-m", 60 * SLOWNESS, *self.urls, text=False,
                                   check=False)
            got = hashlib.sha256(done.stdout[:FILE_BYTES]).hexdigest() \
                + hashlib.sha256(done.stdout[FILE_BYTES:]).hexdigest()
            if done.returncode or got != self.wanted:
                self.failures.append((done.returncode, len(done.stdout), done.stderr))
            else:
                self.whole += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()
