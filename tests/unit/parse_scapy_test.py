# SPDX-License-Identifier: Apache-2.0
"""The native parser against scapy: what it finds in random packets is what scapy put in."""
import json
import pathlib
import subprocess
import sys

import pytest
from scapy.layers.inet import IP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Raw

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "unit"))
import packets  # noqa: E402

SEED, COUNT = 20, 5000


@pytest.fixture(scope="module")
def parse(tmp_path_factory):
    program = tmp_path_factory.mktemp("parse") / "parse_print"
    subprocess.run(["cc", "-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{TREE}",
                    str(TREE / "tests/unit/parse_print.c"), "-o", str(program)], check=True)

    def run(lines):
        text = "".join(f"{link} {data.hex()}\n" for link, data in lines)
        done = subprocess.run([str(program)], input=text, stdout=subprocess.PIPE, text=True,
                              check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    return run


@pytest.fixture(scope="module")
def all_cases():
    return list(packets.cases(SEED, COUNT))


def differences(case, found):
    found = dict(found, seen=packets.seen_names(found["seen"]))
    return {name: (value, found[name]) for name, value in case.expect.items()
            if found[name] != value}


def test_whole_packets_are_read_as_scapy_wrote_them(parse, all_cases):
    results = parse([(c.link, c.data) for c in all_cases])
    wrong = [(case.what, case.data.hex(), d) for case, found in zip(all_cases, results)
             if (d := differences(case, found))]
    assert not wrong, f"{len(wrong)} of {len(all_cases)}; first: {wrong[0]}"


def test_the_packets_cover_every_kind_that_whole_packets_can_be(all_cases):
    seen = set().union(*(case.expect["seen"] for case in all_cases))
    assert seen == set(packets.SEEN) - {"malformed", "cut_short"}
    assert {case.expect["proto"] for case in all_cases} >= {1, 6, 17, 33, 47, 50, 58, 59, 132, 136}


def test_addresses_hold_wherever_the_rest_is_cut(parse, all_cases):
    cut = [(c, n) for c in all_cases[::3] if c.ip
           for n in {c.ip, (c.ip + c.need) // 2, c.need - 1, c.need} if c.ip <= n <= len(c.data)]
    assert len(cut) > 2000
    for (case, n), found in zip(cut, parse([(c.link, c.data[:n]) for c, n in cut])):
        assert found["src"] == case.expect["src"], (case.what, n)
        assert found["dst"] == case.expect["dst"], (case.what, n)
        wanted = {"malformed", "cut_short"} if n < case.need else set()
        assert packets.seen_names(found["seen"]) & {"malformed", "cut_short"} == wanted, (
            case.what, n, case.data.hex())


def test_a_frame_cut_before_its_addresses_has_none(parse, all_cases):
    cut = [(c, n) for c in all_cases[::5] if c.ip
           for n in (0, 13, c.ip - 1) if c.link == "eth" or n == c.ip - 1]
    for (case, n), found in zip(cut, parse([(c.link, c.data[:n]) for c, n in cut])):
        assert not packets.seen_names(found["seen"]) & {"ipv4", "ipv6"}, (case.what, n)
        assert "malformed" in packets.seen_names(found["seen"])
        assert int(found["src"], 16) == int(found["dst"], 16) == 0


def test_a_fragment_says_where_it_belongs_and_what_it_carries(parse):
    v4 = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_NOP()] * 4, id=0x1234)
    v6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrDestOpt()
    frames = [("0800", v4, {"frag": 3, "flags": "MF", "proto": 17}, 40, (25, 40, 0x12340000)),
              ("0800", v4, {"frag": 8190, "proto": 6}, 9, (65520, 9, 0x12340000)),
              ("86dd", v6, {"offset": 0, "m": 1, "nh": 17}, 40, (1, 40, 0xaabbccdd)),
              ("86dd", v6, {"offset": 8191, "m": 0, "nh": 6}, 3, (65528, 3, 0xaabbccdd))]
    for link, header, fields, length, wanted in frames:
        packet = header.copy()
        if link == "0800":
            for name, value in fields.items():
                setattr(packet, name, value)
        else:
            packet /= IPv6ExtHdrFragment(id=0xaabbccdd, **fields)
        found = parse([(link, bytes(packet / Raw(b"x" * length)) + b"padding")])[0]
        assert (found["fragment"], found["fragment_bytes"], found["fragment_id"]) == wanted


@pytest.mark.parametrize("length, is_malformed", [(7, True), (8, False), (28, False), (29, True),
                                                  (0, True), (65535, True)])
def test_a_udp_length_is_a_header_at_least_and_no_more_than_there_is(parse, length, is_malformed):
    udp = UDP(sport=1, dport=2, len=length) / Raw(b"x" * 20)
    for link, packet in (("0800", IP() / udp), ("86dd", IPv6() / udp)):
        found = parse([(link, bytes(packet) + b"padding")])[0]
        assert ("malformed" in packets.seen_names(found["seen"])) == is_malformed
