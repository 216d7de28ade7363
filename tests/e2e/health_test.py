# SPDX-License-Identifier: Apache-2.0
"""Backends that die and come back while a client goes on asking: who gets connections when, and
what is said of it."""
import contextlib
import http.client
import os
import pathlib
import socket
import subprocess
import tempfile
import time

import pytest

from harness.asked import Asker, backends, health, states, wait_states, went_down
from harness.balanced import echo, policy, watched
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Refused
from harness.programs import running
from harness.wait import SLOWNESS, wait_for

INTERVAL, TIMEOUT, RISE, FALL = 0.3 * SLOWNESS, 0.2 * SLOWNESS, 2, 3
HOLD = int(4 * SLOWNESS)
# For what is joined to one change, and to compile that.
CHANGE = 1.0
# A check is late where a policy is compiled just then, or the machine is busy with all that asks.
LATE = 0.5
FAMILIES = (4, 6)


def span(seconds):
    """As Weir writes it."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    return (f"{whole}s" if whole else "") + (f"{rest}ms" if rest else "")


TIMED_OUT = f"timed out after {span(TIMEOUT)}"


def check(kind="tcp", **more):
    return {"type": kind, "interval": span(INTERVAL), "timeout": span(TIMEOUT), "rise": RISE,
            "fall": FALL, **more}


def config(health=None, family=4, which=range(3), more=None, proto="tcp"):
    weights = [1 if index in which else None for index in range(3)]
    checks = {"health": health} if health else {}
    return policy([echo(family, weights, proto, name="web", **checks, **(more or {}))],
                  capacity=100000)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def dies_and_comes_back(daemon, asker, dies, comes, index=1, family=4):
    """`dies` and `comes` do it to backend 1, and say when it was."""
    others = set(range(3)) - {index}
    assert set(asker.asked(200, 0)) == {0, 1, 2}
    died = dies()
    wait_for(lambda: states(daemon, family)[index] == "down", "it is down")
    said = went_down(daemon, BACKENDS[family][index])
    assert said < died + FALL * INTERVAL + TIMEOUT + LATE * SLOWNESS
    after = died + FALL * INTERVAL + TIMEOUT + CHANGE * SLOWNESS
    assert set(asker.asked(200, after)) == others, "somebody met it, or nobody"
    came = comes()
    after = came + RISE * INTERVAL + TIMEOUT + CHANGE * SLOWNESS
    assert set(asker.asked(200, after)) == {0, 1, 2}
    assert states(daemon, family)[index] == "up"


@pytest.mark.parametrize("family", FAMILIES)
def test_killed_backend_is_avoided_until_it_is_back(cluster, family):
    def start():
        made[1].start()
        return asker.rows[-1][0]

    with backends(cluster) as made, watched(cluster, config(check(), family)) as daemon, \
            Asker(cluster, family) as asker:
        wait_states(daemon, ["up"] * 3, family)
        dies_and_comes_back(daemon, asker, made[1].kill, start, family=family)


def test_state_says_since_when_and_why(cluster):
    with backends(cluster) as made, watched(cluster, config(check())) as daemon:
        wait_states(daemon, ["up"] * 3)
        assert health(daemon)[BACKENDS[4][0]]["reason"] == "connected"
        made[0].kill()
        wait_states(daemon, ["down", "up", "up"])
        row = health(daemon)[BACKENDS[4][0]]
        assert row["reason"] == "connect: refused" and row["failed"] >= FALL
        assert row["checks"] > row["failed"] and row["unasked"] == 0
        said = daemon.say("service", "health", "web")
        assert "connect: refused" in said and BACKENDS[4][0] in said
        with pytest.raises(Refused, match="there is no service 'other'"):
            daemon.ask("service", "health", "other")


def test_backend_that_answers_nothing_is_down(cluster):
    dropped = ("iptables", "-I", "INPUT", "-d", BACKENDS[4][2], "-j", "DROP")
    with backends(cluster), watched(cluster, config(check())) as daemon:
        wait_states(daemon, ["up"] * 3)
        cluster.backends.run(*dropped)
        try:
            wait_states(daemon, ["up", "up", "down"])
            assert health(daemon)[BACKENDS[4][2]]["reason"] == TIMED_OUT
        finally:
            cluster.backends.run("iptables", "-D", *dropped[2:])
        wait_states(daemon, ["up"] * 3)


def test_port_of_its_own_is_what_is_asked(cluster):
    """The service's connections stay; the port that is asked is one that nobody listens at."""
    with serving(cluster, 4), watched(cluster, config(check(port=BACKEND_PORT + 1))) as daemon, \
            Client(cluster, 4) as client:
        wait_states(daemon, ["down"] * 3)
        wait_for(lambda: gone(cluster), "new connections are refused")
        assert client.echoes(b"on and on"), "what lives is not cut"
        assert daemon.reasons()["drop_no_backend"] >= 1


