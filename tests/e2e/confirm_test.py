# SPDX-License-Identifier: Apache-2.0
"""Configurations on trial: back by themselves, kept when confirmed, whatever becomes of the daemon
meanwhile."""
import json
import time

import pytest

from harness.daemon import Refused
from harness.frames import udp
from harness.wait import wait_for

FAILED = 1
PLAIN = "api: {listen: off}\n"


def denying(*entries):
    return PLAIN + ("block: {lists: [{name: l, action: deny, entries: "
                    f"[{', '.join(entries)}]}}]}}\n")


TRIED, OTHER = denying("192.0.2.0/24"), denying("198.51.100.0/24")


def live(daemon):
    return daemon.ask("config", "show")["text"]


def rollback_of(daemon):
    """The change event of the confirm timer, once there is one."""
    for event in daemon.ask("events", "--kind", "change")["events"]:
        if event["who"] == "confirm timer":
            return event
    return None


def policy_file(daemon):
    return json.loads((daemon.state / "policy.json").read_text())


def move_deadline(daemon, seconds):
    """As if the daemon had been gone so long; it must not run."""
    path = daemon.state / "policy.json"
    policy = json.loads(path.read_text())
    policy["trial"]["until"] = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                             time.gmtime(time.time() + seconds))
    path.write_text(json.dumps(policy))


def test_unconfirmed_configuration_goes_back_by_itself(daemon, wire):
    before = daemon.status()["revision"]
    answer = daemon.apply(TRIED, "--confirm", "5s")
    assert 0 < answer["confirm"]["seconds_left"] <= 5
    assert not wire.passes(udp("192.0.2.7"))
    status = daemon.status()["confirm"]
    assert status["within_s"] == 5 and status["seconds_left"] <= 5
    assert "on trial: rolled back in" in daemon.say("status")
    event = wait_for(lambda: rollback_of(daemon), "the roll-back", 20)
    assert event["what"] == "rollback" and event["revision"] == before + 2
    assert wire.passes(udp("192.0.2.7"))
    assert live(daemon) == PLAIN
    assert "confirm" not in daemon.status() and "trial" not in policy_file(daemon)
    [warning] = daemon.ask("events", "--kind", "warning")["events"]
    assert "not confirmed within 5s" in warning["detail"]
    assert "not confirmed within 5s" in daemon.log()


def test_unconfirmed_configuration_has_the_time_it_was_given(daemon):
    start = time.monotonic()
    daemon.apply(TRIED, "--confirm", "5s")
    wait_for(lambda: live(daemon) == PLAIN, "the roll-back", 20)
    assert time.monotonic() - start >= 5


def test_confirmed_configuration_stays(daemon, wire):
    daemon.apply(TRIED, "--confirm", "5s")
    revision = daemon.status()["revision"]
    answer = daemon.ask("confirm")
    assert answer == {"revision": revision, "confirmed": True}
    assert "confirm" not in daemon.status() and "trial" not in policy_file(daemon)
    # A timer that did not heed it would be due before the one of this second trial.
    daemon.apply(OTHER, "--confirm", "6s")
    wait_for(lambda: rollback_of(daemon), "the roll-back of the second trial", 20)
    assert live(daemon) == TRIED
    assert not wire.passes(udp("192.0.2.7"))
    daemon.say("rollback")
    assert live(daemon) == PLAIN


def test_confirming_nothing_is_refused(daemon):
    done = daemon.verb("confirm")
    assert done.returncode == FAILED and "no configuration is on trial" in done.stderr


def test_confirming_another_revision_is_refused(daemon):
    revision = daemon.apply(TRIED, "--confirm", "1h")["revision"]
    assert daemon.verb("confirm", "--expect", str(revision - 1)).returncode == FAILED
    assert daemon.status()["confirm"]
    daemon.say("confirm", "--expect", str(revision))


def test_apply_during_a_trial_is_refused_and_says_what_ends_it(daemon):
    daemon.apply(TRIED, "--confirm", "1h")
    with pytest.raises(Refused) as refused:
        daemon.apply(OTHER)
    for words in ("on trial", "weir confirm", "weir rollback", "--confirm"):
        assert words in refused.value.said
    assert live(daemon) == TRIED
    daemon.say("confirm")
    daemon.apply(OTHER)
    assert live(daemon) == OTHER


def test_reload_during_a_trial_is_refused_and_told(daemon):
    daemon.apply(TRIED, "--confirm", "1h")
    daemon.reload(OTHER)
    wait_for(lambda: "on trial" in daemon.log(), "the refusal in the log")
    assert live(daemon) == TRIED


def test_second_trial_leads_back_to_what_was_confirmed(daemon):
    daemon.apply(TRIED, "--confirm", "1h")
    daemon.apply(OTHER, "--confirm", "5s")
    assert daemon.status()["confirm"]["within_s"] == 5
    wait_for(lambda: rollback_of(daemon), "the roll-back", 20)
    assert live(daemon) == PLAIN


def test_trial_of_what_is_live_is_none(daemon):
    answer = daemon.apply(PLAIN, "--confirm", "1h")
    assert not answer["changed"] and "confirm" not in answer
    assert "confirm" not in daemon.status()


def test_trial_of_what_is_on_trial_gets_time_anew(daemon):
    daemon.apply(TRIED, "--confirm", "1m")
    answer = daemon.apply(TRIED, "--confirm", "1h")
    assert not answer["changed"] and answer["confirm"]["seconds_left"] > 3500
    daemon.say("rollback")
    assert live(daemon) == PLAIN


