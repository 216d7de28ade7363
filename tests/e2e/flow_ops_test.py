# SPDX-License-Identifier: Apache-2.0
"""`weir flow list|count|show|flush` and their routes: a filter takes exactly those flows that it
describes, as this test knows from what it opened itself."""
import collections
import contextlib
import ipaddress
import itertools
import json
import select
import socket
import time
import urllib.parse

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from harness import site
from harness.daemon import Daemon, Refused
from harness.frames import ether
from harness.net import Pair
from harness.rules import PORT, ask_http
from harness.talk import Talk
from harness.wait import SLOWNESS, wait_for
from harness.wire import Wire

# Nothing ends by itself meanwhile, and `expires` tells two groups apart.
HOURS = {"syn_sent": 1, "syn_received": 1, "established": 5, "fin_wait": 1, "closing": 1,
         "time_wait": 1, "reset": 1, "one_way": 1, "answered": 1, "stream": 5, "echo": 1,
         "other": 1}
RULES = {"web": {"proto": "tcp", "dport": 443, "mark": 0x10},
         "dns": {"proto": "udp", "dport": 53, "mark": 77},
         "shell": {"proto": "tcp", "dport": 22}}
CONFIG = f"api: {{listen: '127.0.0.1:{PORT}'}}\n" + "".join(
    f"{section}: {json.dumps(value)}\n" for section, value in {
        "interfaces": [{"name": name, "hook": "tc", "egress": True} for name in ("wire", "lo")],
        "conntrack": {"enabled": True,
                      "timeouts": {name: f"{hours}h" for name, hours in HOURS.items()}},
        "rules": {"rules": [{"name": name, "action": "allow", **rule}
                            for name, rule in RULES.items()]}}.items())

# (of the responder, flags, seq, ack): what brings a connection into the state of this name.
SYN, SYN_ACK, ACK = (False, "S", 1000, 0), (True, "SA", 5000, 1001), (False, "A", 1001, 5001)
FIN = (False, "FA", 1001, 5001)
LEADS_TO = {
    "syn_sent": [SYN], "syn_received": [SYN, SYN_ACK], "established": [SYN, SYN_ACK, ACK],
    "fin_wait": [SYN, SYN_ACK, ACK, FIN],
    "closing": [SYN, SYN_ACK, ACK, FIN, (True, "FA", 5001, 1001)],
    "time_wait": [SYN, SYN_ACK, ACK, FIN, (True, "FA", 5001, 1002), (False, "A", 1002, 5002)],
    "reset": [SYN, SYN_ACK, ACK, (False, "RA", 1001, 5001)],
}
STAGES = {"syn_sent": "opening", "syn_received": "opening", "established": "established",
          "fin_wait": "closing", "closing": "closing", "time_wait": "closing", "reset": "reset"}
# By whom each packet is sent (1: the responder).
DATAGRAMS = {"one_way": [0], "answered": [0, 1], "stream": [0, 1, 0]}

Flow = collections.namedtuple(
    "Flow", "proto src sport dst dport id state table interface rule mark steps goes_in")


def key(flow):
    return flow.proto, flow.src, flow.sport, flow.dst, flow.dport, flow.id


def key_of_row(row):
    return tuple(row.get(name) for name in ("proto", "src", "sport", "dst", "dport", "icmp_id"))


def rule_of(proto, dport):
    return next(((name, rule.get("mark")) for name, rule in RULES.items()
                 if (rule["proto"], rule["dport"]) == (proto, dport)), (None, None))


def made(proto, ends, state, table, steps, goes_in, ident=None):
    """steps: (of the responder, IP packet)."""
    (src, sport), (dst, dport) = ends
    return Flow(proto, src, sport, dst, dport, ident, state, table, "wire",
                *rule_of(proto, dport), steps, goes_in)


def header(ends, is_back):
    src, dst = (ends[is_back][0], ends[not is_back][0])
    return (IPv6 if ":" in src else IP)(src=src, dst=dst)


def tcp(ends, state, goes_in):
    steps = [(is_back, header(ends, is_back) / TCP(
        sport=ends[is_back][1], dport=ends[not is_back][1], flags=flags, seq=seq, ack=ack))
        for is_back, flags, seq, ack in LEADS_TO[state]]
    table = "half-open" if STAGES[state] == "opening" else "proven"
    return made("tcp", ends, state, table, steps, goes_in)


