# SPDX-License-Identifier: Apache-2.0
"""nginx behind a gateway, wrk that asks it without end, and curl that downloads beside: whatever
fails is told, and whatever hangs: wrk itself says nothing of a request that is never answered."""
import contextlib
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from harness.counted import kernels
from harness.net import unique
from harness.programs import running, url
from harness.wait import SLOWNESS, wait_for

CONNECTIONS = 8
KEPT_FOR = 300          # requests that a connection is kept for: who is drained is so soon
FILE_BYTES, RATE = 3_000_000, "2m"
SILENT_MS = 2000 * SLOWNESS
# How long who is not answered may be so: longer than between two of the times that he asks again,
# a second after the first of them and seldom more than four within a test.
PATIENCE_S = 10
# What may be sent again while nothing is lost. A busy machine holds a segment up for the 200 ms
# that the kernel waits for its acknowledgement, and then those of all connections, wrk's and
# curl's: twice is let pass. A SYN is waited for for a second; one that has been sent a third time
# had none.
MOST_TIMEOUTS, MOST_SYNS = 2 * (CONNECTIONS + 1), 2
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


def is_silent(row):
    """Of `ss -tiO`."""
    said = dict(re.findall(r" (retrans|unacked|lastrcv):(\d+)", row))
    if row.startswith("SYN-SENT"):
        return "retrans" in said
    return "unacked" in said and int(said.get("lastrcv", 0)) > SILENT_MS


class Wrk:
    """Asks while it is entered; what it says is known behind that."""

    def __init__(self, cluster, address, keeps=False, patience_s=PATIENCE_S):
        closing = [] if keeps else ["-H", "Connection: close"]
        self.words = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d1h", *closing, url(address, "")]
        self.client, self.keeps, self.said = cluster.client, keeps, ""
        self.address, self.patience_s, self.left = address, patience_s, []

    def __enter__(self):
        self.before = kernels(self.client)
        self.process = subprocess.Popen(self.client.command(*self.words), stdout=subprocess.PIPE,
                                        text=True)
        try:
            wait_for(self.asks, "wrk asks")
        except BaseException:
            self.end()
            raise
        return self

    def asks(self):
        """It tries the address by one connection first, and gives up where that is refused. By the
        kernel's count: connections of one request come and go faster than ss can say whose they
        are."""
        assert self.process.poll() is None, "wrk was refused"
        opened = kernels(self.client)["TcpActiveOpens"] - self.before["TcpActiveOpens"]
        return opened > CONNECTIONS // 2

    def end(self):
        self.process.kill()
        self.process.communicate()

    def __exit__(self, kind, *_):
        try:
            if not kind:
                self.left = self.hanging()
                self.process.send_signal(signal.SIGINT)
                self.said = self.process.communicate(timeout=30 * SLOWNESS)[0]
        finally:
            self.process.kill()
            self.process.wait()
        self.counts = {name: count - self.before[name]
                       for name, count in kernels(self.client).items()}
        self.began = self.counts["TcpActiveOpens"]

    def sockets(self):
        """As ss has them."""
        end = f"[{self.address}]" if ":" in self.address else self.address
        rows = self.client.run("ss", "-tniHOp", "dst", end).stdout.splitlines()
        return [row for row in rows if f"pid={self.process.pid}," in row]

    def silent(self):
        """Its connections of which nothing is heard: a SYN that was sent again, or what was
        sent."""
        return [row for row in self.sockets() if is_silent(row)]

    def hanging(self):
        """Those that stay so."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not self.silent(), "who is not answered", self.patience_s)
        return self.silent()

    def failed(self):
        return self.left or "Socket errors" in self.said or "Non-2xx" in self.said

    def waits(self):
        """How many were answered too late, or not at all: none is left waiting for who is gone."""
        found = re.search(r"timeout (\d+)", self.said)
        return len(self.left) + (int(found[1]) if found else 0)

    def lost_nothing(self):
        """By what the client's kernel, for whoever asks there, had to send again. But a port that
        comes again while the backend remembers who had it before (TIME_WAIT) may be answered as if
        it was still he; that is reset, and the SYN is sent again: it was not lost."""
        syns, timeouts, resets, *aborts = (self.counts[f"Tcp{name}"] for name in (
            "ExtTCPSynRetrans", "ExtTCPTimeouts", "OutRsts", "ExtTCPAbortOnClose",
            "ExtTCPAbortOnData"))
        mistaken = resets - sum(aborts)
        assert syns - mistaken <= MOST_SYNS and timeouts - mistaken <= MOST_TIMEOUTS, (
            syns, timeouts, resets, aborts, self.said)

    def answered(self):
        """How many were, of whom none failed."""
        assert not self.failed(), (self.said, self.left)
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
