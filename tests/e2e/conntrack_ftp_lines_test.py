# SPDX-License-Identifier: Apache-2.0
"""Where lines begin on FTP's control connection, by segments made by hand: only what begins a line
of its sender opens a port, wherever segments end, how often they come by, and in what order."""
import contextlib
import json
import re
import signal
import socket

import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from harness.daemon import Daemon
from harness.frames import ether
from harness.gateway import Gateway
from harness.live import LiveFrames
from harness.net import Pair
from harness.site import reload
from harness.wait import SLOWNESS, wait_for
from harness.wire import Wire

CLIENT, SERVER = 0, 1
DATA = 25700                    # 100 * 256 + 100, the port that is agreed on
FORBIDDEN = 22


def config(interfaces, **conntrack):
    rules = [{"name": "ftp", "proto": "tcp", "dport": 21, "action": "allow"},
             {"name": "sentinel", "proto": 253, "action": "allow"}]
    return "api: {listen: off}\n" + "\n".join(f"{key}: {json.dumps(value)}" for key, value in {
        "interfaces": interfaces, "events": {"rate": "1000000/s"},
        "conntrack": {"helpers": {"ftp": [21]}, **conntrack},
        "rules": {"policy": [{"interface": "*", "ingress": "deny", "egress": "deny"}],
                  "rules": rules}}.items()) + "\n"


class Host:
    """Weir where the server is."""

    ends = "198.18.7.1", "10.77.2.2"

    def __init__(self, stack, hook="tc", **conntrack):
        self.pair = pair = stack.enter_context(Pair(addresses=True))
        self.config = config([{"name": "wire", "hook": hook, "egress": True}], **conntrack)
        self.daemon = stack.enter_context(Daemon(pair.inside, config=self.config))
        self.wires = [stack.enter_context(make(pair)) for make in (Wire.inward, Wire.outward)]

    def passes(self, side, packet):
        return self.wires[side].passes(ether() / packet)


class Between:
    """Weir between both ends: each segment meets two hooks."""

    ends = "198.18.0.9", "198.19.0.9"

    def __init__(self, stack, hook):
        self.gateway = stack.enter_context(Gateway("lines"))
        self.config = config([{"name": name, "hook": hook, "egress": True}
                              for name in ("left", "right")])
        self.daemon = stack.enter_context(Daemon(self.gateway.inside, config=self.config))

    def passes(self, side, packet):
        return bool(self.gateway.pass_through([(("left", "right")[side], bytes(packet))]))


class Talk:
    """A control connection."""

    def __init__(self, place):
        self.place, self.daemon = place, place.daemon
        self.next = [1000, 5000]

    def segment(self, side, flags, text, seq, ports=(4000, 21)):
        src, dst = self.place.ends[::-1] if side else self.place.ends
        sport, dport = ports[::-1] if side else ports
        return IP(src=src, dst=dst) / TCP(
            sport=sport, dport=dport, flags=flags, seq=seq, window=8000,
            ack=self.next[1 - side] if "A" in flags else 0) / Raw(text)

    def say(self, side, text, flags="PA", seq=None):
        """The number of the segment; one with `seq` is sent again."""
        at = self.next[side] if seq is None else seq
        assert self.place.passes(side, self.segment(side, flags, text, at)), (side, flags, text)
        if seq is None:
            self.next[side] += len(text) + ("S" in flags)
        return at

    def opens(self):
        self.say(CLIENT, b"", "S")
        self.say(SERVER, b"", "SA")
        self.say(CLIENT, b"", "A")
        self.say(SERVER, b"220 hello\r\n")

    def offer(self, port):
        return b"227 Entering Passive Mode (%s,%d,%d)" % (
            self.place.ends[1].replace(".", ",").encode(), port >> 8, port & 255)

    def is_open(self, port):
        return self.place.passes(CLIENT, self.segment(CLIENT, "S", b"", 7, (5000, port)))

    def lets_back(self, port):
        """Whether the server is let in where the client said that he waits."""
        src, dst = self.place.ends[::-1]
        return self.place.passes(SERVER, IP(src=src, dst=dst) / TCP(
            sport=20, dport=port, flags="S", seq=7))

    def heard(self):
        """How many offers came before the one that is made now. Events come in order: what was told
        before it has been read when it has."""
        row = self.daemon.status()["conntrack"]
        self.say(SERVER, self.offer(DATA) + b"\r\n")
        wait_for(lambda: self.is_open(DATA), "the offer is heard", 10)
        now = self.daemon.status()["conntrack"]
        assert now["offers_refused"] == row["offers_refused"]
        return now["expectations"] - 1


