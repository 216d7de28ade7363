# SPDX-License-Identifier: Apache-2.0
"""Limits on real packets: who is over one is dropped, all others are not, and nothing but time
fills a bucket again."""
import subprocess
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from harness.daemon import Refused
from harness.frames import ether
from harness.kernel import BPFTOOL
from harness.wait import wait_for
from harness.wire import Wire

A4, B4, A6, B6 = "198.18.1.1", "198.18.2.1", "2001:db8:1::1", "2001:db8:2::1"
HOST4, HOST6 = "198.18.0.1", "2001:db8:ffff::1"


def config(*limits, more=""):
    rows = "".join(f"    - {{{limit}}}\n" for limit in limits)
    return "api: {listen: off}\n" + more + "limit:\n  sources: 4096\n  limits:\n" + rows


def ip(src, dst=None):
    return IPv6(src=src, dst=dst or HOST6) if ":" in src else IP(src=src, dst=dst or HOST4)


def ping(src, dst=None):
    return ether() / ip(src, dst) / (ICMPv6EchoRequest() if ":" in src else ICMP())


def udp(src, sport=1000, dport=2000, dst=None, payload=b""):
    return ether() / ip(src, dst) / UDP(sport=sport, dport=dport) / Raw(payload)


def tcp(src, flags, dport=80):
    return ether() / ip(src) / TCP(sport=1000, dport=dport, flags=flags)


HOURLY = "packets: 1/h, burst: 3"     # three pass, and no more while a test runs


@pytest.fixture
def limited(weir_daemon, pair):
    def make(*limits, **options):
        return weir_daemon(pair.inside, config=config(*limits, **options), interfaces=[pair.wire])
    return make


def passing(wire, frame, count):
    return sum(wire.verdicts([frame] * count))


@pytest.mark.parametrize("source, other", [(A4, B4), (A6, B6)])
def test_icmp_over_its_burst_is_dropped_and_others_are_not(limited, wire, source, other):
    daemon = limited("name: icmp, proto: icmp, packets: 10/s, burst: 50")
    start = time.monotonic()
    got = passing(wire, ping(source), 200)
    most = 50 + 10 * (time.monotonic() - start) + 1
    assert 50 <= got <= most
    assert daemon.reasons()["drop_limit"] == 200 - got
    assert passing(wire, ping(other), 50) == 50
    assert passing(wire, udp(source), 100) == 100
    assert wait_for(lambda: wire.passes(ping(source)), "a tenth of a second later one passes")


@pytest.mark.parametrize("inside, outside", [
    (["198.18.1.1", "198.18.1.9", "198.18.1.255"], "198.18.3.1"),
    (["2001:db8:1::1", "2001:db8:1::9", "2001:db8:1::ffff:1:1"], "2001:db8:1:1::1")])
def test_a_network_has_one_bucket(limited, wire, inside, outside):
    limited(f"name: net, per: 'source/24,/64', {HOURLY}")
    assert wire.verdicts([udp(source) for source in inside + inside]) == [True] * 3 + [False] * 3
    assert passing(wire, udp(outside), 4) == 3


def test_without_lengths_each_address_has_its_own(limited, wire):
    limited(f"name: each, {HOURLY}")
    for source in ("198.18.1.1", "198.18.1.2", "2001:db8:1::1", "2001:db8:1::2"):
        assert passing(wire, udp(source), 4) == 3


def test_allowed_addresses_are_never_limited(limited, wire):
    daemon = limited(f"name: all, per: total, {HOURLY}",
                     more="block: {lists: [{name: ok, action: allow, entries: [198.18.1.1]}]}\n")
    assert passing(wire, udp(A4), 20) == 20
    assert daemon.ask("limit", "show")["limits"][0]["passed"] == 0
    assert passing(wire, udp(B4), 20) == 3


def test_denied_addresses_are_not_charged(limited, wire):
    limited(f"name: all, per: total, {HOURLY}",
            more="block: {lists: [{name: no, action: deny, entries: [198.18.1.1]}]}\n")
    assert passing(wire, udp(A4), 20) == 0
    assert passing(wire, udp(B4), 20) == 3


def test_total_is_one_for_both_versions(limited, wire):
    limited(f"name: all, per: total, {HOURLY}")
    assert wire.verdicts([udp(A4), udp(A6), udp(B4), udp(B6)]) == [True] * 3 + [False]


