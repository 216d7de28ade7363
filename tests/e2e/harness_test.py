# SPDX-License-Identifier: Apache-2.0
"""The harness itself: what it calls arrived did arrive; what the kernel drops it does not see."""
import pytest

from harness.frames import dressed, udp
from harness.wire import Wire


@pytest.mark.parametrize("way", [Wire.inward, Wire.outward])
@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"])
def test_every_frame_arrives_where_nothing_filters(pair, way, remote):
    with way(pair) as wire:
        rows = dressed(remote)
        verdicts = dict(zip(rows, wire.verdicts(rows.values())))
    assert all(verdicts.values()), verdicts


def test_frame_dropped_by_another_filter_is_not_seen(pair, wire):
    pair.inside.run("nft", "add table netdev t; add chain netdev t c { type filter hook ingress "
                    f"device {pair.wire} priority 0; }}; "
                    "add rule netdev t c ip saddr 192.0.2.0/24 drop")
    assert wire.verdicts([udp("192.0.2.9"), udp("192.0.3.9"), udp("192.0.2.255")]) == [
        False, True, False]


def test_daemon_blocks_and_lets_pass(wire, daemon):
    daemon.say("block", "add", "192.0.2.0/24")
    assert not wire.passes(udp("192.0.2.7"))
    assert wire.passes(udp("192.0.3.7"))
