# SPDX-License-Identifier: Apache-2.0
"""Waiting for what must come, with a deadline. Nothing here sleeps for a fixed time."""
import os
import select
import time

# More than 1 on slow machines, such as a kernel under emulation.
SLOWNESS = float(os.environ.get("WEIR_TEST_SLOWNESS", "1"))


def pause(seconds):
    """Gives the processor away between two looks at a condition."""
    select.select([], [], [], seconds)


def wait_for(condition, what, seconds=30):
    """Gives the first true value of condition(); fails past the deadline, naming `what`."""
    end = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds * SLOWNESS:g} s: {what}"
        pause(0.01)