def test_destinations_have_buckets_where_they_are_asked_for(limited, wire):
    limited(f"name: to, per: destination, {HOURLY}")
    frames = [udp(source, dst="198.18.0.1") for source in (A4, B4, A4, B4)]
    assert wire.verdicts(frames) == [True] * 3 + [False]
    assert passing(wire, udp(A4, dst="198.18.0.2"), 4) == 3


def test_only_what_begins_a_connection_is_counted_by_syn(limited, wire):
    limited(f"name: syn, proto: tcp, flags: syn, {HOURLY}")
    assert passing(wire, tcp(A4, "A"), 10) == 10
    assert passing(wire, tcp(A4, "SA"), 10) == 10
    assert passing(wire, udp(A4), 10) == 10
    assert passing(wire, tcp(A4, "S"), 10) == 3
    assert passing(wire, tcp(A6, "SEC"), 10) == 3
    assert passing(wire, tcp(A4, "PA"), 10) == 10


def test_ports_choose_what_a_limit_is_about(limited, wire):
    limited(f"name: amp, proto: udp, sport: '53, 123, 11211', {HOURLY}",
            f"name: game, proto: udp, dport: '27000-27100', {HOURLY}")
    assert wire.verdicts(udp(A4, sport=port) for port in (53, 123, 11211, 53, 52, 54, 11210)) \
        == [True] * 3 + [False] + [True] * 3
    assert passing(wire, udp(B4, dport=53), 10) == 10
    assert wire.verdicts(udp(B4, dport=port) for port in (27000, 27100, 27050, 27001, 26999, 27101)
                         ) == [True] * 3 + [False] + [True] * 2
    assert passing(wire, tcp(A4, "S", dport=27000), 10) == 10


@pytest.mark.parametrize("per, other_host_shares, other_source_shares", [
    ("service", True, True), ("source + service", True, False),
    ("destination + service", False, True)])
def test_each_service_has_a_bucket(limited, wire, per, other_host_shares, other_source_shares):
    limited(f"name: service, per: {per}, {HOURLY}")
    assert wire.verdicts(udp(A4, sport=port, dport=53) for port in (1, 2, 3, 4)) \
        == [True] * 3 + [False]
    assert wire.passes(udp(A4, dport=53, dst="198.18.0.2")) != other_host_shares
    assert wire.passes(udp(B4, dport=53)) != other_source_shares
    assert passing(wire, udp(A4, dport=54), 4) == 3
    assert passing(wire, tcp(A4, "A", dport=53), 4) == 3


def test_what_has_no_ports_is_one_service_a_protocol(limited, wire):
    limited(f"name: service, per: service, {HOURLY}")
    later = [ether() / IP(src=A4, dst=HOST4, proto=17, frag=100 + i) / Raw(bytes(64))
             for i in range(4)]
    assert wire.verdicts(later) == [True] * 3 + [False]
    assert wire.verdicts([ping(A4), ping(B4), ping(A4), ping(B4)]) == [True] * 3 + [False]
    assert passing(wire, udp(A4), 4) == 3


def test_connections_of_tcp_are_counted_without_tracking(limited, wire):
    daemon = limited(f"name: new, proto: tcp, {HOURLY}".replace("packets", "connections"))
    assert daemon.status()["conntrack"]["on"] is False
    assert passing(wire, tcp(A4, "A"), 10) == 10
    assert passing(wire, udp(A4), 10) == 10
    assert passing(wire, tcp(A4, "S"), 10) == 3
    assert passing(wire, tcp(A4, "PA"), 10) == 10
    row = daemon.ask("limit", "show")["limits"][0]
    assert (row["counts"], row["rate"], row["passed"], row["over"]) == ("connections", "1/h", 3, 7)


NEW = HOURLY.replace("packets", "connections")


@pytest.mark.parametrize("source", [A4, A6])
def test_the_first_packet_of_a_flow_is_what_counts_as_a_connection(limited, wire, source):
    daemon = limited(f"name: new, proto: udp, {NEW}")
    # Each of three flows goes on for as long as it likes; a fourth does not begin, however often.
    for port in (1, 2, 3):
        assert passing(wire, udp(source, sport=port), 10) == 10
    assert passing(wire, udp(source, sport=4), 10) == 0
    assert wire.verdicts(udp(source, sport=port) for port in (1, 2, 3, 4)) == [True] * 3 + [False]
    assert passing(wire, ping(source), 10) == 10
    row = daemon.ask("limit", "show")["limits"][0]
    assert (row["passed"], row["over"]) == (3, 11)
    flows = daemon.ask("flow", "list")["flows"]
    assert sorted(flow["sport"] for flow in flows if flow["proto"] == "udp") == [1, 2, 3]


