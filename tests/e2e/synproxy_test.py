# SPDX-License-Identifier: Apache-2.0
"""SYNs answered with cookies: real clients and servers see what they would see without, and what
proves nothing leaves nothing behind."""
import contextlib
import errno
import hashlib
import random
import select
import socket
import struct
import threading

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, PadN
from scapy.layers.l2 import Ether

from harness.clients import connect_error, servers
from harness.daemon import Daemon, Refused
from harness.kernel import release
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire

has_means = pytest.mark.skipif(release() < (6, 9), reason="handed over by Linux 6.9")
PORT, OTHER, PLAIN = 8080, 8081, 9090
HOOKS = ("tc", "xdp", "xdp-generic")
ADDRESSES = ("inside_v4", "inside_v6")
CONFIG = """api: {{listen: off}}
interfaces:
  - {{name: wire, hook: {hook}}}
rules:
  policy:
    - {{interface: "*", ingress: deny, egress: allow}}
  rules:
    - {{name: no, src: "10.77.1.66, fd77::66", action: deny}}
    - {{name: open, dport: "8080, 8081, 9090", proto: tcp, state: new, action: allow}}
    - {{name: neighbours, proto: "icmp, icmpv6", action: allow}}
"""


def config(*services, hook="tc"):
    rows = ", ".join(f"{{{service}}}" for service in services)
    return CONFIG.format(hook=hook) + f"synproxy: {{services: [{rows}]}}\n"


ALWAYS = "ports: '8080, 8081', mode: always"


@contextlib.contextmanager
def watched(joined, text, hook="tc"):
    """Weir inside. A veth sends by XDP_TX only to one that has an XDP program, too."""
    with contextlib.ExitStack() as stack:
        if hook == "xdp":
            stack.enter_context(Daemon(joined.outside, config="api: {listen: off}\ninterfaces: "
                                       "[{name: far, hook: xdp}]\n"))
        yield stack.enter_context(Daemon(joined.inside, config=text))


@pytest.fixture
def joined():
    with Pair("synproxy", addresses=True) as made:
        yield made


