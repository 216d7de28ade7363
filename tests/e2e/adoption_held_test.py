# SPDX-License-Identifier: Apache-2.0
"""Tracking begins with a default policy that denies all, and the daemon is held on its way: what
begins before its programs are there goes on, in whatever state it is met, and what they refuse
stays refused. Then the same at full speed, with connections that begin on all sides, addresses that
are translated, and strangers. What there was is known from ss and from both ends."""
import collections
import contextlib
import hashlib
import ipaddress
import json
import os
import select
import socket
import threading
import time
import types

import pytest

from harness.chain import Chain, client_address, server_address
from harness.clients import family_of
from harness.daemon import SANITIZED
from harness.failing import FailingDaemon
from harness.net import Pair, descriptors
from harness.site import drops, flows, told
from harness.talk import Conversation, Talk
from harness.wait import SLOWNESS, pause, wait_for

pytestmark = pytest.mark.outside
held = pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")

EACH = 50       # conversations of each kind, family and direction: 200 by TCP, 200 by UDP
PATIENCE_S = 10 * SLOWNESS        # for what is to come
KNOCKS = 3000   # on each side; so many a start would have to be slow for
TRACK = """table inet track {
    chain in { type filter hook input priority 0; ct state new counter; }
    chain out { type filter hook output priority 0; ct state new counter; }
}
"""
MASQUERADED = """table inet turn {
    chain leave { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
"""
SOURCES = {"sockets": "", "nf_conntrack": TRACK}


def configured(devices=("wire",), hook="tc", enabled="auto", ingress="deny", egress="deny"):
    """Nothing passes but neighbours, and what is known; nothing is picked up."""
    policy = [{"ingress": ingress, "egress": egress}]
    rules = [{"name": "neighbours", "proto": "icmpv6", "icmp-type": "130-136, 143",
              "action": "allow"}]
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in devices]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"rules: {json.dumps({'policy': policy, 'rules': rules})}\n"
            f"conntrack: {json.dumps({'enabled': enabled, 'pick-up': False})}\n")


def nft(namespace, text):
    namespace.run("nft", "-f", "-", input=text or "\n")


def plain(address):
    there = ipaddress.ip_address(address)
    return str(getattr(there, "ipv4_mapped", None) or there)


# --- what is busy --------------------------------------------------------------------------------

Side = collections.namedtuple("Side", "client server address")


def sides(pair):
    """Both directions, both families."""
    return [Side(client, server, getattr(pair, f"{to}_{version}"))
            for client, server, to in ((pair.outside, pair.inside, "inside"),
                                       (pair.inside, pair.outside, "outside"))
            for version in ("v4", "v6")]


def listening(stack, side, port):
    server = stack.enter_context(side.server.socket(family_of(side.address), socket.SOCK_STREAM))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((side.address, port))
    server.listen(KNOCKS)
    server.settimeout(10 * SLOWNESS)
    return server


