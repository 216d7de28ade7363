# SPDX-License-Identifier: Apache-2.0
"""A policy that changes under live flows, through a gateway: at the next packet of either side, and
no sooner or later, a flow has the mark and the rule of the new policy, or is let in no more. The
mark is read by the kernel from what leaves."""
import contextlib
import ipaddress
import json

import pytest

from harness.daemon import Daemon
from harness.gateway import SENTINEL_PROTO, Gateway
from harness.site import reload
from model.talk import Talk

HOOKS = {"tc": {"hook": "tc"}, "xdp": {"hook": "xdp", "egress": True}}
# What opens a flow, and then a packet of each side that changes nothing.
LIVES = {
    "tcp": (["> S", "< SA", "> A"], "> A", "< A"),
    "udp": (["> udp 10", "< udp 10", "> udp 10"], "> udp 10", "< udp 10"),
    "ping": (["> ping", "< pong", "> ping"], "> ping", "< pong"),
    "gre": (["> gre", "< gre", "> gre"], "> gre", "< gre"),
    "sctp": (["> INIT", "< INIT-ACK", "> COOKIE-ECHO", "< COOKIE-ACK"], "> DATA", "< SACK"),
}
ATTEMPT = (["> S"], "> S seq-1", None)
PROTOS = {"tcp": "tcp", "udp": "udp", "ping": "icmp, icmpv6", "gre": "gre", "sctp": "sctp"}
TURNED = str.maketrans("<>", "><")
DENIED = [{"interface": "*", "ingress": "deny", "egress": "deny"}]
# Closes what a gateway is sent (harness/gateway.py): it is no part of this.
CLOSING = {"name": "closing", "proto": SENTINEL_PROTO, "action": "allow"}


def allow(name, kind=None, **fields):
    return {"name": name, "action": "allow", **({"proto": PROTOS[kind]} if kind else {}), **fields}


def text_of(address):
    return str(ipaddress.ip_address(address))


class Live:
    """A flow, begun on the left or on the right."""

    def __init__(self, site, kind, family, begins="left"):
        self.site = site
        self.talk = Talk(family, next(site.numbers))
        self.is_turned = begins == "right"
        lines, *self.next = ATTEMPT if kind == "attempt" else LIVES[kind]
        assert None not in [self.mark_of(line) for line in lines], "it is let in"

    def mark_of(self, line):
        """The mark with which the packet of the line leaves; None if it does not."""
        side, packet = self.talk.packet(line.translate(TURNED) if self.is_turned else line)
        rows = self.site.gateway.pass_through([(side, packet)])
        assert len(rows) <= 1 and all(row.side != side for row in rows)
        return rows[0].mark if rows else None

    def says(self, who):
        """The mark of the next packet of the initiator (0), or of the responder (1)."""
        return self.mark_of(self.next[who])

    def row(self):
        """As `weir flow list` has it: it is there, once."""
        end = self.talk.ends["<" if self.is_turned else ">"]
        version = "ipv4" if self.talk.family == 4 else "ipv6"
        row, = [row for row in self.site.daemon.ask(
            "flow", "list", f"family={version}", "--limit", "100000")["flows"]
            if row["src"] == text_of(end.address)]
        return row


class Site:
    def __init__(self, gateway, daemon, hook):
        self.gateway, self.daemon, self.hook = gateway, daemon, hook
        self.numbers = iter(range(1024, 65536))
        self.policy, self.rules = [], []

    def load(self, rules=None, policy=None):
        """Another policy goes live; what is not given stays."""
        self.rules = self.rules if rules is None else rules
        self.policy = self.policy if policy is None else policy
        interfaces = [{"name": name, **HOOKS[self.hook]} for name in ("left", "right")]
        reload(self.daemon, "api: {listen: off}\nevents: {rate: 0/s}\n"
               "conntrack: {enabled: true}\n" + "".join(
                   f"{key}: {json.dumps(value)}\n" for key, value in {
                       "interfaces": interfaces,
                       "rules": {"policy": self.policy, "rules": [CLOSING, *self.rules]}}.items()))

    def id_of(self, name):
        row, = [row for row in self.daemon.ask("rule", "list")["rules"] if row["name"] == name]
        return row["id"]

    def drops(self):
        return {reason: count for reason, count in self.daemon.reasons().items()
                if reason.startswith("drop_")}


@pytest.fixture(scope="module", params=HOOKS)
def standing(request):
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Gateway("policy"))
        daemon = stack.enter_context(Daemon(gateway.inside))
        yield Site(gateway, daemon, request.param)


@pytest.fixture
def site(standing):
    for row in standing.daemon.ask("rule", "list", "--match", "runtime")["rules"]:
        standing.daemon.say("rule", "del", row["name"])
    standing.daemon.say("block", "clear")
    standing.load([], [])
    standing.daemon.say("flow", "flush", "--all")
    return standing


