# SPDX-License-Identifier: Apache-2.0
"""Checks are judged as they leave: a default policy that denies that, and the rule for them."""
import json

import pytest

from harness.asked import backends, states, wait_states
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Cluster
from harness.daemon import Daemon
from harness.wait import SLOWNESS, wait_for

CHECK = {"type": "tcp", "interval": f"{300 * SLOWNESS:.0f}ms", "timeout": f"{200 * SLOWNESS:.0f}ms",
         "rise": 2, "fall": 3}
RULE = {"name": "checks", "direction": "egress", "dst": "10.78.2.0/24", "proto": "tcp",
        "dport": BACKEND_PORT, "action": "allow"}


def config(rules=()):
    services = [{"name": "web", "address": SERVICE[4], "port": PORT, "health": CHECK,
                 "backends": [{"address": address, "port": BACKEND_PORT}
                              for address in BACKENDS[4]]}]
    denied = {"policy": [{"interface": "wan", "ingress": "deny", "egress": "deny"}],
              "rules": list(rules)}
    return ("api: {listen: off}\n"
            "interfaces: [{name: lan, hook: tc}, {name: wan, hook: tc, egress: true}]\n"
            f"rules: {json.dumps(denied)}\nbalance: {json.dumps({'services': services})}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def test_denied_checks_time_out_and_the_rule_of_the_page_lets_them(cluster):
    with backends(cluster), Daemon(cluster.gateway, config=config()) as daemon:
        wait_states(daemon, ["down"] * 3)
        drops = daemon.ask("events", "--kind", "drop")["events"]
        assert {row["dst"] for row in drops} >= set(BACKENDS[4]), drops
        daemon.apply(config([RULE]))
        wait_for(lambda: states(daemon) == ["up"] * 3, "they are asked")
