# SPDX-License-Identifier: Apache-2.0
"""Flows know by which VLAN their first packet came: as tshark reads it in a capture of the wire,
whatever becomes of the flow, its table, the daemon and the program."""
import collections
import contextlib
import csv
import io
import json
import random
import re
import struct
import subprocess

import pytest
from scapy.layers.inet import TCP, UDP, IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q
from scapy.packet import Raw

from harness.daemon import WEIR, Daemon
from harness.ecs import assert_ecs, member
from harness.frames import ether
from harness.logged import lines_of, of_kind
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire
from harness.wireshark import write_pcap

SEED = random.SystemRandom().randrange(1 << 32)
HOOKS = ("tc", "xdp")
NUMBER_BYTES = 14               # what harness.wire adds to a frame
Q, AD = Dot1Q, Dot1AD
# Tags, the outermost first. Of more than two, two are kept.
STACKS = ((), ((Q, 5),), ((Q, 0),), ((Q, 4095),), ((AD, 10), (Q, 20)), ((AD, 10), (Q, 21)),
          ((Q, 10),), ((Q, 10), (Q, 20)), ((AD, 7),), ((Q, 30), (Q, 0)),
          ((AD, 11), (Q, 12), (Q, 13)))

# What is known of a flow: as in JSON, None where there is no such member.
Tags = collections.namedtuple("Tags", "tagged vlan inner_vlan")
UNTAGGED, UNKNOWN = Tags(False, None, None), Tags(None, None, None)


def config(hook="tc", account=True, more="", capacity=4096, half_open=4096, log=""):
    return ("api: {listen: off}\n"
            f"interfaces: [{{name: wire, hook: {hook}, egress: true}}]\n"
            f"conntrack: {{enabled: true, account: {str(account).lower()}, "
            f"capacity: {capacity}, half-open: {half_open}{more}}}\n{log}")


def dressed(stack, packet):
    frame = ether()
    for kind, vlan in stack:
        frame = frame / kind(vlan=vlan)
    layer = frame = frame / packet
    # scapy knows not all pairs of tags by their number.
    for kind in [kind for kind, _ in stack] + [type(packet)]:
        layer.type = {AD: 0x88A8, Q: 0x8100, IP: 0x0800, IPv6: 0x86DD}[kind]
        layer = layer.payload
    return bytes(frame)


def told_by_choice(stack):
    if not stack:
        return UNTAGGED
    return Tags(True, stack[0][1], stack[1][1] if len(stack) > 1 else None)


def name_of(tags):
    """As totals call it."""
    if tags == UNKNOWN:
        return "unknown"
    if not tags.tagged:
        return "none"
    return f"{tags.vlan}" if tags.inner_vlan is None else f"{tags.vlan}.{tags.inner_vlan}"


def tags_of(row):
    return Tags(*(row.get(name) for name in Tags._fields))


def ends_of(row):
    return row["src"], row["sport"], row["dst"], row["dport"]


class Talk:
    """Flows of both directions over a wire; of each its tags, packets and bytes."""

    def __init__(self, pair, stack):
        self.rng = random.Random(SEED)
        self.wires = [stack.enter_context(Wire.inward(pair)),
                      stack.enter_context(Wire.outward(pair))]
        self.flows, self.frames, self.port = {}, [], 10000

    def send(self, way, frame):
        assert self.wires[way].verdicts([frame]) == [True]
        self.frames.append(frame)
        return len(frame) + NUMBER_BYTES

    def flow(self, stack, way=0, proto=UDP, family=4, steps=(0,), later=None):
        """`way` 0: begun outside. `later`: tags of all packets but the first."""
        self.port += 1
        hosts = [f"198.18.0.{1 + way}", f"198.18.0.{2 - way}"] if family == 4 else \
            [f"2001:db8::{1 + way}", f"2001:db8::{2 - way}"]
        header, ports = IP if family == 4 else IPv6, (self.port, 443)
        packets, size, numbers = [0, 0], [0, 0], [1000, 900000]
        flags = iter("S SA A".split() + ["A"] * len(steps))
        for number, side in enumerate(steps):
            segment = {"sport": ports[side], "dport": ports[1 - side]}
            if proto is TCP:
                flag = next(flags)
                segment.update(flags=flag, seq=numbers[side], window=60000,
                               ack=numbers[1 - side] if "A" in flag else 0)
                numbers[side] += "S" in flag
            packet = header(src=hosts[side], dst=hosts[1 - side]) / proto(**segment)
            if proto is UDP:
                packet = packet / Raw(b"x" * self.rng.randrange(100))
            frame = dressed(stack if not number or later is None else later, packet)
            size[side] += self.send(way ^ side, frame)
            packets[side] += 1
        key = hosts[0], ports[0], hosts[1], ports[1]
        self.flows[key] = (told_by_choice(stack), packets, size)
        return key

    def all(self):
        """Each kind of tags, begun on either side, by UDP that is not answered and TCP that is."""
        for stack in STACKS:
            for way in (0, 1):
                for family in (4, 6):
                    self.flow(stack, way, UDP, family, (0,) * self.rng.randrange(1, 3))
                    self.flow(stack, way, TCP, family, (0, 1, 0))
                    self.flow(stack, way, UDP, family, (0, 1, 0, 1))

    def tags(self):
        return {key: tags for key, (tags, _, _) in self.flows.items()}

    def totals(self):
        """name: [flows, packets, bytes] of each group."""
        sums = collections.defaultdict(lambda: [0, 0, 0])
        for tags, packets, size in self.flows.values():
            row = sums[name_of(tags)]
            for at, value in enumerate((1, sum(packets), sum(size))):
                row[at] += value
        return dict(sums)


