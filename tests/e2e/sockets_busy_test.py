# SPDX-License-Identifier: Apache-2.0
"""`weir socket` while connections begin and end on every processor at once, beside the kernel's own
count of them."""
import os
import re
import signal
import socket

import pytest

from harness.current import current
from harness.net import Pair
from harness.programs import listens, running
from harness.sockets import watching
from harness.wait import wait_for

PORT = 8000
SECONDS = 3
NGINX = """worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 1000; }}
http {{ access_log off; server {{
    listen {port}; keepalive_timeout 0; location / {{ return 200 "hi"; }} }} }}
"""


@pytest.fixture
def pair():
    with Pair("busy", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    return watching(weir_daemon, pair.inside)


def opens(namespace):
    """Connections that were begun here, and such as came here and were established."""
    text = namespace.run("nstat", "-asz", "TcpActiveOpens", "TcpPassiveOpens").stdout
    return sum(map(int, re.findall(r"^Tcp\w+Opens +(\d+)", text, re.M)))


def ask_all_the_time(namespace, address):
    return running(namespace, "wrk", "-t1", "-c25", f"-d{SECONDS}", "-H", "Connection: close",
                   f"http://{address}:{PORT}/")


def test_every_connection_is_seen_from_its_beginning_to_its_end(pair, watched, tmp_path):
    """A process connects and closes, and packets come in between on the same processor."""
    (tmp_path / "conf").write_text(NGINX.format(folder=tmp_path, port=PORT))
    with running(pair.inside, "nginx", "-c", str(tmp_path / "conf")):
        wait_for(lambda: listens(pair.inside, PORT), "nginx listens")
        first = opens(pair.inside)
        with ask_all_the_time(pair.outside, pair.inside_v4) as one, \
                ask_all_the_time(pair.inside, pair.inside_v4) as another:
            assert one.wait(60) == another.wait(60) == 0
    wait_for(lambda: not current(watched, "list", "--limit", "1")["matching"], "all have ended")
    told = current(watched, "list", "--limit", "1")
    assert told["seen"] == told["ended"] == opens(pair.inside) - first > 1000
    assert told["missed"] == told["end_missed"] == told["crowded"] == 0


def forked_below(own):
    """A process of this one's files with a smaller number, that waits to be killed."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
        last.write("300")
    child = os.fork()
    if not child:
        signal.pause()
    assert child < own
    return child


def test_of_two_that_have_a_socket_the_first_is_its_owner(pair, watched):
    """Whatever their numbers: a process that was just forked has its parent's files for a while."""
    with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        server.bind((pair.inside_v4, PORT))
        server.listen()
        watched.kill()                         # so that no look at files finds the first alone
        sock.connect((pair.inside_v4, PORT))
        accepted = server.accept()[0]
        child = forked_below(os.getpid())
        watched.start()
        try:
            with accepted:
                found = wait_for(lambda: [row for row in current(
                    watched, "list", f"lport={PORT}")["sockets"] if "pid" in row], "whose it is")
                assert [row["pid"] for row in found] == [os.getpid()]
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_both_programs_of_a_hook_outlive_the_daemon(pair, watched):
    pins = [watched.pin_dir / "links" / f"trace-inet_sock_set_state{suffix}"
            for suffix in ("", "-2")]
    assert all(pin.exists() for pin in pins)
    watched.kill()
    assert all(pin.exists() for pin in pins)
    watched.start()
    watched.apply("api: {listen: off}\n")
    assert not any(pin.exists() for pin in pins), "nothing is watched any more"
