# SPDX-License-Identifier: Apache-2.0
"""Rules with the action `limit` on real packets: what is over is dropped, what is not goes on with
the next rule, and buckets outlive all that happens around them."""
import random
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from harness.daemon import Refused
from harness.frames import ether
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire

A4, B4, A6, B6 = "198.18.1.1", "198.18.2.1", "2001:db8:1::1", "2001:db8:2::1"
HOST4, HOST6 = "198.18.0.1", "2001:db8:ffff::1"
HOURLY = "action: limit, rate: 1/h, burst: 3"     # three pass, and no more while a test runs


def config(*rules, more="conntrack: {enabled: false}\n", policy="allow"):
    rows = "".join(f"    - {{{rule}}}\n" for rule in rules)
    return ("api: {listen: off}\n" + more + "limit: {sources: 4096}\n"
            f"rules:\n  policy: [{{ingress: {policy}}}]\n  rules:\n{rows}")


def ip(src, dst=None):
    return IPv6(src=src, dst=dst or HOST6) if ":" in src else IP(src=src, dst=dst or HOST4)


def udp(src, sport=1000, dport=2000, payload=b""):
    return ether() / ip(src) / UDP(sport=sport, dport=dport) / Raw(payload)


def tcp(src, flags, dport=80):
    return ether() / ip(src) / TCP(sport=1000, dport=dport, flags=flags)


@pytest.fixture
def ruled(weir_daemon, pair):
    def make(*rules, **options):
        return weir_daemon(pair.inside, config=config(*rules, **options), interfaces=[pair.wire])
    return make


def passing(wire, frame, count):
    return sum(wire.verdicts([frame] * count))


def row_of(daemon, name):
    daemon.ask("rule", "hits", name)              # reads its counters now
    return next(row for row in daemon.ask("rule", "list")["rules"] if row["name"] == name)


def counted(daemon, name):
    row = row_of(daemon, name)
    return row["packets"], row["over"]


@pytest.mark.parametrize("source, other", [(A4, B4), (A6, B6)])
def test_one_bucket_holds_all_that_the_rule_matches(ruled, wire, source, other):
    daemon = ruled(f"name: few, proto: udp, dport: '2000', {HOURLY}")
    assert wire.verdicts([udp(source), udp(other), udp(source), udp(other), udp(source)]) \
        == [True] * 3 + [False] * 2
    assert passing(wire, udp(source, dport=2001), 10) == 10
    assert counted(daemon, "few") == (5, 2)
    assert daemon.reasons()["drop_rule_limit"] == 2


@pytest.mark.parametrize("per, shares", [
    ("source", {A4: False, A6: False}), ("source/16,/32", {B4: True, B6: True}),
    ("destination", {B4: True, B6: True}), ("source + service", {B4: False})])
def test_buckets_are_whose_the_rule_says(ruled, wire, per, shares):
    ruled(f"name: each, {HOURLY}, per: '{per}'")
    assert passing(wire, udp(A4), 5) == 3
    if A6 in shares or B6 in shares:
        assert passing(wire, udp(A6), 5) == 3
    for other, is_shared in shares.items():
        if other not in (A4, A6):
            assert passing(wire, udp(other), 3) == (0 if is_shared else 3)


@pytest.mark.parametrize("next_rule, policy, passes", [
    ("name: next, action: allow", "deny", True), ("name: next, action: deny", "allow", False),
    ("name: next, dport: '1', proto: udp, action: allow", "deny", False)])
def test_what_is_within_goes_on_with_the_next_rule(ruled, wire, next_rule, policy, passes):
    daemon = ruled(f"name: few, proto: udp, {HOURLY}", next_rule, policy=policy)
    assert passing(wire, udp(A4), 10) == (3 if passes else 0)
    assert counted(daemon, "few") == (10, 7)
    assert daemon.reasons()["drop_rule_limit"] == 7


