# SPDX-License-Identifier: Apache-2.0
"""States that a kill at the wrong moment leaves, made by hand, and changes in whose middle a packet
could slip through."""
import concurrent.futures
import ipaddress
import subprocess

import pytest

from harness.daemon import Refused
from harness.frames import udp
from harness.kernel import BPFTOOL, dump
from harness.wait import wait_for


def live_slot(daemon):
    [(_, value)] = dump(daemon.pin_dir / "maps" / "cfg_live")
    return int(value[0], 16) & 1


def test_pinned_slot_that_was_never_placed_is_not_written_to(daemon, wire):
    """Killed between pinning the new map of the spare slot and placing it for packets to read."""
    daemon.say("block", "import", "-", "--list", "a", text="192.0.2.1\n")
    daemon.say("block", "import", "-", "--list", "b", text="192.0.2.2\n")
    spare = daemon.pin_dir / "policy" / str(1 - live_slot(daemon))
    daemon.kill()
    spare.unlink()
    subprocess.run([BPFTOOL, "map", "create", spare, "type", "array", "key", "4", "value", "64",
                    "entries", "9400", "name", "policy", "flags", str(0x1400)], check=True)
    daemon.start()
    daemon.say("block", "import", "-", "--list", "c", text="192.0.2.3\n")
    assert wire.verdicts([udp(f"192.0.2.{last}") for last in (1, 2, 3, 4)]) == [
        False, False, False, True]


def test_live_set_made_larger_lets_nothing_through(daemon, wire):
    """set_block is another map then, and cfg_block the same."""
    daemon.say("block", "add", "192.0.2.1", "--ttl", "1h")
    daemon.apply("api: {listen: off}\nblock: {live: 100}\n")
    assert not wire.passes(udp("192.0.2.1"))
    assert wire.passes(udp("192.0.2.2"))


def test_live_set_too_small_for_what_is_in_force_is_refused(daemon, wire):
    for last in range(1, 21):
        daemon.say("block", "add", f"192.0.2.{last}", "--ttl", "1h")
    before = daemon.ask("config", "show")
    with pytest.raises(Refused) as refused:
        daemon.apply("api: {listen: off}\nblock: {live: 16}\n")
    assert "block.live" in refused.value.said
    assert daemon.ask("config", "show") == before
    blocked = [udp(f"192.0.2.{last}") for last in range(1, 21)]
    assert not any(wire.verdicts(blocked))
    daemon.kill()
    daemon.start()
    assert not any(wire.verdicts(blocked))


def test_explain_while_a_program_is_loaded_tells_of_its_own_packet(daemon):
    """The self-test of a new program is a probe too."""
    config = "api: {{listen: off}}\nevents: {{sample: {}}}\n"
    for sample in range(2, 6):
        daemon.config.write_text(config.format(sample))
        daemon.reload(config.format(sample))
        for _ in range(20):
            told = daemon.ask("explain", "--src", "198.51.100.1", "--dst", "198.51.100.2")
            assert told["packet"]["src"] == "198.51.100.1"
        wait_for(lambda number=sample: f"sample: {number}" in daemon.ask("config", "show")["text"],
                 "the configuration is live")


def test_deletions_that_wait_together_are_all_done(daemon, tmp_path):
    """Each is made of the list as the one before left it."""
    daemon.say("block", "import", "-", text="".join(f"192.0.2.{last}\n" for last in range(100)))
    big = tmp_path / "big"
    big.write_text("".join(f"{ipaddress.ip_address(n * 7919 % (1 << 32))}\n"
                           for n in range(1, 200_000)))
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        slow = pool.submit(daemon.say, "block", "import", big, "--list", "big")
        done = list(pool.map(lambda last: daemon.verb("block", "del", f"192.0.2.{last}"),
                             range(0, 40)))
        slow.result()
    assert all(one.returncode == 0 for one in done), [one.stderr for one in done if one.returncode]
    left = {row["entry"] for row in daemon.entries("block", "--list", "runtime-deny")}
    assert left == {f"192.0.2.{last}" for last in range(40, 100)}
