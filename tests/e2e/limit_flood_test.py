# SPDX-License-Identifier: Apache-2.0
"""Ten million sources at once and a fixed number of buckets: who keeps to the limit passes, who
does not is held to it, and memory stays what it was; IPv4, IPv6 networks /64, and hosts of them.
WEIR_FLOOD_S says how long the flood lasts."""
import collections
import contextlib
import os
import pathlib
import re
import socket
import threading
import time

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from harness.attacked import DARK_V6, Attacked
from harness.clients import family_of
from harness.frames import ether
from harness.kernel import bpftool, links
from harness.live import LiveFrames
from harness.net import Pair, descriptors
from harness.wait import pause, wait_for

pytestmark = [pytest.mark.alone, pytest.mark.outside]

FLOOD_S = float(os.environ.get("WEIR_FLOOD_S", "6"))
STRANGERS = 10_000_000
RATE, BURST, PORT = 10, 50, 4000
HONEST, HONEST_RATE = 100, 8            # sources, packets a second of each
HEAVY_RATE = 1000
CONFIG = """api: {{listen: off}}
events: {{rate: 0/s}}
interfaces: [{{name: wire, hook: {hook}}}, {{name: dark, hook: {hook}}}]
limit: {{sources: {buckets}, limits: [{{name: each, per: '{per}', packets: {rate}/s,
  burst: {burst}}}]}}
"""
UDP_V6 = ether() / IPv6(dst=DARK_V6) / UDP(sport=100, dport=9) / Raw(bytes(22))

# per: what has a bucket. honest: one address of each; heavy: all of one.
Sources = collections.namedtuple("Sources", "per host honest heavy strangers frame")
NUMBERS = range(11, 11 + HONEST)
SOURCES = {
    "v4": Sources("source", Pair.inside_v4, [f"10.77.1.{number}" for number in NUMBERS],
                  ["10.77.1.250"], f"11.0.0.0 {STRANGERS}", None),
    "v6 networks": Sources("source/32,/64", Pair.inside_v6,
                           [f"fd77:1:0:{number}::1" for number in NUMBERS],
                           [f"fd77:1:0:250::{host}" for host in range(1, 11)],
                           f"2001:db8:: {STRANGERS}", UDP_V6),
    "v6 hosts": Sources("source/32,/128", Pair.inside_v6, [f"fd77::{number}" for number in NUMBERS],
                        ["fd77::250"], f"2001:db8:: {STRANGERS}", UDP_V6),
}


class Scene(Attacked):
    """The wires are two, since what finds a full ring has never met Weir; buckets are the same."""

    def __init__(self, hook, buckets, sources):
        super().__init__("many", CONFIG.format(hook=hook, buckets=buckets, rate=RATE, burst=BURST,
                                               per=sources.per))
        self.sources = sources

    def limit(self):
        row, = self.daemon.ask("limit", "show")["limits"]
        return row

    def lost(self):
        """Frames of the clients that found a full ring, and never met Weir."""
        return links(self.client)[self.pair.far]["stats64"]["tx"]["dropped"]

    def memory(self):
        """(of the table of buckets, of the daemon), in bytes, as the kernel counts them."""
        table = bpftool("map", "show", "pinned", self.daemon.pin_dir / "maps" / "st_limit")
        status = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return table["bytes_memlock"], int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


class Sender(threading.Thread):
    """So many datagrams a second, from each of the sockets in turn, at even distances."""

    def __init__(self, socks, rate):
        super().__init__()
        self.socks, self.rate, self.sent, self.ended = socks, rate, 0, threading.Event()

    def run(self):
        self.begun = time.monotonic()
        while not self.ended.is_set():
            while self.sent < (time.monotonic() - self.begun) * self.rate:
                self.socks[self.sent % len(self.socks)].send(b"honest")
                self.sent += 1
            pause(0.002)
        self.lasted = time.monotonic() - self.begun


class Receiver(threading.Thread):
    def __init__(self, sock, heavy):
        super().__init__()
        self.sock, self.heavy, self.ended = sock, heavy, threading.Event()
        self.got = collections.Counter()

    def run(self):
        while not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                self.got[self.sock.recvfrom(64)[1][0]] += 1

    def honest(self):
        return sum(self.got.values()) - self.of_heavy()

    def of_heavy(self):
        return sum(self.got[address] for address in self.heavy)


