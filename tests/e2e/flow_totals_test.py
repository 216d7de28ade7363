# SPDX-License-Identifier: Apache-2.0
"""Totals with what ended flows carried: sums of the packets that this test sent itself, whatever
becomes of flows, daemon and configuration meanwhile; and no more memory than was said."""
import collections
import ipaddress
import json
import os

import pytest

from harness.account import Count, live, plus
from harness.daemon import Refused
from harness.totals import HOSTS, config, talking
from harness.wait import wait_for


def network(address, v4, v6):
    return str(ipaddress.ip_network(f"{address}/{v6 if ':' in address else v4}", strict=False))


def both(names, flow):
    """The flow under each of two names, turned under the second; once if they are one."""
    return [(names[0], flow, False)] + ([(names[1], flow, True)] if names[1] != names[0] else [])


def by_network(flow, v4=24, v6=64):
    return both([network(address, v4, v6) for address in (flow.src, flow.dst)], flow)


def port(flow, number):
    return [] if number is None else [(f"{number}/{flow.proto}", flow, False)]


GROUPS = {
    "src": lambda flow: [(flow.src, flow, False)],
    "dst": lambda flow: [(flow.dst, flow, True)],
    "host": lambda flow: both((flow.src, flow.dst), flow),
    "prefix": by_network,
    "sport": lambda flow: port(flow, flow.sport),
    "dport": lambda flow: port(flow, flow.dport),
    "port": lambda flow: port(flow, flow.sport) + port(flow, flow.dport),
    "proto": lambda flow: [(flow.proto, flow, False)],
    "interface": lambda flow: [(name, flow, False) for name in ("left", "right")],
}


def added(flows, group):
    """name: [flows, sent packets, received packets, sent bytes, received bytes]."""
    sums = collections.defaultdict(lambda: [0] * 5)
    for flow in flows:
        for name, told, turned in GROUPS[group](flow) if group else [("", flow, False)]:
            sides = (1, 0) if turned else (0, 1)
            for at, value in enumerate((1, *(told.packets[side] for side in sides),
                                        *(told.bytes[side] for side in sides))):
                sums[name][at] += value
    return dict(sums)


def row_sums(row):
    return [row["flows"], row["sent_packets"], row["received_packets"], row["sent_bytes"],
            row["received_bytes"]]


# What the gateway's harness sends to know the end, of a protocol of its own: one flow.
MARKS = ("198.18.255.1", "198.19.255.1")
MARK_NAMES = {*MARKS, "253", *(network(address, 24, 64) for address in MARKS)}


def told(daemon, *words):
    return daemon.ask("flow", "top", "--ended", "--limit", "10000", *words)


def drained(daemon):
    """Nothing is on its way from packets to totals."""
    return wait_for(lambda: told(daemon, "--group", "proto")["unknown"]["packets"] == 0,
                    "records are told of")


def check(daemon, talk, groups=GROUPS):
    """Every group has what its flows carried, those that live and those that ended."""
    drained(daemon)
    for group in groups:
        answer = told(daemon, "--group", group)
        rows = {row["name"]: row_sums(row) for row in answer["rows"]
                if row["name"] not in MARK_NAMES}
        wanted = added(talk.flows, group)
        if group == "interface":        # the marks go by them, too
            marks = next(row_sums(row) for row in told(daemon, "--group", "proto")["rows"]
                         if row["name"] == "253")
            wanted = {name: [a + b for a, b in zip(sums, marks)]
                      for name, sums in wanted.items()}
        assert rows == wanted, group
        assert answer["rest"]["packets"] == 0
        adds_up(daemon, answer)


def adds_up(daemon, answer):
    """All of it is what packets in flows were counted as, which is what the devices have."""
    total = Count(answer["total"]["packets"], answer["total"]["bytes"])
    unknown = Count(answer["unknown"]["packets"], answer["unknown"]["bytes"])
    assert plus((total, unknown)) == live(daemon)["flow"]


def test_what_ended_stays_in_every_total():
    with talking() as (daemon, talk):
        talk.some()
        talk.ping(HOSTS[4][0][0], HOSTS[4][1][0])
        check(daemon, talk)
        before = told(daemon, "--group", "host")["rows"]
        daemon.ask("flow", "flush", "proto=udp or proto=icmp")
        check(daemon, talk)
        after = told(daemon, "--group", "host")["rows"]
        assert [row | {"live": 0} for row in after] == [row | {"live": 0} for row in before]
        assert {row["live"] for row in after if row["name"] in sum(HOSTS[4], [])} == {0}
        talk.some()                 # the same hosts, and other flows
        daemon.ask("flow", "flush", "dport=53")
        check(daemon, talk)
        assert daemon.ask("flow", "top", "--group", "host")["rows"] != before
        answer = told(daemon, "--group", "proto")
        assert answer["ended"]["flows"] + daemon.ask("flow", "count")["total"] \
            == answer["total"]["flows"]


