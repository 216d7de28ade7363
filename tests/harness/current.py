# SPDX-License-Identifier: Apache-2.0
"""What is told of sockets. They are read about once a second at the most, and the slower the
machine is the more seldom: an answer may be older than what the test did just before."""
import datetime
import time

from harness.wait import wait_for


def current(daemon, *words):
    """The answer of `weir socket ...`, as of a moment after this was called."""
    since = time.time()

    def answer():
        found = daemon.ask("socket", *words)
        when = found.get("as_of")
        is_new = when and datetime.datetime.fromisoformat(
            when.replace("Z", "+00:00")).timestamp() > since
        return found if is_new or not found["watched"] else None
    return wait_for(answer, "sockets are read anew", 30)