def udp(ends, state, goes_in):
    steps = [(is_back, header(ends, is_back) / UDP(
        sport=ends[is_back][1], dport=ends[not is_back][1]) / Raw(b"u" * 8))
        for is_back in DATAGRAMS[state]]
    return made("udp", ends, state, "proven" if state == "stream" else "half-open", steps, goes_in)


def echo(ends, ident, sides, goes_in):
    is_v6 = ":" in ends[0][0]
    kinds = ((ICMPv6EchoRequest, ICMPv6EchoReply) if is_v6 else
             (ICMP, lambda **fields: ICMP(type=0, **fields)))
    steps = [(is_back, header(ends, is_back) / kinds[is_back](id=ident) / Raw(b"e" * 8))
             for is_back in sides]
    ends = [(address, None) for address, _ in ends]
    return made("icmpv6" if is_v6 else "icmp", ends, "echo",
                "proven" if len(sides) == 3 else "half-open", steps, goes_in, ident)


def gre(ends, goes_in):
    packet = header(ends, False)
    packet["IPv6" if ":" in ends[0][0] else "IP"].setfieldval(
        "nh" if ":" in ends[0][0] else "proto", 47)
    return made("gre", [(address, None) for address, _ in ends], "other", "half-open",
                [(False, packet / Raw(b"\0\0\x08\0" + b"g" * 20))], goes_in)


def all_flows():
    numbers, services = itertools.count(1), itertools.cycle([443, 22, 8080])
    names, flows = itertools.cycle([53, 123]), []

    def ends(network, dport):
        number = next(numbers)
        here, there = network
        return [(here % number, 1000 + number), (there % (number % 3 + 1), dport)]

    for network in (("198.51.100.%d", "203.0.113.%d"), ("2001:db8:a::%x", "2001:db8:b::%x")):
        for goes_in in (True, False):
            flows += [tcp(ends(network, next(services)), state, goes_in) for state in LEADS_TO]
            flows += [udp(ends(network, next(names)), state, goes_in) for state in DATAGRAMS]
            flows += [echo(ends(network, None), 700, sides, goes_in)
                      for sides in ([0], [0, 1], [0, 1, 0])]
            flows.append(gre(ends(network, None), goes_in))
    return flows


FLOWS = all_flows()


def send(pair, flows):
    """All first packets, then all second ones, and so on."""
    with Wire.inward(pair) as inward, Wire.outward(pair) as outward:
        for steps in itertools.zip_longest(*(flow.steps for flow in flows)):
            for wire in (inward, outward):
                frames = [ether() / step[1] for flow, step in zip(flows, steps)
                          if step and (flow.goes_in != step[0]) == (wire is inward)]
                assert all(wire.verdicts(frames))


