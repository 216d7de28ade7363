# SPDX-License-Identifier: Apache-2.0
"""The same random rules in Weir and in nftables, the same random frames over two wires: every
verdict is the same, but for frames of which the user's page says why not.

WEIR_NFT_SETS=5000 tests/run e2e -k rules_nft is a long run."""
import collections
import contextlib
import os
import random

import pytest

from harness.net import Pair
from harness.wire import MARK, PROTOCOLS, Wire
from model import nft
from model.draw import World
from model.judge import as_yaml
from model.rules import Model, Refused

SETS = int(os.environ.get("WEIR_NFT_SETS", "200"))
SEED = int(os.environ.get("WEIR_MODEL_SEED", str(random.SystemRandom().randrange(1 << 32))))
FRAMES, SETS_OF_A_WORLD = 500, 5
PATTERNS = ("wire", "w*", "eth*, wire", "not eth*", "eth0", "!wire")


def drawn(world):
    """What both sides can say: no lists that decide, and this wire's name."""
    while True:
        config = world.config(world.rng.choice((1, 3, 10, 20, 40)))
        config["block"]["lists"] = [row for row in config["block"]["lists"]
                                    if row["action"] == "set"]
        for row in config["rules"]["rules"] + config["rules"]["policy"]:
            if "interface" in row:
                row["interface"] = world.rng.choice(PATTERNS)
        try:
            return config, Model(config)
        except Refused:
            continue


def frames_of(world, direction):
    """That a receiver behind the hooks waits for, and most of which nft reads."""
    kinds = PROTOCOLS if direction == "ingress" else (0x0800, 0x86DD)
    frames = []
    while len(frames) < FRAMES:
        frame = world.frame()
        if int.from_bytes(frame[12:14], "big") in kinds:
            frames.append(frame)
    return frames


class Twins:
    """Weir's wire and nft's, and frames over both."""

    def __init__(self, stack, weir_daemon, direction, hook):
        self.direction = direction
        self.weir, self.nft = (stack.enter_context(Pair(name)) for name in ("weir", "nft"))
        make = Wire.inward if direction == "ingress" else Wire.outward
        self.wires = [stack.enter_context(make(pair)) for pair in (self.weir, self.nft)]
        self.head = (f"interfaces: [{{name: wire, hook: {hook}, egress: true}}]\n"
                     "api: {listen: off}\nevents: {rate: 0/s}\n")
        self.daemon = weir_daemon(self.weir.inside, config=self.head)

    def take(self, config):
        self.daemon.say("apply", "-", text=self.head + as_yaml(config))
        # The table is made before it is deleted, so that there is one.
        text = "table netdev twin {}\ndelete table netdev twin\n" + nft.Ruleset(
            config, "wire").text()
        done = self.nft.inside.run("nft", "-f", "-", input=text, check=False)
        assert done.returncode == 0, (done.stderr, text)

    def verdicts(self, frames):
        return zip(*(wire.verdicts(frames) for wire in self.wires))


def compare(twins, world, frames, seed, counts):
    config, model = drawn(world)
    twins.take(config)
    for frame, (by_weir, by_nft) in zip(frames, twins.verdicts(frames)):
        seen = frame + MARK + bytes(4)
        why = nft.listed_difference(seen, twins.direction)
        counts[why or "compared"] += 1
        counts["dropped"] += not by_nft and not why
        counts["differing"] += by_weir != by_nft
        if by_weir == by_nft:
            continue
        # Where they may differ, Weir must be the one that does as it says.
        wanted = model.judge_frame(seen, "wire", twins.direction)
        if why and by_weir == wanted.reason.startswith("pass"):
            continue
        pytest.fail(f"WEIR_MODEL_SEED={SEED} {seed}: weir passes {by_weir}, nft {by_nft}, model "
                    f"{wanted}: {seen.hex()}\n{nft.Ruleset(config, 'wire').text()}\n"
                    f"{as_yaml(config)}")


@pytest.mark.parametrize("direction, hook", [("ingress", "xdp"), ("ingress", "tc"),
                                             ("egress", "tc")])
def test_weir_and_nftables_judge_random_frames_alike(weir_daemon, direction, hook):
    counts = collections.Counter()
    sets = max(SETS // 3 + 1, 1)
    with contextlib.ExitStack() as stack:
        twins = Twins(stack, weir_daemon, direction, hook)
        for number in range(sets):
            if number % SETS_OF_A_WORLD == 0:
                world = World(f"{SEED}/{direction}/{hook}/{number}")
                frames = frames_of(world, direction)
            compare(twins, world, frames, f"{direction} {hook} set {number}", counts)
    print(f"{direction} {hook}: {sets} sets x {FRAMES} frames, seed {SEED}: {dict(counts)}")
    assert counts["compared"] > 0.5 * sets * FRAMES
    assert 0.1 < counts["dropped"] / counts["compared"] < 0.9
