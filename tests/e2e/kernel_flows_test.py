# SPDX-License-Identifier: Apache-2.0
"""What core/kernel_flows.h reads of the kernel's connections, held against those that each test
made itself, and against what /proc/net/nf_conntrack and ss say of them."""
import collections
import contextlib
import ipaddress
import json
import pathlib
import re
import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6EchoRequest

from harness.daemon import HELPERS
from harness.net import Namespace, Pair, veth
from harness.wait import wait_for

TCP_NUMBER, UDP_NUMBER = socket.IPPROTO_TCP, socket.IPPROTO_UDP
DAYS_5_S = 432000
TRACK = """table inet track {
    chain in { type filter hook input priority 0; ct state new counter; }
    chain out { type filter hook output priority 0; ct state new counter; }
}"""
Flow = collections.namedtuple("Flow", "source proto initiator initiator_port responder "
                                      "responder_port stage answered")


def told(namespace, *limit):
    """Every line, as it is."""
    done = namespace.run(HELPERS / "kernel_flows", *limit)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def flows(namespace):
    """{Flow: line}; that each is told once is for those tests that count."""
    return {Flow(*(line[name] for name in Flow._fields)): line for line in told(namespace)}


def wait_for_flows(namespace, wanted):
    seen = {}

    def have():
        seen.clear()
        seen.update(flows(namespace))
        return set(seen) == wanted
    try:
        wait_for(have, "the flows")
    except AssertionError:
        assert set(seen) == wanted
    return seen


def both(proto, client, server, stage, answered, sources=("conntrack", "socket")):
    """The same flow of each source; ends are (address, port)."""
    return {Flow(source, proto, *client, *server, stage, answered) for source in sources}


def ends(sock):
    """Of a connected socket, here and there, with IPv4 as IPv4."""
    return [(plain(end[0]), end[1]) for end in (sock.getsockname(), sock.getpeername())]


def plain(address):
    there = ipaddress.ip_address(address)
    return str(getattr(there, "ipv4_mapped", None) or there)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def nft(namespace, text):
    namespace.run("nft", "-f", "-", input=text)


@pytest.fixture
def stack():
    with contextlib.ExitStack() as made:
        yield made


@pytest.fixture
def pair():
    with Pair("flows", addresses=True) as made:
        yield made


@pytest.fixture
def tracked(pair):
    nft(pair.inside, TRACK)
    return pair


def listen(stack, namespace, address, port=0, only_v6=False):
    server = stack.enter_context(namespace.socket(family_of(address), socket.SOCK_STREAM))
    if ":" in address:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    return server


def connect(stack, namespace, address, port, source=None):
    client = stack.enter_context(namespace.socket(family_of(address), socket.SOCK_STREAM))
    client.settimeout(10)
    if source:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(source)
    client.connect((address, port))
    return client


def accept(stack, server):
    server.settimeout(10)
    return stack.enter_context(server.accept()[0])


def established(stack, client_side, server_side, address):
    """(client, accepted) of one connection."""
    server = listen(stack, server_side, "::")
    client = connect(stack, client_side, address, server.getsockname()[1])
    return client, accept(stack, server)


# --- TCP -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("way", ["inbound", "outbound"])
@pytest.mark.parametrize("conntrack", ["with-conntrack", "without-conntrack"])
def test_established_tcp_is_told_with_who_began(pair, stack, family, way, conntrack):
    if conntrack == "with-conntrack":
        nft(pair.inside, TRACK)
    here = getattr(pair, f"inside_{family}")
    there = getattr(pair, f"outside_{family}")
    if way == "inbound":
        client, _ = established(stack, pair.outside, pair.inside, here)
    else:
        client, _ = established(stack, pair.inside, pair.outside, there)
    sources = ("conntrack", "socket") if conntrack == "with-conntrack" else ("socket",)
    seen = wait_for_flows(pair.inside, both(TCP_NUMBER, *ends(client), "established", True,
                                            sources))
    for flow, line in seen.items():
        assert line["assured"] and line["mark"] == 0
        assert (DAYS_5_S - 60 < line["timeout_s"] <= DAYS_5_S if flow.source == "conntrack"
                else line["timeout_s"] == 0)


