# SPDX-License-Identifier: Apache-2.0
"""Packets and bytes of flows: with what is counted in none, they are what the kernel counts at each
device, exactly."""
import contextlib
import hashlib
import random
import socket
import threading

import pytest

from harness.account import Books, Count, device_counts, ended, flows_sum, less, live, plus
from harness.chain import Chain, client_address, server_address
from harness.daemon import Daemon
from harness.streams import both_ways, connecting, listening
from harness.wait import wait_for

SEED = random.SystemRandom().randrange(1 << 32)
DEVICES = ("lan", "wan")
HOOKS = ("tc", "xdp")


def configured(hook, capacity=1000, half_open=1000, more="", account=True):
    rows = ", ".join(f"{{name: {name}, hook: {hook}, egress: true}}" for name in DEVICES)
    return (f"api: {{listen: off}}\ninterfaces: [{rows}]\n{more}"
            f"conntrack: {{enabled: true, account: {str(account).lower()}, capacity: {capacity}, "
            f"half-open: {half_open}}}\n")


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def gro(chain):
    """What arrives is put together, and cut up again where it leaves."""
    with contextlib.ExitStack() as stack:
        def turn(word):
            for device in DEVICES:
                chain.gateway.run("ethtool", "-K", device, "gro", word)
        stack.callback(turn, "off")
        turn("on")
        yield


def kinds(family):
    return socket.AF_INET if family == 4 else socket.AF_INET6


def datagrams(chain, family, rng, port, count=40):
    """Answered by the other side; some are larger than the link takes."""
    with chain.client.socket(kinds(family), socket.SOCK_DGRAM) as client, \
            chain.server.socket(kinds(family), socket.SOCK_DGRAM) as server:
        server.bind(("", port))
        client.connect((server_address(family), port))
        for sock in (client, server):
            sock.settimeout(10)
        for _ in range(count):
            text = rng.randbytes(rng.choice((0, 1, 700, 1400, 4000, 9000)))
            client.send(text)
            got, sender = server.recvfrom(65536)
            assert got == text
            server.sendto(text[:rng.randrange(0, len(text) + 1)], sender)
            client.recv(65536)


def streams(chain, family, rng, port):
    with listening(chain.server, family, port) as server:
        client = connecting(chain.client, server_address(family), port)
        accepted, _ = server.accept()
        both_ways(client, accepted, rng.randbytes(rng.randrange(1, 3000000)))
        return client, accepted


def errors(chain, family):
    """Nobody is there: port unreachable comes back."""
    with chain.client.socket(kinds(family), socket.SOCK_DGRAM) as client:
        client.connect((server_address(family), 9))
        client.settimeout(5)
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(1)


def talk(chain, rng):
    """All kinds; gives what is to be closed."""
    held = []
    for family in (4, 6):
        held += streams(chain, family, rng, 8080 + family)
        datagrams(chain, family, rng, 5000 + family)
        errors(chain, family)
        chain.client.run("ping", "-c", 3, "-i", 0.01, server_address(family))
        chain.client.run("ping", "-c", 2, "-i", 0.01, "-s", 5000, server_address(family))
        chain.gateway.run("ping", "-c", 2, "-i", 0.01, server_address(family))
    return held


def is_polling(chain):
    return "generic-receive-offload: on" in chain.gateway.run("ethtool", "-k", DEVICES[0]).stdout


@pytest.fixture
def watched(chain):
    """watched(HOOK, …) gives the daemon on the gateway, and its books."""
    with contextlib.ExitStack() as stack:
        def give(hook, **options):
            daemon = stack.enter_context(Daemon(chain.gateway, config=configured(hook, **options)))
            return daemon, Books(daemon, chain.gateway, DEVICES,
                                 polls=hook == "xdp" or is_polling(chain))
        yield give


def close(held):
    for sock in held:
        sock.close()


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("offload", ["one-by-one", "gro"])
def test_flows_and_what_is_in_none_are_what_the_devices_count(request, chain, hook, offload):
    if offload == "gro":
        request.getfixturevalue("gro")
    daemon, books = request.getfixturevalue("watched")(hook)
    for station in (chain.client, chain.gateway):
        station.run("ip", "neigh", "flush", "all")      # so that ARP is among it
    print(f"seed {SEED}")
    close(talk(chain, random.Random(SEED)))
    counted = books.check()
    print(counted)
    assert counted["forwarded"].packets > 1000
    assert counted["icmp_error"].packets > 0
    assert counted["not_ip"].packets > 0
    assert plus((flows_sum(daemon), ended(daemon))) == live(daemon)["flow"]