def gone(cluster):
    try:
        Client(cluster, 4, seconds=0.2).close()
    except OSError:
        return True
    return False


def test_all_down_are_kept_where_the_service_wants_it(cluster):
    with serving(cluster, 4), watched(cluster, config(
            check(port=BACKEND_PORT + 1), more={"on-all-down": "keep-all"})) as daemon:
        wait_states(daemon, ["down"] * 3)
        # Who went down first is avoided until all are.
        wait_for(lambda: chosen(cluster, 40) == set(BACKENDS[4]), "all are kept")


def changes(daemon):
    return {row.get("what") for row in daemon.ask("events")["events"] if row["kind"] == "change"}


def chosen(cluster, count):
    """Who serves so many connections; None: somebody who is not there."""
    seen = set()
    for _ in range(count):
        try:
            with Client(cluster, 4) as client:
                seen.add(client.backend)
        except ConnectionRefusedError:
            seen.add(None)
    return seen


def test_backend_without_checks_any_more_counts_as_up(cluster):
    with serving(cluster, 4), watched(cluster, config(check(port=BACKEND_PORT + 1))) as daemon:
        wait_states(daemon, ["down"] * 3)
        wait_for(lambda: gone(cluster), "new connections are refused")
        daemon.apply(config())
        with Client(cluster, 4) as client:
            assert client.echoes(b"as before")
        assert states(daemon) == [None] * 3


def test_backend_that_left_comes_back_as_a_new_one(cluster):
    with serving(cluster, 4, which=(0, 1)), watched(cluster, config(check())) as daemon:
        wait_states(daemon, ["up", "up", "down"])
        wait_for(lambda: "service.health" in changes(daemon), "the change is live")
        assert {met(cluster) for _ in range(30)} == set(BACKENDS[4][:2])
        daemon.apply(config(check(), which=(0, 1)))
        assert states(daemon) == ["up", "up", None]
        with serving(cluster, 4, which=(2,)):
            daemon.apply(config(check(interval="1h", timeout="100ms")))
            assert states(daemon)[2] == "unchecked"
            wait_for(lambda: met(cluster) == BACKENDS[4][2], "it gets connections")


def met(cluster):
    with Client(cluster, 4) as client:
        return client.backend


def test_web_server_that_says_it_cannot_is_avoided_while_it_says_so(cluster):
    def sick(is_sick):
        return lambda: made[1].sick(is_sick)

    asked = check("http", path="/health", host="www.test", status="200-299", body="fine and")
    with backends(cluster) as made, watched(cluster, config(asked)) as daemon, \
            Asker(cluster) as asker:
        wait_states(daemon, ["up"] * 3)
        dies_and_comes_back(daemon, asker, sick(True), sick(False))
        assert health(daemon)[BACKENDS[4][1]]["reason"] == "status 200"
        assert all(who is not None for who in asker.since(0)), "nobody was cut off"


@pytest.mark.parametrize("more, state, reason", (
    ({"path": "/"}, "up", "status 200"),
    ({"path": "/health", "body": "ill"}, "down", "body without 'ill'"),
    ({"path": "/", "status": "404, 500-599"}, "down", "status 200, wanted 404, 500-599"),
))
def test_answer_of_a_web_server_is_judged(cluster, more, state, reason):
    with backends(cluster, (0,)), \
            watched(cluster, config(check("http", **more), which=(0,))) as daemon:
        wait_states(daemon, [state, None, None])
        assert health(daemon)[BACKENDS[4][0]]["reason"] == reason


