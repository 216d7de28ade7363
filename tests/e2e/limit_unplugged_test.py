# SPDX-License-Identifier: Apache-2.0
"""An interface that goes and comes again fills no bucket, and is held to the same limits."""
import pytest
from scapy.layers.inet import IP, UDP

from harness.daemon import Daemon
from harness.frames import ether
from harness.net import Pair
from harness.plug import replug
from harness.wire import Wire

LIMITS = {
    "limit": "limit: {limits: [{name: few, packets: 1/h, burst: 3}]}\n",
    "rule": "rules: {rules: [{name: few, action: limit, rate: 1/h, burst: 3, per: source}]}\n",
    "interface": "rules: {rules: [{name: few, interface: wire, action: limit, rate: 1/h, "
                 "burst: 3}]}\n",
}
FRAME = ether() / IP(src="198.18.1.1", dst="198.18.0.1") / UDP(sport=1000, dport=2000)


def passing(pair, count):
    with Wire.inward(pair) as wire:
        return sum(wire.verdicts([FRAME] * count))


@pytest.mark.parametrize("hook", ["tc", "xdp-generic"])
@pytest.mark.parametrize("what", LIMITS)
def test_a_bucket_outlives_its_interface(hook, what):
    text = ("api: {listen: off}\nconntrack: {enabled: false}\n"
            f"interfaces: [{{name: wire, hook: {hook}}}]\n{LIMITS[what]}")
    with Pair() as pair, Daemon(pair.inside, config=text) as daemon:
        assert passing(pair, 2) == 2
        replug(pair, daemon)
        assert passing(pair, 5) == 1
        shown = daemon.ask("limit", "show")
        row, = shown["limits"] or shown["rules"]
        assert (row["passed"], row["over"]) == (3, 4)