def test_scales_are_those_that_each_end_announced(tracked, stack):
    server = listen(stack, tracked.inside, "::")
    client = stack.enter_context(tracked.outside.socket(socket.AF_INET6, socket.SOCK_STREAM))
    # Before the SYN, so that its scale is a smaller one than the server's.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 150000)
    client.connect((tracked.inside_v6, server.getsockname()[1]))
    accept(stack, server)
    seen = wait_for_flows(tracked.inside, both(TCP_NUMBER, *ends(client), "established", True))
    # ss has first what the other end announced, then what this end did.
    by_ss = tracked.inside.run("ss", "-tniH").stdout
    client_scale, server_scale = map(int, re.search(r"wscale:(\d+),(\d+)", by_ss).groups())
    assert client_scale != server_scale
    for line in seen.values():
        assert (line["initiator_scale"], line["responder_scale"]) == (client_scale, server_scale)


def test_syn_without_answer_is_opening(tracked, stack):
    nft(tracked.outside, "table ip mute { chain in { type filter hook input priority 0; "
                         "tcp flags syn drop; }\n}")
    client = stack.enter_context(tracked.inside.socket(socket.AF_INET, socket.SOCK_STREAM))
    client.setblocking(False)
    assert client.connect_ex((tracked.outside_v4, 7777)) != 0
    seen = wait_for_flows(tracked.inside, both(
        TCP_NUMBER, (tracked.inside_v4, client.getsockname()[1]), (tracked.outside_v4, 7777),
        "opening", False))
    assert not any(line["assured"] for line in seen.values())


def test_half_open_connection_is_of_the_sender_of_its_syn(tracked, stack):
    """A SYN from an address that answers nothing; this host has sent its SYN+ACK."""
    ghost = "10.77.1.77"
    tracked.inside.run("ip", "neigh", "add", ghost, "lladdr", "02:00:00:00:00:77", "dev",
                       tracked.wire)
    server = listen(stack, tracked.inside, tracked.inside_v4)
    raw = stack.enter_context(tracked.outside.socket(socket.AF_INET, socket.SOCK_RAW,
                                                     socket.IPPROTO_RAW))
    port = server.getsockname()[1]
    raw.sendto(bytes(IP(src=ghost, dst=tracked.inside_v4) / TCP(sport=4444, dport=port,
                                                                flags="S")),
               (tracked.inside_v4, 0))
    seen = wait_for_flows(tracked.inside, both(TCP_NUMBER, (ghost, 4444),
                                               (tracked.inside_v4, port), "opening", True))
    assert not any(line["assured"] for line in seen.values())


def test_closing_is_told_by_side(tracked, stack):
    first, first_here = established(stack, tracked.outside, tracked.inside, tracked.inside_v4)
    second, second_here = established(stack, tracked.outside, tracked.inside, tracked.inside_v6)
    first.shutdown(socket.SHUT_WR)
    second_here.shutdown(socket.SHUT_WR)
    names = ends(first), ends(second)
    wait_for_flows(tracked.inside, both(TCP_NUMBER, *names[0], "initiator-closed", True) |
                   both(TCP_NUMBER, *names[1], "responder-closed", True))
    first_here.shutdown(socket.SHUT_WR)         # which ends this socket at once: it was the second
    second.shutdown(socket.SHUT_WR)
    wait_for_flows(tracked.inside,
                   both(TCP_NUMBER, *names[0], "time-wait", True, ("conntrack",)) |
                   both(TCP_NUMBER, *names[1], "time-wait", True))


def test_closing_without_conntrack_is_told_by_side(pair, stack):
    """The local end began here."""
    first, _ = established(stack, pair.inside, pair.outside, pair.outside_v4)
    second, second_there = established(stack, pair.inside, pair.outside, pair.outside_v6)
    first.shutdown(socket.SHUT_WR)
    second_there.shutdown(socket.SHUT_WR)
    wait_for_flows(pair.inside,
                   both(TCP_NUMBER, *ends(first), "initiator-closed", True, ("socket",)) |
                   both(TCP_NUMBER, *ends(second), "responder-closed", True, ("socket",)))