def test_who_speaks_something_else_is_no_web_server(cluster):
    with serving(cluster, 6, which=(0,)), \
            watched(cluster, config(check("http"), 6, which=(0,))) as daemon:
        wait_states(daemon, ["down", None, None], 6)
        assert health(daemon)[BACKENDS[6][0]]["reason"] == "the answer is not HTTP"


@contextlib.contextmanager
def script(text):
    with tempfile.TemporaryDirectory(prefix="weir-health-") as folder:
        path = pathlib.Path(folder) / "check"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        yield path


def processes(word):
    """Those that have it among their arguments, and those that nobody has waited for."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(word).encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def children(pid):
    return [int(word) for word in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_command_says_who_is_up(cluster):
    with script('test ! -e "$0.$WEIR_ADDRESS" && test "$1" = "a b" && '
                'test "$WEIR_SERVICE:$WEIR_PORT" = web:8080') as path, \
            backends(cluster), \
            watched(cluster, config(check("command", command=[str(path), "a b"]))) as daemon, \
            Asker(cluster) as asker:
        def dies():
            pathlib.Path(f"{path}.{BACKENDS[4][1]}").touch()
            return time.monotonic()

        def comes():
            pathlib.Path(f"{path}.{BACKENDS[4][1]}").unlink()
            return time.monotonic()

        wait_states(daemon, ["up"] * 3)
        dies_and_comes_back(daemon, asker, dies, comes)
        assert health(daemon)[BACKENDS[4][1]]["reason"] == "ended with 0"


def test_late_command_is_killed_with_all_it_began(cluster):
    with script("sleep 1000 & sleep 2000") as path, \
            watched(cluster, config(check("command", command=[str(path)]), which=(0,))) as daemon:
        wait_states(daemon, ["down", None, None])
        assert health(daemon)[BACKENDS[4][0]]["reason"] == TIMED_OUT
        daemon.apply(config(which=(0,)))
        wait_for(lambda: not processes(path), "none of it runs")
        wait_for(lambda: not sleepers(daemon), "nor what it began")
        wait_for(lambda: not children(daemon.process.pid), "and it was waited for")


def sleepers(daemon):
    """Of the daemon's network namespace, which is the test's own."""
    ours = f"/proc/{daemon.process.pid}/ns/net"
    found = []
    for pid in processes("sleep"):
        with contextlib.suppress(OSError):
            if os.path.samefile(f"/proc/{pid}/ns/net", ours):
                found.append(pid)
    return found


def test_commands_that_ended_are_waited_for(cluster):
    with script("exit 3") as path, \
            watched(cluster, config(check("command", command=[str(path)]), which=(0,))) as daemon:
        wait_states(daemon, ["down", None, None])
        assert health(daemon)[BACKENDS[4][0]]["reason"] == "ended with 3"
        daemon.apply(config(which=(0,)))
        wait_for(lambda: not children(daemon.process.pid), "the daemon has no children")


def test_command_that_is_not_there_says_nothing_about_the_backend(cluster):
    with watched(cluster, config(check("command", command=["/nowhere/check"]),
                                 which=(0,))) as daemon:
        wait_for(lambda: health(daemon)[BACKENDS[4][0]]["unasked"] >= FALL + 1, "it was tried")
        row = health(daemon)[BACKENDS[4][0]]
        assert row["state"] == "unchecked" and row["checks"] == 0
        assert row["reason"] == "cannot run: No such file or directory"


def test_port_that_refuses_datagrams_is_down(cluster):
    with serving(cluster, 4, "udp", which=(0, 2)), \
            watched(cluster, config(check("udp"), proto="udp")) as daemon:
        wait_states(daemon, ["up", "down", "up"])
        assert health(daemon)[BACKENDS[4][1]]["reason"] == "ICMP: refused"
        assert health(daemon)[BACKENDS[4][0]]["reason"] == "answered"
        with serving(cluster, 4, "udp", which=(1,)):
            wait_states(daemon, ["up"] * 3)


@pytest.mark.parametrize("more, state, reason", (
    ({"send": "what is sent", "expect": "is se"}, "up", "answered"),
    ({"send": "hex:00ff01", "expect": "hex: ff 01"}, "up", "answered"),
    ({"send": "x", "expect": "hex:00"}, "down", "an answer without what is expected"),
))
def test_datagram_that_comes_back_is_judged(cluster, more, state, reason):
    with serving(cluster, 6, "udp", which=(0,)), \
            watched(cluster, config(check("udp", **more), 6, (0,), proto="udp")) as daemon:
        wait_states(daemon, [state, None, None], 6)
        assert health(daemon)[BACKENDS[6][0]]["reason"] == reason


@pytest.mark.parametrize("more, state, reason", (
    ({}, "up", "not refused"), ({"expect": "x"}, "down", TIMED_OUT)))
def test_port_that_says_nothing_is_up_unless_an_answer_is_expected(cluster, more, state, reason):
    with cluster.backends.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((BACKENDS[4][0], BACKEND_PORT))
        with watched(cluster, config(check("udp", **more), which=(0,), proto="udp")) as daemon:
            wait_states(daemon, [state, None, None])
            assert health(daemon)[BACKENDS[4][0]]["reason"] == reason


@contextlib.contextmanager
def name_server(cluster, index, *names):
    """dnsmasq at the service's port of that backend; what it does not know, it refuses."""
    with running(cluster.backends, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
                 "--no-resolv", "--no-hosts", "--user=root", "--pid-file=", "--bind-interfaces",
                 f"--listen-address={BACKENDS[4][index]}", f"--port={BACKEND_PORT}",
                 *(f"--host-record={name},192.0.2.80" for name in names)) as process:
        wait_for(lambda: f"{BACKENDS[4][index]}:{BACKEND_PORT}" in
                 cluster.backends.run("ss", "-Hlun").stdout, "dnsmasq listens")
        yield process


