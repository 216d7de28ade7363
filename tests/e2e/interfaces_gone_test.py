# SPDX-License-Identifier: Apache-2.0
"""An interface that goes away and comes back, while another has its row of the counters."""
import collections
import re

from harness.account import metrics
from harness.frames import udp
from harness.net import veth
from harness.wait import wait_for
from harness.wire import Wire

CONFIG = ("api: {listen: off}\n"
          "interfaces: [{name: wire}, {name: 'lan*'}]\n"
          "conntrack: {enabled: true, account: true}\n")


def ingress_of(daemon):
    """{interface: packets that arrived}, by how they ended and by where they are counted."""
    rows = re.findall(r'^weir_(packets|account_packets)_total\{interface="([\w-]+)",'
                      r'direction="ingress",.*\} (\S+)$', metrics(daemon), re.M)
    ended, accounts = collections.Counter(), collections.Counter()
    for metric, name, value in rows:
        (ended if metric == "packets" else accounts)[name] += int(float(value))
    return ended, accounts


def test_interface_that_is_gone_tells_nothing_of_the_one_that_came_in_its_place(weir_daemon, pair):
    """By name it stays on the list, and the next one has its row."""
    daemon = weir_daemon(pair.inside, config=CONFIG)

    def send(name, far, count):
        with Wire(pair.outside, far, pair.inside, name) as wire:
            assert all(wire.verdicts([udp("192.0.2.8")] * (count - 1)))     # and its sentinel

    def is_told(expected):
        wait_for(lambda: ingress_of(daemon) == (expected, expected), f"{expected} in /metrics")
        assert sum(daemon.reasons().values()) == sum(expected.values())
        for name, count in expected.items():
            assert daemon.interface(name)["ingress_counts"]["pass_packets"] == count
    send(pair.wire, pair.far, 7)
    is_told({pair.wire: 7})
    pair.inside.run("ip", "link", "del", pair.wire)
    wait_for(lambda: not daemon.interface(pair.wire)["attached"], "it is gone")
    veth(pair.inside, "lan0", pair.outside, "far-lan0")
    wait_for(lambda: (daemon.interface("lan0") or {}).get("attached"), "another is there")
    send("lan0", "far-lan0", 11)
    is_told({"lan0": 11})
    assert daemon.interface(pair.wire)["ingress_counts"]["pass_packets"] == 0
    veth(pair.inside, pair.wire, pair.outside, pair.far)
    wait_for(lambda: daemon.interface(pair.wire)["attached"], "it is back")
    send(pair.wire, pair.far, 5)
    is_told({"lan0": 11, pair.wire: 5})