def test_flows_that_packets_end_are_told_of():
    """Half-open flows that make room for others."""
    with talking() as (daemon, talk):
        daemon.apply(config().replace("half-open: 4096", "half-open: 40"), "--drop-oldest")
        talk.some(200)
        assert daemon.status()["conntrack"]["displaced"] > 50
        check(daemon, talk, ("host", "proto"))


def test_kills_restarts_and_reloads_take_nothing_from_a_total():
    with talking() as (daemon, talk):
        for what in ("start", "kill", "restart", "reload", "kill", "size", "kill"):
            if what == "kill":
                drained(daemon)
                daemon.kill()
                talk.some()         # what ends now waits in the ring
                daemon.start()
            elif what == "restart":
                daemon.restart()
            elif what == "reload":
                daemon.apply(config(", timeouts: {established: 1h}"))
            elif what == "size":
                daemon.apply(config(", totals: {keys: 5000}"))
            talk.some()
            check(daemon, talk, ("src", "prefix", "dport"))
            daemon.ask("flow", "flush", "proto=udp")
            check(daemon, talk, ("host", "prefix", "interface"))


def test_more_hosts_than_are_kept_apart_are_bounded_and_add_up():
    with talking(", totals: {keys: 16}") as (daemon, talk):
        heavy = [f"198.18.9.{host}" for host in range(1, 6)]
        for number in range(300):
            talk.flow(4, f"198.18.20.{1 + number % 60}", HOSTS[4][1][0], 53,
                      [talk.rng.randrange(200)])
            if number % 10 == 0:
                talk.flow(4, heavy[number // 10 % 5], HOSTS[4][1][0], 53, [8000, 8000])
                daemon.ask("flow", "flush", "proto=udp")
        daemon.ask("flow", "flush", "proto=udp")
        drained(daemon)
        answer, truth = told(daemon, "--group", "src"), added(talk.flows, "src")
        rows = {row["name"]: row for row in answer["rows"] if row["name"] not in MARK_NAMES}
        assert len(answer["rows"]) == 17        # one lives: the harness's own
        assert [row["name"] for row in answer["rows"]][:5] == \
            sorted(heavy, key=lambda name: -sum(truth[name][3:]))
        for name, row in rows.items():
            most = row["bytes"] + row.get("missed_at_most", 0)
            assert row["bytes"] <= sum(truth[name][3:]) <= most, name
        assert any(sum(truth[name][3:]) > row["bytes"] for name, row in rows.items())
        assert all(sum(truth[name][3:]) <= answer["missed_at_most"]
                   for name in truth if name not in rows)
        sums = [sum(values) for values in zip(*(row_sums(row) for row in answer["rows"]),
                                              row_sums(answer["rest"]))]
        assert sums == row_sums(answer["total"])
        adds_up(daemon, answer)
        said = daemon.say("flow", "top", "--ended", "--group", "src")
        assert "at most more" in said and "(others)" in said and "ended since" in said


def test_networks_are_as_long_as_was_said():
    """Both ends of IPv4 are in one of 14 bits, which has each flow once."""
    with talking(", totals: {prefix: 14, prefix6: 33}") as (daemon, talk):
        talk.some()
        daemon.ask("flow", "flush", "proto=udp")
        drained(daemon)
        wanted = collections.Counter()
        for flow in talk.flows:
            for name in {network(address, 14, 33) for address in (flow.src, flow.dst)}:
                wanted[name] += sum(flow.bytes)
        marks = next(row["bytes"] for row in told(daemon, "--group", "proto")["rows"]
                     if row["name"] == "253")
        wanted["198.16.0.0/14"] += marks
        assert {row["name"]: row["bytes"] for row in told(daemon, "--group", "prefix")["rows"]} \
            == wanted
        daemon.apply(config(", totals: {prefix: 16}"))
        answer = told(daemon, "--group", "prefix")
        assert answer["rest"]["bytes"] >= sum(sum(flow.bytes) for flow in talk.flows)
        adds_up(daemon, answer)
        assert told(daemon, "--group", "host")["rest"]["bytes"] == 0


def test_memory_is_what_was_said_from_the_start():
    """A file in the run's directory, which no flow makes larger; gone with `keys: 0`."""
    with talking(", totals: {keys: 1000}") as (daemon, talk):
        path = daemon.run_dir / "flow-totals"
        said = daemon.status()["conntrack"]["totals"]["memory_bytes"]
        before = os.stat(path)
        assert before.st_size == said < 1000 * 1520
        assert before.st_blocks * 512 >= said
        talk.some(60)
        daemon.ask("flow", "flush", "--all")
        assert (os.stat(path).st_size, os.stat(path).st_ino) == (said, before.st_ino)
        daemon.apply(config(", totals: {keys: 0}"))
        assert not path.exists()
        with pytest.raises(Refused, match="flows that have ended are not summed up"):
            told(daemon, "--group", "host")


@pytest.mark.parametrize("last", ("kill", "stop"))
def test_cleanup_takes_away_what_stands_beside_the_maps(last):
    """Also what a daemon that was killed while it made a file has left; nothing of others."""
    with talking(", active-timeout: 1s") as (daemon, talk):
        ours = {"flow-told", "flow-totals"}
        talk.some(3)
        wait_for(lambda: {path.name for path in daemon.run_dir.iterdir()} >= ours, "it has both")
        cleanup = (daemon.binary, "cleanup", "--force", "--json", "--pin-dir", daemon.pin_dir,
                   "--run-dir", daemon.run_dir)
        getattr(daemon, last)()
        (daemon.run_dir / "flow-totals.new").write_bytes(b"x")
        (daemon.run_dir / "flow-others").write_bytes(b"x")
        told = json.loads(daemon.namespace.run(*cleanup).stdout)
        assert {f"{daemon.run_dir}/{name}" for name in (*ours, "flow-totals.new")} <= set(
            told["removed"])
        assert [path.name for path in daemon.run_dir.iterdir()] == ["flow-others"]
        assert json.loads(daemon.namespace.run(*cleanup).stdout)["removed"] == []


def test_a_file_of_other_flows_or_none_of_ours_is_left():
    with talking() as (daemon, talk):
        path = daemon.run_dir / "flow-totals"
        talk.some(20)
        daemon.ask("flow", "flush", "--all")
        drained(daemon)
        kept = path.read_bytes()
        for bad in (b"", b"x" * 100, kept[:-8], b"\xff" * len(kept)):
            daemon.stop()
            path.write_bytes(bad)
            daemon.start()
            answer = told(daemon, "--group", "src")
            assert answer["ended"]["packets"] == 0 < answer["unknown"]["packets"]
            adds_up(daemon, answer)
        daemon.stop()
        daemon.namespace.run(str(daemon.binary), "cleanup", "--force", "--pin-dir",
                             daemon.pin_dir, "--run-dir", daemon.run_dir)
        path.write_bytes(kept)
        daemon.start()
        answer = told(daemon, "--group", "src")
        assert answer["ended"]["packets"] == 0 == answer["unknown"]["packets"]


@pytest.mark.parametrize("words, why", (
    ((), "summed up by groups"),
    (("--group", "state"), "has no state"),
    (("--group", "src", "proto=udp"), "leave out the filter"),
    (("--group", "src", "--prefix", "16"), "networks of /24 and /64"),
    (("--group", "prefix", "--prefix6", "48"), "networks of /24 and /64"),
))
def test_what_cannot_be_told_is_refused(words, why):
    with talking() as (daemon, _), pytest.raises(Refused, match=why):
        daemon.ask("flow", "top", "--ended", *words)


def test_without_records_nothing_is_summed_up_and_said_so():
    with talking(", records: 0") as (daemon, _), pytest.raises(Refused, match="totals.keys"):
        told(daemon, "--group", "host")


def test_the_words_of_flows_are_those_of_list_and_top():
    with talking() as (daemon, talk):
        talk.some()
        daemon.ask("flow", "flush", "dport=53")
        check(daemon, talk, ("src",))
        for words, same in (
                ((), ("list",)),
                (("proto=udp", "and", "dport=443"), ("list", "proto=udp and dport=443")),
                (("--top", "3"), ("top", "--limit", "3")),
                (("proto=udp", "--top", "5", "--by", "packets", "--group", "src"),
                 ("top", "proto=udp", "--limit", "5", "--by", "packets", "--group", "src")),
                (("--group", "protocol"), ("top", "--group", "proto")),
                (("--group", "host", "--ended", "--top", "7"),
                 ("top", "--group", "host", "--ended", "--limit", "7"))):
            for form in ("--json", "--csv", "--no-color"):
                mine, theirs = (daemon.say(*verb, form)
                                for verb in (("flows", *words), ("flow", *same)))
                if form == "--json":
                    mine, theirs = (ageless(json.loads(text)) for text in (mine, theirs))
                    assert mine == theirs, words
                else:
                    assert mine.splitlines()[0] == theirs.splitlines()[0], words
                    assert len(mine.splitlines()) == len(theirs.splitlines()) > 1, words
        with pytest.raises(Refused, match="1 is the least"):
            daemon.ask("flows", "--top", "0")


def ageless(answer):
    """Without what another moment changes."""
    answer.pop("as_of_ns", None)
    for row in answer.get("flows", []):
        for key in [key for key in row if key.endswith("_ns") or key.endswith("seen")
                    or "age" in key or "idle" in key or "expires" in key or "left" in key]:
            del row[key]
    return answer