def test_name_server_is_asked_what_it_must_know(cluster):
    with name_server(cluster, 0, "www.test"), name_server(cluster, 1), \
            name_server(cluster, 2, "www.test") as process, \
            watched(cluster, config(check("dns", query="www.test"), proto="udp")) as daemon:
        wait_states(daemon, ["up", "down", "up"])
        said = health(daemon)
        assert said[BACKENDS[4][0]]["reason"] == "NOERROR"
        assert said[BACKENDS[4][1]]["reason"] == "REFUSED"
        process.kill()
        wait_states(daemon, ["up", "down", "down"])
        assert health(daemon)[BACKENDS[4][2]]["reason"] == "ICMP: refused"
        with name_server(cluster, 2, "www.test"):
            wait_states(daemon, ["up", "down", "up"])


@contextlib.contextmanager
def tls_server(cluster, folder, index, *words):
    """openssl s_server at the service's port of that backend."""
    with running(cluster.backends, "openssl", "s_server", "-quiet", "-accept",
                 f"{BACKENDS[4][index]}:{BACKEND_PORT}", "-cert", folder / "cert", "-key",
                 folder / "key", *words) as process:
        wait_for(lambda: f"{BACKENDS[4][index]}:{BACKEND_PORT}" in
                 cluster.backends.run("ss", "-Hltn").stdout, "s_server listens")
        yield process


@pytest.fixture(scope="module")
def key():
    with tempfile.TemporaryDirectory(prefix="weir-health-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key", "-out",
                        folder / "cert", "-days", "1", "-subj", "/CN=www.test"], check=True,
                       stderr=subprocess.DEVNULL)
        yield folder