@contextlib.contextmanager
def talking(*args, **options):
    with Pair("flow-vlan") as pair, contextlib.ExitStack() as stack, \
            Daemon(pair.inside, config=config(*args, **options)) as daemon:
        print(f"seed {SEED}")
        yield daemon, Talk(pair, stack)


def listed(daemon, *words):
    return {ends_of(row): tags_of(row) for row in
            daemon.ask("flow", "list", "--limit", "100000", *words)["flows"]}


def ended(daemon, *words):
    return {ends_of(row): tags_of(row) for row in
            daemon.ask("flow", "ended", "--limit", "100000", *words)["flows"]}


def totals(daemon, *words):
    answer = daemon.ask("flow", "top", "--group", "vlan", "--limit", "10000", *words)
    return {row["name"]: [row["flows"], row["packets"], row["bytes"]] for row in answer["rows"]}


def read_by_tshark(tmp_path, frames):
    """ends: Tags of the first packet of each conversation."""
    path = tmp_path / "wire.pcap"
    write_pcap(path, frames)
    fields = ("ip.src", "ipv6.src", "udp.srcport", "tcp.srcport", "ip.dst", "ipv6.dst",
              "udp.dstport", "tcp.dstport")
    asked = [word for name in fields for word in ("-e", name)]
    rows = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", *asked],
                          capture_output=True, text=True, check=True).stdout.splitlines()
    whole = json.loads(subprocess.run(
        ["tshark", "-n", "-r", path, "-T", "json", "--no-duplicate-keys"],
        capture_output=True, text=True, check=True).stdout)
    found = {}
    for line, frame in zip(rows, whole, strict=True):
        src4, src6, usport, tsport, dst4, dst6, udport, tdport = line.split("\t")
        ends = (src4 or src6, int(usport or tsport), dst4 or dst6, int(udport or tdport))
        if ends in found or ends[2:] + ends[:2] in found:
            continue
        ids = tag_ids(frame["_source"]["layers"])
        found[ends] = Tags(bool(ids), ids[0] if ids else None, ids[1] if len(ids) > 1 else None)
    return found


def tag_ids(layers):
    """The tags of a frame as tshark has dissected it, the outermost first."""
    ids = []
    for name in ("ieee8021ad", "vlan"):
        found = layers.get(name, [])
        for layer in found if isinstance(found, list) else [found]:
            ids += [int(value) for key, value in layer.items()
                    if key in ("ieee8021ad.id", "vlan.id")]
    return ids


@pytest.mark.parametrize("hook", HOOKS)
def test_a_flow_has_the_tags_of_its_first_packet_as_tshark_reads_them(tmp_path, hook):
    with talking(hook) as (daemon, talk):
        talk.all()
        read = read_by_tshark(tmp_path, talk.frames)
        assert read == talk.tags()
        assert listed(daemon) == read
        assert totals(daemon) == talk.totals()
        stages = daemon.ask("flow", "list", "--limit", "100000")["flows"]
        assert {row["table"] for row in stages} == {"proven", "half-open"}
        # Those that ended, by the daemon.
        daemon.ask("flow", "flush", "--all")
        assert ended(daemon) == read
        wait_for(lambda: totals(daemon, "--ended") == talk.totals(), "records are summed up")


