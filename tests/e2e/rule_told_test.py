# SPDX-License-Identifier: Apache-2.0
"""Who is told of rules: explain, events, metrics, status, the API; and schedules, by the clock."""
import datetime
import json
import zoneinfo

import pytest

from harness.frames import udp
from harness.rules import (BASE, PORT, RULES, add, ask_http, cleared, explained,  # noqa: F401
                           order, rules, standing)
from harness.wait import wait_for
from harness.wire import Wire

LISTENING = f"api: {{listen: '127.0.0.1:{PORT}'}}\n"


# --- explain, events, status, metrics -----------------------------------------------------------

def test_explain_names_the_rule(cleared):
    daemon, _ = cleared
    add(daemon, "x", "--src", "203.0.113.1")
    number = rules(daemon)[-1]["id"]
    answer = explained(daemon, "203.0.113.1")
    assert (answer["reason"], answer["rule"]) == (
        "drop_rule", {"name": "x", "id": number, "origin": "runtime", "action": "deny"})
    assert explained(daemon, "192.0.2.1")["rule"]["origin"] == "file"
    nameless = explained(daemon, "192.0.2.2")["rule"]
    assert nameless["name"] is None and nameless["id"] == rules(daemon)[1]["id"]
    assert "rule" not in explained(daemon, "198.51.100.1")
    text = daemon.say("explain", "--src", "203.0.113.1", "--dst", "198.18.0.1")
    assert "x (deny, runtime)" in text


def test_expectations_and_looks_without_a_daemon_name_the_rule(cleared, tmp_path):
    daemon, _ = cleared
    add(daemon, "x", "--src", "203.0.113.1")
    daemon.say("rule", "test", "-", text="udp 203.0.113.1:1 > 10.0.0.1:2 is denied by x\n"
                                         "udp 192.0.2.1:1 > 10.0.0.1:2 is allowed by one\n")
    (tmp_path / "weir.yaml").write_text(RULES)
    daemon.say("rule", "test", "-", "--config", tmp_path / "weir.yaml",
               text="udp 203.0.113.1:1 > 10.0.0.1:2 is allowed\n"
                    "udp 192.0.2.1:1 > 10.0.0.1:2 is allowed by one\n")


def test_events_name_the_rule_that_dropped_or_told(cleared):
    daemon, wire = cleared
    add(daemon, "dropper", "--src", "203.0.113.1")
    add(daemon, "teller", "--src", "203.0.113.2", action="log")
    add(daemon, "both", "--src", "203.0.113.3", "--log", action="allow")
    wire.send([udp(f"203.0.113.{i}") for i in (1, 2, 3)])

    def told(kind):
        return {(event["src"], event["rule"].get("name"))
                for event in daemon.ask("events", "--kind", kind)["events"] if "rule" in event}
    wait_for(lambda: ("203.0.113.1", "dropper") in told("drop"), "the drop is told of")
    wait_for(lambda: told("log") >= {("203.0.113.2", "teller"), ("203.0.113.3", "both")},
             "both are told of")
    assert "rule teller (log, runtime)" in daemon.say("events", "--kind", "log")


def test_default_policy_is_not_blamed_on_the_rule_that_told(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], config=BASE + """rules:
  policy: [{ingress: deny}]
  rules: [{name: teller, action: log}]
""")
    wire.send([udp("203.0.113.9")])
    drops = wait_for(lambda: daemon.ask("events", "--kind", "drop")["events"], "it is told of")
    assert (drops[0]["reason"], "rule" in drops[0]) == ("drop_policy", False)
    assert daemon.ask("events", "--kind", "log")["events"][0]["rule"]["name"] == "teller"


def test_status_counts_rules(cleared):
    daemon, _ = cleared
    add(daemon, "x")
    status = daemon.status()["rules"]
    assert {key: status[key] for key in ("file", "runtime", "acting", "counters", "most")} == {
        "file": 4, "runtime": 1, "acting": 4, "counters": 5, "most": 10000}
    assert status["words"] >= 1


def test_status_shows_no_policy_that_is_switched_off(cleared):
    daemon, _ = cleared
    daemon.apply("api: {listen: off}\nrules: {enabled: false, policy: [{ingress: deny}]}\n")
    assert daemon.status()["rules"]["policy"] == []
    assert "default everywhere: allow" in daemon.say("status")