def test_reset_is_told_by_conntrack(tracked, stack):
    client, _ = established(stack, tracked.outside, tracked.inside, tracked.inside_v4)
    name = ends(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_for_flows(tracked.inside, both(TCP_NUMBER, *name, "reset", True, ("conntrack",)))


# --- who waits at a port -------------------------------------------------------------------------

def test_port_that_waits_at_another_address_began_here(pair, stack):
    pair.inside.run("ip", "addr", "add", "10.77.1.9/24", "dev", pair.wire)
    server = listen(stack, pair.outside, "::")
    port = server.getsockname()[1]
    elsewhere = listen(stack, pair.inside, "10.77.1.9")
    source = (pair.inside_v4, elsewhere.getsockname()[1])
    client = connect(stack, pair.inside, pair.outside_v4, port, source)
    wait_for_flows(pair.inside, both(TCP_NUMBER, source, (pair.outside_v4, port), "established",
                                     True, ("socket",)))
    assert client.getsockname() == source


def test_port_that_waits_at_one_address_is_of_those_who_come_there(pair, stack):
    server = listen(stack, pair.inside, pair.inside_v4)
    client = connect(stack, pair.outside, pair.inside_v4, server.getsockname()[1])
    accept(stack, server)
    wait_for_flows(pair.inside, both(TCP_NUMBER, *ends(client), "established", True, ("socket",)))


def test_port_that_waits_for_v6_alone_began_v4_here(pair, stack):
    server = listen(stack, pair.outside, "::")
    port = server.getsockname()[1]
    only_v6 = listen(stack, pair.inside, "::", only_v6=True)
    source = (pair.inside_v4, only_v6.getsockname()[1])
    connect(stack, pair.inside, pair.outside_v4, port, source)
    wait_for_flows(pair.inside, both(TCP_NUMBER, source, (pair.outside_v4, port), "established",
                                     True, ("socket",)))


def udp_socket(stack, namespace, source, peer=None):
    made = stack.enter_context(namespace.socket(family_of(source[0]), socket.SOCK_DGRAM))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(source)
    if peer:
        made.connect(peer)
    made.settimeout(10)
    return made


def test_connected_udp_is_the_others_where_one_waits_at_its_port(pair, stack):
    peer = (pair.outside_v4, 6000)
    udp_socket(stack, pair.inside, ("0.0.0.0", 5000))
    udp_socket(stack, pair.inside, (pair.inside_v4, 5000), peer)
    udp_socket(stack, pair.inside, (pair.inside_v4, 5001), peer)
    wait_for_flows(pair.inside, both(UDP_NUMBER, peer, (pair.inside_v4, 5000), "unstaged", True,
                                     ("socket",)) |
                   both(UDP_NUMBER, (pair.inside_v4, 5001), peer, "unstaged", True, ("socket",)))


# --- UDP, ICMP and others ------------------------------------------------------------------------

@pytest.mark.parametrize("family", ["v4", "v6"])
def test_udp_is_answered_once_its_responder_was_heard(tracked, stack, family):
    here = (getattr(tracked, f"inside_{family}"), 5300)
    there = (getattr(tracked, f"outside_{family}"), 5301)
    server = udp_socket(stack, tracked.inside, here)
    client = udp_socket(stack, tracked.outside, there)
    client.sendto(b"question", here)
    assert server.recv(100) == b"question"
    wait_for_flows(tracked.inside, both(UDP_NUMBER, there, here, "unstaged", False,
                                        ("conntrack",)))
    server.sendto(b"answer", there)
    assert client.recv(100) == b"answer"
    wait_for_flows(tracked.inside, both(UDP_NUMBER, there, here, "unstaged", True, ("conntrack",)))


def test_echo_has_identifier_and_request_for_ports(tracked, stack):
    v4 = stack.enter_context(tracked.outside.socket(socket.AF_INET, socket.SOCK_RAW,
                                                    socket.IPPROTO_ICMP))
    v6 = stack.enter_context(tracked.inside.socket(socket.AF_INET6, socket.SOCK_RAW,
                                                   socket.IPPROTO_ICMPV6))
    v4.sendto(bytes(ICMP(type=8, id=0x1234)), (tracked.inside_v4, 0))
    v6.sendto(bytes(ICMPv6EchoRequest(id=0x4321)), (tracked.outside_v6, 0))     # sum: the kernel's
    wait_for_flows(tracked.inside, {
        Flow("conntrack", 1, tracked.outside_v4, 0x1234, tracked.inside_v4, 8, "unstaged", True),
        Flow("conntrack", 58, tracked.inside_v6, 0x4321, tracked.outside_v6, 128, "unstaged",
             True)})


def test_protocol_without_ports_is_a_pair_of_addresses(tracked, stack):
    esp = 50
    raw = stack.enter_context(tracked.outside.socket(socket.AF_INET, socket.SOCK_RAW, esp))
    raw.sendto(bytes(32), (tracked.inside_v4, 0))
    wait_for_flows(tracked.inside, both(esp, (tracked.outside_v4, 0), (tracked.inside_v4, 0),
                                        "unstaged", False, ("conntrack",)))


# --- translation ---------------------------------------------------------------------------------

def test_redirected_flow_is_told_as_before_and_behind(tracked, stack):
    nft(tracked.inside, "table ip turn { chain pre { type nat hook prerouting priority dstnat; "
                        "tcp dport 80 redirect to :8080; }\n}")
    server = listen(stack, tracked.inside, "0.0.0.0", 8080)
    client = connect(stack, tracked.outside, tracked.inside_v4, 80)
    accept(stack, server)
    here, there = ends(client)
    behind = (tracked.inside_v4, 8080)
    wait_for_flows(tracked.inside,
                   both(TCP_NUMBER, here, there, "established", True, ("conntrack",)) |
                   both(TCP_NUMBER, here, behind, "established", True))


def test_masqueraded_flow_that_is_forwarded_is_told_as_before_and_behind(tracked, stack):
    client_side = Namespace("flows-client")
    stack.callback(client_side.delete)
    veth(tracked.inside, "near", client_side, "far")
    tracked.inside.run("ip", "addr", "add", "10.78.1.1/24", "dev", "near")
    client_side.run("ip", "addr", "add", "10.78.1.2/24", "dev", "far")
    client_side.run("ip", "route", "add", "default", "via", "10.78.1.1")
    tracked.inside.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nft(tracked.inside, "table ip turn { chain post { type nat hook postrouting priority srcnat; "
                        'oifname "wire" meta l4proto tcp masquerade to :20000-20000; }\n}')
    client, accepted = established(stack, client_side, tracked.outside, tracked.outside_v4)
    here, there = ends(client)
    assert ends(accepted)[1] == (tracked.inside_v4, 20000)
    wait_for_flows(tracked.inside,
                   both(TCP_NUMBER, here, there, "established", True, ("conntrack",)) |
                   both(TCP_NUMBER, (tracked.inside_v4, 20000), there, "established", True,
                        ("conntrack",)))


# --- the rest of an entry ------------------------------------------------------------------------

def test_mark_is_told(tracked, stack):
    nft(tracked.inside, "table inet paint { chain in { type filter hook input priority 1; "
                        "ct mark set 0x01020304; }\n}")
    client, _ = established(stack, tracked.outside, tracked.inside, tracked.inside_v4)
    seen = wait_for_flows(tracked.inside, both(TCP_NUMBER, *ends(client), "established", True))
    assert {flow.source: line["mark"] for flow, line in seen.items()} == {
        "conntrack": 0x01020304, "socket": 0}


def test_zone_other_than_0_is_not_told(tracked, stack):
    nft(tracked.inside, """table inet zones {
        chain pre { type filter hook prerouting priority -300; udp dport 5001 ct zone set 7; }
    }""")
    there = (tracked.outside_v4, 5002)
    client = udp_socket(stack, tracked.outside, there)
    for port in (5000, 5001):
        udp_socket(stack, tracked.inside, (tracked.inside_v4, port))
    for port in (5001, 5000):
        client.sendto(b"x", (tracked.inside_v4, port))
    wait_for_flows(tracked.inside, both(UDP_NUMBER, there, (tracked.inside_v4, 5000), "unstaged",
                                        False, ("conntrack",)))


# --- held against other tools --------------------------------------------------------------------

def tuples_of(text):
    """{(proto, src, sport, dst, dport) of both directions: ...} of /proc/net/nf_conntrack."""
    for line in text.splitlines():
        proto = int(line.split()[3])
        found = re.findall(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", line)
        (src, dst, sport, dport), reply = found
        assert (dst, src, dport, sport) == reply
        yield (proto, plain(src), int(sport), plain(dst), int(dport), int(line.split()[4]),
               "ASSURED" in line, "UNREPLIED" not in line)


def test_flows_are_those_of_proc_and_of_ss(tracked, stack):
    table = pathlib.Path("/proc/thread-self/net/nf_conntrack")
    for number in range(40):
        inbound = number % 2
        far = (tracked.inside, tracked.outside) if inbound else (tracked.outside, tracked.inside)
        address = getattr(tracked, ("inside_" if inbound else "outside_") +
                          ("v4" if number % 4 < 2 else "v6"))
        established(stack, far[1], far[0], address)
        udp_socket(stack, tracked.inside, (tracked.inside_v4, 3000 + number),
                   (tracked.outside_v4, 4000 + number)).send(b"x")
    lines = [line for line in told(tracked.inside) if line["proto"] in (TCP_NUMBER, UDP_NUMBER)]
    ours = {source: {(line["proto"], line["initiator"], line["initiator_port"], line["responder"],
                      line["responder_port"]): line for line in lines if line["source"] == source}
            for source in ("conntrack", "socket")}
    assert len(ours["conntrack"]) == len(ours["socket"]) == 80

    by_ss = set()
    for row in tracked.inside.run("ss", "-tunH", "state", "connected").stdout.splitlines():
        netid, *_, local, peer = row.split()[:6]
        one, other = ((plain(end.rpartition(":")[0].strip("[]")), int(end.rpartition(":")[2]))
                      for end in (local, peer))
        by_ss.add(frozenset([({"tcp": TCP_NUMBER, "udp": UDP_NUMBER}[netid],), one, other]))
    assert {frozenset([(proto,), (a, ap), (b, bp)])
            for proto, a, ap, b, bp in ours["socket"]} == by_ss

    with tracked.inside.entered():
        if not table.exists():
            pytest.skip("this kernel has no /proc/net/nf_conntrack")
        text = table.read_text()
    by_proc = {row[:5]: row[5:] for row in tuples_of(text) if row[0] in (TCP_NUMBER, UDP_NUMBER)}
    assert by_proc.keys() == ours["conntrack"].keys()
    for key, (left_s, assured, answered) in by_proc.items():
        line = ours["conntrack"][key]
        assert (line["assured"], line["answered"]) == (assured, answered)
        assert 0 <= line["timeout_s"] - left_s <= 5


def test_every_one_of_many_is_told(tracked, stack):
    """More than one part of a dump holds, by a hundred times."""
    sender = udp_socket(stack, tracked.inside, (tracked.inside_v4, 999))
    nft(tracked.outside, "table inet mute { chain in { type filter hook input priority 0; "
                         "udp dport 1-20000 drop; }\n}")
    for port in range(1, 20001):
        sender.sendto(b"", (tracked.outside_v4, port))
    ports = collections.Counter(line["responder_port"] for line in told(tracked.inside)
                                if line["source"] == "conntrack" and line["proto"] == UDP_NUMBER)
    assert set(ports) == set(range(1, 20001))


def test_each_that_does_not_return_0_ends_the_telling(tracked, stack):
    for _ in range(3):
        established(stack, tracked.outside, tracked.inside, tracked.inside_v4)
    assert len(told(tracked.inside)) == 6
    assert len(told(tracked.inside, 2)) == 2
    assert len(told(tracked.inside, 5)) == 5


def test_without_the_capability_it_fails_and_says_so(tracked):
    done = tracked.inside.run("setpriv", "--bounding-set", "-net_admin",
                              HELPERS / "kernel_flows", check=False)
    assert done.returncode == 1
    assert done.stderr == "the kernel's connections cannot be read: Operation not permitted\n"
