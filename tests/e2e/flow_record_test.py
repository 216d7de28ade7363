# SPDX-License-Identifier: Apache-2.0
"""Records of ended flows: each is what tshark sees of the conversation, and all of them together,
with the flows that live, are what the devices count."""
import collections
import contextlib
import json
import random
import socket
import subprocess
import threading

import pytest

from harness.account import Books, Count, ended, flows_sum, live, plus
from harness.chain import Chain, server_address
from harness.daemon import WEIR, Daemon
from harness.streams import both_ways, connecting, listening
from harness.wait import SLOWNESS, wait_for

SEED = random.SystemRandom().randrange(1 << 32)
DEVICES = ("lan", "wan")
HOOKS = ("tc", "xdp")
FAMILIES = (4, 6)


def configured(hook, capacity=1000, half_open=1000, more=""):
    rows = ", ".join(f"{{name: {name}, hook: {hook}, egress: true}}" for name in DEVICES)
    return (f"api: {{listen: off}}\ninterfaces: [{rows}]\nconntrack: {{enabled: true, "
            f"account: true, capacity: {capacity}, half-open: {half_open}{more}}}\n")


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def watched(chain):
    with contextlib.ExitStack() as stack:
        def give(hook, **options):
            return stack.enter_context(Daemon(chain.gateway, config=configured(hook, **options)))
        yield give


def records(daemon, *words):
    return daemon.ask("flow", "ended", "--limit", "1000000", *words)["flows"]


def carried(rows):
    return Count(sum(row["packets"] for row in rows), sum(row["bytes"] for row in rows))


def told(daemon):
    return daemon.status()["conntrack"]["records"]


def unrecorded(daemon):
    row = told(daemon)
    return Count(row["unrecorded_packets"], row["unrecorded_bytes"])


def add_up(daemon):
    """What ended is in records, or counted as lost, once nothing more is under way."""
    def same():
        counts = (ended(daemon), carried(records(daemon)), unrecorded(daemon))
        return counts if counts[0] == plus(counts[1:]) else None
    return wait_for(same, "records add up to what ended")


def kind_of(family):
    return socket.AF_INET if family == 4 else socket.AF_INET6


def datagrams(chain, family, rng, port):
    with chain.client.socket(kind_of(family), socket.SOCK_DGRAM) as client, \
            chain.server.socket(kind_of(family), socket.SOCK_DGRAM) as server:
        server.bind(("", port))
        client.connect((server_address(family), port))
        for sock in (client, server):
            sock.settimeout(10 * SLOWNESS)
        for _ in range(rng.randrange(1, 20)):
            client.send(rng.randbytes(rng.randrange(1400)))
            got, sender = server.recvfrom(65536)
            server.sendto(got[:rng.randrange(len(got) + 1)], sender)
            client.recv(65536)


def stream(chain, family, rng, port, resets):
    with listening(chain.server, family, port) as server:
        client = connecting(chain.client, server_address(family), port)
        accepted, _ = server.accept()
        both_ways(client, accepted, rng.randbytes(rng.randrange(1, 300000)))
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        accepted.close()


def talk(chain, rng):
    """TCP that is closed and TCP that is reset, UDP, ICMP; both families."""
    for family in FAMILIES:
        for number in range(4):
            stream(chain, family, rng, 8000 + 10 * family + number, number % 2)
            datagrams(chain, family, rng, 5000 + 10 * family + number)
        chain.client.run("ping", "-c", 3, "-i", 0.01, server_address(family))


