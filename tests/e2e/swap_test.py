# SPDX-License-Identifier: Apache-2.0
"""Policies swapped in a loop while frames come at full speed: each packet is judged by one policy,
whole, and each is counted (invariants 3 and 4)."""
import ipaddress
import os
import random
import time

import pytest

from harness.live import LiveFrames
from harness.observer import observe_sources, settled
from harness.wait import wait_for

SWAPS = int(os.environ.get("WEIR_SWAPS", "300"))     # as many as SECONDS allow, 50 at least
SECONDS = 8
GROUP = 32
PASSED_LEAST = 50_000
# Each address stands in a list of its own, so that its class is another number in each policy: a
# packet which took its class from one and its meaning from the other would be judged wrongly.
DROPPED = [f"198.18.1.{number}" for number in range(GROUP)]
PASSED = [f"198.18.2.{number}" for number in range(GROUP)]
TELLING = [f"198.18.3.{number}" for number in range(GROUP)]
# Most are dropped: what passes is slow to count, and the more frames a second, the more of them are
# under way when a policy is swapped.
SOURCES = DROPPED * 64 + PASSED + TELLING


def policy(order, telling, noise_seed):
    """PASSED are exceptions of a denied network; TELLING are denied by one of the two policies."""
    rng = random.Random(noise_seed)
    lists = [("deny", address) for address in DROPPED] + [("allow", address) for address in PASSED]
    lists += [(telling, address) for address in TELLING]
    rows = [f"    - {{name: l{number}, action: {action}, entries: [{address}]}}"
            for number, (action, address) in enumerate(order(lists))]
    noise = ", ".join(str(ipaddress.ip_network((rng.randrange(20 << 24, 190 << 24), rng.choice(
        (24, 28, 32))), strict=False)) for _ in range(rng.randrange(200, 2000)))
    return ("api: {listen: off}\nevents: {rate: 0/s}\nblock:\n  lists:\n" + "\n".join(rows)
            + "\n    - {name: net, action: deny, entries: [198.18.1.0/24, 198.18.2.0/24]}\n"
            + f"    - {{name: noise, action: deny, entries: [{noise}]}}\n")


POLICIES = [policy(lambda rows: rows, "deny", 1), policy(lambda rows: rows[::-1], "allow", 2)]


@pytest.fixture
def observer(pair):
    return observe_sources(pair, DROPPED + PASSED + TELLING)


@pytest.mark.alone
@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_swaps_under_load_judge_and_count_every_packet_rightly(weir_daemon, pair, observer, hook):
    # The far end hands frames over only where something takes them from its ring.
    pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
    daemon = weir_daemon(pair.inside, config=POLICIES[0])
    daemon.say("interface", "attach", pair.wire, "--hook", hook)
    files = []
    for name, text in zip("ab", POLICIES):
        files.append(daemon.home / f"{name}.yaml")
        files[-1].write_text(text)
    revision, full_before = daemon.status()["revision"], pair.ring_drops()
    with LiveFrames(pair.outside, pair.far, SOURCES) as frames:
        wait_for(lambda: sum(observer().values()) > 1000, "frames come")
        start = time.monotonic()
        swaps = 0
        while swaps < min(50, SWAPS) or swaps < SWAPS and time.monotonic() - start < SECONDS:
            swaps += 1
            daemon.say("apply", files[swaps % 2])
        seconds = time.monotonic() - start
        wait_for(lambda: sum(observer().values()) > PASSED_LEAST, "enough frames came", 60)
        sent = frames.stop()
    got = wait_for(lambda: settled(observer), "the last frames are counted")
    print(f"{hook}: {sum(sent.values()):,} frames at {frames.mpps} Mpps, {swaps} swaps in "
          f"{seconds:.1f} s")
    assert daemon.status()["revision"] == revision + swaps
    assert sum(got[address] for address in DROPPED) == 0
    lost = {address: sent[address] - got[address] for address in PASSED}
    assert min(got[address] for address in PASSED) > 0 and min(lost.values()) >= 0
    full = pair.ring_drops() - full_before
    assert sum(lost.values()) <= full, lost
    assert all(0 < got[address] < sent[address] for address in TELLING), "both policies judged"
    reasons = daemon.reasons()
    assert reasons["drop_blocked"] == sum(sent.values()) - sum(got.values()) - full
    # Policy a passes PASSED alone, policy b TELLING too, and both as allowed.
    assert reasons["pass_allowed"] == sum(got.values())
