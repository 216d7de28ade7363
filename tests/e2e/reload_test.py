# SPDX-License-Identifier: Apache-2.0
"""Tables of another size, features on and off, other constants, another run of the daemon, while
packets pass a host that denies by default: none is lost, no flow is cut, no counter falls."""
import concurrent.futures
import contextlib
import os
import pty
import re
import subprocess
import threading
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from harness.daemon import HELPERS, WEIR, Refused
from harness.fill import TO, fill
from harness.frames import ether
from harness.live import LiveFrames
from harness.net import Pair
from harness.observer import observe_sources, settled
from harness.site import (Ratchet, capacities, configured, counters, drops, flows, reload, told,
                          wait_until_settled)
from harness.talk import Talk
from harness.wait import SLOWNESS, wait_for
from harness.wire import Wire

FLOWS = int(os.environ.get("WEIR_RELOAD_FLOWS", "1000000"))
SOURCES = [f"198.18.2.{number}" for number in range(32)]
LIVE_SPORT, LIVE_DPORT = 100, 9       # of live_frames.c
LISTED = """block: {live: %d, lists: [{name: far, action: deny, entries: [203.0.113.0/24]}]}
sanity: {level: %s}
"""


def listed(live=65536, level="off"):
    return LISTED % (live, level)


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


def tell(pair, sources):
    """Flows as live_frames.c sends them, answered and gone on with: they have proven themselves."""
    there = [ether() / IP(src=source, dst=TO) / UDP(sport=LIVE_SPORT, dport=LIVE_DPORT)
             / Raw(b"x" * 8) for source in sources]
    back = [ether() / IP(src=TO, dst=source) / UDP(sport=LIVE_DPORT, dport=LIVE_SPORT)
            / Raw(b"x" * 8) for source in sources]
    with Wire.inward(pair) as inward, Wire.outward(pair) as outward:
        for wire, frames in ((inward, there), (outward, back), (inward, there)):
            assert all(wire.verdicts(frames))


LIMITED = "limit: {limits: [{name: each, packets: 100000000/s}]}\n"
WATCHED = "attack: {enabled: true}\n"
CHANGES = [     # one after the other, each a reload; what is not named is as at first
    dict(capacity=5000), dict(half_open=2000), dict(capacity=700, half_open=3000),
    dict(capacity=20000, half_open=64),
    dict(timeouts={"established": "1h", "stream": "5m"}), dict(more=listed(level="strict")),
    dict(more=listed(live=128)), dict(more=listed(live=4096, level="basic")),
    dict(helpers={"ftp": [21]}), dict(enabled="auto"), dict(),
    {"window-check": False}, {"pick-up": True}, dict(asymmetric=True),
    {"window-check": False, "asymmetric": True, "pick-up": True, "capacity": 3000},
    dict(more=listed() + LIMITED), dict(more=listed() + WATCHED),
    dict(more=listed() + LIMITED + WATCHED, helpers={"ftp": [21]}, capacity=800), dict(),
][:int(os.environ.get("WEIR_RELOADS", "19"))]


def with_lists(hook, **change):
    return configured(hook=hook, **{"more": listed(), **change})


@contextlib.contextmanager
def room_beside(frames, observer):
    """On a busy machine frames fill the wire's ring, and words of UDP are lost there before Weir
    sees them: so none come meanwhile."""
    with frames.held():
        wait_for(lambda: settled(observer), "the ring is empty")
        yield


@contextlib.contextmanager
def under_frames(daemon, pair, what):
    """Frames of all sources meanwhile: none is lost, and no counter falls. What is given is to be
    called, with what goes on, behind each reload."""
    observer = observe_sources(pair, SOURCES)
    full_before, dropped, steps = pair.ring_drops(), drops(daemon), []

    def step(go_on):
        with room_beside(frames, observer):
            go_on()
        steps.append(go_on)
    with LiveFrames(pair.outside, pair.far, SOURCES) as frames, Ratchet(
            lambda: counters(daemon)) as ratchet:
        wait_for(lambda: sum(observer().values()) > 1000, "frames come")
        yield step
        sent = frames.stop()
    got = wait_for(lambda: settled(observer), "the last frames are counted")
    lost = sum(sent.values()) - sum(got.values())
    print(f"{what}: {sum(sent.values()):,} frames, {len(steps)} reloads, {lost} lost")
    assert drops(daemon) == dropped
    assert lost <= pair.ring_drops() - full_before
    assert not ratchet.fallen and ratchet.rounds > len(steps)


