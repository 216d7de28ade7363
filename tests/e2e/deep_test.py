# SPDX-License-Identifier: Apache-2.0
"""Headers beyond the first part of a packet: a frame of more than a page reaches TC with only its
link header in one piece, so whatever is not fetched is not read."""
import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, PadN
from scapy.packet import Raw

from harness.frames import ether, ip
from harness.net import Pair
from harness.wire import Wire

LONG = b"x" * 248       # one option that fills an extension header of 256 bytes


@pytest.fixture
def jumbo():
    with Pair(mtu=9000) as pair, Wire.inward(pair) as wire:
        yield pair, wire


def frame(remote, extensions):
    made = ether() / ip(remote)
    for _ in range(extensions):
        made /= IPv6ExtHdrDestOpt(options=[PadN(optdata=LONG)])
    return made / UDP(sport=1, dport=2) / Raw(bytes(4500))


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("extensions, reason", [(0, "pass_policy"), (8, "pass_policy"),
                                                (9, "drop_too_deep")])
def test_every_hook_reads_the_same_of_a_long_chain(weir_daemon, jumbo, hook, extensions, reason):
    pair, wire = jumbo
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--hook", hook)
    assert wire.passes(frame("2001:db8::1", extensions)) == reason.startswith("pass")
    assert daemon.reasons()[reason] == 1


@pytest.mark.parametrize("hook", ["tc", "xdp"])
@pytest.mark.parametrize("remote, extensions", [("192.0.2.7", 0), ("2001:db8::7", 8)])
def test_a_long_frame_from_a_listed_address_is_dropped(weir_daemon, jumbo, hook, remote,
                                                       extensions):
    pair, wire = jumbo
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--hook", hook)
    daemon.say("block", "add", remote)
    assert not wire.passes(frame(remote, extensions))
    assert daemon.reasons()["drop_blocked"] == 1
