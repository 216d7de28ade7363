# SPDX-License-Identifier: Apache-2.0
"""replay --flows: what the flows of a capture carried, held against tshark's conversations of the
same file. The rules by which the two are compared stand at the captures and in held_against()."""
import collections
import csv
import io
import json
import subprocess

import pytest

from harness.conversations import Connection, Tape, conversations
from harness.daemon import WEIR
from harness.frames import (ICMP, IP, SCTP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6,
                            IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, Raw)
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import fragment
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, IPv6ExtHdrFragment,
                                fragment6)
from scapy.layers.l2 import ARP, GRE, STP, LLC

CONFIG = "api: {listen: off}\n"
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
A6, B6 = "2001:db8::1", "2001:db8::2"
PROTOS = {"tcp": 6, "udp": 17}
ROUNDED_NS = 50001                                      # tshark's durations have four decimals


def ip(src, dst, **fields):
    return (IPv6 if ":" in src else IP)(src=src, dst=dst, **fields)


def plain(src, dst, segment, data=None):
    frame = ETHER / ip(src, dst) / TCP(**segment)
    return frame / data if data else frame


def tagged(*tags):
    def dress(src, dst, segment, data=None):
        frame = ETHER
        for tag in tags:
            frame = frame / tag
        frame = frame / ip(src, dst) / TCP(**segment)
        return frame / data if data else frame
    return dress


def connection(tape, ports=(40000, 80), ends=(A, B), dress=plain, begin=(1000, 500000)):
    return Connection(tape, ends, ports, dress, begin)


def datagram(src, dst, sport, dport, data=b"x" * 20):
    return ETHER / ip(src, dst) / UDP(sport=sport, dport=dport) / Raw(data)


# --- captures ------------------------------------------------------------------------------------

def tcp_whole(tape):
    connection(tape).open().ask(b"GET", b"y" * 1000).ask(b"more", b"z" * 300).close()


def tcp_reset(tape):
    one = connection(tape).open().ask(b"hello", b"there")
    one.send(1, "RA")


def tcp_half_open(tape):
    """SYNs that nobody answers, sent again, and one that is refused."""
    silent = connection(tape)
    for _ in range(3):
        tape.wait(1)
        tape.add(silent.frame(0, "S"))
    refused = connection(tape, ports=(40001, 81))
    refused.send(0, "S")
    refused.send(1, "RA")


def tcp_picked_up(tape):
    """The capture begins in the middle, with the side that answers."""
    one = connection(tape)
    one.send(1, "PA", b"a" * 100)
    one.send(0, "A")
    one.ask(b"b" * 10, b"c" * 500).close()


def tcp_again(tape):
    """Retransmits, segments in the wrong order, a keep-alive, an acknowledgement three times."""
    one = connection(tape).open()
    first = one.send(0, "PA", b"q" * 700)
    tape.add(first)
    early, late = one.frame(1, "PA", b"2" * 400, seq=500001 + 400), one.frame(1, "A", b"1" * 400)
    tape.add(early)
    tape.add(late)
    one.next[1] += 800
    one.send(0, "A")
    for _ in range(3):
        tape.add(one.frame(0, "A"))
    tape.wait(30)
    tape.add(one.frame(0, "A", b"\0", seq=one.next[0] - 1))
    one.send(1, "A")
    one.close()


def tcp_ports_again(tape):
    """Three connections in turn between the same ports: as many streams of tshark's."""
    for number in range(3):
        one = connection(tape, begin=(1000 + number * 7000000, 500000 + number * 9000000))
        one.open().ask(b"r" * (number + 1), b"s" * 50 * (number + 1)).close()
        tape.wait(1)


def tcp_bulk(tape):
    """More than tshark writes out: it cuts to kB."""
    one = connection(tape).open()
    for _ in range(400):
        one.send(1, "A", b"d" * 1460)
        one.send(0, "A")
    one.close()


def udp_both_ways(tape):
    for number in range(5):
        tape.add(datagram(A, B, 5000, 6000))
        tape.add(datagram(B, A, 6000, 5000, b"y" * (10 * number)))
    tape.add(datagram(C, B, 5000, 6000, b""))


def dns(tape):
    for number in range(10):
        name = f"host{number}.example.org"
        asked = DNS(id=number, rd=1, qd=DNSQR(qname=name))
        said = DNS(id=number, qr=1, qd=DNSQR(qname=name), an=DNSRR(rrname=name, rdata=C))
        tape.add(ETHER / ip(A, B) / UDP(sport=30000 + number, dport=53) / asked)
        if number % 3:
            tape.add(ETHER / ip(B, A) / UDP(sport=53, dport=30000 + number) / said)


