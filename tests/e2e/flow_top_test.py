# SPDX-License-Identifier: Apache-2.0
"""`weir flow top`: sums of flows by what they have in common are those of the packets that this
test sent itself."""
import collections
import csv
import ipaddress
import json
import random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon, Refused
from harness.gateway import Gateway
from harness.wait import wait_for

SEED = random.SystemRandom().randrange(1 << 32)
LINK_HEADER = 14
HOSTS = {4: ([f"198.18.{net}.{host}" for net in (1, 2) for host in (1, 2, 130)],
             [f"198.19.{net}.{host}" for net in (1, 2) for host in (1, 2)]),
         6: ([f"2001:db8:a:{net}::{host}" for net in (1, 2) for host in (1, 2)],
             [f"2001:db8:b:{net}::{host}" for net in (1, 2) for host in (1, 2)])}
PORTS = (53, 123, 443)

# Of a flow, from whom it began: its ends, and what was sent (0) and came back (1).
Told = collections.namedtuple("Told", "proto src sport dst dport packets bytes")


def config(hook, account=True, capacity=4096):
    rows = ", ".join(f"{{name: {name}, hook: {hook}}}" for name in ("left", "right"))
    return (f"api: {{listen: off}}\ninterfaces: [{rows}]\n"
            f"conntrack: {{enabled: true, account: {str(account).lower()}, "
            f"capacity: {capacity}, half-open: {capacity}}}\n")


def packet(family, proto, ends, ports, size):
    layer = {4: IP, 6: IPv6}[family](src=ends[0], dst=ends[1])
    if proto == "icmp":
        return bytes(layer / ICMP(type=8 if ports[0] < ports[1] else 0, id=7) / Raw(b"x" * size))
    return bytes(layer / UDP(sport=ports[0], dport=ports[1]) / Raw(b"x" * size))


def talk(rng, family, number):
    """A flow's packets as (side, bytes), and what is to be told of it."""
    left, right = (rng.choice(hosts) for hosts in HOSTS[family])
    proto = "icmp" if family == 4 and rng.random() < 0.1 else "udp"
    ports = (0, 1) if proto == "icmp" else (20000 + number, rng.choice(PORTS))
    steps, packets, size = [], [0, 0], [0, 0]
    for step in range(rng.randrange(1, 6)):
        back = step > 0 and rng.random() < 0.5
        ends, numbers = ((left, right), ports) if not back else ((right, left), ports[::-1])
        made = packet(family, proto, ends, numbers, rng.randrange(0, 3000))
        steps.append(("right" if back else "left", made))
        packets[back] += 1
        size[back] += len(made) + LINK_HEADER
    return steps, Told(proto, left, ports[0], right, ports[1], packets, size)


@pytest.fixture(scope="module", params=("tc", "xdp"))
def seen(request):
    """(daemon, flows): what went through, and as whose."""
    rng = random.Random(SEED)
    gateway = Gateway("top")
    try:
        with Daemon(gateway.inside, config=config(request.param)) as daemon:
            flows = {}
            for number in range(200):
                steps, told = talk(rng, rng.choice((4, 6)), number)
                key = told[:5] if told.proto == "udp" else ("icmp", told.src, told.dst)
                known = flows.get(key)
                if known:       # one identifier between two hosts: one flow
                    told = told._replace(
                        packets=[sum(pair) for pair in zip(known.packets, told.packets)],
                        bytes=[sum(pair) for pair in zip(known.bytes, told.bytes)])
                flows[key] = told
                gateway.pass_through(steps)
            yield daemon, list(flows.values())
    finally:
        gateway.close()


def top(daemon, *arguments, only=None):
    """Without what the gateway's harness sends to know the end."""
    words = "not host=198.18.255.1" + (f" and {only}" if only else "")
    return daemon.ask("flow", "top", *arguments, words)


