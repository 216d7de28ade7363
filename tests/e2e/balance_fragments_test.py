# SPDX-License-Identifier: Apache-2.0
"""Datagrams whose pieces come in any order, to services and from backends: what arrives is what was
sent, whichever came first."""
import contextlib
import fcntl
import itertools
import os
import pathlib
import random
import re
import socket
import struct
import threading

import pytest

from harness.balanced import FAMILIES, WAYS, config, direct_config, echo, policy
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, ROUTER, SERVICE, Client, Cluster,
                             family_kind)
from harness.daemon import Daemon
from harness.direct import Direct, serving, wider
from harness.kernel import BEHIND_XDP, hooks, links
from harness.pieces import Mouth, pieces
from harness.wait import SLOWNESS, wait_for
from harness.wire import packet_socket
from harness.wireshark import Capture, judged

HOOKS = hooks("tc", "xdp", "xdp-generic")
ETH_P_ALL = 3
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000       # <linux/if_tun.h>
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4       # <linux/if_packet.h>
ONE = (1, None, None)           # weights: a single backend
ORDERS = tuple(itertools.permutations(range(3)))
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.fixture
def watched(cluster, hook, family):
    with Daemon(cluster.gateway, config=config(family, ONE, "udp", hook)) as daemon:
        yield daemon


def listening(place, address, family):
    sock = place.socket(family_kind(family), socket.SOCK_DGRAM)
    sock.settimeout(10 * SLOWNESS)
    sock.bind(address)
    return sock


class Talk:
    """A client and a backend, who listen by sockets and speak in pieces."""

    def __init__(self, cluster, family):
        self.family = family
        self.backend = listening(cluster.backends, (BACKENDS[family][0], BACKEND_PORT), family)
        self.client = listening(cluster.client, (CLIENT[family], 0), family)
        self.own = self.client.getsockname()[:2]
        self.lips = (Mouth(cluster.client, "eth0", cluster.gateway, "lan"),
                     Mouth(cluster.backends, "eth0", cluster.gateway, "wan"))
        self.number = random.randrange(1 << 15)
        self.neighbours()

    def neighbours(self):
        """A whole datagram there and back: everybody on the way knows the next."""
        self.client.sendto(b"hello", (SERVICE[self.family], PORT))
        data, self.peer = self.backend.recvfrom(100)
        self.backend.sendto(data, self.peer)
        assert self.client.recv(100) == b"hello"

    def cut(self, data, answers=False):
        self.number += 1
        if answers:
            return pieces(self.family, (BACKENDS[self.family][0], BACKEND_PORT), self.peer[:2],
                          data, self.number)
        return pieces(self.family, self.own, (SERVICE[self.family], PORT), data, self.number)

    def arrives_soon(self, order):
        self.backend.settimeout(SLOWNESS)
        with contextlib.suppress(TimeoutError):
            return self.arrives(order)
        return False

    def arrives(self, order, answers=False):
        """What is sent in that order, and whether it is what is read at the other end."""
        data = random.randbytes(3000)
        made = self.cut(data, answers)
        self.lips[answers].say(made[at] for at in order)
        return (self.client if answers else self.backend).recv(5000) == data

    def whole_arrives(self):
        data = random.randbytes(700)
        self.client.sendto(data, (SERVICE[self.family], PORT))
        return self.backend.recv(5000) == data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.backend, self.client, *(lip.sock for lip in self.lips)):
            each.close()


@each_family
@each_hook
@pytest.mark.parametrize("answers", (False, True), ids=("requests", "answers"))
def test_pieces_arrive_in_every_order(cluster, watched, hook, family, answers):
    with Talk(cluster, family) as talk:
        for order in ORDERS:
            assert talk.arrives(order, answers), order
        fragments = watched.status()["conntrack"]["fragments"]
        # Of six orders two begin with the first piece; in the others one or two are ahead of it.
        assert fragments["held"] == 6 and fragments["alone"] == fragments["lost"] == 0
        assert fragments["waiting"] == 0