@pytest.mark.parametrize("words, reason", ((["-tls1_3"], "TLS1.3"), (["-tls1_2"], "TLS1.2")))
def test_handshake_is_asked_for(cluster, key, words, reason):
    """By the second, whoever listens there says nothing that begins one."""
    with tls_server(cluster, key, 0, *words) as process, \
            serving(cluster, 4, which=(1,)), \
            watched(cluster, config(check("tls"), which=(0, 1))) as daemon:
        wait_states(daemon, ["up", "down", None])
        said = health(daemon)
        assert said[BACKENDS[4][0]]["reason"] == reason
        assert said[BACKENDS[4][1]]["reason"].startswith("TLS: "), said
        process.kill()
        wait_states(daemon, ["down", "down", None])
        with tls_server(cluster, key, 0, *words):
            wait_states(daemon, ["up", "down", None])


def test_handshake_names_whom_it_asks_for(cluster, key):
    """A server that knows another name only ends the handshake by an alert."""
    with tls_server(cluster, key, 0, "-servername", "www.test", "-servername_fatal", "-cert2",
                    key / "cert", "-key2", key / "key"):
        with watched(cluster, config(check("tls", host="www.test"), which=(0,))) as daemon:
            wait_states(daemon, ["up", None, None])
        with watched(cluster, config(check("tls", host="other.test"), which=(0,))) as daemon:
            wait_states(daemon, ["down", None, None])
            assert "name" in health(daemon)[BACKENDS[4][0]]["reason"]


@pytest.mark.parametrize("more, state, reason", (
    ({"body": "s_server"}, "up", "status 200"),
    ({"body": "no such text"}, "down", "body without 'no such text'"),
))
def test_page_behind_tls_is_judged(cluster, key, more, state, reason):
    with tls_server(cluster, key, 0, "-www"), \
            watched(cluster, config(check("https", path="/", **more), which=(0,))) as daemon:
        wait_states(daemon, [state, None, None])
        assert health(daemon)[BACKENDS[4][0]]["reason"] == reason


def test_backend_that_comes_and_goes_is_held_down(cluster):
    asked = check("http", path="/health",
                  damping={"downs": 2, "within": span(60 * SLOWNESS), "hold": span(HOLD),
                           "hold-most": "1h"})
    with backends(cluster, (0, 1)) as made, \
            watched(cluster, config(asked, which=(0, 1))) as daemon, Asker(cluster) as asker:
        for state in ("down", "up", "down"):
            made[1].sick(state == "down")
            wait_states(daemon, ["up", state, None])
        made[1].sick(False)
        wait_states(daemon, ["up", "damped", None])
        row = health(daemon)[BACKENDS[4][1]]
        assert row["reason"] == "status 200" and 1 <= row["held_s"] <= HOLD
        damped = time.monotonic()
        assert set(asker.asked(50, damped)) == {0}
        wait_states(daemon, ["up", "up", None])
        assert health(daemon)[BACKENDS[4][1]]["held_s"] == 0
        wait_for(lambda: 1 in asker.since(damped), "it gets connections again")


def test_backend_of_run_time_is_shown_and_a_service_that_is_none_refused(cluster):
    with backends(cluster, (0, 1)), watched(cluster, config(check(), which=(0,))) as daemon:
        wait_states(daemon, ["up", None, None])
        daemon.say("service", "backend", "add", "web", f"{BACKENDS[4][1]}:{BACKEND_PORT}")
        wait_states(daemon, ["up", "up", None])
        done = daemon.verb("service", "health", "nope")
        assert done.returncode == daemon.verb("service", "show", "nope").returncode != 0
        assert "there is no service 'nope'" in done.stderr
        daemon.say("service", "disable", "web")
        assert daemon.ask("service", "health", "web")["backends"] == []


@contextlib.contextmanager
def added(cluster, *words):
    """A service that a command makes, with all three backends."""
    ends = [word for address in BACKENDS[4] for word in ("--backend", f"{address}:{BACKEND_PORT}")]
    with watched(cluster, policy([], capacity=100000)) as daemon:
        daemon.say("service", "add", "web", "--address", SERVICE[4], "--port", PORT, *words, *ends)
        yield daemon