class Capture:
    """What passes one device of a namespace, from when it listens until it is read."""

    def __init__(self, namespace, device, path):
        self.path = path
        self.process = subprocess.Popen(
            namespace.command("tcpdump", "-i", device, "-U", "-w", path, "--immediate-mode",
                              "-B", "65536"), stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                break

    def end(self):
        self.process.terminate()
        rest = self.process.communicate(timeout=20 * SLOWNESS)[1]
        assert "0 packets dropped by kernel" in rest, rest

    def conversations(self, kind):
        """(a, a's port, b, b's port): Counts of a > b and of b > a, as tshark adds them up."""
        rows = collections.defaultdict(lambda: Count(0, 0))
        text = subprocess.run(
            ["tshark", "-n", "-r", self.path, "-Y", f"{kind} and not icmp and not icmpv6",
             "-T", "fields", "-e", "ip.src", "-e", "ipv6.src", "-e", f"{kind}.srcport",
             "-e", "ip.dst", "-e", "ipv6.dst", "-e", f"{kind}.dstport", "-e", "frame.len"],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for line in text.splitlines():
            v4, v6, sport, to4, to6, dport, size = line.split("\t")
            key = (v4 or v6, int(sport), to4 or to6, int(dport))
            rows[key] = plus((rows[key], Count(1, int(size))))
        return rows

    def table(self, kind):
        """tshark's own sums, of which the numbers of frames are exact."""
        text = subprocess.run(["tshark", "-n", "-q", "-r", self.path, "-z", f"conv,{kind}"],
                              check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True).stdout
        rows = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) < 10 or words[1] != "<->":
                continue
            # "frames bytes unit" of b > a, then of a > b
            rows[words[0], words[2]] = (int(words[6]), int(words[3]))
        return rows


@pytest.fixture
def capture(chain, tmp_path):
    made = Capture(chain.gateway, DEVICES[0], tmp_path / "seen.pcap")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.mark.parametrize("hook", HOOKS)
def test_records_are_the_conversations_that_tshark_sees(chain, watched, capture, hook):
    daemon = watched(hook)
    print(f"seed {SEED}")
    talk(chain, random.Random(SEED))
    daemon.ask("flow", "flush", "--all")
    add_up(daemon)
    capture.end()
    rows = records(daemon)
    for kind in ("tcp", "udp"):
        seen = capture.conversations(kind)
        weir = {}
        for row in rows:
            if row["proto"] != kind:
                continue
            key = (row["src"], row["sport"], row["dst"], row["dport"])
            assert key not in weir, "one flow, one record"
            weir[key] = Count(row["orig_packets"], row["orig_bytes"])
            back = key[2:] + key[:2]
            weir[back] = Count(row["reply_packets"], row["reply_bytes"])
        assert len(weir) == 16
        assert weir == seen
        frames = capture.table(kind)
        ours = {}
        for (src, sport, dst, dport), count in weir.items():
            ours[f"{src}:{sport}", f"{dst}:{dport}"] = count.packets
        assert len(frames) == 8
        for (one, other), (there, back) in frames.items():
            assert (ours[one, other], ours[other, one]) == (there, back)
    pings = [row for row in rows if row["proto"] in ("icmp", "icmpv6")]
    assert {(row["proto"], row["orig_packets"], row["reply_packets"]) for row in pings} == \
        {("icmp", 3, 3), ("icmpv6", 3, 3)}


@pytest.mark.parametrize("hook", HOOKS)
def test_records_and_flows_that_live_are_what_the_devices_count(chain, watched, hook):
    daemon = watched(hook)
    books = Books(daemon, chain.gateway, DEVICES, polls=hook == "xdp")
    talk(chain, random.Random(SEED))
    daemon.ask("flow", "flush", "proto=udp or family=ipv6")
    counted = books.check()
    assert flows_sum(daemon).packets > 20
    assert plus((flows_sum(daemon), carried(records(daemon)))) == counted["flow"]
    assert unrecorded(daemon) == Count(0, 0)


@pytest.mark.parametrize("hook", HOOKS)
def test_twice_as_many_flows_as_the_tables_hold_are_recorded(chain, watched, hook):
    daemon = watched(hook, capacity=40, half_open=40)
    books = Books(daemon, chain.gateway, DEVICES, polls=hook == "xdp")
    rng = random.Random(SEED)
    for number in range(200):
        datagrams(chain, FAMILIES[number % 2], rng, 22000 + number)
    counted = books.check()
    _, recorded, lost = add_up(daemon)
    assert lost == Count(0, 0)
    assert plus((flows_sum(daemon), recorded)) == counted["flow"]
    assert {row["reason"] for row in records(daemon)} >= {"displaced"}
    assert daemon.status()["conntrack"]["displaced"] <= len(records(daemon))


def test_why_a_flow_ended_is_said(chain, watched):
    daemon = watched("tc", more=", timeouts: {time_wait: 1s, reset: 1s, one_way: 1s, answered: 1s,"
                                " stream: 1s}")
    rng = random.Random(SEED)
    stream(chain, 4, rng, 8101, False)
    stream(chain, 4, rng, 8102, True)
    datagrams(chain, 6, rng, 5103)
    chain.client.run("ping", "-c", 1, server_address(4))

    def reasons():
        return {row.get("dport"): row["reason"] for row in records(daemon)}
    wait_for(lambda: len(reasons()) == 3, "three have ended by themselves", 20)
    daemon.ask("flow", "flush", "proto=icmp")
    assert reasons() == {8101: "closed", 8102: "reset", 5103: "idle", None: "flushed"}
    assert [row["dport"] for row in records(daemon, "dport=8102 and state=reset")] == [8102]


def test_ended_flows_are_followed(chain, watched):
    daemon = watched("tc")
    process = subprocess.Popen(
        daemon.namespace.command(WEIR, "events", "--follow", "--kind", "flow", "--json"),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=daemon.environment())
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout))
    reader.start()
    rng, port = random.Random(SEED), 24000
    try:
        def followed():
            nonlocal port
            datagrams(chain, 4, rng, port)
            daemon.ask("flow", "flush", f"dport={port}")
            port += 1
            return lines
        wait_for(followed, "an ended flow", 20)
        last = records(daemon)[-1]["number"]
        wait_for(lambda: json.loads(lines[-1])["number"] == last, "all that ended")
    finally:
        process.terminate()
        process.wait(20 * SLOWNESS)
        reader.join()
    rows = [json.loads(line) for line in lines]
    kept = {row["number"]: row for row in records(daemon)}
    for row in rows:
        same = kept[row["number"]]
        assert [row[key] for key in ("kind", "dport", "orig_bytes", "reply_bytes", "reason")] == \
            ["flow", same["dport"], same["orig_bytes"], same["reply_bytes"], "flushed"]
    assert [row["number"] for row in rows] == list(range(rows[0]["number"], last + 1))