@each_family
@each_hook
def test_flow_may_begin_with_its_last_piece(cluster, watched, hook, family):
    """Nothing was known of these ends, and first a piece without ports comes."""
    with Talk(cluster, family) as talk, \
            listening(cluster.client, (CLIENT[family], 0), family) as fresh:
        talk.own = fresh.getsockname()[:2]
        assert talk.arrives((2, 0, 1))
        assert watched.status()["balance"]["chosen"] == 2


@each_family
@each_hook
def test_pieces_of_several_datagrams_go_each_with_its_own(cluster, watched, hook, family):
    with Talk(cluster, family) as talk:
        texts = [random.randbytes(3000) for _ in range(20)]
        made = [(text, *talk.cut(text)) for text in texts]
        for at in (3, 1, 2):                    # last pieces, first ones, middle ones
            talk.lips[0].say(row[at] for row in made)
        assert sorted(talk.backend.recv(5000) for _ in texts) == sorted(texts)


def counted(daemon, cluster, device):
    """Packets that came in by it: what Weir says, and what the kernel does."""
    row, = (row for row in daemon.status()["interfaces"] if row["name"] == device)
    counts = row["ingress_counts"]
    return (counts["pass_packets"] + counts["drop_packets"],
            links(cluster.gateway)[device]["stats64"]["rx"]["packets"])


@each_family
@each_hook
def test_each_piece_is_counted_once(cluster, watched, hook, family):
    with Talk(cluster, family) as talk:
        weir, kernel = counted(watched, cluster, "lan")
        for order in ORDERS:
            assert talk.arrives(order), order

        def is_even():
            more, rest = counted(watched, cluster, "lan")
            return more - weir == rest - kernel >= 18

        wait_for(is_even, "as many packets as the interface has")
        assert watched.status()["conntrack"]["fragments"]["held"] == 6


@each_family
@each_hook
def test_first_that_does_not_come_is_waited_for_and_the_rest_judged_without(cluster, watched, hook,
                                                                            family):
    def fragments():
        return watched.status()["conntrack"]["fragments"]

    with Talk(cluster, family) as talk:
        before = watched.reasons().get("pass_fragment", 0)
        made = talk.cut(random.randbytes(3000))
        talk.lips[0].say(made[1:])
        wait_for(lambda: fragments()["held"] == 2, "both are held")
        wait_for(lambda: fragments()["alone"] == 1 and not fragments()["waiting"], "given up")
        # Between ends that talk, as ever: each is of nothing where it arrives.
        assert watched.reasons()["pass_fragment"] >= before + 2
        assert talk.arrives((1, 0, 2)), "others are not held to be of it"


# --- the daemon ends -----------------------------------------------------------------------------

def held(daemon, count):
    wait_for(lambda: daemon.status()["conntrack"]["fragments"]["waiting"] == count, "held")


def without_ports(daemon):
    """Whether or not the daemon is there."""
    rows = daemon.ask("status", "--pin-dir", daemon.pin_dir)["reasons"]
    return {row["reason"]: row["packets"] for row in rows}["pass_fragment"]


@each_family
@each_hook
def test_daemon_that_stops_lets_go_of_what_it_holds(cluster, watched, hook, family):
    with Talk(cluster, family) as talk:
        before = without_ports(watched)
        talk.lips[0].say(talk.cut(random.randbytes(3000))[1:])
        held(watched, 2)
        watched.stop()
        watched.start()
        assert without_ports(watched) == before + 2
        assert talk.arrives((2, 1, 0))


@each_family
@each_hook
def test_nothing_is_held_while_no_daemon_is_there(cluster, watched, hook, family):
    with Talk(cluster, family) as talk:
        watched.stop()
        talk.lips[0].say(talk.cut(random.randbytes(3000))[1:])
        watched.start()
        assert without_ports(watched) == 2


@pytest.mark.skipif(SLOWNESS > 1, reason="nobody starts a daemon here in the three seconds that "
                    "the data path waits for one")
@each_family
@each_hook
def test_daemon_that_is_killed_is_missed_for_a_moment_only(cluster, watched, hook, family):
    """What it held is gone; what comes before the data path knows waits for the next."""
    with Talk(cluster, family) as talk:
        talk.lips[0].say(talk.cut(random.randbytes(3000))[1:])
        held(watched, 2)
        watched.kill()
        data = random.randbytes(3000)
        first, *others = talk.cut(data)
        talk.lips[0].say([*others, first])
        watched.start()
        assert talk.backend.recv(5000) == data
        watched.kill()

        def is_judged():
            before = without_ports(watched)
            talk.lips[0].say(talk.cut(random.randbytes(3000))[2:])
            return without_ports(watched) > before

        wait_for(is_judged, "it goes on by itself")