def added(rows):
    """name: [flows, sent packets, received packets, sent bytes, received bytes]."""
    sums = collections.defaultdict(lambda: [0] * 5)
    for name, told, turned in rows:
        sides = (1, 0) if turned else (0, 1)
        for at, value in enumerate((1, *(told.packets[side] for side in sides),
                                    *(told.bytes[side] for side in sides))):
            sums[name][at] += value
    return dict(sums)


def row_sums(row):
    return [row["flows"], row["sent_packets"], row["received_packets"], row["sent_bytes"],
            row["received_bytes"]]


def network(address, v4=32, v6=128):
    bits = v6 if ":" in address else v4
    made = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    return str(made) if bits < made.max_prefixlen else address


def by_hosts(flows, v4=32, v6=128):
    rows = []
    for told in flows:
        src, dst = network(told.src, v4, v6), network(told.dst, v4, v6)
        rows += [(src, told, False)] + ([(dst, told, True)] if dst != src else [])
    return rows


GROUPS = {
    ("src",): lambda flows: [(told.src, told, False) for told in flows],
    ("dst",): lambda flows: [(told.dst, told, True) for told in flows],
    ("host",): by_hosts,
    ("host", "--prefix", "25", "--prefix6", "48"): lambda flows: by_hosts(flows, 25, 48),
    ("host", "--prefix", "0", "--prefix6", "0"): lambda flows: by_hosts(flows, 0, 0),
    ("src", "--prefix", "15", "--prefix6", "62"):
        lambda flows: [(network(told.src, 15, 62), told, False) for told in flows],
    ("sport",): lambda flows: [(f"{told.sport}/udp", told, False) for told in flows
                               if told.proto == "udp"],
    ("dport",): lambda flows: [(f"{told.dport}/udp", told, False) for told in flows
                               if told.proto == "udp"],
    ("proto",): lambda flows: [(told.proto, told, False) for told in flows],
    ("interface",): lambda flows: [(name, told, False) for told in flows
                                   for name in ("left", "right")],
}


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_groups_have_what_their_flows_carried(seen, group):
    daemon, flows = seen
    wanted = added(GROUPS[group](flows))
    answer = top(daemon, "--limit", "1000", "--group", *group)
    got = {row["name"]: row_sums(row) for row in answer["rows"]}
    if group == ("interface",):     # which one a flow left by is known where that is watched
        wanted = {name: sums for name, sums in wanted.items() if name in got}
        assert "left" in got
    assert got == wanted, f"seed {SEED}"
    assert row_sums(answer["total"]) == added(("", told, False) for told in flows)[""]
    assert answer["groups"] == len(got) and answer["crowded_flows"] == 0


@pytest.mark.parametrize("by", ("bytes", "packets", "flows"))
def test_largest_come_first_and_the_rest_is_summed_up(seen, by):
    daemon, flows = seen
    answer = top(daemon, "--by", by, "--group", "src", "--limit", "3")
    sums = added(GROUPS[("src",)](flows))
    measure = {"flows": lambda row: row[0], "packets": lambda row: row[1] + row[2],
               "bytes": lambda row: row[3] + row[4]}[by]
    order = sorted((measure(row) for row in sums.values()), reverse=True)
    assert [row[by] for row in answer["rows"]] == order[:3]
    assert answer["rest"][by] == sum(order[3:]) and answer["groups"] == len(order)
    said = daemon.say("flow", "top", "--by", by, "--group", "src", "--limit", "3",
                      "not host=198.18.255.1")
    assert "(others)" in said and f"{100 * order[0] / sum(order):.1f} %" in said


