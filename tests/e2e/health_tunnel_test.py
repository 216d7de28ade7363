# SPDX-License-Identifier: Apache-2.0
"""Checks of backends that answer clients themselves: they go the way of the service's packets, so
that a backend without its address, or that does not take headers away, is known to be down."""
import contextlib
import http.server
import json
import shutil
import subprocess
import threading

import pytest

from e2e.health_test import span
from harness.balanced import DIRECT_LINES, policy
from harness.cluster import PORT, SERVICE, Client
from harness.daemon import HELPERS, Daemon
from harness.direct import COUNT, HOST, Direct, front, serving
from harness.kernel import hooks
from harness.wait import SLOWNESS, wait_for

FAMILIES = (4, 6)
WAYS = ("l2", "ipip", "gue")
HOOKS = hooks("tc", "xdp")
INTERVAL, TIMEOUT = 0.2 * SLOWNESS, 0.15 * SLOWNESS
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


def config(family, forward="ipip", outer=None, hook="tc", health=None, proto="tcp", watched=None,
           more=""):
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": proto,
               "forward": forward,
               "backends": [{"address": front(number, outer or family)}
                            for number in range(COUNT)],
               "health": {"type": "tcp", "interval": span(INTERVAL),
                          "timeout": span(TIMEOUT), "fall": 2, **(health or {})}}
    names = watched or ("lan", *(f"wan{number}" for number in range(COUNT)))
    interfaces = [{"name": name, "hook": hook} for name in names]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"conntrack: {{capacity: 10000}}\n"
            f"balance: {json.dumps({'services': [service]})}\n{more}")


@pytest.fixture(scope="module")
def cluster():
    with Direct() as made, made.unwrapping():
        yield made


@contextlib.contextmanager
def checked(cluster, text):
    with Daemon(cluster.gateway, config=text) as daemon:
        yield daemon


def rows(daemon):
    return daemon.ask("service", "health")["backends"]


def are(daemon, *wanted):
    wait_for(lambda: [row["state"] for row in rows(daemon)] == list(wanted),
             f"{wanted}; {rows(daemon)}", 15)
    return rows(daemon)


@contextlib.contextmanager
def without_address(cluster, family, number=1):
    where = f"{SERVICE[family]}/{HOST[family]}", "dev", "lo"
    cluster.members[number].run("ip", "addr", "del", *where)
    try:
        yield
    finally:
        cluster.give(cluster.members[number], "lo", SERVICE[family], HOST[family])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("forward", WAYS)
@pytest.mark.parametrize("hook", HOOKS)
def test_backend_without_the_address_is_down_and_back_with_it(cluster, hook, forward, family):
    """They listen at the service's address alone, so nobody would answer at their own."""
    with serving(cluster, family), \
            checked(cluster, config(family, forward, hook=hook)) as daemon:
        first = are(daemon, "up", "up")
        assert [row["failed"] for row in first] == [0, 0], first
        with without_address(cluster, family):
            are(daemon, "up", "down")
        are(daemon, "up", "up")
        assert daemon.reasons()["pass_check"] > 10
        assert not any(name.startswith("drop") for name in daemon.reasons())


@pytest.mark.parametrize("forward", ("ipip", "gue"))
def test_backend_that_keeps_the_headers_is_down(cluster, forward):
    member = cluster.members[1]
    with serving(cluster, 4), checked(cluster, config(4, forward)) as daemon:
        are(daemon, "up", "up")
        member.run("tc", "filter", "del", "dev", "front", "ingress")
        try:
            row = are(daemon, "up", "down")[1]
            assert row["reason"] == f"timed out after {span(TIMEOUT)}"
        finally:
            member.run("tc", "filter", "add", "dev", "front", "ingress", "bpf", "da",
                       "object-file", HELPERS / "decap.bpf.o", "section", "tc")
        are(daemon, "up", "up")


def test_refused_is_told_as_such(cluster):
    with checked(cluster, config(4)) as daemon:
        assert {row["reason"] for row in are(daemon, "down", "down")} == {"connect: refused"}


@pytest.mark.parametrize("family", FAMILIES)
def test_address_need_not_be_the_gateways_own(cluster, family):
    cluster.gateway.run("ip", "addr", "del", f"{SERVICE[family]}/{HOST[family]}", "dev", "lan")
    try:
        with serving(cluster, family), checked(cluster, config(family)) as daemon:
            are(daemon, "up", "up")
    finally:
        cluster.give(cluster.gateway, "lan", SERVICE[family], HOST[family])


def test_datagrams_go_that_way_too(cluster):
    health = {"type": "udp", "send": "say", "expect": "say"}
    with serving(cluster, 4, "udp"), \
            checked(cluster, config(4, "gue", health=health, proto="udp")) as daemon:
        are(daemon, "up", "up")
        with without_address(cluster, 4):
            are(daemon, "up", "down")


def test_page_is_asked_for_at_the_services_address(cluster):
    health = {"type": "http", "path": "/"}
    with contextlib.ExitStack() as stack:
        for member in cluster.members:
            stack.enter_context(web(member))
        daemon = stack.enter_context(checked(cluster, config(4, "ipip", health=health)))
        assert {row["reason"] for row in are(daemon, "up", "up")} == {"status 204"}