@pytest.fixture(params=ADDRESSES)
def address(request, joined):
    return getattr(joined, request.param)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listening(joined, address, port=PORT):
    server = joined.inside.socket(family(address), socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(64)
    server.settimeout(10)
    return server


def connecting(joined, address, port=PORT, mss=None):
    client = joined.outside.socket(family(address), socket.SOCK_STREAM)
    client.settimeout(10)
    if mss:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    client.connect((address, port))
    return client


def receive(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(min(count - len(data), 1 << 20))
        assert more, f"ends behind {len(data)} of {count} bytes"
        data += more
    return data


def options(connection):
    """What the kernel says of it (struct tcp_info)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    send_mss, = struct.unpack_from("I", info, 16)
    path_mtu, = struct.unpack_from("I", info, 60)
    advertised, = struct.unpack_from("I", info, 84)
    return {"timestamps": info[5] & 1, "sack": info[5] >> 1 & 1, "scaled": info[5] >> 2 & 1,
            "send scale": info[6] & 15, "receive scale": info[6] >> 4,
            "mss": send_mss, "path mtu": path_mtu, "advertised": advertised}


def seen(joined, address, mss=None):
    """Options as both sides have them once data has gone both ways."""
    with listening(joined, address) as server, connecting(joined, address, mss=mss) as client, \
            server.accept()[0] as accepted:
        accepted.settimeout(10)
        for sender, receiver in ((client, accepted), (accepted, client)):
            sender.sendall(b"x" * 5000)
            receive(receiver, 5000)
        return options(accepted), options(client)


def shown(daemon):
    return daemon.ask("synproxy", "show")


@has_means
@pytest.mark.parametrize("hook", HOOKS)
def test_options_are_as_without_it(joined, hook, address):
    with watched(joined, CONFIG.format(hook=hook), hook) as daemon:
        without = seen(joined, address)
        daemon.apply(config(ALWAYS, hook=hook))
        assert seen(joined, address) == without
        assert without[0]["timestamps"] and without[0]["sack"] and without[0]["scaled"]
        row = shown(daemon)
        assert (row["answered"], row["proven"], row["handed"]) == (1, 1, 1)
        assert daemon.reasons()["pass_syn_answered"] == 1


@has_means
def test_segments_are_no_larger_than_the_client_asks_for(joined, address):
    with watched(joined, config(ALWAYS)):
        accepted, client = seen(joined, address, mss=1312)
        assert accepted["mss"] <= 1300 and client["mss"] <= 1312


@has_means
def test_a_client_without_time_stamps_has_neither_scale_nor_sack(joined, address):
    joined.outside.run("sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
    with watched(joined, config(ALWAYS)) as daemon:
        for side in seen(joined, address):
            assert not side["timestamps"] and not side["sack"] and not side["scaled"]
            assert side["mss"] == (1440 if ":" in address else 1460)
        assert shown(daemon)["handed"] == 1


@has_means
@pytest.mark.parametrize("setting, word", (("tcp_sack", "sack"), ("tcp_window_scaling", "scaled"),
                                           ("tcp_timestamps", "timestamps")))
def test_what_this_host_does_not_do_is_not_offered(joined, setting, word):
    joined.inside.run("sysctl", "-qw", f"net.ipv4.{setting}=0")
    with watched(joined, config(ALWAYS)) as daemon:
        accepted, client = seen(joined, joined.inside_v4)
        assert not accepted[word] and not client[word]
        assert shown(daemon)["handed"] == 1


@has_means
@pytest.mark.parametrize("hook", HOOKS)
def test_large_transfers_arrive_whole(joined, hook, address):
    text = random.Random(hook + address).randbytes(20 << 20)
    with watched(joined, config(ALWAYS, hook=hook), hook), listening(joined, address) as server, \
            connecting(joined, address) as client, server.accept()[0] as accepted:
        for sender, receiver in ((client, accepted), (accepted, client)):
            receiver.settimeout(30)
            thread = threading.Thread(target=sender.sendall, args=(text,))
            thread.start()
            got = receive(receiver, len(text))
            thread.join()
            assert hashlib.sha256(got).digest() == hashlib.sha256(text).digest()


@has_means
@pytest.mark.parametrize("hook", HOOKS)
def test_many_connections_follow_one_another(joined, hook, address):
    with watched(joined, config(ALWAYS, hook=hook), hook) as daemon, \
            listening(joined, address) as server:
        for number in range(200):
            with connecting(joined, address) as client, server.accept()[0] as accepted:
                accepted.settimeout(10)
                client.sendall(b"?%d" % number)
                assert accepted.recv(10) == b"?%d" % number
        row = shown(daemon)
        assert row["handed"] == row["proven"] == row["answered"] == 200
        assert row["refused"] == row["failed"] == 0


@has_means
def test_a_client_that_uses_its_port_again_is_served(joined, address):
    """The one that closes first keeps the port for a while; here it is the client, by a reset."""
    with watched(joined, config(ALWAYS)), listening(joined, address) as server:
        for _ in range(5):
            with joined.outside.socket(family(address), socket.SOCK_STREAM) as client:
                client.settimeout(5)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(("", 7777))
                client.connect((address, PORT))
                with server.accept()[0] as accepted:
                    client.sendall(b"x")
                    assert receive(accepted, 1) == b"x"


@has_means
def test_connections_are_known_as_established_and_syns_leave_nothing(joined, address):
    with watched(joined, config(ALWAYS)) as daemon, listening(joined, address) as server, \
            Stranger(joined, address) as stranger:
        for port in range(100):
            stranger.send(sport=10000 + port, flags="S")
        stranger.answers(100)
        assert daemon.ask("flow", "count")["half_open"] == 0
        with connecting(joined, address), server.accept()[0]:
            flows = daemon.ask("flow", "list", "proto=tcp")["flows"]
            assert [flow["state"] for flow in flows] == ["established"]
            count = daemon.ask("flow", "count")
            assert (count["proven"], count["half_open"]) == (1, 0)


class Stranger:
    """Sends frames by hand and looks at what comes back, from an address nobody has."""
    v4, v6 = "10.77.1.50", "fd77::50"

    def __init__(self, joined, address, source=None):
        self.address = address
        self.source = source or (self.v6 if ":" in address else self.v4)
        self.tap = joined.outside.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.bind((joined.far, 3))
        self.mac = link_address(joined.outside, joined.far)
        self.peer = link_address(joined.inside, joined.wire)

    def send(self, source=None, dport=PORT, **fields):
        ip = IPv6 if ":" in self.address else IP
        frame = (Ether(src=self.mac, dst=self.peer) /
                 ip(src=source or self.source, dst=self.address) / TCP(dport=dport, **fields))
        self.tap.send(bytes(frame))

    def answers(self, count, seconds=5):
        """The TCP segments that came back to it."""
        found = []
        while len(found) < count:
            assert select.select([self.tap], [], [], seconds)[0], f"{found} came, and no more"
            frame, origin = self.tap.recvfrom(2048)
            packet = Ether(frame)
            if origin[2] != 4 and TCP in packet and packet[TCP].sport in (PORT, OTHER, PLAIN):
                found.append(packet[TCP])
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tap.close()


def link_address(namespace, device):
    text = namespace.run("ip", "-o", "link", "show", device).stdout
    return text.split("link/ether ")[1].split()[0]


SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (77, 0)), ("NOP", None), ("WScale", 5)]


def proof(answer, **change):
    """The acknowledgement of an answer, with its time stamp."""
    stamp = dict(answer.options)["Timestamp"][0]
    return {"sport": answer.dport, "flags": "A", "seq": answer.ack, "ack": answer.seq + 1,
            "options": [("NOP", None), ("NOP", None), ("Timestamp", (78, stamp))], **change}


@has_means
@pytest.mark.parametrize("hook", ("tc", "xdp-generic"))
def test_only_the_right_cookie_opens_a_connection(joined, hook, address):
    with watched(joined, config(ALWAYS, hook=hook)) as daemon, \
            listening(joined, address) as server, listening(joined, address, OTHER) as other, \
            Stranger(joined, address) as stranger:
        stranger.send(sport=5000, flags="S", seq=1000, options=SYN_OPTIONS)
        answer, = stranger.answers(1)
        assert str(answer.flags) == "SA" and answer.ack == 1001
        said = dict(answer.options)
        assert said["MSS"] == (1440 if ":" in address else 1460) and said["Timestamp"][1] == 77
        forgeries = [proof(answer, ack=answer.seq + 9), proof(answer, seq=answer.ack + 1),
                     proof(answer, sport=5001), proof(answer, dport=OTHER), proof(answer, ack=1),
                     proof(answer, ack=(answer.seq + 1 + (1 << 28)) % (1 << 32)),
                     proof(answer, source="fd77::51" if ":" in address else "10.77.1.51")]
        for forgery in forgeries:
            stranger.send(**forgery)
        wait_for(lambda: shown(daemon)["refused"] == len(forgeries), "all are refused")
        assert daemon.reasons()["drop_cookie"] == len(forgeries)
        assert not select.select([server, other], [], [], 0)[0]
        stranger.send(**proof(answer))
        with server.accept()[0] as accepted:
            assert accepted.getpeername()[:2] == (stranger.source, 5000)
            assert options(accepted)["send scale"] == 5 and options(accepted)["sack"]
        assert shown(daemon)["proven"] == 1


@has_means
def test_data_may_prove_it_where_the_acknowledgement_was_lost(joined, address):
    with watched(joined, config(ALWAYS)), listening(joined, address) as server, \
            Stranger(joined, address) as stranger:
        stranger.send(sport=5000, flags="S", seq=1000, options=SYN_OPTIONS)
        answer, = stranger.answers(1)
        first = proof(answer, flags="PA")
        packet = TCP(dport=PORT, **first) / b"hello"
        ip = IPv6 if ":" in address else IP
        stranger.tap.send(bytes(Ether(src=stranger.mac, dst=stranger.peer) /
                                ip(src=stranger.source, dst=address) / packet))
        with server.accept()[0] as accepted:
            accepted.settimeout(10)
            assert receive(accepted, 5) == b"hello"


@has_means
def test_what_the_rules_deny_is_not_answered(joined, address):
    denied = "fd77::66" if ":" in address else "10.77.1.66"
    with watched(joined, config(ALWAYS)) as daemon, listening(joined, address), \
            Stranger(joined, address) as stranger:
        stranger.send(source=denied, sport=5000, flags="S")
        stranger.send(sport=5001, flags="S")
        assert [answer.dport for answer in stranger.answers(1)] == [5001]
        assert daemon.reasons()["drop_rule"] == 1
        assert shown(daemon)["answered"] == 1


@has_means
def test_a_port_that_nobody_listens_at_refuses_as_before(joined, address):
    with watched(joined, config(ALWAYS)) as daemon:
        assert connect_error(joined.outside, address, PORT) == errno.ECONNREFUSED
        assert shown(daemon)["answered"] == 0


@has_means
def test_other_ports_and_destinations_are_left_alone(joined):
    service = f"ports: '8080', mode: always, to: [{joined.inside_v6}, 10.77.9.0/24]"
    with watched(joined, config(service)) as daemon, servers(joined.inside, PORT, PLAIN):
        assert connect_error(joined.outside, joined.inside_v4, PORT) == 0
        assert connect_error(joined.outside, joined.inside_v6, PLAIN) == 0
        assert shown(daemon)["answered"] == 0
        assert connect_error(joined.outside, joined.inside_v6, PORT) == 0
        assert shown(daemon)["answered"] == shown(daemon)["handed"] == 1


@has_means
def test_nobody_else_is_answered_for(joined):
    """A gateway that listens at all its addresses: what only passes through is not for it."""
    joined.inside.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    joined.inside.run("ip", "route", "add", "198.51.100.0/24", "via", joined.outside_v4)
    with watched(joined, config(ALWAYS)) as daemon, servers(joined.inside, PORT), \
            Stranger(joined, "198.51.100.7") as away, \
            Stranger(joined, joined.inside_v4) as here:
        away.send(sport=5000, flags="S")
        here.send(sport=5001, flags="S")
        assert [answer.dport for answer in here.answers(1)] == [5001]
        assert shown(daemon)["answered"] == 1


@has_means
def test_a_syn_that_cannot_be_answered_goes_to_the_listener(joined):
    """Its headers are longer than what is taken of a packet."""
    with watched(joined, config(ALWAYS)) as daemon, listening(joined, joined.inside_v6), \
            Stranger(joined, joined.inside_v6) as stranger:
        padding = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(100))])
        ip = IPv6(src=stranger.source, dst=joined.inside_v6)
        stranger.tap.send(bytes(Ether(src=stranger.mac, dst=stranger.peer) / ip / padding /
                                TCP(sport=5000, dport=PORT, flags="S")))
        wait_for(lambda: daemon.reasons().get("pass_rule"), "it has come")
        assert shown(daemon)["answered"] == 0


@has_means
def test_syns_from_where_nobody_is_are_dropped(joined):
    with watched(joined, config(ALWAYS)) as daemon, listening(joined, joined.inside_v4), \
            Stranger(joined, joined.inside_v4) as stranger:
        for source in ("0.136.57.71", "224.0.0.5", "255.1.2.3"):
            stranger.send(source=source, sport=5000, flags="S")
        stranger.send(sport=5001, flags="S")
        assert [answer.dport for answer in stranger.answers(1)] == [5001]
        assert daemon.reasons()["drop_cookie"] == 3
        assert daemon.ask("flow", "count")["total"] == 0


@has_means
def test_what_a_host_says_to_itself_is_left_alone(joined):
    text = config(ALWAYS).replace("name: wire", "name: lo")
    with watched(joined, text) as daemon, listening(joined, joined.inside_v4), \
            joined.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect((joined.inside_v4, PORT))
        assert shown(daemon)["answered"] == 0


@contextlib.contextmanager
def listening_for_mptcp(joined, address):
    with joined.inside.entered():
        try:
            server = socket.socket(family(address), socket.SOCK_STREAM, 262)
        except OSError:
            pytest.skip("this kernel has no MPTCP")
    with server:
        server.bind((address, PORT))
        server.listen()
        server.settimeout(10)
        yield server


@has_means
def test_listeners_of_mptcp_are_left_to_themselves(joined):
    with listening_for_mptcp(joined, joined.inside_v4), \
            watched(joined, config(ALWAYS)) as daemon:
        assert connect_error(joined.outside, joined.inside_v4, PORT) == 0
        assert (shown(daemon)["answered"], shown(daemon)["unsuited"]) == (0, 1)


@has_means
def test_of_what_comes_for_mptcp_syns_alone_are_counted(joined, address):
    """Not what a connection goes on with, nor what acknowledges nothing that is known."""
    with listening_for_mptcp(joined, address) as server, \
            watched(joined, config(ALWAYS)) as daemon, Stranger(joined, address) as stranger:
        with connecting(joined, address) as client, server.accept()[0] as accepted:
            client.sendall(b"x" * 100000)
            receive(accepted, 100000)
        before = daemon.reasons()["pass_rule"]          # each begins a flow
        for number in range(20):
            stranger.send(sport=6000 + number, flags="PA" if number % 2 else "A", ack=number)
        # At the least: the last of the connection may come as late.
        wait_for(lambda: daemon.reasons()["pass_rule"] >= before + 20, "all have come")
        assert (shown(daemon)["answered"], shown(daemon)["unsuited"]) == (0, 1)


RATE = "ports: '8080', mode: rate, on: 100/s, off: 40/s, hold: 6s"


def answering(daemon):
    service, = shown(daemon)["services"]
    return service["answering"]


def happenings(daemon):
    return daemon.ask("events", "--kind", "synproxy")["events"]


@has_means
def test_rate_switches_it_on_and_off_with_a_gap_between(joined):
    with watched(joined, config(RATE)) as daemon, listening(joined, joined.inside_v4), \
            Stranger(joined, joined.inside_v4) as stranger:
        ports = iter(range(10000, 60000))

        def syns(count):
            for _ in range(count):
                stranger.send(sport=next(ports), flags="S")

        syns(60)                                    # between off and on: not begun by that
        assert not answering(daemon) and shown(daemon)["answered"] == 0
        syns(250)                                   # two windows may share them
        assert answering(daemon)
        assert shown(daemon)["answered"] >= 30
        for _ in range(8):                          # 60 in each window go on with it
            wait_for(lambda: shown(daemon)["services"][0]["syns"] == 0, "another window")
            syns(60)
            assert answering(daemon)
        wait_for(lambda: not answering(daemon), "few SYNs for the time of hold", 30)
        answered = shown(daemon)["answered"]
        syns(5)
        assert shown(daemon)["answered"] == answered
        told = wait_for(lambda: happenings(daemon)[1:] and happenings(daemon), "both are told of")
        assert [event["what"] for event in told] == ["SYNs to 8080"] * 2
        assert [event["detail"] for event in told] == ["answered with cookies",
                                                       "left to the listener again"]
        status = daemon.status()["synproxy"]
        assert (status["services"], status["answering"]) == (1, 0)


@has_means
def test_a_service_that_moves_in_the_list_goes_on_as_it_was(joined):
    """What is known stands by place; another service at its place begins with nothing."""
    other = "ports: '9999', mode: rate, on: 100/s"
    lasting = RATE.replace("hold: 6s", "hold: 5m")
    with watched(joined, config(lasting)) as daemon, listening(joined, joined.inside_v4), \
            Stranger(joined, joined.inside_v4) as stranger:
        for port in range(250):
            stranger.send(sport=10000 + port, flags="S")
        assert answering(daemon)
        for services in ((other, lasting), (lasting, other), (other,)):
            daemon.apply(config(*services))
            rows = {row["ports"]: row["answering"] for row in shown(daemon)["services"]}
            assert not rows["9999"] and rows.get("8080", True)


@has_means
def test_cookies_are_good_for_a_while_after_it_has_switched_off(joined):
    with watched(joined, config(RATE.replace("100/s", "20/s").replace("40/s", "20/s"))) as daemon, \
            listening(joined, joined.inside_v4) as server, \
            Stranger(joined, joined.inside_v4) as stranger:
        for port in range(60):
            stranger.send(sport=10000 + port, flags="S", seq=1, options=SYN_OPTIONS)
        answer = stranger.answers(39)[-1]
        wait_for(lambda: not answering(daemon), "it ends", 30)
        stranger.send(**proof(answer))
        with server.accept()[0] as accepted:
            assert accepted.getpeername()[1] == answer.dport


@has_means
def test_explain_says_that_it_would_be_answered_and_counts_nothing(joined):
    with watched(joined, config(ALWAYS)) as daemon, listening(joined, joined.inside_v4):
        said = daemon.ask("explain", "--src", joined.outside_v4, "--dst", joined.inside_v4,
                          "--proto", "tcp", "--dport", str(PORT), "--interface", "wire")
        assert (said["verdict"], said["reason"]) == ("pass", "pass_syn_answered")
        assert shown(daemon)["answered"] == 0


@has_means
def test_a_restart_goes_on_answering(joined):
    with watched(joined, config(RATE)) as daemon, listening(joined, joined.inside_v4), \
            Stranger(joined, joined.inside_v4) as stranger:
        for port in range(250):
            stranger.send(sport=10000 + port, flags="S")
        assert answering(daemon)
        daemon.kill()
        daemon.start()
        assert answering(daemon)


@pytest.mark.parametrize("services, where, what", (
    (["ports: '0-70000'"], "services[0].ports", "are no ports"),
    (["ports: 'http'"], "services[0].ports", "are no ports"),
    (["ports: '1,2,3,4,5,6,7,8,9'"], "services[0].ports", "more than 8 ports"),
    (["ports: '80', to: [10.0.0.1-10.0.0.9]"], "services[0].to[0]", "no prefix"),
    (["ports: '80', to: [here]"], "services[0].to[0]", "here"),
    (["ports: '80', to: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5]"], "services[0].to",
     "more than 4"),
    (["ports: '80', on: 10/s, off: 20/s"], "services[0].off", "more than `on`"),
    (["ports: '80', hold: 1s"], "services[0].hold", "1s"),
    (["ports: '80', mode: sometimes"], "services[0].mode", "sometimes"),
    (["ports: '80'"] * 17, "services", "17 services"),
))
def test_bad_input_is_refused_with_its_place(weir_daemon, pair, services, where, what):
    daemon = weir_daemon(pair.inside)
    with pytest.raises(Refused) as refused:
        daemon.apply(config(*services))
    assert f"synproxy.{where}" in str(refused.value) and what in str(refused.value)


def test_without_tracking_it_is_refused(weir_daemon, pair):
    daemon = weir_daemon(pair.inside)
    with pytest.raises(Refused, match="connections are not tracked"):
        daemon.apply(config(ALWAYS) + "conntrack: {enabled: false}\n")