def echo(tape):
    """Flows of ICMP are told apart by their identifier; tshark has them between addresses."""
    for sequence in range(4):
        for identifier in (7, 8):
            tape.add(ETHER / ip(A, B) / ICMP(id=identifier, seq=sequence) / Raw(b"p" * 56))
            tape.add(ETHER / ip(B, A) / ICMP(type=0, id=identifier, seq=sequence) / Raw(b"p" * 56))
        tape.add(ETHER / ip(A6, B6) / ICMPv6EchoRequest(id=9, seq=sequence))
        tape.add(ETHER / ip(B6, A6) / ICMPv6EchoReply(id=9, seq=sequence))


def ipv6(tape):
    connection(tape, ends=(A6, B6)).open().ask(b"six", b"v" * 600).close()
    for options in (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(),
                    IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()):
        tape.add(ETHER / ip(A6, B6) / options / UDP(sport=7, dport=8) / Raw(b"e" * 30))
    tape.add(datagram(B6, A6, 8, 7))


def vlan(tape):
    """Tags are bytes of the packet, for both."""
    connection(tape, dress=tagged(Dot1Q(vlan=5))).open().ask(b"one", b"tag" * 9).close()
    connection(tape, ports=(40001, 80), dress=tagged(Dot1AD(vlan=6), Dot1Q(vlan=7))) \
        .open().ask(b"two", b"tags" * 9).close()


def fragments(tape):
    """tshark has later fragments of no port: they are compared between addresses. Those of IPv6 it
    counts nowhere: there every frame is to be in a flow, which account_adds_up() sees to."""
    for number in range(3):
        for part in fragment(ip(A, B, id=number + 1) / UDP(sport=9, dport=10) /
                             Raw(b"f" * 3000), fragsize=1400):
            tape.add(ETHER / part)
    whole = ip(A6, B6) / IPv6ExtHdrFragment(id=77) / UDP(sport=9, dport=10) / Raw(b"g" * 3000)
    for part in fragment6(whole, 1300):
        tape.add(ETHER / part)


def fragments_early(tape):
    """The last fragment first, between ends that have a flow: it cannot be told whose it is."""
    tape.add(datagram(A, B, 9, 10))
    parts = fragment(ip(A, B, id=5) / UDP(sport=9, dport=10) / Raw(b"f" * 3000), fragsize=1400)
    for part in reversed(parts):
        tape.add(ETHER / part)


def many(tape):
    """1,000 flows at once, their packets mixed."""
    ports = range(10000, 10500)
    talks = [connection(tape, (port, 443), begin=(port, port * 3)) for port in ports]
    for talk in talks:
        talk.open()
    for port in ports:
        tape.add(datagram(C, B, port, 53))
    for talk in reversed(talks):
        talk.ask(b"i" * (talk.ports[0] % 50 + 1), b"o" * (talk.ports[0] % 700 + 1))
    for port in ports:
        tape.add(datagram(B, C, 53, port, b"a" * 99))
    for talk in talks:
        talk.close()


def odd(tape):
    """Of no ports: a flow between two addresses for each protocol."""
    for number in range(3):
        tape.add(ETHER / ip(A, B) / GRE(proto=0x88BE) / Raw(b"g" * 40))
        tape.add(ETHER / ip(B, A, proto=50) / Raw(b"e" * 60))
        tape.add(ETHER / ip(A, "224.0.0.5", proto=89) / Raw(b"o" * 44))
        tape.add(ETHER / ip(A, B, proto=253) / Raw(b"t" * (number + 1)))


def sctp(tape):
    init = bytes.fromhex("01000014 00001111 0000ffff 00010001 00000001".replace(" ", ""))
    for number in range(2):
        tape.add(ETHER / ip(A, B, proto=132) /
                 SCTP(sport=2905, dport=2906, tag=0) / Raw(init))
        tape.wait(number)


def gap(tape):
    """A datagram after the time of its flow is another flow; tshark has one conversation."""
    for _ in range(3):
        tape.add(datagram(A, B, 5000, 6000))
        tape.add(datagram(B, A, 6000, 5000))
        tape.wait(600)


def backwards(tape):
    """Stamps that go back, as of captures that were put together: time stands still until they
    have caught up, so only packets and bytes are compared."""
    for number in range(10):
        tape.add(datagram(A, B, 5000, 6000))
        tape.now_ns -= (number % 3) * 700000000
        tape.add(datagram(B, A, 6000, 5000))
        tape.wait(1)


def stray(tape):
    """Beside a flow, what is in none: ARP, a bridge's, an ICMP error, a datagram of no ports."""
    tape.add(ETHER / ARP(psrc=A, pdst=B))
    tape.add(Ether(src="02:00:00:00:00:01", dst="01:80:c2:00:00:00") / LLC() / STP())
    asked = ip(A, B) / UDP(sport=5000, dport=6000) / Raw(b"x")
    tape.add(ETHER / asked)
    tape.add(ETHER / ip(B, A) / ICMP(type=3, code=3) / asked)
    tape.add(ETHER / ip(B, A) / ICMP(type=0, id=3))


