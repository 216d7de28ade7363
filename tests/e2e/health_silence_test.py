# SPDX-License-Identifier: Apache-2.0
"""A host that refuses a datagram a second, as Linux does, and is asked more often: what it leaves
unsaid does not bring up who is away."""
import contextlib
import json
import socket

import pytest

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Cluster
from harness.daemon import Daemon
from harness.wait import SLOWNESS, wait_for

SERVICES, INTERVAL, TIMEOUT, RISE, FALL = 3, 0.25, 0.1, 2, 3


def config():
    check = {"type": "udp", "interval": f"{1000 * INTERVAL * SLOWNESS:.0f}ms",
             "timeout": f"{1000 * TIMEOUT * SLOWNESS:.0f}ms", "rise": RISE, "fall": FALL,
             "damping": {"downs": 0}}
    services = [{"name": f"s{i}", "address": SERVICE[4], "port": PORT + i, "proto": "udp",
                 "health": check,
                 "backends": [{"address": BACKENDS[4][0], "port": BACKEND_PORT + i}]}
                for i in range(SERVICES)]
    return ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
            "conntrack: {enabled: auto, capacity: 65536}\n"
            f"balance: {json.dumps({'services': services})}\n")


def rows(daemon):
    return daemon.ask("service", "health")["backends"]


def states(daemon):
    return {row["state"] for row in rows(daemon)}


@contextlib.contextmanager
def silent_servers(cluster):
    """They are there and say nothing."""
    with contextlib.ExitStack() as stack:
        for index in range(SERVICES):
            sock = stack.enter_context(cluster.backends.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((BACKENDS[4][0], BACKEND_PORT + index))
        yield


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        limit = made.backends.run("sysctl", "-n", "net.ipv4.icmp_ratelimit").stdout
        assert int(limit) == 1000, "a refusal a second, in milliseconds"
        yield made


def test_backends_that_are_refused_now_and_then_are_down_until_they_are_there(cluster):
    with Daemon(cluster.gateway, config=config()) as daemon:
        wait_for(lambda: states(daemon) == {"down"}, "all are known to be away", 90)
        before = {row["port"]: row["unasked"] for row in rows(daemon)}
        # Many silences, more than `rise` of them in a row.
        wait_for(lambda: all(row["unasked"] >= before[row["port"]] + 15 for row in rows(daemon)),
                 "they are silent", 60)
        assert not daemon.ask("events", "--kind", "health_up")["events"]
        assert states(daemon) == {"down"}
        with silent_servers(cluster):
            wait_for(lambda: states(daemon) == {"up"}, "they are back", 10)
        assert {row["reason"] for row in rows(daemon)} == {"not refused"}
