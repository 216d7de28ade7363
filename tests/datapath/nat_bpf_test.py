# SPDX-License-Identifier: Apache-2.0
"""A packet whose source or destination is translated is byte for byte the packet that scapy builds
with the other address and port, at XDP and at TC, by both compilers; and what cannot be translated
stays as it was."""
import collections
import dataclasses
import errno
import functools
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
import back_edges  # noqa: E402
import bpf_build  # noqa: E402
import nat_frames as frames  # noqa: E402
from nat_frames import (CANNOT, Change, DONE, ERROR, ERROR_HELD, FAILED, PACKET,  # noqa: E402
                        NOTHING, Ends, Error, Shape)
from scapy.all import ARP, Ether, ICMP, IP, IPv6, Raw, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, PadN  # noqa: E402

SEED = int(os.environ.get("WEIR_NAT_SEED") or random.SystemRandom().randrange(1 << 32))
COUNT = 2000
PROGRAMS = ("nat_tc", "nat_xdp")
VERIFIED_MAX = 30000
SKB_CHECKSUM_COMPLETE = 1 << 2          # linux/bpf.h: BPF_F_TEST_SKB_CHECKSUM_COMPLETE
NO_TASK = frames.task(NOTHING)

Run = collections.namedtuple("Run", "end ns frame")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("nat-bpf")


@pytest.fixture(scope="module")
def loader(built):
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    return bpf_build.build_loader(built, "nat_bpf")


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def bpf_object(request, built):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return bpf_build.build_object(built, "nat_bpf", request.param)


