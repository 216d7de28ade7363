# SPDX-License-Identifier: Apache-2.0
"""Flows say by what they were let in, as long as they live, when they are over and in the log; and
what is denied is no flow, and counted where the page says."""
import csv
import io

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from harness.account import account
from harness.frames import ether
from harness.logged import lines_of
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = """api: {{listen: off}}
interfaces: [{{name: wire, hook: {hook}, egress: true}}]
conntrack: {{enabled: true, account: true}}
log: {{file: {{path: {log}, kinds: [flow]}}}}
block:
  lists:
    - {{name: friends, action: allow, entries: [198.51.100.9]}}
    - {{name: foes, action: deny, entries: [198.51.100.66]}}
rules:
  rules:
    - {{name: names, action: allow, proto: udp, dport: 53}}
    - {{name: nobody, action: deny, proto: udp, dport: 54}}
"""
SERVER = "192.0.2.9"
# source, port, reason, number of the rule
LET_IN = (("198.51.100.7", 53, "pass_rule", 1), ("198.51.100.7", 80, "pass_policy", None),
          ("198.51.100.9", 80, "pass_allowed", None), ("198.51.100.9", 53, "pass_rule", 1))
DENIED = (("198.51.100.7", 54), ("198.51.100.9", 54), ("198.51.100.66", 80))


@pytest.fixture
def pair():
    with Pair("verdict") as made:
        yield made


def send(pair, rows):
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for src, port, *_ in rows:
            sock.send(bytes(ether() / IP(src=src, dst=SERVER) / UDP(sport=4000, dport=port) /
                            Raw(b"x" * 20)))


def told(rows):
    assert all(row["verdict"] == "pass" for row in rows)
    return {(row["src"], row["dport"], row["verdict_reason"], row.get("rule")) for row in rows}


@pytest.mark.parametrize("hook", ("tc", "xdp"))
def test_flows_say_by_what_they_were_let_in(pair, weir_daemon, tmp_path, hook):
    log = tmp_path / "log.json"
    daemon = weir_daemon(pair.inside, config=CONFIG.format(hook=hook, log=log))
    send(pair, LET_IN + DENIED)
    rows = wait_for(lambda: len(found := daemon.ask("flow", "list", "proto=udp")["flows"]) ==
                    len(LET_IN) and found, "all flows are there")
    assert told(rows) == set(LET_IN)
    rows = list(csv.DictReader(io.StringIO(daemon.say("flows", "proto=udp", "--csv"))))
    assert {(row["src"], int(row["dport"]), row["verdict_reason"]) for row in rows} == {
        row[:3] for row in LET_IN}
    assert "let in      pass_allowed" in daemon.say("flow", "show", "src=198.51.100.9 and port=80")
    daemon.say("flow", "flush", "proto=udp")
    rows = wait_for(lambda: len(found := daemon.ask("flow", "ended")["flows"]) == len(LET_IN) and
                    found, "all have ended")
    assert told(rows) == set(LET_IN)
    lines = wait_for(lambda: log.exists() and len(found := lines_of(log, is_written=True)) ==
                     len(LET_IN) and found, "the log has them")
    assert {(line["source"]["ip"], line["destination"]["port"],
             line["weir"]["flow"]["verdict_reason"]) for line in lines} == {
                 row[:3] for row in LET_IN}
    assert all(line["weir"]["flow"]["verdict"] == "pass" for line in lines)


@pytest.mark.parametrize("hook", ("tc", "xdp"))
def test_what_is_denied_is_no_flow_and_counted_elsewhere(pair, weir_daemon, tmp_path, hook):
    daemon = weir_daemon(pair.inside, config=CONFIG.format(hook=hook, log=tmp_path / "log.json"))
    before = account(daemon)["wire", "ingress"].get("dropped", (0, 0))[0]
    send(pair, DENIED)
    wait_for(lambda: daemon.reasons().get("drop_rule") == 2 and
             daemon.reasons().get("drop_blocked") == 1, "reasons have them")
    wait_for(lambda: account(daemon)["wire", "ingress"]["dropped"].packets == before + len(DENIED),
             "they are dropped, and in no flow")
    assert not daemon.ask("flow", "list", "proto=udp")["flows"]
    rule, = (row for row in daemon.ask("rule", "list")["rules"] if row["name"] == "nobody")
    assert rule["packets"] == 2
    assert daemon.ask("block", "lists")["lists"][0]["hits"]["packets"] == 1
    rows = wait_for(lambda: len(found := daemon.ask("events", "--kind", "drop")["events"]) ==
                    len(DENIED) and found, "events tell of all")
    assert {(row["src"], row["dport"], row["reason"]) for row in rows} == {
        ("198.51.100.7", 54, "drop_rule"), ("198.51.100.9", 54, "drop_rule"),
        ("198.51.100.66", 80, "drop_blocked")}


def test_a_flow_that_is_denied_later_keeps_by_what_it_was_let_in(pair, weir_daemon, tmp_path):
    text = CONFIG.format(hook="tc", log=tmp_path / "log.json")
    daemon = weir_daemon(pair.inside, config=text)
    send(pair, LET_IN[:1])
    wait_for(lambda: daemon.ask("flow", "list", "proto=udp")["flows"], "it is let in")
    daemon.apply(text.replace("action: allow, proto: udp", "action: deny, proto: udp"))
    send(pair, LET_IN[:1])
    wait_for(lambda: daemon.reasons().get("drop_rule") == 1, "it is denied")
    row, = daemon.ask("flow", "list", "proto=udp")["flows"]
    assert (row["verdict_reason"], row["packets"]) == ("pass_rule", 1)
