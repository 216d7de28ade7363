# SPDX-License-Identifier: Apache-2.0
"""Connections to servers behind a gateway that answers their SYNs: real stacks at both ends, whose
numbers, clocks and scales are each other's only through it."""
import contextlib
import errno
import json
import random
import socket
import struct
import threading

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.chain import Chain, address, client_address, server_address
from harness.daemon import Daemon, Refused
from harness.kernel import hooks, release
from harness.lossy import LossyChain
from harness.streams import (PORT, both_ways, connecting, listening, options, receive, sent_again,
                             transfer)
from harness.wait import SLOWNESS, wait_for

pytestmark = pytest.mark.skipif(release() < (6, 0), reason="raw cookies by Linux 6.0")
PLAIN = 9090
_, XDP, GENERIC = HOOKS = hooks("tc", "xdp", "xdp-generic")
FAMILIES = (4, 6)
SERVERS = {4: "10.77.4.0/24", 6: "fd77:4::/64"}
ALWAYS = {"ports": str(PORT), "mode": "always", "where": "behind", "to": list(SERVERS.values())}


def config(*services, hook="tc", capacity=1000, **synproxy):
    rules = {"policy": [{"interface": "*", "ingress": "deny", "egress": "allow"}],
             "rules": [{"name": "open", "dport": f"{PORT}, {PLAIN}", "proto": "tcp",
                        "state": "new", "action": "allow"},
                       {"name": "neighbours", "proto": "icmpv6", "icmp-type": "133-136, 143",
                        "action": "allow"}]}
    interfaces = [{"name": name, "hook": hook} for name in ("lan", "wan")]
    tracking = {"enabled": True, "window-check": True, "capacity": capacity, "half-open": 1000}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"rules: {json.dumps(rules)}\nconntrack: {json.dumps(tracking)}\n"
            f"synproxy: {json.dumps({'services': services, **synproxy})}\n")


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@contextlib.contextmanager
def watched(chain, text, hook="tc"):
    """Weir on the gateway. A veth sends by XDP_TX only to one that has an XDP program, too."""
    with contextlib.ExitStack() as stack:
        for station, device in ((chain.client, "eth0"), (chain.near, "left")) * (hook == "xdp"):
            stack.enter_context(Daemon(station, config="api: {listen: off}\ninterfaces: "
                                       f"[{{name: {device}, hook: xdp}}]\n"))
        yield stack.enter_context(Daemon(chain.gateway, config=text))


@contextlib.contextmanager
def connected(chain, family, port=PORT, asker="client", answerer="server"):
    """Both ends of a connection."""
    to = (server_address if answerer == "server" else client_address)(family)
    with listening(getattr(chain, answerer), family, port) as server, \
            connecting(getattr(chain, asker), to, port) as client, \
            server.accept()[0] as accepted:
        accepted.settimeout(20 * SLOWNESS)
        yield client, accepted


def seen(chain, family):
    with connected(chain, family) as (client, accepted):
        both_ways(client, accepted, b"x" * 5000)
        return options(client), options(accepted)


def shown(daemon):
    return daemon.ask("synproxy", "show")


def drops(daemon):
    return {reason: count for reason, count in daemon.reasons().items()
            if reason.startswith("drop")}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_options_are_as_without_it(chain, hook, family):
    with watched(chain, config(hook=hook), hook) as daemon:
        without = seen(chain, family)
        daemon.apply(config(ALWAYS, hook=hook))
        assert seen(chain, family) == without
        assert all(without[0][name] for name in ("timestamps", "sack", "scaled"))
        row = shown(daemon)
        assert (row["answered"], row["proven"], row["relayed"]) == (1, 1, 1)
        assert not drops(daemon)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_large_transfers_arrive_whole(chain, hook, family):
    text = random.Random(family).randbytes(20 << 20)
    with watched(chain, config(ALWAYS, hook=hook), hook) as daemon, \
            connected(chain, family) as (client, accepted):
        both_ways(client, accepted, text)
        assert shown(daemon)["relayed"] == 1 and not drops(daemon)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", ("tc", GENERIC))
def test_transfers_arrive_whole_where_frames_are_lost_and_overtaken(hook, family):
    text = random.Random(family).randbytes(4 << 20)
    with LossyChain(lost=50, held=30) as chain, watched(chain, config(ALWAYS, hook=hook)) as daemon:
        with connected(chain, family) as (client, accepted):
            client.sendall(b"?")            # who waits for the other's first word may wait for ever
            assert receive(accepted, 1) == b"?"
            both_ways(client, accepted, text)
            assert sent_again(client) and sent_again(accepted)
        lost, held = chain.losses()
        assert lost > 50 and held > 50
        assert shown(daemon)["relayed"] >= 1