@pytest.mark.alone
@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_every_reload_loses_no_frame_of_any_flow(weir_daemon, pair, hook):
    pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, hook=hook))
    with Talk(pair) as talk:
        tell(pair, SOURCES)
        reload(daemon, with_lists(hook))
        known, started = flows(daemon), time.monotonic()
        with under_frames(daemon, pair, hook) as step:
            for change in CHANGES:
                reload(daemon, with_lists(hook, **change))
                step(talk.go_on)
        aged = time.monotonic() - started
        now = flows(daemon)
        assert now.keys() == known.keys()
        for key, row in now.items():
            assert row["proto"] == "udp" or row["state"] == known[key]["state"] == "established"
            assert row["age_s"] - known[key]["age_s"] >= aged - 2, "it began when it began"
        assert not daemon.status()["conntrack"]["adopted"]


@pytest.mark.outside
@pytest.mark.alone
@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_tracking_off_and_on_again_loses_no_frame_where_rules_let_it_pass(weir_daemon, pair, hook):
    """Flows are forgotten; those that the kernel knows, or whose packets come, are there again."""
    pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
    daemon = weir_daemon(pair.inside, config=with_lists(hook, is_open=True))
    with Talk(pair) as talk:
        known = flows(daemon)
        with under_frames(daemon, pair, hook) as step:
            for is_on in 2 * (False, True):
                reload(daemon, with_lists(hook, is_open=True, enabled=is_on))
                step(talk.go_on)
        reload(daemon, with_lists(hook))
        talk.go_on()
        assert not drops(daemon), told(daemon)
        row = daemon.status()["conntrack"]
        assert row["adopted"] >= 2 * len(known) == 2 * len(talk.all)


@pytest.mark.outside
@pytest.mark.parametrize("capacity", [1000, 2000])
def test_windows_are_checked_again_without_a_flow_cut(weir_daemon, pair, capacity):
    """Also of flows that come over into other tables while they are not."""
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    with Talk(pair) as talk:
        for checks in (False, True):
            reload(daemon, configured(capacity, **{"window-check": checks}))
            for _ in range(3):
                talk.go_on()
        assert not drops(daemon)


class Connection:
    """Segments of a connection from outside to port 80, which rules let begin."""
    ENDS = ("198.18.7.1", 4000), (TO, 80)

    def __init__(self, pair, stack):
        self.wires = [stack.enter_context(make(pair)) for make in (Wire.inward, Wire.outward)]
        self.next = [0, 0]

    def passes(self, side, flags, ahead=0):
        """An honest segment, but for how far ahead it is."""
        src, dst = self.ENDS[::-1] if side else self.ENDS
        return self.wires[side].passes(ether() / IP(src=src[0], dst=dst[0]) / TCP(
            sport=src[1], dport=dst[1], flags=flags, seq=(self.next[side] + ahead) % 2**32,
            ack=self.next[1 - side] if "A" in flags else 0, window=8000))

    def opens(self, *first):
        self.next = list(first)
        for side, flags in ((0, "S"), (1, "SA"), (0, "A")):
            assert self.passes(side, flags)
            self.next[side] += "S" in flags
        return self

    def goes_on(self, bytes_each):
        """Each side is that far on, and nobody has seen it come there."""
        self.next = [(number + bytes_each) % 2**32 for number in self.next]
        return [self.passes(side, "A") for side in (0, 1, 0)] == [True] * 3

    def is_checked(self):
        return not any(self.passes(side, "A", 10_000_000) for side in (0, 1))

    def ends_by(self, how):
        steps = {"reset": [(0, "RA")], "closed": [(0, "FA"), (1, "FA"), (0, "A")]}[how]
        for side, flags in steps:
            assert self.passes(side, flags)
            self.next[side] += "F" in flags


@pytest.mark.outside
@pytest.mark.parametrize("off, on, how", [(1000, 1000, "reset"), (1000, 2000, "closed"),
                                          (2000, 2000, "closed"), (2000, 700, "reset")])
