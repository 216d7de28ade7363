# SPDX-License-Identifier: Apache-2.0
"""Weir comes to a host, or a gateway, that is busy, with a policy that lets in nothing new: who was
connected before stays so, also who connects while it starts. The kernel's own tables say who."""
import contextlib
import hashlib
import json
import random
import selectors
import socket
import threading
import types

import pytest

from harness.chain import FAMILIES, Chain, client_address, server_address
from harness.clients import family_of
from harness.daemon import Daemon
from harness.net import descriptors
from harness.site import drops, told
from harness.talk import Talk
from harness.wait import SLOWNESS, pause, wait_for

TRACK = """table inet track {
    chain in { type filter hook input priority 0; ct state new counter; }
    chain over { type filter hook forward priority 0; ct state new counter; }
    chain out { type filter hook output priority 0; ct state new counter; }
}"""
# Its entries, too, are not ended by a slow kernel: what it has forgotten cannot be taken over.
NF_TIMEOUTS = [f"net.netfilter.nf_conntrack_udp_timeout{which}=1200" for which in ("", "_stream")]
# Where Weir is, its devices, and whether nf_conntrack follows what passes there.
PLACES = {"host": ("server", ["eth0"], False), "host-with-nf": ("server", ["eth0"], True),
          "gateway": ("gateway", ["lan", "wan"], True)}
TALKS, MORE_CHUNKS, CHUNK_BYTES, OPENING_PORT, TRANSFER_PORT = 12, 100, 65536, 18000, 19000
PACE_S = 0.002 * SLOWNESS ** 2          # an emulated kernel takes so much longer to start Weir


def configured(devices, is_open=False):
    rules = [{"name": "neighbours", "proto": "icmpv6", "icmp-type": "131-136,143",
              "action": "allow"}]
    policy = "allow" if is_open else "deny"
    interfaces = [{"name": name, "egress": True} for name in devices]
    tracking = {"enabled": not is_open, "pick-up": False,
                "timeouts": {"answered": "20m", "stream": "20m"}}   # not ended by a slow kernel
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"conntrack: {json.dumps(tracking)}\n"
            "rules: " + json.dumps({"policy": [{"ingress": policy, "egress": policy}],
                                    "rules": rules}) + "\n")