@pytest.mark.parametrize("hook", HOOKS)
def test_flows_that_packets_end_are_told_of_with_their_tags(hook):
    """Half-open ones that make room for others: by the ring."""
    with talking(hook, half_open=40) as (daemon, talk):
        for number in range(300):
            talk.flow(STACKS[number % len(STACKS)], number & 1)
        assert daemon.status()["conntrack"]["displaced"] > 100
        assert wait_for(lambda: len({**ended(daemon), **listed(daemon)}) == len(talk.flows) or None,
                        "each flow is told of")
        assert {**ended(daemon), **listed(daemon)} == talk.tags()
        wait_for(lambda: totals(daemon, "--ended") == talk.totals(), "records are summed up")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_vlan_of_later_packets_changes_nothing(hook):
    with talking(hook) as (daemon, talk):
        for first, later in ((STACKS[1], ()), ((), STACKS[1]), (STACKS[4], STACKS[6]),
                             (STACKS[1], STACKS[4])):
            for proto in (UDP, TCP):
                talk.flow(first, 0, proto, 4, (0, 1, 0, 1), later)
        assert listed(daemon) == talk.tags()


def test_ends_that_begin_again_have_the_vlan_of_their_new_beginning():
    with talking() as (daemon, talk):
        key = talk.flow(STACKS[1])
        daemon.ask("flow", "flush", f"sport={key[1]}")
        talk.port -= 1
        assert talk.flow(STACKS[4]) == key
        daemon.ask("flow", "flush", f"sport={key[1]}")
        talk.port -= 1
        assert talk.flow(()) == key
        assert listed(daemon) == {key: UNTAGGED}
        told = daemon.ask("flow", "ended")["flows"]
        assert [tags_of(row) for row in sorted(told, key=lambda row: row["number"])] == \
            [told_by_choice(STACKS[1]), told_by_choice(STACKS[4])]


def test_kills_restarts_and_tables_of_another_size_keep_it():
    with talking() as (daemon, talk):
        talk.all()
        wanted, sums = talk.tags(), talk.totals()
        for what in (lambda: daemon.apply(config(capacity=20000, half_open=9000)),
                     daemon.kill, daemon.start, daemon.restart,
                     lambda: daemon.apply(config(capacity=3000, half_open=3000)),
                     lambda: daemon.apply(config(more=", timeouts: {established: 1h}"))):
            what()
            if daemon.process.poll() is None:
                assert listed(daemon) == wanted
                assert totals(daemon) == sums
        # Flows that a packet brings over have it, too, and those that prove themselves since.
        assert {row["table"] for row in daemon.ask("flow", "list", "--limit", "100000")["flows"]} \
            == {"proven", "half-open"}


def test_totals_of_a_run_that_knew_no_vlans_go_on():
    """A file of before this: the kinds of groups that there were, and no more."""
    with talking() as (daemon, talk):
        for stack in STACKS:
            talk.flow(stack)
        daemon.ask("flow", "flush", "--all")
        wait_for(lambda: totals(daemon, "--ended") == talk.totals(), "records are summed up")
        before = daemon.ask("flow", "top", "--ended", "--group", "src")["rows"]
        path, kinds, head = daemon.run_dir / "flow-totals", 13, 96
        daemon.kill()
        whole = path.read_bytes()
        assert (len(whole) - head) % kinds == 0
        cut = len(whole) - (len(whole) - head) // kinds
        path.write_bytes(whole[:8] + struct.pack("=Q", cut) + whole[16:cut])
        daemon.start()
        assert daemon.ask("flow", "top", "--ended", "--group", "src")["rows"] == before
        answer = daemon.ask("flow", "top", "--ended", "--group", "vlan")
        assert answer["rows"] == [] and answer["unknown"]["packets"] == 0
        assert answer["rest"]["bytes"] == answer["total"]["bytes"] == \
            sum(row[2] for row in talk.totals().values())
        old = dict(answer["rest"])
        talk.flows.clear()
        talk.flow(STACKS[4])
        daemon.ask("flow", "flush", "--all")
        wait_for(lambda: totals(daemon, "--ended") == talk.totals(), "the new is told apart")
        assert daemon.ask("flow", "top", "--ended", "--group", "vlan")["rest"] == old


