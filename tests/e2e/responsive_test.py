# SPDX-License-Identifier: Apache-2.0
"""With a large list loaded: whatever one caller asks for, others are answered meanwhile, and what
is written by the worker is as safe as what is written at once."""
import ipaddress
import random
import threading
import time

import pytest

from harness.daemon import Refused
from harness.frames import udp
from harness.wait import SLOWNESS, pause

pytestmark = [pytest.mark.alone, pytest.mark.outside]

ENTRIES = 300_000
MOST_S = 0.1


@pytest.fixture
def large(daemon):
    numbers = random.Random(3)
    rows = {str(ipaddress.IPv6Address(0x20010DB8 << 96 | numbers.getrandbits(90)))
            for _ in range(ENTRIES)}
    daemon.say("block", "import", "-", text="\n".join(rows) + "\n2001:db7::7\n")
    return daemon


class Watch:
    """Asks for the daemon's health all the time."""

    def __init__(self, daemon):
        self.daemon, self.took, self.over = daemon, [], threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.over.is_set():
            begin = time.monotonic()
            assert self.daemon.healthy()
            self.took.append(time.monotonic() - begin)
            pause(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize("words", [
    ("block", "add", "192.0.2.9", "--ttl", "1h"), ("block", "del", "192.0.2.8"),
    ("block", "add", "192.0.2.8", "--ttl", "2h", "--note", "longer"),
    ("block", "add", "2001:db7::7", "--note", "other"),
    ("block", "export", "--format", "json"), ("block", "list", "--match", "nothing"),
    ("block", "list", "--limit", "100000", "--json"), ("status",),
])
def test_others_are_answered_meanwhile(large, words):
    large.say("block", "add", "192.0.2.8", "--ttl", "1h")
    with Watch(large) as watch:
        large.say(*words)
    # The longest but one: a machine that does something else for a moment is not what is tested.
    assert sorted(watch.took)[-2:][0] < MOST_S * SLOWNESS


def test_singles_of_a_large_list_are_kept_and_undone_like_any_other(large, wire):
    first, second, third = (udp(f"192.0.2.{last}") for last in (1, 2, 3))
    assert large.ask("block", "add", "192.0.2.1", "--ttl", "1h")["result"] == "added"
    assert large.ask("block", "add", "192.0.2.2")["result"] == "added"
    again = large.ask("block", "add", "192.0.2.1", "--ttl", "2h", "--note", "twice")
    assert again["result"] == "refreshed" and again["ttl_s"] == 7200
    assert wire.verdicts([first, second, third]) == [False, False, True]
    large.kill()
    large.start()
    assert wire.verdicts([first, second, third]) == [False, False, True]
    [row] = large.entries("block", "--match", "192.0.2.1")
    assert row["note"] == "twice" and 7000 < row["ttl_s"] <= 7200

    path = large.state / "block-runtime-deny.json"
    path.rename(path.with_suffix(".away"))
    path.mkdir()        # so that no file can be put there
    for words in (("block", "add", "192.0.2.3", "--ttl", "1h"), ("block", "del", "192.0.2.1"),
                  ("block", "add", "192.0.2.1", "--ttl", "3h", "--note", "thrice"),
                  ("block", "add", "2001:db7::7", "--note", "other")):
        with pytest.raises(Refused):
            large.say(*words)
    path.rmdir()
    path.with_suffix(".away").rename(path)
    assert wire.verdicts([first, second, third]) == [False, False, True]
    [row] = large.entries("block", "--match", "192.0.2.1")
    assert row["note"] == "twice" and row["ttl_s"] <= 7200
    [row] = large.entries("block", "--match", "2001:db7::7")
    assert row["note"] is None

    assert large.ask("block", "add", "2001:db7::7", "--note", "other")["result"] == "refreshed"
    [row] = large.entries("block", "--match", "2001:db7::7")
    assert row["note"] == "other"
    assert large.ask("block", "del", "192.0.2.1")["removed"] == 1
    assert wire.verdicts([first, second, third]) == [True, False, True]
