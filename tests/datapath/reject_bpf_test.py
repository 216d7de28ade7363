# SPDX-License-Identifier: Apache-2.0
"""What the packet programs make of a rejected packet is byte for byte what scapy builds from the
RFCs' words, for every kind of packet there is, by both compilers and at XDP and TC; and it is
nothing at all where nothing may be sent. What is answered is told by the packet's makers
(tests/unit/packets.py), not by Weir."""
import collections
import functools
import ipaddress
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "unit"), str(TREE / "tests" / "datapath")]
import back_edges  # noqa: E402
import packets  # noqa: E402
import reject_build  # noqa: E402
from scapy.all import Ether, ICMP, IP, IPv6, Raw, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest,  # noqa: E402
                                IPv6ExtHdrHopByHop, PadN)

SEED, COUNT = 31, 4000
DEFAULT, ADMIN = 1, 2
QUOTE = 128                         # bytes; of a TCP header all must be in it, of others 8 bytes
SENT = {"weir_xdp": 3, "weir_xdp_frags": 3, "weir_tc_in": 7, "weir_tc_out": 7}
DROPPED = {"weir_xdp": 1, "weir_xdp_frags": 1, "weir_tc_in": 2, "weir_tc_out": 2}
PASSED = {"weir_xdp": 2, "weir_xdp_frags": 2, "weir_tc_in": 0xffffffff, "weir_tc_out": 0xffffffff}
ICMP4_ASKS = {0, 8, 9, 10, 13, 14, 15, 16, 17, 18}

Run = collections.namedtuple("Run", "action frame")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("reject-bpf")


@pytest.fixture(scope="module")
def loader(built):
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    return reject_build.build_loader(built)


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def bpf_object(request, built):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return reject_build.build_object(built, request.param)


