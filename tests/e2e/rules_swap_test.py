# SPDX-License-Identifier: Apache-2.0
"""Rules swapped a hundred times a second while frames come at full speed: each packet meets one set
of rules, whole, none is lost, and what a rule has counted stays (invariants 3 and 4)."""
import collections
import http.client
import json
import os
import socket
import time

import pytest

from harness.live import LiveFrames
from harness.observer import observe_sources, settled
from harness.wait import wait_for

SWAPS = int(os.environ.get("WEIR_SWAPS", "300"))    # as many as SECONDS allow, 50 at least
SECONDS = 8
NAMES = {"both drop": 1, "both pass": 2, "a drops": 3, "b drops": 4}
SOURCES = [f"198.18.{network}.{number}" for network in NAMES.values() for number in range(16)]
# Most are dropped: what passes is slow to count.
SENT = [source for source in SOURCES if ".1." in source] * 48 + SOURCES


def noise(count):
    """Rules that no frame meets, so that the others stand elsewhere in each policy, and addresses
    have other classes."""
    return [{"name": f"noise-{n}", "src": f"203.0.113.{n}", "dport": f"{n}-{2 * n}",
             "action": "deny" if n % 3 else "count"} for n in range(count)]


def policy(order, drops, padding):
    """Every frame (UDP to port 9, 50 bytes of IP) is decided by a rule: the default is met only by
    one that saw half of a policy."""
    nets = [{"name": f"net-{network}", "src": f"198.18.{network}.0/24", "dport": "9",
             "length": "50", "action": "deny" if network in drops else "allow"}
            for network in order]
    rules = [*noise(padding), {"name": "seen", "proto": "udp", "action": "count"}, *nets]
    section = {"policy": [{"ingress": "deny"}], "rules": rules}
    return f"api: {{listen: off}}\nevents: {{rate: 0/s}}\nrules: {json.dumps(section)}\n"


POLICIES = [policy([1, 2, 3, 4], {1, 3}, 7), policy([4, 3, 2, 1], {1, 4}, 90)]


@pytest.fixture
def observer(pair):
    return observe_sources(pair, SOURCES)


def by_name(counts):
    """Of single sources."""
    sums = collections.Counter()
    for address, count in counts.items():
        sums[int(address.split(".")[2])] += count
    return {name: sums[network] for name, network in NAMES.items()}


class Socket(http.client.HTTPConnection):
    """One connection for all: the command line would be the slow part."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))

    def apply(self, text):
        self.request("POST", "/api/v1/apply", text)
        answer = self.getresponse()
        body = answer.read()
        assert answer.status == 200, body


def hits(daemon):
    """{rule: packets} of those that met any, read anew."""
    names = [row["name"] for row in daemon.ask("rule", "hits")["rules"]]
    return {name: daemon.ask("rule", "hits", name)["rules"][0]["packets"] for name in names}


def swap_for_a_while(daemon):
    """Gives how many, and how many a second."""
    api, start, swaps = Socket(daemon.socket), time.monotonic(), 0
    while swaps < 50 or swaps < SWAPS and time.monotonic() - start < SECONDS:
        swaps += 1
        api.apply(POLICIES[swaps % 2])
    api.close()
    return swaps, swaps / (time.monotonic() - start)


@pytest.mark.alone
@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_rules_swapped_under_load_judge_and_count_every_packet(weir_daemon, pair, observer, hook):
    pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
    daemon = weir_daemon(pair.inside, config=POLICIES[0])
    daemon.say("interface", "attach", pair.wire, "--hook", hook)
    revision, full_before = daemon.status()["revision"], pair.ring_drops()
    with LiveFrames(pair.outside, pair.far, SENT) as frames:
        wait_for(lambda: sum(observer().values()) > 1000, "frames come")
        swaps, rate = swap_for_a_while(daemon)
        sent_each = frames.stop()
    got_each = wait_for(lambda: settled(observer), "the last frames are counted")
    sent, got = by_name(sent_each), by_name(got_each)
    full, total = pair.ring_drops() - full_before, sum(sent.values())
    print(f"{hook}: {total:,} frames at {frames.mpps} Mpps, {swaps} swaps, {rate:.0f} a second; "
          f"{full} found the ring full")
    assert daemon.status()["revision"] == revision + swaps
    assert got["both drop"] == 0
    assert 0 <= sent["both pass"] - got["both pass"] <= full
    assert all(0 < got[name] < sent[name] for name in ("a drops", "b drops")), "both judged"
    reasons = daemon.reasons()
    assert "drop_policy" not in reasons and "pass_policy" not in reasons
    assert reasons["pass_rule"] == sum(got.values())
    assert reasons["pass_rule"] + reasons["drop_rule"] == total - full
    # Both policies have these rules, in another order: each goes on with what was counted.
    names = {"seen", *(f"net-{network}" for network in NAMES.values())}
    counted = wait_for(lambda: hits(daemon) if hits(daemon).keys() == names else None,
                       f"all of {names} are counted, and no other rule")
    assert counted["seen"] == total - full
    lost = {name: sent[name] - counted[f"net-{network}"] for name, network in NAMES.items()}
    assert min(lost.values()) >= 0 and sum(lost.values()) == full, lost