def cut(tape):
    """Headers were kept, and no more: a packet's length is what it was."""
    tcp_whole(tape)
    udp_both_ways(tape)
    connection(tape, ends=(A6, B6)).open().ask(b"l" * 900, b"m" * 900).close()


# What is in no flow, by why; whether flows between the same ends are one conversation of tshark's,
# and which of its tables they are held against.
Case = collections.namedtuple("Case", "make unaccounted merged kinds",
                              defaults=({}, True, ("tcp", "udp", "ip", "ipv6")))
CASES = {case.make.__name__: case for case in (
    Case(tcp_whole), Case(tcp_reset), Case(tcp_half_open), Case(tcp_picked_up), Case(tcp_again),
    Case(tcp_ports_again, merged=False), Case(tcp_bulk), Case(udp_both_ways), Case(dns),
    Case(echo), Case(ipv6), Case(vlan), Case(fragments, kinds=("ip",)),
    Case(fragments_early, {"early_fragment": 2}, kinds=()), Case(many), Case(odd), Case(sctp),
    Case(gap), Case(backwards), Case(stray, {"not_ip": 2, "icmp_error": 1, "invalid": 1},
                                     kinds=("tcp", "udp")), Case(cut))}


# --- how they are held against each other --------------------------------------------------------

def replay(path, *words, config=CONFIG):
    file = path.parent / "replay.yaml"
    file.write_text(config)
    return subprocess.run([WEIR, "replay", path, "--config", file, *words],
                          capture_output=True, text=True, check=False)