class Loopback:
    """A datagram from the host to itself: let out and in by another interface."""

    def __init__(self, pair):
        self.sockets = [pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(10 * SLOWNESS)
        ends = [sock.getsockname() for sock in self.sockets]
        self.flow = made("udp", ends, "one_way", "half-open", [], True)._replace(interface="lo")

    def send(self):
        self.sockets[0].sendto(b"x", self.sockets[1].getsockname())
        assert self.sockets[1].recv(1) == b"x"

    def close(self):
        for sock in self.sockets:
            sock.close()


@pytest.fixture(scope="module")
def standing():
    with (Pair("flow") as pair, contextlib.closing(Loopback(pair)) as loopback,
          Daemon(pair.inside, config=CONFIG) as daemon):
        yield pair, daemon, loopback


@pytest.fixture
def opened(standing):
    """(daemon, flows): these, and no others."""
    pair, daemon, loopback = standing
    flows = [*FLOWS, loopback.flow]
    if listed(daemon) != keys(flows):
        daemon.say("flow", "flush", "--all")
        send(pair, FLOWS)
        loopback.send()
    return daemon, flows


def within(*networks):
    nets = [ipaddress.ip_network(network) for network in networks]
    return lambda address: any(ipaddress.ip_address(address) in net for net in nets)


def ports(flow):
    return [] if flow.sport is None else [flow.sport, flow.dport]


PRIVATE = within("198.51.100.0/28", "2001:db8:a::/126")
FILTERS = {
    "src=198.51.100.0/28": lambda f: within("198.51.100.0/28")(f.src),
    "src=198.51.100.3": lambda f: f.src == "198.51.100.3",
    "src=198.51.100.3-198.51.100.9": lambda f: f.src in {f"198.51.100.{n}" for n in range(3, 10)},
    "src!=198.51.100.0/28,2001:db8:a::/126": lambda f: not PRIVATE(f.src),
    "src=203.0.113.0/24": lambda f: False,
    "src=::/0": lambda f: ":" in f.src,
    "dst=203.0.113.2": lambda f: f.dst == "203.0.113.2",
    "dst=2001:db8:b::1": lambda f: f.dst == "2001:db8:b::1",
    "host=203.0.113.2,198.51.100.1": lambda f: (f.dst == "203.0.113.2"
                                                or f.src == "198.51.100.1"),
    "sport=1003": lambda f: f.sport == 1003,
    "sport=1003-1010": lambda f: f.sport in range(1003, 1011),
    "sport>=1040": lambda f: (f.sport or 0) >= 1040,
    "dport=443,53": lambda f: f.dport in (443, 53),
    "port=443": lambda f: 443 in ports(f),
    "port=1003": lambda f: 1003 in ports(f),
    "port!=443": lambda f: 443 not in ports(f),
    "port<443": lambda f: any(port < 443 for port in ports(f)),
    "port<=443": lambda f: any(port <= 443 for port in ports(f)),
    "proto=tcp": lambda f: f.proto == "tcp",
    "Proto=UDP": lambda f: f.proto == "udp",
    "proto=icmp": lambda f: f.proto == "icmp",
    "proto=icmpv6,gre": lambda f: f.proto in ("icmpv6", "gre"),
    "proto=sctp": lambda f: False,
    **{f"state={name}": lambda f, name=name: f.state == name for name in HOURS},
    "state!=established,stream": lambda f: f.state not in ("established", "stream"),
    **{f"stage={name}": lambda f, name=name: STAGES.get(f.state) == name
       for name in ("opening", "established", "closing", "reset")},
    "family=ipv4": lambda f: ":" not in f.src,
    "family=ipv6": lambda f: ":" in f.src,
    "relayed=yes": lambda f: False,
    "relayed=no": lambda f: True,
    "table=proven": lambda f: f.table == "proven",
    "table=half-open": lambda f: f.table == "half-open",
    "interface=wire": lambda f: f.interface == "wire",
    "interface=l*": lambda f: f.interface == "lo",
    "interface!=wire": lambda f: f.interface != "wire",
    "expires>2h": lambda f: HOURS[f.state] > 2,
    "expires<=2h": lambda f: HOURS[f.state] <= 2,
    "mark=0x10": lambda f: f.mark == 0x10,
    "mark>16": lambda f: (f.mark or 0) > 16,
    "mark!=16": lambda f: f.mark != 0x10,
    "age<1h": lambda f: True,
    "idle>1h": lambda f: False,
    "proto=tcp port=22": lambda f: f.proto == "tcp" and 22 in ports(f),
    "proto=icmp or proto=tcp and port=443": lambda f: f.proto == "icmp" or 443 in ports(f),
    "proto=udp": lambda f: f.proto == "udp",
    "(proto=udp or proto=tcp) and family=ipv6": lambda f: (f.proto in ("udp", "tcp")
                                                           and ":" in f.src),
    "not (src=198.51.100.0/28 or src=2001:db8:a::/126)": lambda f: not PRIVATE(f.src),
    "! proto=tcp && ! proto=udp": lambda f: f.proto not in ("tcp", "udp"),
}
each_filter = pytest.mark.parametrize("text", FILTERS)
MOST_SHOWN = 20


def wanted(flows, text):
    return [flow for flow in flows if FILTERS[text](flow)]


def keys(flows):
    """As those of rows: sorted, so that one that is there twice is seen."""
    return sorted(map(key, flows), key=str)


def keys_of_rows(rows):
    return sorted(map(key_of_row, rows), key=str)


def listed(daemon, text=""):
    return keys_of_rows(daemon.ask("flow", "list", text)["flows"])


def states(flows):
    return collections.Counter(flow.state for flow in flows)


def test_filters_find_and_leave_out():
    """So that none of them passes by showing all, or nothing."""
    found = {text: len(wanted(FLOWS, text)) for text in FILTERS}
    odd = {text for text, count in found.items() if count in (0, len(FLOWS))}
    assert odd == {"src=203.0.113.0/24", "proto=sctp", "interface=wire", "interface=l*",
                   "interface!=wire", "age<1h", "idle>1h", "relayed=yes", "relayed=no"}
    assert max(count for text, count in found.items() if text not in odd) > MOST_SHOWN


def test_all_that_was_opened_is_listed_with_what_is_known_of_it(opened):
    daemon, flows = opened
    ids = {row["name"]: row["id"] for row in daemon.ask("rule", "list")["rules"]}
    rows = {key_of_row(row): row for row in daemon.ask("flow", "list")["flows"]}
    assert rows.keys() == {key(flow) for flow in flows}
    for flow in flows:
        row = rows[key(flow)]
        assert [row[name] for name in ("state", "stage", "table")] == [
            flow.state, STAGES.get(flow.state) if flow.proto == "tcp" else None, flow.table]
        assert (row.get("mark"), row.get("rule")) == (flow.mark, ids.get(flow.rule))
        places = {"lo": ("lo", "lo")}.get(flow.interface, ("wire", None) if flow.goes_in
                                          else (None, "wire"))
        assert (row["in"], row["out"]) == places
        assert row["answered"] == any(is_back for is_back, _ in flow.steps)
        assert 0 <= row["age_s"] < 60 * SLOWNESS and not row["picked_up"] and not row["granted"]
        hour = 3600
        assert HOURS[flow.state] * hour - 60 * SLOWNESS < row["expires_s"] <= (
            HOURS[flow.state] * hour)


@each_filter
def test_list_shows_those_that_the_filter_describes(opened, text):
    daemon, flows = opened
    answer = daemon.ask("flow", "list", text)
    assert keys_of_rows(answer["flows"]) == keys(wanted(flows, text))
    assert answer["shown"] == answer["total"] == len(wanted(flows, text))


@each_filter
def test_count_counts_those_that_the_filter_describes(opened, text):
    daemon, flows = opened
    some, answer = wanted(flows, text), daemon.ask("flow", "count", text)
    tables = collections.Counter(flow.table for flow in some)
    assert (answer["total"], answer["proven"], answer["half_open"]) == (
        len(some), tables["proven"], tables["half-open"])
    assert {name: count for name, count in answer["states"].items() if count} == states(some)


@each_filter
def test_show_shows_those_that_the_filter_describes(opened, text):
    daemon, flows = opened
    some = keys(wanted(flows, text))
    if not some:
        with pytest.raises(Refused) as refused:
            daemon.say("flow", "show", text)
        assert (refused.value.status, refused.value.out) == (1, "")
        assert "no flow passes this filter" in refused.value.said
        return
    answer = daemon.ask("flow", "show", text)
    shown = keys_of_rows(answer["flows"])
    assert len(shown) == len(set(shown)) == answer["shown"] == min(len(some), MOST_SHOWN)
    assert set(shown) <= set(some) and answer["total"] == len(some)


@each_filter
def test_flush_forgets_those_that_the_filter_describes_and_no_others(opened, text):
    daemon, flows = opened
    some = wanted(flows, text)
    assert daemon.ask("flow", "flush", text)["flushed"] == len(some)
    assert listed(daemon) == keys(flow for flow in flows if flow not in some)


@pytest.mark.parametrize("name", RULES)
def test_rule_finds_what_that_rule_let_in(opened, name):
    daemon, flows = opened
    ids = {row["name"]: row["id"] for row in daemon.ask("rule", "list")["rules"]}
    some = keys(flow for flow in flows if flow.rule == name)
    assert some and listed(daemon, f"rule={ids[name]}") == some
    assert listed(daemon, f"rule!={ids[name]}") == keys(
        flow for flow in flows if flow.rule != name)


def test_age_and_idle_tell_old_from_young_and_silent_from_busy(standing):
    """By this test's clock: three groups, with seconds between them."""
    pair, daemon, _ = standing
    daemon.say("flow", "flush", "--all")
    silent, busy, young = ([flow for flow in FLOWS if flow.state in ("established", "stream")
                            ][at::3] for at in range(3))
    gap_s = 6 * SLOWNESS
    send(pair, silent + busy)
    # Of the first flows everything is done by then, of the others nothing has begun.
    ended_s = time.monotonic()
    wait_for(lambda: time.monotonic() > ended_s + gap_s, "they are old", gap_s + 5)
    again_s = time.monotonic()
    send(pair, [flow._replace(steps=flow.steps[-1:]) for flow in busy] + young)

    def found(field, sign):
        between_s = time.monotonic() - (ended_s + again_s) / 2
        return listed(daemon, f"{field}{sign}{round(between_s * 1000)}ms")

    assert found("age", ">") == keys(silent + busy) and found("age", "<") == keys(young)
    assert found("idle", ">") == keys(silent) and found("idle", "<=") == keys(busy + young)


# --- what a person reads -------------------------------------------------------------------------

def shown_lines(daemon, text):
    """{name: value} of the one flow that is shown, and its first line."""
    head, *lines, empty, total = daemon.say("flow", "show", text).splitlines()
    assert (empty, total) == ("", "1 flow")
    return head, dict(line.strip().split(maxsplit=1) for line in lines if ">" not in line)


def test_show_tells_a_connection_with_both_sides_numbers(standing):
    pair, daemon, _ = standing
    daemon.say("flow", "flush", "--all")
    one, other = ("198.51.100.7", 40000), ("203.0.113.7", 443)

    def step(is_back, flags, seq, ack, window, scale=None, size=0):
        ends = (other, one) if is_back else (one, other)
        options = [("WScale", scale)] if scale is not None else []
        return is_back, IP(src=ends[0][0], dst=ends[1][0]) / TCP(
            sport=ends[0][1], dport=ends[1][1], flags=flags, seq=seq, ack=ack, window=window,
            options=options) / Raw(b"d" * size)

    send(pair, [made("tcp", (one, other), "established", "proven", [
        step(False, "S", 999, 0, 64000, 7), step(True, "SA", 4999, 1000, 65000, 9),
        step(False, "A", 1000, 5000, 700), step(False, "PA", 1000, 5000, 600, size=100),
        step(True, "PA", 5000, 1100, 300, size=30)], True)])
    # Who acknowledged what, and what window he announced by then, scaled.
    sides = {"initiator": (1100, 1100 + (300 << 9), 700 << 7, 7),
             "responder": (5030, 5000 + (700 << 7), 300 << 9, 9)}
    row, = daemon.ask("flow", "show", "sport=40000")["flows"]
    for name, numbers in sides.items():
        assert tuple(row[name][part] for part in ("end", "max_end", "max_window",
                                                  "scale")) == numbers
    head, lines = shown_lines(daemon, "sport=40000")
    assert head == "tcp 198.51.100.7:40000 > 203.0.113.7:443"
    assert lines["state"] == "established, proven" and lines["flags"] == "answered"
    assert lines["mark"] == "0x10"
    for name, (end, limit, window, scale) in sides.items():
        assert lines[name] == (f"sent to {end}, room to {limit}, largest window {window:,}, "
                               f"scale {scale}")


def test_show_tells_datagrams_and_echoes(opened):
    daemon, flows = opened
    stream = next(flow for flow in flows if flow.state == "stream" and ":" in flow.src)
    head, lines = shown_lines(daemon, f"src={stream.src} and proto=udp")
    assert head == f"udp [{stream.src}]:{stream.sport} > [{stream.dst}]:{stream.dport}"
    assert lines["state"] == "stream, proven" and "initiator" not in lines
    ping = next(flow for flow in flows if flow.proto == "icmp" and len(flow.steps) == 1)
    head, lines = shown_lines(daemon, f"src={ping.src}")
    assert head == f"icmp {ping.src} > {ping.dst}"
    assert (lines["state"], lines["flags"]) == ("echo, half-open", "not answered")
    assert lines["ICMP"] == "requests of type 8, identifier 700"


def test_show_of_many_tells_how_many_more(opened):
    daemon, flows = opened
    some = wanted(flows, "proto=tcp")
    said = daemon.say("flow", "show", "proto=tcp").splitlines()
    assert said[-1].startswith(f"{MOST_SHOWN} of {len(some)} flows")
    assert len([line for line in said if line.startswith("tcp ")]) == MOST_SHOWN


def test_count_and_flush_say_in_words_what_they_did(opened):
    daemon, flows = opened
    some = wanted(flows, "proto=udp")
    rows = [line.split() for line in daemon.say("flow", "count", "proto=udp").splitlines() if line]
    assert {row[0]: int(row[1]) for row in rows[1:] if row[0] in HOURS} == states(some)
    assert rows[-1] == ["total", str(len(some))]
    assert daemon.say("flow", "flush", "proto=udp") == f"{len(some)} flows forgotten\n"
    assert daemon.say("flow", "flush", "proto=udp") == "0 flows forgotten\n"


def test_flush_of_all_must_be_asked_for(opened):
    daemon, flows = opened
    with pytest.raises(Refused) as refused:
        daemon.say("flow", "flush")
    assert "--all" in refused.value.said and listed(daemon) == keys(flows)
    assert daemon.ask("flow", "flush", "--all")["flushed"] == len(flows)
    assert listed(daemon) == []


def test_list_stops_at_its_limit_and_tells_of_the_rest(opened):
    daemon, flows = opened
    answer = daemon.ask("flow", "list", "proto=tcp", "--limit", "5")
    assert (len(answer["flows"]), answer["shown"], answer["total"]) == (
        5, 5, len(wanted(flows, "proto=tcp")))


def test_a_sheet_that_is_cut_says_so_beside_it_and_an_empty_one_has_no_row(opened):
    daemon, flows = opened
    count = len(wanted(flows, "proto=tcp"))
    for words in (("flow", "list"), ("flows",)):
        cut = daemon.verb(*words, "proto=tcp", "--limit", "5", "--csv")
        assert len(cut.stdout.splitlines()) == 1 + 5
        assert f"5 of {count} rows" in cut.stderr and "--limit" in cut.stderr
        whole = daemon.verb(*words, "proto=tcp", "--csv")
        assert len(whole.stdout.splitlines()) == 1 + count and not whole.stderr
        none = daemon.verb(*words, "port=9", "--csv")
        assert (none.returncode, none.stdout, none.stderr) == (0, "", "")


# --- over HTTP -----------------------------------------------------------------------------------

def over_http(daemon, verb, text, role):
    if verb == "flush":
        return ask_http(daemon, "POST", "/api/v1/flow/flush", role, {"filter": text})
    return ask_http(daemon, "GET", f"/api/v1/flow/{verb}?filter={urllib.parse.quote(text)}", role)


SOME = ["src=198.51.100.0/28", "port<=443", "proto=icmp or proto=tcp and port=443",
        "not (src=198.51.100.0/28 or src=2001:db8:a::/126)", "state=reset", "proto=sctp"]


@pytest.mark.parametrize("role", [None, "viewer"], ids=["socket", "viewer"])
@pytest.mark.parametrize("text", SOME)
def test_routes_take_the_same_filter(opened, text, role):
    daemon, flows = opened
    some = wanted([flow for flow in flows if flow.interface == "wire"], text)
    narrow = f"({text}) and interface=wire"         # the asking itself goes over `lo`
    status, body = over_http(daemon, "list", narrow, role)
    assert status == 200 and keys_of_rows(json.loads(body)["flows"]) == keys(some)
    status, body = over_http(daemon, "count", narrow, role)
    assert status == 200 and json.loads(body)["total"] == len(some)
    status, body = over_http(daemon, "show", narrow, role)
    assert status == (200 if some else 404)
    assert not some or json.loads(body)["total"] == len(some)


@pytest.mark.parametrize("text", SOME)
def test_route_of_flush_takes_the_same_filter_from_operators_only(opened, text):
    daemon, flows = opened
    flows = [flow for flow in flows if flow.interface == "wire"]
    some, narrow = wanted(flows, text), f"({text}) and interface=wire"
    assert over_http(daemon, "flush", narrow, "viewer")[0] == 403
    assert listed(daemon, "interface=wire") == keys(flows)
    status, body = over_http(daemon, "flush", narrow, "operator")
    assert (status, json.loads(body)["flushed"]) == (200, len(some))
    assert listed(daemon, "interface=wire") == keys(flow for flow in flows if flow not in some)


# (filter, the column of the fault, a word of the fault)
WRONG = [("prto=tcp", 1, "prto"), ("proto=tcp and prot=443", 15, "prot"), ("port=x", 6, "x"),
         ("port=65536", 6, "65536"), ("src=10.0.0", 5, "10.0.0"),
         ("state=estab", 7, "estab"), ("age>5parsecs", 5, "5parsecs"), ("proto>tcp", 6, ">"),
         ("port", 5, "port"), ("(port=1", 1, "("), ("port=1)", 7, ")"), ("port=1 and", 11, "")]


@pytest.mark.parametrize("text, column, word", WRONG, ids=[row[0] for row in WRONG])
def test_wrong_filter_is_refused_with_place_fault_and_cure(opened, text, column, word):
    daemon, flows = opened
    for verb in ("list", "count", "show", "flush"):
        status, body = over_http(daemon, verb, text, None)
        problem, = json.loads(body)["problems"]
        assert status == 400 and (problem["key"], problem["column"]) == ("filter", column), body
        assert word in problem["what"] and problem["mend"]
        with pytest.raises(Refused) as refused:
            daemon.say("flow", verb, text)
        assert refused.value.status == 1 and refused.value.out == ""
        assert f"filter: column {column}: " in refused.value.said
        assert problem["mend"] in refused.value.said
    assert listed(daemon) == keys(flows)


# --- what it means for those who talk ------------------------------------------------------------

def is_of(way=None, family=None, kind=None):
    """Of harness/talk.py, by how its sockets were made."""
    return lambda talk: ((way is None or talk.name.startswith(way))
                         and (family is None or talk.one.family == family)
                         and (kind is None or talk.one.type == kind))


TALKS = {
    "proto=tcp": is_of(kind=socket.SOCK_STREAM),
    "proto=udp and family=ipv6": is_of(kind=socket.SOCK_DGRAM, family=socket.AF_INET6),
    f"dst={Pair.inside_v4}": is_of(way="in", family=socket.AF_INET),
    f"src={Pair.inside_v4},{Pair.inside_v6}": is_of(way="out"),
    f"host={Pair.outside_v6} and not state=established": is_of(
        family=socket.AF_INET6, kind=socket.SOCK_DGRAM),
    "port=20001": lambda talk: talk.name.endswith("20001"),
    "sport={sport}": lambda talk: talk.name == "in v4 SOCK_STREAM 20000",
}


@pytest.mark.parametrize("text", TALKS)
def test_flushed_conversations_begin_anew_and_the_others_go_on(weir_daemon, text):
    """On a host that lets in only what it knows: what was forgotten is dropped."""
    with Pair("flow", addresses=True) as pair:
        daemon = weir_daemon(pair.inside, config=site.configured(is_open=True))
        with Talk(pair, each=2) as talk:
            site.reload(daemon, site.configured())
            talk.go_on()
            talk.fall_silent()
            first, = (one for one in talk.all if one.name == "in v4 SOCK_STREAM 20000")
            given = text.format(sport=first.one.getsockname()[1])
            some = [one for one in talk.all if TALKS[text](one)]
            others = [one for one in talk.all if one not in some]
            assert some and others
            assert daemon.ask("flow", "flush", given)["flushed"] == len(some)
            assert len(daemon.ask("flow", "list")["flows"]) == len(others)
            assert not site.drops(daemon)
            for one in talk.all:
                one.begin()
            deadline = time.monotonic() + 10 * SLOWNESS
            for one in others:
                one.end(deadline)
            wait_for(lambda: sum(site.drops(daemon).values()) >= len(some), "the rest is dropped")
            assert not select.select([one.other for one in some], [], [], 0)[0]
            assert len(daemon.ask("flow", "list")["flows"]) == len(others)