@pytest.mark.parametrize("first", ("client", "server"))
def test_either_may_speak_first(chain, first):
    with watched(chain, config(ALWAYS)), connected(chain, 4) as (client, accepted):
        sender, receiver = (client, accepted) if first == "client" else (accepted, client)
        for word in (b"1", b"2", b"3"):
            sender.sendall(word)
            assert receive(receiver, 1) == word
            receiver.sendall(word)
            assert receive(sender, 1) == word


def test_many_connections_follow_one_another(chain):
    with watched(chain, config(ALWAYS)) as daemon, listening(chain.server, 4) as server:
        for number in range(200):
            with connecting(chain.client, server_address(4)) as client, \
                    server.accept()[0] as accepted:
                client.sendall(b"%3d" % number)
                assert receive(accepted, 3) == b"%3d" % number
        row = shown(daemon)
        assert row["answered"] == row["proven"] == row["relayed"] == 200
        assert row["refused"] == 0


@pytest.mark.parametrize("setting, word", (("tcp_sack", "sack"), ("tcp_window_scaling", "scaled"),
                                           ("tcp_timestamps", "timestamps")))
def test_a_server_without_an_option_is_understood(chain, setting, word):
    """What the client was told is more than the server can do: windows are translated, the rest it
    passes over."""
    text = random.Random(setting).randbytes(4 << 20)
    chain.server.run("sysctl", "-qw", f"net.ipv4.{setting}=0")
    try:
        with watched(chain, config(ALWAYS)) as daemon, connected(chain, 4) as (client, accepted):
            both_ways(client, accepted, text)
            assert not options(accepted)[word] and options(client)[word]
            # In windows of 64 KiB an acknowledgement that a whole window has overtaken, from
            # another processor, is too old to be believed (as by nf_conntrack), and of no use.
            assert not drops(daemon) or word == "scaled"
    finally:
        chain.server.run("sysctl", "-qw", f"net.ipv4.{setting}=1")


@pytest.mark.parametrize("station", ("server", "client"))
def test_other_scales_than_the_gateways_are_translated(chain, station):
    """Its receive buffer says which scale a host announces."""
    text = random.Random(station).randbytes(8 << 20)
    where = getattr(chain, station)
    before = where.run("sysctl", "-n", "net.ipv4.tcp_rmem").stdout.strip()
    where.run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 400000")
    try:
        with watched(chain, config(ALWAYS)), connected(chain, 4) as (client, accepted):
            both_ways(client, accepted, text)
            scales = options(client)["receive scale"], options(accepted)["receive scale"]
            assert len(set(scales)) == 2, scales
    finally:
        where.run("sysctl", "-qw", f"net.ipv4.tcp_rmem={before}")


