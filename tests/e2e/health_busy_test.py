# SPDX-License-Identifier: Apache-2.0
"""People edit all the time: who dies is out all the same, and what is over goes."""
import json
import re

import pytest

from harness.account import metrics
from harness.asked import Asker, backends, states, wait_states
from harness.busy import Busy
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Cluster
from harness.daemon import Daemon
from harness.wait import SLOWNESS, wait_for

INTERVAL, TIMEOUT, RISE, FALL = 0.3 * SLOWNESS, 0.2 * SLOWNESS, 2, 3
# Of the sockets of checks behind all that callers say, to be joined to a change, for the one that
# is under way, and to compile it.
CHANGE = 1.5 * SLOWNESS
# A backend that is only edited; nobody is there.
OTHER = "10.99.0.1"


def config(more=0):
    check = {"type": "tcp", "interval": f"{1000 * INTERVAL:.0f}ms",
             "timeout": f"{1000 * TIMEOUT:.0f}ms", "rise": RISE, "fall": FALL}
    services = [
        {"name": "web", "address": SERVICE[4], "port": PORT, "health": check,
         "backends": [{"address": address, "port": BACKEND_PORT} for address in BACKENDS[4]]},
        {"name": "other", "address": "10.98.0.1", "port": PORT,
         "backends": [{"address": OTHER, "port": BACKEND_PORT}]}]
    services += [{"name": f"more-{i}", "address": f"10.97.{i // 250}.{1 + i % 250}", "port": PORT,
                  "backends": [{"address": OTHER, "port": 10000 + i}]} for i in range(more)]
    return ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
            "conntrack: {enabled: auto, capacity: 65536}\n"
            f"balance: {json.dumps({'services': services})}\n")


def changes(daemon):
    return int(re.search(r"^weir_balance_health_changes_total (\d+)$", metrics(daemon), re.M)[1])


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.mark.alone
def test_dead_backend_is_out_while_edits_never_end(cluster):
    with backends(cluster) as made, Daemon(cluster.gateway, config=config()) as daemon, \
            Asker(cluster) as asker:
        wait_states(daemon, ["up"] * 3)
        with Busy(daemon, "other", f"{OTHER}:{BACKEND_PORT}") as busy:
            died = made[1].kill()
            after = died + FALL * INTERVAL + TIMEOUT + CHANGE
            assert set(asker.asked(200, after)) == {0, 2}, "somebody met it, or nobody"
            busy.goes_on()
            made[1].start()
            after = asker.rows[-1][0] + RISE * INTERVAL + TIMEOUT + CHANGE
            assert set(asker.asked(200, after)) == {0, 1, 2}
            busy.goes_on()
        assert states(daemon) == ["up"] * 3
        # It went and came: two policies, and neither was made twice.
        wait_for(lambda: changes(daemon) == 2, "both are told")


def rate(daemon):
    return sum(row["new_per_s"] for row in daemon.ask("service", "stats", "web")["services"])


@pytest.mark.alone
def test_rates_are_told_while_edits_never_end(cluster):
    """As all that features do once a second. Many services, so that each change takes a while."""
    with backends(cluster), Daemon(cluster.gateway, config=config(1000)) as daemon, \
            Busy(daemon, "other", f"{OTHER}:{BACKEND_PORT}") as busy:
        for _ in range(3):
            with Asker(cluster):
                wait_for(lambda: rate(daemon) > 0, "what goes on is told", 6)
            wait_for(lambda: rate(daemon) == 0, "what is over is told", 6)
        busy.goes_on()
