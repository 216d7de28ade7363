# SPDX-License-Identifier: Apache-2.0
"""Who is down when his service is disabled is so when it is enabled again, before any check."""
import pytest

from e2e.health_test import changes, check, chosen, config
from harness.asked import health, states, wait_states
from harness.balanced import watched
from harness.cluster import BACKENDS, Cluster, serving
from harness.wait import wait_for

# So long that a new connection comes before three checks have failed.
SLOWLY = {"interval": "2s", "timeout": "1s", "fall": 3, "rise": 2}
HERE = {BACKENDS[4][0], BACKENDS[4][2]}


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def second_is_down(daemon):
    wait_states(daemon, ["up", "down", "up"])
    wait_for(lambda: "service.health" in changes(daemon), "it is known")


@pytest.mark.parametrize("what", (("service", "{}", "web"), ("lb", "{}")),
                         ids=lambda words: words[0])
@pytest.mark.parametrize("is_restarted", (False, True), ids=("goes-on", "restarted"))
def test_backend_that_is_down_is_avoided_once_its_service_is_enabled(cluster, what, is_restarted):
    def say(verb):
        daemon.say(*(word.format(verb) for word in what))

    with serving(cluster, 4, which=(0, 2)), watched(cluster, config(check(**SLOWLY))) as daemon:
        second_is_down(daemon)
        checks = health(daemon)[BACKENDS[4][1]]["checks"]
        say("disable")
        assert states(daemon) == [None] * 3
        if is_restarted:
            daemon.restart()
        say("enable")
        assert chosen(cluster, 40) == HERE
        row = health(daemon)[BACKENDS[4][1]]
        assert (row["state"], row["reason"]) == ("down", "connect: refused")
        assert row["checks"] <= checks + 1, "it has not been looked for again"
        with serving(cluster, 4, which=(1,)):
            wait_states(daemon, ["up"] * 3)
            wait_for(lambda: chosen(cluster, 40) == set(BACKENDS[4]), "it is back")


def test_backend_that_was_down_by_another_check_begins_as_if_nobody_knew(cluster):
    with serving(cluster, 4, which=(0, 2)), watched(cluster, config(check(**SLOWLY))) as daemon:
        second_is_down(daemon)
        daemon.say("service", "disable", "web")
        daemon.apply(config(check(interval="1h", timeout="100ms")))
        daemon.say("service", "enable", "web")
        assert states(daemon) == ["unchecked"] * 3