def test_rollback_ends_a_trial_and_never_leads_to_one(daemon):
    daemon.apply(OTHER)
    daemon.apply(TRIED, "--confirm", "1h")
    daemon.say("rollback")
    assert live(daemon) == OTHER and "confirm" not in daemon.status()
    daemon.say("rollback")
    assert live(daemon) == PLAIN


@pytest.mark.parametrize("duration", ["4s", "0", "61m", "1d", "4999ms"])
def test_too_short_or_too_long_a_trial_is_refused(daemon, duration):
    with pytest.raises(Refused) as refused:
        daemon.apply(TRIED, "--confirm", duration)
    assert "5s to 1h" in refused.value.said and duration in refused.value.said
    assert live(daemon) == PLAIN and "confirm" not in daemon.status()


def test_what_is_no_duration_is_refused(daemon):
    done = daemon.verb("apply", "-", "--confirm", "soon", text=TRIED)
    assert done.returncode == 2 and "'soon' is not a duration" in done.stderr


def test_refused_trial_leaves_the_one_under_way(daemon):
    daemon.apply(TRIED, "--confirm", "1h")
    with pytest.raises(Refused):
        daemon.apply("block: {lists: 7}\n", "--confirm", "5s")
    assert daemon.status()["confirm"]["within_s"] == 3600
    assert live(daemon) == TRIED


def test_daemon_killed_during_a_trial_goes_on_with_it(daemon, wire):
    daemon.apply(TRIED, "--confirm", "20s")
    daemon.kill()
    move_deadline(daemon, 7)
    daemon.start()
    assert not wire.passes(udp("192.0.2.7"))
    assert daemon.status()["confirm"]["seconds_left"] <= 7
    wait_for(lambda: rollback_of(daemon), "the roll-back", 20)
    assert wire.passes(udp("192.0.2.7")) and live(daemon) == PLAIN


def test_daemon_killed_during_a_trial_can_confirm_it_later(daemon):
    daemon.apply(TRIED, "--confirm", "1h")
    daemon.kill()
    daemon.start()
    daemon.say("confirm")
    daemon.restart()
    assert live(daemon) == TRIED and "confirm" not in daemon.status()


def test_daemon_started_after_the_deadline_starts_with_what_was_confirmed(daemon, wire):
    daemon.apply(TRIED, "--confirm", "1m")
    daemon.kill()
    assert not wire.passes(udp("192.0.2.7")), "the data path needs no daemon"
    move_deadline(daemon, -1)
    daemon.start()
    assert wire.passes(udp("192.0.2.7")) and live(daemon) == PLAIN
    assert "confirm" not in daemon.status() and "trial" not in policy_file(daemon)
    assert rollback_of(daemon)["what"] == "rollback"
    assert "was not confirmed within 1m" in daemon.log()
    daemon.restart()
    assert live(daemon) == PLAIN


@pytest.mark.parametrize("seconds", [-1, 3600], ids=["after", "before"])
def test_edited_file_does_not_outlive_its_trial(daemon, seconds):
    """What is tried is mostly the configuration file itself: it wins no start over the way back."""
    daemon.config.write_text(TRIED)
    daemon.say("apply", daemon.config, "--confirm", "1h")
    daemon.kill()
    move_deadline(daemon, seconds)
    daemon.start()
    if seconds > 0:
        assert daemon.status()["confirm"]
        daemon.say("rollback")
    assert live(daemon) == PLAIN
    daemon.restart()
    assert live(daemon) == PLAIN
    daemon.stop()
    daemon.config.write_text(OTHER)
    daemon.start()
    assert live(daemon) == OTHER, "an edit after the trial counts"


def test_clock_set_back_gives_no_more_time(daemon):
    daemon.apply(TRIED, "--confirm", "1m")
    daemon.kill()
    move_deadline(daemon, 100000)
    daemon.start()
    assert daemon.status()["confirm"]["seconds_left"] <= 60


def test_rollback_that_is_refused_is_told_and_tried_again(daemon, tmp_path, wire):
    listed = tmp_path / "list.txt"
    listed.write_text("198.51.100.1\n")
    confirmed = PLAIN + f"block: {{lists: [{{name: l, action: deny, file: {listed}}}]}}\n"
    daemon.apply(confirmed)
    daemon.apply(TRIED, "--confirm", "5s")
    listed.unlink()
    wait_for(lambda: "rollback refused" in daemon.log(), "the refusal", 20)
    assert live(daemon) == TRIED and daemon.status()["confirm"]["seconds_left"] == 0
    listed.write_text("198.51.100.2\n")
    wait_for(lambda: live(daemon) == confirmed, "the second try", 20)
    assert wire.verdicts([udp("192.0.2.7"), udp("198.51.100.2")]) == [True, False]


def test_rule_of_run_time_does_not_stand_in_the_way_back(daemon, wire):
    """Its name, and a set that went meanwhile: what an apply is refused for, a roll-back is not."""
    confirmed = PLAIN + """rules:
  rules: [{name: ssh, src: 192.0.2.7, action: allow}, {src: guests, action: deny}]
"""
    daemon.say("set", "add", "198.51.100.1", "--list", "guests")
    daemon.apply(confirmed)
    daemon.apply(TRIED, "--confirm", "5s")
    daemon.say("rule", "add", "ssh", "--action", "deny", "--dport", "9")
    daemon.say("set", "clear", "--list", "guests")
    wait_for(lambda: live(daemon) == confirmed, "the way back", 20)
    assert wire.verdicts([udp("192.0.2.7"), udp("198.51.100.1")]) == [True, True]
    [warning] = daemon.ask("events", "--kind", "warning")["events"]
    assert "has the name 'ssh', too" in warning["detail"] and "'guests'" in warning["detail"]
    assert "\n" not in warning["detail"] and "\\x0a" not in daemon.log()