def test_numbers_that_were_not_followed_are_not_checked_until_a_flow_begins_anew(
        weir_daemon, pair, off, on, how):
    """`off` and `on`: sizes of the table without the check, and with it again."""
    daemon = weir_daemon(pair.inside, config=configured())
    with contextlib.ExitStack() as stack:
        flow = Connection(pair, stack).opens(1000, 3_000_000_000)
        assert flow.is_checked() and flow.goes_on(0)
        reload(daemon, configured(off, **{"window-check": False}))
        assert flow.goes_on(10_000_000)
        reload(daemon, configured(on))
        assert flow.goes_on(0) and flow.goes_on(10_000_000) and flow.goes_on(700_000_000)
        dropped = sum(drops(daemon).values())
        assert dropped == 2, "what was sent to see that windows are checked"
        flow.ends_by(how)
        flow.opens(50_000, 60_000)
        assert flow.is_checked() and flow.goes_on(0)
        assert sum(drops(daemon).values()) == dropped + 2


@pytest.mark.outside
def test_tracking_that_is_switched_on_knows_who_talks(weir_daemon, pair):
    """By the host's sockets, and from the first packet on."""
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, enabled=False))
    with Talk(pair) as talk:
        daemon.config.write_text(configured())
        with subprocess.Popen(daemon.namespace.command(WEIR, "reload"), env=daemon.environment(),
                              stdout=subprocess.PIPE, text=True) as asking:
            while asking.poll() is None:
                talk.go_on()
            said = asking.stdout.read()
        talk.go_on()
        assert asking.returncode == 0 and not drops(daemon), told(daemon)
        adopted = daemon.status()["conntrack"]["adopted"]
        assert adopted >= len(talk.all)
        assert f" {adopted} connections taken over from the kernel)" in said