def test_an_answer_begins_no_connection(limited, pair, wire):
    daemon = limited(f"name: new, proto: udp, {NEW}", more=f"interfaces: [{{name: {pair.wire}, "
                     "egress: true}]\nconntrack: {enabled: true}\n")
    with Wire.outward(pair) as out:
        for port in range(1, 11):
            assert out.passes(udp(HOST4, sport=port, dport=53, dst=A4))
    assert passing(wire, udp(A4, sport=53, dport=1), 10) == 10
    assert all(wire.verdicts(udp(A4, sport=53, dport=port) for port in range(1, 11)))
    assert daemon.ask("limit", "show")["limits"][0]["passed"] == 0
    assert sum(wire.verdicts(udp(A4, sport=53, dport=port) for port in range(11, 21))) == 3


def test_connections_of_all_kinds_share_a_bucket(limited, wire):
    limited(f"name: new, {NEW}")
    syns = [tcp(A4, "S", dport=port) for port in (80, 81)]
    assert wire.verdicts([syns[0], udp(A4), ping(A4), syns[1], udp(A4, sport=7), udp(A4), ping(A4)]
                         ) == [True] * 3 + [False] * 2 + [True] * 2
    assert passing(wire, tcp(B4, "S"), 4) == 3


def test_allowed_addresses_begin_what_they_like(limited, wire):
    limited(f"name: new, {NEW}",
            more="block: {lists: [{name: ok, action: allow, entries: [198.18.1.1]}]}\n")
    assert all(wire.verdicts(udp(A4, sport=port) for port in range(1, 11)))


def test_connections_without_tracking_are_refused_with_the_cure(limited):
    daemon = limited(f"name: new, proto: tcp, {NEW}")
    with pytest.raises(Refused) as refused:
        daemon.apply("conntrack: {enabled: false}\n" + config(f"name: new, {NEW}"))
    assert "conntrack is off" in refused.value.said
    assert "conntrack: {enabled: auto}" in refused.value.said


def presets(names, *limits):
    rows = "".join(f"    - {{{limit}}}\n" for limit in limits)
    return (f"api: {{listen: off}}\nlimit:\n  sources: 4096\n  presets: [{names}]\n"
            + (f"  limits:\n{rows}" if rows else ""))


@pytest.fixture
def switched_on(weir_daemon, pair):
    def make(names, *limits):
        return weir_daemon(pair.inside, config=presets(names, *limits), interfaces=[pair.wire])
    return make


@pytest.mark.parametrize("source", [A4, A6])
def test_preset_icmp_lets_fifty_at_once_pass(switched_on, wire, source):
    daemon = switched_on("icmp")
    start = time.monotonic()
    got = passing(wire, ping(source), 100)
    assert 50 <= got <= 50 + 10 * (time.monotonic() - start) + 1
    assert passing(wire, udp(source), 100) == 100
    row = daemon.ask("limit", "show")["limits"][0]
    assert (row["name"], row["origin"], row["preset"]) == ("icmp", "preset", "icmp")


def test_preset_amplification_holds_answers_of_many_reflectors_to_one_host(switched_on, wire):
    switched_on("amplification")
    start = time.monotonic()
    got = sum(wire.verdicts(udp(f"198.18.7.{i}", sport=11211) for i in range(1, 121)))
    assert 50 <= got <= 50 + 10 * (time.monotonic() - start) + 1
    assert passing(wire, udp(A4, sport=11210), 120) == 120
    assert passing(wire, udp(A4, sport=11211, dst="198.18.0.2"), 20) == 20


def test_preset_ssh_counts_connections_and_not_their_packets(switched_on, wire):
    switched_on("ssh")
    assert passing(wire, tcp(A4, "S", dport=22), 40) in (20, 21, 22)     # 10 a minute besides
    assert passing(wire, tcp(A4, "A", dport=22), 100) == 100
    assert passing(wire, tcp(A4, "S", dport=23), 100) == 100


def test_own_limit_of_a_presets_name_stands_in_its_place(switched_on, wire):
    daemon = switched_on("icmp", f"name: icmp, proto: icmp, {HOURLY}")
    assert passing(wire, ping(A4), 20) == 3
    assert [(row["name"], row["origin"]) for row in daemon.ask("limit", "show")["limits"]] \
        == [("icmp", "file")]


