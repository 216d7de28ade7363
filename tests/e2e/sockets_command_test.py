# SPDX-License-Identifier: Apache-2.0
"""`sockets: {commands: true}`: the command line of each owner, beside what the test started."""
import contextlib
import json
import signal
import socket
import subprocess
import sys

import pytest

from harness.current import current
from harness.ecs import assert_ecs, member
from harness.logged import lines_of, of_kind
from harness.net import Pair
from harness.wait import wait_for

CONFIG = "api: {listen: off}\nsockets: {enabled: true, commands: true}\n"
OFF = "api: {listen: off}\nsockets: {enabled: true}\n"
PORT = 6100
KEPT = 256                       # bytes of a command line

CONNECT = """import socket, sys
sock = socket.create_connection((sys.argv[1], 6100))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], 6100))
udp.send(b"x")
print(sock.getsockname()[1], udp.getsockname()[1], flush=True)
if sys.argv[2] == "waits":
    sys.stdin.read()
"""


@pytest.fixture
def pair():
    with Pair("sockc", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def served(pair):
    sock = pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((pair.outside_v4, PORT))
    sock.listen(128)
    with sock:
        yield pair


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "ask.py"
    path.write_text(CONNECT)
    return str(path)


def watching(pair, weir_daemon, config=CONFIG):
    daemon = weir_daemon(pair.inside, config=config)
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


@contextlib.contextmanager
def started(pair, *words):
    """([what it was started by], its TCP and its UDP port)"""
    with pair.inside.entered():
        process = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
    try:
        yield [sys.executable, *words], [int(port) for port in process.stdout.readline().split()]
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


def told(daemon, port, *words):
    """The row of a port, as soon as there is one."""
    return wait_for(lambda: next(iter(current(daemon, "list", *words, f"lport={port}")["sockets"]),
                                 None), f"the socket of port {port} is told of")


def test_processes_of_one_name_have_each_its_own(served, weir_daemon, script):
    daemon = watching(served, weir_daemon)
    with started(served, script, served.outside_v4, "waits", "one") as (one, ports), \
            started(served, script, served.outside_v4, "waits", "other") as (other, others):
        for words, numbers in ((one, ports), (other, others)):
            for port in numbers:
                row = told(daemon, port)
                assert (row["process"], row["command"]) == ("python3", " ".join(words))
                assert "command_cut" not in row
    assert told(daemon, ports[0], "--ended")["command"] == " ".join(one)


def test_one_that_is_gone_before_anybody_looks_has_its_own(served, weir_daemon, script):
    daemon = watching(served, weir_daemon)
    gone = []
    daemon.process.send_signal(signal.SIGSTOP)
    for count in range(5):
        with started(served, script, served.outside_v4, "goes", f"n{count}") as (words, ports):
            gone.append((words, ports))
    daemon.process.send_signal(signal.SIGCONT)
    for words, ports in gone:
        for port in ports:
            assert told(daemon, port, "--ended")["command"] == " ".join(words)


def test_a_flow_and_its_line_in_the_log_have_it(served, weir_daemon, script, tmp_path):
    log = tmp_path / "log.json"
    daemon = watching(served, weir_daemon, CONFIG + "conntrack: {enabled: true, account: true}\n"
                      f"interfaces: [{{name: {served.wire}, hook: tc, egress: true}}]\n"
                      f"log: {{file: {{path: {log}, kinds: [flow]}}}}\n")
    with started(served, script, served.outside_v4, "waits", "one") as (words, (port, _)):
        of_it = f"sport={port} and proto=tcp"
        row = wait_for(lambda: next((row for row in daemon.ask("flow", "list", of_it)["flows"]
                                     if "src_owner" in row), None), "the flow has an owner", 20)
        assert row["src_owner"]["command"] == " ".join(words)
        daemon.ask("flow", "flush", of_it)
        line, = wait_for(lambda: log.exists() and of_kind(lines_of(log, is_written=True), "flow"),
                         "the log has it")
    assert_ecs(line)
    assert member(line, "process.command_line") == " ".join(words)


SERVE = """import socket, sys
sock = socket.create_server((sys.argv[1], 0))
print(sock.getsockname()[1], flush=True)
peer, _ = sock.accept()
peer.recv(1)
peer.close()
"""


def test_who_accepts_and_closes_has_its_own(pair, weir_daemon, tmp_path):
    daemon = watching(pair, weir_daemon)
    path = tmp_path / "serve.py"
    path.write_text(SERVE)
    daemon.process.send_signal(signal.SIGSTOP)
    with started(pair, str(path), pair.inside_v4, "word") as (words, ports), \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((pair.inside_v4, ports[0]))
        client.send(b"x")
        assert client.recv(1) == b""
    daemon.process.send_signal(signal.SIGCONT)
    row = told(daemon, ports[0], "--ended")
    assert (row["known_by"], row["command"]) == ("close", " ".join(words))


AGAIN = """import os, socket, sys
sock = socket.create_connection((sys.argv[1], 6100))
os.set_inheritable(sock.fileno(), True)
print(sock.getsockname()[1], end=" ", flush=True)
os.execv(sys.executable, [sys.executable, sys.argv[2], sys.argv[1], "waits", "again"])
"""


def test_a_process_that_runs_another_program_has_its_command(served, weir_daemon, script):
    """Also what it took along, once the files are looked at; its name is the same."""
    daemon = watching(served, weir_daemon)
    with started(served, "-c", AGAIN, served.outside_v4, script) as (_, ports):
        now = " ".join([sys.executable, script, served.outside_v4, "waits", "again"])
        assert told(daemon, ports[1])["command"] == now
        wait_for(lambda: told(daemon, ports[0])["command"] == now, "the files are looked at", 30)


@pytest.mark.parametrize("more", (0, 1, 500))
def test_one_that_is_longer_than_kept_is_cut_and_marked(served, weir_daemon, script, more):
    daemon = watching(served, weir_daemon)
    before = [sys.executable, script, served.outside_v4, "waits"]
    # The zero behind the last argument counts.
    last = "x" * (KEPT - len("\0".join(before)) - 2 + more)
    with started(served, *before[1:], last) as (words, ports):
        row = told(daemon, ports[0])
        whole = " ".join(words)
        if more:
            assert row["command"] == whole[:KEPT].rstrip() + "…" and row["command_cut"] is True
        else:
            assert row["command"] == whole and "command_cut" not in row


def test_hostile_bytes_leave_json_and_the_terminal_whole(served, weir_daemon, script):
    daemon = watching(served, weir_daemon)
    with started(served, script, served.outside_v4, "waits",
                 b"a\nb\x1b[31mc\xff\x7fd\"e") as (_, ports):
        row = told(daemon, ports[0])
        assert row["command"].endswith(" waits a\nb\x1b[31mc\ufffd\x7fd\"e")
        table = daemon.say("socket", "list", f"lport={ports[0]}")
        assert "waits a" in table and not {"\x1b", "\x7f"} & set(table)
        assert len([line for line in table.splitlines() if "established" in line]) == 1
        assert "[31mc" in next(line for line in table.splitlines() if "established" in line)


def kept(daemon):
    pin = next(daemon.pin_dir.rglob("st_sock_command"))
    return json.loads(subprocess.run(["/usr/sbin/bpftool", "-j", "map", "dump", "pinned", str(pin)],
                                     check=True, capture_output=True, text=True).stdout)


def test_nothing_is_kept_unless_it_is_asked_for(served, weir_daemon, script):
    daemon = watching(served, weir_daemon, OFF)
    with started(served, script, served.outside_v4, "waits") as (words, ports):
        assert "command" not in told(daemon, ports[0])
        assert kept(daemon) == []
        daemon.reload(CONFIG)
        # It began before: as it has it itself.
        assert wait_for(lambda: told(daemon, ports[0]).get("command"), "it is asked for") == (
            " ".join(words))
        with started(served, script, served.outside_v4, "goes"):
            pass
        assert len(kept(daemon)) >= 1
        daemon.reload(OFF)
        wait_for(lambda: "command" not in told(daemon, ports[0]), "it is no longer asked for")
        assert kept(daemon) == []
