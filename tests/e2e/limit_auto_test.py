# SPDX-License-Identifier: Apache-2.0
"""Who goes on over a limit is blocked by itself, for a time, and never whom an allow list holds."""
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

from harness.daemon import Refused
from harness.frames import ether
from harness.wait import wait_for

A4, B4, A6, B6 = "198.18.1.1", "198.18.2.1", "2001:db8:1::1", "2001:db8:2::1"
HOST4, HOST6 = "198.18.0.1", "2001:db8:ffff::1"
KEYS = "name: udp, proto: udp, packets: 1/h, burst: 3, block-after: 10/h"


def config(keys, more=""):
    return "api: {listen: off}\n" + more + f"limit:\n  sources: 4096\n  limits: [{{{keys}}}]\n"


@pytest.fixture
def guarded(weir_daemon, pair):
    def make(keys=KEYS, more=""):
        daemon = weir_daemon(pair.inside, config=config(keys, more), interfaces=[pair.wire])
        # From the first look on, what is over a limit is counted as new.
        wait_for(lambda: daemon.status()["limit"]["on"], "it is looked at")
        return daemon
    return make


def frame(src, port=2000):
    ip = IPv6(src=src, dst=HOST6) if ":" in src else IP(src=src, dst=HOST4)
    return ether() / ip / UDP(sport=1000, dport=port)


def send(wire, src, count, port=2000):
    return sum(wire.verdicts([frame(src, port)] * count))


def blocked(daemon, *words):
    return {row["entry"]: row for row in daemon.ask("block", "list", "--auto", *words)["entries"]}


def told(daemon, entry):
    return [row for row in daemon.ask("events", "--kind", "block")["events"]
            if row["entry"] == entry]


@pytest.mark.parametrize("source, other", [(A4, B4), (A6, B6)])
def test_who_goes_on_is_blocked_with_reason_and_time(guarded, wire, source, other):
    daemon = guarded(KEYS + ", block-for: 5m")
    assert send(wire, source, 13) == 3          # ten over it
    assert send(wire, other, 12) == 3           # nine
    row = wait_for(lambda: blocked(daemon).get(source), "it is blocked")
    assert row["list"] == "auto" and row["note"].startswith("10 packets over limit udp in ")
    assert 270 < row["ttl_s"] <= 300
    before = daemon.reasons()["drop_limit"]
    assert send(wire, source, 5) == 0
    assert daemon.reasons()["drop_limit"] == before, "it is dropped by the list, not by the limit"
    event = told(daemon, source)[0]
    assert (event["limit"], event["result"], event["for_s"], event["over"]) \
        == ("udp", "blocked", 300, 10)
    assert daemon.status()["limit"]["blocked"] == 1
    assert set(blocked(daemon)) == {source}
    # The tenth of the other makes it two.
    send(wire, other, 1)
    wait_for(lambda: set(blocked(daemon)) == {source, other}, "the other is blocked")


def test_it_is_undone_by_one_command(guarded, wire):
    daemon = guarded()
    send(wire, A4, 20)
    wait_for(lambda: A4 in blocked(daemon), "it is blocked")
    daemon.say("block", "del", A4)
    assert not blocked(daemon)
    assert "drop_block" not in str(daemon.ask("explain", "--src", A4, "--dst", HOST4, "--proto",
                                              "udp", "--sport", "1", "--dport", "2"))


def test_block_ends_by_itself_and_the_next_is_twice_as_long(guarded, wire):
    daemon = guarded(KEYS.replace("10/h", "5/h") + ", block-for: 4s, block-most: 6s")
    lengths = []
    for times in (1, 2, 3):
        def sent_until_told(times=times):
            if not blocked(daemon):
                send(wire, A4, 10)
            return len(told(daemon, A4)) >= times
        wait_for(sent_until_told, "it is blocked, and again when that is over")
        lengths = [row["for_s"] for row in told(daemon, A4)]
    assert lengths == [4, 6, 6]


