# SPDX-License-Identifier: Apache-2.0
"""What a limit lets pass in a time, on real clocks."""
import time
import typing

from harness.wait import wait_for


class Look(typing.NamedTuple):
    """Packets, and between which times they were counted."""
    before_s: float
    passed: int
    over: int
    after_s: float


class Found(typing.NamedTuple):
    """Packets, and between which times they came: a look takes a while itself."""
    passed: int
    over: int
    least_s: float
    most_s: float


class RateLook:
    """The only limit of a daemon, or of its rules, while a flood meets it: what passes between two
    looks, both at a bucket that is empty."""

    def __init__(self, daemon):
        self.daemon = daemon

    def look(self):
        before = time.monotonic()
        shown = self.daemon.ask("limit", "show")
        row = (shown["limits"] or shown["rules"])[0]
        return Look(before, row["passed"], row["over"], time.monotonic())

    def look_at_empty_bucket(self):
        before, now = self.look(), self.look()
        return now if now.over > before.over else None

    def measure(self, seconds, meanwhile=lambda: None):
        first = wait_for(self.look_at_empty_bucket, "the burst is over")
        while time.monotonic() < first.after_s + seconds:
            meanwhile()
            self.look()
        last = wait_for(self.look_at_empty_bucket, "what was left has passed")
        return Found(last.passed - first.passed, last.over - first.over,
                     last.before_s - first.after_s, last.after_s - first.before_s)