def test_kills_and_reloads_record_nothing_twice_and_lose_nothing_uncounted(chain, watched):
    daemon = watched("tc", capacity=60, half_open=60)
    books = Books(daemon, chain.gateway, DEVICES, polls=False)
    rng, seen, port = random.Random(SEED), {}, 21000
    run = 0

    def more(count=100):
        nonlocal port
        for _ in range(count):
            datagrams(chain, FAMILIES[port % 2], rng, port)
            port += 1

    def note():
        """Those of this run of the daemon, by its number and theirs."""
        for row in records(daemon):
            seen[run, row["number"]] = row
    more()
    for what in ("kill", "bigger", "kill", "smaller", "kill"):
        if what == "kill":
            wait_for(lambda: plus((carried(seen.values()), unrecorded(daemon))) == ended(daemon)
                     or note(), "what is recorded is known")
            daemon.kill()
            more()                      # nobody reads the ring meanwhile
            daemon.start()
            run += 1
        else:
            size = 2000 if what == "bigger" else 50
            daemon.apply(configured("tc", size, size), "--drop-oldest")
            more()
    counted = books.check()
    wait_for(lambda: plus((carried(seen.values()), unrecorded(daemon))) == ended(daemon)
             or note(), "what is recorded is known")
    assert plus((carried(seen.values()), unrecorded(daemon), flows_sum(daemon))) == \
        live(daemon)["flow"]
    assert counted["flow"].packets > 1000
    assert len(seen) > 400


def test_what_the_ring_has_no_room_for_is_counted(chain, watched):
    """Nobody reads it, and half of it holds some 3,000 records."""
    daemon = watched("tc", capacity=40, half_open=40)
    daemon.kill()
    with chain.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for port in range(30000, 36000):
            sock.sendto(b"x", (server_address(4), port))
    daemon.start()
    _, recorded, lost = add_up(daemon)
    counts = daemon.status()["events"]["flow"]
    assert lost.packets > 1000 and recorded.packets > 1000
    assert counts["capped"] + counts["lost"] == lost.packets        # each flow has one
    assert plus((recorded, lost, flows_sum(daemon))) == live(daemon)["flow"]