def test_nobody_is_blocked_whom_an_allow_list_holds(guarded, wire):
    allowed = "block: {lists: [{name: ok, action: allow, entries: [198.18.1.77]}]}\n"
    daemon = guarded(KEYS + ", per: 'source/24,/64'", more=allowed)
    assert send(wire, A4, 20) == 3
    assert send(wire, "198.18.1.77", 20) == 20
    event = wait_for(lambda: told(daemon, "198.18.1.0/24"), "it is told of")[0]
    assert event["result"] == "spared" and "an allow list holds it" in event["what"]
    send(wire, B4, 20)
    wait_for(lambda: set(blocked(daemon)) == {"198.18.2.0/24"}, "the other network is blocked")
    assert send(wire, "198.18.1.77", 20) == 20
    status = daemon.status()["limit"]
    assert (status["blocked"], status["blocks_spared"], status["blocks_refused"]) == (1, 1, 0)


@pytest.mark.parametrize("dry", ["block-dry-run: true", "dry-run: true"])
def test_dry_run_tells_whom_it_would_block(guarded, wire, dry):
    daemon = guarded(f"{KEYS}, {dry}")
    send(wire, A4, 40)
    event = wait_for(lambda: told(daemon, A4), "it is told of")[0]
    assert (event["result"], event["for_s"]) == ("would be blocked", 600)
    assert not blocked(daemon)
    assert daemon.status()["limit"]["blocked"] == 0


def test_each_service_counts_by_itself_and_the_address_is_blocked(guarded, wire):
    daemon = guarded(KEYS + ", per: source + service")
    for port in (1, 2, 3):
        send(wire, A4, 12, port)                # nine over it each
    assert send(wire, B4, 20, 1) == 3
    wait_for(lambda: set(blocked(daemon)) == {B4}, "who is over it at one service is blocked")


def test_block_stays_over_a_restart(guarded, wire):
    daemon = guarded()
    send(wire, A4, 20)
    wait_for(lambda: A4 in blocked(daemon), "it is blocked")
    daemon.kill()
    assert send(wire, A4, 5) == 0
    daemon.start()
    assert A4 in blocked(daemon)
    assert send(wire, A4, 5) == 0


def test_the_next_block_is_twice_as_long_after_a_restart_too(guarded, wire):
    daemon = guarded(KEYS.replace("10/h", "5/h") + ", block-for: 3s, block-most: 100s")
    send(wire, A4, 10)
    wait_for(lambda: told(daemon, A4), "it is blocked")
    daemon.restart()

    def sent_until_told():
        if not blocked(daemon):
            send(wire, A4, 10)
        return told(daemon, A4)
    assert wait_for(sent_until_told, "it is blocked again")[0]["for_s"] == 6
    assert daemon.status()["limit"]["blocks_forgotten"] == 0


def test_limit_of_run_time_blocks_too(guarded, wire):
    daemon = guarded("name: other, proto: tcp, packets: 1/s")
    daemon.say("limit", "add", "udp", "--proto", "udp", "--packets", "1/h", "--block-after", "10/h",
               "--block-for", "5m")
    wait_for(lambda: send(wire, A4, 10) == 0 and A4 in blocked(daemon), "it is blocked")
    row = [row for row in daemon.ask("limit", "show")["limits"] if row["name"] == "udp"][0]
    assert row["block"] == "after 10/h for 5m, at most 1d"


@pytest.mark.parametrize("keys, said", [
    ("per: destination, block-after: 10/m", "only of a limit for each source"),
    ("per: total, block-after: 10/m", "only of a limit for each source"),
    ("direction: egress, block-after: 10/m", "the source of what leaves is this host"),
    ("block-after: 0/m", "who sends nothing over the limit is not to be blocked"),
    ("block-after: often", "'often' is not a number of packets in a time"),
    ("block-after: 10/m, block-for: 1h, block-most: 5m", "the longest block is shorter"),
    ("block-after: 10/m, block-for: 0s", "too small"),
])
def test_what_cannot_be_is_refused(guarded, keys, said):
    daemon = guarded()
    with pytest.raises(Refused) as refused:
        daemon.apply(config("name: a, packets: 1/s, " + keys))
    assert said in refused.value.said
