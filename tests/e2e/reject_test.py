# SPDX-License-Identifier: Apache-2.0
"""A rule that rejects: clients learn it at once, whatever they speak and whichever way they go.
What exactly is sent is tests/datapath/reject_bpf_test.py's."""
import errno
import select
import socket

import pytest

from harness.clients import connect_error, datagram_error, raw_error, servers
from harness.daemon import Daemon
from harness.net import Pair

REJECTED, OPEN = 4000, 8080
CONFIG = """api: {{listen: off}}
interfaces:
  - {{name: wire, hook: {hook}, egress: true}}
rules:
  policy:
    - {{interface: "*", ingress: {ingress}, egress: allow}}
  rules:
    - {{name: no-port, dport: "4000", action: reject}}
    - {{name: no-gre, proto: gre, action: reject}}
    - {{name: open, dport: "8080", action: allow}}
    - {{name: neighbours, proto: "icmp, icmpv6", action: allow}}
"""


@pytest.fixture
def joined():
    with Pair("reject", addresses=True) as made:
        yield made


def daemon_with(joined, hook, ingress="allow"):
    return Daemon(joined.inside, config=CONFIG.format(hook=hook, ingress=ingress))


@pytest.mark.parametrize("hook", ("tc", "xdp-generic"))
def test_clients_outside_are_refused_and_counted(joined, hook):
    with daemon_with(joined, hook) as daemon, servers(joined.inside, REJECTED, OPEN):
        for address in (joined.inside_v4, joined.inside_v6):
            assert connect_error(joined.outside, address, OPEN) == 0
            assert connect_error(joined.outside, address, REJECTED) == errno.ECONNREFUSED
            assert datagram_error(joined.outside, address, REJECTED) == errno.ECONNREFUSED
            assert raw_error(joined.outside, address) == errno.ECONNREFUSED
        assert daemon.reasons()["drop_reject"] == 6


def test_clients_on_this_host_are_refused_though_nothing_else_may_come_in(joined):
    with daemon_with(joined, "tc", ingress="deny") as daemon, servers(joined.outside, REJECTED):
        for address in (joined.outside_v4, joined.outside_v6):
            assert connect_error(joined.inside, address, REJECTED) == errno.ECONNREFUSED
            assert datagram_error(joined.inside, address, REJECTED) == errno.ECONNREFUSED
        assert daemon.reasons()["drop_reject"] == daemon.reasons()["pass_answer"] == 4


def test_a_connection_that_stands_is_reset(joined):
    config = CONFIG.format(hook="tc", ingress="allow")
    with Daemon(joined.inside, config=config.replace('dport: "4000"', 'dport: "4001"')) as daemon, \
            joined.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as server, \
            joined.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        server.bind(("", REJECTED))
        server.listen()
        client.settimeout(5)
        client.connect((joined.inside_v4, REJECTED))
        daemon.apply(config)
        client.send(b"still here?")
        with pytest.raises(ConnectionResetError):
            client.recv(100)


@pytest.mark.parametrize("protocol", ("tcp", "udp"))
def test_explain_says_reject_and_nothing_is_sent_or_counted(joined, protocol):
    with daemon_with(joined, "tc") as daemon:
        with joined.outside.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
            tap.bind((joined.far, 0x0800))
            said = daemon.ask("explain", "--src", joined.outside_v4, "--dst", joined.inside_v4,
                              "--proto", protocol, "--dport", str(REJECTED))
            assert said["reason"] == "drop_reject"
            joined.pings()                  # closes the batch: what was sent before is there by now
            frames = []
            while select.select([tap], [], [], 0)[0]:
                frames.append(tap.recv(2048))
        assert [f for f in frames if f[12:14] == b"\x08\x00" and f[23] != 1] == []
        assert "drop_reject" not in daemon.reasons()
