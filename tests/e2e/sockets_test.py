# SPDX-License-Identifier: Apache-2.0
"""`weir socket`: whose the sockets of this host are, beside what the test itself started."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from harness.current import current
from harness.net import Pair, unique
from harness.wait import wait_for

CONFIG = "api: {listen: off}\nsockets: {enabled: true}\n"
PORT, OPEN = 6100, 6200
FAMILIES = {4: (socket.AF_INET, Pair.inside_v4, Pair.outside_v4),
            6: (socket.AF_INET6, Pair.inside_v6, Pair.outside_v6)}
CONTAINER = "9f" * 32


@pytest.fixture
def pair():
    with Pair("socks", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config=CONFIG)
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


@pytest.fixture
def cgroup():
    """One of the test's own, in the hierarchy of version 2, called as a container's is."""
    mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
    outer = pathlib.Path(mount) / unique("socks")
    inner = outer / f"docker-{CONTAINER}.scope"
    inner.mkdir(parents=True)
    try:
        yield inner
    finally:
        remove(inner)


def remove(cgroup):
    """With the one around it. Who ended may be in it for a moment, although no more among its
    processes."""
    for folder in (cgroup, cgroup.parent):
        def gone(folder=folder):
            with contextlib.suppress(OSError):
                folder.rmdir()
            return not folder.exists()
        wait_for(gone, "nobody is in the cgroup")


def listener(namespace, address, port=PORT, family=socket.AF_INET):
    sock = namespace.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(128)
    return sock


def rows(daemon, *words):
    return current(daemon, "list", "--limit", "100000", *words)["sockets"]


def row(daemon, *words):
    """The one there is, when there is one."""
    return wait_for(lambda: (found := rows(daemon, *words)) and len(found) == 1 and found[0],
                    f"one socket is told of: {words}")


class Script:
    """Python in the namespace, told line by line what to do; its pid is that of Python itself."""

    def __init__(self, namespace, text, *words, **options):
        self.process = subprocess.Popen(
            namespace.command(sys.executable, "-c", text, *words), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, start_new_session=True, **options)
        self.pid = self.process.pid

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)     # what it started, too
        self.process.wait(20)


CONNECT = """
import socket, sys
family, kind, address, port = (int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
sock = socket.socket(family, kind)
sock.connect((address, port))
sock.send(b"x")
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", (socket.SOCK_STREAM, socket.SOCK_DGRAM))
def test_who_connects_is_the_owner(pair, watched, cgroup, family, kind):
    number, _, address = FAMILIES[family]

    def enter():
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        os.setresuid(4321, 4321, 4321)

    # The namespace is entered before the user is given up.
    with listener(pair.outside, address, family=number), pair.inside.entered(), \
            subprocess.Popen([sys.executable, "-c", CONNECT, str(int(number)), str(int(kind)),
                              address, str(PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, preexec_fn=enter) as process:
        port = int(process.stdout.readline())
        for ended in ((), ("--ended",)):
            found = row(watched, *ended, f"rport={PORT}")
            assert found["protocol"] == {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}[kind]
            assert (found["local_port"], found["remote"]) == (port, address)
            assert (found["pid"], found["process"], found["uid"]) == (
                process.pid, "python3", 4321)
            assert found["cgroup_id"] == cgroup.stat().st_ino
            assert found["cgroup"] == f"/{cgroup.parent.name}/{cgroup.name}"
            assert found["container"] == CONTAINER
            assert (found["side"], found["known_by"]) == ("client", "connect")
            process.stdin.close()
            process.wait(20)


SHORT = """
import socket, sys, time
began = time.monotonic()
tcp = socket.create_connection((sys.argv[1], int(sys.argv[2])))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], int(sys.argv[2])))
udp.send(b"x")
print(tcp.getsockname()[1], udp.getsockname()[1], flush=True)
time.sleep(max(0, 0.02 - (time.monotonic() - began)))
"""


def test_processes_that_live_20_ms_are_told_of_each_by_its_own_name(pair, watched, cgroup):
    """Their cgroup is gone, too, before the daemon looks: it stands still meanwhile."""
    started = []
    watched.process.send_signal(signal.SIGSTOP)
    with listener(pair.outside, pair.outside_v4):
        for count in range(100):
            def enter(count=count):
                (cgroup / "cgroup.procs").write_text(str(os.getpid()))
                pathlib.Path("/proc/self/comm").write_text(f"short-{count}")
                os.setresuid(5000 + count, 5000 + count, 5000 + count)
            name = f"short-{count}"
            link = watched.home / name
            link.symlink_to(sys.executable)
            with pair.inside.entered(), subprocess.Popen(
                    [link, "-c", SHORT, pair.outside_v4, str(PORT)], stdout=subprocess.PIPE,
                    text=True, preexec_fn=enter) as process:
                tcp, udp = map(int, process.stdout.readline().split())
            started += [("tcp", tcp, process.pid, name, 5000 + count),
                        ("udp", udp, process.pid, name, 5000 + count)]
        ino = cgroup.stat().st_ino
        remove(cgroup)
        watched.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(AssertionError):     # below it is said who is missing
            wait_for(lambda: len(rows(watched, "--ended", f"rport={PORT}")) >= len(started),
                     "all have ended")
    told = [tuple(found[key] for key in ("protocol", "local_port", "pid", "process", "uid"))
            for found in rows(watched, "--ended", f"rport={PORT}")]
    assert sorted(told) == sorted(started)
    for found in rows(watched, "--ended", f"rport={PORT}"):
        assert found["cgroup_id"] == ino and found["container"] == CONTAINER
        assert found["cgroup"] == f"…/{cgroup.parent.name}/{cgroup.name}"


SERVE = """
import os, socket, sys, threading
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((sys.argv[1], int(sys.argv[2])))
sock.listen(128)
print("ready", flush=True)
way = sys.argv[3]

def serve(peer):
    if way == "threads":
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as comm:
            comm.write("worker")
    peer.recv(1)
    peer.send(str(os.getpid()).encode())
    if way != "waits":
        peer.close() if way != "resets" else None
        return
    peer.recv(1)

if way == "prefork":
    for _ in range(3):
        if not os.fork():
            break
while True:
    peer, _ = sock.accept()
    if way == "forks":
        gone = os.pipe()
        if not os.fork():
            os.close(gone[1])
            os.read(gone[0], 1)     # whoever has it last is its owner: not who accepted
            serve(peer)
            os._exit(0)
        peer.close()
        os.close(gone[0])
        os.close(gone[1])
    elif way == "threads":
        thread = threading.Thread(target=serve, args=(peer,))
        thread.start()
        thread.join()
    else:
        serve(peer)
    peer.close()
"""


def talk(pair, count, reset=False):
    """Connections one after another: their ports, which may come again, with who said that he
    served them."""
    served = []
    for _ in range(count):
        with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind((pair.outside_v4, 0))
            sock.connect((pair.inside_v4, OPEN))
            port = sock.getsockname()[1]
            sock.send(b"xyz" if reset else b"x")
            served.append((port, int(sock.recv(16))))
            if not reset:
                assert not sock.recv(1)
    return served


@pytest.mark.parametrize("way", ("forks", "threads", "prefork", "plain", "resets"))
def test_who_serves_is_the_owner(pair, watched, way):
    """Whoever closes: the child that was made for the connection, not who accepted it."""
    with Script(pair.inside, SERVE, pair.inside_v4, str(OPEN), way) as server:
        assert server.line() == "ready"
        served = talk(pair, 60, reset=way == "resets")
        wait_for(lambda: len(rows(watched, "--ended", f"lport={OPEN}")) == len(served),
                 "all have ended")
        told = [(found["remote_port"], found["pid"])
                for found in rows(watched, "--ended", f"lport={OPEN}")]
        assert sorted(told) == sorted(served)
        assert {found["process"] for found in rows(watched, "--ended", f"lport={OPEN}")} == {
            "python3"}
        if way == "forks":
            assert len({pid for _, pid in served}) == len(served)


def test_who_has_a_socket_that_lives_is_found_among_the_files(pair, watched):
    with Script(pair.inside, SERVE, pair.inside_v4, str(OPEN), "waits") as server:
        assert server.line() == "ready"
        with pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.connect((pair.inside_v4, OPEN))
            sock.send(b"x")
            assert int(sock.recv(16)) == server.pid
            found = wait_for(lambda: (one := row(watched, f"lport={OPEN}")).get("pid") and one,
                             "somebody has it")
            assert (found["pid"], found["known_by"], found["side"]) == (
                server.pid, "files", "server")
            assert found["remote_port"] == sock.getsockname()[1]


def test_a_connection_that_nobody_accepted_is_nobodys(pair, watched):
    with listener(pair.inside, pair.inside_v4, OPEN), \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect((pair.inside_v4, OPEN))
        assert row(watched, f"lport={OPEN}")["state"] == "established"
    found = row(watched, "--ended", f"lport={OPEN}")
    assert "pid" not in found and "process" not in found


HAND_ON = """
import os, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_a_socket_that_is_handed_on_belongs_to_who_has_it(pair, watched):
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, HAND_ON, pair.outside_v4, str(PORT)) as script:
        child = int(script.line())
        assert child != script.pid
        wait_for(lambda: row(watched, f"rport={PORT}")["pid"] == child, "the child has it", 20)
        assert row(watched, f"rport={PORT}")["known_by"] == "files"
        script.end()
        assert row(watched, "--ended", f"rport={PORT}")["pid"] == child


RUN_ANOTHER = """
import os, pathlib, socket, sys
pathlib.Path("/proc/self/comm").write_text("tcpclient")
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.send(b"x" * 10)
sock.set_inheritable(True)
print(os.getpid(), flush=True)
sys.stdin.readline()
os.execv(sys.argv[3], [sys.argv[3], "-c", "import sys; sys.stdin.read()"])
"""


def test_who_runs_another_program_has_its_sockets_by_the_new_name(pair, watched):
    program = watched.home / "prog"           # shorter than what it was called before
    program.symlink_to(sys.executable)
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, RUN_ANOTHER, pair.outside_v4, str(PORT), program) as script:
        assert int(script.line()) == script.pid
        assert row(watched, f"rport={PORT}")["process"] == "tcpclient"
        script.process.stdin.write("go\n")
        script.process.stdin.flush()
        wait_for(lambda: row(watched, f"rport={PORT}")["process"] == "prog", "it is the new one's",
                 20)
        found = row(watched, f"rport={PORT}")
        assert (found["pid"], found["known_by"]) == (script.pid, "connect")
        script.end()
        assert row(watched, "--ended", f"rport={PORT}")["process"] == "prog"
    wait_for(lambda: [(total["process"], total["bytes_sent"], total["own_sent"])
                      for total in current(watched, "top")["groups"] if total["sockets"]]
             == [("prog", 10, 0)], "the one row has it, which the other carried")


def own(daemon):
    """What each carried itself, whoever has the sockets now, and what no program took."""
    answer = current(daemon, "top")
    return ({row["process"]: row["own_sent"] for row in answer["groups"]}, answer["missed"])


@pytest.mark.parametrize("option", ("commands", "all-namespaces"))
def test_what_was_handed_on_is_nobodys_rate_when_an_option_changes(pair, watched, option):
    program = watched.home / "prog"
    program.symlink_to(sys.executable)
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, RUN_ANOTHER, pair.outside_v4, str(PORT), program) as script:
        script.line()
        assert row(watched, f"rport={PORT}")["process"] == "tcpclient"
        script.process.stdin.write("go\n")
        script.process.stdin.flush()
        wait_for(lambda: own(watched)[0].get("prog") == 0, "the other carried it", 20)
        before, missed = own(watched)
        assert before["tcpclient"] == 10
        for value in ("true", "false"):
            watched.apply(CONFIG.replace("true}", f"true, {option}: {value}}}"))
            after, still_missed = own(watched)
            assert (after["prog"], after["tcpclient"]) == (0, 10), value
            assert still_missed >= missed


OTHER_USER = """
import ctypes, os, socket, sys, threading
def connect():
    number = {"x86_64": 117}.get(os.uname().machine, 147)     # setresuid, of this thread alone
    assert ctypes.CDLL(None).syscall(number, 4321, 4321, 4321) == 0
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    print("connected", flush=True)
    sys.stdin.read()
thread = threading.Thread(target=connect)
thread.start()
thread.join()
"""


def test_the_user_is_the_process_s_not_its_thread_s(pair, watched):
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, OTHER_USER, pair.outside_v4, str(PORT)) as script:
        assert script.line() == "connected"
        found = row(watched, f"rport={PORT}")
        assert (found["pid"], found["uid"]) == (script.pid, 0)


def test_a_port_that_is_used_again_belongs_to_the_new_one(pair, watched):
    """The same ends, one process after another."""
    text = """
import socket, struct, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", 7777))
sock.connect((sys.argv[1], int(sys.argv[2])))
"""
    pids = []
    with listener(pair.outside, pair.outside_v4):
        for _ in range(30):
            with Script(pair.inside, text, pair.outside_v4, str(PORT)) as script:
                script.process.wait(20)
                pids.append(script.pid)
        wait_for(lambda: len(rows(watched, "--ended", "lport=7777")) == len(pids), "all ended")
    assert [found["pid"] for found in rows(watched, "--ended", "lport=7777")] == pids[::-1]
    assert {found["resets_sent"] for found in rows(watched, "--ended", "lport=7777")} == {1}


def test_a_udp_socket_that_is_connected_once_more_has_the_other_end(pair, watched):
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for port in (6100, 6200):
            sock.connect((pair.outside_v4, port))
            own = sock.getsockname()[1]
            wait_for(lambda at=port: [row["remote_port"] for row in
                                      rows(watched, f"proto=udp and lport={own}")] == [at],
                     f"it is connected to {port}")


def test_a_socket_that_is_connected_once_more_is_another(pair, watched):
    with listener(pair.outside, pair.outside_v4), listener(pair.outside, pair.outside_v4, OPEN), \
            pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect((pair.outside_v4, PORT))
        sock.send(b"x" * 10)
        nowhere = bytes(16)                   # AF_UNSPEC
        assert ctypes.CDLL(None).connect(sock.fileno(), nowhere, len(nowhere)) == 0
        sock.connect((pair.outside_v4, OPEN))
        sock.send(b"x" * 20)
        wait_for(lambda: row(watched)["bytes_acked"] == 21, "the second is under way")
        assert row(watched)["remote_port"] == OPEN
        found = row(watched, "--ended")
        assert (found["remote_port"], found["bytes_sent"]) == (PORT, 10)
    wait_for(lambda: len(rows(watched, "--ended")) == 2, "the second has ended")
    total, = current(watched, "top")["groups"]
    assert (total["sockets"], total["bytes_sent"], total["failed"]) == (2, 30, 0)


def test_sockets_that_were_there_before_are_taken_over(pair, weir_daemon):
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, CONNECT, "2", "1", pair.outside_v4, str(PORT)) as one, \
            Script(pair.inside, CONNECT, "2", "2", pair.outside_v4, str(PORT)) as other:
        ports = int(one.line()), int(other.line())
        daemon = weir_daemon(pair.inside, config=CONFIG)
        for proto, port, script in zip(("tcp", "udp"), ports, (one, other)):
            found = row(daemon, f"proto={proto} and lport={port}")
            assert (found["pid"], found["known_by"], found["side"]) == (script.pid, "files", "")
            assert "first_seen" in found and "begun" not in found
        total, = current(daemon, "top")["groups"]
        assert (total["process"], total["live"], total["bytes_sent"]) == ("python3", 2, 0)


def test_other_namespaces_are_left_out_unless_they_are_asked_for(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config=CONFIG)
    with listener(pair.inside, pair.inside_v4, OPEN), \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect((pair.inside_v4, OPEN))
        port = sock.getsockname()[1]
        assert row(daemon, f"port={port}")["side"] == "server"
        daemon.reload(CONFIG.replace("true", "true, all-namespaces: true"))
        wait_for(lambda: len(rows(daemon, f"port={port}")) == 2, "both ends are told of")
        assert {found["netns"] for found in rows(daemon, f"port={port}")} == {
            os.stat(space.path).st_ino for space in (pair.inside, pair.outside)}


def test_a_killed_daemon_knows_on_and_restarts_count_nothing_twice(pair, watched):
    def connections(count):
        with Script(pair.inside, """
import socket, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
        sock.send(b"x" * 10)
""", pair.outside_v4, str(PORT), str(count)) as script:
            script.process.wait(30)
            return script.pid

    def total():
        return next(((found["sockets"], found["live"], found["bytes_sent"])
                     for found in current(watched, "top")["groups"]
                     if found["process"] == "python3"), None)

    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, CONNECT, "2", "1", pair.outside_v4, str(PORT)) as lasting:
        lasting.line()
        connections(50)
        wait_for(lambda: total() == (51, 1, 501), "they are counted")
        watched.kill()
        unseen = connections(50)
        watched.start()
        assert total() == (101, 1, 1001)
        assert len(rows(watched, "--ended", f"pid={unseen}")) == 50
        for _ in range(3):
            watched.restart()
            assert total() == (101, 1, 1001)
        assert row(watched, f"rport={PORT}")["known_by"] == "connect"
        lasting.end()
        wait_for(lambda: total() == (101, 0, 1001), "the last has ended")
        watched.reload("api: {listen: off}\n")
        wait_for(lambda: not watched.ask("socket", "list")["watched"], "it is off")
        assert not [name for name in os.listdir(watched.pin_dir / "links") if "trace" in name]
        watched.reload(CONFIG)
        wait_for(lambda: watched.ask("socket", "list")["watched"], "it is on")
        assert current(watched, "list")["seen"] == 0


def test_a_table_shows_process_and_rtt(pair, watched):
    with listener(pair.outside, pair.outside_v4), \
            Script(pair.inside, CONNECT, "2", "1", pair.outside_v4, str(PORT)) as script:
        port = script.line()
        wait_for(lambda: row(watched, f"rport={PORT}")["bytes_sent"] == 1, "it is told of")
        said = watched.say("socket", "list", f"rport={PORT}")
        line = next(line for line in said.splitlines() if f"{pair.inside_v4}:{port}" in line)
        assert re.search(rf"tcp +established .* python3 \({script.pid}\) +root .* ms +0 +1B +0B",
                         line), line
        top = watched.say("socket", "top", "--group", "user")
        assert re.search(r"^root +1 +1 +0 +1B ", top, re.M), top
        assert "process" in watched.say("socket", "list", "--csv").splitlines()[0]