def test_reload_says_how_many_flows_are_forgotten_with_tracking(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    tell(pair, SOURCES)
    state = reload(daemon, configured(is_open=True, enabled=False))["state"]
    assert state == {"moved": 0, "dropped": 0, "forgotten": len(SOURCES), "adopted": 0}


def time_left(daemon):
    return {row["entry"]: row["ttl_s"] for row in daemon.entries() if row.get("ttl_s")}


@pytest.mark.outside
def test_times_of_lists_and_counts_survive(weir_daemon, pair, hook="tc"):
    daemon = weir_daemon(pair.inside, config=with_lists(hook, is_open=True))
    daemon.say("block", "add", "192.0.2.1", "--ttl", "1h")
    daemon.say("block", "add", "192.0.2.2", "--ttl", "90s", "--list", "brief")
    daemon.say("block", "import", "-", "--list", "kept", text="198.51.100.0/24\n2001:db8::/32\n")
    with Wire.inward(pair) as wire:
        frame = ether() / IP(src="192.0.2.1", dst=pair.inside_v4) / UDP(sport=1, dport=2)
        for _ in range(5):
            assert not wire.passes(frame)
        exported, added = daemon.export("block", "--list", "kept"), time_left(daemon)
        assert added.keys() == {"192.0.2.1", "192.0.2.2"}
        wait_for(lambda: all(left <= added[entry] - 2 for entry, left in time_left(daemon).items()),
                 "two seconds are gone")
        for change in (dict(capacity=9000), dict(more=listed(live=2048)), dict()):
            reload(daemon, with_lists(hook, is_open=True, **change))
            assert not wire.passes(frame)
        now = time_left(daemon)
        assert now.keys() == added.keys()
        for entry, left in now.items():
            assert added[entry] - 60 * SLOWNESS <= left <= added[entry] - 2, "it began anew"
        wait_for(lambda: [row["hits"]["packets"] for row in daemon.entries()
                          if row["entry"] == "192.0.2.1"] == [8], "each of 8 is counted")
        assert daemon.export("block", "--list", "kept") == exported


def test_flows_are_listed_counted_and_flushed_while_tables_change_size(weir_daemon, pair):
    """kernel selftest: conntrack_resize.sh. None is there twice, and none is missed."""
    pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    tell(pair, SOURCES)
    assert len(fill(pair, 200, first_port=3000)) == 200
    known, ended = flows(daemon, "sport=3000").keys(), threading.Event()
    assert len(known) == 200, daemon.status()["conntrack"]

    def looks_at_all():
        assert flows(daemon).keys() >= known

    def looks_at_some():
        total = daemon.ask("flow", "count", "sport=3000", "state=stream")["total"]
        assert total == 200, (flows(daemon, "port=3000 and not state=stream"),
                              len(flows(daemon, "port=3000")), daemon.status()["conntrack"])
        assert len(flows(daemon, "src=198.18.2.16/28")) == len(SOURCES) // 2

    def flushes():
        """They come again at once, for frames go on."""
        daemon.say("flow", "flush", "src=198.18.2.0/28")

    def over_and_over(look):
        rounds = 0
        while not ended.is_set():
            look()
            rounds += 1
        return rounds

    with (LiveFrames(pair.outside, pair.far, SOURCES),
          concurrent.futures.ThreadPoolExecutor() as pool):
        asking = [pool.submit(over_and_over, look)
                  for look in (looks_at_all, looks_at_some, flushes)]
        try:
            for sizes in 2 * ((4000, 1000), (300, 500), (300, 2000), (1000, 1000)):
                reload(daemon, configured(*sizes, is_open=True))
        finally:
            ended.set()
        rounds = [task.result() for task in asking]
    print("8 reloads; asked", rounds)
    assert min(rounds) >= 2
    assert flows(daemon, "sport=3000").keys() == known
    assert not drops(daemon)


# --- what does not fit: tables of flows are in reload_room_test.py -----------------------------

@pytest.mark.outside
def test_live_set_below_its_entries_is_refused_with_both_numbers(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=with_lists("tc", is_open=True))
    for number in range(40):
        daemon.say("block", "add", f"192.0.2.{number}")
    revision = daemon.status()["revision"]
    with pytest.raises(Refused) as refused:
        reload(daemon, with_lists("tc", is_open=True, more=listed(live=30)))
    assert "40" in refused.value.said and "30" in refused.value.said
    assert daemon.status()["revision"] == revision
    assert len(daemon.entries()) >= 40


# --- another run ---------------------------------------------------------------------------------

def ended(daemon, how):
    daemon.stop() if how == "stopped" else daemon.kill()


@pytest.mark.outside
@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("sizes", [(5000, 200), (400, 3000)])
def test_start_with_another_size_brings_every_flow_over(weir_daemon, pair, how, sizes):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    with Talk(pair) as talk:
        reload(daemon, configured())
        known = flows(daemon)
        ended(daemon, how)
        daemon.config.write_text(configured(*sizes))
        daemon.start()
        talk.go_on()
        wait_until_settled(daemon)
        talk.go_on()
        assert capacities(daemon) == sizes and flows(daemon).keys() == known.keys()
        assert not drops(daemon) and not daemon.status()["conntrack"]["adopted"]


# --- many ----------------------------------------------------------------------------------------

@pytest.mark.outside
@pytest.mark.alone
def test_a_million_flows_come_over(weir_daemon, pair):
    room = FLOWS + FLOWS // 2
    daemon = weir_daemon(pair.inside, config=configured(capacity=room))
    filled = subprocess.run([HELPERS / "fill_flows", daemon.pin_dir, str(FLOWS)], check=True,
                            stdout=subprocess.PIPE, text=True)
    assert int(filled.stdout) == FLOWS
    assert daemon.ask("flow", "count")["proven"] == FLOWS
    for capacity in (2 * FLOWS, room):
        answer = reload(daemon, configured(capacity=capacity))
        print(f"{FLOWS:,} flows into a table for {capacity:,}: {answer['steps_ms']}")
        assert answer["state"] == {"moved": FLOWS, "dropped": 0, "forgotten": 0,
                                   "adopted": 0}
        assert daemon.ask("flow", "count")["proven"] == FLOWS
    daemon.config.write_text(configured(capacity=2 * FLOWS))
    shown = on_terminal(daemon, "reload")
    assert "loading the program…" in shown
    assert re.search(rf"live in .*: program replaced \(load .*, switch .*, {FLOWS:,} flows moved "
                     r"in .*, none dropped\)\r\n$", shown)


def on_terminal(daemon, *words):
    """What a terminal gets of a verb, all that is drawn over included."""
    ours, its = pty.openpty()
    shown = b""
    with subprocess.Popen(daemon.namespace.command(WEIR, *words), env=daemon.environment(),
                          stdin=its, stdout=its, stderr=its) as asking:
        os.close(its)
        with contextlib.suppress(OSError):      # EIO once nobody has the other end
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    assert asking.returncode == 0
    return shown.decode()