def test_what_a_preset_prints_can_be_applied(switched_on):
    daemon = switched_on("icmp")
    names = [row["name"] for row in daemon.ask("limit", "preset")["presets"]]
    assert names == ["web", "dns", "game", "ssh", "icmp", "amplification"]
    for name in names:
        daemon.apply("api: {listen: off}\n" + daemon.say("limit", "preset", name))
        printed = daemon.ask("limit", "show")["limits"]
        assert printed and {row["origin"] for row in printed} == {"file"}
        daemon.apply(presets(name))
        switched = daemon.ask("limit", "show")["limits"]
        keys = ("name", "matches", "per", "counts", "rate", "burst")
        assert [[row[key] for key in keys] for row in printed] \
            == [[row[key] for key in keys] for row in switched]


def test_unknown_preset_is_refused_with_the_nearest(switched_on):
    daemon = switched_on("icmp")
    with pytest.raises(Refused) as refused:
        daemon.say("limit", "preset", "amplificaton")
    assert "did you mean 'amplification'?" in refused.value.said
    with pytest.raises(Refused) as refused:
        daemon.apply(presets("icmp, wbe"))
    assert "limit.presets[1]: 'wbe' is not a preset; did you mean 'web'?" in refused.value.said


def test_egress_is_limited_where_it_is_asked_for(weir_daemon, pair, wire):
    more = f"interfaces: [{{name: {pair.wire}, egress: true}}]\n"
    weir_daemon(pair.inside, config=config(f"name: out, direction: egress, {HOURLY}", more=more))
    assert passing(wire, udp(A4), 10) == 10
    with Wire.outward(pair) as out:
        assert passing(out, udp(HOST4, dst=A4), 10) == 3


def test_dry_run_counts_and_passes(limited, wire):
    daemon = limited(f"name: try, dry-run: true, {HOURLY}")
    assert passing(wire, udp(A4), 10) == 10
    row = daemon.ask("limit", "show")["limits"][0]
    assert (row["passed"], row["over"], row["dry_run"]) == (3, 7, True)
    assert "drop_limit" not in daemon.reasons()


def test_bytes_are_counted_as_on_the_wire(limited, wire):
    limited("name: bytes, bytes: 10KiB/h, burst-bytes: 10000")
    # 14 + 20 + 8 + 944, and the number behind it, 14: 1,000 bytes each
    assert passing(wire, udp(A4, payload=b"x" * 944), 20) == 10


def test_each_limit_holds(limited, wire):
    limited("name: one, proto: udp, packets: 1/h, burst: 5",
            "name: all, per: total, packets: 1/h, burst: 8")
    assert passing(wire, udp(A4), 10) == 5
    assert passing(wire, udp(B4), 10) == 3


def used_up(wire):
    assert passing(wire, udp(A4), 10) == 3


def still_used_up(wire):
    assert passing(wire, udp(A4), 10) == 0


def test_another_policy_keeps_the_buckets(limited, wire):
    keep = f"name: keep, {HOURLY}"
    daemon = limited(keep)
    used_up(wire)
    for limits, more in [
            (["name: above, proto: tcp, packets: 5/s", keep], ""),
            ([keep], "block: {lists: [{name: no, action: deny, entries: [9.9.9.9]}]}\n"),
            ([keep], "sanity: {level: basic}\n"),                   # another program
            ([keep], "rules: {policy: [{ingress: allow}], rules: [{name: a, dport: '1', proto: tcp,"
                     " state: new, action: deny}]}\n")]:            # … that follows connections
        daemon.apply(config(*limits, more=more))
        still_used_up(wire)
    rows = daemon.ask("limit", "show")["limits"]
    assert {row["name"]: row["over"] for row in rows} == {"keep": 47}
    daemon.apply(config(f"name: other, {HOURLY}"))
    used_up(wire)


def test_restart_and_kill_keep_the_buckets(limited, wire):
    daemon = limited(f"name: keep, {HOURLY}")
    used_up(wire)
    daemon.restart()
    still_used_up(wire)
    daemon.kill()
    still_used_up(wire)
    daemon.start()
    still_used_up(wire)
    assert daemon.ask("limit", "show")["limits"][0]["over"] == 37


def test_buckets_of_another_layout_are_not_taken_over_and_that_is_told(limited, wire):
    daemon = limited(f"name: keep, {HOURLY}")
    used_up(wire)
    daemon.kill()
    # struct weir_live: the word, which says which policy is live, the layout's version, and until
    # when it settles.
    subprocess.run([BPFTOOL, "map", "update", "pinned", daemon.pin_dir / "maps" / "cfg_live", "key",
                    *"0000", "value", *"0" * 8, "99", *"0" * 15], check=True)
    daemon.start()
    assert "were made by a version of Weir that lays them out in another way" in daemon.log()
    assert "the buckets of limits begin anew" in daemon.log()
    used_up(wire)
    daemon.restart()
    still_used_up(wire)