def test_service_of_a_command_is_checked_and_still_is_after_a_restart(cluster):
    def sick(is_sick):
        return lambda: made[1].sick(is_sick)

    with backends(cluster) as made, \
            added(cluster, "--health", "http", "--health-path", "/health", "--health-interval",
                  span(INTERVAL), "--health-timeout", span(TIMEOUT)) as daemon, \
            Asker(cluster) as asker:
        wait_states(daemon, ["up"] * 3)
        dies_and_comes_back(daemon, asker, sick(True), sick(False))
        before = daemon.ask("service", "show", "web")
        assert (before["health"], before["health_path"]) == ("http", "/health")
        daemon.restart()
        wait_states(daemon, ["up"] * 3)
        assert daemon.ask("service", "show", "web") == before
        dies_and_comes_back(daemon, asker, sick(True), sick(False), index=1)
        # What edits move in memory is what checks go by.
        for _ in range(3):
            daemon.say("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                       "--health", "tcp")
            daemon.say("service", "del", "other")
        dies_and_comes_back(daemon, asker, sick(True), sick(False))


def test_service_of_a_command_keeps_all_where_it_is_to(cluster):
    with serving(cluster, 4), added(
            cluster, "--health", "tcp", "--health-port", str(BACKEND_PORT + 1),
            "--health-interval", span(INTERVAL), "--health-timeout", span(TIMEOUT),
            "--on-all-down", "keep-all") as daemon:
        wait_states(daemon, ["down"] * 3)
        wait_for(lambda: chosen(cluster, 40) == set(BACKENDS[4]), "all are kept")


def test_service_of_a_command_that_cannot_be_checked_is_refused(cluster):
    with watched(cluster, policy([], capacity=100000)) as daemon:
        done = daemon.verb("service", "add", "web", "--address", SERVICE[4], "--port", str(PORT),
                           "--health", "tcp", "--health-path", "/ok")
        assert done.returncode != 0
        assert "health-path" in done.stderr and "give another --health" in done.stderr
        assert daemon.ask("service", "list")["services"] == []


def test_who_goes_down_and_up_is_told(cluster):
    def told(kind):
        return [(row["service"], row["address"], row["port"], row["detail"]) for row in
                daemon.ask("events", "--kind", kind)["events"]]

    with backends(cluster, (0, 1)) as made, \
            watched(cluster, config(check(), which=(0, 1))) as daemon:
        wait_states(daemon, ["up", "up", None])
        assert not told("health_up") and not told("health_down"), "nobody was down before"
        made[1].kill()
        wait_states(daemon, ["up", "down", None])
        ends = ("web", BACKENDS[4][1], BACKEND_PORT)
        assert told("health_down") == [(*ends, "connect: refused")]
        made[1].start()
        wait_states(daemon, ["up", "up", None])
        assert told("health_up") == [(*ends, "connected")]
        log = daemon.log()
        assert f"service web: {BACKENDS[4][1]}:{BACKEND_PORT} is down: connect: refused" in log
        assert f"service web: {BACKENDS[4][1]}:{BACKEND_PORT} is up: connected" in log


def metrics(daemon):
    """Those of checks, as any scraper reads them through the unix socket."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(daemon.socket))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines()
                if line.startswith("weir_balance_health_"))


def test_metrics_count_checks_and_states(cluster):
    def up(index):
        return (f'weir_balance_health_up{{service="web",address="{BACKENDS[4][index]}",'
                f'port="{BACKEND_PORT}"}}')

    with serving(cluster, 4, which=(0,)), \
            watched(cluster, config(check(), which=(0, 1))) as daemon:
        wait_states(daemon, ["up", "down", None])
        wait_for(lambda: metrics(daemon).get(up(1)) == "0", "one is down")
        said = metrics(daemon)
        assert said[up(0)] == "1"
        assert said['weir_balance_health_backends{state="down"}'] == "1"
        assert said['weir_balance_health_backends{state="up"}'] == "1"
        assert said["weir_balance_health_not_serving"] == "1"
        assert int(said['weir_balance_health_checks_total{result="failed"}']) >= FALL
        assert int(said['weir_balance_health_checks_total{result="good"}']) >= 1
        assert said['weir_balance_health_checks_total{result="unasked"}'] == "0"
