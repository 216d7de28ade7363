# SPDX-License-Identifier: Apache-2.0
"""Backends that can be killed, one nginx each; a client that asks the service again and again, and
what it was told when; the health of backends, as Weir says it."""
import contextlib
import datetime
import http.client
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, family_kind
from harness.wait import SLOWNESS, pause, wait_for

NGINX = """daemon off; master_process off; user root; pid {home}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    {listens}
    location / {{ return 200 "{index}"; }}
    location /health {{
      if (-f {home}/sick) {{ return 503 "not now"; }}
      return 200 "fine and well";
    }}
  }}
}}
"""


class Backend:
    """A web server that says which of them it is; what kills it leaves nobody at its port."""

    def __init__(self, place, index, folder, addresses, port):
        self.place, self.index, self.end = place, index, (addresses[4], port)
        self.home = folder / str(index)
        self.home.mkdir()
        self.process = None
        listens = f"listen {addresses[4]}:{port}; listen [{addresses[6]}]:{port};"
        (self.home / "conf").write_text(NGINX.format(home=self.home, index=index, listens=listens))

    def start(self):
        self.process = subprocess.Popen(
            self.place.command("nginx", "-e", "stderr", "-c", self.home / "conf"),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.listens, f"backend {self.index} listens")

    def listens(self):
        with self.place.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            return sock.connect_ex(self.end) == 0

    def kill(self):
        """At once; says when it was."""
        self.process.send_signal(signal.SIGKILL)
        at = time.monotonic()
        self.process.wait()
        return at

    def sick(self, is_sick):
        (self.home / "sick").touch() if is_sick else (self.home / "sick").unlink()
        return time.monotonic()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


@contextlib.contextmanager
def started(*rows):
    """One for each row: its namespace, number, addresses by family, and port."""
    with tempfile.TemporaryDirectory(prefix="weir-asked-") as folder, \
            contextlib.ExitStack() as stack:
        made = [Backend(place, index, Path(folder), *end) for place, index, *end in rows]
        for backend in made:
            stack.callback(backend.close)
            backend.start()
        yield made


def backends(cluster, which=range(3)):
    return started(*((cluster.backends, index, {4: BACKENDS[4][index], 6: BACKENDS[6][index]},
                      BACKEND_PORT) for index in which))


def members(cluster):
    """Of harness.direct: each has the service's address."""
    return started(*((member, index, SERVICE, PORT)
                     for index, member in enumerate(cluster.members)))


def servers(at):
    """Of harness.stand: those of the file."""
    return (members if at.is_direct else backends)(at.cluster)


def answer_of(sock):
    """Who answers, and closes the connection."""
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return int(answer.read())


class Asker:
    """Asks the service by a connection each, until closed: a row (when it began, who answered, or
    None) each."""

    def __init__(self, cluster, family=4):
        self.cluster, self.family, self.rows, self.ends = cluster, family, [], False
        self.thread = threading.Thread(target=self.run)

    def once(self):
        began = time.monotonic()
        try:
            with self.cluster.client.socket(family_kind(self.family),
                                            socket.SOCK_STREAM) as sock:
                sock.settimeout(2 * SLOWNESS)
                sock.connect((SERVICE[self.family], PORT))
                return began, answer_of(sock)
        except (OSError, http.client.HTTPException, ValueError):
            return began, None

    def run(self):
        while not self.ends:
            self.rows.append(self.once())
            pause(0.002)

    def since(self, at):
        return [who for began, who in self.rows if began >= at]

    def asked(self, count, since):
        """Waits for so many answers, or none, that begin from then on."""
        wait_for(lambda: len(self.since(since)) >= count, f"{count} requests", 30)
        return self.since(since)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()


class Keeper(Asker):
    """Likewise by connections that it keeps, each in its turn. `lost` are the rows of those that
    failed, with who had served the connection before, None of one that was just begun."""

    def __init__(self, cluster, family=4, count=30):
        """`count`: of three backends each has one then; of twelve connections one run in forty had
        a backend without."""
        super().__init__(cluster, family)
        self.kept, self.lost = [None] * count, []

    def unopened(self):
        made = http.client.HTTPConnection(SERVICE[self.family], PORT)
        made.auto_open = False          # it would be opened where this process is
        made.sock = self.cluster.client.socket(family_kind(self.family), socket.SOCK_STREAM)
        made.sock.settimeout(2 * SLOWNESS)
        return made

    def once(self):
        at, began = len(self.rows) % len(self.kept), time.monotonic()
        connection, before = self.kept[at] or (self.unopened(), None)
        self.kept[at] = None
        try:
            if before is None:
                connection.sock.connect((SERVICE[self.family], PORT))
            connection.request("GET", "/")
            who = int(connection.getresponse().read())
            self.kept[at] = connection, who
            return began, who
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            self.lost.append((began, before))
            return began, None

    def servers(self):
        return {kept[1] for kept in self.kept if kept}

    def __exit__(self, *_):
        super().__exit__()
        for connection, _ in filter(None, self.kept):
            connection.close()


def health(daemon):
    """Address -> what is said of that backend."""
    return {row["address"]: row for row in daemon.ask("service", "health")["backends"]}


def went_down(daemon, address):
    """When the daemon told so last, by time.monotonic()."""
    when = max(datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp()
               for row in daemon.ask("events", "--kind", "health_down")["events"]
               if row["address"] == address)
    return when - time.time() + time.monotonic()


def states(daemon, family=4):
    """Of the backends in their order; None for who is not checked."""
    said = health(daemon)
    return [said.get(address, {}).get("state") for address in BACKENDS[family]]


def wait_states(daemon, wanted, family=4, seconds=30):
    wait_for(lambda: states(daemon, family) == list(wanted),
             f"states {wanted}, now {states(daemon, family)}", seconds)