@contextlib.contextmanager
def web(member):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with member.entered():
        server = http.server.ThreadingHTTPServer((SERVICE[4], PORT), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_leaves_unwatched_is_told_and_takes_nobody_away(cluster):
    with serving(cluster, 4), \
            checked(cluster, config(4, watched=["lan"])) as daemon:
        wait_for(lambda: all(row["unasked"] > 3 for row in rows(daemon)), "asked in vain")
        for row in rows(daemon):
            assert row["state"] == "unchecked"
            assert row["reason"].startswith("not asked by its tunnel: ")


def test_other_families_and_direct_ask_the_backends_own_address(cluster):
    """Nobody listens there."""
    for text in (config(4, outer=6), config(4, health={"through": "direct"})):
        with serving(cluster, 4), checked(cluster, text) as daemon:
            assert {row["reason"] for row in are(daemon, "down", "down")} == {"connect: refused"}
            assert "pass_check" not in daemon.reasons()


def test_lists_rules_and_connections_do_not_meet_checks(cluster):
    more = ("rules: {policy: [{interface: wan0, ingress: deny, egress: deny}, "
            "{interface: wan1, ingress: deny, egress: deny}]}\n")
    with serving(cluster, 4), checked(cluster, config(4, more=more)) as daemon:
        are(daemon, "up", "up")
        assert daemon.ask("flow", "list", f"dport={PORT}")["flows"] == []


def added(forward, name="echo", port=PORT, *more):
    """A service of run time, its backends checked as config() has it."""
    return ("service", "add", name, "--address", SERVICE[4], "--port", port, "--forward", forward,
            "--health", "tcp", "--health-interval", span(INTERVAL), "--health-timeout",
            span(TIMEOUT), "--health-fall", "2", "--backend",
            ",".join(front(number, 4) for number in range(COUNT)), *more)


def shown(daemon):
    """The map of sockets of checks."""
    done = subprocess.run([BPFTOOL, "-j", "map", "show", "pinned",
                           daemon.pin_dir / "maps" / "set_check"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def room(daemon):
    return shown(daemon)["max_entries"]


@pytest.mark.parametrize("forward", WAYS)
@pytest.mark.parametrize("hook", HOOKS)
def test_of_run_time_it_goes_by_the_tunnel_too(cluster, hook, forward):
    """The data path has room for that from the command on, and none any more without it."""
    with serving(cluster, 4), checked(cluster, policy([], DIRECT_LINES, hook)) as daemon:
        assert room(daemon) == 1
        daemon.ask(*added(forward))
        assert room(daemon) > 1
        first = are(daemon, "up", "up")
        assert [row["failed"] for row in first] == [0, 0], first
        with without_address(cluster, 4):
            are(daemon, "up", "down")
        are(daemon, "up", "up")
        assert daemon.reasons()["pass_check"] > 10
        daemon.ask("service", "del", "echo")
        assert room(daemon) == 1


def test_of_run_time_its_way_is_changed_while_it_serves(cluster):
    """Nobody listens at the backends' own addresses."""
    with serving(cluster, 4), checked(cluster, policy([], DIRECT_LINES)) as daemon:
        daemon.ask(*added("ipip"))
        are(daemon, "up", "up")
        with Client(cluster, 4) as client:
            daemon.ask("service", "set", "echo", "--health-through", "direct")
            assert room(daemon) == 1
            assert {row["reason"] for row in are(daemon, "down", "down")} == {"connect: refused"}
            daemon.ask("service", "set", "echo", "--health-through", "tunnel")
            assert room(daemon) > 1
            are(daemon, "up", "up")
            assert client.echoes(b"through both")


@pytest.mark.parametrize("ends", ("restart", "kill"))
def test_of_run_time_it_goes_on_over_a_restart(cluster, ends):
    with serving(cluster, 4), checked(cluster, policy([], DIRECT_LINES)) as daemon:
        daemon.ask(*added("ipip"))
        are(daemon, "up", "up")
        if ends == "restart":
            daemon.restart()
        else:
            daemon.kill()
            daemon.start()
        assert [row["failed"] for row in are(daemon, "up", "up")] == [0, 0]
        with without_address(cluster, 4):
            are(daemon, "up", "down")


def test_connections_of_others_live_on_while_room_is_made(cluster):
    """Another program takes over, with what is known of connections."""
    with serving(cluster, 4), \
            checked(cluster, config(4, health={"through": "direct"})) as daemon, \
            Client(cluster, 4) as client:
        assert room(daemon) == 1 and client.echoes(b"before")
        daemon.ask(*added("ipip", "other", PORT + 1))
        assert room(daemon) > 1 and client.echoes(b"with it")
        daemon.ask("service", "del", "other")
        assert room(daemon) == 1 and client.echoes(b"and behind it")


def sockets(daemon, *change):
    words = ("update", "pinned", daemon.pin_dir / "maps" / "set_check", *change) if change else \
        ("dump", "pinned", daemon.pin_dir / "maps" / "set_check")
    done = subprocess.run([BPFTOOL, "-j", "map", *words], check=True, capture_output=True,
                          text=True)
    rows = json.loads(done.stdout or "[]") or []
    return [bytes(int(byte, 16) for byte in row["key"]) for row in rows]


STALE = bytes((0, 1, 6, 1))


def test_checks_go_on_through_reloads_and_a_kill(cluster):
    """Sockets that a daemon has left behind when it was killed are forgotten."""
    with serving(cluster, 4), checked(cluster, config(4)) as daemon:
        are(daemon, "up", "up")
        for _ in range(3):
            daemon.ask("reload")
        assert [row["failed"] for row in are(daemon, "up", "up")] == [0, 0]
        daemon.kill()
        value = daemon_value(daemon)
        sockets(daemon, "key", "hex", *(f"{byte:02x}" for byte in STALE),
                "value", "hex", *["00"] * value)
        assert STALE in sockets(daemon)
        daemon.start()
        assert STALE not in sockets(daemon)
        assert [row["failed"] for row in are(daemon, "up", "up")] == [0, 0]
        wait_for(lambda: len(sockets(daemon)) == 0, "none is under way")


def daemon_value(daemon):
    return shown(daemon)["bytes_value"]