def test_metrics_name_rules_up_to_a_bound(weir_daemon, pair):
    """And what has no row of its own is in one, which does not fall when a part of it goes: the
    rules behind the bound, those without a name, and one that is called as that row is."""
    called = "{name: other, src: 10.0.1.1, action: deny}"
    named = [f"{{name: r{i:02}, src: 10.0.0.{i}, action: deny}}" for i in range(60)]
    goes, limit = ("{src: 10.0.0.100, action: deny}",
                   "{src: 10.0.0.101, action: limit, rate: 1/h, burst: 1}")

    def config(*rules):
        return LISTENING + f"rules: {{rules: [{', '.join(rules)}]}}\n"
    daemon = weir_daemon(pair.inside, config=config(called, *named, goes, limit),
                         interfaces=[pair.wire])
    with Wire.inward(pair) as wire:
        wire.send([udp("10.0.0.0")] * 2 + [udp("10.0.0.59")] * 3 + [udp("10.0.0.100")] * 4 +
                  [udp("10.0.1.1")] * 5 + [udp("10.0.0.101")] * 6)

    def read(name="weir_rule_packets_total"):
        status, text = ask_http(daemon, "GET", "/metrics", "viewer")
        assert status == 200
        rows = [line for line in text.splitlines() if line.startswith(name)]
        return {labels: float(value) for labels, value in (line.rsplit(" ", 1) for line in rows)}
    first, other = ('weir_rule_packets_total{rule="r00",action="deny"}',
                    'weir_rule_packets_total{rule="other",action="other"}')
    wait_for(lambda: read()[first] == 2, "r00 has its packets")
    assert len(read()) == 51
    assert read()[other] == 3 + 4 + 5 + 6
    assert read("weir_rule_over_packets_total") == {
        'weir_rule_over_packets_total{rule="other"}': 5}
    daemon.apply(config(called, *named, limit))
    wait_for(lambda: len(daemon.ask("rule", "list")["rules"]) == 62, "one is gone")
    with Wire.inward(pair) as wire:
        wire.send([udp("10.0.0.0")] + [udp("10.0.0.59")] * 2)
    wait_for(lambda: read()[first] == 3, "the next are counted")
    assert read()[other] == 18 + 2


# --- schedules ----------------------------------------------------------------------------------

@pytest.mark.parametrize("zone", [None, "Asia/Kolkata", "America/St_Johns"])
def test_schedule_goes_by_local_time(weir_daemon, pair, wire, zone):
    prefix = ["env", f"TZ={zone}"] if zone else []
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire], prefix=prefix)
    now = datetime.datetime.now(zoneinfo.ZoneInfo(zone) if zone else None)

    def around(hours):
        """Half an hour before and after so many hours from now, on the days these are."""
        ends = [now + datetime.timedelta(hours=hours, minutes=minutes) for minutes in (-30, 30)]
        return f"{ends[0]:%a}".lower() + f" {ends[0]:%H:%M}-{ends[1]:%H:%M}"
    add(daemon, "now", "--src", "203.0.113.1", "--schedule", around(0))
    for name, hours in (("later", 2), ("before", -2), ("tomorrow", 24), ("week", 12)):
        add(daemon, name, "--src", "203.0.113.2", "--schedule", around(hours))
    assert wire.verdicts([udp("203.0.113.1"), udp("203.0.113.2")]) == [False, True]
    assert explained(daemon, "203.0.113.1")["rule"]["name"] == "now"


# --- the API --------------------------------------------------------------------------------------

@pytest.mark.parametrize("verb, body, status", [
    ("add", {"name": "api", "action": "deny", "src": "203.0.113.9", "log": True}, 200),
    ("add", {"name": "api2", "action": "deny", "dport": "x"}, 400),
    ("add", {"name": "api2", "action": "drop"}, 400),
    ("add", {"name": "api2"}, 400),
    ("add", {"name": "api2", "action": "deny", "nonsense": "x"}, 400),
    ("add", {"name": "one", "action": "deny"}, 409),
    ("add", {"name": "api2", "action": "deny", "before": "absent"}, 404),
    ("del", {"name": "absent"}, 404),
    ("del", {"name": "one"}, 400),
    ("move", {"name": "absent", "first": True}, 404),
])
def test_api_answers_with_the_right_status(cleared, verb, body, status):
    daemon, _ = cleared
    said, text = ask_http(daemon, "POST", f"/api/v1/rule/{verb}", body=body)
    assert said == status, text
    assert ("api" in order(daemon)) == (status == 200)
    if status != 200:
        assert json.loads(text)["error"]


def test_viewer_may_look_and_not_add(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=LISTENING)
    body = {"name": "x", "action": "deny"}
    assert ask_http(daemon, "POST", "/api/v1/rule/add", "viewer", body)[0] == 403
    status, text = ask_http(daemon, "GET", "/api/v1/rule/list?match=x", "viewer")
    assert (status, json.loads(text)["total"]) == (200, 0)
    assert ask_http(daemon, "POST", "/api/v1/rule/add", "operator", body)[0] == 200
    assert json.loads(ask_http(daemon, "GET", "/api/v1/rule/list", "viewer")[1])["total"] == 1