each_kind = pytest.mark.parametrize("kind", LIVES)
each_family = pytest.mark.parametrize("family", [4, 6])
each_side = pytest.mark.parametrize("who", [0, 1], ids=["initiator", "responder"])


def assert_let_in(live, who, mark, rule):
    """By its next packet, then by the other side's, and in what is shown of it."""
    assert live.says(who) == mark
    row = live.row()
    assert (row.get("mark"), row.get("rule")) == (
        mark or None, live.site.id_of(rule) if rule else None)
    assert live.says(1 - who) == mark


# --- marks and rules -----------------------------------------------------------------------------

@each_kind
@each_family
@each_side
def test_next_packet_has_the_mark_and_the_rule_of_what_is_written_now(site, kind, family, who):
    site.load([allow("in", kind, mark=0x10)], DENIED)
    live = Live(site, kind, family)
    assert_let_in(live, who, 0x10, "in")
    for rules, mark, name in (
            ([allow("in", kind, mark=0x20)], 0x20, "in"),
            ([allow("in", kind)], 0, "in"),
            ([allow("else", "udp", sport=9, mark=0x99), allow("in", kind, mark=0x21)], 0x21, "in"),
            ([allow("all", mark=0x31)], 0x31, "all"),
            ([allow("first", kind, mark=0x41), allow("all", mark=0x31)], 0x41, "first")):
        site.load(rules)
        assert_let_in(live, who, mark, name)


def test_what_is_shown_changes_with_the_packet_and_not_with_the_policy(site):
    """No table is walked: a silent flow is shown as it was let in last."""
    site.load([allow("in", "udp", mark=0x10)], DENIED)
    live = Live(site, "udp", 4)
    site.load([allow("in", "udp", mark=0x20)])
    assert live.row()["mark"] == 0x10
    assert live.says(0) == 0x20 and live.row()["mark"] == 0x20


@each_side
def test_rule_that_goes_leaves_a_flow_to_the_default_policy(site, who):
    site.load([allow("in", "tcp", mark=0x10)], [])
    live = Live(site, "tcp", 4)
    site.load([])
    assert_let_in(live, who, 0, None)
    site.load([{"name": "marks", "proto": "tcp", "action": "mark", "mark": 0x50}])
    assert live.says(who) == 0x50 and live.row()["mark"] == 0x50 and "rule" not in live.row()
    assert live.says(1 - who) == 0x50


@each_kind
@each_side
def test_flow_without_its_rule_stops_and_goes_on_when_it_is_back(site, kind, who):
    rule = allow("in", kind, mark=0x10)
    site.load([rule], DENIED)
    live = Live(site, kind, 4)
    for change in ([], [{**rule, "action": "deny"}], [{**rule, "enabled": False}]):
        site.load(change)
        before = site.drops()
        assert [live.says(who), live.says(1 - who)] == [None, None]
        now = site.drops()
        assert sum(now.values()) == sum(before.values()) + 2
        assert live.row()["rule"], "it stays where it is"
        site.load([rule])
        assert_let_in(live, who, 0x10, "in")


@each_side
def test_rule_of_run_time_takes_a_live_flow_over_and_gives_it_back(site, who):
    site.load([allow("in", "tcp", mark=0x10)], DENIED)
    live = Live(site, "tcp", 4)
    site.daemon.say("rule", "add", "now", "--first", "--proto", "tcp", "--mark", "0x60",
                    "--action", "allow")
    assert_let_in(live, who, 0x60, "now")
    site.daemon.say("rule", "disable", "now")
    assert_let_in(live, who, 0x10, "in")
    site.daemon.say("rule", "enable", "now")
    assert_let_in(live, who, 0x60, "now")
    site.daemon.say("rule", "del", "now")
    assert_let_in(live, who, 0x10, "in")


@each_side
def test_rule_of_another_flow_changes_nothing_of_this_one(site, who):
    site.load([allow("in", "tcp", mark=0x10), allow("dns", "udp", mark=0x11)], DENIED)
    connection, datagrams = (Live(site, kind, 4) for kind in ("tcp", "udp"))
    site.load([allow("in", "tcp", mark=0x10)])
    assert [datagrams.says(who), datagrams.says(1 - who)] == [None, None]
    assert_let_in(connection, who, 0x10, "in")


def is_refused(site, kind="tcp"):
    with pytest.raises(AssertionError, match="it is let in"):
        Live(site, kind, 4)
    return True


@each_side
def test_rule_for_what_goes_on_keeps_flows_whose_own_rule_is_gone(site, who):
    going_on = allow("going-on", state="established, related", mark=0x70)
    own = allow("in", "tcp", mark=0x10)
    site.load([going_on, own], DENIED)
    live = Live(site, "tcp", 4)
    # As soon as both sides were seen it goes on.
    assert_let_in(live, who, 0x70, "going-on")
    for rules in ([going_on], [going_on, {**own, "action": "deny"}]):
        site.load(rules)
        assert_let_in(live, who, 0x70, "going-on")
        assert is_refused(site)
    site.load([])
    assert [live.says(who), live.says(1 - who)] == [None, None]


