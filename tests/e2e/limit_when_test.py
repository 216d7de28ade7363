# SPDX-License-Identifier: Apache-2.0
"""Limits that act only while their interface is elevated or under attack: from that level on, on
that interface, and no longer than it lasts."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from harness.attack import (A4, A6, B4, CALM_SOURCES, QUICK, config, flooded,     # noqa: F401
                            is_level, judged, take_live_frames)
from harness.daemon import Refused
from harness.frames import ether
from harness.live import LiveFrames
from harness.net import Pair, veth
from harness.wait import wait_for
from harness.wire import Wire

HOURLY = "packets: 1/h, burst: 3"     # three pass, and no more while a test runs
LIMITS = f"""limit:
  sources: 4096
  limits:
    - {{name: watchful, proto: icmp, {HOURLY}, when: elevated}}
    - {{name: strict, proto: tcp, {HOURLY}, when: attack}}
    - {{name: ever, proto: udp, dport: '7', {HOURLY}}}
"""
RATES = "{udp: {elevated: 200/s, attack: %s}}"
LASTING = {"calm_after": "1h"}
PING = ether() / IP(src=A4, dst=B4) / ICMP()
SEGMENT = ether() / IP(src=A4, dst=B4) / TCP(sport=1000, dport=80, flags="S")
ECHO = ether() / IP(src=A4, dst=B4) / UDP(sport=1000, dport=7)


def passing(pair, *frames, count=10, far=Pair.far, wire=Pair.wire):
    """Of so many of each. Not by the fixture `wire`, whose sockets a flood would fill."""
    with Wire(pair.outside, far, pair.inside, wire) as one:
        return [sum(one.verdicts([frame] * count)) for frame in frames]


def flood_until(daemon, pair, level):
    with LiveFrames(pair.outside, pair.far, CALM_SOURCES) as flood:
        wait_for(is_level(daemon, level), f"it is {level}", 20)
        flood.stop()


def test_each_acts_from_its_level_on_and_no_longer(flooded, pair):     # noqa: F811
    daemon = flooded(LIMITS, rates=RATES % "10G/s", **LASTING)
    assert passing(pair, PING, SEGMENT, ECHO) == [10, 10, 3]

    flood_until(daemon, pair, "elevated")
    assert passing(pair, PING, SEGMENT, ECHO) == [3, 10, 0]

    keys = {**QUICK, **LASTING}
    daemon.apply(config(LIMITS, rates=RATES % "1000/s", **keys))
    flood_until(daemon, pair, "attack")
    assert passing(pair, PING, SEGMENT, ECHO) == [0, 3, 0]
    rows = {row["name"]: (row.get("when"), row["passed"], row["over"])
            for row in daemon.ask("limit", "show")["limits"]}
    assert rows == {"watchful": ("elevated", 3, 17), "strict": ("attack", 3, 7),
                    "ever": (None, 3, 27)}

    daemon.apply(config(LIMITS, rates=RATES % "1000/s", **QUICK))
    wait_for(is_level(daemon, "calm"), "it is calm again", 20)
    assert passing(pair, PING, SEGMENT, ECHO) == [10, 10, 0]


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_it_acts_on_the_interface_under_attack_alone(weir_daemon, pair, hook):
    veth(pair.inside, "other", pair.outside, "otherfar")
    take_live_frames(pair, pair.wire, "other")
    more = LIMITS + "interfaces: [" + ", ".join(
        f"{{name: {name}, hook: {hook}}}" for name in (pair.wire, "other")) + "]\n"
    daemon = judged(weir_daemon(pair.inside, config=config(
        more, rates=RATES % "1000/s", **{**QUICK, **LASTING})), pair.wire, "other")
    flood_until(daemon, pair, "attack")
    segment6 = ether() / IPv6(src=A6, dst="2001:db8::9") / TCP(dport=80, flags="S")
    frames, calm = (PING, SEGMENT, segment6), {"far": "otherfar", "wire": "other"}
    assert passing(pair, *frames, **calm) == [10, 10, 10]
    assert passing(pair, *frames) == [3, 3, 3]
    assert passing(pair, *frames, **calm) == [10, 10, 10]


def test_it_goes_on_without_a_daemon_and_after_a_restart(flooded, pair):     # noqa: F811
    daemon = flooded(LIMITS, **LASTING)
    flood_until(daemon, pair, "attack")
    assert passing(pair, SEGMENT) == [3]
    daemon.kill()
    assert passing(pair, SEGMENT) == [0]
    judged(daemon.start())
    assert passing(pair, SEGMENT) == [0]


def test_explain_says_what_would_become_of_a_packet_now(flooded, pair):     # noqa: F811
    daemon = flooded(LIMITS, **LASTING)
    ask = ["explain", "--src", A4, "--dst", B4, "--proto", "icmp", "--interface", pair.wire]
    assert passing(pair, PING) == [10]
    assert daemon.ask(*ask)["verdict"] == "pass"
    flood_until(daemon, pair, "attack")
    assert passing(pair, PING) == [3]
    answer = daemon.ask(*ask)
    assert (answer["verdict"], answer["limit"]) == ("drop", "watchful")


def test_run_time_limits_have_levels_too(flooded, pair):     # noqa: F811
    daemon = flooded("limit: {sources: 4096}\n", **LASTING)
    daemon.say("limit", "add", "strict", "--proto", "tcp", "--packets", "1/h", "--burst", "3",
               "--when", "attack")
    assert passing(pair, SEGMENT) == [10]
    flood_until(daemon, pair, "attack")
    assert passing(pair, SEGMENT) == [3]
    judged(daemon.restart())
    assert passing(pair, SEGMENT) == [0]
    # Who judges cannot be taken away from under it.
    with pytest.raises(Refused) as refused:
        daemon.apply("api: {listen: off}\n")
    assert "it would never act" in refused.value.said
    daemon.say("limit", "del", "strict")
    daemon.apply("api: {listen: off}\n")
    with pytest.raises(Refused) as refused:
        daemon.say("limit", "add", "strict", "--packets", "1/h", "--when", "attack")
    assert "write attack: {enabled: true}" in refused.value.said