def listening(namespace, address, port):
    sock = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(10 * SLOWNESS)
    sock.bind((address, port))
    sock.listen()
    return sock


def connected(pair, port):
    sock = pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(10 * SLOWNESS)
    sock.connect((pair.inside_v4, port))
    return sock


PLACES = {"host": lambda stack: Host(stack),
          "host-without-window-check": lambda stack: Host(stack, **{"window-check": False}),
          "gateway-xdp": lambda stack: Between(stack, "xdp"),
          "gateway-tc": lambda stack: Between(stack, "tc")}


@pytest.fixture
def stack():
    with contextlib.ExitStack() as made:
        yield made


@pytest.fixture(params=PLACES)
def talk(request, stack):
    made = Talk(PLACES[request.param](stack))
    made.opens()
    return made


def test_middle_of_a_line_is_no_beginning_though_a_segment_begins_there(talk):
    talk.say(CLIENT, b"XXXX " + talk.offer(FORBIDDEN) + b"\r\n")
    talk.say(SERVER, b"500 'XXXX ")
    middle = talk.offer(FORBIDDEN) + b"' not understood\r\n"
    at = talk.say(SERVER, middle)
    talk.say(SERVER, middle, seq=at)
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


def test_middle_of_a_line_that_overtakes_its_beginning_is_none(talk):
    talk.say(CLIENT, b"XXXX " + talk.offer(FORBIDDEN) + b"\r\n")
    begins, middle = b"500 'XXXX ", talk.offer(FORBIDDEN) + b"' not understood\r\n"
    at = talk.next[SERVER]
    for _ in range(2):
        talk.say(SERVER, middle, seq=at + len(begins))
        talk.say(SERVER, begins, seq=at)
    talk.next[SERVER] += len(begins + middle)
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


def test_byte_of_a_probe_splits_no_line(talk):
    """A sender whose peer's window is closed sends one byte, then that and what follows."""
    talk.say(CLIENT, b"XXXX " + talk.offer(FORBIDDEN) + b"\r\n")
    talk.say(SERVER, b"500 '")
    middle = talk.offer(FORBIDDEN) + b"' not understood\r\n"
    at = talk.next[SERVER]
    talk.say(SERVER, middle[:1], seq=at)
    talk.say(SERVER, middle)
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


def test_offer_is_heard_once_however_often_it_comes_by(talk):
    first = talk.offer(DATA + 1) + b"\r\n"
    at = talk.say(SERVER, first)
    talk.say(SERVER, first, seq=at)
    talk.say(SERVER, b"200 more\r\n")
    talk.say(SERVER, first, seq=at)
    assert talk.heard() == 1


def test_what_follows_a_loss_is_read_from_the_next_line_on(talk):
    lost = talk.next[SERVER]
    missing = talk.offer(FORBIDDEN) + b"\r\n"
    talk.next[SERVER] += len(missing)
    talk.say(SERVER, talk.offer(FORBIDDEN) + b"\r\n")
    talk.say(SERVER, missing, seq=lost)
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


def test_connection_that_is_picked_up_is_read_from_the_next_line_on(stack):
    talk = Talk(Host(stack, **{"pick-up": True}))
    talk.say(CLIENT, b"NOOP\r\n")
    talk.say(SERVER, talk.offer(FORBIDDEN) + b"' not understood\r\n")
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


def test_connection_older_than_its_helper_is_read_from_the_next_line_on(stack):
    talk = Talk(Host(stack, helpers={}))
    talk.opens()
    reload(talk.daemon, config([{"name": "wire", "hook": "tc", "egress": True}]))
    talk.say(SERVER, talk.offer(FORBIDDEN) + b"' not understood\r\n")
    assert talk.heard() == 0
    assert not talk.is_open(FORBIDDEN)