@each_side
def test_rule_for_what_is_new_holds_for_the_flow_that_it_let_in(site, who):
    own = allow("in", "tcp", state="new", mark=0x10)
    site.load([own], DENIED)
    live = Live(site, "tcp", 4)
    site.load([{**own, "mark": 0x11}])
    assert_let_in(live, who, 0x11, "in")
    site.load([{"name": "cut", "state": "established", "action": "deny"}, own])
    assert [live.says(who), live.says(1 - who)] == [None, None]
    site.load([own])
    assert_let_in(live, who, 0x10, "in")
    site.load([])
    assert [live.says(who), live.says(1 - who)] == [None, None]


@each_family
def test_attempt_that_nobody_answers_meets_what_was_written_since(site, family):
    """kernel selftest: conntrack_tcp_unreplied.sh"""
    site.load([allow("in", "tcp", mark=0x10)], DENIED)
    live = Live(site, "attempt", family)
    site.load([allow("in", "tcp", mark=0x20)])
    assert live.says(0) == 0x20
    assert (live.row()["state"], live.row()["mark"]) == ("syn_sent", 0x20)
    site.load([])
    assert live.says(0) is None
    site.load([allow("else", "tcp")])
    assert live.says(0) == 0 and live.row()["rule"] == site.id_of("else")


# --- the default policy alone --------------------------------------------------------------------

@each_kind
@each_family
@each_side
def test_default_policy_that_denies_cuts_what_nothing_else_let_in(site, kind, family, who):
    """And no rule, no set, no list changes with it. Allowed again, it goes on."""
    other = "udp" if kind == "tcp" else "tcp"
    site.load([allow("in", other, mark=0x10)], [])
    by_default, by_rule = Live(site, kind, family), Live(site, other, family)
    for policy in (DENIED, [{"interface": "right", "egress": "deny", "ingress": "deny"},
                            {"interface": "*", "ingress": "allow", "egress": "allow"}]):
        site.load(policy=policy)
        before = site.drops().get("drop_policy", 0)
        assert [by_default.says(who), by_default.says(1 - who)] == [None, None]
        assert site.drops()["drop_policy"] == before + 2
        assert_let_in(by_rule, who, 0x10, "in")
        site.load(policy=[])
        assert_let_in(by_default, who, 0, None)


@each_kind
@each_side
def test_default_policy_of_a_direction_cuts_what_began_in_it_alone(site, kind, who):
    """Answers come by the denied way, too, and are let in as what they answer."""
    inbound, outbound = Live(site, kind, 4, "left"), Live(site, kind, 4, "right")
    site.load(policy=[{"interface": "left", "ingress": "deny", "egress": "allow"}])
    assert [inbound.says(who), inbound.says(1 - who)] == [None, None]
    assert_let_in(outbound, who, 0, None)
    site.load(policy=[{"interface": "left", "ingress": "allow", "egress": "deny"}])
    assert_let_in(inbound, who, 0, None)
    assert [outbound.says(who), outbound.says(1 - who)] == [None, None]


def test_flow_that_was_refused_before_begins_once_the_default_allows(site):
    site.load(policy=DENIED)
    assert is_refused(site)
    site.load(policy=[])
    assert_let_in(Live(site, "tcp", 4), 0, 0, None)


# --- lists ---------------------------------------------------------------------------------------

@each_kind
@each_side
@pytest.mark.parametrize("end", [">", "<"], ids=["of the initiator", "of the responder"])
def test_blocked_address_ends_its_live_flow_and_no_other(site, kind, who, end):
    site.load([allow("in", kind, mark=0x10)], DENIED)
    live, other = Live(site, kind, 6), Live(site, kind, 6)
    address = text_of(live.talk.ends[end].address)
    site.daemon.say("block", "add", address)
    assert [live.says(who), live.says(1 - who)] == [None, None]
    assert_let_in(other, who, 0x10, "in")
    site.daemon.say("block", "del", address)
    assert_let_in(live, who, 0x10, "in")


@each_side
def test_list_of_the_configuration_ends_a_live_flow(site, who):
    site.load([allow("in", "tcp", mark=0x10)], DENIED)
    live, other = Live(site, "tcp", 4), Live(site, "tcp", 4)
    address = text_of(live.talk.ends[">"].address)
    text = site.daemon.config.read_text()
    reload(site.daemon, text + "block: {lists: [{name: bad, action: deny, entries: [%s]}]}\n"
           % address)
    assert [live.says(who), live.says(1 - who)] == [None, None]
    assert_let_in(other, who, 0x10, "in")
    reload(site.daemon, text)
    assert_let_in(live, who, 0x10, "in")