@each_hook
def test_interface_that_goes_while_pieces_of_it_wait_harms_nobody(hook, family=4):
    """They go with it, and are counted; what comes by the next of that name is served."""
    with Cluster() as own, \
            Daemon(own.gateway, config=config(family, ONE, "udp", hook)) as daemon:
        with Talk(own, family) as talk:
            talk.lips[0].say(talk.cut(random.randbytes(3000))[1:])
            held(daemon, 2)
            own.unplug("lan")
            wait_for(lambda: daemon.status()["conntrack"]["fragments"]["lost"] == 2,
                     "they went with it")
            assert daemon.status()["conntrack"]["fragments"]["waiting"] == 0
        own.plug("lan")
        wait_for(lambda: all(row["mode"] != "none" for row in daemon.status()["interfaces"]),
                 "it is watched again")
        with Talk(own, family) as talk:
            assert talk.arrives((2, 1, 0))


# --- too many ------------------------------------------------------------------------------------

FLOOD = 100_000


def strays(family, src, dst):
    """Frames of datagrams that never begin."""
    piece = bytearray(pieces(family, src, dst, bytes(3000), 0)[1])
    at = 4 if family == 4 else 44               # where the datagram's number is
    for number in range(FLOOD):
        struct.pack_into("!H", piece, at, number & 0xFFFF)
        yield piece


def tagged(place, device):
    tap = packet_socket(place, device, ETH_P_ALL)
    tap.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    tap.setblocking(False)
    return tap


def read_tagged(tap):
    """The next frame that had a tag, and the tag."""
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, extra, _, _ = tap.recvmsg(2000, 100)
            for level, kind, value in extra:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, *_, tci, _ = struct.unpack("=IIIHHHH", value)
                    if status & TP_STATUS_VLAN_VALID:
                        return frame, tci
    return None


def memory(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) << 10


@each_family
@each_hook
def test_flood_of_pieces_is_held_in_bounds_and_harms_nobody_else(cluster, watched, hook, family):
    with Talk(cluster, family) as talk:
        before, waiting = memory(watched), []
        flood = threading.Thread(target=talk.lips[0].say, args=(
            strays(family, talk.own, (SERVICE[family], PORT)),))
        flood.start()
        while flood.is_alive():
            assert talk.whole_arrives()
            waiting.append(watched.status()["conntrack"]["fragments"]["waiting"])
        flood.join()
        assert 100 < max(waiting) <= 1024, waiting
        status = watched.status()
        fragments, told = status["conntrack"]["fragments"], status["events"]["fragment"]
        assert told["lost"] == fragments["lost"] == 0
        assert told["capped"] + told["sent"] >= FLOOD * 0.6, "ids come again"
        assert fragments["held"] < FLOOD / 5
        assert memory(watched) < before + (16 << 20)
        wait_for(lambda: not watched.status()["conntrack"]["fragments"]["waiting"], "all are gone")
        # What may be held in a moment is bounded, and the moment of the last ones may not be over.
        wait_for(lambda: talk.arrives_soon((2, 1, 0)), "and it holds again")


# --- other ways ----------------------------------------------------------------------------------

@each_family
@each_hook
def test_clients_that_are_hidden_are_served(cluster, hook, family):
    """By full NAT both ends change, and answers are for the gateway."""
    source = ROUTER[family][1]
    text = policy([echo(family, ONE, "udp", source=source)], hook=hook, **{"source-ports": 4096})
    with Daemon(cluster.gateway, config=text) as daemon, Talk(cluster, family) as talk:
        assert talk.peer[0] == source
        for order in ORDERS:
            assert talk.arrives(order) and talk.arrives(order, answers=True), order
        assert daemon.status()["conntrack"]["fragments"]["held"] == 12


PIECE = {4: "eth:ethertype:ip", 6: "eth:ethertype:ipv6:ipv6.fraghdr"}