@pytest.fixture(scope="module")
def run(loader, bpf_object):
    def run(program, frames, kind=DEFAULT, per_second=1000000, burst=1000000):
        done = subprocess.run([loader, bpf_object, str(kind), str(per_second), str(burst), "run",
                               program], input="".join(f"{f.hex()}\n" for f in frames), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [line.split(" ") for line in done.stdout.splitlines()]
        return [Run(int(action) & 0xffffffff, bytes.fromhex(frame)) for action, frame in lines]
    return run


# --- what an answer must be --------------------------------------------------------------------

def is_one_host(address):
    if address.version == 4:
        return 0 < int(address) >> 24 < 224
    return not address.is_multicast and int(address) != 0


def addresses(data, at):
    if data[at] >> 4 == 4:
        return tuple(ipaddress.ip_address(data[at + n:at + n + 4]) for n in (12, 16))
    return tuple(ipaddress.ip_address(data[at + n:at + n + 16]) for n in (8, 24))


def is_answered(case, kind):
    e, seen = case.expect, case.expect["seen"]
    if seen & {"later_fragment", "too_deep", "mpls"} or not e.get("l4_offset"):
        return False
    at = e["l3_offset"]
    wanted = 20 if is_reset(case, kind) else 8
    if e["l4_offset"] - at > QUOTE - wanted or is_pppoe(case):
        return False
    if not all(map(is_one_host, addresses(case.data, at))):
        return False
    if "icmp" in seen:
        asks = ICMP4_ASKS if "ipv4" in seen else set(range(128, 256)) - {137}
        return e["icmp_type"] in asks
    return not (is_reset(case, kind) and e["tcp_flags"] & 4)


def is_reset(case, kind):
    return kind == DEFAULT and "tcp" in case.expect["seen"]


def is_pppoe(case):
    at = 12
    while case.data[at:at + 2] in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        at += 4
    return case.data[at:at + 2] == b"\x88\x64"


def ip_layer(case, proto):
    at = case.expect["l3_offset"]
    src, dst = addresses(case.data, at)
    if src.version == 4:
        return IP(src=str(dst), dst=str(src), ttl=64, id=0, flags="DF",
                  tos=0xc0 if proto == 1 else 0)
    return IPv6(src=str(dst), dst=str(src), hlim=64)


def packet_length(case):
    at = case.expect["l3_offset"]
    word = case.data[at + 2:at + 4] if case.data[at] >> 4 == 4 else case.data[at + 4:at + 6]
    return int.from_bytes(word, "big") + (0 if case.data[at] >> 4 == 4 else 40)


def reset(case):
    e = case.expect
    got = TCP(case.data[e["l4_offset"]:])
    flags = int(got.flags)
    if flags & 0x10:
        answer = TCP(sport=got.dport, dport=got.sport, flags="R", seq=got.ack, ack=0, window=0)
    else:
        held = packet_length(case) - (e["l4_offset"] - e["l3_offset"]) - got.dataofs * 4
        held += (flags & 1) + (flags >> 1 & 1)
        answer = TCP(sport=got.dport, dport=got.sport, flags="RA", seq=0, window=0,
                     ack=(got.seq + held) % 2**32)
    return bytes(ip_layer(case, 6) / answer)


def unreachable(case, kind):
    at = case.expect["l3_offset"]
    quote = Raw(case.data[at:at + min(packet_length(case), QUOTE)])
    if case.data[at] >> 4 == 4:
        return bytes(ip_layer(case, 1) / ICMP(type=3, code=3 if kind == DEFAULT else 13) / quote)
    return bytes(ip_layer(case, 58) / ICMPv6DestUnreach(code=4 if kind == DEFAULT else 1) / quote)


def expected(case, kind):
    at = case.expect["l3_offset"]
    return (case.data[6:12] + case.data[:6] + case.data[12:at] +
            (reset(case) if is_reset(case, kind) else unreachable(case, kind)))


# --- all kinds of packets ----------------------------------------------------------------------

@functools.cache
def random_cases():
    return [case for case in packets.cases(SEED, COUNT)
            if case.link == "eth" and 60 < len(case.data) < 4000 and
            case.expect["seen"] & {"ipv4", "ipv6"} and "neighbour" not in case.expect["seen"]]


@functools.cache
def expectations(kind):
    """The answer to each of them; None where there is to be none."""
    return [expected(case, kind) if is_answered(case, kind) else None for case in random_cases()]


@pytest.mark.parametrize("kind", (DEFAULT, ADMIN))
def test_random_packets_are_of_every_kind(kind):
    count = collections.Counter("none" if want is None else is_reset(case, kind)
                                for case, want in zip(random_cases(), expectations(kind)))
    assert count["none"] > 200 and count[False] > 200 and (count[True] > 50 or kind == ADMIN)


@pytest.mark.parametrize("program", SENT)
@pytest.mark.parametrize("kind", (DEFAULT, ADMIN))
def test_answers_to_random_packets_are_those_that_scapy_builds(run, program, kind):
    runs = run(program, [case.data for case in random_cases()], kind)
    for case, want, got in zip(random_cases(), expectations(kind), runs, strict=True):
        if want is None:
            assert got.action == DROPPED[program], (case.what, case.data.hex())
            continue
        if "xdp" in program:
            want = want.ljust(60, b"\0")
        assert got.action == SENT[program], (case.what, case.data.hex())
        assert got.frame.hex() == want.hex(), (case.what, case.data.hex())


# --- single facts ------------------------------------------------------------------------------

ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
FOUR = ETH / IP(src="192.0.2.1", dst="198.51.100.2")
SIX = ETH / IPv6(src="2001:db8::1", dst="2001:db8:9::2")


def answer(run, frame, program="weir_xdp", kind=DEFAULT):
    got = run(program, [bytes(frame)], kind)[0]
    assert got.action == SENT[program]
    return Ether(got.frame)


@pytest.mark.parametrize("program", ("weir_xdp", "weir_tc_in"))
@pytest.mark.parametrize("ip", (FOUR, SIX))
def test_reset_of_a_segment_with_ack_takes_its_number_from_it(run, program, ip):
    segment = TCP(sport=1, dport=2, flags="PA", seq=5, ack=77) / b"12345"
    got = answer(run, ip / segment, program)[TCP]
    assert (got.seq, got.ack, str(got.flags)) == (77, 0, "R")


@pytest.mark.parametrize("program", ("weir_xdp", "weir_tc_in"))
@pytest.mark.parametrize("flags, held", (("S", 1 + 5), ("SF", 2 + 5), ("F", 1 + 5), ("", 5)))
def test_reset_of_a_segment_without_ack_acknowledges_all_it_holds(run, program, flags, held):
    segment = TCP(sport=1, dport=2, flags=flags, seq=2**32 - 2, options=[("MSS", 1460)]) / b"12345"
    got = answer(run, FOUR / segment, program)[TCP]
    assert (got.seq, got.ack, str(got.flags)) == (0, held - 2, "RA")


@pytest.mark.parametrize("program", ("weir_xdp", "weir_tc_in"))
def test_error_quotes_the_packet_up_to_its_bound_and_no_padding(run, program):
    asked = [FOUR / UDP(sport=1, dport=2) / (b"x" * size)
             for size in (0, 1, 2, 3, 20, 60, 71, 72, 73, 99, 100, 101, 1400)]
    padded = [bytes(packet).ljust(64, b"\xee") for packet in asked]     # as on a wire
    for packet, (_, frame) in zip(asked, run(program, padded)):
        got, quote = Ether(frame), bytes(packet[IP])[:QUOTE]
        assert bytes(got[ICMP])[8:8 + len(quote)] == quote
        assert got[IP].len == 28 + len(quote)
        assert b"\xee" not in frame


UNANSWERED = (
    FOUR / TCP(flags="R"), FOUR / TCP(flags="RA"), SIX / TCP(flags="RA"),
    FOUR / ICMP(type=3) / bytes(28), FOUR / ICMP(type=11) / bytes(28), FOUR / ICMP(type=5),
    SIX / ICMPv6DestUnreach() / bytes(48),
    ETH / IP(src="192.0.2.1", dst="224.0.0.5") / UDP() / bytes(9),
    ETH / IP(src="192.0.2.1", dst="255.255.255.255") / UDP() / bytes(9),
    ETH / IP(src="0.0.0.0", dst="192.0.2.1") / UDP() / bytes(9),
    ETH / IP(src="224.0.0.1", dst="192.0.2.1") / UDP() / bytes(9),
    ETH / IP(src="255.255.255.255", dst="192.0.2.1") / TCP() / bytes(9),
    ETH / IPv6(src="2001:db8::1", dst="ff02::1") / UDP(),
    ETH / IPv6(src="::", dst="2001:db8::1") / UDP(),
    ETH / IPv6(src="ff02::1", dst="2001:db8::1") / UDP(),
    Ether(src=ETH.src, dst="ff:ff:ff:ff:ff:ff") / FOUR[IP] / UDP() / bytes(9),
    Ether(src=ETH.src, dst="01:00:5e:00:00:01") / FOUR[IP] / TCP(),
    Ether(src="03:00:00:00:00:01", dst=ETH.dst) / FOUR[IP] / TCP(),
    ETH / IP(src="192.0.2.1", dst="198.51.100.2", frag=9) / Raw(bytes(30)),
    ETH / IP(src="192.0.2.1", dst="198.51.100.2", proto=6) / Raw(bytes(12) + b"\x10" + bytes(19)),
    SIX / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(100))]) / UDP(),
)