def test_a_rule_that_decides_before_the_limit_charges_nothing(ruled, wire):
    daemon = ruled("name: friend, src: 198.18.2.1, action: allow", f"name: few, {HOURLY}",
                   "name: foe, src: 198.18.1.1, action: deny")
    assert passing(wire, udp(B4), 10) == 10
    assert counted(daemon, "few") == (0, 0)
    assert passing(wire, udp(A4), 4) == 0
    assert counted(daemon, "few") == (4, 1)


def test_limits_are_charged_in_the_order_of_rules(ruled, wire):
    # Rules that ask for other fields lie elsewhere in the tables: their order must hold.
    rules = (f"name: a, dport: '2000', proto: udp, {HOURLY}", "name: between, action: count",
             f"name: b, src: 198.18.1.1, {HOURLY}", "name: behind, src: 198.18.0.0/16, "
             "action: count",
             "name: c, action: limit, rate: 1/h, burst: 2")
    daemon = ruled(*rules)
    assert passing(wire, udp(A4), 10) == 2
    assert [counted(daemon, name) for name in "abc"] == [(10, 7), (3, 0), (3, 1)]
    # What is dropped by `a` meets no rule behind it.
    assert [row_of(daemon, name)["packets"] for name in ("between", "behind")] == [3, 3]
    daemon.apply(config(*reversed(rules)))
    assert passing(wire, udp(B4), 3) == 0         # the bucket of c is used up, and c is the first
    assert [counted(daemon, name) for name in "abc"] == [(10, 7), (3, 0), (6, 4)]


def test_bytes_are_counted_as_on_the_wire(ruled, wire):
    ruled("name: bytes, action: limit, rate: 10KiB/h, burst: '10000'")
    # 14 + 20 + 8 + 944, and the number behind it, 14: 1,000 bytes each
    assert passing(wire, udp(A4, payload=b"x" * 944), 20) == 10


def test_allowed_addresses_are_never_held(ruled, wire):
    daemon = ruled(f"name: few, {HOURLY}", more="conntrack: {enabled: false}\nblock: {lists: "
                   "[{name: ok, action: allow, entries: [198.18.1.1]}]}\n")
    assert passing(wire, udp(A4), 20) == 20
    assert passing(wire, udp(B4), 20) == 3
    assert counted(daemon, "few") == (20, 17)
    told = daemon.ask("explain", "--src", A4, "--dst", HOST4, "--proto", "udp")
    assert (told["verdict"], told["limits"]) == ("pass", "none holds an address on an allow list")
    assert "holds_while" not in told


TRACKED = "conntrack: {enabled: true}\n"


def test_with_tracking_it_is_connections_that_are_held(ruled, wire, pair):
    more = TRACKED + f"interfaces: [{{name: {pair.wire}, egress: true}}]\n"
    daemon = ruled(f"name: few, direction: ingress, proto: tcp, {HOURLY}", more=more)
    with Wire.outward(pair) as out:
        for dport in (80, 81, 82):
            syn = ether() / ip(A4) / TCP(sport=1000, dport=dport, flags="S", seq=1)
            answer = ether() / ip(HOST4, A4) / TCP(sport=dport, dport=1000, flags="SA", seq=1,
                                                   ack=2)
            assert wire.passes(syn) and out.passes(answer)
    acks = [ether() / ip(A4) / TCP(sport=1000, dport=dport, flags="A", seq=2, ack=2)
            for dport in (80, 81, 82)]
    assert all(wire.verdicts(acks * 10))
    assert passing(wire, tcp(A4, "S", dport=83), 5) == 0
    assert counted(daemon, "few")[1] == 5
    # Another policy asks the rules about them again, and cuts none off.
    daemon.apply(config("name: none, dport: '9', proto: udp, action: count",
                        f"name: few, direction: ingress, proto: tcp, {HOURLY}", more=more))
    assert all(wire.verdicts(acks * 10))
    assert passing(wire, tcp(A4, "S", dport=84), 5) == 0


