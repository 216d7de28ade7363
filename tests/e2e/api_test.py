# SPDX-License-Identifier: Apache-2.0
"""The API of a real daemon: roles, refusals, revisions, TLS, streams, hostile clients."""
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

from harness.daemon import Daemon
from harness.net import Namespace
from harness.wait import SLOWNESS, pause, wait_for

pytestmark = pytest.mark.outside

PORT = 11811
ROLES = ("none", "viewer", "operator", "admin")
STALE = '"999999999"'


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read()

    @property
    def json(self):
        return json.loads(self.text)


class ApiDaemon(Daemon):
    """A daemon that listens on TCP, too, and a client of both doors."""

    def start(self):
        super().start()
        rows = json.loads((self.state / "tokens.json").read_text())["tokens"]
        self.tokens = {row["role"]: row["token"] for row in rows}
        return self

    def connect(self, source="127.0.0.1"):
        with self.namespace.entered():
            return socket.create_connection(("127.0.0.1", PORT), 10 * SLOWNESS, (source, 0))

    def connect_unix(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10 * SLOWNESS)
        sock.connect(str(self.socket))
        return sock

    def http(self, method, path, role="none", body=None, headers=None, unix=False, tls=None):
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.sock = self.connect_unix() if unix else self.connect()
        if tls:
            connection.sock = tls.wrap_socket(connection.sock, server_hostname="127.0.0.1")
        headers = dict(headers or {})
        if role != "none":
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()


@contextlib.contextmanager
def running(config=""):
    namespace = Namespace("api")
    try:
        with ApiDaemon(namespace, config, label="api") as daemon:
            yield daemon
            assert daemon.process.poll() is None, daemon.log()
            daemon.stop()
    finally:
        namespace.delete()


@pytest.fixture(scope="module")
def daemon():
    with running() as running_daemon:
        yield running_daemon


# --- who may ask what ---------------------------------------------------------------------------

def test_roles_reach_exactly_the_operations_of_the_table(daemon):
    operations = daemon.http("GET", "/api/v1/operations", "viewer").json["operations"]
    assert {"status", "apply", "rollback"} <= {row["name"] for row in operations}
    for row in operations:
        for role in ROLES:
            # A stale revision keeps every change from being made; the role is judged before.
            headers = {"If-Match": STALE, "Content-Type": "application/json"}
            answer = daemon.http(row["method"], row["route"], role, headers=headers)
            if role == "none":
                assert answer.status == 401, row
            elif ROLES.index(role) < ROLES.index(row["role"]):
                assert answer.status == 403, (row, role)
            else:
                assert answer.status not in (401, 403, 404, 405), (row, role, answer.text)