class Words:
    """UDP both ways on many ports, one answer for each word, until told to stop; nothing is lost,
    so what each flow carried is known."""

    def __init__(self, chain, family, first, count):
        self.stack = contextlib.ExitStack()
        self.chain, self.family, self.pairs = chain, family, []
        self.sent, self.lengths = {}, {}
        for number in range(count):
            server = self.stack.enter_context(chain.server.socket(kinds(family),
                                                                  socket.SOCK_DGRAM))
            client = self.stack.enter_context(chain.client.socket(kinds(family),
                                                                  socket.SOCK_DGRAM))
            server.bind(("", first + number))
            client.connect((server_address(family), first + number))
            server.settimeout(10)
            client.settimeout(10)
            self.pairs.append((first + number, client, server))
            self.sent[first + number] = self.lengths[first + number] = 0
        self.ends, self.thread, self.failed = threading.Event(), None, None

    def say(self, port, client, server, text):
        client.send(text)
        server.sendto(text, server.recvfrom(2000)[1])
        client.recv(2000)
        self.sent[port] += 1
        self.lengths[port] += len(text)

    def run(self):
        rng = random.Random(SEED + self.family)
        try:
            while not self.ends.is_set():
                self.say(*rng.choice(self.pairs), rng.randbytes(rng.randrange(1400)))
        except OSError as error:
            self.failed = error

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def end(self):
        self.ends.set()
        self.thread.join()
        assert not self.failed

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
        self.stack.close()

    def check(self, daemon):
        """Each flow has what was said on it, from its first word."""
        headers = 14 + (20 if self.family == 4 else 40) + 8
        rows = daemon.ask("flow", "list", f"proto=udp and family=ipv{self.family}", "--limit",
                          "10000")["flows"]
        found = {row["dport"]: row for row in rows}
        for port, count in self.sent.items():
            if not count:
                continue
            row = found[port]
            total = self.lengths[port] + count * headers
            assert [row[key] for key in ("orig_packets", "orig_bytes", "reply_packets",
                                         "reply_bytes")] == [count, total, count, total], port
        return sum(self.sent.values())


CHANGES = ["bigger", "restart", "smaller-half", "kill", "smaller", "kill-in-reload", "bigger"]


def change(daemon, hook, what):
    sizes = {"bigger": (5000, 3000), "smaller-half": (5000, 800), "smaller": (700, 800),
             "kill-in-reload": (2000, 2000)}.get(what)
    if what in ("restart", "kill"):
        daemon.stop() if what == "restart" else daemon.kill()
        daemon.start()
    elif what == "kill-in-reload":
        daemon.reload(configured(hook, *sizes))
        daemon.kill()
        daemon.start()
    else:
        daemon.apply(configured(hook, *sizes))
    wait_for(lambda: "settling" not in str(daemon.status().get("state", "")), "it is done")


@pytest.mark.parametrize("hook", HOOKS)
def test_nothing_is_lost_or_counted_twice_by_reloads_restarts_and_kills(chain, watched, hook):
    daemon, books = watched(hook)
    with Words(chain, 4, 20000, 60) as four, Words(chain, 6, 21000, 60) as six:
        for what in CHANGES:
            before = sum(four.sent.values())
            change(daemon, hook, what)
            wait_for(lambda before=before: sum(four.sent.values()) > before + 50, "words go on")
        four.end()
        six.end()
        books.check()
        print(four.check(daemon), six.check(daemon))
        assert plus((flows_sum(daemon), ended(daemon))) == live(daemon)["flow"]
        assert set(live(daemon)) <= {"flow", "forwarded", "not_ip", "untracked"}


@pytest.mark.parametrize("hook", HOOKS)
def test_twice_as_many_flows_as_the_tables_hold_are_all_counted(chain, watched, hook):
    daemon, books = watched(hook, capacity=40, half_open=40)
    with contextlib.ExitStack() as stack:
        words = stack.enter_context(Words(chain, 4, 22000, 200))
        words.end()
        for _ in range(3):
            for pair in words.pairs:
                words.say(*pair, b"x" * 100)
    counted = books.check()
    assert daemon.status()["conntrack"]["displaced"] > 100
    assert plus((flows_sum(daemon), ended(daemon))) == counted["flow"]
    assert ended(daemon).packets > 100
    assert plus((counted["flow"], counted.get("no_place", Count(0, 0)))).packets >= 1200


@pytest.mark.outside        # nf_conntrack differs from kernel to kernel
def test_packets_of_flows_are_those_that_nf_conntrack_counts(chain, watched):
    chain.gateway.run("nft", "add table inet acct; add chain inet acct watch "
                      "{ type filter hook forward priority 0; }; "
                      "add rule inet acct watch ct state new accept")
    chain.gateway.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
    daemon, _ = watched("tc")
    rng = random.Random(SEED)
    try:
        held = streams(chain, 4, rng, 8090) + streams(chain, 6, rng, 8091)
        with Words(chain, 4, 23000, 20) as words:
            wait_for(lambda: sum(words.sent.values()) > 500, "words")
            words.end()
            compare(daemon, chain.gateway, {8090, 8091, *words.sent})
        close(held)
    finally:
        chain.gateway.run("nft", "delete", "table", "inet", "acct")


def compare(daemon, gateway, ports):
    """By destination port: packets and bytes of either direction, without link headers."""
    kernel = {}
    for family in ("ipv4", "ipv6"):
        for line in gateway.run("conntrack", "-L", "-f", family).stdout.splitlines():
            words = [word.split("=") for word in line.split() if "=" in word]
            of = {name: [value for key, value in words if key == name]
                  for name in ("dport", "packets", "bytes")}
            if of["dport"] and int(of["dport"][0]) in ports:
                kernel[int(of["dport"][0])] = [int(of[name][side]) for side in (0, 1)
                                               for name in ("packets", "bytes")]
    weir = {row["dport"]: [row["orig_packets"], row["orig_bytes"] - 14 * row["orig_packets"],
                           row["reply_packets"], row["reply_bytes"] - 14 * row["reply_packets"]]
            for row in daemon.ask("flow", "list", "--limit", "1000")["flows"]
            if row.get("dport") in ports}
    assert weir == kernel
    assert len(weir) > 10
