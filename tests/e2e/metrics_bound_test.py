# SPDX-License-Identifier: Apache-2.0
"""With everything on, and more of everything than a page has room for, a page has its bound at the
most, says how much was left out, and its sums are those of the command line."""
import json
import re
import socket
import subprocess

import pytest

from harness.account import metrics
from harness.daemon import Daemon
from harness.net import Pair, veth
from harness.pages import Page
from harness.wait import wait_for

SERIES_MOST = 500       # where the configuration says nothing
RULES = SERVICES = 60
DEVICES = ["wire", *(f"more{number}" for number in range(6))]
FIRST_PORT = 4001
COUNTS = [number % 3 + 1 for number in range(RULES)]    # datagrams for each rule
# Without a name: behind those that are told of, wherever it stands.
NAMELESS = {"proto": "udp", "dport": "4999", "action": "count"}


def rules():
    named = [{"name": f"r{number:02}", "proto": "udp", "dport": str(FIRST_PORT + number),
              "direction": "ingress", "action": "count"} for number in range(RULES)]
    return [NAMELESS, *named,
            {"name": "bounded", "proto": "udp", "dport": "4998", "action": "limit",
             "rate": "1/h", "burst": 1}]


def services():
    return [{"name": f"s{number:02}", "address": "10.77.1.100", "port": 1000 + number,
             "health": {"type": "tcp", "interval": "1s", "timeout": "100ms"},
             "backends": [{"address": "10.77.1.2", "port": 8000 + number}]}
            for number in range(SERVICES)]


def config(folder):
    return json.dumps({
        "api": {"listen": "off"},
        "interfaces": [{"name": name, "hook": "tc", "egress": True} for name in DEVICES],
        "sanity": {"level": "strict"},
        "conntrack": {"enabled": True, "account": True},
        "attack": {"enabled": True}, "drops": {"enabled": True},
        "quality": {"enabled": True}, "sockets": {"enabled": True},
        "log": {"file": {"path": f"{folder}/weir.json"}},
        "block": {"lists": [{"name": f"bad{number}", "action": "deny",
                             "entries": [f"192.0.2.{number}"]} for number in range(10)]},
        "limit": {"limits": [{"name": f"pings{number}", "proto": "icmp", "packets": "1000000/s"}
                             for number in range(10)]},
        "synproxy": {"services": [{"ports": "8443", "mode": "always"}]},
        "rules": {"rules": rules()},
        "balance": {"services": services()}})


@pytest.fixture
def crowded(tmp_path):
    with Pair("bound", addresses=True) as pair:
        for device in DEVICES[1:]:
            veth(pair.outside, f"far-{device}", pair.inside, device)
        with Daemon(pair.inside, config=config(tmp_path)) as daemon:
            yield pair, daemon


def send(pair):
    pair.outside.run("ping", "-c", "3", "-i", "0.01", pair.inside_v4)
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number, count in enumerate(COUNTS):
            for _ in range(count):
                sock.sendto(b"nobody", (pair.inside_v4, FIRST_PORT + number))
        for _ in range(5):
            sock.sendto(b"nobody", (pair.inside_v4, 4999))


def read(daemon):
    """A page: each series once, in no more than its bound."""
    text = metrics(daemon)
    rows = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(rows) <= SERIES_MOST
    assert len(rows) == len(set(rows)) and "(other)" not in text
    return Page(text)


def packets_of(hits):
    return sum(row["packets"] for row in hits)


def test_a_page_keeps_its_bound_and_its_sums_with_everything_on(crowded):
    pair, daemon = crowded
    send(pair)
    sent = sum(COUNTS) + 5

    def all_told():
        page = read(daemon)
        return page.sum("weir_rule_packets_total") == sent and page
    page = wait_for(all_told, f"{sent} packets are told of", 30)
    hits = daemon.ask("rule", "hits", "--limit", "1000")["rules"]
    assert len(hits) == RULES + 1 and packets_of(hits) == sent
    for unit in ("packets", "bytes"):
        assert page.sum(f"weir_rule_{unit}_total") == sum(row[unit] for row in hits)
        assert page.sum(f"weir_rule_{unit}_total", rule="other") > 0
    alone = {row["name"] for row in hits
             if row["name"] and page.sum("weir_rule_packets_total", rule=row["name"])}
    assert 0 < len(alone) < RULES
    assert page.sum("weir_rule_packets_total", rule="other") == \
        packets_of(row for row in hits if row["name"] not in alone)


def test_what_is_left_out_is_said_and_no_part_is_without_a_word(crowded):
    pair, daemon = crowded
    send(pair)
    page = wait_for(lambda: (now := read(daemon)).sum("weir_rule_packets_total") and now,
                    "packets are told of")
    assert page.values["weir_metrics_series_limit"] == SERIES_MOST
    wait_for(lambda: read(daemon).values["weir_metrics_series_left_out"] > 0,
             "it is said that there are more")
    told = {page.family(series) for series in page.values}
    assert told == page.types.keys(), "each metric has some, those at the end of the page too"
    for part in ("interface", "packets", "conntrack", "account", "rule", "limit", "attack",
                 "synproxy", "balance", "socket", "kernel", "tcp", "log"):
        assert re.search(rf"^weir_{part}", read(daemon).text, re.M), part
    done = subprocess.run(["promtool", "check", "metrics"], input=read(daemon).text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")
