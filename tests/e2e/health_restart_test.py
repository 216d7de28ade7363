# SPDX-License-Identifier: Apache-2.0
"""Who is down stays so, however the daemon begins anew, while clients go on asking."""
import json
import time

import pytest

from e2e.health_test import (CHANGE, FALL, INTERVAL, RISE, TIMEOUT, changes, check, chosen, config,
                             gone)
from harness.asked import Asker, backends, health, states, wait_states
from harness.balanced import watched
from harness.cluster import BACKEND_PORT, BACKENDS, Cluster, serving
from harness.daemon import HELPERS, Daemon
from harness.wait import SLOWNESS, wait_for


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def kept(daemon):
    """Who the next daemon knows to be down, and by what."""
    path = daemon.run_dir / "health.json"
    return [(row["address"], row["check"]) for row in json.loads(path.read_text())["down"]] \
        if path.exists() else []


def test_state_outlives_a_reload_and_being_down_a_restart(cluster):
    with serving(cluster, 4, which=(0, 2)), \
            watched(cluster, config(check(interval="1h", timeout="100ms"))) as daemon:
        # Nothing is asked for an hour: what is known is of before.
        daemon.apply(config(check()))
        wait_states(daemon, ["up", "down", "up"])
        before = health(daemon)
        was = wait_for(lambda: kept(daemon), "it is written down")
        daemon.apply(config(check(interval="1h", timeout="100ms")))
        wait_states(daemon, ["up", "down", "up"])
        assert health(daemon)[BACKENDS[4][1]]["since"] == before[BACKENDS[4][1]]["since"]
        # What is known is compiled a moment later.
        wait_for(lambda: chosen(cluster, 40) == {BACKENDS[4][0], BACKENDS[4][2]}, "it is avoided")
        # So it is with the check that it has now.
        wait_for(lambda: kept(daemon) != was, "it is written down")
        daemon.restart()
        assert states(daemon) == ["unchecked", "down", "unchecked"]
        assert daemon.ask("service", "list")["services"][0]["state"] == "degraded"
        row = health(daemon)[BACKENDS[4][1]]
        assert (row["reason"], row["checks"]) == ("connect: refused", 0)
        assert chosen(cluster, 40) == {BACKENDS[4][0], BACKENDS[4][2]}


def ends_with_a_kill(daemon):
    daemon.kill()
    daemon.start()


def is_upgraded(daemon):
    daemon.stop()
    daemon.binary = HELPERS / "weir-other-layout"
    daemon.start()


@pytest.mark.parametrize("comes_back", (Daemon.restart, ends_with_a_kill, is_upgraded))
def test_who_is_down_is_avoided_while_the_daemon_begins_anew(cluster, comes_back):
    with backends(cluster) as made, watched(cluster, config(check())) as daemon, \
            Asker(cluster) as asker:
        wait_states(daemon, ["up"] * 3)
        asker.asked(50, 0)
        at = made[1].kill() + FALL * INTERVAL + TIMEOUT + CHANGE * SLOWNESS
        wait_states(daemon, ["up", "down", "up"])
        asker.asked(20, at)
        comes_back(daemon)
        assert states(daemon)[1] == "down"
        # It is checked as ever, and what others have found goes live.
        wait_states(daemon, ["up", "down", "up"])
        asker.asked(100, time.monotonic())
        assert {who for began, who in asker.rows if began >= at} - {None} == {0, 2}
        if comes_back is not is_upgraded:       # with empty tables some may be lost
            assert None not in asker.since(at)
        daemon.stop()
        made[1].start()
        at = asker.rows[-1][0]
        daemon.start()
        wait_states(daemon, ["up"] * 3)
        wait_for(lambda: 1 in asker.since(at), "it is back")
        assert health(daemon)[BACKENDS[4][1]]["checks"] >= RISE


def test_who_was_down_by_another_check_begins_as_if_nobody_knew(cluster):
    with serving(cluster, 4), watched(cluster, config(check(port=BACKEND_PORT + 1))) as daemon:
        wait_states(daemon, ["down"] * 3)
        wait_for(lambda: gone(cluster), "it is known")
        daemon.stop()
        daemon.config.write_text(config(check(interval="1h", timeout="100ms")))
        daemon.start()
        assert states(daemon) == ["unchecked"] * 3
        wait_for(lambda: not gone(cluster), "they are served")


def test_after_a_reboot_nobody_is_known_to_be_down(cluster):
    """The run's directory is empty then, as `weir cleanup` leaves it."""
    with serving(cluster, 4, which=(0, 2)), watched(cluster, config(check())) as daemon:
        wait_states(daemon, ["up", "down", "up"])
        wait_for(lambda: "service.health" in changes(daemon), "it is known")
        daemon.stop()
        assert (daemon.run_dir / "health.json").exists()
        daemon.say("cleanup", "--force", "--pin-dir", daemon.pin_dir, "--run-dir", daemon.run_dir)
        assert not (daemon.run_dir / "health.json").exists()
        daemon.config.write_text(config(check(interval="1h", timeout="100ms")))
        daemon.start()
        assert states(daemon) == ["unchecked"] * 3
