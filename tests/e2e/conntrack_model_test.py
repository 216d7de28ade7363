# SPDX-License-Identifier: Apache-2.0
"""Random conversations: connection tracking of the real programs against tests/model/conntrack.py.
The state of every packet and what its flow is called afterwards must be equal.

WEIR_CONN_STEPS=1000000 tests/run e2e -k conntrack_model runs the whole."""
import collections
import itertools
import os
import random
import time

import pytest

from harness.net import Namespace
from harness.wait import wait_for
from model.conntrack import (ABORT, COOKIE_ECHO, DCCP, ICMP, ICMP_OF, ICMPV6, INIT, INIT_ACK, SCTP,
                             SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE, TCP, UDP, UDPLITE, Config,
                             Model, Packet, ends_of, requester_of)
from model.conntrack_draw import A, B, DENIED_PORT, Step, lets_in, said, scenario, shrunk
from model.conntrack_frames import address, frame_of, text_of
from model.judge import IN_TC, Judge, key, question

STEPS = int(os.environ.get("WEIR_CONN_STEPS", "200000"))
SEED = int(os.environ.get("WEIR_MODEL_SEED", str(random.SystemRandom().randrange(1 << 32))))
LENGTH = 250                # steps of a scenario
INTERFACES = ("eth0", "eth1")
CONFIGS = {
    "default": {}, "no window check": {"window_check": False}, "no pick-up": {"pick_up": False},
    "asymmetric": {"asymmetric": True},
    "neither": {"window_check": False, "pick_up": False},
}
worlds = itertools.count(random.SystemRandom().randrange(1 << 20))


def section(options):
    """`conntrack:` and what goes with it."""
    words = {name.replace("_", "-"): value for name, value in options.items()}
    return {"conntrack": {"enabled": "true", **words},
            "rules": {"rules": [{"dport": str(DENIED_PORT), "state": "new", "action": "deny"}]}}


def key_of(packet, world):
    """Of the flow that the packet, or the one an error holds, may belong to."""
    about = packet.inner if packet.inner and packet.whole else packet
    ends = about.whole and ends_of(about) or ((about.src, 0), (about.dst, 0))
    asks = requester_of(about, ends)
    return key([(address(world, host, about.family), port) for host, port in ends], about.proto,
               about.family, 0 if asks is None else 1 + ends.index(asks))


class Weir:
    def __init__(self, judge):
        self.judge = judge

    def take(self, options):
        said = self.judge.take(section(options))
        assert not said, said

    def answers(self, steps, world=None):
        """[(state, name of the flow)]; without a world, in one where nothing has been."""
        world = next(worlds) if world is None else world
        return [(told.state, told.flow or None) for told in self.judge.follow([
            question(step.program, number % len(INTERFACES), frame_of(step.packet, world))
            + key_of(step.packet, world) for number, step in enumerate(steps)])]


@pytest.fixture
def weir():
    namespace = Namespace("conntrack")
    try:
        for name in INTERFACES:
            namespace.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"x-{name}")
        with Judge(namespace, INTERFACES) as judge:
            yield Weir(judge)
    finally:
        namespace.delete()


def wanted(steps, options):
    model = Model(Config(**options), lets_in)
    return [model.judge(step.packet, 0) for step in steps]


def is_wrong(weir, steps, options):
    return weir.answers(steps) != wanted(steps, options)


def difference(weir, steps, options, seed):
    """The fewest packets that show it, as a person reads them."""
    steps = shrunk(steps, lambda some: is_wrong(weir, some, options))
    rows = zip(steps, weir.answers(steps), wanted(steps, options))
    return f"WEIR_MODEL_SEED={SEED} {seed} {options}\n" + "\n".join(
        f"{'' if got == should else 'WRONG '}{text_of(step.packet)}: weir {got}, model {should}"
        for step, got, should in rows)


@pytest.mark.parametrize("name", CONFIGS)
def test_random_conversations_are_judged_as_the_model_does(weir, name):
    options, seen, done, start = CONFIGS[name], collections.Counter(), 0, time.monotonic()
    weir.take(options)
    while done < STEPS // len(CONFIGS):
        seed = f"{SEED}/{name}/{done}"
        steps = scenario(seed, LENGTH)
        got, should = weir.answers(steps), wanted(steps, options)
        assert got == should, difference(weir, steps, options, seed)
        seen.update(should)
        done += len(steps)
    print(f"{name}: {done:,} packets, {done / (time.monotonic() - start):,.0f} a second, "
          f"seed {SEED}")
    states = {state for state, _ in seen}
    assert states == {"new", "established", "related", "invalid", "untracked"}, seen


OPEN = [said(A, "S"), said(B, "SA", 0, 1), said(A, "A", 1, 1)]


def associated(*chunks):
    """SCTP packets of A, whose tag is 17, and of B, whose is 34, where the chunk has a minus."""
    return [Packet(A, B, 5, 6, SCTP, chunk=chunk, init=17, tag=0 if chunk == INIT else 34)
            if chunk > 0 else Packet(B, A, 6, 5, SCTP, chunk=-chunk, init=34, tag=17)
            for chunk in chunks]


def asked(proto):
    """By state, what leads to it."""
    ask, answer = Packet(A, B, 5, 53, proto), Packet(B, A, 53, 5, proto)
    return {(proto, "one_way"): [ask], (proto, "answered"): [ask, answer],
            (proto, "stream"): [ask, answer, ask]}