@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_not_known_is_not_called_untagged(hook):
    """Flows of before counting was switched on."""
    with talking(hook, account=False) as (daemon, talk):
        talk.flow(STACKS[1], 0, TCP, 4, (0, 1, 0))
        talk.flow((), 1)
        assert set(listed(daemon).values()) == {UNKNOWN}
        daemon.apply(config(hook))
        assert set(listed(daemon).values()) == {UNKNOWN}
        before = set(talk.flows)
        talk.flow(STACKS[1], 0)
        talk.flow((), 0)
        fresh = set(talk.flows) - before
        assert set(listed(daemon, "not tagged=yes,no")) == before
        assert set(listed(daemon, "tagged=yes,no")) == fresh
        assert set(totals(daemon)) == {"unknown", "none", "5"}
        said = daemon.say("flow", "list")
        assert len(re.findall(r" \? ", said)) == len(before), said
        daemon.ask("flow", "flush", "--all")
        assert {key: tags for key, tags in ended(daemon).items() if key in fresh} == \
            {key: talk.tags()[key] for key in fresh}


def test_filters_text_and_csv_have_it():
    with talking() as (daemon, talk):
        talk.all()
        wanted = talk.tags()
        for words, holds in (
                ("vlan=10", lambda tags: tags.vlan == 10),
                ("vlan=10 and inner_vlan=20-21", lambda tags: tags.vlan == 10
                 and tags.inner_vlan in (20, 21)),
                ("vlan=0", lambda tags: tags.vlan == 0),
                ("vlan!=10", lambda tags: tags.vlan != 10),
                ("vlan>=4000", lambda tags: (tags.vlan or 0) >= 4000),
                ("tagged=no", lambda tags: tags.tagged is False),
                ("tagged=yes", lambda tags: tags.tagged)):
            held = {key for key, tags in wanted.items() if holds(tags)}
            assert set(listed(daemon, words)) == held, words
        rows = list(csv.DictReader(io.StringIO(
            daemon.say("flows", "--csv"))))
        spelled = {True: "true", False: "false"}
        for row in rows:
            tags = wanted[row["src"], int(row["sport"]), row["dst"], int(row["dport"])]
            assert row["tagged"] == spelled[tags.tagged]
            assert row["vlan"] == ("" if tags.vlan is None else str(tags.vlan))
            assert row["inner_vlan"] == ("" if tags.inner_vlan is None else str(tags.inner_vlan))
        assert len(rows) == len(wanted)
        said = daemon.say("flow", "list", "vlan=10 and inner_vlan=20 and proto=tcp")
        assert "vlan" in said.splitlines()[0] and " 10.20 " in said.splitlines()[1]
        assert "vlan" not in daemon.say("flow", "list", "tagged=no")
        assert re.search(r"VLAN +10\.20\n", daemon.say("flow", "show", "inner_vlan=20"))
        daemon.ask("flow", "flush", "--all")
        assert set(ended(daemon, "vlan=10 and inner_vlan=21")) == \
            {key for key, tags in wanted.items() if name_of(tags) == "10.21"}
        said = daemon.say("flow", "ended", "vlan=4095")
        assert "vlan" in said.splitlines()[0] and " 4095 " in said.splitlines()[1]


def test_a_capture_has_it_as_tshark_reads_it(tmp_path):
    with talking() as (_, talk):
        talk.all()
        read = read_by_tshark(tmp_path, talk.frames)
    (tmp_path / "weir.yaml").write_text("api: {listen: off}\n")
    done = subprocess.run([WEIR, "replay", tmp_path / "wire.pcap", "--config",
                           tmp_path / "weir.yaml", "--flows", "--json"],
                          capture_output=True, text=True, check=True)
    assert {ends_of(row): tags_of(row) for row in json.loads(done.stdout)["flows"]} == read


def test_a_line_of_the_log_has_its_ids_in_the_words_of_ecs(tmp_path):
    path = tmp_path / "weir.json"
    with talking(log=f"log: {{file: {{path: {path}, kinds: [flow]}}}}\n") as (daemon, talk):
        for stack in STACKS:
            talk.flow(stack)
        daemon.ask("flow", "flush", "--all")

        def lines():
            found = of_kind(lines_of(path, is_written=True) if path.exists() else [], "flow")
            return found if len(found) == len(STACKS) else None
        told = {}
        for line in wait_for(lines, "each flow is a line"):
            assert_ecs(line)
            ends = (line["source"]["ip"], line["source"]["port"], line["destination"]["ip"],
                    line["destination"]["port"])
            told[ends] = Tags(member(line, "weir.flow.tagged"),
                              number(member(line, "network.vlan.id")),
                              number(member(line, "network.inner.vlan.id")))
        assert told == talk.tags()


def number(text):
    return None if text is None else int(text)
