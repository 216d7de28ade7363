# SPDX-License-Identifier: Apache-2.0
"""`weir lb list-dnat` says who gets new connections: who is down does not, unless all are kept."""
import pytest

from e2e.health_test import check, chosen, config
from harness.asked import wait_states
from harness.balanced import watched
from harness.cluster import BACKEND_PORT, BACKENDS, Cluster, serving
from harness.wait import wait_for


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def listed(daemon):
    return [(row["enabled"], row.get("state")) for row in daemon.ask("lb", "list-dnat")["dnat"]]


def told(daemon):
    """The last two columns."""
    return [line.split()[-2:] for line in daemon.say("lb", "list-dnat").splitlines()[:4]]


def test_backend_that_is_killed_is_not_enabled_until_it_is_back(cluster):
    with serving(cluster, 4, which=(0, 2)), watched(cluster, config(check())) as daemon:
        with serving(cluster, 4, which=(1,)):
            wait_for(lambda: listed(daemon) == [(True, "up")] * 3, "all are up")
        wait_for(lambda: listed(daemon) == [(True, "up"), (False, "down"), (True, "up")],
                 "one is down")
        assert told(daemon) == [["Enabled", "State"], ["true", "up"], ["false", "down"],
                                ["true", "up"]]
        with serving(cluster, 4, which=(1,)):
            wait_for(lambda: listed(daemon) == [(True, "up")] * 3, "it is back")
            daemon.say("service", "backend", "drain", "web",
                       f"{BACKENDS[4][0]}:{BACKEND_PORT}")
            assert listed(daemon)[0] == (False, "drained")
            daemon.say("service", "disable", "web")
            assert listed(daemon) == [(False, "disabled")] * 3


@pytest.mark.parametrize("then, gets_new", (("refuse", False), ("keep-all", True)))
def test_backends_that_are_all_down_are_enabled_where_they_are_kept(cluster, then, gets_new):
    with serving(cluster, 4), watched(cluster, config(
            check(port=BACKEND_PORT + 1), more={"on-all-down": then})) as daemon:
        wait_states(daemon, ["down"] * 3)
        wait_for(lambda: listed(daemon) == [(gets_new, "down")] * 3, "all are known to be down")
        wait_for(lambda: chosen(cluster, 40) == (set(BACKENDS[4]) if gets_new else {None}),
                 "so it is")


def test_backends_that_nobody_checks_are_enabled_and_have_no_state(cluster):
    with watched(cluster, config()) as daemon:
        assert listed(daemon) == [(True, None)] * 3
        assert "State" not in daemon.say("lb", "list-dnat")