class Transfer:
    """Bytes by chance from one end to the other, until told to end: at 20 MB a second or less, so
    that others get the processor, too."""
    PIECE = 32768

    def __init__(self, stack, side, port):
        server = listening(stack, side, port)
        self.source = stack.enter_context(side.client.socket(family_of(side.address),
                                                             socket.SOCK_STREAM))
        self.source.settimeout(30 * SLOWNESS)
        self.source.connect((side.address, port))
        self.sink = stack.enter_context(server.accept()[0])
        self.sink.settimeout(30 * SLOWNESS)
        self.ended, self.received = threading.Event(), 0
        self.hashes = {"sent": hashlib.sha256(), "received": hashlib.sha256()}
        self.threads = [threading.Thread(target=run) for run in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()
        stack.callback(self.stop)

    def send(self):
        with contextlib.suppress(OSError):      # it shows at the end that the hashes differ
            while not self.ended.is_set():
                piece = os.urandom(self.PIECE)
                self.hashes["sent"].update(piece)
                self.source.sendall(piece)
                pause(0.002)
            self.source.shutdown(socket.SHUT_WR)

    def receive(self):
        with contextlib.suppress(OSError):
            while piece := self.sink.recv(self.PIECE):
                self.hashes["received"].update(piece)
                self.received += len(piece)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def flows_on(self):
        count = self.received
        wait_for(lambda: self.received > count + 4 * self.PIECE, "more arrives", 20)

    def arrives_whole(self):
        self.flows_on()
        self.stop()
        assert self.hashes["sent"].digest() == self.hashes["received"].digest()


class Knocking:
    """Opens one connection after another, until the first that is not answered."""

    def __init__(self, stack, side, port):
        self.stack, self.side, self.port = stack, side, port
        self.server = listening(stack, side, port)
        self.made, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        stack.callback(self.stop)

    def run(self):
        while len(self.made) < KNOCKS and not self.ended.is_set():
            client = self.stack.enter_context(
                self.side.client.socket(family_of(self.side.address), socket.SOCK_STREAM))
            client.settimeout(1)
            try:
                client.connect((self.side.address, self.port))
            except OSError:
                return
            client.settimeout(20 * SLOWNESS)
            self.made.append(client)
            pause(0.004)

    def stop(self):
        self.ended.set()
        self.thread.join()

    def is_refused(self):
        return not self.thread.is_alive() and len(self.made) < KNOCKS

    def all_go_on(self):
        """Each that its client took for a connection is one."""
        assert self.made
        names = {plain_end(client.getsockname()): client for client in self.made}
        for client in self.made:
            client.send(b"there")
        for _ in self.made:
            accepted, name = self.server.accept()
            with accepted:
                accepted.settimeout(20 * SLOWNESS)
                assert accepted.recv(100) == b"there"
                accepted.send(b"back")
                # Behind a translation the server knows him by another name.
                client = names.pop(plain_end(name), None)
                if client:
                    assert client.recv(100) == b"back"
        if names:
            assert all(client.recv(100) == b"back" for client in names.values())


def plain_end(end):
    return plain(end[0]), end[1]


class Busy:
    """Conversations, transfers and connections that begin all the time."""

    def __init__(self, pair, each):
        self.stack = contextlib.ExitStack()
        try:
            self.talk = self.stack.enter_context(Talk(pair, each))
            self.transfers = [Transfer(self.stack, side, 9000 + number)
                              for number, side in enumerate(sides(pair))]
            self.knocking = [Knocking(self.stack, side, 9100 + number)
                             for number, side in enumerate(sides(pair))]
            for transfer in self.transfers:
                transfer.flows_on()
        except BaseException:
            self.stack.close()
            raise

    def assert_all_go_on(self):
        wait_for(lambda: all(knocking.is_refused() for knocking in self.knocking),
                 "nothing begins any more", 30)
        self.talk.go_on(20)
        for knocking in self.knocking:
            knocking.all_go_on()
        self.talk.go_on()
        for transfer in self.transfers:
            transfer.arrives_whole()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


def connections_by_ss(namespace):
    """{(protocol, end, end)}, ends in either order."""
    said = namespace.run("ss", "-Htun", "state", "established").stdout
    rows = [row.split() for row in said.splitlines()]
    return {(row[0], frozenset(ss_end(text) for text in row[3:5])) for row in rows}


def ss_end(text):
    address, _, port = text.rpartition(":")
    return plain(address.strip("[]").partition("%")[0]), int(port)


def flow_ends(daemon):
    return {(proto, frozenset(((src, sport), (dst, dport))))
            for proto, src, sport, dst, dport in flows(daemon)}


def begins(side, kind=socket.SOCK_STREAM, port=7000, within_s=0.5):
    """Whether what is sent to one who waits there comes to him."""
    with side.server.socket(family_of(side.address), kind) as server, \
            side.client.socket(family_of(side.address), kind) as client:
        server.bind((side.address, port))
        if kind == socket.SOCK_STREAM:
            server.listen()
        client.setblocking(False)
        client.connect_ex((side.address, port))
        with contextlib.suppress(OSError):
            client.send(b"knock")
        return has_come(server, within_s)


def has_come(sock, within_s=0.5):
    """Not select(): there are many descriptors."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(within_s * 1000))


def assert_nothing_begins(pair):
    for side in sides(pair):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            assert not begins(side, kind)


@pytest.fixture(autouse=True)
def many_sockets():
    with descriptors(5 * KNOCKS):
        yield


@pytest.fixture
def pair():
    with Pair("adopt", addresses=True) as made:
        yield made


def udp_exchange(stack, pair, version):
    """With a server that is not connected, as those of DNS are: its socket tells of nobody."""
    to = (getattr(pair, f"inside_{version}"), 5300)
    server = stack.enter_context(pair.inside.socket(family_of(to[0]), socket.SOCK_DGRAM))
    client = stack.enter_context(pair.outside.socket(family_of(to[0]), socket.SOCK_DGRAM))
    server.bind(to)
    client.connect(to)
    for sock in (server, client):
        sock.settimeout(10 * SLOWNESS)

    def ask():
        client.send(b"question")
        question, who = server.recvfrom(100)
        server.sendto(b"answer", who)
        assert (question, client.recv(100)) == (b"question", b"answer")
    return ask


# --- between the reading and the attach ----------------------------------------------------------

@contextlib.contextmanager
def held_daemon(request, namespace, config):
    daemon = FailingDaemon(namespace, config=config)
    request.node.weir_daemons = [daemon]
    try:
        yield daemon
    finally:
        daemon.close()


def goes_on(daemon):
    daemon.go_on()
    wait_for(daemon.answers, "the daemon answers", 30)


def dialling(stack, side, port):
    client = stack.enter_context(side.client.socket(family_of(side.address), socket.SOCK_STREAM))
    client.setblocking(False)
    client.connect_ex((side.address, port))
    return client


def tcp_state(namespace, sock, state):
    """Whether ss has it so; `sock` is the client's, wherever it is asked."""
    port = sock.getsockname()[1]
    return namespace.run("ss", "-Htn", "state", state, f"( sport = :{port} or dport = :{port} )"
                         ).stdout


def connected(stack, ways):
    """The client's and the server's socket of each."""
    servers = [listening(stack, side, 8000 + number) for number, side in enumerate(ways)]
    return [(dialling(stack, side, 8000 + number), stack.enter_context(server.accept()[0]))
            for number, (side, server) in enumerate(zip(ways, servers))]


def say_there_and_back(client, server):
    for sock in (client, server):
        sock.settimeout(20 * SLOWNESS)
    conversation = Conversation("late", client, server)
    conversation.begin()
    conversation.end(time.monotonic() + 20 * SLOWNESS)


@held
@pytest.mark.parametrize("source", SOURCES)
def test_what_begins_before_the_attach_goes_on(request, pair, source):
    nft(pair.inside, SOURCES[source])
    with held_daemon(request, pair.inside, configured()) as daemon, contextlib.ExitStack() as stack:
        early = stack.enter_context(Talk(pair, 2, 20000))
        daemon.hold("link_create", 1)
        daemon.launch()
        daemon.wait_until_held()
        late = connected(stack, sides(pair))
        asking = [udp_exchange(stack, pair, version) for version in ("v4", "v6")]
        for ask in asking:
            ask()
        goes_on(daemon)
        for client, server in late:
            say_there_and_back(client, server)
        if source == "nf_conntrack":
            for ask in asking:
                ask()
        early.go_on()
        assert_nothing_begins(pair)
        assert not daemon.log().count("warning")


@held
@pytest.mark.parametrize("updated", [0, 1])
def test_what_begins_before_the_switch_goes_on(request, pair, updated):
    """Where tracking is switched on by a change: no hook has changed over yet, or only the one
    where packets arrive, so that it knows of a SYN whose answer nobody has seen."""
    is_off = configured(enabled=False, ingress="allow", egress="allow")
    with held_daemon(request, pair.inside, is_off) as daemon, contextlib.ExitStack() as stack:
        daemon.start()
        daemon.hold("link_update", 1 + updated)
        daemon.reload(configured())
        daemon.wait_until_held()
        late = connected(stack, sides(pair))
        goes_on(daemon)
        for client, server in late:
            say_there_and_back(client, server)
        wait_for(lambda: len(flows(daemon)) == len(late), "they are known")
        assert {row["state"] for row in flows(daemon).values()} == {"established"}
        assert_nothing_begins(pair)


@held
def test_what_a_rule_lets_in_before_its_answer_is_seen_goes_on(request, pair):
    """At the first start, where one hook is attached and the other is not."""
    rules = configured(ingress="allow")
    with held_daemon(request, pair.inside, rules) as daemon, contextlib.ExitStack() as stack:
        daemon.hold("link_create", 2)
        daemon.launch()
        daemon.wait_until_held()
        late = connected(stack, sides(pair)[:2])
        goes_on(daemon)
        for client, server in late:
            say_there_and_back(client, server)
        assert {row["state"] for row in flows(daemon).values()} == {"established"}


MUTE = """table inet mute { chain here { type filter hook %s priority 0; %s drop; }
}
"""


@held
@pytest.mark.parametrize("source", SOURCES)
def test_connection_that_is_read_half_open_goes_on(request, pair, source):
    """First nobody has answered its SYN, by the reading before the attach; then it is established,
    and both ends speak only after it."""
    nft(pair.inside, SOURCES[source])
    for side in (pair.inside, pair.outside):
        nft(side, MUTE % ("input", "tcp flags syn / syn,ack"))
    with held_daemon(request, pair.inside, configured()) as daemon, contextlib.ExitStack() as stack:
        servers = [listening(stack, side, 8000 + number)
                   for number, side in enumerate(sides(pair))]
        clients = [dialling(stack, side, 8000 + number) for number, side in enumerate(sides(pair))]
        daemon.hold("link_create", 1)
        daemon.launch()
        daemon.wait_until_held()
        for side in (pair.inside, pair.outside):
            side.run("nft", "delete", "table", "inet", "mute")
        accepted = [stack.enter_context(server.accept()[0]) for server in servers]
        goes_on(daemon)
        for client, server in zip(clients, accepted):
            say_there_and_back(client, server)
        states = {row["state"] for row in flows(daemon).values() if row["proto"] == "tcp"}
        assert states == {"established"}


# What does not come through meanwhile: the answer, or what acknowledges it.
LOST = {"answer": MUTE % ("input", "tcp flags syn,ack / syn,ack"),
        "acknowledgement": MUTE % ("output", "tcp flags ack / syn,ack")}


@held
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("source", SOURCES)
def test_connection_whose_client_knows_it_alone_goes_on(request, pair, source, lost):
    """The host has answered the SYN, and waits to hear that it came."""
    nft(pair.inside, SOURCES[source])
    nft(pair.outside, LOST[lost])
    inward = sides(pair)[:2]
    with held_daemon(request, pair.inside, configured()) as daemon, contextlib.ExitStack() as stack:
        daemon.hold("link_create", 1)
        daemon.launch()
        daemon.wait_until_held()
        servers = [listening(stack, side, 8000 + number) for number, side in enumerate(inward)]
        clients = [dialling(stack, side, 8000 + number) for number, side in enumerate(inward)]
        wait_for(lambda: all(tcp_state(pair.inside, client, "syn-recv") for client in clients),
                 "the SYNs are there")
        goes_on(daemon)
        pair.outside.run("nft", "delete", "table", "inet", "mute")
        for client in clients:
            wait_for(lambda at=client: tcp_state(pair.outside, at, "established"), "it is answered")
            client.send(b"first")
        for client, server in zip(clients, servers):
            accepted = stack.enter_context(server.accept()[0])
            accepted.settimeout(20 * SLOWNESS)
            assert accepted.recv(5) == b"first"
            say_there_and_back(client, accepted)
        assert {row["state"] for row in flows(daemon).values()} == {"established"}


# --- what is refused stays so --------------------------------------------------------------------

@held
@pytest.mark.parametrize("source", SOURCES)
def test_what_the_policy_refused_is_not_adopted(request, pair, source):
    """By the second reading the kernel knows what was refused where it left: sockets that connect,
    entries without an answer."""
    nft(pair.inside, SOURCES[source])
    outward = sides(pair)[2:]
    with held_daemon(request, pair.inside, configured()) as daemon, contextlib.ExitStack() as stack:
        daemon.hold("link_create", 2, after=True)
        daemon.launch()
        daemon.wait_until_held()
        servers = [listening(stack, side, 8000 + number) for number, side in enumerate(outward)]
        clients = [dialling(stack, side, 8000 + number) for number, side in enumerate(outward)]
        for side in outward:
            hears = stack.enter_context(side.server.socket(family_of(side.address),
                                                           socket.SOCK_DGRAM))
            hears.bind((side.address, 8100))
            says = stack.enter_context(side.client.socket(family_of(side.address),
                                                          socket.SOCK_DGRAM))
            says.connect((side.address, 8100))
            with contextlib.suppress(OSError):
                says.send(b"refused")
            servers.append(hears)
            clients.append(says)
        assert all(tcp_state(pair.inside, client, "syn-sent") for client in clients[:2])
        goes_on(daemon)
        assert not flows(daemon) and not daemon.status()["conntrack"]["adopted"]
        for says in clients[2:]:
            with contextlib.suppress(OSError):
                says.send(b"again")
        count = sum(drops(daemon).values())
        wait_for(lambda: sum(drops(daemon).values()) >= count + 2, "SYNs are sent again")
        assert not any(has_come(server) for server in servers), told(daemon)
        assert not flows(daemon)


def test_udp_of_a_server_that_is_not_connected_is_known_from_nf_conntrack(weir_daemon, pair):
    nft(pair.inside, TRACK)
    with contextlib.ExitStack() as stack:
        asking = [udp_exchange(stack, pair, version) for version in ("v4", "v6")]
        for ask in asking:
            ask()
        daemon = weir_daemon(pair.inside, config=configured())
        assert daemon.status()["conntrack"]["adopted"] >= 2
        for ask in asking:
            ask()
        assert_nothing_begins(pair)


# --- at full speed -------------------------------------------------------------------------------

@pytest.mark.parametrize("source, hook", [("sockets", "tc"), ("nf_conntrack", "xdp")])
def test_busy_host_goes_on_over_the_first_start(weir_daemon, pair, source, hook):
    nft(pair.inside, SOURCES[source])
    assert all(begins(side, within_s=PATIENCE_S) for side in sides(pair)), "nothing else refuses it"
    with Busy(pair, EACH) as busy:
        known = connections_by_ss(pair.inside)
        daemon = weir_daemon(pair.inside, config=configured(hook=hook))
        assert len(known) >= 8 * EACH
        assert daemon.status()["conntrack"]["adopted"] >= len(known)
        assert known <= flow_ends(daemon)
        busy.assert_all_go_on()
        assert_nothing_begins(pair)
        print(source, hook, *(len(knocking.made) for knocking in busy.knocking), "knocks,",
              daemon.status()["conntrack"]["adopted"], "adopted,", drops(daemon))


# --- a gateway -----------------------------------------------------------------------------------

@pytest.fixture
def chain():
    with Chain() as made:
        yield made


def across(chain):
    """The ends of the chain, as a pair."""
    return types.SimpleNamespace(
        outside=chain.client, inside=chain.server,
        outside_v4=client_address(4), outside_v6=client_address(6),
        inside_v4=server_address(4), inside_v6=server_address(6))


def test_what_a_gateway_translates_goes_on_over_the_first_start(weir_daemon, chain):
    nft(chain.gateway, MASQUERADED)
    ends = across(chain)
    with Busy(ends, 10) as busy:
        known = connections_by_ss(chain.client)
        daemon = weir_daemon(chain.gateway, config=configured(("lan", "wan")))
        assert daemon.status()["conntrack"]["adopted"] >= len(known) >= 80
        assert known <= flow_ends(daemon), "as they are on the inner side"
        busy.assert_all_go_on()
        assert_nothing_begins(ends)
