# SPDX-License-Identifier: Apache-2.0
"""The map of near lines has a size of its own: a policy that outgrows it comes with new programs
and maps, and no packet is judged by half of each. Interfaces meet policies in any order."""
import json
import subprocess

import pytest

from harness.daemon import WEIR, Daemon
from harness.frames import IP, UDP, Ether
from harness.net import Pair, veth
from harness.wait import wait_for
from harness.wire import Wire

SMALL = """api: {listen: off}
rules:
  rules:
    - {name: telling, proto: udp, dport: 7, action: deny}
"""


def large(extra=""):
    """Past the 4,096 lines a slot has at first: 4,000 rules with two networks of their own."""
    rows = "\n".join(
        f"    - {{src: 10.{n >> 8}.{n & 255}.0/24, dst: 172.{16 + (n >> 8)}.{n & 255}.0/24, "
        f"proto: udp, dport: {1000 + n}-{1010 + n}, action: deny}}" for n in range(4000))
    return SMALL + rows + "\n" + extra


def frame(dport, src="198.18.0.1", dst="198.18.0.2"):
    return Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src=src, dst=dst) / \
        UDP(sport=1, dport=dport) / (b"x" * 8)


def near_lines(daemon):
    shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned",
                            daemon.pin_dir / "maps" / "tab_near"], capture_output=True, check=True)
    return json.loads(shown.stdout)["max_entries"] // 2


@pytest.fixture
def pair():
    with Pair() as pair:
        yield pair


def judged(wire):
    """What becomes of: a denied port, one of the large policy's, one of none."""
    return wire.verdicts([frame(7), frame(1500, "10.1.244.9", "172.17.244.9"), frame(9)])


@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_policy_that_outgrows_the_map_is_live_whole(pair, hook):
    with Daemon(pair.inside, config=SMALL) as daemon, Wire.inward(pair) as wire:
        daemon.say("interface", "attach", pair.wire, "--hook", hook)
        assert near_lines(daemon) == 4096
        assert judged(wire) == [False, True, True]
        before = daemon.status()["revision"]
        daemon.apply(large())
        assert judged(wire) == [False, False, True]
        assert near_lines(daemon) > 4096
        assert daemon.status()["revision"] == before + 1


def test_restart_takes_over_the_larger_map(pair):
    with Daemon(pair.inside, config=large(), interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        lines, revision = near_lines(daemon), daemon.status()["revision"]
        daemon.kill()
        assert judged(wire) == [False, False, True]
        daemon.start()
        assert judged(wire) == [False, False, True]
        assert near_lines(daemon) == lines
        assert daemon.status()["revision"] == revision


def test_killed_daemon_with_a_small_map_starts_with_a_large_policy(pair):
    with Daemon(pair.inside, config=SMALL, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        daemon.kill()
        daemon.config.write_text(large())
        daemon.start()
        assert judged(wire) == [False, False, True]
        assert near_lines(daemon) > 4096


def test_refused_policy_leaves_the_small_map_at_work(pair):
    with Daemon(pair.inside, config=SMALL, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        done = daemon.verb("apply", "-", text="memory: 600KiB\n" + large())
        assert done.returncode != 0 and "memory" in done.stderr
        assert near_lines(daemon) == 4096
        assert judged(wire) == [False, True, True]


def test_frames_under_growth_are_each_judged_by_one_policy(pair):
    """Port 7 is denied by both policies and port 9 by none, however the frames fall."""
    with Daemon(pair.inside, config=SMALL, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        more = large("    - {proto: udp, dport: 5, action: deny}\n")
        for number, config in enumerate((large(), SMALL, more)):
            path = daemon.home / f"{number}.yaml"
            path.write_text(config)
            words = daemon.namespace.command(WEIR, "apply", path)
            with subprocess.Popen(words, env=daemon.environment(),
                                  stdout=subprocess.DEVNULL) as change:
                while change.poll() is None:
                    assert wire.verdicts([frame(7), frame(9)] * 50) == [False, True] * 50
            assert change.returncode == 0


# --- interfaces ----------------------------------------------------------------------------------

NAMED = """api: {listen: off}
interfaces: [{name: "wire*"}, {name: "late*"}]
rules:
  policy:
    - {interface: "late*", ingress: deny}
  rules:
    - {interface: late0, proto: udp, dport: 9, action: allow}
    - {interface: "not late*", proto: udp, dport: 7, action: deny}
"""


def late(pair, name):
    veth(pair.inside, name, pair.outside, "far2")
    return Wire(pair.outside, "far2", pair.inside, name)


def is_watched(daemon, name):
    return any(row["name"] == name and row["attached"] for row in daemon.status()["interfaces"])


def test_interface_that_comes_later_meets_what_the_policy_says_of_it(pair):
    with Daemon(pair.inside, config=NAMED) as daemon, Wire.inward(pair) as wire:
        wait_for(lambda: is_watched(daemon, pair.wire), "the first is watched", 10)
        assert wire.verdicts([frame(7), frame(9), frame(8)]) == [False, True, True]
        with late(pair, "late0") as wire2:
            wait_for(lambda: is_watched(daemon, "late0"), "the second is watched", 10)
            assert wire2.verdicts([frame(7), frame(9), frame(8)]) == [False, True, False]


def test_renamed_interface_meets_what_the_policy_says_of_its_new_name(pair):
    with Daemon(pair.inside, config=NAMED) as daemon:
        with late(pair, "late1"):
            wait_for(lambda: is_watched(daemon, "late1"), "it is watched", 10)
        pair.inside.run("ip", "link", "set", "late1", "down")
        pair.inside.run("ip", "link", "set", "late1", "name", "late0")
        pair.inside.run("ip", "link", "set", "late0", "up")
        wait_for(lambda: is_watched(daemon, "late0"), "the new name is known", 10)
        with Wire(pair.outside, "far2", pair.inside, "late0") as wire:
            assert wire.verdicts([frame(7), frame(9), frame(8)]) == [False, True, False]


def test_policy_that_comes_later_knows_the_interfaces_that_are_there(pair):
    with Daemon(pair.inside, config=SMALL, interfaces=[pair.wire]) as daemon, \
            Wire.inward(pair) as wire:
        daemon.apply(SMALL +
                     f"    - {{interface: {pair.wire}, proto: udp, dport: 9, action: deny}}\n"
                     "    - {interface: other, proto: udp, dport: 8, action: deny}\n")
        assert wire.verdicts([frame(7), frame(9), frame(8)]) == [False, False, True]
