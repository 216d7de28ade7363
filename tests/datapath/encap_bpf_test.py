# SPDX-License-Identifier: Apache-2.0
"""A packet that gets other headers in front of its own is byte for byte what scapy builds around
it, at XDP and at TC, by both compilers: IPIP and GUE, either version in either version."""
import collections
import errno
import functools
import itertools
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
import bpf_build  # noqa: E402
import nat_frames as frames  # noqa: E402
from harness.kernel import release  # noqa: E402
from encap_frames import GUE, IPIP, L2, around, flow_hash, one_hop_on, packed  # noqa: E402

SEED = int(os.environ.get("WEIR_ENCAP_SEED") or random.SystemRandom().randrange(1 << 32))
COUNT = 1000
PROGRAMS = ("encap_tc", "encap_xdp")
VERIFIED_MAX = 10000
OUTER = {4: ("203.0.113.9", "198.51.100.77"), 6: ("2001:db8:9::9", "2001:db8:77::77")}
SKB_CHECKSUM_COMPLETE = 1 << 2          # linux/bpf.h: BPF_F_TEST_SKB_CHECKSUM_COMPLETE

Case = collections.namedtuple("Case", "what before after task end")
Run = collections.namedtuple("Run", "end ns frame")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("encap-bpf")


@pytest.fixture(scope="module")
def loader(built):
    if os.geteuid() != 0:
        pytest.skip("loading BPF programs needs root")
    return bpf_build.build_loader(built, "nat_bpf")


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def bpf_object(request, built):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return bpf_build.build_object(built, "encap_bpf", request.param)


@pytest.fixture(scope="module")
def run(loader, bpf_object):
    """Answers to (task, frame), in the same order; an errno where the kernel has one."""
    def run(program, asked, flags=0):
        none = bytes(len(asked[0][0])).hex()
        done = subprocess.run([loader, bpf_object, "run"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, input="".join(
                                  f"{program} {flags} 1 {task.hex()} {none} {frame.hex()}\n"
                                  for task, frame in asked))
        assert done.returncode == 0, done.stderr[-3000:]
        words = [line.split(" ") for line in done.stdout.splitlines()]
        assert len(words) == len(asked)
        return [int(w[1]) if w[0] == "error" else Run(int(w[0]), int(w[1]), bytes.fromhex(w[2]))
                for w in words]
    return run


def check(run, program, cases, flags=0):
    runs = run(program, [(case.task, case.before) for case in cases], flags)
    for case, got in zip(cases, runs, strict=True):
        said = f"WEIR_ENCAP_SEED={SEED} {case.what} {case.before.hex()}"
        assert not isinstance(got, int), f"{errno.errorcode[got]}: {said}"
        assert got.frame.hex() == case.after.hex(), said
        assert got.end == case.end, said


def task(forward, outer):
    return b"".join(map(packed, OUTER[outer])) + struct.pack("=IBBH", 0, forward, 0, 0)


def case_of(shape, ends, forward, outer, padding=b"", tos=None):
    packet = bytearray(frames.packet(shape, ends))
    if tos is not None:
        if shape.version == 4:
            packet[1] = tos
            packet = bytearray(one_hop_on(bytes(packet[:8] + bytes((62,)) + packet[9:])))
        else:
            packet[0], packet[1] = 0x60 | tos >> 4, (tos & 15) << 4 | packet[1] & 15
    packet = bytes(packet)
    before = frames.framed(shape, "plain", packet, padding)
    has_ports = shape.kind in frames.WITH_PORTS and shape.part != "later"
    number = flow_hash(ends, shape.protocol, has_ports)
    on = one_hop_on(packet)
    whole = on if forward == L2 else around(on, forward, OUTER[outer], number)
    ether = before[:12] + (b"\x08\x00" if whole[0] >> 4 == 4 else b"\x86\xdd")
    return Case(f"{shape} {ends} {forward} in {outer} tos {tos}", before, ether + whole + padding,
                task(forward, outer), 1)


# --- all kinds, and random ones ------------------------------------------------------------------

WAYS = [(L2, 4)] + list(itertools.product((IPIP, GUE), (4, 6)))


@functools.cache
def every_kind():
    rng = random.Random(SEED)
    return [case_of(frames.random_shape(rng, version=version, kind=kind, options=options,
                                        part=part), frames.random_ends(rng, version), forward,
                    outer)
            for version, kind, part, options, (forward, outer) in itertools.product(
                (4, 6), frames.KINDS, frames.PARTS, (False, True), WAYS)]


@functools.cache
def every_class():
    """DSCP and ECN, all of them: 256 for each version in each."""
    ends = {4: frames.Ends("192.0.2.1", "198.51.100.2", 40000, 80),
            6: frames.Ends("2001:db8::1", "2001:db8:9::2", 40000, 80)}
    return [case_of(frames.Shape(version, "udp"), ends[version], IPIP, outer, tos=tos)
            for version, outer, tos in itertools.product((4, 6), (4, 6), range(256))]


@functools.cache
def random_cases():
    rng = random.Random(SEED + 1)
    cases = []
    for _ in range(COUNT):
        shape = frames.random_shape(rng)
        cases.append(case_of(shape, frames.random_ends(rng, shape.version), *rng.choice(WAYS),
                             padding=bytes(rng.choice((0, 0, 9))), tos=rng.choice((None, 0xb9))))
    return cases


CASES = {"kinds": every_kind, "classes": every_class, "random": random_cases}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("cases", CASES)
def test_frame_is_the_one_scapy_builds_around_the_packet(run, program, cases):
    print(f"WEIR_ENCAP_SEED={SEED}")
    check(run, program, CASES[cases]())


@pytest.mark.parametrize("cases", CASES)
def test_sum_that_a_device_has_taken_of_all_the_packet_stays_right(run, cases):
    some = CASES[cases]()
    one = run("encap_tc", [(some[0].task, some[0].before)], SKB_CHECKSUM_COMPLETE)[0]
    if one == errno.EINVAL:
        pytest.skip("this kernel's prog-run has no such sum")
    check(run, "encap_tc", some, SKB_CHECKSUM_COMPLETE)


@pytest.mark.parametrize("link", ("vlan", "qinq"))
def test_tags_that_lead_elsewhere_are_not_encapsulated(run, link):
    shape = frames.Shape(4, "udp")
    ends = frames.Ends("192.0.2.1", "198.51.100.2", 40000, 80)
    before = frames.framed(shape, link, frames.packet(shape, ends))
    got, = run("encap_xdp", [(task(GUE, 4), before)])
    assert (got.end, got.frame) == (0, before)


def test_ports_of_flows_spread_over_the_whole_range():
    rng = random.Random(SEED + 2)
    ports = [0xc000 | flow_hash(frames.random_ends(rng, 4), 6, True) >> 18 for _ in range(16384)]
    # 16,384 balls into 64 bins of 256 each: none is off by a third.
    bins = collections.Counter((port - 0xc000) >> 8 for port in ports)
    assert len(bins) == 64 and 170 < min(bins.values()) and max(bins.values()) < 340
    assert min(ports) >= 49152


def verified_most():
    """Kernels before 6.8 tell fewer states apart, and walk half as much again."""
    return VERIFIED_MAX if release() >= (6, 8) else 2 * VERIFIED_MAX


def test_verifier_walks_little(loader, bpf_object):
    done = subprocess.run([loader, bpf_object, "verified"], stdout=subprocess.PIPE, text=True,
                          check=True)
    counts = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    assert set(counts) == set(PROGRAMS) and max(counts.values()) < verified_most(), counts