def test_without_time_stamps_there_is_neither_scale_nor_sack(chain):
    chain.client.run("sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
    try:
        with watched(chain, config(ALWAYS)):
            for end in seen(chain, 4):
                assert not end["timestamps"] and not end["sack"] and not end["scaled"]
    finally:
        chain.client.run("sysctl", "-qw", "net.ipv4.tcp_timestamps=1")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", ("tc", GENERIC))
def test_what_is_too_large_for_a_path_to_the_client_is_told_to_the_server(chain, hook, family):
    """The far router's error holds a number that only the client knows."""
    text = random.Random(family).randbytes(1 << 20)
    service = {**ALWAYS, "to": ["10.77.1.0/24", "fd77:1::/64"]}
    chain.narrow(1400)
    try:
        with watched(chain, config(service, hook=hook)) as daemon, \
                connected(chain, family, asker="server", answerer="client") as (client, accepted):
            transfer(accepted, client, text)
            path_mtu, = struct.unpack_from(
                "I", accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 60)
            assert path_mtu == 1400
            assert shown(daemon)["relayed"] == 1
    finally:
        chain.narrow(1500)


def test_a_port_where_nobody_listens_resets_and_is_forgotten(chain):
    with watched(chain, config(ALWAYS)) as daemon:
        # It may come before the client's own system call has returned.
        with pytest.raises(OSError) as refused, connecting(chain.client,
                                                           server_address(4)) as client:
            client.sendall(b"?")
            client.recv(1)
        assert refused.value.errno == errno.ECONNRESET
        flow, = daemon.ask("flow", "list", "proto=tcp")["flows"]
        assert flow["state"] == "reset" and flow["expires_s"] <= 10


@pytest.mark.parametrize("hook", ("tc", GENERIC))
def test_who_missed_that_the_server_refused_is_told_when_he_asks(chain, hook):
    """His questions bear the number before that which proved him: each is another SYN."""
    rule = ("iptables", "-I", "INPUT", "-p", "tcp", "--sport", str(PORT), "--tcp-flags", "RST",
            "RST", "-j", "DROP")
    with watched(chain, config(ALWAYS, hook=hook)) as daemon:
        chain.client.run(*rule)
        try:
            client = connecting(chain.client, server_address(4))
            client.sendall(b"?")
            wait_for(lambda: shown(daemon)["relayed"] >= 3, "it is asked again", 20)
            assert "drop_cookie" not in drops(daemon)
        finally:
            chain.client.run(*("-D" if word == "-I" else word for word in rule))
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_server_that_is_away_is_asked_again_and_again(chain):
    """Frames for it are dropped; the client asks for room, and the SYN is sent once more."""
    rule = ("iptables", "-I", "INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP")
    with watched(chain, config(ALWAYS)) as daemon, listening(chain.server, 4) as server:
        chain.server.run(*rule)
        try:
            client = connecting(chain.client, server_address(4))
            client.sendall(b"still there?")
            wait_for(lambda: shown(daemon)["relayed"] >= 3, "it is asked again", 20)
            flow, = daemon.ask("flow", "list", "proto=tcp")["flows"]
            assert flow["table"] == "half-open" and flow["expires_s"] <= 120
        finally:
            chain.server.run(*("-D" if word == "-I" else word for word in rule))
        with client, server.accept()[0] as accepted:
            accepted.settimeout(20 * SLOWNESS)
            assert receive(accepted, 12) == b"still there?"


def test_connections_go_on_when_the_policy_and_the_tables_change(chain):
    """What a connection differs by goes where its flow goes."""
    half = 6 << 20
    text = random.Random(1).randbytes(2 * half)
    with watched(chain, config(ALWAYS)) as daemon, connected(chain, 4) as (client, accepted), \
            connected(chain, 6) as (client6, accepted6):
        for sizes in (1000, 70000, 500):
            both_ways(client, accepted, text[:half])
            both_ways(client6, accepted6, text[half:])
            daemon.config.write_text(config(ALWAYS, capacity=sizes))
            before = threading.Thread(target=both_ways, args=(client, accepted, text))
            before.start()
            daemon.ask("reload")
            before.join()
        other = {"ports": "1-100", "mode": "always", "where": "behind",
                 "to": [server_address(4)]}
        daemon.apply(config(other))
        both_ways(client, accepted, text)
        both_ways(client6, accepted6, text)
        assert shown(daemon)["relayed"] == 2 and not drops(daemon)


def test_connections_go_on_without_the_daemon(chain):
    with watched(chain, config(ALWAYS)) as daemon, connected(chain, 4) as (client, accepted):
        daemon.kill()
        both_ways(client, accepted, b"x" * 100000)
        with connected(chain, 6) as ends:
            both_ways(*ends, b"y" * 100000)
        daemon.start()
        both_ways(client, accepted, b"z" * 100000)


def bare(hook):
    """Nothing that would track connections."""
    return (f"api: {{listen: off}}\ninterfaces: [{{name: lan, hook: {hook}}}, "
            f"{{name: wan, hook: {hook}}}]\n")


@pytest.mark.parametrize("hook", ("tc", GENERIC))
@pytest.mark.parametrize("others", (lambda hook: config(hook=hook), bare), ids=("rules", "bare"))
def test_connections_outlive_their_service(chain, hook, others):
    """Also where nothing else of the policy would track them. New ones are the server's own."""
    with watched(chain, config(ALWAYS, hook=hook)) as daemon:
        with connected(chain, 4) as ends, connected(chain, 6) as ends6:
            both_ways(*ends, b"x" * 100000)
            daemon.config.write_text(others(hook))
            for _ in range(2):
                said, = daemon.apply(others(hook))["warnings"]["problems"]
                assert "relayed go on" in said["what"]
                both_ways(*ends, b"y" * 1000000)
                daemon.ask("reload")
                both_ways(*ends6, b"z" * 1000000)
        with connected(chain, 4) as ends:
            both_ways(*ends, b"new" * 1000)
        assert shown(daemon)["answered"] == 2 and not shown(daemon)["services"]
        assert daemon.ask("flow", "count", "relayed=yes")["total"] == 2
        daemon.ask("flow", "flush", "relayed=yes")
        assert not daemon.apply(others(hook)).get("warnings")
        with connected(chain, 6) as ends:
            both_ways(*ends, b"new" * 1000)


def link_address(station, device):
    text = station.run("ip", "-o", "link", "show", device).stdout
    return text.split("link/ether ")[1].split()[0]


class Stranger:
    """Sends frames to the gateway by hand, from addresses of the client's network."""

    def __init__(self, chain):
        self.tap = chain.client.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.bind(("eth0", 3))
        self.head = Ether(src=link_address(chain.client, "eth0"),
                          dst=link_address(chain.gateway, "lan"))

    def send(self, family, source, link=1, **fields):
        """`link`: where the source claims to be."""
        ip = (IP if family == 4 else IPv6)(src=address(link, source, family),
                                           dst=server_address(family))
        self.tap.send(bytes(self.head / ip / TCP(dport=PORT, **fields)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tap.close()


@pytest.mark.parametrize("hook", ("tc", GENERIC))
def test_neither_syns_nor_acknowledgements_from_strangers_leave_anything(chain, hook):
    with watched(chain, config(ALWAYS, hook=hook)) as daemon, Stranger(chain) as stranger, \
            connected(chain, 4) as (client, accepted):
        for number in range(300):
            for family in FAMILIES:
                stranger.send(family, 50 + number % 100, sport=10000 + number, flags="S")
                stranger.send(family, 50 + number % 100, sport=20000 + number, flags="A",
                              seq=number, ack=number * 7919)
        wait_for(lambda: shown(daemon)["refused"] == 600, "all acknowledgements are refused")
        row = shown(daemon)
        assert (row["answered"], row["relayed"]) == (601, 1)
        assert daemon.ask("flow", "count")["total"] == 1
        both_ways(client, accepted, b"x" * 100000)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", ("tc", GENERIC))
def test_with_another_way_back_it_is_left_alone_and_syns_alone_are_counted(chain, hook, family):
    with watched(chain, config(ALWAYS, hook=hook)) as daemon, Stranger(chain) as stranger:
        stranger.send(family, 9, link=3, sport=5000, flags="S")
        for number in range(20):
            stranger.send(family, 9, link=3, sport=6000 + number, flags="PA" if number % 2 else "A",
                          ack=number)
        # Each begins a flow, and meets the rules where it comes and where it leaves.
        wait_for(lambda: daemon.reasons().get("pass_rule", 0) >= 2 * 21, "all have come")
        row = shown(daemon)
        assert (row["answered"], row["refused"], row["unsuited"]) == (0, 0, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forged_syn_does_not_end_a_connection(chain, family):
    with watched(chain, config(ALWAYS)) as daemon, Stranger(chain) as stranger, \
            connected(chain, family) as (client, accepted):
        both_ways(client, accepted, b"x" * 1000)
        stranger.send(family, 1, sport=client.getsockname()[1], flags="S", seq=77)
        wait_for(lambda: daemon.reasons().get("pass_established"), "it has come")
        both_ways(client, accepted, b"x" * 100000)
        assert shown(daemon)["answered"] == 1


def test_a_client_that_lost_its_connection_gets_another(chain):
    """It has the same port again, and a number of its own: the server says what it knows, the
    client resets that, and asks once more."""
    with watched(chain, config(ALWAYS)), listening(chain.server, 4) as server:
        chain.client.run("iptables", "-I", "OUTPUT", "-p", "tcp", "--tcp-flags", "RST", "RST",
                         "-j", "DROP")
        try:
            with chain.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.bind(("", 7777))
                client.connect((server_address(4), PORT))
                client.sendall(b"?")
                first = server.accept()[0]
                assert receive(first, 1) == b"?"
        finally:
            chain.client.run("iptables", "-F", "OUTPUT")
        with first, chain.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(20 * SLOWNESS)
            client.bind(("", 7777))
            client.connect((server_address(4), PORT))
            client.sendall(b"!")
            with server.accept()[0] as accepted:
                accepted.settimeout(20 * SLOWNESS)
                assert receive(accepted, 1) == b"!"


def test_what_is_not_named_is_left_to_its_server(chain):
    other = {**ALWAYS, "to": ["10.77.4.77", "fd77:4::/64"]}
    here = {**ALWAYS, "where": "here"}
    with watched(chain, config(other)) as daemon:
        for services in ([other], [here]):
            daemon.apply(config(*services))
            with connected(chain, 4) as ends:
                both_ways(*ends, b"x" * 1000)
            assert shown(daemon)["answered"] == 0


def test_servers_must_be_named(chain):
    with watched(chain, config()) as daemon, pytest.raises(Refused) as refused:
        daemon.apply(config({"ports": "80", "where": "behind"}))
    assert "synproxy.services[0].where" in str(refused.value)
    assert "write `to:` with the addresses of the servers" in str(refused.value)
