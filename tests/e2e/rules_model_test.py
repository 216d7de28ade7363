# SPDX-License-Identifier: Apache-2.0
"""Random rules and random frames: the real programs against tests/model, which was written from the
user's page alone. Reason, deciding rule, mark and every counter must be equal.

WEIR_RULES_PACKETS=10000000 tests/run e2e -k rules_model runs the whole."""
import os
import random
import re
import time

import pytest

from harness.net import Namespace
from model.draw import INTERFACES, World
from model.judge import IN_TC, IN_XDP, OUT_TC, PROGRAMS, Judge, question
from model.packet import parse
from model.rules import Model, Refused, Rule, names_of

PACKETS = int(os.environ.get("WEIR_RULES_PACKETS", "120000"))
SEED = int(os.environ.get("WEIR_MODEL_SEED", str(random.SystemRandom().randrange(1 << 32))))
POOL, SETS = 3000, 6        # frames of a world, and sets of rules they are judged by
DIRECTION = {IN_XDP: "ingress", IN_TC: "ingress", OUT_TC: "egress"}


@pytest.fixture
def judge():
    namespace = Namespace("judge")
    try:
        for name in INTERFACES:
            namespace.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"x-{name}")
        with Judge(namespace, INTERFACES) as made:
            yield made
    finally:
        namespace.delete()


def program_for(world, frame):
    """A test run takes no skb whose IP header is cut short; XDP programs are given any bytes."""
    least = {b"\x08\0": 34, b"\x86\xdd": 54}.get(frame[12:14], 15)
    return world.rng.choice(PROGRAMS) if len(frame) >= least else IN_XDP


def drawn(world):
    """A configuration that the model takes, and its model."""
    while True:
        config = world.config(world.rng.choice((1, 3, 10, 30, 30, 80)))
        try:
            return config, Model(config)
        except Refused:     # a field that takes out all it names
            continue


def drawn_many(world, draw, count):
    """Rule by rule: among thousands one is always refused."""
    config = world.config(0)
    names, rules = names_of(config), config["rules"]["rules"]
    while len(rules) < count:
        row = draw(["plain", "nested", "lone"], ["on", "off"])
        try:
            Rule(1, row, names)
        except Refused:
            continue
        rules.append(row)
    return config, Model(config)


class Hits:
    def __init__(self, count):
        self.rows = [[0, 0] for _ in range(count)]

    def add(self, verdict, frame):
        for number in verdict.applied:
            self.rows[number - 1][0] += 1
            self.rows[number - 1][1] += len(frame)


def packet_text(frame, place):
    return f"{place} {parse(frame)} {frame.hex()}"


def difference(seed, config, model, got, should, text):
    rules = [rule.row for rule in model.rules if rule.number in (got[1], should[1])]
    rest = {key: value for key, value in config["rules"].items() if key != "rules"}
    return (f"WEIR_MODEL_SEED={SEED} {seed}: weir {got}, model {should} of {text}\nrules {rules}\n"
            f"{config['block']} {rest}")


def refused_rows(config, said):
    return [config["rules"]["rules"][int(number)]
            for number in re.findall(r"rules\.rules\[(\d+)\]", said)]


def pool_of(world, count):
    """[(program, interface, frame, as the model reads it)]"""
    frames = [world.frame() for _ in range(count)]
    return [(program_for(world, frame), world.rng.randrange(len(INTERFACES)), frame, parse(frame))
            for frame in frames]


def compare(judge, config, model, pool, seed):
    """One set of rules; gives the reasons that were given."""
    said = judge.take(config)
    assert not said, f"WEIR_MODEL_SEED={SEED} {seed}: {said} {refused_rows(config, said)}"
    questions = [question(program, at, frame) for program, at, frame, _ in pool]
    hits, reasons = Hits(len(config["rules"]["rules"])), set()
    for (program, at, frame, packet), told in zip(pool, judge.judge(questions)):
        wanted = model.judge(packet, INTERFACES[at], DIRECTION[program])
        got = (told.reason, told.rule, told.mark, bool(told.dropped))
        should = (wanted.reason, wanted.rule, wanted.mark, wanted.reason.startswith("drop"))
        assert got == should, difference(seed, config, model, got, should, packet_text(
            frame, (INTERFACES[at], DIRECTION[program], program)))
        hits.add(wanted, frame)
        reasons.add(wanted.reason)
    assert [list(row) for row in judge.hits(len(hits.rows))] == hits.rows, (seed, config)
    return reasons


def test_random_rules_judge_random_frames_as_the_model_does(judge):
    reasons, done, number, start = set(), 0, 0, time.monotonic()
    while done < PACKETS:
        world = World(f"{SEED}/{number}")
        pool = pool_of(world, POOL)
        for which in range(SETS):
            reasons |= compare(judge, *drawn(world), pool, f"world {number} set {which}")
            done += POOL
        number += 1
    seconds = time.monotonic() - start
    print(f"{done:,} packets, {number * SETS} sets, {done / seconds:,.0f} a second, seed {SEED}")
    assert reasons >= {"pass_rule", "drop_rule", "drop_reject", "drop_policy", "pass_policy",
                       "pass_allowed", "drop_blocked", "pass_arp", "pass_neighbour", "pass_not_ip",
                       "drop_too_deep"}, "every end was met, else nothing is proven"


@pytest.mark.parametrize("kind, count", [("narrow_rule", 2500), ("ranged_rule", 9000)])
def test_thousands_of_rules_judge_random_frames_as_the_model_does(judge, kind, count):
    """Vectors of many words; more port ranges than there are rows for."""
    world = World(f"{SEED}/{kind}", breadth=10)
    config, model = drawn_many(world, getattr(world, kind), count)
    reasons = compare(judge, config, model, pool_of(world, 400), f"{count} of {kind}")
    assert reasons >= {"pass_rule", "drop_rule"}


def test_a_rule_that_asks_nothing_leaves_the_rest_to_the_default_policy(judge):
    """No dimension narrows the search then: it must end where the rules do."""
    frame = bytes.fromhex("ffffffffffff02000000000108004500001c0001000040110000c0000201c6336401"
                          "00010002000800000000")
    for action in ("count", "log"):
        said = judge.take({"rules": {"policy": [{"ingress": "deny"}],
                                     "rules": [{"action": action, "log": True}]}})
        assert not said
        told, = judge.judge([question(IN_XDP, 0, frame)])
        assert (told.reason, told.rule) == ("drop_policy", 0)
        assert judge.hits(1) == [(1, len(frame))]