def flows(path, **options):
    done = replay(path, "--flows", "--json", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ends_of(flow, kind):
    if kind in PROTOS:
        return (flow["src"], flow["sport"]), (flow["dst"], flow["dport"])
    return (flow["src"], None), (flow["dst"], None)


def is_of(flow, kind):
    if kind in PROTOS:
        return flow["proto"] == kind
    return (":" in flow["src"]) == (kind == "ipv6")


class Sum:
    """What some flows between the same ends carried together."""

    def __init__(self):
        self.sent, self.begin_ns, self.end_ns = collections.Counter(), None, 0

    def add(self, flow, kind):
        src, dst = ends_of(flow, kind)
        self.sent[src, "packets"] += flow["orig_packets"]
        self.sent[src, "bytes"] += flow["orig_bytes"]
        self.sent[dst, "packets"] += flow["reply_packets"]
        self.sent[dst, "bytes"] += flow["reply_bytes"]
        begin, end = flow["first_seen_ns"], flow["first_seen_ns"] + flow["duration_ns"]
        self.begin_ns = begin if self.begin_ns is None else min(self.begin_ns, begin)
        self.end_ns = max(self.end_ns, end)
        return self


def sums(found, kind, merged):
    """By ends; where flows are not merged, each for itself, in the order they began."""
    made = collections.defaultdict(list)
    for flow in sorted(found, key=lambda flow: flow["first_seen_ns"]):
        if is_of(flow, kind):
            of_ends = made[frozenset(ends_of(flow, kind))]
            if not of_ends or (not merged and kind in PROTOS):
                of_ends.append(Sum())
            of_ends[-1].add(flow, kind)
    return made


def held_against(found, tape, conversations_of, kind, case, link_bytes=0, timed=True):
    """Ends, packets and bytes either way, start and duration are the same. tshark's bytes are with
    the link header that the capture has; Weir's with that of Ethernet."""
    told = collections.defaultdict(list)
    for conversation in conversations_of[kind]:
        told[frozenset(conversation.sent)].append(conversation)
    made = sums(found, kind, case.merged)
    assert {ends: len(rows) for ends, rows in made.items()} == \
        {ends: len(rows) for ends, rows in told.items()}
    for ends, rows in told.items():
        for conversation, own in zip(rows, made[ends]):
            for end, (packets, (number, unit)) in conversation.sent.items():
                assert own.sent[end, "packets"] == packets
                assert (own.sent[end, "bytes"] + link_bytes * packets) // unit == number
            if timed:
                assert own.begin_ns - tape.rows[0][0] == conversation.start_ns
                assert abs(own.end_ns - own.begin_ns - conversation.duration_ns) <= ROUNDED_NS
    return len(told)


def account_adds_up(answer, tape, case, link_bytes=0):
    """Each packet is in a flow, or in none for a reason that is told."""
    account = answer["account"]
    wire = sum(len(frame) for _, frame in tape.rows) - link_bytes * len(tape.rows)
    of = [value for value in account.values() if isinstance(value, dict)]
    assert sum(value["packets"] for value in of) == len(tape.rows) == answer["packets"]
    assert sum(value["bytes"] for value in of) == wire == answer["bytes"]
    assert {name: value["packets"] for name, value in account.items()
            if isinstance(value, dict) and value["packets"] and name != "flow"} == case.unaccounted
    found = answer["flows"]
    assert sum(flow["packets"] for flow in found) == account["flow"]["packets"]
    assert sum(flow["bytes"] for flow in found) == account["flow"]["bytes"]


@pytest.mark.parametrize("name", CASES)
def test_flows_of_a_capture_are_the_conversations_of_tshark(tmp_path, name):
    case, tape, path = CASES[name], Tape(), tmp_path / "c.pcap"
    case.make(tape)
    tape.write(path, **({"snaplen": 96} if name == "cut" else {}))
    answer = flows(path)
    account_adds_up(answer, tape, case)
    told = conversations(path)
    counts = [held_against(answer["flows"], tape, told, kind, case, timed=name != "backwards")
              for kind in case.kinds]
    assert sum(counts) or not case.kinds


# --- files, links and stamps ---------------------------------------------------------------------

def mixed(tape):
    tcp_whole(tape)
    dns(tape)
    ipv6(tape)


@pytest.mark.parametrize("form", ["microseconds", "pcapng"])
def test_any_file_gives_the_same(tmp_path, form):
    tape, path = Tape(step_ns=1234567 if form == "pcapng" else 1234000), tmp_path / "c"
    mixed(tape)
    if form == "pcapng":
        tape.write_ng(path)
    else:
        tape.write(path, magic=0xA1B2C3D4)
    answer, case, told = flows(path), Case(mixed), conversations(path)
    account_adds_up(answer, tape, case)
    assert [held_against(answer["flows"], tape, told, kind, case)
            for kind in case.kinds] == [2, 11, 1, 1]


def test_other_links_count_as_ethernet(tmp_path):
    """Raw IP has no link header: Weir counts the 14 bytes that Ethernet has."""
    tape, path, case = Tape(), tmp_path / "c.pcap", Case(mixed)
    mixed(tape)
    tape.rows = [(time_ns, frame[14:]) for time_ns, frame in tape.rows]
    tape.write(path, link=101)
    answer = flows(path)
    account_adds_up(answer, tape, case, link_bytes=-14)
    assert held_against(answer["flows"], tape, conversations(path), "udp", case, -14) == 11


# --- what is said --------------------------------------------------------------------------------

def reasons(path):
    return [(flow["proto"], flow["reason"]) for flow in flows(path)["flows"]]


@pytest.mark.parametrize("make, said", [
    (tcp_whole, [("tcp", "closed")]),
    (tcp_reset, [("tcp", "reset")]),
    (tcp_ports_again, [("tcp", "closed")] * 3),
    (gap, [("udp", "idle")] * 2 + [("udp", "open")]),
    (odd, [(proto, "open") for proto in ("gre", "esp", "ospf", "253")]),
])
def test_end_goes_by_the_clock_of_the_capture(tmp_path, make, said):
    tape = Tape()
    make(tape)
    tape.write(tmp_path / "c")
    assert reasons(tmp_path / "c") == said


def test_two_replays_say_the_same(tmp_path):
    tape = Tape()
    many(tape)
    tape.write(tmp_path / "c")
    first, second = flows(tmp_path / "c"), flows(tmp_path / "c")
    assert first["flows"] == second["flows"] and len(first["flows"]) == 1000


def test_text_and_csv_have_the_flows_too(tmp_path):
    tape = Tape()
    tcp_whole(tape)
    stray(tape)
    tape.write(tmp_path / "c")
    text = replay(tmp_path / "c", "--flows").stdout
    assert "192.0.2.1:40000" in text and "closed" in text
    assert "2 flows; in none: 2 not_ip, 1 invalid, 1 icmp_error" in text
    rows = list(csv.DictReader(io.StringIO(replay(tmp_path / "c", "--flows", "--csv").stdout)))
    assert [(row["src"], row["packets"], row["reason"]) for row in rows] == \
        [(A, "14", "closed"), (A, "1", "open")]


def test_configuration_that_follows_nothing_is_refused(tmp_path):
    tape = Tape()
    tcp_whole(tape)
    tape.write(tmp_path / "c")
    done = replay(tmp_path / "c", "--flows", config="conntrack: {enabled: false}\n")
    assert done.returncode != 0
    assert "conntrack.enabled" in done.stderr and "leave --flows out" in done.stderr


def test_what_the_configuration_drops_is_in_no_flow(tmp_path):
    tape, case = Tape(), Case(udp_both_ways, {"dropped": 1})
    udp_both_ways(tape)
    tape.write(tmp_path / "c")
    answer = flows(tmp_path / "c", config=CONFIG + "block: {lists: [{name: bad, action: deny, "
                                                   f"entries: [{C}]}}]}}\n")
    account_adds_up(answer, tape, case)