@pytest.mark.parametrize("program", SENT)
def test_nothing_is_sent_about_errors_groups_resets_and_later_fragments(run, program):
    runs = run(program, [bytes(frame) for frame in UNANSWERED])
    assert [frame.summary() for frame, got in zip(UNANSWERED, runs)
            if got.action != DROPPED[program]] == []


@pytest.mark.parametrize("program", SENT)
def test_first_fragment_is_answered(run, program):
    frame = ETH / IP(src="192.0.2.1", dst="198.51.100.2", flags="MF") / UDP(sport=1, dport=2) / (
        b"x" * 32)
    assert answer(run, frame, program)[ICMP].type == 3


def test_echo_requests_are_answered_as_unreachable(run):
    assert answer(run, FOUR / ICMP() / bytes(24))[ICMP].code == 3
    assert answer(run, SIX / ICMPv6EchoRequest())[ICMPv6DestUnreach].code == 4


@pytest.mark.parametrize("program", ("weir_xdp", "weir_tc_in"))
def test_what_is_over_the_cap_is_dropped(run, program):
    frames = [bytes(FOUR / UDP(sport=1, dport=n) / bytes(9)) for n in range(40)]
    actions = [r.action for r in run(program, frames, per_second=1, burst=7)]
    assert actions == [SENT[program]] * 7 + [DROPPED[program]] * 33


def test_silence_uses_up_no_answers(run):
    frames = [bytes(FOUR / TCP(flags="R"))] * 50 + [bytes(FOUR / TCP(flags="S"))]
    assert run("weir_xdp", frames, per_second=1, burst=1)[-1].action == SENT["weir_xdp"]


def test_what_no_rule_rejects_goes_on_unchanged(run):
    frame = bytes(FOUR / TCP(sport=1, dport=80))
    for program in SENT:
        assert run(program, [frame], kind=0)[0] == Run(PASSED[program], frame)


def test_no_loop_has_a_form_that_older_kernels_refuse(bpf_object):
    assert back_edges.refused_in(bpf_object) == {}
