# SPDX-License-Identifier: Apache-2.0
"""Connection tracking beside the kernel's own: the same packets through a gateway with nf_conntrack
and one with Weir. Each packet's state is the same, or differs as model/twins.py lists.

WEIR_CONN_TWINS=250000 tests/run e2e -k conntrack_nf is a long run."""
import collections
import contextlib
import errno
import itertools
import os
import random
import threading

import pytest

from harness.daemon import Daemon
from harness.gateway import ether
from harness.wait import wait_for
from model.pieces import split, wholes
from model.talk import Talk
from model.talk_draw import script as drawn
from model.twins import DIFFERENCES, STATES, Twins, scripts
from model.twins_why import REASONS, Flow, Segment

pytestmark = pytest.mark.outside        # nf_conntrack differs from kernel to kernel
FILES = ("tcp", "udp", "icmp", "sctp", "other", "pick-up-off")
BATCH, BATCHES = 1000, 20        # scripts at once, and through one pair of gateways
SCRIPTS = -(-int(os.environ.get("WEIR_CONN_TWINS", "10000")) // BATCH) * BATCH
SEED = int(os.environ.get("WEIR_MODEL_SEED", str(random.SystemRandom().randrange(1 << 32))))
ORDERS = list(itertools.permutations(range(3)))


@pytest.fixture(scope="module")
def standing():
    """standing(HOOK, PICK_UP) gives twins, made at the first call."""
    with contextlib.ExitStack() as stack:
        made = {}

        def daemon(namespace, config):
            return stack.enter_context(Daemon(namespace, config=config))

        def give(*options):
            if options not in made:
                made[options] = Twins(stack, daemon, *options)
            return made[options]
        yield give


def told(script, family, states):
    """Lines that are not as they should be, for a person."""
    return [f"IPv{family} {line.text}: nf says {nf}, Weir {weir}; wanted {line.nf}, {line.weir}"
            for line, (nf, weir) in zip(script.lines, states) if (nf, weir) != (line.nf, line.weir)]


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("name, script", [
    pytest.param(name, script, id=f"{name}: {script.name}")
    for name in FILES for script in scripts(name)])
def test_script_gets_the_same_states_from_both(standing, hook, name, script):
    twins = standing(hook, name != "pick-up-off")
    wrong = []
    for family in script.families:
        talk = Talk(family, next(twins.numbers))
        states = twins.states([talk.packet(line.text) for line in script.lines])
        wrong += told(script, family, states)
    assert not wrong, "\n".join(wrong)


def test_every_difference_is_shown_by_a_script_and_listed():
    shown = {line.why for name in FILES for script in scripts(name) for line in script.lines
             if line.nf != line.weir}
    assert shown == set(DIFFERENCES)
    assert set(REASONS) <= set(DIFFERENCES)


# --- random scripts --------------------------------------------------------------------------

def compare(lines, packets, states, counts):
    """Up to the first listed difference: what follows it is another story to each."""
    flow = Flow()
    for number, (packet, (nf, weir)) in enumerate(zip(packets, states)):
        segment = Segment(*packet)
        counts["compared"] += 1
        if nf != weir:
            why = flow.why(segment, nf, weir)
            assert why, "\n".join(
                [f"WEIR_MODEL_SEED={SEED}: nf and Weir differ, and nothing says why"]
                + [f"{line:40} {' / '.join(said)}"
                   for line, said in zip(lines[:number + 1], states)])
            counts[why] += 1
            return
        flow.note(segment, nf, weir)


def compare_batch(twins, rng, counts):
    talks = [drawn(rng) for _ in range(BATCH)]
    packets = []
    for number, lines in enumerate(talks):
        talk = Talk((4, 6)[number % 2], next(twins.numbers))
        packets.append([talk.packet(line) for line in lines])
    states = iter(twins.states(itertools.chain(*packets)))
    for lines, sent in zip(talks, packets):
        compare(lines, sent, list(itertools.islice(states, len(sent))), counts)
        counts["packets"] += len(sent)


def test_random_scripts_get_the_same_states_from_both(standing):
    counts = collections.Counter()
    rng = random.Random(SEED)
    made = 0
    while made < SCRIPTS:
        with contextlib.ExitStack() as stack:       # tables of their own: flows live for days
            twins = Twins(stack, lambda namespace, config: stack.enter_context(
                Daemon(namespace, config=config)), "tc")
            for _ in range(min(BATCHES, (SCRIPTS - made) // BATCH)):
                compare_batch(twins, rng, counts)
                made += BATCH
            assert not twins.daemon.status()["conntrack"]["displaced"]
    print(f"{SCRIPTS} scripts, seed {SEED}: {dict(counts)}")
    assert counts["compared"] > 0.6 * counts["packets"]


# --- fragments -------------------------------------------------------------------------------

def as_left(twins, packets):
    """What left either: Weir's is nf's, once both are put together."""
    nf, weir = twins.left(packets)
    bodies = [wholes(packet for _, packet in rows) for rows in (nf, weir)]
    assert bodies[0] == bodies[1]
    return nf, weir, bodies[0]


def talk_of(twins, family, known):
    """A flow of which so many datagrams have passed, to and fro."""
    talk = Talk(family, next(twins.numbers))
    twins.states([talk.packet(f"{'><'[number % 2]} udp 10") for number in range(known)])
    return talk


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("order", ORDERS)
def test_fragments_get_the_state_of_their_datagram(standing, hook, family, order):
    twins = standing(hook, True)
    for known, state in enumerate(("new", "new", "established")):
        talk = talk_of(twins, family, known)
        side, packet = talk.packet("> udp 592")
        pieces = split(packet, 200, 7000)
        nf, weir, bodies = as_left(twins, [(side, pieces[at]) for at in order])
        assert bodies == [packet[-600:]]
        assert {said for said, _ in nf} == {state}
        # What comes behind the first fragment has its state. What comes ahead of it is no packet of
        # a flow, and between ends that have one no rule is asked.
        first = order.index(0)
        assert [said for said, _ in weir][first:] == [state] * (3 - first)
        assert not known or [said for said, _ in weir][:first] == ["unmarked"] * first


def test_later_fragments_between_strangers_are_untracked(weir_daemon):
    with contextlib.ExitStack() as stack:
        twins = Twins(stack, lambda namespace, config: weir_daemon(namespace, config=config), "tc")
        for family in (4, 6):
            side, packet = Talk(family, next(twins.numbers)).packet("> udp 592")
            pieces = split(packet, 200, 7000)
            _, weir, bodies = as_left(twins, [(side, piece) for piece in reversed(pieces)])
            assert [said for said, _ in weir] == ["untracked", "untracked", "new"]
            assert bodies == [packet[-600:]]


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("family", [4, 6])
def test_fragments_of_two_datagrams_interleaved_get_through(standing, hook, family):
    twins = standing(hook, True)
    one, other = (talk_of(twins, family, known) for known in (0, 2))
    packets = [talk.packet("> udp 592") for talk in (one, one, other)]
    pieces = [split(packet, 200, 8000 + number) for number, (_, packet) in enumerate(packets)]
    nf, weir, bodies = as_left(twins, [("left", piece) for row in zip(*pieces) for piece in row])
    assert bodies == sorted(packet[-600:] for _, packet in packets)
    assert sorted(said for said, _ in nf) == ["established"] * 3 + ["new"] * 6
    assert [said for said, _ in weir] == ["new", "new", "established"] * 3


@pytest.mark.parametrize("family", [4, 6])
def test_datagram_without_its_last_fragment_is_nothing_to_either_end(standing, family):
    twins = standing("tc", True)
    talk = talk_of(twins, family, 2)
    side, packet = talk.packet("> udp 592")
    assert not as_left(twins, [(side, piece) for piece in split(packet, 200, 7000)[:2]])[2]


@pytest.mark.parametrize("family", [4, 6])
def test_fragmented_ping_is_answered_as_one(standing, family):
    twins = standing("tc", True)
    talk = Talk(family, next(twins.numbers))
    for line, state in (("> ping", "new"), ("< pong", "established")):
        side, packet = talk.packet(line)
        nf, weir, bodies = as_left(twins, [(side, piece) for piece in split(packet, 16, 7000)])
        assert len(bodies) == 1
        assert {said for said, _ in nf} == {said for said, _ in weir} == {state}


# --- two processors --------------------------------------------------------------------------

def put(out, frame):
    """The device's queue may be full for a moment."""
    def is_sent():
        try:
            return out.send(frame)
        except OSError as err:
            assert err.errno == errno.ENOBUFS, err
            return 0
    wait_for(is_sent, "there is room for a frame")


def send_at_once(gateway, shares):
    """Each of two processors its share, at the same time; gives what left."""
    barrier = threading.Barrier(2)

    def send(cpu, packets):
        os.sched_setaffinity(0, {cpu})
        barrier.wait()
        for side, packet in packets:
            put(gateway.outs[side], ether(side, packet))

    cpus = sorted(os.sched_getaffinity(0))
    threads = [threading.Thread(target=send, args=share)
               for share in zip((cpus[0], cpus[-1]), shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = []

    def have_left():
        rows.extend(gateway.waiting("right") + gateway.waiting("left"))
        return len(rows) >= sum(map(len, shares))
    wait_for(have_left, "all packets get through")
    return rows


def streams(twins):
    return twins.daemon.ask("flow", "count", "proto=udp")["states"]["stream"]


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_first_packets_of_a_flow_on_two_processors_are_followed_as_one(standing, hook):
    """kernel selftest: conntrack_clash.sh"""
    twins = standing(hook, True)
    talks = [Talk((4, 6)[number % 2], next(twins.numbers)) for number in range(300)]
    first = [talk.packet("> udp 10") for talk in talks]
    before = streams(twins)
    for gateway in (twins.nf, twins.weir):
        assert {row.mark for row in send_at_once(gateway, (first, first))} == {STATES.index("new")}
    for line in ("< udp 10", "> udp 10"):
        states = twins.states(talk.packet(line) for talk in talks)
        assert set(states) == {("established", "established")}
    assert streams(twins) - before == len(talks)


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_first_packets_of_both_ends_on_two_processors_are_followed_as_one(standing, hook):
    """kernel selftest: conntrack_reverse_clash.sh"""
    twins = standing(hook, True)
    talks = [Talk((4, 6)[number % 2], next(twins.numbers)) for number in range(300)]
    shares = [[talk.packet(line) for talk in talks] for line in ("> udp 10", "< udp 10")]
    before = streams(twins)
    for gateway in (twins.nf, twins.weir):
        rows = send_at_once(gateway, shares)
        assert len(rows) == 2 * len(talks)
        assert {row.mark for row in rows} <= {STATES.index(name) for name in ("new", "established")}
    for line in ("< udp 10", "> udp 10", "< udp 10"):
        states = twins.states(talk.packet(line) for talk in talks)
    assert set(states) == {("established", "established")}
    assert streams(twins) - before == len(talks)