@pytest.mark.parametrize("hook, family, hidden", (
    pytest.param("tc", 4, False, id="tc-4-seen"),
    pytest.param("xdp", 6, True, id="xdp-6-hidden", marks=BEHIND_XDP)))
def test_what_was_held_and_given_back_is_right(cluster, hook, family, hidden):
    """As Wireshark judges it: each piece, and what they are when they are put together."""
    source = {"source": ROUTER[family][1]} if hidden else {}
    text = policy([echo(family, ONE, "udp", **source)], hook=hook)
    with Daemon(cluster.gateway, config=text) as daemon, Talk(cluster, family) as talk, \
            Capture(cluster.backends, "eth0") as backend, \
            Capture(cluster.client, "eth0") as client:
        for order in ORDERS:
            assert talk.arrives(order) and talk.arrives(order, answers=True), order
        assert daemon.status()["conntrack"]["fragments"]["held"] == 12
        verdicts = judged(backend.frames(), client.frames())
    for verdict in verdicts:
        assert not verdict.complaints
        # The last of each three has the datagram, and its checksum.
        assert verdict.layers[f"{PIECE[family]}:udp:data"] == verdict.good["udp"] == len(ORDERS)
        assert verdict.layers[f"{PIECE[family]}:data"] == 2 * len(ORDERS)
        assert family == 6 or verdict.good["ip"] == 3 * len(ORDERS)


@pytest.fixture(scope="module")
def direct():
    with Direct() as made, made.unwrapping(), wider(made):
        yield made


@each_family
@each_hook
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
def test_backends_that_answer_by_themselves_get_whole_datagrams(direct, hook, family, way):
    with serving(direct, family, "udp"), Client(direct, family, "udp") as client, \
            Daemon(direct.gateway, config=direct_config(family, way, "udp", hook)) as daemon, \
            Mouth(direct.client, "eth0", direct.gateway, "lan") as lips:
        assert client.ask(b"first") == b"first"
        own = client.sock.getsockname()[:2]
        for number, order in enumerate(ORDERS, random.randrange(1 << 15)):
            data = random.randbytes(3000)
            made = pieces(family, own, (SERVICE[family], PORT), data, number)
            lips.say(made[at] for at in order)
            assert client.sock.recv(5000).split(b"\n", 1)[1] == data, order
        assert daemon.status()["conntrack"]["fragments"]["held"] == 6


@each_family
def test_tag_that_a_device_took_off_is_put_back(cluster, family):
    """Each piece that is held is met twice by who listens ahead of Weir, and both are one."""
    tag = bytes.fromhex("8100a005")             # priority 5, VLAN 5
    with Daemon(cluster.gateway, config=config(family, ONE, "udp")) as daemon, \
            Talk(cluster, family) as talk, tagged(cluster.gateway, "lan") as tap:
        talk.lips[0].say(talk.cut(random.randbytes(3000))[2:], tag)
        one, other = (wait_for(lambda: read_tagged(tap), "a tagged piece") for _ in range(2))
        assert one == other and one[1] == 0xA005
        assert daemon.status()["conntrack"]["fragments"]["held"] == 1


@contextlib.contextmanager
def tunnel(place, device):
    """A device without a link header; gives what packets are written to, as if they arrived."""
    with place.entered():
        end = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        place.run("ip", "link", "set", device, "up")
        yield end
    finally:
        os.close(end)


@each_family
def test_pieces_come_by_devices_without_link_headers(cluster, family):
    far = {4: "10.79.0.2", 6: "fd79::2"}[family]
    text = policy([echo(family, ONE, "udp")], interfaces=("lan", "wan", "tun7"))
    with tunnel(cluster.gateway, "tun7") as end, Daemon(cluster.gateway, config=text) as daemon, \
            Talk(cluster, family) as talk:
        cluster.gateway.run("ip", f"-{family}", "route", "add", far, "dev", "tun7")
        talk.own = far, 4000
        for order in ORDERS:
            data = random.randbytes(3000)
            made = talk.cut(data)
            for at in order:
                os.write(end, made[at])
            assert talk.backend.recv(5000) == data, order
        assert daemon.status()["conntrack"]["fragments"]["held"] == 6
