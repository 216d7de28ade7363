# SPDX-License-Identifier: Apache-2.0
"""docs/user/metrics.md beside what a daemon with everything on tells: each metric, its type, labels
and words.

The page is written from that, for names and words stand in the features, and which labels there are
only a daemon knows that counts:  WEIR_GOLDEN_WRITE=1 tests/run e2e metrics_page  """
import collections
import contextlib
import os
import re
import socket
import subprocess

import pytest

from harness.account import metrics
from harness.daemon import TREE, Daemon
from harness.net import Pair
from harness.wait import wait_for

PAGE = TREE / "docs" / "user" / "metrics.md"
SERIES_MOST = 500       # as docs/user/monitoring.md has it, where the configuration says nothing
SERVICE, BACKEND_PORT = "10.77.1.100", 8080
CONFIG = """\
api: {{listen: off}}
interfaces: [{{name: wire, hook: tc, egress: true}}]
sanity: {{level: strict}}
conntrack: {{enabled: true, account: true}}
attack: {{enabled: true}}
drops: {{enabled: true}}
quality: {{enabled: true}}
sockets: {{enabled: true}}
log: {{file: {{path: {folder}/weir.json}}}}
block: {{lists: [{{name: bad, action: deny, entries: [192.0.2.0/24]}}]}}
limit: {{limits: [{{name: pings, proto: icmp, packets: 1000000/s}}]}}
synproxy: {{services: [{{ports: '8443', mode: always}}]}}
rules:
  enabled: true
  rules:
  - {{name: counted, proto: icmp, action: count}}
  - {{name: bounded, proto: udp, dport: 4112, action: limit, rate: 1/h, burst: 1}}
balance:
  services:
  - name: web
    address: 10.77.1.100
    port: 80
    announce: true
    health: {{type: tcp, interval: 200ms, timeout: 100ms}}
    backends: [{{address: 10.77.1.2, port: 8080}}]
"""
HEAD = """\
# Metrics, all of them

<!-- Written by tests/e2e/metrics_page_test.py from what a daemon tells. -->

What `/metrics` tells, with everything switched on; [the page on measuring](monitoring.md) says how
Prometheus gets it. A part that is off has none, and what was not counted yet is no series. Names
begin with `weir_`, or what `metrics: {prefix: …}` says. Counters go on where a daemon was
restarted or upgraded, unless they are said to be since it started; behind an upgrade to
[another layout of tables](reload.md) most begin anew.
"""
# A part's heading, and how names of its metrics begin. The first that fits.
PARTS = (("Interfaces, as their devices count", r"interface_"),
         ("What became of packets", r"(packets|bytes|events)_"),
         ("Flows", r"(conntrack|account)_"),
         ("Rules", r"rule_"),
         ("Lists", r"(list|block)_"),
         ("Limits", r"limit_"),
         ("Sanity", r"sanity_"),
         ("Attacks", r"attack_"),
         ("SYN cookies", r"synproxy_"),
         ("Services and backends", r"balance_"),
         ("Sockets of this host", r"sockets?(_|$)"),
         ("What the kernel drops", r"kernel_"),
         ("TCP that passes through", r"tcp_"),
         ("Log", r"log_"),
         ("The daemon", r""))
UNITS = ((r"_bytes_rate$", "bytes a second"), (r"_packets_rate$", "packets a second"),
         (r"attack_(rate|usual|threshold)$", "packets a second"),
         (r"(^|_)bytes(_|$)", "bytes"), (r"(^|_)packets(_|$)", "packets"),
         (r"_seconds$", "seconds"))
Metric = collections.namedtuple("Metric", "type labels help")
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| (.*) \|$", re.M)


def bare(name):
    return name.removeprefix("weir_")


def told(daemon):
    """By name, as the text of the exposition format has it; labels that stood at any series."""
    text, found = metrics(daemon), {}
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M):
        found[name] = Metric(kind, set(), helps[name])
    for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", text, re.M):
        whole = name if name in found else re.sub(r"_(bucket|sum|count)$", "", name)
        found[whole].labels.update(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels))
    return found


def read():
    return {name: Metric(kind, set(re.findall(r"`(\w+)`", labels)), text)
            for name, kind, _, labels, text in ROW.findall(PAGE.read_text())}


def unit_of(name):
    return next((unit for pattern, unit in UNITS if re.search(pattern, bare(name))), "")


def written(found):
    left, text = dict(sorted(found.items())), HEAD
    for title, pattern in PARTS:
        names = [name for name in left if re.match(pattern, bare(name))]
        if names:
            text += f"\n## {title}\n\n| metric | type | unit | labels | |\n|---|---|---|---|---|\n"
        for name in names:
            one = left.pop(name)
            labels = ", ".join(f"`{label}`" for label in sorted(one.labels))
            words = one.help[0].upper() + one.help[1:].rstrip(".")
            text += f"| `{name}` | {one.type} | {unit_of(name)} | {labels} | {words} |\n"
    return text


def same_words(one, other):
    return one.lower().rstrip(".") == other.lower().rstrip(".")


@pytest.fixture
def counting(tmp_path):
    """A daemon of which each part has something to count."""
    with Pair("page", addresses=True) as pair, contextlib.ExitStack() as stack:
        server = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM))
        server.bind((pair.outside_v4, BACKEND_PORT))
        server.listen()
        with Daemon(pair.inside, config=CONFIG.format(folder=tmp_path)) as daemon:
            def more():
                pair.outside.run("ping", "-c", "3", "-i", "0.01", pair.inside_v4)
                with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    for port in (4111, 4112, 4112):
                        sock.sendto(b"nobody", (pair.inside_v4, port))
            yield daemon, more


def test_page_is_what_a_daemon_tells(counting):
    daemon, more = counting
    found, same = {}, 0

    def settled():
        """Labels come with what is counted."""
        nonlocal same
        more()
        before = {name: sorted(one.labels) for name, one in found.items()}
        for name, one in told(daemon).items():
            one.labels.update(found[name].labels if name in found else ())
            found[name] = one
        same = same + 1 if before == {name: sorted(one.labels) for name, one in found.items()} \
            else 0
        if os.environ.get("WEIR_GOLDEN_WRITE"):
            return same > 50
        page = read()
        return page.keys() == found.keys() and \
            all(one.labels == page[name].labels for name, one in found.items())
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        wait_for(settled, "nothing more comes", 60)
        PAGE.write_text(written(found))
    with contextlib.suppress(AssertionError):
        wait_for(settled, "all are told", 30)
    page = read()
    assert sorted(found) == sorted(page), "WEIR_GOLDEN_WRITE=1 writes the page"
    for name, one in found.items():
        assert (name, one.type, one.labels) == (name, page[name].type, page[name].labels)
        assert same_words(one.help, page[name].help), name
    text = metrics(daemon)
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(found) <= len(rows) <= SERIES_MOST
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")
