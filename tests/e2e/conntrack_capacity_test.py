# SPDX-License-Identifier: Apache-2.0
"""The largest tables people ask for: what is in them is found by packets and by those who ask, and
one that is full says so and forgets nobody."""
import os
import random
import subprocess

import pytest
from scapy.layers.inet import IP, TCP, UDP

from harness.daemon import HELPERS, SANITIZED
from harness.frames import ether
from harness.net import Pair
from harness.site import configured
from harness.wire import Wire

pytestmark = [pytest.mark.outside, pytest.mark.alone,
              pytest.mark.skipif(SANITIZED, reason="a sanitizer needs ten times the memory")]

FLOWS = int(os.environ.get("WEIR_CAPACITY_FLOWS", "4000000"))
SAMPLE = 64


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


def segment(number):
    """Of a flow of fill_flows.c."""
    source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return ether() / IP(src=source, dst="192.0.2.1") / TCP(sport=40000, dport=443, flags="A",
                                                           seq=1000, ack=1000)


def test_table_of_four_million_flows(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=configured(capacity=FLOWS, **{"window-check": False}))
    filled = subprocess.run([HELPERS / "fill_flows", daemon.pin_dir, str(FLOWS)], check=True,
                            stdout=subprocess.PIPE, text=True)
    assert int(filled.stdout) == FLOWS
    status = daemon.status()["conntrack"]
    assert status["capacity"] == FLOWS and daemon.ask("flow", "count")["proven"] == FLOWS
    numbers = random.Random(FLOWS).sample(range(FLOWS), SAMPLE) + [0, FLOWS - 1]
    with Wire.inward(pair) as wire:
        assert all(wire.verdicts([segment(number) for number in numbers]))
        assert not any(wire.verdicts([segment(FLOWS + number) for number in range(SAMPLE)]))
    assert daemon.ask("flow", "count")["proven"] == FLOWS
    last = segment(FLOWS - 1)[IP].src
    (row,) = daemon.ask("flow", "list", f"src={last}", "and", "port=443")["flows"]
    assert (row["src"], row["state"]) == (last, "established")


def test_full_table_refuses_by_number_and_forgets_nobody(weir_daemon, pair):
    """UDP flows that prove themselves, several times as many as have room: three quarters of the
    places, of which there are a quarter more than the capacity."""
    daemon = weir_daemon(pair.inside, config=configured(capacity=64, half_open=1000, is_open=True))
    there = [ether() / IP(src="198.18.0.1", dst="198.18.0.2") / UDP(sport=1000 + i, dport=9)
             for i in range(300)]
    back = [ether() / IP(src="198.18.0.2", dst="198.18.0.1") / UDP(sport=9, dport=1000 + i)
            for i in range(300)]
    seen = []
    with Wire.inward(pair) as inward, Wire.outward(pair) as outward:
        for first in range(0, 300, 20):
            some = slice(first, first + 20)
            for wire, frames in ((inward, there), (outward, back), (inward, there)):
                assert all(wire.verdicts(frames[some]))
            proven = {row["sport"] for row in daemon.ask("flow", "list", "table=proven")["flows"]}
            assert not seen or seen[-1] <= proven, "one that had proven itself was forgotten"
            seen.append(proven)
    status = daemon.status()["conntrack"]
    assert 55 <= len(seen[-1]) <= 80 * 3 / 4
    assert status["refused"] == 300 - len(seen[-1])
    # A quarter more, in sets of eight.
    for told in (status, daemon.ask("flow", "count")):
        assert (told["capacity"], told["places"]) == (64, 80)
        assert (told["half_open_capacity"], told["half_open_places"]) == (1000, 1256)
    assert " of 80 flows " in daemon.say("status")
