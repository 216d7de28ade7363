# SPDX-License-Identifier: Apache-2.0
"""Limits of run time: live when the command returns, kept over restarts, refused with the cure."""
import json

import pytest
from scapy.layers.inet import IP, TCP, UDP

from harness.daemon import Refused
from harness.frames import ether
from harness.wait import wait_for

A4, B4, HOST4 = "198.18.1.1", "198.18.2.1", "198.18.0.1"
BASE = "api: {listen: off}\n"
FILE = BASE + ("limit:\n  sources: 4096\n  presets: [icmp]\n"
               "  limits: [{name: here, proto: tcp, flags: syn, packets: 1/h, burst: 2}]\n")
HOURLY = ["--packets", "1/h", "--burst", "3"]


@pytest.fixture
def daemon(weir_daemon, pair):
    return weir_daemon(pair.inside, config=FILE, interfaces=[pair.wire])


def passing(wire, count=10, sport=1000, src=A4):
    frame = ether() / IP(src=src, dst=HOST4) / UDP(sport=sport, dport=2000)
    return sum(wire.verdicts([frame] * count))


def rows(daemon):
    return {row["name"]: row for row in daemon.ask("limit", "show")["limits"]}


def refusal(daemon, *words):
    """What is said, in one line."""
    with pytest.raises(Refused) as refused:
        daemon.say(*words)
    return " ".join(refused.value.said.split())


def test_limit_is_live_when_the_command_returns_and_gone_when_deleted(daemon, wire):
    assert passing(wire) == 10
    answer = daemon.ask("limit", "add", "mine", "--proto", "udp", *HOURLY)
    assert (answer["result"], answer["name"]) == ("added", "mine")
    assert passing(wire) == 3
    assert {name: row["origin"] for name, row in rows(daemon).items()} \
        == {"here": "file", "mine": "runtime", "icmp": "preset"}
    assert "mine deleted" in daemon.say("limit", "del", "mine")
    assert passing(wire) == 10
    assert set(rows(daemon)) == {"here", "icmp"}


def test_first_limit_of_all_may_be_one_of_run_time(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=BASE, interfaces=[pair.wire])
    daemon.say("limit", "add", "mine", *HOURLY)
    assert passing(wire) == 3
    daemon.say("limit", "del", "mine")
    assert passing(wire) == 10
    assert daemon.status()["limit"]["on"] is False


def test_every_key_is_taken_kept_and_shown(daemon):
    daemon.say("limit", "add", "all", "--proto", "udp", "--sport", "53, 123", "--dport", "1-9",
               "--direction", "egress", "--per", "destination/24,/64 + service",
               "--bytes", "1MB/s", "--burst-bytes", "2MB", "--dry-run")
    daemon.say("limit", "add", "syn", "--proto", "tcp", "--flags", "syn", "--packets", "7/m",
               "--burst", "9")
    before = rows(daemon)
    row = before["all"]
    assert (row["matches"], row["per"]) == ("egress udp sport 53, 123 dport 1-9",
                                            "destination/24,/64 + service")
    assert (row["counts"], row["rate"], row["burst"], row["dry_run"]) \
        == ("bytes", "1MB/s", 2000000, True)
    assert (before["syn"]["matches"], before["syn"]["rate"], before["syn"]["burst"]) \
        == ("ingress tcp syn", "7/m", 9)
    daemon.restart()
    assert rows(daemon) == before


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_limits_and_buckets_are_there_again_after_a_restart(daemon, wire, end):
    daemon.say("limit", "add", "mine", "--proto", "udp", *HOURLY)
    assert passing(wire) == 3
    if end == "restart":
        daemon.restart()
    else:
        daemon.kill()
        assert passing(wire) == 0
        daemon.start()
    assert passing(wire) == 0
    daemon.apply(FILE + "sanity: {level: basic}\n")
    assert passing(wire) == 0
    assert rows(daemon)["mine"]["origin"] == "runtime"


def test_connections_at_run_time_have_flows_tracked(daemon, wire):
    assert daemon.status()["conntrack"]["on"] is False
    daemon.say("limit", "add", "new", "--proto", "udp", "--connections", "1/h", "--burst", "3")
    assert daemon.status()["conntrack"]["on"] is True
    assert [passing(wire, sport=port) for port in (1, 2, 3, 4)] == [10, 10, 10, 0]


def test_limit_of_a_presets_name_stands_in_its_place(daemon):
    daemon.say("limit", "add", "icmp", "--proto", "icmp", *HOURLY)
    assert (rows(daemon)["icmp"]["origin"], rows(daemon)["icmp"]["rate"]) == ("runtime", "1/h")
    daemon.say("limit", "del", "icmp")
    assert (rows(daemon)["icmp"]["origin"], rows(daemon)["icmp"]["rate"]) == ("preset", "10/s")