GRE, ESP, OSPF = 47, 50, 89
SAID = INIT, -INIT_ACK, COOKIE_ECHO
# What brings a flow of the protocol into the state that has this timeout.
LEADS_TO = {
    (TCP, "syn_sent"): OPEN[:1], (TCP, "syn_received"): OPEN[:2], (TCP, "established"): OPEN,
    (TCP, "fin_wait"): [*OPEN, said(A, "FA", 1, 1)],
    (TCP, "closing"): [*OPEN, said(A, "FA", 1, 1), said(B, "FA", 1, 1)],
    (TCP, "time_wait"): [*OPEN, said(A, "FA", 1, 1), said(B, "FA", 1, 2), said(A, "A", 2, 2)],
    (TCP, "reset"): [*OPEN, said(A, "R", 1)],
    **asked(UDP),
    (ICMP, "echo"): [Packet(A, B, proto=ICMP, type=8, id=700)],
    (OSPF, "other"): [Packet(A, B, proto=OSPF, length=8)],
    (SCTP, "syn_sent"): associated(INIT), (SCTP, "syn_received"): associated(INIT, -INIT_ACK),
    (SCTP, "established"): associated(*SAID), (SCTP, "fin_wait"): associated(*SAID, SHUTDOWN),
    (SCTP, "closing"): associated(*SAID, SHUTDOWN, -SHUTDOWN_ACK),
    (SCTP, "time_wait"): associated(*SAID, SHUTDOWN, -SHUTDOWN_ACK, SHUTDOWN_COMPLETE),
    (SCTP, "reset"): associated(*SAID, ABORT),
    **asked(UDPLITE), **asked(DCCP),
    (ICMPV6, "echo"): [Packet(A, B, proto=ICMPV6, type=128, id=700, family=6)],
    (GRE, "other"): [Packet(A, B, proto=GRE, length=8)],
    (ESP, "other"): [Packet(A, B, proto=ESP, length=8)],
}
STATES = list(dict.fromkeys(state for _, state in LEADS_TO))
HAVE_STATES = {TCP: "tcp", UDP: "udp", SCTP: "sctp", UDPLITE: "udplite", DCCP: "dccp"}
HAVE_ONE = {ICMP: "icmp", ICMPV6: "icmpv6", GRE: "gre", ESP: "esp"}
EARLY_S = 0.1       # by how much the program's clock may be coarse


class Life:
    """A flow on which nothing is sent any more but what changes nothing, looked at through ICMP
    errors about it."""

    def __init__(self, weir, which, life_s):
        self.weir, self.life_s, self.world = weir, life_s, next(worlds)
        steps = LEADS_TO[which]
        family = steps[0].family
        self.vain = said(B, "A", 1, 1) if which == (TCP, "reset") else said(B, "F", 0, 1)
        self.about = Packet(9, A, proto=ICMP_OF[family], type=3 if family == 4 else 1,
                            inner=steps[0], length=8, family=family)
        self.before_s = time.monotonic()
        self.send(*steps)
        self.after_s = self.last_s = time.monotonic()
        self.end_s = None

    def send(self, *packets):
        return self.weir.answers([Step(packet, IN_TC) for packet in packets], self.world)

    def has_ended(self):
        asked_s = time.monotonic()
        (state, _), _ = self.send(self.about, self.vain)
        if state == "related":
            self.last_s = asked_s
        elif self.end_s is None:
            self.end_s = time.monotonic()
        return self.end_s is not None

    def was_right(self):
        return (self.end_s - self.before_s >= self.life_s - EARLY_S
                and self.last_s - self.after_s < self.life_s + EARLY_S)


def by_state(odd_s, even_s):
    """(`timeouts`, the time of each flow in seconds)."""
    lives_s = {state: even_s if number % 2 else odd_s for number, state in enumerate(STATES)}
    return ({state: f"{life_s}s" for state, life_s in lives_s.items()},
            {(proto, state): lives_s[state] for proto, state in LEADS_TO})


def by_proto(odd_s, even_s):
    """Likewise, where a state's own time would show as one that does not end."""
    lives_s = {which: even_s if number % 2 else odd_s for number, which in enumerate(LEADS_TO)}
    timeouts = {state: "9s" for state in STATES}
    timeouts["other"] = f"{lives_s[OSPF, 'other']}s"
    for (proto, state), life_s in lives_s.items():
        if proto in HAVE_STATES:
            timeouts.setdefault(HAVE_STATES[proto], {})[state] = f"{life_s}s"
        elif proto in HAVE_ONE:
            timeouts[HAVE_ONE[proto]] = f"{life_s}s"
    return timeouts, lives_s


@pytest.mark.parametrize("odd_s, even_s", [(1, 2), (2, 1)])
@pytest.mark.parametrize("said_by", [by_state, by_proto])
def test_a_flow_is_forgotten_after_the_timeout_of_its_protocol_and_state(weir, said_by, odd_s,
                                                                         even_s):
    timeouts, lives_s = said_by(odd_s, even_s)
    weir.take({"pick_up": False, "timeouts": timeouts})
    lives = {which: Life(weir, which, life_s) for which, life_s in lives_s.items()}
    wait_for(lambda: all([life.has_ended() for life in lives.values()]),
             "every flow is forgotten", 4)
    wrong = {which: (life.life_s, life.last_s - life.after_s, life.end_s - life.before_s)
             for which, life in lives.items() if not life.was_right()}
    assert not wrong, f"(timeout, last seen after, gone after), in seconds: {wrong}"
