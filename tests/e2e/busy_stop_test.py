# SPDX-License-Identifier: Apache-2.0
"""A daemon that is told to go while people edit without a pause: it ends what they have begun, and
begins nothing more."""
import json
import signal

import pytest

from harness.busy import CALLERS, Busy
from harness.daemon import Daemon
from harness.net import Namespace
from harness.wait import SLOWNESS

BACKEND = "10.99.0.1"


def config():
    """So many services that a change takes a while."""
    services = [{"name": f"s{i}", "address": f"10.97.{i // 250}.{1 + i % 250}", "port": 80,
                 "backends": [{"address": BACKEND, "port": 10000 + i}]} for i in range(1000)]
    return f"api: {{listen: off}}\nbalance: {json.dumps({'services': services})}\n"


@pytest.fixture()
def namespace():
    made = Namespace("busy-stop")
    yield made
    made.delete()


@pytest.mark.alone
def test_calls_under_way_are_answered_and_no_more_are_taken(namespace):
    with Daemon(namespace, config=config()) as daemon:
        with Busy(daemon, "s0", f"{BACKEND}:10000") as busy:
            before = list(busy.done)
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(20 * SLOWNESS)
            for thread in busy.threads:
                thread.join()
            more = [now - was for now, was in zip(busy.done, before)]
        assert daemon.process.returncode == 0
    # One that was under way, and one that was begun before the signal came in.
    assert max(more) <= 2, more
    assert len(busy.wrong) == CALLERS
    assert any("the daemon is stopping" in wrong for wrong in busy.wrong), busy.wrong