@contextlib.contextmanager
def talking(scene):
    """The honest and the one that sends too much, and who listens to them."""
    sources = scene.sources
    family, everybody = family_of(sources.host), (*sources.honest, *sources.heavy)
    end = "/64 nodad" if family == socket.AF_INET6 else "/24"
    scene.client.run("ip", "-batch", "-", input="".join(
        f"addr add {address}{end} dev {scene.pair.far}\n" for address in everybody))
    # Who asks for a neighbour is answered where he is.
    scene.host.run("ip", "route", "add", "fd77:1::/32", "dev", scene.pair.wire)
    with contextlib.ExitStack() as stack:
        stack.enter_context(descriptors(1024))
        server = stack.enter_context(scene.host.socket(family, socket.SOCK_DGRAM))
        server.bind((sources.host, PORT))
        server.settimeout(0.2)
        receiver = Receiver(server, sources.heavy)
        socks = []
        for address in everybody:
            sock = stack.enter_context(scene.client.socket(family, socket.SOCK_DGRAM))
            sock.bind((address, 0))
            sock.connect((sources.host, PORT))
            socks.append(sock)
        senders = [Sender(socks[:HONEST], HONEST * HONEST_RATE), Sender(socks[HONEST:], HEAVY_RATE)]
        threads = [receiver, *senders]
        for thread in threads:
            thread.start()
        try:
            yield receiver, *senders
        finally:
            for thread in reversed(threads):
                thread.ended.set()
                thread.join()


def ends(receiver, *senders):
    """No more is sent, and what was has come as far as it does."""
    for sender in senders:
        sender.ended.set()
        sender.join()
    counted = []

    def settled():
        counted.append(sum(receiver.got.values()))
        pause(0.1)
        return len(counted) > 3 and counted[-1] == counted[-4]

    wait_for(settled, "all that was sent has come")


def met(frames, kind):
    """Of the strangers, how many have sent by then: they are drawn evenly. No host comes twice."""
    return frames if kind == "v6 hosts" else STRANGERS * (1 - (1 - 1 / STRANGERS) ** frames)


@pytest.mark.parametrize("hook, buckets, kind", [
    ("xdp", 1 << 20, "v4"), ("tc", 1 << 20, "v4"), ("xdp", 1 << 13, "v4"),
    ("xdp", 1 << 20, "v6 networks"), ("tc", 1 << 13, "v6 networks"), ("xdp", 1 << 13, "v6 hosts")])
def test_the_honest_pass_beside_ten_million_sources(hook, buckets, kind):
    sources = SOURCES[kind]
    with Scene(hook, buckets, sources) as scene:
        before = scene.memory()
        with talking(scene) as (receiver, honest, heavy):
            wait_for(lambda: receiver.honest() > HONEST, "all is under way")
            with LiveFrames(scene.attacker, scene.dark, [sources.strangers],
                            sources.frame) as flood:
                begun = time.monotonic()
                wait_for(lambda: time.monotonic() > begun + FLOOD_S, "it has lasted", FLOOD_S + 9)
                during = scene.memory()
                sent = sum(flood.stop().values())
            ends(receiver, honest, heavy)
        after, row = scene.memory(), scene.limit()
        share = receiver.honest() / honest.sent
        allowed = BURST + RATE * heavy.lasted
        print(f"\n{hook}, {kind}, {buckets:,} buckets ({before[0] / 1024:,.0f} KiB): {sent:,} "
              f"frames at {flood.mpps:.2f} Mpps from {met(sent, kind):,.0f} sources; "
              f"{row['crowded']:,} found no bucket;\n"
              f"honest: {receiver.honest():,} of {honest.sent:,} ({share:.2%}), "
              f"{scene.lost()} frames found a full ring; one of {HEAVY_RATE}/s: "
              f"{receiver.of_heavy()} of {heavy.sent:,} (its limit: {allowed:.0f});\ndaemon, KiB: "
              f"{before[1] // 1024:,} before, {during[1] // 1024:,} during, "
              f"{after[1] // 1024:,} after")
        assert share >= 0.95
        assert receiver.of_heavy() <= allowed * 1.1 + 5
        assert before[0] == during[0] == after[0]
        assert after[1] < before[1] + (4 << 20)
        assert row["passed"] + row["over"] > sent / 10, "the strangers met the limit"
        # Ten a second: each holds a bucket for a tenth of one.
        assert row["crowded"] or sent / FLOOD_S / RATE < buckets
