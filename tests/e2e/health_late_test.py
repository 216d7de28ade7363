# SPDX-License-Identifier: Apache-2.0
"""More checks than may be under way at once: those that begin late are counted."""
import json

import pytest

from harness.daemon import Daemon
from harness.net import Namespace
from harness.pages import page_of
from harness.wait import wait_for

SILENCE = """table ip silence {
    chain input {
        type filter hook input priority 0
        ip daddr 10.81.0.0/16 drop
    }
}"""
FILES = 512         # the daemon may open, so half as many checks are under way at once


@pytest.fixture
def namespace():
    """It has all the backends' addresses, and drops what is for them."""
    made = Namespace("late")
    try:
        made.run("ip", "route", "add", "local", "10.81.0.0/16", "dev", "lo")
        made.run("nft", "-f", "-", input=SILENCE)
        yield made
    finally:
        made.delete()


def config(count):
    """Nobody answers."""
    backends = [{"address": f"10.81.{1 + index // 250}.{1 + index % 250}"}
                for index in range(count)]
    health = {"type": "tcp", "interval": "1s", "timeout": "1s"}
    service = {"name": "dead", "address": "10.79.0.1", "port": 80, "backends": backends,
               "health": health}
    return f"api: {{listen: off}}\nbalance: {json.dumps({'services': [service]})}\n"


def told(daemon):
    """(checks that ended, checks that began late)."""
    page = page_of(daemon)
    return [page.sum(f"weir_balance_health_{name}_total") for name in ("checks", "late")]


@pytest.mark.parametrize("count, is_late", ((FILES // 8, False), (FILES * 2, True)),
                         ids=("few", "many"))
def test_checks_that_begin_late_are_counted(namespace, count, is_late):
    with Daemon(namespace, config=config(count),
                prefix=["prlimit", f"--nofile={FILES}:{FILES}"]) as daemon:
        checks, late = wait_for(lambda: (lambda now: now if now[0] > FILES else None)(
            told(daemon)), "many have ended", 60)
        assert bool(late) == is_late and late <= checks + FILES