@pytest.mark.parametrize("by", ("bytes", "packets"))
def test_largest_flows_one_by_one(seen, by):
    daemon, flows = seen
    answer = top(daemon, "--by", by, "--limit", "7")
    order = sorted((sum(getattr(told, by)) for told in flows), reverse=True)
    assert [row[by] for row in answer["flows"]] == order[:7]
    assert answer["shown"] == 7 and answer["total"] == len(flows)
    whole = {(row["src"], row.get("sport"), row["dst"], row.get("dport")): row[by]
             for row in top(daemon, "--limit", "10000")["flows"]}
    assert whole == {(told.src, told.sport or None, told.dst,
                      told.dport if told.sport else None): sum(getattr(told, by))
                     for told in flows}
    assert " 7 of " not in daemon.say("flow", "top", "--limit", "10000")


def test_filter_says_which_are_summed_up(seen):
    daemon, flows = seen
    wanted = added((told.dst, told, True) for told in flows if told.dport == 53)
    answer = top(daemon, "--group", "dst", "--limit", "1000", only="dport=53")
    assert {row["name"]: row_sums(row) for row in answer["rows"]} == wanted


def test_rows_are_to_be_had_as_csv(seen):
    daemon, _ = seen
    words = ("flow", "top", "--group", "dst", "not host=198.18.255.1")
    wanted = daemon.ask(*words)["rows"]
    got = list(csv.DictReader(daemon.say(*words, "--csv").splitlines()))
    assert got == [{key: str(value) for key, value in row.items()} for row in wanted]


@pytest.mark.parametrize("arguments, why", (
    (("--group", "colour"), "colour"),
    (("--by", "weight"), "weight"),
    (("--group", "src", "--prefix", "33"), "--prefix: 32 is the most"),
    (("--group", "src", "--prefix6", "129"), "--prefix6: 128 is the most"),
    (("--limit", "0"), "1 is the least"),
    (("--limit", "10001"), "10000 the most"),
    (("--by", "flows"), "only groups differ"),
    (("sauce=1",), "sauce"),
))
def test_what_cannot_be_told_is_refused(seen, arguments, why):
    daemon, _ = seen
    with pytest.raises(Refused, match=why):
        daemon.ask("flow", "top", *arguments)


def test_flows_that_are_not_counted_are_summed_up_by_number():
    gateway = Gateway("top")
    try:
        with Daemon(gateway.inside, config=config("tc", account=False)) as daemon:
            flows = []
            for number in range(20):
                steps, told = talk(random.Random(number), 6, number)
                gateway.pass_through(steps)
                flows.append(told)
            answer = top(daemon, "--group", "src")
            assert answer["by"] == "flows" and "bytes" not in json.dumps(answer["rows"])
            assert {row["name"]: row["flows"] for row in answer["rows"]} \
                == collections.Counter(told.src for told in flows)
            with pytest.raises(Refused, match="account: true"):
                daemon.ask("flow", "top", "--by", "bytes", "--group", "src")
    finally:
        gateway.close()


@pytest.mark.parametrize("group, names", (
    ("service", {"echo"}),
    ("backend", {f"echo/{address}:{BACKEND_PORT}" for address in BACKENDS[4]})))
def test_services_and_backends_are_summed_up(group, names):
    with Cluster() as cluster, serving(cluster, 4), Daemon(cluster.gateway, config=(
            "api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
            "conntrack: {account: true, capacity: 4096, half-open: 1024}\n"
            f"balance: {{services: [{{name: echo, address: {SERVICE[4]}, port: {PORT}, backends: ["
            + ", ".join(f"{{address: {address}, port: {BACKEND_PORT}}}"
                        for address in BACKENDS[4]) + "]}]}\n")) as daemon:
        chosen = collections.Counter()
        for _ in range(40):
            with Client(cluster, 4) as client:
                assert client.echoes(b"x" * 100)
                chosen[client.backend] += 1
        rows = wait_for(lambda: daemon.ask("flow", "top", "--group", group)["rows"], "rows")
        assert {row["name"] for row in rows} == names
        assert sorted(row["flows"] for row in rows) \
            == ([40] if group == "service" else sorted(chosen.values()))
        assert all(row["sent_bytes"] > 100 < row["received_bytes"] for row in rows)