def test_another_size_begins_anew(limited, wire):
    daemon = limited(f"name: keep, {HOURLY}")
    used_up(wire)
    daemon.apply(config(f"name: keep, {HOURLY}").replace("4096", "8192"))
    used_up(wire)
    assert daemon.ask("limit", "show")["sources_capacity"] == 8192


def test_explain_says_what_would_be_dropped_and_charges_nothing(limited, wire, pair):
    daemon = limited(f"name: keep, proto: udp, {HOURLY}")
    ask = ["explain", "--src", A4, "--dst", HOST4, "--proto", "udp", "--sport", "1000",
           "--dport", "2000", "--interface", pair.wire]
    for _ in range(10):
        assert daemon.ask(*ask)["verdict"] == "pass"
    used_up(wire)
    answer = daemon.ask(*ask)
    assert (answer["verdict"], answer["reason"], answer["limit"]) == ("drop", "drop_limit", "keep")
    assert daemon.ask("limit", "show")["limits"][0]["over"] == 7


def test_events_name_the_limit(limited, wire):
    daemon = limited(f"name: keep, {HOURLY}")
    used_up(wire)
    event = wait_for(lambda: [row for row in daemon.ask("events")["events"]
                              if row["kind"] == "drop"], "a drop is told of")[-1]
    assert (event["reason"], event["limit"]) == ("drop_limit", "keep")


def over(daemon, *filter):
    """Packets over, by limit and address."""
    return {(row["limit"], row.get("addr")): row["over"]
            for row in daemon.ask("limit", "top", *filter)["top"]}


def test_top_names_who_is_over_and_by_how_much(limited, wire):
    daemon = limited(f"name: each, proto: udp, {HOURLY}", f"name: all, per: total, {HOURLY}")
    wait_for(lambda: daemon.status()["limit"]["on"], "the first look")
    for source, count in ((A4, 20), (B4, 13), (A6, 7)):
        passing(wire, udp(source), count)
    # 3 of each are within the first limit, and 3 of these 9 within the second.
    expected = {("each", A4): 17, ("each", B4): 10, ("each", A6): 4, ("all", None): 6}
    wait_for(lambda: over(daemon) == expected, "all of it is told")
    assert over(daemon, "limit=each and over>=10") == {("each", A4): 17, ("each", B4): 10}
    assert over(daemon, "addr=2001:db8:1::/48") == {("each", A6): 4}
    rows = daemon.ask("limit", "top", "--limit", "1")
    assert (rows["shown"], rows["total"], rows["untold"]) == (1, 4, 0)
    row = rows["top"][0]
    assert row["since"] <= row["last"] and row["told"] == row["over"] and row["of_others"] == 0
    assert A4 in daemon.say("limit", "top")
    with pytest.raises(Refused) as refused:
        daemon.ask("limit", "top", "adr=1.2.3.4")
    assert "addr" in refused.value.said


def test_top_and_events_tell_of_a_dry_run(limited, wire):
    daemon = limited(f"name: try, per: 'source/24,/64 + service', dry-run: true, {HOURLY}")
    assert passing(wire, udp(A4, dport=53), 10) == 10
    wait_for(lambda: over(daemon) == {("try", "198.18.1.0/24"): 7}, "all of it is told")
    row = daemon.ask("limit", "top")["top"][0]
    assert (row["proto"], row["port"]) == (17, 53)
    events = [row for row in daemon.ask("events")["events"] if row["kind"] == "over"]
    assert len(events) == 7 and {row["limit"] for row in events} == {"try"}
    assert "drop_limit" not in daemon.reasons()


def test_what_became_of_packets_is_shown(limited, wire):
    daemon = limited(f"name: keep, proto: udp, dport: '2000', {HOURLY}")
    used_up(wire)
    row = daemon.ask("limit", "show")["limits"][0]
    assert row["matches"] == "ingress udp dport 2000"
    assert (row["rate"], row["burst"], row["per"]) == ("1/h", 3, "source")
    assert (row["passed"], row["over"], row["crowded"]) == (3, 7, 0)
    assert row["over_bytes"] == 7 * (14 + 20 + 8 + 14)
    wait_for(lambda: daemon.status()["limit"]["sources"] == 1, "the sweep has counted one source")
    assert "keep" in daemon.say("limit", "show")