@pytest.fixture(scope="module")
def run(loader, bpf_object):
    """Answers to (task, task, frame), in the same order; an errno where the kernel has one."""
    def run(program, asked, flags=0, repeat=1):
        done = subprocess.run([loader, bpf_object, "run"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, input="".join(
                                  f"{program} {flags} {repeat} {one.hex()} {two.hex()} {f.hex()}\n"
                                  for one, two, f in asked))
        assert done.returncode == 0, done.stderr[-3000:]
        words = [line.split(" ") for line in done.stdout.splitlines()]
        assert len(words) == len(asked)
        return [int(w[1]) if w[0] == "error" else Run(int(w[0]), int(w[1]), bytes.fromhex(w[2]))
                for w in words]
    return run


def check(run, program, cases, flags=0):
    runs = run(program, [(case.task, NO_TASK, case.before) for case in cases], flags)
    for case, got in zip(cases, runs, strict=True):
        said = f"WEIR_NAT_SEED={SEED} {case.what} {case.before.hex()}"
        assert not isinstance(got, int), f"{errno.errorcode[got]}: {said}"
        assert got.frame.hex() == case.after.hex(), said
        assert got.end == case.end, said


# --- all kinds of packets ------------------------------------------------------------------------

BOTH = (False, True)


@functools.cache
def packets():
    rng = random.Random(SEED)
    return [frames.random_packet(rng, link=link, is_source=is_source, has_port=has_port,
                                 version=version, kind=kind, options=options, part=part)
            for version, kind, link, part, options, is_source, has_port in itertools.product(
                (4, 6), frames.KINDS, frames.LINKS, frames.PARTS, BOTH, BOTH, BOTH)]


@functools.cache
def errors():
    rng = random.Random(SEED + 1)
    return [frames.random_error(rng, quoted=quoted, is_source=is_source, has_port=has_port,
                                has_outer=has_outer, version=version, kind=kind, options=options,
                                outer_options=outer_options)
            for version, kind, quoted, options, outer_options, has_outer, is_source, has_port in
            itertools.product((4, 6), frames.KINDS, (8, 2000), BOTH, BOTH, BOTH, BOTH, BOTH)]


@functools.cache
def random_cases():
    rng = random.Random(SEED + 2)
    return [(frames.random_error if rng.random() < 0.4 else frames.random_packet)(rng)
            for _ in range(COUNT)]


ALL_CASES = {"packets": packets, "errors": errors, "random": random_cases}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("cases", ALL_CASES)
def test_translated_frame_is_the_one_scapy_builds_with_the_other_end(run, program, cases):
    print(f"WEIR_NAT_SEED={SEED}")
    check(run, program, ALL_CASES[cases]())


def test_random_frames_are_of_every_kind():
    """What cannot be translated is rare where all is drawn: six or seven of two thousand."""
    ends = collections.Counter(case.end for case in packets() + random_cases())
    changed = sum(case.before != case.after for case in random_cases())
    assert ends[CANNOT] > 2 and changed > COUNT * 0.8
    assert sum(len(case.before) < 80 for case in random_cases()) > 50


@pytest.mark.parametrize("cases", ALL_CASES)
def test_sum_that_a_device_has_taken_of_all_the_packet_stays_right(run, cases):
    some = ALL_CASES[cases]()
    one = run("nat_tc", [(NO_TASK, NO_TASK, some[0].before)], SKB_CHECKSUM_COMPLETE)[0]
    if one == errno.EINVAL:
        pytest.skip("this kernel's prog-run has no such sum")
    check(run, "nat_tc", some, SKB_CHECKSUM_COMPLETE)


# --- single facts --------------------------------------------------------------------------------

ENDS = {4: Ends("192.0.2.1", "198.51.100.2", 40000, 80),
        6: Ends("2001:db8::1", "2001:db8:9::2", 40000, 80)}
TO = {4: "203.0.113.9", 6: "2001:db8:77::9"}
ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def payload_that_makes_the_sum_zero(version, ends, kind="udp"):
    """The sum over a word of zeroes is the word that takes it to zero."""
    return frames.transport(Shape(version, kind, payload=bytes(2)), ends)[6:8]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("port", (0, 8080))
def test_udp_sum_that_becomes_zero_is_sent_as_ffff(run, program, version, port):
    change = Change(TO[version], port, False)
    word = payload_that_makes_the_sum_zero(version, change.made_to(ENDS[version]))
    shape = Shape(version, "udp", payload=word)
    held = Error(shape, "plain", 8, frames.ERRORS[version][0], False, ENDS[version], ENDS[version])
    assert frames.transport(shape, change.made_to(ENDS[version]))[6:8] == b"\xff\xff"
    check(run, program, [frames.case_of_packet(shape, "plain", ENDS[version], change),
                         frames.case_of_error(held, None, change)])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("port", (0, 8080))
def test_udp_sum_that_was_ffff_becomes_what_it_is(run, program, version, port):
    shape = Shape(version, "udp",
                  payload=payload_that_makes_the_sum_zero(version, ENDS[version]))
    assert frames.transport(shape, ENDS[version])[6:8] == b"\xff\xff"
    check(run, program, [frames.case_of_packet(shape, "plain", ENDS[version],
                                               Change(TO[version], port, True))])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
def test_a_sum_of_zero_is_a_sum_to_dccp(run, program, version):
    """To UDP alone, and to UDP-Lite, it says that there is none."""
    change, ends = Change(TO[version], 8080, False), ENDS[version]
    for zero_with in (ends, change.made_to(ends)):
        word = payload_that_makes_the_sum_zero(version, zero_with, "dccp")
        shape = Shape(version, "dccp", payload=word)
        assert frames.transport(shape, zero_with)[6:8] == bytes(2)
        check(run, program, [frames.case_of_packet(shape, "plain", ends, change)])


@pytest.mark.parametrize("program", PROGRAMS)
def test_icmpv6_over_ipv4_is_no_protocol_that_is_known(run, program):
    frame = ETH / IP(src=ENDS[4].src, dst=ENDS[4].dst, proto=58) / Raw(b"\x80" + bytes(30))
    wanted = ETH / IP(src=TO[4], dst=ENDS[4].dst, proto=58) / Raw(b"\x80" + bytes(30))
    one = frames.task(PACKET, Change(TO[4], 8080, True))
    assert run(program, [(one, NO_TASK, bytes(frame))])[0].frame.hex() == bytes(wanted).hex()


@pytest.mark.parametrize("program", PROGRAMS)
def test_half_of_a_quoted_checksum_stays(run, program):
    held = Error(Shape(4, "tcp"), "plain", 17, ICMP(type=3), False, ENDS[4], ENDS[4])
    case = frames.case_of_error(held, None, Change(TO[4], 8080, False))
    wanted = Ether(case.after[:-1] + case.before[-1:])
    assert bytes(wanted)[-1] != case.after[-1]
    wanted = ETH / IP(bytes(wanted[IP])[:20]) / ICMP(type=3) / Raw(bytes(wanted)[42:])
    got = run(program, [(case.task, NO_TASK, case.before)])[0]
    assert got.frame.hex() == bytes(wanted).hex()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("kind", ("tcp", "udp", "icmp"))
def test_what_arrived_damaged_is_still_damaged(run, program, version, kind):
    case = frames.case_of_packet(Shape(version, kind), "plain", ENDS[version],
                                 Change(TO[version], 8080, False))
    damaged = [frame[:-1] + bytes((frame[-1] ^ 1,)) for frame in (case.before, case.after)]
    assert run(program, [(case.task, NO_TASK, damaged[0])])[0].frame == damaged[1]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
def test_a_fragment_of_sctp_takes_the_port_that_it_has_and_no_other(run, program, version):
    """Its sum is over all fragments."""
    shape, ends = Shape(version, "sctp", part="first", payload=bytes(300)), ENDS[version]
    to_port = {port: frames.case_of_packet(shape, "plain", ends, Change(TO[version], port, False))
               for port in (0, ends.dport, ends.dport + 1)}
    assert [case.end for case in to_port.values()] == [DONE, DONE, CANNOT]
    check(run, program, list(to_port.values()))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
def test_sums_of_sctp_of_every_length(run, program, version):
    rng = random.Random(SEED + 3)
    check(run, program, [frames.random_packet(
        rng, link="plain", version=version, kind="sctp", part="whole", has_port=True)
        for _ in range(300)])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("is_source", (False, True))
def test_sum_of_sctp_that_is_left_to_the_device_stays_0(run, program, version, is_source):
    case = frames.case_of_packet(Shape(version, "sctp"), "plain", ENDS[version],
                                 Change(TO[version], 8080, is_source))
    at = 14 + (20 if version == 4 else 40) + 8
    before, after = (frame[:at] + bytes(4) + frame[at + 4:] for frame in (case.before, case.after))
    assert run(program, [(case.task, NO_TASK, before)])[0].frame.hex() == after.hex()


@pytest.mark.parametrize("program", ("nat_tc_both", "nat_xdp_both"))
@pytest.mark.parametrize("version", (4, 6))
def test_both_ends_change_in_two_steps(run, program, version):
    ends, changes = ENDS[version], (Change(TO[version], 8080, False),
                                    Change(frames.random_address(random, version), 999, True))
    for kind in frames.WITH_PORTS:
        shape = Shape(version, kind)
        both = changes[1].made_to(changes[0].made_to(ends))
        tasks = [frames.task(PACKET, change) for change in changes]
        frame, wanted = (frames.framed(shape, "plain", frames.packet(shape, e))
                         for e in (ends, both))
        assert run(program, [(*tasks, frame)])[0].frame.hex() == wanted.hex()


# --- sent on at TC: an end, a hop and link addresses in one step ----------------------------------

NEXT = bytes.fromhex("020000007701020000007702")        # nat_bpf.bpf.c: NEXT_LINK


def sent_on(version, frame):
    if version == 6:
        return NEXT + frame[12:21] + bytes((frame[21] - 1,)) + frame[22:]
    head = IP(frame[14:34])
    head.ttl -= 1
    del head.chksum
    return NEXT + frame[12:14] + bytes(head) + frame[34:]


def onward_cases():
    rng = random.Random(SEED + 4)
    for version, kind, is_source, has_port in itertools.product(
            (4, 6), ("tcp", "udp", "udp-none"), BOTH, BOTH):
        for _ in range(100):
            case = frames.random_packet(rng, link="plain", version=version, kind=kind, part="whole",
                                        options=False, is_source=is_source, has_port=has_port)
            yield dataclasses.replace(case, after=sent_on(version, case.after))


@pytest.mark.parametrize("flags", (0, SKB_CHECKSUM_COMPLETE), ids=("plain", "complete"))
def test_what_is_sent_on_is_what_scapy_builds(run, flags):
    some = list(onward_cases())
    one = run("nat_tc", [(NO_TASK, NO_TASK, some[0].before)], flags)[0]
    if one == errno.EINVAL:
        pytest.skip("this kernel's prog-run has no such sum")
    check(run, "onward_tc", some, flags)


@pytest.mark.parametrize("flags", (0, SKB_CHECKSUM_COMPLETE), ids=("plain", "complete"))
@pytest.mark.parametrize("version", (4, 6))
def test_both_ends_are_sent_on_in_one_step(run, version, flags):
    ends, changes = ENDS[version], (Change(TO[version], 8080, False),
                                    Change(frames.random_address(random, version), 999, True))
    both = changes[1].made_to(changes[0].made_to(ends))
    for kind in ("tcp", "udp", "udp-none"):
        shape = Shape(version, kind)
        tasks = [frames.task(PACKET, change) for change in changes]
        frame, wanted = (frames.framed(shape, "plain", frames.packet(shape, e))
                         for e in (ends, both))
        got = run("onward_tc_both", [(*tasks, frame)], flags)[0]
        if got == errno.EINVAL and flags:
            pytest.skip("this kernel's prog-run has no such sum")
        assert got.frame == sent_on(version, wanted)


@pytest.mark.parametrize("version", (4, 6))
def test_udp_sum_that_becomes_zero_is_sent_on_as_ffff(run, version):
    change = Change(TO[version], 8080, False)
    word = payload_that_makes_the_sum_zero(version, change.made_to(ENDS[version]))
    case = frames.case_of_packet(Shape(version, "udp", payload=word), "plain", ENDS[version],
                                 change)
    check(run, "onward_tc", [dataclasses.replace(case, after=sent_on(version, case.after))])


def number_that_makes_the_header_sum_zero(change):
    """Of an IPv4 header, once it is sent on: what the sum is without it fills it up to 0xffff."""
    none = frames.case_of_packet(Shape(4, "udp", number=0), "plain", ENDS[4], change)
    return IP(sent_on(4, none.after)[14:34]).chksum


@pytest.mark.parametrize("program", ("onward_tc", "onward_xdp", "microflow_xdp"))
def test_header_sum_that_becomes_zero_is_sent_on_as_zero(run, program):
    """Not as ffff, which whoever adds up takes for the same, and whoever compares does not."""
    change = Change(TO[4], 8080, False)
    zero = number_that_makes_the_header_sum_zero(change)
    cases = []
    for number in (zero - 0x100, zero - 1, zero, zero + 1, zero + 0x100):
        case = frames.case_of_packet(Shape(4, "udp", number=number), "plain", ENDS[4], change)
        cases.append(dataclasses.replace(case, after=sent_on(4, case.after)))
    assert cases[2].after[24:26] == bytes(2) and 0x100 <= zero < 0xff00
    check(run, program, cases)


FOUR = ETH / IP(src="192.0.2.1", dst="198.51.100.2")
SIX = ETH / IPv6(src="2001:db8::1", dst="2001:db8:9::2")
LATER = IP(src="198.51.100.2", dst="192.0.2.1", frag=9) / Raw(bytes(30))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("what, frame", (
    (PACKET, ETH / ARP()),
    (PACKET, ETH / IP(src="192.0.2.1", dst="198.51.100.2", proto=6) / Raw(bytes(19))),
    (PACKET, ETH / IP(src="192.0.2.1", dst="198.51.100.2", proto=17) / Raw(bytes(7))),
    (PACKET, ETH / Raw(bytes(FOUR / UDP())[14:33])),
    (PACKET, SIX / (IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / IPv6ExtHdrDestOpt() /
                    IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() /
                    IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() /
                    IPv6ExtHdrDestOpt()) / UDP()),
    (ERROR, FOUR / UDP() / bytes(FOUR[IP] / TCP())),
    (ERROR, FOUR / ICMP(type=3) / bytes(LATER)),
    (ERROR, FOUR / ICMP(type=3) / bytes(FOUR[IP] / TCP())[:27]),
    (ERROR, FOUR / ICMP(type=3) / bytes(FOUR[IP])[:19]),
    (ERROR_HELD, FOUR / ICMP(type=3) / bytes(SIX[IPv6] / UDP())),
))
def test_what_is_not_there_to_translate_stays_as_it_was(run, program, what, frame):
    to = TO[6 if IPv6 in frame else 4]
    one = frames.task(what, Change(to, 8080, False), Change(to, 8080, True))
    got = run(program, [(one, NO_TASK, bytes(frame))])[0]
    assert (got.end, got.frame) == (FAILED, bytes(frame))


def test_no_loop_has_a_form_that_older_kernels_refuse(bpf_object):
    assert back_edges.refused_in(bpf_object) == {}


def test_the_verifier_walks_few_instructions(loader, bpf_object):
    told = subprocess.run([loader, bpf_object, "verified"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    print(told)
    verified = {line.split()[0]: int(line.split()[1]) for line in told.splitlines()}
    assert verified.keys() >= set(PROGRAMS)
    assert {name: count for name, count in verified.items() if count > VERIFIED_MAX} == {}