@pytest.mark.parametrize("size", (100, 300, 1400, 9000))
def test_offer_behind_a_long_line_of_a_socket_is_heard(stack, size):
    """What a socket sends lies in pages behind the headers, out of a program's direct reach."""
    pair = stack.enter_context(Pair(addresses=True))
    stack.enter_context(Daemon(pair.inside, config=config(
        [{"name": "wire", "hook": "tc", "egress": True}])))
    listeners = [stack.enter_context(listening(pair.inside, pair.inside_v4, port))
                 for port in (21, DATA)]
    client = stack.enter_context(connected(pair, 21))
    server = stack.enter_context(listeners[0].accept()[0])
    for text in (b"230 " + b"x" * size + b"\r\n",
                 b"227 (%s,100,100)\r\n" % pair.inside_v4.replace(".", ",").encode()):
        server.sendall(text)
        assert client.recv(len(text), socket.MSG_WAITALL) == text
    stack.enter_context(connected(pair, DATA))


def test_client_whose_answers_are_not_seen_is_read(stack):
    talk = Talk(Host(stack, **{"pick-up": True, "asymmetric": True}))
    talk.say(CLIENT, b"", "S")
    talk.say(CLIENT, b"", "A")
    talk.say(CLIENT, b"XXXX ")
    at = talk.say(CLIENT, b"PORT 198,18,7,1,100,100\r\n")
    talk.say(CLIENT, b"PORT 198,18,7,1,100,100\r\n", seq=at)
    talk.say(CLIENT, b"PORT 198,18,7,1,100,101\r\n")
    wait_for(lambda: talk.lets_back(DATA + 1), "the offer is heard", 10)
    assert not talk.lets_back(DATA)


# --- a ring that nobody empties ------------------------------------------------------------------

def events_of(daemon, pins_alone=False):
    """As counted: the daemon says so, or, while it is held, another reads what is pinned."""
    words = ["--socket", daemon.home / "nobody", "--pin-dir", daemon.pin_dir] if pins_alone else []
    return daemon.ask("status", *words)["events"]


@contextlib.contextmanager
def full_ring(place):
    """The daemon is held, and dropped frames have filled the ring by what is told of them."""
    place.pair.inside.run("ethtool", "-K", place.pair.wire, "gro", "on")
    place.daemon.process.send_signal(signal.SIGSTOP)
    try:
        with LiveFrames(place.pair.outside, place.pair.far, ["198.18.2.1"]) as frames:
            wait_for(lambda: events_of(place.daemon, True)["drop"]["lost"], "the ring is full", 30)
            frames.stop()
        yield
    finally:
        place.daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_line_that_finds_the_ring_full_is_lost_counted_and_the_next_is_read(stack, hook):
    talk = Talk(Host(stack, hook))
    talk.opens()
    daemon = talk.daemon
    before = events_of(daemon)["payload"]
    with full_ring(talk.place):
        at = talk.say(CLIENT, b"PORT 198,18,7,1,100,100\r\n")
        talk.say(CLIENT, b"PORT 198,18,7,1,100,100\r\n", seq=at)
        talk.say(SERVER, b"200 PORT command successful\r\n")
        counted = events_of(daemon, True)["payload"]
    assert counted == {**before, "lost": before["lost"] + 2}, "each line once, though sent again"
    wait_for(lambda: events_of(daemon)["payload"] == counted, "the daemon has emptied it", 20)
    talk.say(CLIENT, b"PORT 198,18,7,1,100,101\r\n")
    wait_for(lambda: talk.lets_back(DATA + 1), "the offer is heard", 10)
    assert not talk.lets_back(DATA)
    wait_for(lambda: events_of(daemon)["payload"] == {**counted, "sent": before["sent"] + 1},
             "the line that was told is counted")
    assert "2 lost" in re.search(r"^payload: .*$", daemon.say("status"), re.M)[0]
