# SPDX-License-Identifier: Apache-2.0
"""One of so many connections is measured, each of them whole; totals say that they are scaled."""
import re

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.account import metrics
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\nquality: {enabled: true%s}\ninterfaces: [{name: wire, hook: tc}]\n"
FLOWS, SAMPLE, DATA = 800, 4, 100
# Of 800 one in four: 200, and a standard deviation of 12.2; six of them are less than one in a
# hundred million.
LEAST, MOST = 127, 273


@pytest.fixture
def pair():
    with Pair("sample") as made:
        yield made


def measuring(daemon):
    wait_for(lambda: daemon.ask("quality").get("interfaces") == 1, "it measures", 20)
    return daemon


def segment(sport, is_client, flags, seq, ack, data=b""):
    ends = ("198.51.100.7", "192.0.2.9"), (sport, 443)
    if not is_client:
        ends = tuple(end[::-1] for end in ends)
    return bytes(Ether(src="02:00:00:00:00:08", dst="02:00:00:00:00:09") /
                 IP(src=ends[0][0], dst=ends[0][1]) /
                 TCP(sport=ends[1][0], dport=ends[1][1], flags=flags, seq=seq, ack=ack,
                     window=1000) / Raw(data))


def metric(daemon, name):
    text = metrics(daemon)
    return {labels: float(value) for labels, value in
            re.findall(rf"^weir_{name}(?:{{(.*)}})? (\S+)$", text, re.M)}


def test_one_of_so_many_is_measured_whole_and_totals_are_scaled(pair, weir_daemon):
    daemon = measuring(weir_daemon(pair.inside, config=CONFIG % f", sample: {SAMPLE}"))
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for sport in range(20000, 20000 + FLOWS):
            sock.send(segment(sport, True, "S", 1000, 0))
            sock.send(segment(sport, False, "SA", 5000, 1001))
            sock.send(segment(sport, True, "A", 1001, 5001))
            for _ in range(2):                              # the second is a retransmit
                sock.send(segment(sport, True, "PA", 1001, 5001, b"x" * DATA))

    def met():
        answer = daemon.ask("quality", "--limit", "1000")
        return (answer["measured"]["segments"] + answer["not_sampled"] == 5 * FLOWS) and answer
    answer = wait_for(met, "all segments were met")
    rows = answer["connections"]
    assert LEAST < len(rows) < MOST
    assert all(row["src_side"]["segments"] == 4 and row["dst_side"]["segments"] == 1 and
               row["src_side"]["retransmits"] == 1 and row["sample"] == SAMPLE and row["whole"]
               for row in rows)
    assert answer["measured"]["retransmits"] == len(rows)
    assert answer["total"] == {"is_estimate": True} | {
        key: SAMPLE * value for key, value in answer["measured"].items()}
    assert "about " in daemon.say("quality") and "one of 4 connections" in daemon.say("quality")
    wait_for(lambda: metric(daemon, "tcp_retransmits_total") == {
        'interface="wire"': SAMPLE * len(rows)}, "metrics have it scaled")
    assert metric(daemon, "tcp_sample") == {"": SAMPLE}


def test_what_passed_unmeasured_makes_an_estimate_of_nothing(pair, weir_daemon):
    """One in a thousand: of five connections, none is chosen in 995 of 1000 runs."""
    daemon = measuring(weir_daemon(pair.inside, config=CONFIG % ", sample: 1000"))
    assert daemon.ask("quality")["total"]["is_estimate"] is False
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for sport in range(20000, 20005):
            sock.send(segment(sport, True, "S", 1000, 0))
    answer = wait_for(lambda: (row := daemon.ask("quality"))["measured"]["segments"] +
                      row["not_sampled"] == 5 and row, "all were met")
    assert answer["total"]["is_estimate"] is True