def test_another_policy_keeps_the_buckets(ruled, wire):
    keep = f"name: keep, {HOURLY}, per: source"
    daemon = ruled(keep)
    assert passing(wire, udp(A4), 10) == 3
    for rules, more in [
            (["name: above, proto: tcp, action: count", keep], ""),
            ([f"name: other, proto: tcp, {HOURLY}", keep], ""),
            ([keep], "sanity: {level: basic}\n"),                   # another program
            ([keep, "name: seen, state: new, action: count"], "")]:  # … that follows connections
        daemon.apply(config(*rules, more=more))
        assert passing(wire, udp(A4), 10) == 0
    assert counted(daemon, "keep") == (50, 47)
    daemon.apply(config(f"name: renamed, {HOURLY}, per: source"))
    assert passing(wire, udp(A4), 10) == 3


def test_reload_restart_and_kill_keep_the_buckets(ruled, wire):
    daemon = ruled(f"name: keep, {HOURLY}, per: source")
    assert passing(wire, udp(A4), 10) == 3
    daemon.say("reload")
    assert passing(wire, udp(A4), 10) == 0
    daemon.restart()
    assert passing(wire, udp(A4), 10) == 0
    daemon.kill()
    assert passing(wire, udp(A4), 10) == 0
    daemon.start()
    assert passing(wire, udp(A4), 10) == 0
    assert counted(daemon, "keep") == (50, 47)


def test_rules_of_run_time_hold_and_stay(ruled, wire):
    daemon = ruled("name: last, action: count")
    assert daemon.status()["limit"]["on"] is False
    daemon.say("rule", "add", "few", "--proto", "udp", "--action", "limit", "--rate", "1/h",
               "--burst", "3", "--per", "source", "--before", "last")
    assert passing(wire, udp(A4), 10) == 3
    assert daemon.status()["limit"]["limits_of_rules"] == 1
    daemon.restart()
    assert passing(wire, udp(A4), 10) == 0
    row = row_of(daemon, "few")
    assert (row["rate"], row["burst"], row["per"], row["over"]) == ("1/h", "3", "source", 17)
    assert "limit 1/h burst 3 per source, 17 over it" in daemon.say("rule", "list")
    daemon.say("rule", "del", "few")
    assert passing(wire, udp(A4), 10) == 10


def test_show_and_top_have_the_limits_of_rules(ruled, wire):
    daemon = ruled(f"name: few, {HOURLY}, per: 'source/24,/64'")
    assert passing(wire, udp(A4), 10) == 3
    row = daemon.ask("limit", "show")["rules"][0]
    assert (row["name"], row["origin"], row["counts"], row["rate"], row["burst"], row["per"]) \
        == ("few", "rule", "packets", "1/h", 3, "source/24,/64")
    assert (row["passed"], row["over"]) == (3, 7)
    assert row["over_bytes"] == 7 * (14 + 20 + 8 + 14)
    wait_for(lambda: [(row["limit"], row["addr"], row["over"])
                      for row in daemon.ask("limit", "top")["top"]]
             == [("few", "198.18.1.0/24", 7)], "all of it is told")
    events = [row for row in daemon.ask("events")["events"] if row["kind"] == "drop"]
    assert {(row["reason"], row["rule"]["name"]) for row in events} == {("drop_rule_limit", "few")}


def test_explain_says_what_it_depends_on(ruled, wire):
    daemon = ruled(f"name: few, proto: udp, {HOURLY}, per: source")

    def explain(source):
        return daemon.ask("explain", "--src", source, "--dst", HOST4, "--proto", "udp",
                          "--dport", "2000", "--sport", "1000")
    for _ in range(5):                            # a look charges nothing
        told = explain(A4)
    assert (told["verdict"], told["holds_while"]) == ("pass", "limit of rule few has room, as now")
    assert passing(wire, udp(A4), 10) == 3
    told = explain(A4)
    assert (told["verdict"], told["reason"]) == ("drop", "drop_rule_limit")
    assert told["rule"]["name"] == "few"
    assert told["holds_while"] == "limit of rule few is full, as now"
    assert explain(B4)["verdict"] == "pass"
    assert "holds while" in daemon.say("explain", "--src", B4, "--dst", HOST4, "--proto", "udp")
    assert counted(daemon, "few") == (10, 7)