class Echo:
    """Says back what it hears, to whoever connects; in a thread."""

    def __init__(self, namespace, addresses, port):
        self.selector, self.ended = selectors.DefaultSelector(), threading.Event()
        for address in addresses:
            sock = namespace.socket(family_of(address), socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(4096)
            self.selector.register(sock, selectors.EVENT_READ, self.accept)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            for key, _ in self.selector.select(0.1):
                key.data(key.fileobj)

    def accept(self, sock):
        self.selector.register(sock.accept()[0], selectors.EVENT_READ, self.answer)

    def answer(self, sock):
        word = sock.recv(64)
        if word:
            sock.sendall(word)
        else:
            self.selector.unregister(sock)
            sock.close()

    def close(self):
        self.ended.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Opener:
    """Connects again and again, until it is let in no more; in a thread."""

    def __init__(self, namespace, address, port):
        self.namespace, self.to = namespace, (address, port)
        self.opened, self.error = [], None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.error is None:
            sock = self.namespace.socket(family_of(self.to[0]), socket.SOCK_STREAM)
            sock.settimeout(2 * SLOWNESS)
            try:
                sock.connect(self.to)
                self.opened.append(sock)
                pause(PACE_S)
            except OSError as e:
                self.error = e
                sock.close()

    def all_are_heard(self):
        """How many; fails where one has lost its connection."""
        for number, sock in enumerate(self.opened, 1):
            word = f"{number} of {len(self.opened)}".encode()
            sock.settimeout(10 * SLOWNESS)
            try:
                sock.sendall(word)
                heard = sock.recv(64)
            except OSError as e:
                heard = e
            assert heard == word, f"{number} of {len(self.opened)}, {sock.getsockname()}: {heard}"
        return len(self.opened)

    def close(self):
        self.thread.join()
        for sock in self.opened:
            sock.close()


class Transfer:
    """Goes on until it has been told so, and somewhat longer; in two threads."""

    def __init__(self, sender, receiver, address):
        self.bytes = random.Random(1).randbytes(CHUNK_BYTES)
        self.sent, self.received, self.hash = 0, 0, hashlib.sha256()
        self.is_enough = threading.Event()
        with sender.socket(family_of(address), socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, TRANSFER_PORT))
            server.listen()
            self.to = receiver.socket(family_of(address), socket.SOCK_STREAM)
            self.to.settimeout(30 * SLOWNESS)
            self.to.connect((address, TRANSFER_PORT))
            self.of = server.accept()[0]
        self.of.settimeout(30 * SLOWNESS)
        self.threads = [threading.Thread(target=run) for run in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        more = MORE_CHUNKS
        with contextlib.suppress(OSError), self.of:
            while more and self.sent < 100000:
                self.of.sendall(self.bytes)
                self.sent += 1
                more -= self.is_enough.is_set()

    def receive(self):
        with contextlib.suppress(OSError):
            while chunk := self.to.recv(CHUNK_BYTES):
                self.hash.update(chunk)
                self.received += len(chunk)
                pause(0.001)

    def close(self):
        self.is_enough.set()
        for thread in self.threads:
            thread.join()
        self.to.close()

    def arrives_whole(self):
        self.is_enough.set()
        for thread in self.threads:
            thread.join()
        whole = hashlib.sha256()
        for _ in range(self.sent):
            whole.update(self.bytes)
        assert self.sent > MORE_CHUNKS and self.received == self.sent * CHUNK_BYTES
        assert self.hash.hexdigest() == whole.hexdigest()


class Busy:
    """All that goes on between the two ends of a chain."""

    def __init__(self, stack, chain):
        ends = types.SimpleNamespace(
            outside=chain.client, inside=chain.server,
            outside_v4=client_address(4), outside_v6=client_address(6),
            inside_v4=server_address(4), inside_v6=server_address(6))
        self.talk = stack.enter_context(Talk(ends, each=TALKS))
        self.transfers = [stack.enter_context(contextlib.closing(transfer)) for transfer in (
            Transfer(chain.server, chain.client, server_address(4)),
            Transfer(chain.client, chain.server, client_address(6)))]
        inside = [server_address(family) for family in FAMILIES]
        stack.enter_context(contextlib.closing(Echo(chain.server, inside, OPENING_PORT)))
        self.openers = [stack.enter_context(contextlib.closing(
            Opener(chain.client, address, OPENING_PORT))) for address in inside]
        wait_for(lambda: all(transfer.received for transfer in self.transfers) and
                 all(len(opener.opened) > 20 for opener in self.openers), "all are busy")

    def goes_on(self):
        """How many connected while Weir came."""
        for opener in self.openers:
            opener.thread.join()
            assert isinstance(opener.error, TimeoutError), "nobody new is let in"
        count = sum(opener.all_are_heard() for opener in self.openers)
        for transfer in self.transfers:
            transfer.arrives_whole()
        self.talk.go_on()
        return count


def known_to_kernel(where, is_tracked):
    """How many connections it has that have been answered."""
    if is_tracked:
        text = where.run("cat", "/proc/net/nf_conntrack").stdout
        return sum("[UNREPLIED]" not in line and (" udp " in line or " ESTABLISHED " in line)
                   for line in text.splitlines())
    return len(where.run("ss", "-tunHO", "state", "established").stdout.splitlines())


@pytest.fixture(autouse=True)
def many_sockets():
    with descriptors(20000):
        yield


@pytest.fixture(params=list(PLACES))
def site(request):
    where, devices, is_tracked = PLACES[request.param]
    with contextlib.ExitStack() as stack:
        chain = stack.enter_context(Chain())
        place = getattr(chain, where)
        if is_tracked:
            place.run("nft", "-f", "-", input=TRACK)
            place.run("sysctl", "-qw", *NF_TIMEOUTS)
        daemon = Daemon(place, config=configured(devices, is_open=True))
        request.node.weir_daemons = [daemon]
        stack.callback(daemon.close)
        yield types.SimpleNamespace(stack=stack, chain=chain, place=place, devices=devices,
                                    is_tracked=is_tracked, daemon=daemon)


def assert_goes_on(site, busy, known):
    count = busy.goes_on()
    row = site.daemon.status()["conntrack"]
    assert row["adopted"] >= known >= len(busy.talk.all) + len(busy.transfers)
    print(f"{known} connections before, {row['adopted']} taken over, {count} begun meanwhile")
    # What was dropped is what came anew: SYNs, and what an opener that gave up sends.
    others = [row for row in told(site.daemon) if row["dport"] != OPENING_PORT and
              row["sport"] != OPENING_PORT]
    assert not others, drops(site.daemon)


def test_first_start_cuts_nobody_off(site):
    busy = Busy(site.stack, site.chain)
    site.daemon.config.write_text(configured(site.devices))
    known = known_to_kernel(site.place, site.is_tracked)
    site.daemon.start()
    assert_goes_on(site, busy, known)


def test_switching_tracking_on_cuts_nobody_off(site):
    site.daemon.start()
    busy = Busy(site.stack, site.chain)
    site.daemon.config.write_text(configured(site.devices))
    known = known_to_kernel(site.place, site.is_tracked)
    site.daemon.ask("reload")
    assert_goes_on(site, busy, known)


@pytest.mark.parametrize("site", ["host", "gateway"], indirect=True)
def test_look_names_nobody_who_connects_meanwhile(site):
    """Who begins between the listing and the taking over would be told as cut off."""
    site.daemon.start()
    busy = Busy(site.stack, site.chain)
    wanted = site.daemon.home / "wanted.yaml"
    wanted.write_text(configured(site.devices))
    for _ in range(3):
        before = [len(opener.opened) for opener in busy.openers]
        looked = site.daemon.ask("apply", wanted, "--dry-run")
        assert looked["looked_at"] >= len(busy.talk.all) / 2 and not looked["cut"]
        assert all(len(opener.opened) > count for opener, count in zip(busy.openers, before))
    site.daemon.config.write_text(wanted.read_text())
    site.daemon.ask("reload")
    busy.goes_on()
