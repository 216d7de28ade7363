# SPDX-License-Identifier: Apache-2.0
"""`weir top`: what has ended is in the rows, and what changes hands is no rate of anybody."""
import pytest

from harness.chain import Chain
from harness.daemon import Daemon
from harness.programs import running
from harness.streams import listening, receive
from harness.terminal import CARRIER, CLIENT, CONFIG, ONE, OWNERS, send, top
from harness.wait import wait_for


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def daemon(chain):
    with Daemon(chain.gateway, config=CONFIG) as made:
        yield made


def test_groups_have_what_ended_between_two_looks(chain, daemon):
    """All that was counted in flows is in the rows, whether or not a look met the flow alive."""
    with top(daemon, "--tab", "ports", "--interval", "500ms", "--filter", "") as screen:
        for number in range(3):
            send(chain, ONE, 1000, sport=40000 + number)
            daemon.ask("flow", "flush", f"dport={ONE}")
        screen.shows(rf"^{ONE}/udp +0 .* 2.9MiB +3,000$")
        send(chain, ONE, 1000, sport=40009)
        screen.shows(rf"^{ONE}/udp +1 .* 3.9MiB +4,000$")
        screen.lacks("live flows")
        screen.keys("2")
        screen.shows(rf"^{CLIENT} +[1-9].* 3.9MiB +4,0\d\d$")
        screen.keys("/")
        screen.type(f"dport={ONE}")
        screen.keys("Enter")
        screen.shows(rf"^{CLIENT} +1 .* 1000KiB +1,000$")
        screen.shows(rf"filter: dport={ONE}  live flows only")


def test_groups_say_what_they_cannot_have(chain):
    """Without totals what ended is in none; by state, and by what changes, there are no rates."""
    with Daemon(chain.gateway, config=CONFIG.replace("account: true", "account: true, records: 0")
                ) as daemon, top(daemon, "--tab", "hosts", "--interval", "200ms") as screen:
        send(chain, ONE, 3)
        screen.shows("live flows only")
        screen.shows(rf"^{CLIENT} +[1-9]\d* +[~\d]")
        screen.keys("/")
        screen.type("bytes>1")
        screen.keys("Enter")
        screen.shows("live flows, without rates")
        screen.shows(rf"^{CLIENT} +[1-9]\d* +- +")
        screen.keys("1", "g", "g", "Escape")
        screen.shows("^state, by rate/s  live flows, without rates")
        screen.shows(r"^one_way +[1-9]\d* +- +")


# Hands its socket to a process with another name, and ends.
GIVER = CARRIER.replace("sock.recv(1)", """sock.set_inheritable(True)
import subprocess
subprocess.Popen([sys.argv[3], "-c", "import socket, sys\\n"
                  "sock = socket.socket(fileno=int(sys.argv[1]))\\nsock.sendall(b'y' * 1000)\\n"
                  "sock.recv(1)", str(sock.fileno())], close_fds=False)
""")


def test_who_inherits_a_socket_does_not_inherit_its_rate(chain, tmp_path):
    """Ten MiB of the giver's are in the heir's total, and in no rate of his."""
    for name in ("giver", "heir"):
        (tmp_path / name).symlink_to("/usr/bin/python3")
    with Daemon(chain.gateway, config=OWNERS) as daemon, \
            listening(chain.client, 4, ONE) as server, \
            running(chain.gateway, tmp_path / "giver", "-c", GIVER, CLIENT, ONE,
                    tmp_path / "heir"):
        def told(name):
            return next((row for row in daemon.ask("socket", "top", "--limit", "1000")["groups"]
                         if row["process"] == name), None)
        accepted, _ = server.accept()
        with accepted:
            receive(accepted, (10 << 20) + 1000)
            heir = wait_for(lambda: told("heir"), "the heir has it", 30)
            again = heir["bytes_retransmitted"]     # which the kernel has in the bytes sent, too
            assert heir["live"] == 1 and heir["bytes_sent"] - again == (10 << 20) + 1000
            assert heir["own_sent"] <= 1000 + again
            assert told("giver")["live"] == 0
            giver = told("giver")
            assert giver["own_sent"] + heir["own_sent"] == heir["bytes_sent"]
            # Nor does another option of what is watched make it anybody's rate.
            daemon.apply(OWNERS.replace("sockets: {", "sockets: {commands: true, "))
            assert "command" in daemon.ask("socket", "list", f"rport={ONE}")["sockets"][0]
            assert (told("giver"), told("heir")) == (giver, heir)
        wait_for(lambda: not told("heir")["live"], "it has ended", 30)
        assert told("heir")["own_sent"] == heir["own_sent"]
