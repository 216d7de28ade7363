# SPDX-License-Identifier: Apache-2.0
"""Rates, on real packets and real clocks: what a flood gets through is the rate within two in a
hundred, on whichever processors it comes, and whatever happens to policies and programs."""
import json
import os
import subprocess

import pytest
from scapy.layers.inet import UDP
from scapy.packet import Raw

from harness.frames import ether, ip
from harness.kernel import BPFTOOL
from harness.live import LiveFrames
from harness.rate import RateLook
from harness.wait import SLOWNESS, wait_for

A4, A6 = "198.18.1.1", "2001:db8:1::1"
NETWORK = "2001:db8:1:: 1"      # any host of it
SECONDS = 5 * SLOWNESS      # long: frames may not come for a while where others want the processors
CPUS = sorted(os.sched_getaffinity(0))[:2]

pytestmark = pytest.mark.alone


def config(limit=None, rule=None, more=""):
    limits = f"  limits: [{{{limit}}}]\n" if limit else ""
    rules = f"rules: {{rules: [{{{rule}}}]}}\n" if rule else ""
    return ("api: {listen: off}\nevents: {rate: 0/s}\nconntrack: {enabled: false}\n"
            f"limit:\n  sources: 4096\n{limits}{rules}{more}")


class Flood(RateLook):
    def measure(self, rate, meanwhile=lambda: None):
        found = super().measure(SECONDS, meanwhile)
        print(f"| {rate:>9,}/s | {found.passed / found.most_s:>12,.1f} to "
              f"{found.passed / found.least_s:>12,.1f} | {found.over:>12,} |")
        assert found.over > found.passed / SLOWNESS     # there was more than the limit lets pass
        assert (rate * 0.98 * found.least_s - 1 <= found.passed
                <= rate * 1.02 * found.most_s + 1)


def flood_v6(pair, source):
    return LiveFrames(pair.outside, pair.far, [source],
                      ether() / ip(A6) / UDP(sport=100, dport=9) / Raw(bytes(22)))


@pytest.fixture
def flooded(weir_daemon, pair):
    def make(**options):
        pair.inside.run("ethtool", "-K", pair.wire, "gro", "on")
        return weir_daemon(pair.inside, config=config(**options), interfaces=[pair.wire])
    return make


# A burst of less than a second is judged by the exact clock, a longer one by the coarse one.
@pytest.mark.parametrize("rate, burst", [
    (1, 1), (7, 7), (100, 90), (20000, 18000), (20000, 20000), (50000, 45000)])
def test_flood_is_held_to_its_rate(flooded, pair, rate, burst):
    daemon = flooded(limit=f"name: rate, packets: {rate}/s, burst: {burst}")
    with LiveFrames(pair.outside, pair.far, [A4]):
        Flood(daemon).measure(rate)


@pytest.mark.parametrize("source, per, rate, burst", [
    (A6, "source/32,/128", 20000, 18000), (NETWORK, "source/32,/64", 20000, 18000),
    (NETWORK, "source/32,/64", 7, 7)])
def test_flood_of_ipv6_is_held_by_host_or_network(flooded, pair, source, per, rate, burst):
    daemon = flooded(limit=f"name: rate, per: '{per}', packets: {rate}/s, burst: {burst}")
    with flood_v6(pair, source):
        Flood(daemon).measure(rate)


def test_hosts_of_an_ipv6_network_have_each_a_rate_of_their_own(flooded, pair):
    """Where the limit is told so: what holds a network to one rate must be its length."""
    daemon = flooded(limit="name: rate, per: 'source/32,/128', packets: 7/s")
    with flood_v6(pair, NETWORK) as flood:
        wait_for(lambda: RateLook(daemon).look().passed > 100_000, "they pass")
        flood.stop()
    found = RateLook(daemon).look()
    assert found.over < found.passed


# What passed is what a rule matched less what was over it, two looks some packets apart: too coarse
# for a rate of one a second.
@pytest.mark.parametrize("rate, burst", [(1000, 900), (20000, 18000), (20000, 20000)])
def test_flood_is_held_to_the_rate_of_a_rule(flooded, pair, rate, burst):
    daemon = flooded(rule=f"name: rate, action: limit, rate: {rate}/s, burst: {burst}")
    with LiveFrames(pair.outside, pair.far, [A4]):
        Flood(daemon).measure(rate)


def counted_by_cpu(daemon, name, rows):
    """Packets in rows of a per-CPU counter that are not zero, a list for each processor."""
    done = subprocess.run([BPFTOOL, "-j", "map", "dump", "pinned", daemon.pin_dir / "maps" / name],
                          stdout=subprocess.PIPE, check=True)
    counts = {}
    for row in json.loads(done.stdout):
        for value in row["formatted"]["values"]:
            counts[value["cpu"]] = counts.get(value["cpu"], 0) + rows(value["value"])
    return counts


def test_flood_of_an_ipv6_network_is_held_to_the_rate_of_a_rule(flooded, pair):
    daemon = flooded(rule="name: rate, action: limit, rate: 20000/s, burst: 18000, "
                          "per: 'source/32,/64'")
    with flood_v6(pair, NETWORK):
        Flood(daemon).measure(20000)


@pytest.mark.skipif(len(CPUS) < 2, reason="one processor")
@pytest.mark.parametrize("rate, burst", [(1000, 1000), (20000, 18000), (50000, 45000)])
def test_two_processors_share_one_bucket(flooded, pair, rate, burst):
    daemon = flooded(limit=f"name: rate, per: total, packets: {rate}/s, burst: {burst}")
    with LiveFrames(pair.outside, pair.far, [A4]) as one, \
            LiveFrames(pair.outside, pair.far, ["198.18.1.2"]) as other:
        os.sched_setaffinity(one.process.pid, {CPUS[0]})
        os.sched_setaffinity(other.process.pid, {CPUS[1]})
        Flood(daemon).measure(rate)
        counts = counted_by_cpu(daemon, "ctr_limit", lambda count: count["passed"] + count["over"])
    shares = [counts[cpu] / sum(counts.values()) for cpu in CPUS]
    print("of all packets:", *(f"{share:.0%}" for share in shares))
    assert min(shares) > 0.05, "both processors had some"


@pytest.mark.parametrize("of_rule", [False, True], ids=["limit", "rule"])
def test_swaps_and_reloads_fill_no_bucket(flooded, pair, of_rule):
    """Programs, policies and reloads in turn, as fast as they go: a burst of more than half of what
    the rate gives meanwhile would show if it came once more."""
    kept = {"rule": "name: rate, action: limit, rate: 2000/s, burst: 6000"} if of_rule else \
        {"limit": "name: rate, packets: 2000/s, burst: 6000"}
    others = ["", "sanity: {level: basic}\n",                                   # other programs
              "block: {lists: [{name: no, action: deny, entries: [9.9.9.9]}]}\n"]  # another policy
    daemon = flooded(**kept)
    turns = 0

    def turn():
        nonlocal turns
        turns += 1
        daemon.apply(config(**kept, more=others[turns % len(others)]))
        daemon.say("reload")
    with LiveFrames(pair.outside, pair.far, [A4]):
        Flood(daemon).measure(2000, turn)
    print(f"{turns} turns")
    assert turns >= 3