def test_tokens_are_for_the_owner_only(daemon):
    assert (daemon.state / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_wrong_tokens_are_refused_and_never_logged(daemon):
    secret = "f" * 64
    answer = daemon.http("GET", "/api/v1/status", headers={"Authorization": "Bearer " + secret})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert daemon.http("GET", f"/api/v1/status?token={daemon.tokens['admin']}").status == 401
    log = daemon.log()
    assert secret not in log
    assert not any(token in log for token in daemon.tokens.values())


def test_open_resources_need_no_token(daemon):
    assert daemon.http("GET", "/healthz").json["status"] == "ok"
    assert daemon.http("GET", "/metrics").status == 200


CLIENT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except PermissionError:
    sys.exit("not let in")
s.sendall(sys.argv[2].encode() + b" HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
print(s.makefile().readline().split()[1])
"""


def ask_as(daemon, group, line):
    done = subprocess.run(["setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups",
                           "/usr/bin/python3", "-c", CLIENT, daemon.socket, line],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.stdout.strip() or done.stderr.strip()


def test_unix_socket_tells_root_group_and_others_apart():
    with running("api:\n  socket-group: nogroup\n") as daemon:
        assert daemon.http("POST", "/api/v1/rollback", headers={"If-Match": STALE},
                          unix=True).status == 409
        assert ask_as(daemon, "nogroup", "GET /api/v1/status") == "200"
        assert ask_as(daemon, "nogroup", "POST /api/v1/rollback") == "403"
        assert ask_as(daemon, "games", "GET /api/v1/status") == "not let in"


# --- refusals -----------------------------------------------------------------------------------

@pytest.mark.parametrize("method, path, headers, body, status", [
    ("GET", "/api/v1/nothing", {}, None, 404),
    ("GET", "/", {}, None, 404),
    ("GET", "/api/v1/rollback", {}, None, 405),
    ("DELETE", "/api/v1/status", {}, None, 405),
    ("POST", "/api/v1/status", {}, None, 405),
    ("GET", "/api/v1/status?unknown=1", {}, None, 400),
    ("POST", "/api/v1/rollback", {"Content-Type": "text/plain"}, "{}", 415),
    ("POST", "/api/v1/rollback", {"Content-Type": "application/json"}, "{", 400),
    ("POST", "/api/v1/rollback", {"Content-Type": "application/json"}, "[]", 400),
    ("POST", "/api/v1/rollback", {"Content-Type": "application/json"}, '{"x":1}', 400),
    ("POST", "/api/v1/rollback", {"If-Match": "W/\"1\""}, None, 400),
    ("POST", "/api/v1/rollback", {"If-Match": STALE}, None, 409),
    ("POST", "/api/v1/rollback", {"Content-Type": "application/json"}, " " * 2000000, 413),
    ("GET", "/healthz", {"Host": "evil.example"}, None, 421),
    ("GET", "/healthz", {"Origin": "https://evil.example"}, None, 403),
], ids=itertools.count())
def test_refusal_has_its_status_and_says_why(daemon, method, path, headers, body, status):
    answer = daemon.http(method, path, "admin", body, headers)
    assert answer.status == status, answer.text
    refusal = answer.json
    assert refusal["error"] and refusal["problems"][0]["what"] == refusal["error"]
    assert answer.headers["ETag"] == f'"{refusal["revision"]}"'


def test_wrong_method_names_the_right_ones(daemon):
    answer = daemon.http("DELETE", "/api/v1/status", "viewer")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_bad_json_is_refused_with_its_place(daemon):
    answer = daemon.http("POST", "/api/v1/rollback", "admin", '{"a":\n  oops}',
                        {"Content-Type": "application/json"})
    assert (answer.status, answer.json["problems"][0]["line"]) == (400, 2)


def test_refused_configuration_says_line_and_cure_and_changes_nothing(daemon):
    before = daemon.http("GET", "/api/v1/status", "viewer").headers["ETag"]
    answer = daemon.http("POST", "/api/v1/apply", "admin", "api:\n  listne: 1\n")
    problem = answer.json["problems"][0]
    assert (answer.status, problem["line"], problem["column"]) == (400, 2, 3)
    assert problem["mend"]
    assert daemon.http("GET", "/api/v1/status", "viewer").headers["ETag"] == before


# --- revisions ----------------------------------------------------------------------------------

def test_stale_writer_gets_the_live_revision_and_changes_nothing(daemon):
    first = daemon.http("GET", "/api/v1/status", "viewer").headers["ETag"]
    config = f"events:\n  keep: {random.randrange(1001, 2000)}\n"
    done = daemon.http("POST", "/api/v1/apply", "admin", config, {"If-Match": first})
    assert done.status == 200
    second = done.headers["ETag"]
    assert second != first
    late = daemon.http("POST", "/api/v1/apply", "admin", "events:\n  keep: 5\n",
                       {"If-Match": first})
    assert late.status == 409
    assert f'"{late.json["revision"]}"' == second
    assert daemon.http("GET", "/api/v1/config/show", "operator").json["text"] == config


# --- TLS and reload -----------------------------------------------------------------------------

def make_certificate(home, stem):
    certificate, key = home / f"{stem}.pem", home / f"{stem}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=weir", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    return certificate, key


def status_by(daemon, tls):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return daemon.http("GET", "/healthz", tls=tls).status


def test_tls_goes_on_and_off_by_reload():
    with running() as daemon:
        certificate, key = make_certificate(daemon.home, "a")
        trusted = ssl.create_default_context(cafile=certificate)
        config = f"api:\n  certificate: {certificate}\n  key: {key}\n"
        assert status_by(daemon, None) == 200
        daemon.reload(config)
        wait_for(lambda: status_by(daemon, trusted) == 200, "TLS is on")
        assert status_by(daemon, None) != 200

        old = ssl.create_default_context(cafile=certificate)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert status_by(daemon, old) is None
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert status_by(daemon, old) == 200

        # A key that does not fit is refused, and the door stays as it is.
        _, other_key = make_certificate(daemon.home, "b")
        daemon.reload(config.replace(str(key), str(other_key)))
        wait_for(lambda: "cannot be used together" in daemon.log(), "a refusal")
        assert status_by(daemon, trusted) == 200

        daemon.reload("")
        wait_for(lambda: status_by(daemon, None) == 200, "TLS is off")


def test_new_tokens_count_after_a_reload():
    with running() as daemon:
        token = "0123456789abcdef" * 4
        (daemon.state / "tokens.json").write_text(json.dumps(
            {"tokens": [{"name": "only", "role": "viewer", "token": token}]}))
        daemon.reload("")
        headers = {"Authorization": "Bearer " + token}
        wait_for(lambda: daemon.http("GET", "/api/v1/status", headers=headers).status == 200,
                 "the new token counts")
        assert daemon.http("GET", "/api/v1/status", "admin").status == 401


# --- streams, metrics, documents ----------------------------------------------------------------

def test_stream_tells_a_change_and_every_second_the_totals(daemon):
    sock = daemon.connect()
    sock.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
                 + daemon.tokens["viewer"].encode() + b"\r\n\r\n")
    lines = sock.makefile("r", newline="\n")
    while lines.readline() != ": weir\n":
        pass
    config = f"events:\n  keep: {random.randrange(2001, 3000)}\n"
    assert daemon.http("POST", "/api/v1/apply", "admin", config).status == 200
    kinds, ids = [], []
    while "change" not in kinds or kinds.count("snapshot") < 2:
        line = lines.readline()
        if line.startswith("event: "):
            kinds.append(line[7:].strip())
        if line.startswith("id: "):
            ids.append(int(line[4:]))
    assert ids == sorted(set(ids))
    sock.close()


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^{}]*\})? (\S+)')


def test_metrics_are_in_exposition_format(daemon):
    text = daemon.http("GET", "/metrics").text.decode()
    types, last = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            last = line.split()[2]
            assert last not in types, f"{last} has two HELP lines"
        elif line.startswith("# TYPE "):
            assert line.split()[2] == last
            types[last] = line.split()[3]
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match[1] == last, line
            float(match[3])
            assert types[last] != "counter" or last.endswith("_total"), line
    assert {"weir_build_info", "weir_revision", "process_resident_memory_bytes"} <= set(types)
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_openapi_describes_every_operation_and_refers_to_what_is_there(daemon):
    document = daemon.http("GET", "/api/v1/openapi.json", "viewer").json
    operations = daemon.http("GET", "/api/v1/operations", "viewer").json["operations"]
    assert document["openapi"].startswith("3.1.")
    for row in operations:
        entry = document["paths"][row["route"]][row["method"].lower()]
        assert entry["operationId"] == row["name"]
        assert entry["security"] == [{"bearer": [row["role"]]}]
        given = set(document["paths"][row["route"]][row["method"].lower()]["responses"])
        assert {"200", "400", "401", "403"} <= given
    for reference in references(document):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


# --- hostile clients ----------------------------------------------------------------------------

HOSTILE_REQUESTS = 10000
HOSTILE_PROCESSES = 8
IDLE_CONNECTIONS = 500
ANSWER_WITHIN_S = 0.1 * SLOWNESS
WORST_S = 2 * SLOWNESS


def hostile_request(dice, admin):
    """What no good client sends; some carry a right token, to get past the first guard."""
    token = b"Authorization: Bearer " + admin.encode() + b"\r\n"
    to_host = b" HTTP/1.1\r\nHost: localhost\r\n"
    to_json = b"Host: localhost\r\nContent-Type: application/json\r\n" + token
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    noise = dice.randbytes(dice.randrange(1, 400))
    return dice.choice((
        lambda: noise,
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise,
        lambda: b"GET /" + noise.hex().encode() + to_host + token + b"\r\n",
        lambda: b"GET /api/v1/%00%ff/../../etc/passwd" + to_host + token + b"\r\n",
        lambda: b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                + noise.hex().encode() + b"\r\n\r\n",
        lambda: b"GET /api/v1/status?" + b"&".join(b"a%d=1" % n for n in range(500))
                + b" HTTP/1.1\r\nHost: localhost\r\n" + token + b"\r\n",
        lambda: dice.choice((b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"BREW"))
                + b" /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" + token + b"\r\n",
        lambda: b"GET / HTTP/1.1\r\n\r\n",
        lambda: b"GET /healthz HTTP/9.9\r\nHost: evil.example\r\n\r\n",
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Content-Length: 6\r\n\r\n{\"a\":,",
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json + b"Content-Length: 20000\r\n\r\n"
                + b"[" * 20000,
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json + b"Content-Length: -5\r\n\r\n",
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Content-Length: 99999999999999999999\r\n\r\n",
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Content-Length: 3000000\r\n\r\n" + b" " * 3000000,
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Transfer-Encoding: chunked\r\n\r\n" + b"fffffffffffffffff\r\n" + noise,
        lambda: b"POST /api/v1/rollback HTTP/1.1\r\n" + to_json
                + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 80,
        lambda: b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 100000 + b"\r\n\r\n",
        lambda: b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        lambda: b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30,
        lambda: b"POST /api/v1/apply HTTP/1.1\r\nHost: localhost\r\n" + token
                + b"Content-Length: %d\r\n\r\n" % len(noise) + noise,
    ))()


def hostile_client(daemon, seed, number):
    """Sends, reads a little or nothing, leaves. Says whether it reached the server each time."""
    dice = random.Random(seed)
    made = 0
    for _ in range(number):
        with contextlib.suppress(OSError):
            with daemon.connect(source=f"127.0.2.{dice.randrange(1, 255)}") as sock:
                made += 1
                sock.settimeout(0.1)
                sock.sendall(hostile_request(dice, daemon.tokens["admin"]))
                if dice.random() < 0.5:
                    sock.recv(4096)
    return made == number


def idle_client(daemon):
    """500 connections of some 20 addresses, with nothing or half a line to say; they come again."""
    socks = []
    while True:
        with contextlib.suppress(OSError):
            socks.append(daemon.connect(source=f"127.0.1.{random.randrange(1, 20)}"))
            socks[-1].sendall(b"GET /hea" if len(socks) % 2 else b"\r")
        if len(socks) >= IDLE_CONNECTIONS:
            for sock in socks[:50]:
                sock.close()
            del socks[:50]
            pause(0.05)


def forked(work, *arguments):
    """In a process of lower priority: hostile clients do not run on the daemon's machine."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.nice(10)
            status = 0 if work(*arguments) else 1
        finally:
            os._exit(status)
    return pid


def has_ended(pid):
    ended, status = os.waitpid(pid, os.WNOHANG)
    assert status == 0, "a hostile client did not reach the server"
    return ended == pid


def seconds_to_answer(daemon, unix):
    start = time.monotonic()
    while True:
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            assert daemon.http("GET", "/healthz", unix=unix).status == 200
            return time.monotonic() - start


@pytest.mark.alone
def test_hostile_clients_do_not_keep_others_waiting(daemon, record_property):
    each = HOSTILE_REQUESTS // HOSTILE_PROCESSES
    attackers = [forked(hostile_client, daemon, seed, each) for seed in range(HOSTILE_PROCESSES)]
    idle = forked(idle_client, daemon)
    times = {"tcp": [], "unix": []}
    try:
        while attackers:
            for door, found in times.items():
                found.append(seconds_to_answer(daemon, door == "unix"))
            attackers = [pid for pid in attackers if not has_ended(pid)]
            pause(0.01)
    finally:
        for pid in attackers + [idle]:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    for door, found in times.items():
        found.sort()
        print(f"{door}: {len(found)} answers, median {found[len(found) // 2] * 1000:.1f} ms, "
              f"p99 {found[len(found) * 99 // 100] * 1000:.1f} ms, "
              f"worst {[round(t * 1000, 1) for t in found[-5:]]} ms", file=sys.stderr)
    for door, found in times.items():
        record_property(f"{door}_worst_ms", round(found[-1] * 1000, 1))
        assert len(found) > 20
        # The worst is the machine's, which may have others to serve.
        median, worst = found[len(found) // 2], found[-1]
        assert median < ANSWER_WITHIN_S and worst < WORST_S, (door, median, worst)
    assert seconds_to_answer(daemon, False) < ANSWER_WITHIN_S
    assert daemon.http("GET", "/api/v1/status", "viewer").status == 200


def test_head_that_never_ends_is_cut():
    with running("api:\n  idle-timeout: 1s\n") as daemon:
        sock = daemon.connect()
        sock.settimeout(0.2)
        start = time.monotonic()

        def is_cut():
            with contextlib.suppress(TimeoutError):
                sock.sendall(b"X")
                return sock.recv(1) == b""

        with contextlib.suppress(ConnectionError):
            wait_for(is_cut, "a client that sends a byte at a time is cut", 8)
        assert time.monotonic() - start < 5 * SLOWNESS
        sock.close()