@pytest.mark.parametrize("words, said", [
    (["add", "a"], "either packets, bytes or connections write packets: 10/s"),
    (["add", "a", "--packets", "0/s"], "packets: a limit of zero lets nothing pass"),
    (["add", "a", "--packets", "1/s", "--bytes", "1MB/s"], "write two limits"),
    (["add", "A", "--packets", "1/s"], "'A' is not a name"),
    (["add", "a", "--packets", "1/s", "--dport", "53"], "only TCP and UDP have ports"),
    (["add", "a", "--packets", "1/s", "--burst", "0"], "burst: '0' is too small"),
    (["add", "a", "--bytes", "1MB/s", "--burst-bytes", "some"], "'some' is not a size"),
    (["add", "a", "--packets", "1/s", "--per", "host"], "'host' is nothing a bucket can be for"),
    (["add", "a", "--packets", "1/s", "--proto", "udq"], "udp"),
    (["add", "here", "--packets", "1/s"], "there is a limit 'here' in the configuration"),
    (["add", "mine", "--packets", "1/s"], "'mine' of run time weir limit del it first"),
    (["del", "here"], "the limit 'here' is part of the configuration change it there"),
    (["del", "icmp"], "'icmp' is part of the preset 'icmp' take the preset out"),
    (["del", "none"], "there is no limit 'none' see `weir limit show`"),
])
def test_refused_edits_say_why_and_change_nothing(daemon, words, said):
    daemon.say("limit", "add", "mine", *HOURLY)
    before = rows(daemon)
    assert said in refusal(daemon, "limit", *words)
    assert rows(daemon) == before


def test_connections_are_refused_where_nothing_is_tracked(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=BASE + "conntrack: {enabled: false}\n",
                         interfaces=[pair.wire])
    said = refusal(daemon, "limit", "add", "new", "--connections", "1/s")
    assert "connections: what begins a connection that is not TCP" in said
    daemon.say("limit", "add", "new", "--proto", "tcp", "--connections", "1/s")
    assert rows(daemon)["new"]["counts"] == "connections"


def test_more_limits_than_there_may_be_are_refused(daemon):
    for number in range(30):
        daemon.say("limit", "add", f"l{number}", *HOURLY)
    assert "there are 32 limits, which is the most" in refusal(daemon, "limit", "add", "x", *HOURLY)
    with pytest.raises(Refused) as refused:
        daemon.apply(FILE.replace("presets: [icmp]", "presets: [icmp, ssh]"))
    assert "with those of run time there are more than 32 limits" in refused.value.said
    assert len(rows(daemon)) == 32


def test_apply_with_the_name_of_a_limit_of_run_time_is_refused(daemon, wire):
    daemon.say("limit", "add", "mine", "--proto", "udp", *HOURLY)
    new = FILE.replace("name: here", "name: mine")
    with pytest.raises(Refused) as refused:
        daemon.apply(new)
    assert "a limit of run time has the name 'mine' already" in refused.value.said
    # A start goes on, and the configuration's acts.
    daemon.config.write_text(new)
    daemon.restart()
    assert rows(daemon)["mine"]["origin"] == "file"
    assert passing(wire) == 10
    daemon.say("limit", "del", "mine")
    assert "part of the configuration" in refusal(daemon, "limit", "del", "mine")


def test_damaged_file_is_kept_aside_and_what_is_good_in_it_is_read(daemon, wire):
    daemon.say("limit", "add", "good", "--proto", "udp", *HOURLY)
    daemon.say("limit", "add", "bad", "--proto", "tcp", *HOURLY)
    daemon.stop()
    path = daemon.state / "limit.json"
    stored = json.loads(path.read_text())
    stored["limits"][1]["packets"] = "0/s"
    path.write_text(json.dumps(stored))
    daemon.start()
    assert set(rows(daemon)) == {"here", "good", "icmp"}
    assert passing(wire) == 3
    aside = [name for name in daemon.state.iterdir() if name.name.startswith("limit.json.")]
    assert len(aside) == 1 and "0/s" in aside[0].read_text()
    assert "limit.json is damaged (limits[1]: a limit of zero lets nothing pass" in daemon.log()


def test_events_and_explain_name_a_limit_of_run_time(daemon, wire, pair):
    daemon.say("limit", "add", "mine", "--proto", "udp", *HOURLY)
    assert passing(wire) == 3
    answer = daemon.ask("explain", "--src", A4, "--dst", HOST4, "--proto", "udp", "--sport", "1000",
                        "--dport", "2000", "--interface", pair.wire)
    assert (answer["reason"], answer["limit"]) == ("drop_limit", "mine")
    wait_for(lambda: daemon.ask("limit", "top")["top"], "it is told of")
    assert daemon.ask("limit", "top")["top"][0]["limit"] == "mine"


def test_syns_of_another_address_are_not_held_to_it(daemon, wire):
    syns = [ether() / IP(src=src, dst=HOST4) / TCP(sport=1, dport=80, flags="S")
            for src in (A4, A4, A4, B4)]
    assert wire.verdicts(syns) == [True, True, False, True]