def test_rule_and_limit_of_one_name_have_buckets_of_their_own(ruled, wire):
    daemon = ruled(f"name: same, {HOURLY}, per: source")
    daemon.apply(config(f"name: same, {HOURLY}, per: source").replace(
        "limit: {sources: 4096}", "limit: {sources: 4096, limits: [{name: same, packets: 1/h, "
        "burst: 5}]}"))
    assert passing(wire, udp(A4), 10) == 3
    assert daemon.ask("limit", "show")["limits"][0]["over"] == 5
    assert counted(daemon, "same") == (5, 2)


TWINS = (
    ("src: 198.18.2.0/24, proto: udp, dport: '2001', action: allow",
     "ip saddr 198.18.2.0/24 udp dport 2001 accept"),
    ("proto: udp, dport: '2000', action: limit, rate: 1/h, burst: 3",
     "udp dport 2000 limit rate over 1/hour burst 3 packets drop"),
    ("src: 198.18.1.1, action: limit, rate: 1/h, burst: 4",
     "ip saddr 198.18.1.1 limit rate over 1/hour burst 4 packets drop"),
    ("proto: udp, dport: '2002', action: deny", "udp dport 2002 drop"),
    ("family: ipv4, action: limit, rate: 1/h, burst: 9",
     "meta protocol ip limit rate over 1/hour burst 9 packets drop"))


def test_it_judges_as_nft_does(weir_daemon):
    """The same rules in nft, the same frames over two wires: the same verdicts, one by one."""
    draw = random.Random(7)
    ports = (2000, 2001, 2002, 2003)
    frames = [udp(draw.choice((A4, B4, "198.18.1.2")), dport=draw.choice(ports))
              for _ in range(200)]
    chain = "".join(f"{line}\n" for _, line in TWINS)
    with Pair("weir") as ours, Pair("nft") as theirs:
        theirs.inside.run("nft", "-f", "-", input="table netdev twin {\nchain c {\ntype filter "
                          "hook ingress device \"wire\" priority 0; policy accept;\n"
                          f"{chain}}}\n}}\n")
        weir_daemon(ours.inside, config=config(*(rule for rule, _ in TWINS)),
                    interfaces=[ours.wire])
        with Wire.inward(ours) as one, Wire.inward(theirs) as other:
            by_weir, by_nft = one.verdicts(frames), other.verdicts(frames)
    assert by_weir == by_nft
    assert 12 < sum(by_nft) < 60        # all kinds of ends are among them


def test_too_many_are_refused(ruled):
    daemon = ruled("name: last, action: count")
    rules = [f"name: r{i}, proto: udp, dport: '{i + 1}', action: limit, rate: 1/s"
             for i in range(257)]
    with pytest.raises(Refused) as refused:
        daemon.apply(config(*rules))
    assert "more than 256 rules have the action `limit`" in refused.value.said
    daemon.apply(config(*rules[:256]))
    assert daemon.status()["limit"]["limits_of_rules"] == 256


def test_rate_is_held_while_time_passes(ruled, wire):
    """The one that waits for time: a hundred a second, for a second and more."""
    daemon = ruled("name: rate, action: limit, rate: 100/s, burst: 10")
    start, got = time.monotonic(), 0
    while time.monotonic() < start + 1.5:
        got += passing(wire, udp(A4), 20)
    most = 10 + 100 * (time.monotonic() - start) + 1
    assert 10 + 100 * 1.5 * 0.5 <= got <= most
    packets, over = counted(daemon, "rate")
    assert packets - over == got
